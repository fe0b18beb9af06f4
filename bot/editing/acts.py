"""The editorial acts; each checks the right and writes the trail in the transaction of its deed."""

from __future__ import annotations

import logging
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bot.editing.stats import gather
from bot.editing.values import Decision, Draft, Outcomes, Progress
from bot.editing.written import checked, first_link, told_by, with_link
from bot.errors import NotAllowedError
from bot.identity import sight_entry
from bot.links import canonical, story_key
from bot.store import Correction, Sending, Warrant
from bot.telegram_html import escape, parse
from bot.types import (
    Action,
    ActKind,
    Audience,
    BroadcastState,
    DeliveryState,
    Editor,
    Entry,
    Message,
    Platform,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from bot.editing.values import Stats
    from bot.ports import FeedSource
    from bot.render import Renderer
    from bot.store import Store, StoryBroadcast
    from bot.types import Act, Broadcast, BroadcastReport, Story

# The feed that holds stories which an editor named or wrote.
EDITORS_FEED: Final = "editors:"
MOST_LISTED: Final = 50
HALT_PART: Final = 2_000
# How the outbox says that a message was too old to be deleted.
REPLACED: Final = "too old"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EditingPolicy:
    """What the operator decides: who owns the newsroom, its zone, messages per second."""

    owners: frozenset[int]
    zone: ZoneInfo
    rate: float


class Editing:
    """What editors do, from any surface. Each method raises NotAllowedError, and notes it."""

    def __init__(
        self,
        store: Store,
        source: FeedSource,
        renderer: Renderer,
        message_of: Callable[[Story], Awaitable[Message]],
        policy: EditingPolicy,
    ) -> None:
        self._store = store
        self._source = source
        self._renderer = renderer
        self._message_of = message_of
        self._policy = policy

    async def is_editor(self, user_id: int) -> bool:
        """Whether somebody may do what editors do."""
        return self.is_owner(user_id) or await self._store.is_editor(user_id)

    def is_owner(self, user_id: int) -> bool:
        """Whether the settings name somebody, who then may appoint and dismiss editors."""
        return user_id in self._policy.owners

    async def list_editors(self, editor: int, now: datetime) -> list[Editor]:
        """Owners and appointed editors."""
        await self._check(editor, ActKind.LOOK, now)
        return await self.reachable_editors()

    async def reachable_editors(self) -> list[Editor]:
        """Owners and appointed editors, for what is told to all of them."""
        names = await self._store.list_names()
        owners = [
            Editor(owner, names.get(owner, ""), is_owner=True)
            for owner in sorted(self._policy.owners)
        ]
        appointed = await self._store.list_editors()
        return owners + [one for one in appointed if not self.is_owner(one.telegram_id)]

    async def note_name(self, editor: int, name: str) -> None:
        """Keep the name of an editor, so that others see who decided."""
        if (await self._store.list_names()).get(editor) != name:
            await self._store.record_name(editor, name)

    async def appoint(self, editor: int, user_id: int, name: str, now: datetime) -> bool:
        """Make somebody an editor; an owner's right. False where they are one."""
        async with self._acting(editor, ActKind.APPOINT, now, str(user_id)) as warrant:
            if not warrant.is_owner:
                raise NotAllowedError(f"{editor} is no owner")
            return not self.is_owner(user_id) and await self._store.appoint(warrant, user_id, name)

    async def dismiss(self, editor: int, user_id: int, now: datetime) -> bool:
        """End somebody's being an editor; an owner's right. False where they are none."""
        async with self._acting(editor, ActKind.DISMISS, now, str(user_id)) as warrant:
            return await self._store.dismiss(warrant, user_id)

    async def note_refused(
        self, user_id: int, kind: ActKind, now: datetime, detail: str = ""
    ) -> None:
        """Write an attempt without the right into the trail."""
        await self._store.note_refused(self._warrant(user_id, now), kind, detail)
        _log.warning("editors' act refused", extra={"user": user_id, "act": kind.value})

    async def note_act(self, editor: int, kind: ActKind, now: datetime, detail: str = "") -> None:
        """Check the right, and write an act into the trail that no other method is for."""
        async with self._acting(editor, kind, now, detail) as warrant:
            await self._store.note_act(warrant, kind, detail)

    async def list_acts(
        self,
        editor: int,
        now: datetime,
        limit: int,
        before_id: int | None = None,
        story_id: int | None = None,
    ) -> list[Act]:
        """The audit trail, the newest first."""
        await self._check(editor, ActKind.LOOK, now)
        return await self._store.list_acts(limit, before_id, story_id)

    async def find_or_read(self, editor: int, url: str, now: datetime) -> Story:
        """Give the story at an address, read from its page where no feed has shown it.

        Raises SourceError where the page cannot be read as an article.
        """
        await self._check(editor, ActKind.DRAFT, now)
        known = await self._store.find_story_by_key(story_key(canonical(url)))
        if known is not None:
            return known
        entry = await self._source.read_article(url)
        sighting = sight_entry(replace(entry, url=entry.url or url))
        return await self._store.record_story(sighting, EDITORS_FEED, now)

    async def draft(self, editor: int, story: Story, now: datetime) -> Draft:
        """Prepare a broadcast of a stored story; its message is frozen as the editor sees it."""
        async with self._acting(editor, ActKind.DRAFT, now) as warrant:
            message = await self._message_of(story)
            made = await self._store.record_own_draft(warrant, story.id, message)
        return await self._described(made, story)

    async def draft_url(self, editor: int, url: str, now: datetime) -> Draft:
        """Prepare a broadcast of the article at an address. Raises SourceError."""
        return await self.draft(editor, await self.find_or_read(editor, url, now), now)

    async def draft_text(self, editor: int, html: str, now: datetime) -> Draft:
        """Prepare a broadcast of the editor's own text, in Telegram's HTML.

        The page of its first link is previewed below it. Raises MarkupError.
        """
        sent, parsed = checked(html)
        async with self._acting(editor, ActKind.DRAFT, now) as warrant:
            told = sight_entry(
                Entry(
                    title=" ".join(parsed.text.split("\n", 1)[0].split()),
                    summary=parsed.text.partition("\n")[2].strip(),
                    guid=f"{EDITORS_FEED}{secrets.token_hex(8)}",
                )
            )
            sheet = self._renderer.share_sheet(told.story)
            message = Message(sent, parsed.text, sheet.message.buttons, first_link(parsed))
            made, story = await self._store.record_written_draft(
                warrant, told, EDITORS_FEED, message
            )
        return await self._described(made, story)

    async def find_draft(self, broadcast_id: int) -> Draft | None:
        """A broadcast with what a decision needs to know."""
        found = await self._store.find_broadcast(broadcast_id)
        return None if found is None else await self._described(found.broadcast, found.story)

    async def edit_text(self, editor: int, broadcast_id: int, html: str, now: datetime) -> Decision:
        """Replace the text of what has not gone out; a story's address stays below it.

        Raises MarkupError.
        """
        checked(html)
        async with self._acting(editor, ActKind.EDIT, now, str(broadcast_id)) as warrant:
            found = await self._store.find_broadcast(broadcast_id)
            if found is None:
                return Decision.MISSING
            message = self._worded(found.story, found.broadcast.message, html)
            done = await self._store.rewrite_broadcast(warrant, broadcast_id, message)
        return Decision.DONE if done else Decision.DECIDED

    async def choose_audience(
        self, editor: int, broadcast_id: int, audience: Audience, now: datetime
    ) -> Decision:
        """Say whom a broadcast that has not gone out is for."""
        async with self._acting(editor, ActKind.AUDIENCE, now, str(broadcast_id)) as warrant:
            if await self._store.aim_broadcast(warrant, broadcast_id, audience):
                return Decision.DONE
        return await self._why_not(broadcast_id)

    async def approve(
        self,
        editor: int,
        broadcast_id: int,
        now: datetime,
        *,
        urgent: bool = False,
        revision: int | None = None,
    ) -> Decision:
        """Let a broadcast go out now; `revision` is the state of its message that was shown."""
        sending = Sending(now, urgent, revision)
        return await self._release(editor, broadcast_id, sending, now, ActKind.SEND)

    async def schedule(
        self,
        editor: int,
        broadcast_id: int,
        due_at: datetime,
        now: datetime,
        *,
        urgent: bool = False,
        revision: int | None = None,
    ) -> Decision:
        """Let a broadcast go out at a moment; also moves one that is scheduled."""
        sending = Sending(due_at, urgent, revision)
        return await self._release(editor, broadcast_id, sending, now, ActKind.SCHEDULE)

    async def cancel(
        self, editor: int, broadcast_id: int, now: datetime, kind: ActKind = ActKind.CANCEL
    ) -> Decision:
        """Call a broadcast off that has not gone out (Skip, Stop of the countdown, Cancel)."""
        async with self._acting(editor, kind, now, str(broadcast_id)) as warrant:
            if await self._store.call_off(warrant, broadcast_id, kind):
                return Decision.DONE
        found = await self._store.find_broadcast(broadcast_id)
        return Decision.MISSING if found is None else Decision.DECIDED

    async def pause(self, editor: int, broadcast_id: int, now: datetime) -> bool:
        """Let nothing more of a running broadcast go out for now."""
        return await self._halt(editor, broadcast_id, now, ActKind.PAUSE)

    async def resume(self, editor: int, broadcast_id: int, now: datetime) -> bool:
        """Let a paused broadcast go on."""
        return await self._halt(editor, broadcast_id, now, ActKind.RESUME)

    async def stop(self, editor: int, broadcast_id: int, now: datetime) -> bool:
        """Let nothing more of a broadcast go out, for good."""
        return await self._halt(editor, broadcast_id, now, ActKind.STOP)

    async def settle_halts(self, now: datetime) -> bool:
        """Carry out pauses, resumptions and stops in parts; False where nothing was left to do."""
        return await self._store.settle_halts(now, HALT_PART)

    async def resend_failed(self, editor: int, broadcast_id: int, now: datetime) -> int:
        """Try again where a broadcast was refused; gives the number of destinations."""
        async with self._acting(editor, ActKind.RESEND, now, str(broadcast_id)) as warrant:
            return await self._store.resend_failed(warrant, broadcast_id)

    async def propose_correction(
        self, editor: int, story_id: int, now: datetime, *, html: str = "", url: str = ""
    ) -> int:
        """Keep a correction that waits for a second look; gives its id. Raises MarkupError."""
        if html:
            checked(html)
        async with self._acting(editor, ActKind.CORRECT, now, f"{url} {html}".strip()) as warrant:
            return await self._store.record_correction(warrant, Correction(story_id, html, url))

    async def preview_correction(
        self, correction: Correction, now: datetime
    ) -> tuple[Story, Message] | None:
        """What a story and its messages will say; None for a story that is not there."""
        story = await self._store.find_story(correction.story_id)
        return None if story is None else await self._corrected(story, correction, now)

    async def correct(
        self,
        editor: int,
        story_id: int,
        now: datetime,
        *,
        html: str | None = None,
        url: str | None = None,
        marked: bool = False,
    ) -> int | None:
        """Give what was sent of a story another text or address, everywhere.

        `marked` adds a visible line. Gives the number of messages, None where it is withdrawn.
        Raises MarkupError.
        """
        if html:
            checked(html)
        asked = Correction(story_id, html or "", url or "", marked)
        return await self.make_correction(editor, asked, now)

    async def make_correction(
        self, editor: int, correction: Correction, now: datetime
    ) -> int | None:
        """Carry a correction out; None where that was done before, or the story is withdrawn."""
        async with self._acting(editor, ActKind.CORRECT, now, correction.html) as warrant:
            seen = await self.preview_correction(correction, now)
            if seen is None:
                return None
            story, message = seen
            return await self._store.correct_by(warrant, correction, story, message)

    async def retract(self, editor: int, story_id: int, now: datetime) -> int | None:
        """Take back a story everywhere; None where that was done before."""
        html = self._renderer.chat(self._renderer.locale, "withdrawn")
        note = Message(html, parse(html).text)
        async with self._acting(editor, ActKind.RETRACT, now, str(story_id)) as warrant:
            number = await self._store.retract_by(warrant, story_id, note)
        _log.info("story retracted", extra={"story": story_id, "retractions": number})
        return number

    async def list_drafts(self, editor: int, now: datetime) -> list[Draft]:
        """What waits for a decision, the newest first."""
        return await self._list(editor, "draft", now)

    async def list_scheduled(self, editor: int, now: datetime) -> list[Draft]:
        """What waits for its moment, the next first."""
        return await self._list(editor, "scheduled", now)

    async def list_running(self, editor: int, now: datetime) -> list[Progress]:
        """Broadcasts that are under way or paused, the newest first."""
        await self._check(editor, ActKind.LOOK, now)
        found = await self._store.list_broadcasts("running", MOST_LISTED)
        told = [await self.progress(item.broadcast.id) for item in found]
        return [one for one in told if one is not None]

    async def progress(self, broadcast_id: int) -> Progress | None:
        """How a broadcast does."""
        found = await self._store.report_progress(broadcast_id)
        return None if found is None else progress_of(*found, self._policy.rate)

    async def outcomes(self, story_id: int) -> Outcomes:
        """What became of the last correction of a story, or else of its retraction."""
        retractions = await self._store.count_outcomes(story_id, Action.RETRACT)
        edits = await self._store.count_outcomes(story_id, Action.EDIT)
        return outcomes_of(edits, retractions)

    async def stats(self, editor: int, days: int, now: datetime) -> Stats:
        """The last days in numbers."""
        await self._check(editor, ActKind.LOOK, now)
        return await gather(self._store, days, now, self._policy.zone)

    async def story_broadcasts(self, story_id: int) -> Sequence[Broadcast]:
        """All broadcasts of a story, the newest first."""
        return await self._store.list_story_broadcasts(story_id)

    def _warrant(self, editor: int, now: datetime) -> Warrant:
        return Warrant(editor, self.is_owner(editor), now)

    @asynccontextmanager
    async def _acting(
        self, editor: int, kind: ActKind, now: datetime, detail: str = ""
    ) -> AsyncIterator[Warrant]:
        """Act under a warrant; a refusal goes into the trail, and on."""
        try:
            yield self._warrant(editor, now)
        except NotAllowedError:
            await self.note_refused(editor, kind, now, detail)
            raise

    async def _check(self, editor: int, kind: ActKind, now: datetime) -> None:
        async with self._acting(editor, kind, now):
            if not await self.is_editor(editor):
                raise NotAllowedError(f"{editor} is no editor")

    async def _release(
        self, editor: int, broadcast_id: int, sending: Sending, now: datetime, kind: ActKind
    ) -> Decision:
        async with self._acting(editor, kind, now, str(broadcast_id)) as warrant:
            if await self._store.release_broadcast(warrant, broadcast_id, sending, kind):
                return Decision.DONE
        return await self._why_not(broadcast_id)

    async def _why_not(self, broadcast_id: int) -> Decision:
        found = await self._store.find_broadcast(broadcast_id)
        if found is None:
            return Decision.MISSING
        waits = found.broadcast.state in {BroadcastState.DRAFT, BroadcastState.SCHEDULED}
        undecided = waits and found.broadcast.decided_by is None
        return Decision.CHANGED if undecided else Decision.DECIDED

    async def _halt(self, editor: int, broadcast_id: int, now: datetime, kind: ActKind) -> bool:
        async with self._acting(editor, kind, now, str(broadcast_id)) as warrant:
            done = await self._store.halt(warrant, broadcast_id, kind)
        while done and await self.settle_halts(now):
            pass
        return done

    async def _list(self, editor: int, which: str, now: datetime) -> list[Draft]:
        await self._check(editor, ActKind.LOOK, now)
        found = await self._store.list_broadcasts(which, MOST_LISTED)
        return [await self._described(item.broadcast, item.story) for item in found]

    async def _described(self, broadcast: Broadcast, story: Story) -> Draft:
        audience = await self._store.count_audience(story.id, broadcast.audience)
        reached = await self._store.count_reached(story.id)
        return Draft(broadcast, story, audience, audience / self._policy.rate, reached)

    def _worded(self, story: Story, before: Message | None, html: str) -> Message:
        """A story's message with other words."""
        sent, parsed = checked(html)
        link = self._renderer.link(story, Platform.TELEGRAM)
        sent, parsed = checked(with_link(sent, parsed, story.url, link))
        told = self._renderer.share_sheet(told_by(parsed.text, story)).message
        shown = before.preview_url if before else told.preview_url
        return Message(sent, parsed.text, told.buttons, shown or first_link(parsed))

    async def _corrected(
        self, story: Story, correction: Correction, now: datetime
    ) -> tuple[Story, Message]:
        before = await self._last_message(story.id)
        url = canonical(correction.url) if correction.url else ""
        moved = replace(story, url=url, short_url=None) if url else story
        if correction.html:
            message = self._worded(moved, None, correction.html)
            moved = told_by(message.text, moved)
        elif before is not None:
            html = self._relinked(before.html, story, moved)
            text = parse(html).text
            sheet = self._renderer.share_sheet(moved).message
            message = Message(html, text, sheet.buttons, moved.url or before.preview_url)
        else:
            message = await self._message_of(moved)
        if correction.marked:
            message = self._marked(message, now)
        return moved, message

    def _relinked(self, html: str, old: Story, new: Story) -> str:
        """A message's words with the new address wherever the old one stands."""
        pairs = (
            (
                self._renderer.link(old, Platform.TELEGRAM),
                self._renderer.link(new, Platform.TELEGRAM),
            ),
            (old.url, new.url),
        )
        for before, after in pairs:
            if before:
                html = html.replace(f'"{escape(before)}"', f'"{escape(after)}"')
                html = html.replace(f">{escape(before)}<", f">{escape(after)}<")
        return html

    def _marked(self, message: Message, now: datetime) -> Message:
        line = self._renderer.chat(
            self._renderer.locale, "corrected", at=now.astimezone(self._policy.zone)
        )
        html, parsed = checked(f"{line}\n\n{message.html}")
        return replace(message, html=html, text=parsed.text)

    async def _last_message(self, story_id: int) -> Message | None:
        for broadcast in await self._store.list_story_broadcasts(story_id):
            waits = broadcast.state in {BroadcastState.OPEN, BroadcastState.SCHEDULED}
            if waits and broadcast.message is not None:
                return broadcast.message
        return None


def progress_of(
    item: StoryBroadcast, report: BroadcastReport, stopped: int, rate: float
) -> Progress:
    """A broadcast's progress out of its report."""

    def count(*states: DeliveryState) -> int:
        return sum(report.counts.get(state, 0) for state in states)

    waiting = count(DeliveryState.PENDING, DeliveryState.SENDING)
    runs = (
        item.broadcast.state is BroadcastState.OPEN
        and item.broadcast.paused_at is None
        and item.broadcast.stopped_at is None
    )
    return Progress(
        broadcast=item.broadcast,
        story=item.story,
        sent=count(DeliveryState.SENT),
        waiting=waiting,
        unknown=count(DeliveryState.UNKNOWN),
        refused=count(DeliveryState.FAILED, DeliveryState.CANCELLED),
        stopped=stopped,
        left_s=waiting / rate if runs and waiting else None,
    )


def outcomes_of(
    edits: Sequence[tuple[DeliveryState, str, int]],
    retractions: Sequence[tuple[DeliveryState, str, int]],
) -> Outcomes:
    """Outcomes out of what deliveries say: of the retraction where there is one."""
    waits = {DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNKNOWN}
    numbers = {"edited": 0, "deleted": 0, "replaced": 0, "refused": 0, "waiting": 0}
    done = "deleted" if retractions else "edited"
    for state, said, number in retractions or edits:
        if state in waits:
            numbers["waiting"] += number
        elif state is not DeliveryState.SENT:
            numbers["refused"] += number
        elif said.startswith(REPLACED):
            numbers["replaced"] += number
        else:
            numbers[done] += number
    return Outcomes(**numbers)
