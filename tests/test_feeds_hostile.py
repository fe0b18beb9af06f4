"""Any input: what each hostile server gets is a reason in words, and nothing else suffers."""

from __future__ import annotations

import asyncio
import gzip
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import brotli
import pytest
from aiohttp import web
from factories import NOW

from bot.check import examine
from bot.errors import SourceError
from bot.feeds import HttpSource, Limits, guarded, places
from bot.identity import sight
from bot.ingest import Ingest, IngestPolicy, sift
from bot.settings import Settings
from bot.types import FeedForPoll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.store import Store
    from bot.types import Entry

JAKARTA = ZoneInfo("Asia/Jakarta")
BASELINE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Case:
    """What a server answers."""

    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False


def rss(
    *items: str, head: str = "<title>Kabar</title>", start: str = "<?xml version='1.0'?>"
) -> str:
    return f"{start}<rss version='2.0'><channel>{head}{''.join(items)}</channel></rss>"


def item(number: int = 1, *, title: str | None = None, guid: str = "", more: str = "") -> str:
    shown = f"Berita {number}" if title is None else title
    return f"<item><title>{shown}</title><link>https://kabar.example/{number}/</link>{guid}{more}</item>"


BOMB = "<!DOCTYPE r [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(10)
)
CHALLENGE = (
    "<!DOCTYPE html><html><head><title>Just a moment...</title></head>"
    "<body><script src='/cdn-cgi/challenge-platform/x.js'></script></body></html>"
)
HTML = {"Content-Type": "text/html"}
XXE = "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"

REFUSED = {
    "50 MB": (Case(b"<rss>" + b" " * 50_000_000), "larger than 5 MB"),
    "gzip bomb": (
        Case(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"}),
        "larger than 5 MB",
    ),
    "br bomb": (
        Case(brotli.compress(b" " * 50_000_000, quality=1), headers={"Content-Encoding": "br"}),
        "larger than 5 MB",
    ),
    "endless slow body": (Case(b"<rss><channel>", endless=True), "no complete answer within"),
    "redirect loop": (Case(status=302, headers={"Location": "/feed"}), "redirects too often"),
    "to javascript": (Case(status=302, headers={"Location": "javascript:1"}), "not an address"),
    "to a file": (Case(status=302, headers={"Location": "file:///etc/passwd"}), "not an address"),
    "inside": (
        Case(status=302, headers={"Location": "http://127.0.0.1:9/"}),
        "inside a private network",
    ),
    "inside by name": (
        Case(status=301, headers={"Location": "http://localhost/"}),
        "inside a private network",
    ),
    "metadata": (
        Case(status=302, headers={"Location": "http://169.254.169.254/latest/"}),
        "inside a private network",
    ),
    "inside with a password": (
        Case(status=302, headers={"Location": "http://kabar.example@127.0.0.1:9/"}),
        "inside a private network",
    ),
    "inside, mapped": (
        Case(status=302, headers={"Location": "http://[::ffff:10.0.0.1]/"}),
        "inside a private network",
    ),
    "challenge": (Case(CHALLENGE, headers=HTML), "challenge"),
    "challenge, 403": (Case(CHALLENGE, 403, HTML), r"human check .*403"),
    "challenge, 503": (Case(CHALLENGE, 503, HTML), r"human check .*503"),
    "plain 403": (Case("<html>Forbidden</html>", 403, HTML), r"refuses the bot \(403\)"),
    "empty": (Case(), "empty"),
    "page without a feed": (
        Case("<html><body>Halo</body></html>", headers=HTML),
        "no feed is found",
    ),
    "picture": (Case(b"\x89PNG\r\n\x1a\n" + b"\0" * 100), "not a feed"),
    "broken gzip": (Case(b"halo", headers={"Content-Encoding": "gzip"}), "compression is broken"),
}
READ = {
    "entity bomb": (rss(item(), start=f"{BOMB}]>"), ["Berita 1"]),
    "external entity": (rss(item(more="<description>&x;</description>"), start=XXE), ["Berita 1"]),
    "broken in the middle": (rss(item(1), "<item><title>Rusak &nope <b", item(2)), None),
    "control characters": (rss(item(title="Ber\x08ita\x01")), ["Berita"]),
    "10,000 entries": (rss(*(item(n) for n in range(10_000))), None),
    "20 KB title": (rss(item(title="panjang " * 2_600)), None),
    "markup in a title": (rss(item(title="&lt;b&gt;Judul&lt;/b&gt;")), ["Judul"]),
    "empty title": (
        rss(item(title="", more="<description>Kata pertama berita ini</description>")),
        ["Kata pertama berita ini"],
    ),
    "koi8-r": (rss(item(title="Новости"), start="<?xml version='1.0' encoding='koi8-r'?>"), None),
}


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, dict[str, Case]]]:
    cases: dict[str, Case] = {}
    released = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        case = cases.get(request.path)
        if case is None:
            return web.Response(status=404)
        body = case.body.encode() if isinstance(case.body, str) else case.body
        if not case.endless:
            return web.Response(status=case.status, headers=case.headers, body=body)
        stream = web.StreamResponse(headers=case.headers)
        await stream.prepare(request)
        await stream.write(body)
        await released.wait()
        return stream

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", cases
    released.set()
    await runner.cleanup()


@pytest.fixture
async def source(server: tuple[str, dict[str, Case]]) -> AsyncIterator[HttpSource]:
    async with guarded(places([server[0]])) as session:
        yield HttpSource(session, JAKARTA, Limits(total_s=3))


@pytest.mark.parametrize("name", REFUSED)
async def test_a_hostile_answer_is_refused_with_its_reason(
    name: str, server: tuple[str, dict[str, Case]], source: HttpSource
) -> None:
    site, cases = server
    case, reason = REFUSED[name]
    cases["/feed"] = case
    short = HttpSource(source._session, JAKARTA, Limits(total_s=0.3)) if case.endless else source
    with pytest.raises(SourceError, match=re.compile(reason)):
        await short.fetch(FeedForPoll(1, f"{site}/feed"))


@pytest.mark.parametrize("name", READ)
async def test_odd_feeds_give_what_is_sound_in_them(
    name: str, server: tuple[str, dict[str, Case]], source: HttpSource
) -> None:
    site, cases = server
    body, titles = READ[name]
    encoding = "koi8-r" if name == "koi8-r" else "utf-8"
    cases["/feed"] = Case(body.encode(encoding))
    page = await source.fetch(FeedForPoll(1, f"{site}/feed"))
    stories = [sighting.story for sighting in sight(page.entries or ())]
    assert stories
    assert all(len(story.title) <= 1000 and "root:" not in story.summary for story in stories)
    if titles is not None:
        assert [story.title for story in stories] == titles


def entries_of(*items: str) -> tuple[Entry, ...]:
    from bot.feeds import parse_feed  # noqa: PLC0415

    body = rss(*items).encode()
    url = "https://kabar.example/feed/"
    return parse_feed(body, content_type=None, url=url, zone=JAKARTA).entries


@pytest.mark.parametrize("prefix", ["Protected: ", "Dilindungi: "])
def test_a_post_behind_a_password_is_not_news_until_it_is_opened(prefix: str) -> None:
    feed = FeedForPoll(1, "https://kabar.example/feed/", baseline_at=BASELINE)
    locked = entries_of(item(title=f"{prefix}Rahasia"))
    assert sift(feed, sight(locked), []).new == ()
    assert len(sift(feed, sight(entries_of(item(title="Rahasia"))), []).new) == 1


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "mailto:a@b.example", "file:///etc/passwd"]
)
def test_a_link_that_is_none_leads_nowhere(link: str) -> None:
    (entry,) = entries_of(f"<item><title>Judul</title><link>{link}</link></item>")
    assert sight([entry])[0].story.url == ""


@pytest.mark.parametrize("link", ["/berita/", "//kabar.example/berita/", "berita/"])
def test_relative_links_are_resolved(link: str) -> None:
    (entry,) = entries_of(f"<item><title>Judul</title><link>{link}</link></item>")
    url = sight([entry])[0].story.url
    assert url.startswith("https://kabar.example/")
    assert url.endswith("berita/")


async def test_one_hostile_feed_delays_no_other_and_its_reason_is_kept(
    server: tuple[str, dict[str, Case]], store: Store
) -> None:
    site, cases = server
    cases["/slow"] = Case(b"<rss>", endless=True)
    cases["/loop"] = Case(status=302, headers={"Location": "/loop"})
    cases["/good"] = Case(rss(item()))
    await store.record_feeds([f"{site}/{name}" for name in ("slow", "loop", "good")], NOW)
    policy = IngestPolicy(poll_interval=NOW - BASELINE, hold=NOW - NOW, needs_approval=False)
    async with guarded(places([site])) as session:
        source = HttpSource(session, JAKARTA, Limits(total_s=0.5))
        ingest = Ingest(store, source, policy, lambda: NOW)
        async with asyncio.TaskGroup() as tasks:
            await ingest.start_due(tasks, NOW)
    errors = {
        health.url.rpartition("/")[2]: health.error for health in await store.list_feed_health()
    }
    assert "within" in (errors["slow"] or "")
    assert "redirects" in (errors["loop"] or "")
    assert errors["good"] is None
    assert len(await store.list_latest(5)) == 1


async def test_check_names_what_each_feed_gives_and_each_reason(
    server: tuple[str, dict[str, Case]], tmp_path: object
) -> None:
    site, cases = server
    cases["/"] = Case(
        '<html><head><link rel="alternate" type="application/rss+xml" '
        'title="Komentar" href="/comments/feed/"></head></html>',
        headers=HTML,
    )
    generator = "<title>K</title><generator>https://wordpress.org/?v=6.5</generator>"
    cases["/feed/"] = Case(rss(item(1), item(2), head=generator))
    cases["/comments/feed/"] = Case(rss(item(9)))
    cases["/challenge"] = Case(CHALLENGE, 403, HTML)
    settings = Settings(
        feeds=(f"{site}/", f"{site}/challenge"), database_url=f"sqlite:///{tmp_path}/check.db"
    )
    report = await examine(settings)
    assert report.found == (f"{site}/ → {site}/feed/ (WordPress, 2 stories), no hub",)
    assert any(f"{site}/challenge: the site asks for a human check" in f for f in report.faults)
