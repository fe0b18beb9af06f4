"""The console in a real browser: phone and desktop, by day and by night."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from axe import faults_of, needs_axe
from browsing import browser, needs_chromium, watched
from consoles import OWNER, served
from factories import (
    NOW,
    claimed,
    claimed_feed,
    opened_broadcast,
    record,
    sent,
    stored_story,
    subscribed_chat,
)
from playwright.async_api import expect

from bot.db import open_database
from bot.store import Store
from bot.types import ChatType, Platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from consoles import Desk
    from playwright.async_api import Browser, Page

PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
DESKTOP = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
HEADLINES = (
    "Polres Tangerang gelar rakor lintas sektoral jelang pemilu",
    "Harga beras di Pasar Anyar turun lagi pekan ini",
    "Banjir surut, warga Periuk kembali ke rumah",
    "Persita menang tipis di kandang sendiri",
)


async def a_day(desk: Desk) -> dict[str, int]:
    """A newsroom in the middle of its day; gives ids."""
    store, editing = desk.store, desk.editing
    await editing.note_name(OWNER, "Dwi Teguh")
    for number, tags in enumerate(([], ["Politik"], ["Tangerang"], [], []), start=1001):
        await subscribed_chat(store, number, *tags)
    group = await subscribed_chat(store, -1005, chat_type=ChatType.SUPERGROUP)
    stories = [
        await stored_story(
            store,
            number,
            title=title,
            summary=f"{title}. Selengkapnya dari redaksi.",
            published_at=NOW - timedelta(minutes=7 * number),
        )
        for number, title in enumerate(HEADLINES, start=1)
    ]
    running = await opened_broadcast(store, stories[0])
    for number, delivery in enumerate(await claimed(store, limit=3), start=1):
        await record(store, delivery, sent(100 + number))
    await store.close_chat(group.id, "bot was kicked from the supergroup chat", NOW)
    waiting = await editing.draft(OWNER, stories[1], NOW)
    later = await editing.draft(OWNER, stories[2], NOW)
    await editing.schedule(OWNER, later.broadcast.id, NOW + timedelta(hours=3), NOW)
    await store.record_template(Platform.LINE, "{{ title }}\n{{ url }}", OWNER, NOW)
    await claimed_feed(store, url="https://lambat.example/feed/")
    return {"story": stories[0].id, "running": running, "draft": waiting.broadcast.id}


def paths(ids: dict[str, int]) -> dict[str, str]:
    return {
        "stories": "",
        "story": f"stories/{ids['story']}",
        "correct": f"stories/{ids['story']}/correct",
        "broadcast": f"broadcasts/{ids['running']}",
        "draft": f"broadcasts/{ids['draft']}",
        "new": "new",
        "calendar": "calendar",
        "audience": "audience",
        "templates": "templates",
        "template": "templates/line",
        "feeds": "feeds",
        "log": "log",
        "nothing": "nothing",
    }


@asynccontextmanager
async def a_console(folder: Path) -> AsyncIterator[tuple[Desk, dict[str, int]]]:
    database = await open_database(f"sqlite:///{folder / 'test.db'}")
    try:
        async with served(Store(database)) as desk:
            yield desk, await a_day(desk)
    finally:
        await database.close()


@asynccontextmanager
async def at_the_desk(
    chromium: Browser, desk: Desk, **options: Any
) -> AsyncIterator[tuple[Page, list[str]]]:
    """A browser in which an editor has signed in."""
    base = str(desk.server.make_url("/")).rstrip("/")
    async with watched(chromium, base, base_url=base, locale="id-ID", **options) as (page, faults):
        await page.goto(await desk.link())
        await page.get_by_role("button", name="Masuk").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Berita")
        yield page, faults


@needs_chromium
@needs_axe
async def test_every_page_serves_everybody_on_phone_and_desktop(tmp_path: Path) -> None:
    async with browser() as chromium, a_console(tmp_path) as (desk, ids):
        for options in (PHONE, DESKTOP):
            async with at_the_desk(chromium, desk, **options) as (page, _):
                for name, path in paths(ids).items():
                    await page.goto(f"/console/{path}", wait_until="domcontentloaded")
                    assert await faults_of(page) == [], name
                    assert "<built-in" not in await page.inner_text("body"), name
                    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                    assert wide <= 0, name


@needs_chromium
async def test_texts_are_copied_and_the_progress_is_live(tmp_path: Path) -> None:
    async with browser() as chromium, a_console(tmp_path) as (desk, ids):
        rights = ["clipboard-read", "clipboard-write"]
        async with at_the_desk(chromium, desk, permissions=rights, **DESKTOP) as (page, faults):
            await page.goto(f"/console/stories/{ids['story']}")
            story = await desk.store.find_story(ids["story"])
            assert story is not None
            texts = desk.renderer.share_sheet(story).texts
            for name in ("telegram", "whatsapp", "line", "plain"):
                await page.locator(f"[data-copy={name}]").click()
                await expect(page.locator("#said")).to_have_text("Tersalin")
                copied = await page.evaluate("navigator.clipboard.readText()")
                assert copied == getattr(texts, name)
            await page.goto(f"/console/broadcasts/{ids['running']}")
            await expect(page.locator("#progress")).to_contain_text("3 terkirim")
            for delivery in await claimed(desk.store, NOW + timedelta(minutes=1)):
                await record(desk.store, delivery, sent(500 + delivery.id))
            await expect(page.locator("#progress")).to_contain_text("4 terkirim")
            assert faults == []


@needs_chromium
async def test_a_template_is_previewed_while_it_is_written(tmp_path: Path) -> None:
    async with browser() as chromium, a_console(tmp_path) as (desk, _):
        async with at_the_desk(chromium, desk, **PHONE) as (page, faults):
            await page.goto("/console/templates/plain")
            await page.get_by_label("Isi templat").fill("BARU {{ title }}")
            await expect(page.locator("#trial .bubble").first).to_contain_text("BARU")
            await page.get_by_label("Isi templat").fill("{{ title }\n")
            await expect(page.locator("#trial .fault")).to_contain_text("baris 1")
            await page.get_by_label("Isi templat").fill("BARU {{ title }}")
            await page.get_by_role("button", name="Simpan").click()
            await expect(page.get_by_role("status").first).to_contain_text("Templat disimpan")
            assert faults == []
        assert len(await desk.store.list_templates()) == 2


@needs_chromium
async def test_nothing_is_destroyed_without_a_second_look_or_a_keyboard(tmp_path: Path) -> None:
    async with browser() as chromium, a_console(tmp_path) as (desk, ids):
        plain = {**PHONE, "java_script_enabled": False}
        async with at_the_desk(chromium, desk, **plain) as (page, _):
            await page.goto(f"/console/stories/{ids['story']}")
            await page.keyboard.press("Tab")
            await expect(page.get_by_role("link", name="Langsung ke isi")).to_be_focused()
            button = page.get_by_role("button", name="Tarik di mana-mana")
            await expect(button).to_be_hidden()
            await page.get_by_text("Tarik…").focus()
            await page.keyboard.press("Enter")
            await button.focus()
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("status").first).to_contain_text("Penarikan dimulai")
