"""Flow 1: what counts as new, as a revision, as nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from factories import FEED_URL, NOW, entry

from bot.errors import FetchError, ParseError, SourceError
from bot.identity import sight, sight_entry
from bot.ingest import LEASE, Ingest, IngestPolicy, sift
from bot.pacing import back_off
from bot.types import BroadcastState, FeedForPoll, FeedPage, KnownStory

if TYPE_CHECKING:
    from bot.store import Store
    from bot.types import Entry

FEED = FeedForPoll(id=1, url=FEED_URL, baseline_at=NOW)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
POLICY = IngestPolicy(poll_interval=MINUTE, hold=timedelta(0), needs_approval=False)


class ScriptedSource:
    """A feed source that gives what it was told, in order; the last one again and again."""

    def __init__(self, *script: list[Entry] | SourceError) -> None:
        self._script = list(script)

    async def fetch(self, feed: FeedForPoll) -> FeedPage:
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, SourceError):
            raise step
        return FeedPage(url=feed.url, entries=tuple(step))

    async def read_article(self, url: str) -> Entry:
        raise ParseError(url)


def known(number: int = 1, **changes: object) -> KnownStory:
    stated = sight_entry(entry(number))
    plain = KnownStory(
        id=number,
        feed_id=FEED.id,
        guid=stated.story.guid,
        key=stated.key,
        digest=stated.digest,
        revision=1,
        withdrawn=False,
    )
    return replace(plain, **changes)


def test_unknown_entries_are_new_oldest_first() -> None:
    sifted = sift(FEED, sight([entry(3), entry(2), entry(1)]), [known(2)])
    assert [item.story.title[-1] for item in sifted.new] == ["1", "3"]
    assert sifted.revised == ()


def test_a_changed_title_and_slug_revise_the_story_of_that_guid() -> None:
    changed = entry(1, title="Judul ralat", url="https://kabar.example/judul-ralat/")
    sifted = sift(FEED, sight([changed]), [known(1)])
    assert sifted.new == ()
    assert [(old.id, item.story.title) for old, item in sifted.revised] == [(1, "Judul ralat")]


def test_a_changed_guid_does_not_make_a_story_new() -> None:
    sifted = sift(FEED, sight([entry(1, guid="https://baru.example/?p=1")]), [known(1)])
    assert (sifted.new, sifted.revised) == ((), ())


def test_a_guid_that_moved_to_https_is_the_same_in_a_changed_slug_too() -> None:
    moved = entry(1, url="https://kabar.example/baru/")
    old = known(1, guid="http://kabar.example/?p=1", key="kabar.example/lama")
    sifted = sift(FEED, sight([moved]), [old])
    assert (sifted.new, [story.id for story, _ in sifted.revised]) == ((), [1])


def test_another_feed_does_not_revise_a_story() -> None:
    changed = entry(1, title="Judul lain")
    assert sift(replace(FEED, id=2), sight([changed]), [known(1)]).revised == ()


def test_a_withdrawn_story_is_neither_new_nor_revised() -> None:
    changed = entry(1, title="Judul lain")
    sifted = sift(FEED, sight([changed]), [known(1, withdrawn=True)])
    assert (sifted.new, sifted.revised) == ((), ())


def test_a_title_never_makes_a_story_new_nor_known() -> None:
    twin = entry(2, title=entry(1).title)
    assert len(sift(FEED, sight([twin]), [known(1)]).new) == 1


def test_one_guid_for_all_items_identifies_none_of_them() -> None:
    broken = [entry(number, guid="same") for number in (1, 2, 3)]
    assert len(sift(FEED, sight(broken), []).new) == 3
    assert {item.story.guid for item in sight(broken)} == {None}


def test_the_same_item_twice_is_one_story() -> None:
    assert len(sight([entry(1), entry(1, title="Kedua")])) == 1


def test_tracking_parameters_do_not_make_a_story_new() -> None:
    tagged = entry(1, url=f"{entry(1).url}?utm_source=rss&fbclid=x", guid=None)
    assert sift(FEED, sight([tagged]), [known(1)]).new == ()


def test_an_entry_without_link_is_known_by_its_guid() -> None:
    (bare,) = sight([entry(1, url=None, guid="tag:kabar.example,2026:1")])
    assert (bare.story.url, bare.key) == ("", None)
    assert bare.story.guid == "tag:kabar.example,2026:1"


def test_an_entry_without_link_and_guid_is_still_one_story() -> None:
    first, again = (sight([entry(1, url=None, guid=None)])[0] for _ in range(2))
    assert first.story.guid == again.story.guid is not None


def test_a_guid_that_is_a_link_serves_as_link() -> None:
    (item,) = sight([entry(1, url=None)])
    assert item.story.url == "https://kabar.example/?p=1"


def test_back_off_doubles_up_to_an_hour() -> None:
    fault = ParseError("no feed")
    pauses = [back_off(MINUTE, failures, fault) for failures in (1, 2, 3, 50)]
    assert pauses == [MINUTE, 2 * MINUTE, 4 * MINUTE, timedelta(hours=1)]
    assert back_off(timedelta(hours=3), 9, fault) == timedelta(hours=3)


def test_back_off_waits_as_long_as_the_server_asks() -> None:
    asked = FetchError("busy", status=429, retry_after_s=600)
    assert back_off(MINUTE, 1, asked) == timedelta(minutes=10)


async def poll(store: Store, source: ScriptedSource, minute: int, **policy: object) -> None:
    ingest = Ingest(store, source, replace(POLICY, **policy), lambda: NOW)
    async with asyncio.TaskGroup() as tasks:
        assert await ingest.start_due(tasks, NOW + minute * MINUTE)


async def test_the_first_poll_is_a_baseline(store: Store) -> None:
    await store.record_feeds([FEED_URL], NOW)
    source = ScriptedSource([entry(1)], [entry(2), entry(1)])
    await poll(store, source, 0)
    assert await store.list_due_broadcasts(NOW + MINUTE, 5) == []
    assert len(await store.list_latest(5)) == 1
    await poll(store, source, 1)
    due = await store.list_due_broadcasts(NOW + MINUTE, 5)
    assert [item.story.title for item in due] == ["Berita nomor 2"]


async def test_a_failed_first_poll_is_no_baseline(store: Store) -> None:
    await store.record_feeds([FEED_URL], NOW)
    source = ScriptedSource(FetchError("down"), [entry(1)])
    await poll(store, source, 0)
    (health,) = await store.list_feed_health()
    assert (health.failures, health.error) == (1, "down")
    await poll(store, source, 1)
    assert await store.list_due_broadcasts(NOW + MINUTE, 5) == []
    (health,) = await store.list_feed_health()
    assert (health.failures, health.error) == (0, None)


async def test_a_feed_is_not_polled_before_its_interval(store: Store) -> None:
    await store.record_feeds([FEED_URL], NOW)
    source = ScriptedSource([entry(1)])
    await poll(store, source, 0)
    ingest = Ingest(store, source, POLICY, lambda: NOW)
    async with asyncio.TaskGroup() as tasks:
        assert await ingest.start_due(tasks, NOW + timedelta(seconds=59)) == 0
        assert await ingest.start_due(tasks, NOW + MINUTE) == 1


async def test_one_failing_feed_does_not_hold_up_another(store: Store) -> None:
    class HalfBroken(ScriptedSource):
        async def fetch(self, feed: FeedForPoll) -> FeedPage:
            if "broken" in feed.url:
                raise FetchError("down")
            return await super().fetch(feed)

    await store.record_feeds(["https://broken.example/feed/", FEED_URL], NOW)
    await poll(store, HalfBroken([entry(1)]), 0)
    assert len(await store.list_latest(5)) == 1


async def test_a_slow_feed_delays_no_other_and_no_stop(store: Store) -> None:
    stopping, asked = asyncio.Event(), asyncio.Event()

    class HalfAsleep(ScriptedSource):
        async def fetch(self, feed: FeedForPoll) -> FeedPage:
            if "slow" in feed.url:
                asked.set()
                await asyncio.Event().wait()
            return await super().fetch(feed)

    await store.record_feeds(["https://slow.example/feed/"], NOW)
    source = HalfAsleep([entry(1)])
    running = asyncio.create_task(Ingest(store, source, POLICY, lambda: NOW).run(stopping))
    await asked.wait()
    await store.record_feeds(["https://slow.example/feed/", FEED_URL], NOW)
    async with asyncio.timeout(10):
        while not await store.list_latest(5):
            await asyncio.sleep(0.01)
    stopping.set()
    await asyncio.wait_for(running, 5)


async def test_a_poll_keeps_its_feed_as_long_as_it_lives_and_little_longer(store: Store) -> None:
    over = asyncio.Event()

    class Asleep(ScriptedSource):
        async def fetch(self, feed: FeedForPoll) -> FeedPage:
            await over.wait()
            return await super().fetch(feed)

    await store.record_feeds([FEED_URL], NOW)
    ingest = Ingest(store, Asleep([]), POLICY, lambda: NOW)
    async with asyncio.TaskGroup() as tasks:
        assert await ingest.start_due(tasks, NOW) == 1
        for seconds in range(2, 61, 2):
            await ingest.keep_leases(NOW + timedelta(seconds=seconds))
        last = NOW + timedelta(seconds=60)
        assert not await store.claim_feeds(last + LEASE - SECOND, last, 5)
        assert await store.claim_feeds(last + LEASE, last + MINUTE, 5)
        over.set()


async def test_a_poll_that_fails_oddly_is_one_feeds_fault(store: Store) -> None:
    class Odd(ScriptedSource):
        async def fetch(self, feed: FeedForPoll) -> FeedPage:
            if "odd" in feed.url:
                raise ZeroDivisionError
            return await super().fetch(feed)

    await store.record_feeds(["https://odd.example/feed/", FEED_URL], NOW)
    await poll(store, Odd([entry(1)]), 0)
    assert len(await store.list_latest(5)) == 1


async def test_a_hold_and_an_approval_keep_a_story_back(store: Store) -> None:
    await store.record_feeds([FEED_URL], NOW)
    source = ScriptedSource([entry(1)], [entry(2), entry(1)], [entry(3), entry(2)])
    await poll(store, source, 0)
    await poll(store, source, 1, hold=timedelta(seconds=90))
    assert await store.list_due_broadcasts(NOW + 2 * MINUTE, 5) == []
    (held,) = await store.list_due_broadcasts(NOW + 2.5 * MINUTE, 5)
    assert held.story.title == "Berita nomor 2"
    await poll(store, source, 2, needs_approval=True)
    (draft,) = await store.claim_unoffered(NOW, 5)
    assert draft.story.title == "Berita nomor 3"
    assert draft.broadcast.state is BroadcastState.DRAFT


def test_text_that_no_database_stores_is_mended() -> None:
    hostile = "a\0b\ud800c\u202e"
    story = sight_entry(
        entry(1, title=hostile, summary=hostile, body=hostile, author=hostile, tags=(hostile, " "))
    ).story
    for text in (story.title, story.summary, story.body, story.author or "", *story.tags):
        assert "\0" not in text
        assert text.encode()
    assert len(story.tags) == 1


def test_fields_without_measure_are_cut() -> None:
    long = "x" * 300_000
    story = sight_entry(entry(1, title=long, summary=long, body=long, guid=long, author=long)).story
    lengths = [len(story.title), len(story.summary), len(story.body), len(story.author or "")]
    assert lengths == [1000, 5000, 100_000, 200]
    assert len(story.guid or "") <= 2000
