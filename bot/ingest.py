"""Flow 1: a due feed becomes stories and their broadcasts.

`sift` decides, `Ingest` moves data. Stories, their broadcasts and the feed's caching state are
written by one store verb, so a crash costs at most one repeated poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import DatabaseError, FetchError, SourceError
from bot.identity import is_locked, sight
from bot.store import FeedListing, PollPlan, Recorded
from bot.types import BroadcastState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from bot.ports import Enricher, FeedSource
    from bot.store import Store
    from bot.types import Entry, FeedForPoll, FeedPage, KnownStory, Sighting

# Kept while a poll lives; after a crash the feed waits no longer than this.
LEASE = timedelta(seconds=6)
KEEP_LEASES_EVERY = timedelta(seconds=2)
POLLS_AT_ONCE = 64
IDLE_S = 0.25
LONGEST_BACK_OFF = timedelta(hours=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sifted:
    """What a poll brought: `new` in the order in which they go out, oldest first.

    `listed` are ids of known stories, `shared` the tags stated of those that another feed brought.
    """

    new: tuple[Sighting, ...] = ()
    revised: tuple[tuple[KnownStory, Sighting], ...] = ()
    listed: tuple[int, ...] = ()
    shared: tuple[tuple[int, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class IngestPolicy:
    """What the operator decides about new stories.

    `withdraws`: what is gone from its site is retracted unasked, and goes out again by itself.
    """

    poll_interval: timedelta
    hold: timedelta
    needs_approval: bool
    withdraws: bool = False


class Ingest:
    """Polls due feeds and records what they bring."""

    def __init__(
        self,
        store: Store,
        source: FeedSource,
        policy: IngestPolicy,
        clock: Callable[[], datetime],
        enricher: Enricher | None = None,
    ) -> None:
        self._store = store
        self._source = source
        self._policy = policy
        self._clock = clock
        self._enricher = enricher
        self._under_way: dict[asyncio.Task[None], FeedForPoll] = {}
        self._kept_at = clock()

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll what is due until told to stop; a slow feed takes a place, but nobody's time."""
        async with asyncio.TaskGroup() as tasks:
            while not stopping.is_set():
                if not await self._start_due_safely(tasks):
                    await _pause(stopping, IDLE_S)
            for task in self._under_way:
                task.cancel()

    async def start_due(self, tasks: asyncio.TaskGroup, now: datetime) -> int:
        """Start polls of the feeds that are due, as far as there are places; gives their number."""
        free = POLLS_AT_ONCE - len(self._under_way)
        if free <= 0:
            return 0
        feeds = await self._store.claim_feeds(now, now + LEASE, free)
        for feed in feeds:
            task = tasks.create_task(self._poll_safely(feed, now))
            self._under_way[task] = feed
            task.add_done_callback(self._under_way.pop)
        return len(feeds)

    async def keep_leases(self, now: datetime) -> None:
        """Show that this process lives, for as long as its polls take."""
        if self._under_way and now - self._kept_at >= KEEP_LEASES_EVERY:
            self._kept_at = now
            await self._store.extend_feed_leases(list(self._under_way.values()), now + LEASE)

    async def record_pushed(
        self, feed_id: int, entries: Sequence[Entry], now: datetime
    ) -> Recorded:
        """Record entries that came without a poll, as a hub pushes them.

        They go the way of polled ones; the feed's validators and its next poll are left as they
        are, and a poll of the same feed at the same time records nothing twice. A feed that is not
        polled any more takes nothing; before its first poll all is baseline.
        """
        feed = await self._store.find_feed(feed_id)
        sightings = sight(entries)
        if feed is None or not sightings:
            return Recorded()
        known = await self._store.list_known(feed.id, sightings)
        sifted = await self._enriched(feed, sift(feed, sightings, known))
        return await self._store.record_pushed(
            feed, sifted.new, sifted.revised, self._plan(feed, now)
        )

    async def _start_due_safely(self, tasks: asyncio.TaskGroup) -> int:
        now = self._clock()
        try:
            await self.keep_leases(now)
            return await self.start_due(tasks, now)
        except DatabaseError:
            _log.exception("feeds not read")
            return 0

    async def _poll_safely(self, feed: FeedForPoll, now: datetime) -> None:
        """A poll that fails in a way nobody foresaw is one feed's fault; its lease will lapse."""
        try:
            await self._poll(feed, now)
        except Exception:
            _log.exception("poll failed", extra={"feed": feed.id})

    async def _poll(self, feed: FeedForPoll, now: datetime) -> None:
        try:
            page = await self._source.fetch(feed)
        except SourceError as error:
            due_at = now + back_off(self._policy.poll_interval, feed.failures + 1, error)
            _log.warning("feed failed", extra={"feed": feed.id, "reason": str(error)})
            await self._store.record_poll_failure(feed, str(error), due_at, now)
            return
        recorded = await self._record(feed, page, now)
        if recorded.new or recorded.revised:
            counts = {"new": len(recorded.new), "revised": len(recorded.revised)}
            _log.info("feed polled", extra={"feed": feed.id, **counts})

    async def _record(self, feed: FeedForPoll, page: FeedPage, now: datetime) -> Recorded:
        sightings = sight(page.entries or ())
        known = await self._store.list_known(feed.id, sightings) if sightings else []
        sifted = await self._enriched(feed, sift(feed, sightings, known))
        plan = self._plan(feed, now)
        recorded = await self._store.record_poll(feed, page, sifted.new, sifted.revised, plan)
        if sightings:
            await self._list(feed, sifted, recorded, plan)
        return recorded

    async def _enriched(self, feed: FeedForPoll, sifted: Sifted) -> Sifted:
        """Fill in what the feed leaves out; not of a baseline, which nobody is sent."""
        if self._enricher is None or feed.baseline_at is None:
            return sifted
        new, revised = sifted.new, sifted.revised
        if new:
            new = tuple(await self._enricher.enrich(feed.id, new))
        if revised:
            revised = tuple(await self._enricher.enrich_revised(feed.id, revised))
        return replace(sifted, new=new, revised=revised)

    async def _list(
        self, feed: FeedForPoll, sifted: Sifted, recorded: Recorded, plan: PollPlan
    ) -> None:
        """Note what the feed lists now, so that what it lists no more is missed."""
        if len(recorded.new) < len(sifted.new):
            # Another feed was faster; what it brought is known by now.
            known = await self._store.list_known(feed.id, sifted.new)
            late = sift(feed, sifted.new, known)
            sifted = replace(
                sifted, listed=sifted.listed + late.listed, shared=sifted.shared + late.shared
            )
        listing = FeedListing(
            feed.id, frozenset(sifted.listed + recorded.new), bool(recorded.new), sifted.shared
        )
        back = await self._store.record_listing(listing, plan)
        if back:
            _log.info("stories came back", extra={"feed": feed.id, "number": len(back)})

    def _plan(self, feed: FeedForPoll, now: datetime) -> PollPlan:
        due_at = now + self._policy.poll_interval
        if feed.baseline_at is None:
            return PollPlan(now, due_at, broadcast_state=None)
        if self._policy.needs_approval:
            draft = BroadcastState.DRAFT
            return PollPlan(now, due_at, draft, return_state=draft)
        back = BroadcastState.SCHEDULED if self._policy.withdraws else BroadcastState.DRAFT
        return PollPlan(
            now, due_at, BroadcastState.SCHEDULED, now + self._policy.hold, return_state=back
        )


def sift(feed: FeedForPoll, sightings: Sequence[Sighting], known: Iterable[KnownStory]) -> Sifted:
    """Say which sightings are new and which revise a known story.

    A story is known by its guid within this feed first, then by the key of its link, never by its
    title. Only the feed that brought a story revises it. One that asks for a password now is as
    good as not listed.
    """
    known = list(known)
    by_guid = {item.guid: item for item in known if item.guid and item.feed_id == feed.id}
    by_key = {item.key: item for item in known if item.key}
    new: list[Sighting] = []
    revised: dict[int, tuple[KnownStory, Sighting]] = {}
    listed: list[int] = []
    shared: list[tuple[int, tuple[str, ...]]] = []
    for sighting in sightings:
        if is_locked(sighting.story):
            continue
        found = by_guid.get(sighting.story.guid or "") or by_key.get(sighting.key or "")
        if found is None:
            new.append(sighting)
            continue
        listed.append(found.id)
        if found.feed_id != feed.id:
            shared.append((found.id, sighting.story.tags))
        elif found.digest != sighting.digest and not found.withdrawn:
            revised.setdefault(found.id, (found, sighting))
    return Sifted(tuple(reversed(new)), tuple(revised.values()), tuple(listed), tuple(shared))


def back_off(interval: timedelta, failures: int, error: SourceError) -> timedelta:
    """How long to leave a failing feed alone: doubling up to an hour, or as its server asked."""
    asked_s = error.retry_after_s if isinstance(error, FetchError) else None
    doubled = min(interval * (1 << min(failures - 1, 10)), max(interval, LONGEST_BACK_OFF))
    return doubled if asked_s is None else max(doubled, timedelta(seconds=asked_s))


async def _pause(stopping: asyncio.Event, longest_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), longest_s)
