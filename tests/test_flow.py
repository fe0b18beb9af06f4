"""The main job, end to end: the process, the feed over HTTP, the Bot API over HTTP."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import aiohttp
import pytest
from service import Service, Telegram, eventually, free_port, service, telegram

from bot.sandbox.newsroom import Submission, load_newsroom, newsroom_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.sandbox.newsroom import Newsroom

DATA = Path(__file__).parent.parent / "data" / "newsroom"
READER, OWNER = 1001, 1002


@dataclass
class Day:
    """A newsroom, its Telegram and the service between them."""

    newsroom: Newsroom
    telegram: Telegram
    service: Service

    def texts(self, chat: int) -> list[str]:
        """What stands in a chat of the bot's, oldest first."""
        return [post.content.text.text for post in self.telegram.sandbox.sent(chat)]

    def count(self, chat: int, words: str) -> int:
        """How many of the bot's messages in a chat hold these words."""
        return sum(words in text for text in self.texts(chat))

    def publish(self, title: str) -> None:
        self.newsroom.publish(now(), Submission(title=title, summary="Ringkasan.", body="Isi."))

    async def subscribe(self, user: int, chat: int | None = None) -> None:
        where = user if chat is None else chat
        before = len(self.texts(where))
        self.telegram.sandbox.say(user, where, "/langganan")
        await eventually(lambda: len(self.texts(where)) > before, "an answer to /langganan")


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def day(folder: Path, **environ: str) -> AsyncIterator[Day]:
    newsroom = load_newsroom(DATA, now())
    port = free_port()
    site = newsroom_app(newsroom, DATA, base_url=f"http://127.0.0.1:{port}/newsroom", clock=now)
    async with telegram(port, newsroom=site) as api:
        api.sandbox.add_user("Budi", user_id=READER)
        api.sandbox.add_user("Ratna", user_id=OWNER)
        feed = f"{api.url}/newsroom/feed/"
        async with service(folder, api, feed, **environ) as running:
            yield Day(newsroom, api, running)


@pytest.fixture
async def today(tmp_path: Path) -> AsyncIterator[Day]:
    async with day(tmp_path) as running:
        yield running


async def test_a_story_reaches_every_kind_of_chat_once(today: Day) -> None:
    sandbox = today.telegram.sandbox
    group = sandbox.add_group("Warga", OWNER).id
    forum = sandbox.add_supergroup("Forum", OWNER, forum=True).id
    channel = sandbox.add_channel("Kabar", OWNER, username="kabar").id
    topic = sandbox.add_topic(forum, "Berita")
    for chat in (group, forum, channel):
        sandbox.add_bot(chat, OWNER)
    await today.subscribe(READER)
    await today.subscribe(OWNER, group)
    await today.subscribe(OWNER, channel)
    sandbox.say(OWNER, forum, "/langganan", thread_id=topic)
    await eventually(lambda: today.texts(forum), "an answer in the topic")
    today.publish("Banjir surut di Cilegon & sekitarnya <aman>")
    for chat in (READER, group, forum, channel):
        title = "Banjir surut di Cilegon & sekitarnya <aman>"
        await eventually(lambda chat=chat, t=title: today.count(chat, t), f"story in {chat}")
    assert sandbox.sent(forum)[-1].thread_id == topic
    (post,) = [p for p in sandbox.sent(channel) if "Banjir surut" in p.content.text.text]
    buttons = [b for row in post.content.markup["inline_keyboard"] for b in row]
    assert [b["text"] for b in buttons][:5] == ["Facebook", "X", "WhatsApp", "Telegram", "LINE"]
    assert any("copy_text" in button for button in buttons)
    for chat in (READER, group, forum, channel):
        assert today.count(chat, "Banjir surut di Cilegon") == 1


async def test_the_first_look_at_a_feed_sends_nothing_and_can_be_read(today: Day) -> None:
    await today.subscribe(READER)
    before = len(today.texts(READER))
    today.telegram.sandbox.say(READER, READER, "/terbaru")
    await eventually(lambda: len(today.texts(READER)) == before + 1, "an answer to /terbaru")
    assert today.newsroom.newest()[0].title in today.texts(READER)[-1]


async def test_a_corrected_title_edits_the_message_and_sends_none(today: Day) -> None:
    await today.subscribe(READER)
    today.publish("Judul yang keliru")
    await eventually(lambda: today.count(READER, "Judul yang keliru"), "the story")
    today.newsroom.correct(now(), "Judul yang benar")
    await eventually(lambda: today.count(READER, "Judul yang benar"), "the correction")
    assert today.count(READER, "Judul yang keliru") == 0
    assert today.count(READER, "Judul yang benar") == 1


async def test_a_kill_right_after_a_story_was_seen_neither_loses_nor_repeats_it(
    today: Day,
) -> None:
    await today.subscribe(READER)
    for number in range(4):
        title = f"Berita genting nomor {number}"
        today.publish(title)
        await eventually(lambda t=title: _is_stored(today.service.folder, t), "the story stored")
        await today.service.kill()
        await today.service.start()
        await eventually(lambda t=title: today.count(READER, t), "the story after a restart")
    today.publish("Penutup")
    await eventually(lambda: today.count(READER, "Penutup"), "the last story")
    for number in range(4):
        assert today.count(READER, f"Berita genting nomor {number}") == 1


async def test_sigterm_ends_the_process_cleanly(today: Day) -> None:
    assert await today.service.stop() == 0
    assert "Traceback" not in today.service.log()


async def test_with_a_public_address_updates_come_by_webhook(tmp_path: Path) -> None:
    port = free_port()
    public = {"SEBAR_PUBLIC_URL": f"http://127.0.0.1:{port}", "PORT": str(port)}
    async with day(tmp_path, SEBAR_BIND="127.0.0.1", **public) as today:
        await today.subscribe(READER)
        assert not [call for call in today.telegram.sandbox.calls if call.method == "getUpdates"]


async def test_own_short_links_lead_to_the_story_and_are_counted_to_the_end(tmp_path: Path) -> None:
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    settings = {"SEBAR_PUBLIC_URL": public, "PORT": str(port), "SEBAR_SHORTENER": "own"}
    async with day(tmp_path, SEBAR_BIND="127.0.0.1", **settings) as today:
        await today.subscribe(READER)
        today.publish("Jembatan Ciujung dibuka")
        await eventually(lambda: today.count(READER, "Jembatan Ciujung"), "the story")
        post = today.telegram.sandbox.sent(READER)[-1]
        buttons = {b["text"]: b for row in post.content.markup["inline_keyboard"] for b in row}
        shared = unquote(urlsplit(buttons["WhatsApp"]["url"]).query)
        short = re.search(rf"{public}/s/\w+", shared)[0]
        assert public not in buttons["Salin tautan"]["copy_text"]["text"]
        async with aiohttp.ClientSession() as session:
            for agent in ("Mozilla/5.0 (Linux; Android 14) Chrome/131.0 Mobile", "WhatsApp/2.24"):
                headers = {"User-Agent": agent}
                async with session.get(short, headers=headers, allow_redirects=False) as answer:
                    assert answer.status == 302
                    assert "utm_source=whatsapp" in answer.headers["Location"]
            both = [("whatsapp", "preview", 1), ("whatsapp", "reader", 1)]
            await eventually(lambda: _clicks(tmp_path) == both, "the clicks written")
            await session.get(short, allow_redirects=False)
        assert await today.service.stop() == 0
        assert _clicks(tmp_path) == [("whatsapp", "preview", 1), ("whatsapp", "reader", 2)]
        await today.service.start()
        before = len(today.texts(READER))
        today.telegram.sandbox.say(READER, READER, "/populer")
        await eventually(lambda: len(today.texts(READER)) > before, "an answer to /populer")
        assert "Jembatan Ciujung" in today.texts(READER)[-1]
        assert "belum dihitung" not in today.texts(READER)[-1]


async def test_a_setting_that_is_wrong_ends_the_process_with_every_fault(tmp_path: Path) -> None:
    running = Service(tmp_path, {"SEBAR_FEEDS": "kabar", "SEBAR_RATE": "x"})
    await running.start(ready=False)
    assert running.process is not None
    assert await running.process.wait() == 2
    for word in ("SEBAR_TELEGRAM_TOKEN", "SEBAR_FEEDS", "SEBAR_RATE"):
        assert word in running.log()
    assert not list(tmp_path.glob("**/*.db"))


async def test_the_token_shows_in_no_log(today: Day) -> None:
    today.telegram.sandbox.token = "1:revoked"
    await today.service.kill()
    await today.service.start(ready=False)
    await eventually(lambda: "token refused" in today.service.log(), "the fault in the log")
    async with aiohttp.ClientSession() as session:
        await _answers(session, f"{today.service.url}/readyz")
        async with session.get(f"{today.service.url}/readyz") as response:
            assert response.status == 503
            assert "token" in await response.text()
    assert today.service.environ["SEBAR_TELEGRAM_TOKEN"] not in today.service.log()


async def _answers(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)


def _clicks(folder: Path) -> list[tuple[str, str, int]]:
    with closing(sqlite3.connect(folder / "data" / "sebar.db")) as database:
        query = "SELECT platform, kind, SUM(number) FROM clicks GROUP BY platform, kind ORDER BY 2"
        return database.execute(query).fetchall()


def _is_stored(folder: Path, title: str) -> bool:
    file = folder / "data" / "sebar.db"
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return bool(
            connection.execute("SELECT 1 FROM stories WHERE title = ?", (title,)).fetchone()
        )
    finally:
        connection.close()
