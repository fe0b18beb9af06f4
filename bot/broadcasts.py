"""Flow 2, editorial: preview, approve, cancel, open, revise, retract.

An editor sees what the same render code makes for everybody; approval freezes it, and what was
approved is what goes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.errors import PublishError, ShortenError
from bot.identity import sight_entry
from bot.links import canonical, story_key
from bot.render import MAX_LISTED
from bot.telegram_html import parse
from bot.types import Button, Destination, Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bot.ports import FeedSource, Publisher, Shortener
    from bot.render import Renderer
    from bot.store import Crowd, Store, StoryBroadcast, Unconfirmed
    from bot.types import Broadcast, Story

AT_ONCE = 200
BURST = 5
# A crash between fan-out and listing lets the stories go singly after this time.
LISTED_WITHIN = timedelta(seconds=30)
FAN_OUT_PART = 2000
SHORTEN_WAIT_S = 1.0
# In callback data a delivery's id bears this mark; a broadcast's is bare.
UNCONFIRMED_MARK = "d"
# The feed that holds stories which an editor named before any feed showed them.
EDITORS_FEED = "editors:"

_log = logging.getLogger(__name__)


class Approval(StrEnum):
    """What became of an editor's decision to send."""

    SENT = "sent"
    DECIDED = "decided"
    CHANGED = "changed"


class Broadcasts:
    """The editorial acts, and the steps by which they reach the outbox."""

    def __init__(
        self,
        store: Store,
        source: FeedSource,
        renderer: Renderer,
        publisher: Publisher,
        shortener: Shortener | None = None,
        *,
        burst: int = BURST,
        shorten_wait_s: float = SHORTEN_WAIT_S,
    ) -> None:
        self._store = store
        self._source = source
        self._renderer = renderer
        self._publisher = publisher
        self._shortener = shortener
        self._burst = burst
        self._shorten_wait_s = shorten_wait_s
        self._shortening: dict[int, asyncio.Task[str]] = {}

    async def find_or_read(self, url: str, now: datetime) -> Story:
        """Give the story at an address, read from its page where no feed has shown it.

        Raises SourceError where the page cannot be read as an article.
        """
        known = await self._store.find_story_by_key(story_key(canonical(url)))
        if known is not None:
            return known
        entry = await self._source.read_article(url)
        sighting = sight_entry(replace(entry, url=entry.url or url))
        return await self._store.record_story(sighting, EDITORS_FEED, now)

    async def draft(self, story: Story, editor: int, now: datetime) -> Broadcast:
        """Prepare a broadcast of a story; its message is frozen as the editor will see it."""
        story = await self._with_short_url(story)
        message = self._renderer.share_sheet(story).message
        return await self._store.record_draft(story.id, message, editor, now)

    async def approve(self, broadcast_id: int, now: datetime) -> Approval:
        """Let a draft go out now, unless somebody has decided before or its story has changed.

        A changed story's draft is shown anew: what an editor saw is what goes.
        """
        if await self._store.schedule_broadcast(broadcast_id, now):
            return Approval.SENT
        renewed = await self._store.renew_draft(broadcast_id)
        return Approval.CHANGED if renewed else Approval.DECIDED

    async def cancel(self, broadcast_id: int) -> bool:
        """Call a broadcast off; False where it has gone out or was decided before."""
        return await self._store.cancel_broadcast(broadcast_id)

    async def retract(self, story: Story, now: datetime) -> int | None:
        """Withdraw a story and take its messages back; what cannot be deleted shows a note.

        Gives the number of messages to take back, None where it was withdrawn before.
        """
        html = self._renderer.chat(self._renderer.locale, "withdrawn")
        note = Message(html, parse(html).text)
        number = await self._store.retract_story(story.id, note, now)
        if number is not None:
            _log.info("story retracted", extra={"story": story.id, "retractions": number})
        return number

    async def open_due(self, now: datetime) -> bool:
        """Open the broadcasts whose time has come and fan them out; False where there was none.

        Where more than the burst come at once for a destination, the newest go singly and one
        list message takes the place of the rest.
        """
        due = await self._store.list_due_broadcasts(now, AT_ONCE)
        messages = await asyncio.gather(*(self._message(item) for item in due))
        opened = []
        for item, message in zip(due, messages, strict=True):
            if await self._store.open_broadcast(item.broadcast.id, message, now):
                _log.info("broadcast opened", extra={"broadcast": item.broadcast.id})
                opened.append(item)
        crowded = len(opened) > self._burst
        fanning = await self._store.list_fanning()
        for broadcast_id in fanning:
            await self._fan_out(broadcast_id, now, now + LISTED_WITHIN if crowded else now)
        if crowded:
            await self._list_crowds(opened, now)
        return bool(due or fanning)

    async def revise_stale(self, now: datetime) -> bool:
        """Queue edits for open broadcasts whose story has changed; False where there was none."""
        stale = await self._store.list_stale(AT_ONCE, now)
        for item in stale:
            message = (
                self._renderer.list_message(item.listed, item.listing)
                if item.listed
                else self._renderer.share_sheet(item.story).message
            )
            number = await self._store.record_revision(item, message, now)
            fields = {"broadcast": item.broadcast.id, "edits": number}
            _log.info("broadcast revised", extra=fields)
        return bool(stale)

    async def keep_late_links(self) -> bool:
        """Keep the short links that came too late for their message; False where none did."""
        late = [(story_id, task) for story_id, task in self._shortening.items() if task.done()]
        for story_id, task in late:
            await self._keep_short_url(story_id, task)
        return bool(late)

    async def offer_drafts(self, editors: Sequence[int], now: datetime) -> bool:
        """Show the editors the drafts that wait for them; False where there was none.

        Each editor gets the exact message with the two decisions below it.
        """
        if not editors:
            return False
        drafts = await self._store.claim_unoffered(now, AT_ONCE)
        for item in drafts:
            message = await self._message(item)
            await self._store.freeze_message(item, message)
            audience = await self._store.count_audience(item.story.id)
            offer = self.with_decisions(message, item.broadcast.id, audience)
            author = item.broadcast.created_by
            for editor in editors if author is None else (author,):
                await self._offer(editor, offer)
        return bool(drafts)

    async def ask_unconfirmed(self, editors: Sequence[int], now: datetime) -> bool:
        """Ask the editors about channels in which nobody knows whether a story arrived."""
        if not editors:
            return False
        doubtful = await self._store.claim_unconfirmed(now, AT_ONCE)
        for item in doubtful:
            question = self._question(item)
            for editor in editors:
                await self._offer(editor, question)
        return bool(doubtful)

    def with_decisions(self, message: Message, broadcast_id: int, audience: int) -> Message:
        """The exact message with the editor's decisions as a last row of buttons."""
        words = self._renderer.words()
        decisions = (
            Button(f"{words['send']} ({audience})", callback_data=f"send:{broadcast_id}"),
            Button(words["skip"], callback_data=f"skip:{broadcast_id}"),
        )
        return replace(message, buttons=(*message.buttons, decisions))

    async def _fan_out(self, broadcast_id: int, now: datetime, due_at: datetime) -> None:
        """Make a broadcast's deliveries in parts, so that readers' questions go between them."""
        deliveries = 0
        while True:
            made = await self._store.fan_out(broadcast_id, FAN_OUT_PART, now, due_at)
            if made is None:
                break
            deliveries += made
        _log.info(
            "broadcast fanned out", extra={"broadcast": broadcast_id, "deliveries": deliveries}
        )

    async def _list_crowds(self, opened: Sequence[StoryBroadcast], now: datetime) -> None:
        """Fold what is too much at once into lists, then let everything go."""
        by_id = {item.broadcast.id: item for item in opened}
        for crowd in await self._store.list_crowds(list(by_id), self._burst):
            await self._list_crowd(crowd, by_id, now)
        await self._store.release_broadcasts(list(by_id), now)

    async def _list_crowd(
        self, crowd: Crowd, by_id: Mapping[int, StoryBroadcast], now: datetime
    ) -> None:
        left = crowd.broadcast_ids
        while len(left) > self._burst:
            most = min(MAX_LISTED, len(left) - self._burst)
            listed = [by_id[one] for one in left[most - 1 :: -1]]
            message = self._renderer.list_message([item.story for item in listed])
            waiting = replace(crowd, broadcast_ids=left)
            number = await self._store.record_list(waiting, listed, message, now)
            fields = {"stories": len(listed), "deliveries": number}
            _log.info("stories listed", extra=fields)
            left = left[most:]

    def _question(self, item: Unconfirmed) -> Message:
        html = self._renderer.chat(
            self._renderer.locale, "unconfirmed", story=item.story, chat=item.chat
        )
        words = self._renderer.words()
        decisions = (
            Button(words["send"], callback_data=f"send:{UNCONFIRMED_MARK}{item.id}"),
            Button(words["skip"], callback_data=f"skip:{UNCONFIRMED_MARK}{item.id}"),
        )
        return Message(html, parse(html).text, (decisions,))

    async def _message(self, item: StoryBroadcast) -> Message:
        if item.broadcast.message is not None:
            return item.broadcast.message
        return self._renderer.share_sheet(await self._with_short_url(item.story)).message

    async def _with_short_url(self, story: Story) -> Story:
        """The story with its short URL where one can be had in time."""
        if self._shortener is None or story.short_url or not story.url:
            return story
        task = self._shortening.get(story.id)
        if task is None:
            task = asyncio.create_task(self._shortener.shorten(story))
            self._shortening[story.id] = task
        done, _ = await asyncio.wait({task}, timeout=self._shorten_wait_s)
        short_url = await self._keep_short_url(story.id, task) if done else None
        return replace(story, short_url=short_url) if short_url else story

    async def _keep_short_url(self, story_id: int, task: asyncio.Task[str]) -> str | None:
        """Keep what a shortener has answered for later uses of the story, in time or late."""
        self._shortening.pop(story_id, None)
        try:
            short_url = task.result()
        except (ShortenError, TimeoutError) as error:
            _log.warning("no short link", extra={"story": story_id, "reason": str(error)})
            return None
        await self._store.record_short_url(story_id, short_url)
        return short_url

    async def _offer(self, editor: int, offer: Message) -> None:
        try:
            await self._publisher.send(Destination(editor), self._publisher.prepare(offer))
        except PublishError as error:
            _log.warning("editor not reached", extra={"editor": editor, "reason": str(error)})
