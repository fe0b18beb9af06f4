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
from urllib.parse import urlsplit

from bot.errors import DatabaseError, FetchError, SourceError
from bot.identity import guid_twin, is_locked, sight, sight_entry
from bot.pacing import back_off, pause, spread
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
AT_ONE_HOST = 6
TURN_WAIT_S = 2.0
MOST_OLDER_PAGES = 20
MOST_OLDER_ENTRIES = 200
# What the server says of a page that is not there: after the last one, or of no paging at all.
PAST_THE_END = frozenset({400, 404, 410})
LOST = frozenset({404, 410})
MOST_GAP_POLLS = 10
# A site whose feed moved without a word answers with pages.
LOST_AFTER_FAILURES = 10

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
        self._turns: dict[str, asyncio.Semaphore] = {}

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
        """Poll a feed when it is its turn: few polls at once go to one host."""
        turn = self._turns.setdefault(_host(feed.url), asyncio.Semaphore(AT_ONE_HOST))
        try:
            async with asyncio.timeout(TURN_WAIT_S):
                await turn.acquire()
        except TimeoutError:
            await self._store.postpone_feed(feed, now + timedelta(seconds=TURN_WAIT_S))
            return
        try:
            await self._poll_now(feed, now)
        finally:
            turn.release()

    async def _poll_now(self, feed: FeedForPoll, now: datetime) -> None:
        try:
            page = await self._source.fetch(feed)
        except SourceError as error:
            await self._record_failure(feed, error, now)
            return
        recorded = await self._record(feed, page, now)
        if recorded.new or recorded.revised:
            counts = {"new": len(recorded.new), "revised": len(recorded.revised)}
            _log.info("feed polled", extra={"feed": feed.id, **counts})

    async def _record(self, feed: FeedForPoll, page: FeedPage, now: datetime) -> Recorded:
        sightings = sight(page.entries or ())
        known = await self._store.list_known(feed.id, sightings) if sightings else []
        listed = sift(feed, sightings, known)
        unsent = await self._find_slid(feed, sightings, known, listed)
        older, gap_after = await self._find_missed(feed, page, listed)
        sifted = listed
        if older:
            every = sight((*(page.entries or ()), *older))
            sifted = sift(feed, every, await self._store.list_known(feed.id, every))
        sifted = await self._enriched(feed, sifted)
        plan = replace(self._poll_plan(feed, page, sifted, now), gap_after=gap_after, unsent=unsent)
        recorded = await self._store.record_poll(feed, page, sifted.new, sifted.revised, plan)
        if sightings:
            # Older pages are not what the feed lists; their stories are the first of the new ones.
            newest = recorded.new[max(len(recorded.new) - len(listed.new), 0) :]
            await self._list(feed, listed, replace(recorded, new=newest), plan)
        return recorded

    async def _record_failure(self, feed: FeedForPoll, error: SourceError, now: datetime) -> None:
        interval = self._policy.poll_interval
        rest = spread(back_off(interval, feed.failures + 1, error), interval, feed)
        _log.warning("feed failed", extra={"feed": feed.id, "reason": str(error)})
        await self._store.record_poll_failure(feed, str(error), now + rest, now)
        status = error.status if isinstance(error, FetchError) else None
        if feed.found and (status in LOST or feed.failures + 1 >= LOST_AFTER_FAILURES):
            _log.info("feed lost, looked for anew", extra={"feed": feed.id})
            await self._store.mark_lost(feed)

    async def _find_slid(
        self,
        feed: FeedForPoll,
        sightings: Sequence[Sighting],
        known: Sequence[KnownStory],
        listed: Sifted,
    ) -> frozenset[str]:
        """Codes of stories that a feed shows because it has room again: older than all it showed.

        When a desk takes a story off its site, one from before our time comes up from below.
        """
        below = tail(feed, sightings, known)
        if not below or not listed.listed:
            return frozenset()
        edge = await self._store.find_listing_edge(feed.id, listed.listed)
        return frozenset(
            one.story.code
            for one in below
            if edge and one.story.published_at and one.story.published_at <= edge
        )

    async def _find_missed(
        self, feed: FeedForPoll, page: FeedPage, listed: Sifted
    ) -> tuple[list[Entry], int | None]:
        """Fetch what came and went between two polls: all that a feed lists is new.

        Gives its entries, newest first, and the story below which some are still missing, None
        where none are. A site that changed its name has no gap: there everything looks new.
        """
        if feed.baseline_at is None or page.older_url is None:
            return [], None
        after = feed.gap_after
        if after is None:
            if not listed.new or listed.listed:
                return [], None
            newest = await self._store.find_newest(feed.id)
            after, newest_url = newest or (0, "")
            hosts = {_host(sighting.story.url) for sighting in listed.new}
            if newest_url and _host(newest_url) not in hosts:
                return [], None
        older, whole = await self._read_older(feed, page.older_url, listed, after)
        if older:
            _log.info("older pages read", extra={"feed": feed.id, "entries": len(older)})
        given_up = feed.gap_polls >= MOST_GAP_POLLS
        return older, None if whole or given_up else after

    async def _read_older(
        self, feed: FeedForPoll, url: str, listed: Sifted, after: int
    ) -> tuple[list[Entry], bool]:
        """Read older pages down to a story that was known before; False where a page failed."""
        seen = {sighting.story.code for sighting in listed.new}
        older: list[Entry] = []
        for _ in range(MOST_OLDER_PAGES):
            try:
                page = await self._source.fetch_older(url)
            except FetchError as error:
                return older, error.status in PAST_THE_END
            except SourceError:
                return older, True
            sightings = sight(page.entries or ())
            fresh = [sighting for sighting in sightings if sighting.story.code not in seen]
            if not fresh:
                break
            seen.update(sighting.story.code for sighting in fresh)
            known = await self._store.list_known(feed.id, sightings)
            before = [story for story in known if story.id <= after]
            met = bool(before)
            older += down_to(feed, page.entries or (), before) if met else page.entries or ()
            if met or len(older) >= MOST_OLDER_ENTRIES or page.older_url is None:
                break
            url = page.older_url
        return older[:MOST_OLDER_ENTRIES], True

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
            feed.id,
            frozenset(sifted.listed + recorded.new),
            slid=len(recorded.new) > len(plan.unsent),
            shared=sifted.shared,
        )
        back = await self._store.record_listing(listing, plan)
        if back:
            _log.info("stories came back", extra={"feed": feed.id, "number": len(back)})

    def _poll_plan(
        self, feed: FeedForPoll, page: FeedPage, sifted: Sifted, now: datetime
    ) -> PollPlan:
        changed_at = now if sifted.new or sifted.revised else feed.changed_at
        interval = self._policy.poll_interval
        rest = pause(interval, page, now - (changed_at or now))
        due_at = now + spread(rest, interval, feed)
        return replace(self._plan(feed, now), due_at=due_at)

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
    known_as = finder(feed, known)
    new: list[Sighting] = []
    revised: dict[int, tuple[KnownStory, Sighting]] = {}
    listed: list[int] = []
    shared: list[tuple[int, tuple[str, ...]]] = []
    for sighting in sightings:
        if is_locked(sighting.story):
            continue
        found = known_as(sighting)
        if found is None:
            new.append(sighting)
            continue
        listed.append(found.id)
        if found.feed_id != feed.id:
            shared.append((found.id, sighting.story.tags))
        elif found.digest != sighting.digest and not found.withdrawn:
            revised.setdefault(found.id, (found, sighting))
    return Sifted(tuple(reversed(new)), tuple(revised.values()), tuple(listed), tuple(shared))


def finder(
    feed: FeedForPoll, known: Iterable[KnownStory]
) -> Callable[[Sighting], KnownStory | None]:
    """Give what finds the known story of a sighting, by guid within the feed, else by key."""
    known = list(known)
    by_guid = {item.guid: item for item in known if item.guid and item.feed_id == feed.id}
    by_key = {item.key: item for item in known if item.key}

    def find(sighting: Sighting) -> KnownStory | None:
        guid = sighting.story.guid
        return (
            by_guid.get(guid or "")
            or by_guid.get(guid_twin(guid) or "")
            or by_key.get(sighting.key or "")
        )

    return find


def tail(
    feed: FeedForPoll, sightings: Sequence[Sighting], known: Iterable[KnownStory]
) -> list[Sighting]:
    """What a feed lists below all known stories; nothing where it lists none of them."""
    known_as = finder(feed, known)
    places = [place for place, one in enumerate(sightings) if known_as(one)]
    return list(sightings[places[-1] + 1 :]) if places else []


def down_to(
    feed: FeedForPoll, entries: Sequence[Entry], known: Iterable[KnownStory]
) -> Sequence[Entry]:
    """What a page lists above its last known story; below it begins what was before our time."""
    known_as = finder(feed, known)
    places = [place for place, entry in enumerate(entries) if known_as(sight_entry(entry))]
    return entries[: places[-1] + 1] if places else entries


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


async def _pause(stopping: asyncio.Event, longest_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), longest_s)
