"""The chat page in a real browser: what a visitor without a Telegram account can do."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from browsing import browser, needs_chromium
from playwright.async_api import expect

from bot.sandbox import Sandbox, demo_world, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from playwright.async_api import Page

ARTICLE = """<!doctype html><title>x</title>
<meta property="og:title" content="Rakor Lintas Sektoral">
<meta property="og:description" content="Antisipasi kerawanan &amp; aman">
<meta property="og:image" content="http://127.0.0.1/newsroom/a.png">"""
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SHARE_URL = "https://bantenraya.co/rakor?a=1&b=%20"

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    needs_chromium,
]


class Place:
    """The served sandbox with a page in a browser, and a bot that obeys the test."""

    def __init__(self, sandbox: Sandbox, base: str, page: Page) -> None:
        self.sandbox = sandbox
        self.base = base
        self.page = page
        self.offset = 0
        self.world: Any = None
        self.stories: list[dict[str, Any]] = []

    async def call(self, method: str, **args: Any) -> Any:
        address = f"{self.base}/bot{self.sandbox.token}/{method}"
        async with aiohttp.ClientSession() as session, session.post(address, json=args) as answer:
            body = await answer.json()
            assert body["ok"], body
            return body["result"]

    async def next_update(self, kind: str) -> Any:
        """Give the next update of a kind; those before it are passed over."""
        async with asyncio.timeout(10):
            while True:
                for update in await self.call("getUpdates", offset=self.offset, limit=1, timeout=5):
                    self.offset = update["update_id"] + 1
                    if kind in update:
                        return update[kind]


def newsroom(stories: list[dict[str, Any]]) -> web.Application:
    async def publish(request: web.Request) -> web.Response:
        body = await request.json()
        stories.append(body)
        title = body.get("title", "Berita siap")
        return web.json_response({"title": title, "url": f"{request.url.origin()}/newsroom/rakor/"})

    async def correct(_request: web.Request) -> web.Response:
        return web.json_response({"error": "belum ada berita"}, status=409)

    async def image(_request: web.Request) -> web.Response:
        return web.Response(body=PNG, content_type="image/png")

    async def article(_request: web.Request) -> web.Response:
        return web.Response(text=ARTICLE, content_type="text/html")

    app = web.Application()
    app.router.add_post("/publish", publish)
    app.router.add_post("/correct", correct)
    app.router.add_get("/rakor/", article)
    app.router.add_get("/a.png", image)
    return app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def visit() -> AsyncIterator[Callable[..., Any]]:
    """Give a context manager that opens the page; `options` are those of a browser context."""
    async with browser() as chromium:

        @asynccontextmanager
        async def visit(
            prepare: Callable[[Place], Awaitable[None]] | None = None, **options: Any
        ) -> AsyncIterator[Place]:
            sandbox = Sandbox()
            world = demo_world(sandbox)
            stories: list[dict[str, Any]] = []
            runner = await serve(
                sandbox, "127.0.0.1", 0, {"/newsroom/": newsroom(stories)}, world=world
            )
            base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            context = await chromium.new_context(**options)
            page = await context.new_page()
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
            page.on("request", lambda r: faults.append(r.url) if base not in r.url else None)
            place = Place(sandbox, base, page)
            place.world, place.stories = world, stories
            if prepare:
                await prepare(place)
            await page.goto(base)
            await page.wait_for_selector("body[data-ready]")
            try:
                yield place
                assert [fault for fault in faults if not fault.startswith("data:")] == []
            finally:
                await context.close()
                await runner.cleanup()

        yield visit


async def started(place: Place) -> None:
    place.sandbox.say(place.world.reader_id, place.world.reader_id, "/start")


def story(place: Place, **more: Any) -> dict[str, Any]:
    return {
        "chat_id": place.world.reader_id,
        "text": "<b>Rakor &lt;lintas&gt; sektoral 😀</b>\nisi <a href='https://a.co/x'>tautan</a>",
        "parse_mode": "HTML",
        "reply_markup": {
            "inline_keyboard": [
                [
                    {"text": "Facebook", "url": "https://www.facebook.com/sharer/sharer.php?u=x"},
                    {"text": "Salin", "copy_text": {"text": SHARE_URL}},
                ],
                [{"text": "Terkait", "callback_data": "related:1"}],
            ]
        },
        **more,
    }


async def test_a_visitor_starts_types_a_command_and_reads_the_answer(visit):
    async with visit() as place:
        page = place.page
        await page.get_by_role("button", name="Mulai", exact=True).click()
        assert (await place.next_update("message"))["text"] == "/start"
        await page.get_by_role("textbox", name="Tulis pesan").fill("/terbaru 3")
        await page.keyboard.press("Enter")
        message = await place.next_update("message")
        assert message["text"] == "/terbaru 3"
        assert message["from"]["language_code"] == "id"
        await place.call("sendMessage", **story(place))
        bubble = page.locator("#messages .theirs").last
        await expect(bubble.locator("strong")).to_have_text("Rakor <lintas> sektoral 😀")
        await expect(bubble.get_by_role("link", name="tautan")).to_have_attribute(
            "href", "https://a.co/x"
        )
        share = bubble.get_by_role("link", name="Facebook")
        assert await share.get_attribute("target") == "_blank"
        assert "noopener" in (await share.get_attribute("rel"))


async def test_the_copy_button_fills_the_clipboard_and_says_so(visit):
    async with visit(started, permissions=["clipboard-read", "clipboard-write"]) as place:
        await place.call("sendMessage", **story(place))
        await place.page.get_by_role("button", name="Salin").click()
        await expect(place.page.locator("#toast")).to_have_text("URL berhasil dicopy")
        assert await place.page.evaluate("navigator.clipboard.readText()") == SHARE_URL


async def test_a_callback_button_shows_the_bots_answer(visit):
    async with visit(started) as place:
        await place.call("sendMessage", **story(place))
        key = place.page.get_by_role("button", name="Terkait")
        for alert in (False, True):
            await key.click()
            query = await place.next_update("callback_query")
            assert query["data"] == "related:1"
            await place.call(
                "answerCallbackQuery",
                callback_query_id=query["id"],
                text="Tiga berita",
                show_alert=alert,
            )
            shown = place.page.locator("#alert" if alert else "#toast")
            await expect(shown).to_contain_text("Tiga berita")
            await expect(key).not_to_have_attribute("aria-busy", "true")


async def test_edits_and_deletions_appear_live(visit):
    async with visit(started) as place:
        sent = await place.call("sendMessage", **story(place))
        last = place.page.locator("#messages .theirs").last
        await expect(last).to_contain_text("Rakor")
        where = {"chat_id": place.world.reader_id, "message_id": sent["message_id"]}
        await place.call("editMessageText", text="Ralat: Rakor batal", **where)
        await expect(last).to_contain_text("Ralat: Rakor batal")
        await expect(last).to_contain_text("diedit")
        await expect(last.locator(".key")).to_have_count(0)
        await place.call("deleteMessage", **where)
        await expect(place.page.locator("#messages .theirs")).to_have_count(0)


async def test_commands_and_words_follow_the_visitors_language(visit):
    async def prepare(place: Place) -> None:
        await started(place)
        english = [{"command": "latest", "description": "Latest stories"}]
        indonesian = [{"command": "terbaru", "description": "Berita terbaru"}]
        await place.call("setMyCommands", commands=english)
        await place.call("setMyCommands", commands=indonesian, language_code="id")

    async with visit(prepare) as place:
        page = place.page
        await page.get_by_role("button", name="Perintah bot").click()
        await expect(page.get_by_role("option")).to_have_text("/terbaruBerita terbaru")
        await page.keyboard.press("Escape")
        await page.get_by_role("radio", name="English").click()
        box = page.get_by_role("textbox", name="Write a message")
        await box.press_sequentially("/la")
        await expect(page.get_by_role("option")).to_have_text("/latestLatest stories")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        message = await place.next_update("message")
        while message["text"] == "/start":
            message = await place.next_update("message")
        assert (message["text"], message["from"]["language_code"]) == ("/latest", "en")


async def test_an_inline_query_inserts_a_story_into_the_group(visit):
    async with visit() as place:
        page = place.page
        await page.get_by_role("button", name="Warga Tangerang").click()
        await page.get_by_role("button", name="Cari berita untuk disisipkan").click()
        await page.get_by_role("textbox").last.press_sequentially("pemilu")
        query = await place.next_update("inline_query")
        while query["query"] != "pemilu":
            query = await place.next_update("inline_query")
        content = {"message_text": "<b>Pemilu aman</b>", "parse_mode": "HTML"}
        result = {
            "type": "article",
            "id": "1",
            "title": "Pemilu",
            "input_message_content": content,
        }
        await place.call("answerInlineQuery", inline_query_id=query["id"], results=[result])
        await page.get_by_role("option", name="Pemilu").click()
        await expect(page.locator("#messages .mine")).to_contain_text("Pemilu aman")
        assert (await place.next_update("message"))["via_bot"]["username"] == "sebar_bot"


async def test_the_newsrooms_desk_publishes_and_tells_of_errors(visit):
    async with visit() as place:
        page = place.page
        await page.get_by_label("Judul sendiri").fill("Harga <b>naik</b> & turun")
        await page.get_by_role("button", name="Terbitkan berita").click()
        await expect(page.locator("#desk-status")).to_have_text("Terbit: Harga <b>naik</b> & turun")
        assert place.stories == [{"title": "Harga <b>naik</b> & turun"}]


async def test_a_preview_card_is_read_from_the_newsroom_alone(visit):
    async with visit(started) as place:
        link = f"{place.base}/newsroom/rakor/?utm_source=telegram"
        large = {"url": link, "prefer_large_media": True, "show_above_text": True}
        await place.call("sendMessage", **story(place, link_preview_options=large))
        card = place.page.locator(".card.large")
        await expect(card).to_contain_text("Rakor Lintas Sektoral")
        await expect(card).to_contain_text("Antisipasi kerawanan & aman")
        far = {"url": "https://bantenraya.co/x"}
        await place.call("sendMessage", **story(place, link_preview_options=far))
        await expect(place.page.locator(".card").last).to_have_text("bantenraya.co")


async def test_readers_cannot_post_in_the_channel_but_editors_can(visit):
    async with visit() as place:
        page = place.page
        await page.get_by_role("button", name="Kabar Banten Raya").click()
        await expect(page.locator("#composer")).to_be_hidden()
        await expect(page.get_by_text("Hanya redaksi yang menulis")).to_be_visible()
        await page.get_by_role("radio", name="Redaksi").click()
        await page.get_by_role("textbox", name="Tulis pesan").fill("Pengumuman")
        await page.get_by_role("button", name="Kirim").click()
        assert (await place.next_update("channel_post"))["text"] == "Pengumuman"


async def test_a_phone_goes_from_the_list_into_a_chat_and_back(visit):
    async with visit(started, viewport={"width": 360, "height": 700}) as place:
        page = place.page
        await place.call("sendMessage", chat_id=place.world.channel, text="berita")
        row = page.get_by_role("button", name="Kabar Banten Raya")
        await expect(row.locator(".badge")).to_have_text("1")
        await row.click()
        await expect(page.locator("#messages")).to_contain_text("berita")
        await expect(page.locator("#chats")).to_be_hidden()
        await page.get_by_role("button", name="Kembali ke daftar obrolan").click()
        await expect(row.locator(".badge")).to_have_count(0)
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await page.evaluate(wide)
