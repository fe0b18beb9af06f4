"""What editors are shown in their chats, and how it stays true wherever it was decided."""

from __future__ import annotations

import hashlib
import html as html_module
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from bot.dates import long_date
from bot.errors import (
    MessageRejected,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.store import NotedMessage, Notice
from bot.store.rows import dump_message
from bot.telegram_html import parse, utf16_length
from bot.types import (
    BroadcastState,
    Button,
    ChatType,
    Destination,
    Message,
    Reach,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from bot.editing.acts import Editing
    from bot.editing.values import Draft, Progress
    from bot.ports import Publisher
    from bot.render import Renderer
    from bot.store import Store, StoryBroadcast
    from bot.types import Broadcast, Story

QUESTION: Final = "question"
PROGRESS: Final = "progress"
RETRACTION: Final = "retraction"
CORRECTION: Final = "correction"
AT_ONCE: Final = 50
LEASE: Final = timedelta(seconds=10)
PACE: Final = timedelta(seconds=1)
TRY_AGAIN: Final = timedelta(seconds=10)
LOOK_EVERY: Final = timedelta(seconds=2)
MAX_CHARS: Final = 4_096

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a notice says now, and when it may say something else; None for not by itself."""

    message: Message
    again_at: datetime | None = None


class Notices:
    """Questions, progress and reports in editors' chats."""

    def __init__(
        self,
        store: Store,
        editing: Editing,
        renderer: Renderer,
        publisher: Publisher,
        message_of: Callable[[Story], Awaitable[Message]],
        zone: ZoneInfo,
    ) -> None:
        self._store = store
        self._editing = editing
        self._renderer = renderer
        self._publisher = publisher
        self._message_of = message_of
        self._zone = zone
        self._sent_at: dict[int, datetime] = {}

    async def offer(self, now: datetime) -> bool:
        """Show all editors what waits for them and what is held; False where there was nothing."""
        editors = await self._editing.reachable_editors()
        if not editors:
            return False
        drafts = await self._store.claim_unoffered(now, AT_ONCE)
        drafts += await self._store.claim_held(now, AT_ONCE)
        for item in drafts:
            await self._store.freeze_held(item, await self._frozen(item))
            for editor in editors:
                await self._ask(editor.telegram_id, item.broadcast.id, now)
        if drafts:
            await self.refresh(now)
        return bool(drafts)

    async def renew(self, now: datetime) -> bool:
        """Let what waits undecided say what its story says now; False where nothing changed."""
        outdated = await self._store.list_outdated(AT_ONCE)
        for item in outdated:
            await self._store.refreeze(item, await self._message_of(item.story), now)
        return bool(outdated)

    async def refresh(self, now: datetime) -> bool:
        """Edit the notices that may say something else by now; False where none was due."""
        until = now + LEASE
        due = await self._store.claim_notices(now, until, AT_ONCE)
        for notice in due:
            await self._refresh(notice, now, until)
        return bool(due)

    async def send(self, notice: Notice, now: datetime) -> None:
        """Send a new notice, from then on kept true."""
        shown = await self.say(notice, now)
        if shown is None:
            return
        try:
            message_id = await self._deliver(notice, shown.message, now)
        except PublishError as error:
            fields = {"editor": notice.chat, "reason": str(error)}
            _log.warning("editor not reached", extra=fields)
            return
        sent = replace(notice, message_id=message_id, shown=_digest(shown.message))
        await self._store.record_notice(sent, now, shown.again_at)

    async def say(self, notice: Notice, now: datetime) -> Shown | None:
        """What a notice says now; None where it is about nothing any more."""
        match notice.purpose:
            case "question" if notice.broadcast_id is not None:
                draft = await self._editing.find_draft(notice.broadcast_id)
                return None if draft is None else await self._question(draft, notice.language)
            case "progress" if notice.broadcast_id is not None:
                progress = await self._editing.progress(notice.broadcast_id)
                return None if progress is None else self._progress(progress, notice.language, now)
            case "retraction" | "correction" if notice.story_id is not None:
                return await self._outcomes(notice, now)
            case _:
                return None

    async def _ask(self, editor: int, broadcast_id: int, now: datetime) -> None:
        """Queue a question: it is sent when its chat's turn has come, also after a crash."""
        language = await self._language(editor)
        notice = Notice(QUESTION, editor, -broadcast_id, language, broadcast_id=broadcast_id)
        await self._store.record_notice(notice, now, now)

    async def _deliver(self, notice: Notice, message: Message, now: datetime) -> int:
        """Send a message to an editor; gives its id. Raises PublishError."""
        prepared = self._publisher.prepare(message)
        receipt = await self._publisher.send(Destination(notice.chat), prepared)
        self._sent_at[notice.chat] = now
        noted = NotedMessage(notice.chat, ChatType.PRIVATE, receipt.message_id)
        await self._store.note_messages([noted], now)
        return receipt.message_id

    async def _send_queued(self, notice: Notice, shown: Shown, now: datetime) -> None:
        """Send a question whose turn has come; one message a second to a chat."""
        turn = self._sent_at.get(notice.chat, now - PACE) + PACE
        if turn > now:
            await self._store.record_sent(notice, notice.message_id, "", turn)
            return
        try:
            message_id = await self._deliver(notice, shown.message, now)
        except (RetryLater, OutcomeUnknown, TokenRejected) as error:
            after_s = error.after_s if isinstance(error, RetryLater) else None
            again_at = now + (timedelta(seconds=after_s) if after_s else TRY_AGAIN)
            await self._store.record_sent(notice, notice.message_id, "", again_at)
        except PublishError as error:
            fields = {"editor": notice.chat, "reason": str(error)}
            _log.warning("editor not reached", extra=fields)
            await self._store.record_sent(notice, notice.message_id, "", None)
        else:
            digest = _digest(shown.message)
            await self._store.record_sent(notice, message_id, digest, shown.again_at)

    async def _follow(self, notice: Notice, now: datetime) -> None:
        """Show the progress of a broadcast whose moment has come to the editor who chose it."""
        progress = Notice(
            PROGRESS, notice.chat, 0, notice.language, broadcast_id=notice.broadcast_id
        )
        found = await self._store.find_broadcast(notice.broadcast_id or 0)
        if (
            found is not None
            and found.broadcast.state is BroadcastState.OPEN
            and found.broadcast.decided_by == notice.chat
            and _has_waited(found.broadcast)
            and not await self._store.has_notice(progress)
        ):
            await self.send(progress, now)

    async def _refresh(self, notice: Notice, now: datetime, until: datetime) -> None:
        shown = await self.say(notice, now)
        if shown is None:
            await self._store.settle_notice(notice, notice.shown, until, None)
            return
        if notice.message_id < 0:
            await self._send_queued(notice, shown, now)
            return
        if notice.purpose == QUESTION:
            await self._follow(notice, now)
        seen, again_at = _digest(shown.message), shown.again_at
        if seen != notice.shown:
            try:
                prepared = self._publisher.prepare(shown.message)
                await self._publisher.edit(Destination(notice.chat), notice.message_id, prepared)
            except RetryLater as error:
                seen, again_at = notice.shown, now + timedelta(seconds=error.after_s or 2)
            except MessageRejected as error:
                _log.error("notice rejected", extra={"notice": notice.id, "reason": str(error)})
                again_at = None
            except PublishError as error:
                fields = {"editor": notice.chat, "reason": str(error)}
                _log.info("notice not edited", extra=fields)
                again_at = None
        await self._store.settle_notice(notice, seen, until, again_at)

    async def _frozen(self, item: StoryBroadcast) -> Message:
        return item.broadcast.message or await self._message_of(item.story)

    async def _question(self, draft: Draft, language: str) -> Shown:
        """The exact message with the decisions that are open; after one, who made it."""
        broadcast = draft.broadcast
        message = broadcast.message or await self._message_of(draft.story)
        decided = await self._decided(broadcast, language)
        if broadcast.state is BroadcastState.DRAFT:
            rows = self._decisions(draft, language)
        elif broadcast.state is BroadcastState.SCHEDULED and broadcast.decided_by is None:
            rows = self._countdown(draft, language)
        elif _is_appointed(broadcast):
            rows = self._appointment(broadcast, language)
        else:
            rows = ()
        if decided:
            message = _with_line(message, decided)
        return Shown(replace(message, buttons=(*message.buttons, *rows)))

    def _decisions(self, draft: Draft, language: str) -> tuple[tuple[Button, ...], ...]:
        broadcast = draft.broadcast
        mark = marked(broadcast)
        last = "label_skip" if broadcast.created_by is None else "label_cancel"
        verb = "skip" if broadcast.created_by is None else "cancel"

        def button(name: str, data: str, **values: Any) -> Button:
            return Button(self._label(language, name, **values), callback_data=data)

        send = self._label(language, "label_send")

        return (
            (button("label_audience", f"audience:{broadcast.id}", **self._size(draft, language)),),
            (
                button("label_schedule", f"schedule:{mark}"),
                button("label_edit", f"edit:{broadcast.id}"),
                button("label_ring", f"send:{mark}:u"),
            ),
            (
                Button(
                    f"{send} ({draft.audience})",
                    callback_data=f"send:{mark}",
                ),
                button(last, f"{verb}:{broadcast.id}"),
            ),
        )

    def _countdown(self, draft: Draft, language: str) -> tuple[tuple[Button, ...], ...]:
        broadcast = draft.broadcast
        assert broadcast.due_at is not None
        at = f"{broadcast.due_at.astimezone(self._zone):%H:%M:%S}"
        now = self._label(language, "label_send_now")
        return (
            (
                Button(
                    self._label(language, "label_schedule"),
                    callback_data=f"schedule:{marked(broadcast)}",
                ),
                Button(self._label(language, "label_edit"), callback_data=f"edit:{broadcast.id}"),
            ),
            (
                Button(f"{now} ({draft.audience})", callback_data=f"send:{marked(broadcast)}"),
                Button(
                    self._label(language, "label_hold", at=at),
                    callback_data=f"skip:{broadcast.id}",
                ),
            ),
        )

    def _appointment(self, broadcast: Broadcast, language: str) -> tuple[tuple[Button, ...], ...]:
        mark = marked(broadcast)
        return (
            (
                Button(self._label(language, "label_reschedule"), callback_data=f"schedule:{mark}"),
                Button(self._label(language, "label_edit"), callback_data=f"edit:{broadcast.id}"),
            ),
            (
                Button(self._label(language, "label_send_now"), callback_data=f"send:{mark}"),
                Button(
                    self._label(language, "label_cancel"), callback_data=f"cancel:{broadcast.id}"
                ),
            ),
        )

    async def _decided(self, broadcast: Broadcast, language: str) -> str:
        """Who decided what and when, as a line; empty while nobody has."""
        undecided = broadcast.state is BroadcastState.SCHEDULED and broadcast.decided_by is None
        if broadcast.state is BroadcastState.DRAFT or undecided:
            return ""
        names = await self._store.list_names()
        by = names.get(broadcast.decided_by or 0) or str(broadcast.decided_by or "")
        stage, when = _STAGES[broadcast.state], ""
        at = broadcast.decided_at or broadcast.due_at
        if _is_appointed(broadcast):
            assert broadcast.due_at is not None
            stage, when = "scheduled", long_date(broadcast.due_at, self._zone, language)
        elif at is not None:
            when = f"{at.astimezone(self._zone):%H:%M}"
        return self._renderer.chat(
            language, "decided", stage=stage, by=by, when=when, urgent=broadcast.urgent
        )

    def _progress(self, progress: Progress, language: str, now: datetime) -> Shown:
        broadcast = progress.broadcast
        html = self._renderer.chat(
            language,
            "report",
            title=progress.story.title,
            sent=progress.sent,
            waiting=progress.waiting,
            refused=progress.refused,
            unclear=progress.unknown,
            stopped=progress.stopped,
            total=progress.total,
            left=self._while(progress.left_s, language),
            state=stage_of(progress),
        )
        if progress.is_over or broadcast.state is not BroadcastState.OPEN:
            over = progress.is_over
            return Shown(Message(html, parse(html).text), None if over else now + LOOK_EVERY)
        first = ("label_resume", "resume") if broadcast.paused_at else ("label_pause", "pause")
        halts = () if broadcast.stopped_at else (first, ("label_stop", "stop"))
        buttons = tuple(
            Button(self._label(language, name), callback_data=f"{verb}:{broadcast.id}")
            for name, verb in halts
        )
        rows = (buttons,) if buttons else ()
        return Shown(Message(html, parse(html).text, rows), now + LOOK_EVERY)

    async def _outcomes(self, notice: Notice, now: datetime) -> Shown | None:
        assert notice.story_id is not None
        story = await self._store.find_story(notice.story_id)
        if story is None:
            return None
        found = await self._editing.outcomes(story.id)
        html = self._renderer.chat(
            notice.language,
            "outcomes",
            purpose=notice.purpose,
            title=story.title,
            edited=found.edited,
            deleted=found.deleted,
            replaced=found.replaced,
            refused=found.refused,
            waiting=found.waiting,
        )
        again_at = now + LOOK_EVERY if found.waiting else None
        return Shown(Message(html, parse(html).text), again_at)

    def _size(self, draft: Draft, language: str) -> dict[str, Any]:
        audience = draft.broadcast.audience
        told = {
            Reach.TAGS: ", ".join(audience.tags),
            Reach.CHATS: str(len(audience.chats)),
        }.get(audience.reach, "")
        return {
            "reach": audience.reach.value,
            "told": told,
            "number": draft.audience,
            "takes": self._while(draft.takes_s, language),
        }

    def _while(self, seconds: float | None, language: str) -> str:
        """How long something takes: "12 dtk", "3 mnt", "2 jam"; empty for nobody knows."""
        if seconds is None:
            return ""
        indonesian = language == "id"
        if seconds < 90:
            return f"{max(round(seconds), 1)} {'dtk' if indonesian else 's'}"
        if seconds < 5_400:
            return f"{round(seconds / 60)} {'mnt' if indonesian else 'min'}"
        return f"{round(seconds / 3_600)} {'jam' if indonesian else 'h'}"

    def _label(self, language: str, name: str, **values: Any) -> str:
        return html_module.unescape(self._renderer.chat(language, name, **values))

    async def _language(self, editor: int) -> str:
        chat = await self._store.find_chat(editor)
        return (chat.language if chat else None) or self._renderer.locale


_STAGES: Final = {
    BroadcastState.DRAFT: "",
    BroadcastState.SCHEDULED: "sent",
    BroadcastState.OPEN: "sent",
    BroadcastState.CANCELLED: "cancelled",
    BroadcastState.RETRACTED: "retracted",
}


def _is_appointed(broadcast: Broadcast) -> bool:
    """Whether an editor lets a broadcast wait for a moment."""
    return broadcast.state is BroadcastState.SCHEDULED and _has_waited(broadcast)


def _has_waited(broadcast: Broadcast) -> bool:
    return (
        broadcast.due_at is not None
        and broadcast.decided_at is not None
        and broadcast.due_at > broadcast.decided_at
    )


def marked(broadcast: Broadcast) -> str:
    """A broadcast's number in callback data, with the state of its message where it changed."""
    if broadcast.revision == 1:
        return str(broadcast.id)
    return f"{broadcast.id}.{broadcast.revision}"


def stage_of(progress: Progress) -> str:
    """What a progress says in a word."""
    broadcast = progress.broadcast
    if broadcast.state is BroadcastState.RETRACTED:
        return "retracted"
    if broadcast.state is BroadcastState.CANCELLED:
        return "cancelled"
    if broadcast.state is not BroadcastState.OPEN or (broadcast.fanning and not progress.total):
        return "waiting"
    if broadcast.stopped_at is not None:
        return "stopped"
    if broadcast.paused_at is not None:
        return "paused"
    return "done" if progress.is_over else "running"


def _with_line(message: Message, line: str) -> Message:
    """A message with a line below it, and without its end where both would be too long."""
    if utf16_length(message.text) + utf16_length(parse(line).text) + 2 <= MAX_CHARS:
        return replace(message, html=f"{message.html}\n\n{line}")
    return replace(message, html=line)


def _digest(message: Message) -> str:
    return hashlib.sha256(dump_message(message).encode()).hexdigest()[:32]
