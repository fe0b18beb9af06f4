"""The flow of subscriptions and pushes: what is asked when, what a push may do, when to trust."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from factories import FEED_URL, NOW, entry, sighting
from hubs_served import signature
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import FetchError, ParseError
from bot.feeds import HttpHubs, guarded, places
from bot.feeds.parse import ParsedFeed
from bot.feeds.websub import linked, named, topic
from bot.hubs import LONGEST_PAUSE, SHORTEST_PAUSE, Hubs, is_foreign, pause
from bot.ingest import Ingest, IngestPolicy
from bot.store import PollPlan
from bot.store.hubs import MOST_WAITING_PUSHES
from bot.types import FeedPage, Hub, Push, PushBody
from bot.web.websub import Callbacks

if TYPE_CHECKING:
    from bot.store import Store
    from bot.types import Entry, Sighting

HUB_URL = "https://hub.example/"
OTHER_HUB_URL = "https://hub-lain.example/"
PUBLIC_URL = "https://sebar.example"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
POLICY = IngestPolicy(poll_interval=MINUTE, hold=timedelta(0), needs_approval=False)
HUB = Hub(
    id=1,
    hub_url=HUB_URL,
    topic_url=FEED_URL,
    token="t" * 32,
    secret="s" * 64,
    mode="subscribe",
    failures=1,
)


class FakeSide:
    """Hubs that note what they are asked, and pushes that are read as the test wants."""

    def __init__(self) -> None:
        self.asked: list[tuple[Hub, str]] = []
        self.fault: FetchError | None = None
        self.page: FeedPage | ParseError = FeedPage(url=FEED_URL, entries=())

    async def ask(self, hub: Hub, callback: str) -> None:
        self.asked.append((hub, callback))
        if self.fault is not None:
            raise self.fault

    async def read_push(self, push: Push) -> FeedPage:
        if isinstance(self.page, ParseError):
            raise self.page
        return self.page


class World:
    """A store with one feed that names a hub, and the flow over it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.side = FakeSide()
        ingest = Ingest(store, None, POLICY, lambda: NOW)
        self.hubs = Hubs(store, self.side, ingest.record_pushed, PUBLIC_URL)

    async def poll(
        self, now, *new: Sighting, hub: str | None = HUB_URL, parsed: bool = True
    ) -> None:
        """A poll that is due finds these new stories, and a feed that names a hub."""
        await self.store.record_feeds([FEED_URL], now)
        (feed,) = await self.store.claim_feeds(now, now + MINUTE, 1)
        page = FeedPage(url=FEED_URL, entries=() if parsed else None, hub_url=hub)
        state = "scheduled" if feed.baseline_at else None
        plan = PollPlan(now, now + MINUTE, state, now)
        await self.store.record_poll(feed, page, new, [], plan)

    async def subscribe(self, now, lease: timedelta = 10 * DAY) -> Hub:
        """Ask, and have it confirmed."""
        assert await self.hubs.ask_due(now)
        hub = self.side.asked[-1][0]
        assert await self.store.confirm_subscription(hub.token, hub.topic_url, lease, now)
        return hub

    async def push(self, now, *entries: Entry, self_url: str | None = None) -> None:
        """A push of these entries comes and is taken."""
        self.side.page = FeedPage(url=FEED_URL, entries=entries, self_url=self_url)
        door = await self.store.find_hub_door(self.side.asked[-1][0].token)
        assert door is not None
        assert await self.store.record_push(door, PushBody(b"body"), now)
        assert await self.hubs.take_push(now)

    async def is_due(self, now) -> bool:
        """Whether the feed would be polled; if so, it is under claim for a moment."""
        return bool(await self.store.claim_feeds(now, now, 1))

    async def trusted(self, now) -> bool:
        (health,) = await self.store.list_hub_health(now)
        return health.trusted

    async def titles(self) -> list[str]:
        due = await self.store.list_due_broadcasts(NOW + 365 * DAY, 100)
        return [broadcast.story.title for broadcast in due]


@pytest.fixture
async def world(store: Store) -> World:
    """A feed with a baseline of one story, whose hub granted a lease."""
    world = World(store)
    await world.poll(NOW, sighting(1))
    await world.subscribe(NOW)
    return world


async def test_a_feed_that_names_a_hub_is_subscribed_under_an_address_of_its_own(
    store: Store,
) -> None:
    world = World(store)
    await world.poll(NOW, sighting(1))
    await world.subscribe(NOW)
    ((hub, callback),) = world.side.asked
    assert (hub.mode, hub.hub_url, hub.topic_url) == ("subscribe", HUB_URL, FEED_URL)
    assert callback == f"{PUBLIC_URL}/websub/{hub.token}"
    assert len(hub.token) >= 32
    assert 32 <= len(hub.secret.encode()) < 200
    assert not await world.hubs.ask_due(NOW + DAY)


async def test_a_feed_without_a_hub_asks_nobody(store: Store) -> None:
    world = World(store)
    await world.poll(NOW, sighting(1), hub=None)
    assert not await world.hubs.ask_due(NOW)


async def test_a_lease_is_renewed_after_two_thirds_and_its_end_is_noticed(world: World) -> None:
    await world.push(NOW, entry(2))
    assert not await world.hubs.ask_due(NOW + 6 * DAY)
    assert await world.hubs.ask_due(NOW + 7 * DAY)
    assert await world.trusted(NOW + 9 * DAY)
    assert not await world.trusted(NOW + 10 * DAY)
    await world.hubs.ask_due(NOW + 10 * DAY)
    (health,) = await world.store.list_hub_health(NOW + 10 * DAY)
    assert health.state == "idle"


async def test_a_renewed_lease_goes_on_being_trusted(world: World) -> None:
    await world.push(NOW, entry(2))
    await world.subscribe(NOW + 7 * DAY)
    assert await world.trusted(NOW + 16 * DAY)
    assert not await world.trusted(NOW + 17 * DAY)


async def test_a_hub_that_is_not_reached_is_asked_again_later_and_later(store: Store) -> None:
    world = World(store)
    await world.poll(NOW, sighting(1))
    world.side.fault = FetchError("the hub answers 500", status=500)
    assert await world.hubs.ask_due(NOW)
    assert not await world.hubs.ask_due(NOW + 29 * SECOND)
    assert await world.hubs.ask_due(NOW + 30 * SECOND)
    assert not await world.hubs.ask_due(NOW + 89 * SECOND)
    assert await world.hubs.ask_due(NOW + 90 * SECOND)
    (health,) = await store.list_hub_health(NOW)
    assert (health.state, health.error) == ("idle", "the hub answers 500")


async def test_a_hub_that_never_verifies_is_asked_again(store: Store) -> None:
    world = World(store)
    await world.poll(NOW, sighting(1))
    assert await world.hubs.ask_due(NOW)
    assert await world.hubs.ask_due(NOW + 30 * SECOND)


async def test_a_hub_may_verify_before_it_answers_the_request(store: Store) -> None:
    world = World(store)
    await world.poll(NOW, sighting(1))
    (hub,) = await store.claim_hubs(NOW, NOW + MINUTE, PUBLIC_URL, 5)
    assert await store.confirm_subscription(hub.token, FEED_URL, 10 * DAY, NOW)
    await store.record_asked(hub, "answered too late", NOW + MINUTE)
    (health,) = await store.list_hub_health(NOW)
    assert (health.state, health.error) == ("verified", None)
    assert not await world.hubs.ask_due(NOW + DAY)


async def test_only_what_we_asked_for_is_confirmed(store: Store) -> None:
    world = World(store)
    await world.poll(NOW, sighting(1))
    door = (await store.claim_hubs(NOW, NOW, PUBLIC_URL, 5))[0]
    confirm = store.confirm_subscription
    assert not await confirm(door.token, "https://lain.example/feed/", DAY, NOW)
    assert not await confirm("x" * 32, FEED_URL, DAY, NOW)
    assert not await store.confirm_end(door.token, FEED_URL, NOW)
    assert await confirm(door.token, FEED_URL, DAY, NOW)
    assert await confirm(door.token, FEED_URL, DAY, NOW + SECOND), "a hub that did not hear us"
    assert not await confirm(door.token, FEED_URL, DAY, NOW + 10 * MINUTE)


async def test_strange_words_of_a_hub_trouble_no_database(world: World) -> None:
    app = web.Application()
    Callbacks(world.store, lambda: NOW).add_to(app)
    token = world.side.asked[-1][0].token
    async with TestClient(TestServer(app)) as client:
        for words in ("\0", "a\0b", "\ud800", "😀" * 100, "'; --"):
            said = quote(words, errors="surrogatepass")
            for mode in ("subscribe", "unsubscribe", "denied"):
                query = f"hub.mode={mode}&hub.topic={said}&hub.challenge={said}"
                answer = await client.get(f"/websub/{token}?{query}")
                assert answer.status == 404
            query = f"hub.mode=denied&hub.topic={quote(FEED_URL)}&hub.reason={said}"
            assert (await client.get(f"/websub/{token}?{query}")).status == 200
            headers = dict.fromkeys(("Content-Type", "Content-Encoding", "Link"), "�€")
            headers["X-Hub-Signature"] = signature("sha1", world.side.asked[-1][0].secret, b"x")
            answer = await client.post(f"/websub/{token}", data=b"x", headers=headers)
            assert answer.status == 202
    assert await world.store.has_pushes()


async def test_a_hub_is_not_confirmed_before_it_was_asked(store: Store) -> None:
    await World(store).poll(NOW, sighting(1))
    (hub,) = await store.claim_hubs(NOW, NOW + MINUTE, PUBLIC_URL, 5)
    await store.record_denial(hub.token, FEED_URL, "no", NOW)
    assert not await store.confirm_end(hub.token, FEED_URL, NOW)


async def test_a_hub_that_has_delivered_nothing_is_not_trusted(world: World) -> None:
    await world.poll(NOW + MINUTE)
    assert await world.is_due(NOW + 2 * MINUTE)


async def test_a_pushed_story_goes_out_once_and_polling_slows_down(world: World) -> None:
    await world.push(NOW, entry(2), entry(1))
    assert await world.titles() == ["Berita nomor 2"]
    await world.push(NOW + SECOND, entry(2), entry(1))
    assert await world.titles() == ["Berita nomor 2"]
    assert await world.trusted(NOW)
    await world.poll(NOW + MINUTE)
    assert not await world.is_due(NOW + 11 * MINUTE - SECOND)
    assert await world.is_due(NOW + 11 * MINUTE)


@pytest.mark.parametrize(
    ("interval", "trusting"),
    [
        (timedelta(seconds=0.5), timedelta(seconds=5)),
        (MINUTE, 10 * MINUTE),
        (3 * MINUTE, 10 * MINUTE),
        (30 * MINUTE, 30 * MINUTE),
    ],
)
async def test_a_trusted_hub_makes_polling_ten_times_slower_up_to_ten_minutes(
    world: World, interval: timedelta, trusting: timedelta
) -> None:
    await world.push(NOW, entry(2))
    now = NOW + MINUTE
    (feed,) = await world.store.claim_feeds(now, now + MINUTE, 1)
    page = FeedPage(url=FEED_URL, entries=None)
    await world.store.record_poll(feed, page, [], [], PollPlan(now, now + interval, None))
    assert not await world.is_due(now + trusting - timedelta(milliseconds=1))
    assert await world.is_due(now + trusting)


async def test_a_hub_that_only_greets_with_what_is_there_is_not_trusted(world: World) -> None:
    await world.push(NOW, entry(1))
    assert not await world.trusted(NOW)
    await world.poll(NOW + MINUTE, sighting(2))
    await world.push(NOW + MINUTE + SECOND, entry(2), entry(1))
    assert await world.trusted(NOW + MINUTE + SECOND), "a poll was but faster"


async def test_a_poll_that_finds_what_the_hub_did_not_push_returns_to_full_pace(
    world: World,
) -> None:
    await world.push(NOW, entry(2))
    await world.poll(NOW + MINUTE, sighting(3))
    assert not await world.trusted(NOW + MINUTE)
    assert await world.is_due(NOW + 2 * MINUTE)
    await world.push(NOW + 2 * MINUTE, entry(2), entry(1))
    assert not await world.trusted(NOW + 2 * MINUTE), "it still has not told of the latest story"
    await world.push(NOW + 3 * MINUTE, entry(3), entry(2))
    assert await world.trusted(NOW + 3 * MINUTE)


async def test_a_hub_that_may_have_forgotten_us_is_asked_again(world: World) -> None:
    await world.poll(NOW + MINUTE, sighting(3))
    assert not await world.hubs.ask_due(NOW + 59 * MINUTE)
    assert await world.hubs.ask_due(NOW + 60 * MINUTE)
    assert world.side.asked[-1][0].mode == "subscribe"


async def test_a_poll_that_finds_nothing_new_asks_no_hub_again(world: World) -> None:
    await world.poll(NOW + MINUTE)
    assert not await world.hubs.ask_due(NOW + DAY)


async def test_a_hub_that_is_long_gone_is_forgotten(world: World) -> None:
    token = world.side.asked[-1][0].token
    await world.poll(NOW + DAY, hub=None)
    await world.store.forget_hubs(NOW + 2 * DAY)
    assert await world.store.find_hub_door(token) is not None, "it still pushes"
    assert await world.hubs.ask_due(NOW + DAY)
    assert await world.store.confirm_end(token, FEED_URL, NOW + DAY)
    await world.store.forget_hubs(NOW + DAY)
    assert await world.store.find_hub_door(token) is not None
    await world.store.forget_hubs(NOW + 2 * DAY)
    assert await world.store.find_hub_door(token) is None


async def test_a_hastened_feed_goes_before_those_that_are_due(store: Store) -> None:
    urls = [f"https://situs-{number}.example/feed/" for number in range(3)]
    await store.record_feeds(urls, NOW)
    feeds = await store.claim_feeds(NOW, NOW, 3)
    last = max(feed.id for feed in feeds)
    await store.hasten_feeds([last], NOW)
    (first,) = await store.claim_feeds(NOW, NOW, 1)
    assert first.id == last


async def test_a_denial_is_noted_polled_at_once_and_tried_again_after_a_day(world: World) -> None:
    await world.push(NOW, entry(2))
    await world.poll(NOW + MINUTE)
    token = world.side.asked[-1][0].token
    denied_at = NOW + 2 * MINUTE
    deny = world.store.record_denial
    assert not await deny(token, "https://lain.example/feed/", "no", denied_at)
    assert await deny(token, FEED_URL, "tidak boleh", denied_at)
    (health,) = await world.store.list_hub_health(denied_at)
    assert (health.state, health.error, health.trusted) == ("denied", "tidak boleh", False)
    assert await world.is_due(denied_at)
    assert not await world.hubs.ask_due(denied_at + DAY - SECOND)
    assert await world.hubs.ask_due(denied_at + DAY)
    assert not await world.hubs.ask_due(denied_at + DAY + SECOND)


async def test_a_lost_lease_returns_to_full_pace_at_once(world: World) -> None:
    await world.push(NOW, entry(2))
    end = NOW + 10 * DAY
    await world.poll(end - MINUTE)
    assert not await world.is_due(end - SECOND)
    await world.hubs.ask_due(end)
    assert await world.is_due(end)


async def test_a_feed_that_retires_is_unsubscribed_and_one_that_returns_subscribed(
    world: World,
) -> None:
    await world.push(NOW, entry(2))
    await world.store.record_feeds([], NOW + MINUTE)
    assert await world.hubs.ask_due(NOW + MINUTE)
    hub = world.side.asked[-1][0]
    assert hub.mode == "unsubscribe"
    assert not await world.store.confirm_subscription(hub.token, FEED_URL, DAY, NOW)
    assert not await world.hubs.ask_due(NOW + MINUTE + SECOND)
    assert await world.store.confirm_end(hub.token, FEED_URL, NOW + MINUTE)
    assert not await world.hubs.ask_due(NOW + 365 * DAY)
    await world.store.record_feeds([FEED_URL], NOW + DAY)
    assert not await world.trusted(NOW + DAY)
    await world.subscribe(NOW + DAY)
    assert world.side.asked[-1][0].mode == "subscribe"


async def test_an_unsubscription_that_fails_is_repeated_until_the_lease_ends(world: World) -> None:
    await world.store.record_feeds([], NOW + SECOND)
    world.side.fault = FetchError("away")
    assert await world.hubs.ask_due(NOW + SECOND)
    assert await world.hubs.ask_due(NOW + DAY)
    assert not await world.hubs.ask_due(NOW + 11 * DAY)


async def test_a_feed_that_names_another_hub_changes_over(world: World) -> None:
    await world.push(NOW, entry(2))
    later = NOW + 20 * MINUTE
    await world.poll(later, hub=OTHER_HUB_URL)
    assert not await world.trusted(later)
    assert await world.hubs.ask_due(later)
    asked = {(hub.mode, hub.hub_url) for hub, _ in world.side.asked[-2:]}
    assert asked == {("unsubscribe", HUB_URL), ("subscribe", OTHER_HUB_URL)}


async def test_a_feed_whose_caches_disagree_does_not_change_over_each_time(world: World) -> None:
    for minute in range(1, 9):
        await world.poll(NOW + minute * MINUTE, hub=OTHER_HUB_URL if minute % 2 else HUB_URL)
        assert not await world.hubs.ask_due(NOW + minute * MINUTE)


async def test_a_feed_that_is_not_modified_keeps_its_hub(world: World) -> None:
    await world.poll(NOW + DAY, hub=None, parsed=False)
    assert len(await world.store.list_hub_health(NOW)) == 1
    await world.poll(NOW + 2 * DAY, hub=None)
    assert await world.store.list_hub_health(NOW) == []


async def test_another_public_address_is_told_to_the_hub(world: World) -> None:
    moved = Hubs(world.store, world.side, world.hubs._record, "https://pindah.example")
    assert await moved.ask_due(NOW + DAY)
    hub, callback = world.side.asked[-1]
    assert (hub.mode, callback) == ("subscribe", f"https://pindah.example/websub/{hub.token}")
    assert not await moved.ask_due(NOW + DAY + SECOND)


async def test_what_a_push_says_of_a_known_story_is_looked_up_at_the_site(world: World) -> None:
    await world.poll(NOW + MINUTE)
    await world.push(NOW + MINUTE + SECOND, entry(1, title="Judul usang"))
    (story,) = await world.store.list_latest(5)
    assert story.title == "Berita nomor 1"
    assert await world.is_due(NOW + MINUTE + SECOND)


async def test_a_push_that_brings_nothing_else_polls_nothing(world: World) -> None:
    await world.poll(NOW + MINUTE)
    await world.push(NOW + MINUTE + SECOND, entry(2), entry(1))
    assert not await world.is_due(NOW + MINUTE + SECOND)


async def test_what_is_absent_from_a_push_means_nothing(world: World) -> None:
    await world.push(NOW, entry(2))
    await world.push(NOW, entry(3))
    assert len(await world.store.list_latest(5)) == 3


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (ParseError("no feed"), "unreadable"),
        (
            FeedPage(url=FEED_URL, entries=(entry(9),), self_url="https://lain.example/feed/"),
            "foreign",
        ),
    ],
)
async def test_a_push_that_is_no_feed_of_ours_is_counted_and_the_site_asked(
    world: World, page: FeedPage | ParseError, reason: str
) -> None:
    await world.poll(NOW + MINUTE)
    door = await world.store.find_hub_door(world.side.asked[-1][0].token)
    assert door is not None
    world.side.page = page
    await world.store.record_push(door, PushBody(b"?"), NOW + MINUTE)
    assert await world.hubs.take_push(NOW + MINUTE)
    assert await world.titles() == []
    assert await world.store.count_pushes() == {reason: 1}
    assert await world.is_due(NOW + MINUTE)
    assert not await world.hubs.take_push(NOW + MINUTE)


async def test_a_push_whose_worker_died_is_taken_by_the_next_in_order(world: World) -> None:
    door = await world.store.find_hub_door(world.side.asked[-1][0].token)
    assert door is not None
    for body in (b"one", b"two"):
        await world.store.record_push(door, PushBody(body, "text/xml", "gzip", "<x>"), NOW)
    first = await world.store.claim_push(NOW, NOW + MINUTE)
    assert first is not None
    assert first.sent == PushBody(b"one", "text/xml", "gzip", "<x>")
    assert await world.store.claim_push(NOW, NOW + MINUTE) is None
    again = await world.store.claim_push(NOW + MINUTE, NOW + 2 * MINUTE)
    assert again is not None
    assert again.id == first.id
    await world.store.record_push_taken(first, [], [], NOW + MINUTE)
    assert await world.store.count_pushes() == {}, "the claim has passed to someone else"
    await world.store.record_push_taken(again, [], [], NOW + MINUTE)
    second = await world.store.claim_push(NOW + MINUTE, NOW + 2 * MINUTE)
    assert second is not None
    assert second.sent.body == b"two"


async def test_a_push_that_kills_its_workers_does_not_come_back_for_ever(world: World) -> None:
    door = await world.store.find_hub_door(world.side.asked[-1][0].token)
    assert door is not None
    await world.store.record_push(door, PushBody(b"poison"), NOW)
    for _ in range(3):
        assert await world.store.claim_push(NOW, NOW) is not None
    assert await world.hubs.take_push(NOW)
    assert await world.store.count_pushes() == {"unreadable": 1}


async def test_pushes_without_end_wait_in_bounded_number(world: World) -> None:
    await world.poll(NOW + MINUTE)
    door = await world.store.find_hub_door(world.side.asked[-1][0].token)
    assert door is not None
    kept = [
        await world.store.record_push(door, PushBody(b"x"), NOW + MINUTE)
        for _ in range(MOST_WAITING_PUSHES + 1)
    ]
    assert kept == [True] * MOST_WAITING_PUSHES + [False]
    assert await world.is_due(NOW + MINUTE)


async def test_a_ping_during_a_poll_leads_to_one_more_poll(world: World) -> None:
    now = NOW + MINUTE
    (feed,) = await world.store.claim_feeds(now, now + MINUTE, 1)
    await world.store.hasten_feeds([feed.id], now + SECOND)
    await world.store.hasten_feeds([feed.id], now + SECOND)
    assert not await world.is_due(now + SECOND), "the poll is under way"
    page = FeedPage(url=FEED_URL, entries=None)
    plan = PollPlan(now, now + MINUTE, None)
    await world.store.record_poll(feed, page, [], [], plan)
    assert await world.is_due(now + SECOND)
    assert not await world.is_due(now + 2 * SECOND)


async def test_a_burst_of_pings_is_two_polls(world: World) -> None:
    now = NOW + SECOND
    polls = []
    for step in range(40):
        at = now + step * timedelta(milliseconds=50)
        if step < 19:
            await world.store.hasten_feeds([1], at)
        polls.append(await world.is_due(at))
    assert polls[0]
    assert sum(polls) == 2


async def test_a_failing_feed_is_not_hammered_by_pings(world: World) -> None:
    (feed,) = await world.store.claim_feeds(NOW + MINUTE, NOW + MINUTE, 1)
    hour = NOW + timedelta(hours=1)
    await world.store.record_poll_failure(feed, "429", hour, NOW + MINUTE)
    polls = 0
    for second in range(30):
        at = NOW + 2 * MINUTE + second * SECOND
        await world.store.hasten_feeds([feed.id], at)
        polls += await world.is_due(at)
    assert polls == 3


async def test_after_a_restart_feeds_of_trusted_hubs_are_polled_once(world: World) -> None:
    await world.push(NOW, entry(2))
    await world.poll(NOW + MINUTE)
    await world.store.hasten_trusting_feeds(NOW + 2 * MINUTE)
    assert await world.is_due(NOW + 2 * MINUTE)
    assert not await world.is_due(NOW + 2 * MINUTE)


@given(
    failures=st.integers(1, 10_000),
    left=st.one_of(st.none(), st.floats(-10, 31_000_000)),
)
def test_the_pause_before_a_hub_is_asked_again_is_bounded(
    failures: int, left: float | None
) -> None:
    ends_at = None if left is None else NOW + timedelta(seconds=left)
    waited = pause(replace(HUB, failures=failures, ends_at=ends_at), NOW)
    assert SHORTEST_PAUSE <= waited <= LONGEST_PAUSE
    if left is not None and left > 8:
        assert NOW + waited < ends_at


@pytest.mark.parametrize(
    ("told", "foreign"),
    [
        (None, False),
        (FEED_URL, False),
        ("http://kabar.example:8080/feed", False),
        ("https://www.kabar.example/feed/", False),
        ("https://kabar.example/comments/feed/", True),
        ("https://lain.example/feed/", True),
        ("https://kabar.example/feed/?x=1", True),
    ],
)
def test_a_push_of_another_topic_is_told_by_what_it_says(told: str | None, foreign: bool) -> None:
    push = Push(1, 1, 1, FEED_URL, FEED_URL, 1, PushBody(b""))
    assert is_foreign(FeedPage(url=FEED_URL, entries=(), self_url=told), push) is foreign


@pytest.mark.parametrize(
    ("headers", "hub", "own"),
    [
        ([], None, None),
        ([f'<{HUB_URL}>; rel="hub"', f"<{FEED_URL}>; rel=self"], HUB_URL, FEED_URL),
        ([f'<{HUB_URL}>; rel="hub", <{FEED_URL}>; title="a, b"; rel="self"'], HUB_URL, FEED_URL),
        ([f'<{FEED_URL}>;REL="alternate SELF"'], None, FEED_URL),
        (['</hub>; rel="hub"'], "https://kabar.example/hub", None),
        (["<javascript:alert(1)>; rel=hub"], None, None),
        ([f"<{HUB_URL}>; rel=hub, <https://dua.example/>; rel=hub"], HUB_URL, None),
        (["<" * 9000, "; rel=hub", "<x", ">;rel"], None, None),
    ],
)
def test_link_headers_name_hub_and_topic(
    headers: list[str], hub: str | None, own: str | None
) -> None:
    assert linked(headers, FEED_URL) == (hub, own)


def test_link_headers_go_before_the_feed() -> None:
    feed = ParsedFeed(None, (), hub_url=OTHER_HUB_URL, self_url="https://kabar.example/rss")
    assert named([], feed, FEED_URL) == (OTHER_HUB_URL, "https://kabar.example/rss")
    both = [f"<{HUB_URL}>; rel=hub, <{FEED_URL}>; rel=self"]
    assert named(both, feed, FEED_URL) == (HUB_URL, FEED_URL)
    assert named([], ParsedFeed(None, ()), FEED_URL) == (None, FEED_URL)


@pytest.mark.parametrize(
    ("stated", "url", "subscribed"),
    [
        ("http://127.0.0.1/feed/", "http://127.0.0.1:8081/feed/", "http://127.0.0.1:8081/feed/"),
        ("https://a.example/feed/", "https://a.example/feed/", "https://a.example/feed/"),
        ("https://a.example/feed/", "http://www.a.example/feed/", "https://a.example/feed/"),
        ("http://a.example/feed/", "https://a.example/feed/", "http://a.example/feed/"),
        ("http://a.example:81/feed/", "http://a.example:82/feed/", "http://a.example:81/feed/"),
    ],
)
def test_a_topic_that_lost_its_port_gets_it_back(stated: str, url: str, subscribed: str) -> None:
    assert topic(stated, url) == subscribed


FEED = b"""<rss version="2.0"><channel><title>Kabar</title>
<item><title>Satu</title><link>/satu/</link></item></channel></rss>"""


async def read(sent: PushBody) -> FeedPage:
    """What the adapter makes of a push; it needs no connection for that."""
    async with aiohttp.ClientSession() as session:
        side = HttpHubs(session, ZoneInfo("UTC"))
        return await side.read_push(Push(1, 1, 1, FEED_URL, FEED_URL, 1, sent))


async def test_a_push_is_read_against_its_feed() -> None:
    page = await read(PushBody(FEED, "application/rss+xml", None, f"<{FEED_URL}>; rel=self"))
    assert page.entries is not None
    assert [item.url for item in page.entries] == ["https://kabar.example/satu/"]
    assert page.self_url == FEED_URL


async def test_a_compressed_push_is_read_and_a_false_header_does_no_harm() -> None:
    for body in (gzip.compress(FEED), FEED):
        page = await read(PushBody(body, "application/rss+xml", "gzip"))
        assert page.entries is not None
        assert len(page.entries) == 1


@pytest.mark.parametrize(
    "body", [b"", b"\x1f\x8bbroken", gzip.compress(b" " * 20_000_000), b"<html>", b"\xff\x00"]
)
async def test_a_push_that_cannot_be_read_is_a_fault_of_its_own(body: bytes) -> None:
    with pytest.raises(ParseError):
        await read(PushBody(body, "application/rss+xml", "gzip"))


class Endpoint:
    """A hub's endpoint that answers as told and keeps what it was asked."""

    def __init__(self, *answers: web.Response) -> None:
        self.answers = list(answers)
        self.forms: list[dict[str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        return self.answers.pop(0)

    async def ask(self, hub: Hub, *, trusted: bool = True) -> None:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self.take)
        async with TestServer(app) as server:
            url = str(server.make_url("/hub"))
            async with guarded(places([url] if trusted else [])) as session:
                side = HttpHubs(session, ZoneInfo("UTC"))
                await side.ask(replace(hub, hub_url=url), "https://sebar.example/websub/x")


async def test_a_hub_is_asked_by_a_form() -> None:
    endpoint = Endpoint(web.Response(status=202), web.Response(status=204))
    await endpoint.ask(HUB)
    await endpoint.ask(replace(HUB, mode="unsubscribe"))
    subscribe, unsubscribe = endpoint.forms
    assert subscribe == {
        "hub.mode": "subscribe",
        "hub.topic": FEED_URL,
        "hub.callback": "https://sebar.example/websub/x",
        "hub.secret": HUB.secret,
        "hub.lease_seconds": "864000",
    }
    assert unsubscribe == {
        "hub.mode": "unsubscribe",
        "hub.topic": FEED_URL,
        "hub.callback": "https://sebar.example/websub/x",
    }


async def test_a_hub_that_has_moved_is_asked_where_it_is() -> None:
    moved = web.Response(status=308, headers={"Location": "/baru"})
    endpoint = Endpoint(moved, web.Response(status=202))
    await endpoint.ask(HUB)
    assert endpoint.forms[0] == endpoint.forms[1]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web.Response(status=400, text="topic\x00 unknown\n"), "answers 400: topic unknown"),
        (web.Response(status=500, text="<html>oops"), r"answers 500$"),
        (web.Response(status=302, headers={"Location": "/x"}), "answers 302"),
    ],
)
async def test_a_hub_that_refuses_says_why(answer: web.Response, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        await Endpoint(answer).ask(HUB)


async def test_a_hub_that_redirects_for_ever_is_left() -> None:
    answers = [web.Response(status=307, headers={"Location": "/x"}) for _ in range(9)]
    with pytest.raises(FetchError, match="too often"):
        await Endpoint(*answers).ask(HUB)


async def test_a_hub_on_a_private_address_is_not_asked() -> None:
    endpoint = Endpoint(web.Response(status=202))
    with pytest.raises(FetchError, match="private network"):
        await endpoint.ask(HUB, trusted=False)
    assert endpoint.forms == []


async def test_a_hub_that_redirects_to_a_private_address_is_not_followed() -> None:
    other = web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"})
    with pytest.raises(FetchError, match="cannot be reached"):
        await Endpoint(other).ask(HUB)
