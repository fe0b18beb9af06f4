"""Flow 1, pushed: feeds whose hub tells us of new stories; and pings of the sites themselves.

Nothing that comes in this way is relied on. Polling goes on, slowly while a hub is trusted: its
lease is verified and it told us of the feed's latest story. What a push says of a story that we
know is not taken from it, since it may be old: the feed is polled for that.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.errors import FetchError, SourceError
from bot.identity import sight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from bot.ports import HubSide
    from bot.store import Recorded, Store
    from bot.types import Entry, FeedPage, Hub, KnownStory, Push, Sighting

    Record = Callable[[int, Sequence[Entry], datetime], Awaitable[Recorded]]

ASKED_AT_ONCE = 8
LEASE = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=6)
SHORTEST_PAUSE = timedelta(seconds=2)
MOST_ATTEMPTS = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Compared:
    """A push beside what is stored: entries not known yet, stories known, whether any differs."""

    new: tuple[Entry, ...]
    known: tuple[int, ...]
    differs: bool


class Hubs:
    """Keeps the subscriptions that feeds' hubs grant, and takes what they push."""

    def __init__(self, store: Store, side: HubSide, record: Record, public_url: str) -> None:
        self._store = store
        self._side = side
        self._record = record
        self._public_url = public_url

    async def ask_due(self, now: datetime) -> bool:
        """Ask hubs for a lease, its renewal or its end, where that is due."""
        if not await self._store.has_hub_work(now, self._public_url):
            return False
        hubs = await self._store.claim_hubs(now, now + LEASE, self._public_url, ASKED_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for hub in hubs:
                tasks.create_task(self._ask(hub, now))
        return bool(hubs)

    async def take_push(self, now: datetime) -> bool:
        """Take the oldest push that waits; says whether there was one."""
        if not await self._store.has_pushes():
            return False
        push = await self._store.claim_push(now, now + LEASE)
        if push is None:
            return False
        reason = await self._take(push, now)
        if reason is not None:
            _log.warning("push ignored", extra={"feed": push.feed_id, "reason": reason})
            await self._store.record_push_ignored(push, reason, now)
        return True

    async def _ask(self, hub: Hub, now: datetime) -> None:
        error = None
        fields = {"hub": hub.hub_url, "topic": hub.topic_url, "mode": hub.mode}
        try:
            await self._side.ask(hub, f"{self._public_url}/websub/{hub.token}")
        except FetchError as fault:
            error = str(fault)
            _log.warning("hub not asked", extra={**fields, "reason": error})
        else:
            _log.info("hub asked", extra=fields)
        await self._store.record_asked(hub, error, now + pause(hub, now))

    async def _take(self, push: Push, now: datetime) -> str | None:
        """Record what a push brings; gives the reason where it is ignored."""
        if push.attempt > MOST_ATTEMPTS:
            return "unreadable"
        try:
            page = await self._side.read_push(push)
        except SourceError:
            return "unreadable"
        if is_foreign(page, push):
            return "foreign"
        entries = page.entries or ()
        sightings = sight(entries)
        known = await self._store.list_known(push.feed_id, sightings) if sightings else []
        compared = compare(push.feed_id, entries, known)
        new: tuple[int, ...] = ()
        if compared.new:
            new = (await self._record(push.feed_id, compared.new, now)).new
        await self._store.record_push_taken(push, new, compared.known, now)
        if compared.differs or not entries:
            await self._store.hasten_feeds([push.feed_id], now)
        _log.info("push taken", extra={"feed": push.feed_id, "new": len(new)})
        return None


def pause(hub: Hub, now: datetime) -> timedelta:
    """How long until a hub is asked again, unless it confirms: doubling, within its lease twice."""
    doubled = min(FIRST_PAUSE * (1 << min(hub.failures - 1, 20)), LONGEST_PAUSE)
    if hub.ends_at is None or hub.ends_at <= now:
        return doubled
    return max(min(doubled, (hub.ends_at - now) / 2), SHORTEST_PAUSE)


def compare(feed_id: int, entries: Sequence[Entry], known: Sequence[KnownStory]) -> Compared:
    """Tell a push's entries apart by what is stored of this feed's stories.

    What it lists below a known one may be from before our time: that too is left to a poll.
    """
    by_guid = {story.guid: story for story in known if story.guid and story.feed_id == feed_id}
    by_key = {story.key: story for story in known if story.key}

    def stored(sighting: Sighting) -> KnownStory | None:
        return by_guid.get(sighting.story.guid or "") or by_key.get(sighting.key or "")

    new, found, differs, above = [], [], False, 0
    for entry in entries:
        # One at a time, so that an entry stays with its sighting.
        (sighting,) = sight([entry])
        story = stored(sighting)
        if story is None:
            new.append(entry)
        else:
            found.append(story.id)
            above = len(new)
            differs |= story.digest != sighting.digest and story.feed_id == feed_id
    if found and above < len(new):
        new, differs = new[:above], True
    return Compared(tuple(new), tuple(found), differs)


def is_foreign(page: FeedPage, push: Push) -> bool:
    """Whether a push says that it is of another topic; ports and schemes make no difference."""
    ours = {_plain(push.topic_url), _plain(push.feed_url)}
    return page.self_url is not None and _plain(page.self_url) not in ours


def _plain(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return (parts.hostname or "").removeprefix("www."), parts.path.rstrip("/"), parts.query
