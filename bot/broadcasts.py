"""Flow 2, by itself: what is due opens and fans out, what is stale is revised, what is gone leaves.

An editor sees what the same render code makes for everybody; approval freezes it, and what was
approved is what goes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import PublishError, ShortenError
from bot.render import MAX_LISTED
from bot.telegram_html import parse
from bot.types import Button, Destination, Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bot.ports import Publisher, Shortener
    from bot.render import Renderer
    from bot.store import Crowd, Store, StoryBroadcast, Unconfirmed
    from bot.types import Story

AT_ONCE = 200
BURST = 5
# A crash between fan-out and listing lets the stories go singly after this time.
LISTED_WITHIN = timedelta(seconds=30)
FAN_OUT_PART = 2000
SHORTEN_WAIT_S = 1.0
# In callback data a delivery's id bears this mark; a broadcast's is bare.
UNCONFIRMED_MARK = "d"

_log = logging.getLogger(__name__)


class Broadcasts:
    """The editorial acts, and the steps by which they reach the outbox."""

    def __init__(
        self,
        store: Store,
        renderer: Renderer,
        publisher: Publisher,
        shortener: Shortener | None = None,
        *,
        burst: int = BURST,
        shorten_wait_s: float = SHORTEN_WAIT_S,
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._publisher = publisher
        self._shortener = shortener
        self._burst = burst
        self._shorten_wait_s = shorten_wait_s
        self._shortening: dict[int, asyncio.Task[str]] = {}

    async def message_of(self, story: Story) -> Message:
        """A story's message, with its short URL where one can be had in time."""
        return self._renderer.share_sheet(await self._with_short_url(story)).message

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
        list message takes the place of the rest. What an editor let go is never put into a list.
        """
        due = await self._store.list_due_broadcasts(now, AT_ONCE)
        messages = await asyncio.gather(*(self._message(item) for item in due))
        opened = []
        for item, message in zip(due, messages, strict=True):
            if await self._store.open_broadcast(item.broadcast.id, message, now):
                _log.info("broadcast opened", extra={"broadcast": item.broadcast.id})
                opened.append(item)
        crowd = [item for item in opened if item.broadcast.decided_by is None]
        held = {item.broadcast.id for item in crowd} if len(crowd) > self._burst else set()
        fanning = await self._store.list_fanning()
        for broadcast_id in fanning:
            await self._fan_out(
                broadcast_id, now, now + LISTED_WITHIN if broadcast_id in held else now
            )
        if held:
            await self._list_crowds(crowd, now)
        return bool(due or fanning)

    async def revise_stale(self, now: datetime) -> bool:
        """Queue edits for open broadcasts whose story has changed; False where there was none."""
        stale = await self._store.list_stale(AT_ONCE, now)
        for item in stale:
            message = self._revised(item)
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

    def _revised(self, item: StoryBroadcast) -> Message:
        """What an open broadcast says now; an editor's own words stay."""
        if item.listed:
            return self._renderer.list_message(item.listed, item.listing)
        if item.broadcast.written and item.broadcast.message is not None:
            return item.broadcast.message
        return self._renderer.share_sheet(item.story).message

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
        return await self.message_of(item.story)

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
