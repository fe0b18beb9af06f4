"""The share page: over HTTP, and in a real browser."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from browsing import browser, needs_chromium, watched
from factories import NOW, message, stored_story
from playwright.async_api import expect

from bot.clicks import Clicks
from bot.db import open_database
from bot.render import Renderer
from bot.store import Store
from bot.web import Front, web_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from bot.types import Story

TEMPLATES = Path(__file__).parent.parent / "templates"
ZONE = ZoneInfo("Asia/Jakarta")
HOSTILE = 'Rakor <script>alert(1)</script> & "Aman" \N{GRINNING FACE}'


def front(store: Store) -> Front:
    async def accept(_: list[dict[str, Any]]) -> None:
        raise AssertionError

    return Front(
        store=store,
        clock=lambda: NOW,
        accept=accept,
        webhook_secret=None,
        token_fault=lambda: None,
        clicks=Clicks(store, ZONE, utm=True),
        renderer=Renderer(locale="id", zone=ZONE, utm=True, builtin=TEMPLATES),
        files=TEMPLATES / "web" / "static",
        zone=ZONE,
        public_url="https://sebar.example",
    )


@pytest_asyncio.fixture
async def client(store: Store) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(web_app(front(store)))) as client:
        yield client


async def seed_story(store: Store, **changes: object) -> Story:
    at = datetime(2025, 2, 12, 8, 31, tzinfo=UTC)
    image = "https://kabar.example/rakor.jpg"
    return await stored_story(store, 1, published_at=at, image_url=image, **changes)


async def test_the_page_carries_every_text_and_link(store: Store, client: Any) -> None:
    story = await seed_story(store)
    sheet = front(store).renderer.share_sheet(story)
    answer = await client.get(f"/share/{story.code}")
    text = await answer.text()
    assert answer.status == 200
    escaped = text.replace("&#39;", "'").replace("&#34;", '"').replace("&amp;", "&")
    for form in (sheet.texts.telegram, sheet.texts.whatsapp, sheet.texts.line, sheet.texts.plain):
        assert form in escaped
    for link in (
        sheet.links.whatsapp,
        sheet.links.line,
        sheet.links.telegram,
        sheet.links.facebook,
    ):
        assert f'href="{link}"' in escaped
    assert "Rabu, 12 Februari 2025 - 15:31 WIB" in text
    assert f'<meta property="og:url" content="https://sebar.example/share/{story.code}">' in text
    assert '<meta property="og:image" content="https://kabar.example/rakor.jpg">' in text
    assert "<svg" in text


async def test_a_hostile_title_stays_text(store: Store, client: Any) -> None:
    story = await stored_story(store, 1, title=HOSTILE)
    text = await (await client.get(f"/share/{story.code}")).text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("", "Bagikan berita ini"),
        ("en-GB,en;q=0.9", "Share this story"),
        ("fr, id;q=0.5, en;q=0.4", "Bagikan berita ini"),
        ("en;q=0, de", "Bagikan berita ini"),
        (";;;,q=,en;q=x", "Bagikan berita ini"),
    ],
)
async def test_the_page_speaks_the_visitors_language(
    store: Store, client: Any, wanted: str, words: str
) -> None:
    story = await stored_story(store)
    answer = await client.get(f"/share/{story.code}", headers={"Accept-Language": wanted})
    assert words in await answer.text()
    assert answer.headers["Vary"] == "Accept-Language"


async def test_a_page_is_kept_and_asked_for_again_by_its_tag(store: Store, client: Any) -> None:
    story = await stored_story(store)
    first = await client.get(f"/share/{story.code}")
    assert first.headers["Cache-Control"] == "public, max-age=60"
    again = {"If-None-Match": first.headers["ETag"]}
    assert (await client.get(f"/share/{story.code}", headers=again)).status == 304


async def test_no_story_no_page(store: Store, client: Any) -> None:
    assert (await client.get("/share/nothing")).status == 404
    assert (await client.get("/share/%00%ff")).status == 404
    story = await stored_story(store)
    await store.retract_story(story.id, message("Ditarik"), NOW)
    answer = await client.get(f"/share/{story.code}")
    assert answer.status == 410
    assert story.title not in await answer.text()


async def test_the_page_is_small_and_asks_nobody_else(store: Store, client: Any) -> None:
    story = await stored_story(store, 1, summary="Ringkasan panjang. " * 200)
    answer = await client.get(f"/share/{story.code}")
    size = len(await answer.read())
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("share.css", "share.js"):
        file = await client.get(f"/static/{name}")
        assert file.status == 200
        size += len(await file.read())
    assert size <= 60_000
    assert (await client.get("/static/..%2fshare.html.j2")).status == 404


async def test_an_old_copy_of_a_style_is_not_kept_for_good(client: Any) -> None:
    assert (await client.get("/static/share.css?v=old")).headers["Cache-Control"] == "no-cache"


@dataclass
class Visit:
    """The page in a browser, and what it says is wrong."""

    page: Any
    faults: list[str]
    story: Story


@asynccontextmanager
async def visited(browser: Browser, tmp_path: Path, **options: Any) -> AsyncIterator[Visit]:
    database = await open_database(f"sqlite:///{tmp_path / 'share.db'}")
    store = Store(database)
    story = await seed_story(store, title=HOSTILE)
    async with TestServer(web_app(replace(front(store), public_url=None))) as server:
        base = str(server.make_url("/")).rstrip("/")
        async with watched(browser, base, **options) as (page, faults):
            await page.goto(f"{base}/share/{story.code}")
            yield Visit(page, faults, story)
    await database.close()


PHONE = {"viewport": {"width": 360, "height": 740}, "locale": "id-ID"}
DESK = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", "color_scheme": "dark"}


@needs_chromium
@pytest.mark.parametrize("options", [PHONE, DESK], ids=["phone", "desktop"])
async def test_each_text_is_copied_as_it_stands(tmp_path: Path, options: dict[str, Any]) -> None:
    rights = {"permissions": ["clipboard-read", "clipboard-write"]}
    async with browser() as chromium, visited(chromium, tmp_path, **options, **rights) as visit:
        page = visit.page
        for name in ("telegram", "whatsapp", "line", "plain"):
            await page.locator(f'[data-copy="{name}"]').click()
            said = "Teks berhasil disalin" if options is PHONE else "Copied"
            await expect(page.get_by_role("status")).to_have_text(said)
            copied = await page.evaluate("navigator.clipboard.readText()")
            assert copied == await page.locator(f"#{name}").text_content()
            assert copied
        await page.locator('[data-copy="url"]').click()
        said = "URL berhasil dicopy" if options is PHONE else "Link copied"
        await expect(page.get_by_role("status")).to_have_text(said)
        assert await page.evaluate("navigator.clipboard.readText()") == visit.story.url
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        assert visit.faults == []


@needs_chromium
async def test_the_phones_own_share_sheet_is_offered_where_there_is_one(tmp_path: Path) -> None:
    stub = "navigator.share = async (given) => { window.given = given; }"
    async with browser() as chromium, visited(chromium, tmp_path, **PHONE) as visit:
        await expect(visit.page.locator("#device")).to_be_hidden()
        await visit.page.add_init_script(stub)
        await visit.page.reload()
        await visit.page.locator("#device").click()
        given = await visit.page.evaluate("window.given")
        assert given == {"title": HOSTILE, "url": visit.story.url}


@needs_chromium
async def test_without_scripts_texts_and_links_serve(tmp_path: Path) -> None:
    async with (
        browser() as chromium,
        visited(chromium, tmp_path, **PHONE, java_script_enabled=False) as visit,
    ):
        await expect(visit.page.locator("#whatsapp")).to_contain_text("Rakor")
        await expect(visit.page.get_by_role("link", name="Buka WhatsApp")).to_be_visible()
        assert await visit.page.locator("button:visible").count() == 0
