"""Polling a real server: discovery, redirects, validators, pace, gaps, alerts."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import brotli
import pytest
from aiohttp import web
from factories import FEED_URL, NOW

from bot.alerts import Alerts, told
from bot.errors import FetchError
from bot.feeds import HttpSource, guarded, places
from bot.feeds.discovery import candidates
from bot.feeds.guard import INSIDE, ODD_PORT
from bot.feeds.rhythm import fresh_s, older_url, stated_pace_s
from bot.identity import sight
from bot.ingest import AT_ONE_HOST, Ingest, IngestPolicy
from bot.pacing import LONGEST, back_off, pause, spread
from bot.render import Renderer
from bot.store import PollPlan
from bot.types import BroadcastState, Entry, FeedForPoll, FeedPage, Message, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.store import Store
    from bot.types import Destination

JAKARTA = ZoneInfo("Asia/Jakarta")
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TEMPLATES = Path(__file__).parent.parent / "templates"
POLICY = IngestPolicy(poll_interval=MINUTE, hold=timedelta(0), needs_approval=False)
HTML = "text/html"


@dataclass
class Newsroom:
    """A server with a feed of ten stories and older pages, and what was asked of it."""

    base: str = ""
    posts: list[int] = field(default_factory=list)
    etag: str | None = None
    moved: int | None = None
    gone: bool = False
    paged_status: int = 200
    asked: list[str] = field(default_factory=list)
    conditions: list[tuple[str | None, str | None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        headers = request.headers
        self.conditions.append((headers.get("If-None-Match"), headers.get("If-Modified-Since")))
        if request.path == "/":
            link = '<link rel="alternate" type="application/rss+xml" href="/kabar/feed/">'
            return web.Response(text=f"<html><head>{link}</head></html>", content_type=HTML)
        if request.path == "/kabar/feed/" and self.moved:
            return web.Response(status=self.moved, headers={"Location": "/baru/feed/"})
        if request.path not in {"/kabar/feed/", "/baru/feed/"} or self.gone:
            return web.Response(status=404)
        return self._feed(int(request.query.get("paged", "1")))

    def _feed(self, page: int) -> web.Response:
        shown = self.posts[::-1][(page - 1) * 10 : page * 10]
        if page > 1 and (not shown or self.paged_status != 200):
            return web.Response(status=404 if self.paged_status == 200 else self.paged_status)
        items = "".join(
            f"<item><title>Berita {n}</title><link>{self.base}/{n}/</link></item>" for n in shown
        )
        headers = {"ETag": self.etag, "Last-Modified": "kemarin"} if self.etag else {}
        return web.Response(
            text=f"<rss><channel><title>K</title>{items}</channel></rss>", headers=headers
        )


@pytest.fixture
async def newsroom() -> AsyncIterator[Newsroom]:
    newsroom = Newsroom(posts=list(range(1, 11)))
    app = web.Application()
    app.router.add_get("/{path:.*}", newsroom.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    newsroom.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield newsroom
    await runner.cleanup()


async def poll(store: Store, newsroom: Newsroom, minute: float) -> None:
    """One poll at a moment; the feed must be due."""
    now = NOW + minute * MINUTE
    async with guarded(places([newsroom.base])) as session:
        ingest = Ingest(store, HttpSource(session, JAKARTA), POLICY, lambda: now)
        async with asyncio.TaskGroup() as tasks:
            assert await ingest.start_due(tasks, now) == 1


async def test_a_sites_feed_is_found_kept_and_found_again(store: Store, newsroom: Newsroom) -> None:
    await store.record_feeds([f"{newsroom.base}/"], NOW)
    await poll(store, newsroom, 0)
    assert len(await store.list_latest(20)) == 10
    newsroom.asked.clear()
    await poll(store, newsroom, 1)
    assert newsroom.asked == ["/kabar/feed/"]
    newsroom.gone = True
    await poll(store, newsroom, 2)
    newsroom.gone = False
    newsroom.posts.append(11)
    await poll(store, newsroom, 4)
    assert newsroom.asked[2:4] == ["/", "/kabar/feed/"]
    assert len(await store.list_due_broadcasts(NOW + DAY, 50)) == 1


async def test_redirects_for_good_are_remembered_after_three_polls(
    store: Store, newsroom: Newsroom
) -> None:
    newsroom.moved = 301
    await store.record_feeds([f"{newsroom.base}/kabar/feed/"], NOW)
    for minute in range(4):
        await poll(store, newsroom, minute)
    assert newsroom.asked == ["/kabar/feed/", "/baru/feed/"] * 3 + ["/baru/feed/"]


async def test_redirects_for_now_are_never_remembered(store: Store, newsroom: Newsroom) -> None:
    newsroom.moved = 302
    await store.record_feeds([f"{newsroom.base}/kabar/feed/"], NOW)
    for minute in range(5):
        await poll(store, newsroom, minute)
    assert newsroom.asked == ["/kabar/feed/", "/baru/feed/"] * 5


async def test_an_etag_that_a_cdn_mangled_is_left_out(store: Store, newsroom: Newsroom) -> None:
    newsroom.etag = 'W/"abc-gzip"'
    await store.record_feeds([f"{newsroom.base}/kabar/feed/"], NOW)
    for minute in range(4):
        await poll(store, newsroom, minute)
    both = ('W/"abc-gzip"', "kemarin")
    assert newsroom.conditions == [(None, None), both, both, (None, "kemarin")]


@pytest.mark.parametrize("burst", [1, 10, 25, 60])
async def test_a_burst_is_read_down_to_what_was_known(
    store: Store, newsroom: Newsroom, burst: int
) -> None:
    await store.record_feeds([f"{newsroom.base}/kabar/feed/"], NOW)
    await poll(store, newsroom, 0)
    newsroom.posts += range(11, 11 + burst)
    await poll(store, newsroom, 1)
    due = await store.list_due_broadcasts(NOW + DAY, 500)
    titles = [item.story.title for item in sorted(due, key=lambda item: item.story.id)]
    assert titles == [f"Berita {n}" for n in range(11, 11 + burst)]
    newsroom.asked.clear()
    await poll(store, newsroom, 2)
    assert newsroom.asked == ["/kabar/feed/"]


async def test_a_gap_whose_pages_fail_is_closed_later(store: Store, newsroom: Newsroom) -> None:
    await store.record_feeds([f"{newsroom.base}/kabar/feed/"], NOW)
    await poll(store, newsroom, 0)
    newsroom.posts += range(11, 36)
    newsroom.paged_status = 502
    await poll(store, newsroom, 1)
    assert len(await store.list_due_broadcasts(NOW + DAY, 500)) == 10
    newsroom.paged_status = 200
    await poll(store, newsroom, 2)
    assert len(await store.list_due_broadcasts(NOW + DAY, 500)) == 25


async def test_older_pages_bring_nothing_from_before_the_first_poll(
    store: Store, newsroom: Newsroom
) -> None:
    newsroom.posts = list(range(1, 31))
    await store.record_feeds([f"{newsroom.base}/kabar/feed/"], NOW)
    await poll(store, newsroom, 0)
    newsroom.posts = [*range(1, 26), *range(31, 43)]
    await poll(store, newsroom, 1)
    due = await store.list_due_broadcasts(NOW + DAY, 500)
    assert {item.story.title for item in due} == {f"Berita {n}" for n in range(31, 43)}


async def test_few_polls_at_once_go_to_one_host_and_the_others_wait_for_nobody(
    store: Store,
) -> None:
    busy, most = 0, 0
    release = asyncio.Event()

    class Slow:
        async def fetch(self, feed: FeedForPoll) -> FeedPage:
            nonlocal busy, most
            if feed.url.startswith("https://lambat."):
                busy += 1
                most = max(most, busy)
                await release.wait()
                busy -= 1
            else:
                polled.append(feed.url)
                release.set()
            return FeedPage(url=feed.url, entries=())

        async def fetch_older(self, url: str) -> FeedPage:
            raise FetchError(url)

        async def read_article(self, url: str) -> Entry:
            raise FetchError(url)

    polled: list[str] = []
    slow = [f"https://lambat.example/{number}/feed/" for number in range(20)]
    await store.record_feeds([*slow, FEED_URL], NOW)
    ingest = Ingest(store, Slow(), POLICY, lambda: NOW)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        assert await ingest.start_due(tasks, NOW) == 21
    assert polled == [FEED_URL]
    assert 1 < most <= AT_ONE_HOST
    assert all(feed.polled_at for feed in await store.list_feed_health())


async def test_what_is_pushed_while_a_poll_is_under_way_is_recorded_once(
    store: Store, newsroom: Newsroom
) -> None:
    url = f"{newsroom.base}/kabar/feed/"
    await store.record_feeds([url], NOW)
    await poll(store, newsroom, 0)
    newsroom.posts.append(11)
    now = NOW + MINUTE
    pushed = Entry("Berita 11", f"{newsroom.base}/11/")
    async with guarded(places([newsroom.base])) as session:
        ingest = Ingest(store, HttpSource(session, JAKARTA), POLICY, lambda: now)
        (feed,) = await store.claim_feeds(now, now + MINUTE, 1)
        page = await HttpSource(session, JAKARTA).fetch(feed)
        assert len((await ingest.record_pushed(feed.id, [pushed], now)).new) == 1
        plan = PollPlan(now, now, BroadcastState.SCHEDULED, now)
        recorded = await store.record_poll(feed, page, sight(page.entries or ()), [], plan)
    assert recorded.new == ()
    assert len(await store.list_due_broadcasts(NOW + DAY, 50)) == 1


async def test_a_compressed_page_leads_to_its_compressed_feed() -> None:
    async def answer(request: web.Request) -> web.Response:
        link = '<link rel="alternate" type="application/rss+xml" href="/umpan">'
        page = f"<html><head>{link}</head></html>"
        feed = "<rss><channel><item><title>A</title><link>/1/</link></item></channel></rss>"
        body = brotli.compress((page if request.path == "/" else feed).encode())
        return web.Response(body=body, headers={"Content-Encoding": "br"}, content_type=HTML)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with guarded(places([base])) as session:
            page = await HttpSource(session, JAKARTA).fetch(FeedForPoll(1, f"{base}/"))
    finally:
        await runner.cleanup()
    assert (page.found_url, len(page.entries or ())) == (f"{base}/umpan", 1)


async def test_older_pages_are_bounded(store: Store, newsroom: Newsroom) -> None:
    await store.record_feeds([f"{newsroom.base}/kabar/feed/"], NOW)
    await poll(store, newsroom, 0)
    newsroom.posts += range(11, 1000)
    await poll(store, newsroom, 1)
    assert len(newsroom.asked) <= 22
    assert len(await store.list_due_broadcasts(NOW + DAY, 500)) == 210


def page(**changes: object) -> FeedPage:
    return replace(FeedPage(url=FEED_URL, entries=()), **changes)


def test_a_live_feed_is_polled_at_the_interval_whatever_it_says() -> None:
    assert pause(MINUTE, page(pace_s=3600.0), timedelta(hours=8)) == MINUTE
    assert pause(MINUTE, page(fresh_s=300.0), timedelta(0)) == 5 * MINUTE
    assert pause(10 * MINUTE, page(fresh_s=300.0), timedelta(0)) == 10 * MINUTE


def test_a_quiet_feed_slows_down_to_an_hour_and_no_further() -> None:
    pauses = [pause(MINUTE, page(), days * DAY) for days in (0.9, 1.1, 1.5, 2, 300)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (MINUTE, LONGEST)
    assert pause(MINUTE, page(pace_s=3600.0), 1.1 * DAY) == LONGEST
    assert pause(3 * LONGEST, page(), 300 * DAY) == 3 * LONGEST


def test_what_a_server_asks_for_is_bounded() -> None:
    asked = FetchError("busy", status=429, retry_after_s=1e9)
    assert back_off(MINUTE, 1, asked) == LONGEST


def test_jitter_never_goes_below_the_interval() -> None:
    spreads = {spread(LONGEST, MINUTE, FeedForPoll(number, FEED_URL)) for number in range(9)}
    assert len(spreads) == 9
    assert all(0.9 * LONGEST <= one <= LONGEST for one in spreads)
    assert spread(MINUTE, MINUTE, FeedForPoll(7, FEED_URL)) == MINUTE


@pytest.mark.parametrize(
    ("head", "pace_s"),
    [
        (b"<ttl>5</ttl>", 300.0),
        (b"<ttl>99999</ttl>", 3600.0),
        (b"<sy:updatePeriod>\n hourly </sy:updatePeriod>", 3600.0),
        (b"<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>4<", 900.0),
        (b"<item><ttl>5</ttl></item>", None),
        (b"", None),
    ],
)
def test_a_feed_says_how_often_it_changes(head: bytes, pace_s: float | None) -> None:
    assert stated_pace_s(b"<rss><channel>" + head) == pace_s


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=300", "Age": "100"}, 200.0),
        ({"Cache-Control": "max-age=99999999"}, 3600.0),
        ({"Cache-Control": "no-cache, max-age=300"}, None),
        ({"Cache-Control": "s-maxage=300"}, None),
        ({}, None),
    ],
)
def test_a_server_says_how_long_its_answer_is_fresh(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert fresh_s(headers) == seconds


def test_older_entries_are_where_the_feed_says_or_where_wordpress_has_them() -> None:
    link = b'<feed><link rel="next" href="/feed?page=2&amp;x=1"/><entry/></feed>'
    assert older_url(link, FEED_URL) == "https://kabar.example/feed?page=2&x=1"
    assert older_url(b"<rss>", FEED_URL) == f"{FEED_URL}?paged=2"
    assert older_url(b"<rss>", f"{FEED_URL}?cat=3&paged=9") == f"{FEED_URL}?cat=3&paged=10"


def test_feeds_of_comments_are_not_chosen() -> None:
    head = (
        '<link rel="alternate" type="application/rss+xml" title="K » Komentar" href="/k/feed/">'
        '<link rel="alternate" type="application/json" href="/wp-json/wp/v2/pages/2">'
        "<link rel=alternate type='application/atom+xml' href='/atom'>"
        '<link rel="alternate" type="application/rss+xml" href="/politik/feed/">'
    )
    found = candidates(head, ['</kepala>; rel="alternate"; type="application/rss+xml"'], FEED_URL)
    assert [url.rpartition(".example")[2] for url in found[:3]] == [
        "/atom",
        "/politik/feed/",
        "/kepala",
    ]
    first = candidates(head, [], "https://kabar.example/politik/")[0]
    assert first == "https://kabar.example/politik/feed/"


HUMAN_CHECK = "the site asks for a human check (a challenge page such as Cloudflare's) (403)"
REASON = re.compile(
    r"(?:ParseError|FetchError)\(\s*(f?\"[^\"]+\")|return (\"[^\"{]+\")|: (\"the [^\"]+\"),\n"
)


def reasons() -> list[str]:
    """Every reason that the sources of the feed's adapter state, with a 7 for what varies."""
    folder = Path(__file__).parent.parent / "bot" / "feeds"
    stated = [
        next(filter(None, match.groups()))
        for name in ("source.py", "parse.py")
        for match in REASON.finditer((folder / name).read_text("utf-8"))
    ]
    return [re.sub(r"\{[^}]*\}", "7", one.lstrip("f").strip('"')) for one in stated if len(one) > 9]


def test_every_reason_is_told_in_indonesian() -> None:
    assert len(reasons()) > 20
    assert [
        one for one in [*reasons(), INSIDE, ODD_PORT, HUMAN_CHECK] if told(one, "id") == one
    ] == []
    assert told("something new", "id") == "something new"
    assert told("the site answers 500", "en") == "the site answers 500"
    assert told("the site answers 500", "id") == "situs menjawab 500"


class Telegram:
    """A publisher that keeps what it was told."""

    def __init__(self) -> None:
        self.sent: list[tuple[int | str, str]] = []

    def prepare(self, message: Message) -> Message:
        return message

    async def send(self, destination: Destination, prepared: Message) -> Receipt:
        self.sent.append((destination.chat, prepared.text))
        return Receipt(1, 1)


async def test_editors_are_told_once_of_a_feed_that_fails_and_once_of_its_return(
    store: Store, newsroom: Newsroom
) -> None:
    telegram = Telegram()
    renderer = Renderer(locale="id", zone=JAKARTA, utm=False, builtin=TEMPLATES)
    alerts = Alerts(store, renderer, telegram)
    await store.record_feeds([f"{newsroom.base}/kabar/feed/"], NOW)
    newsroom.gone = True
    for minute in (0, 2, 5):
        await poll(store, newsroom, minute)
    assert not await alerts.tell([7], NOW + 14 * MINUTE)
    assert not await alerts.tell([], NOW + 20 * MINUTE)
    assert await alerts.tell([7, 8], NOW + 20 * MINUTE)
    assert not await alerts.tell([7, 8], NOW + 21 * MINUTE)
    assert [chat for chat, _ in telegram.sent] == [7, 8]
    assert "20 menit" in telegram.sent[0][1]
    assert "tidak ada apa pun di alamat ini (404)" in telegram.sent[0][1]
    newsroom.gone = False
    await poll(store, newsroom, 22)
    assert await alerts.tell([7], NOW + 22 * MINUTE)
    assert not await alerts.tell([7], NOW + 23 * MINUTE)
    assert "dapat dibaca lagi" in telegram.sent[2][1]
