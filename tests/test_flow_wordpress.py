"""The first user's world: a real WordPress publishes, readers see it in Telegram."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import feedparser
import pytest
from service import Service, Telegram, eventually, service, telegram

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wordpress import Post, WordPress

    from bot.sandbox.records import Post as ChatPost

READER, EDITOR = 1001, 1002
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass
class Desk:
    """A WordPress, a reader's chat and the service between them."""

    wordpress: WordPress
    telegram: Telegram
    service: Service

    def texts(self) -> list[str]:
        return [post.content.text.text for post in self.telegram.sandbox.sent(READER)]

    def count(self, words: str) -> int:
        return sum(words in text for text in self.texts())

    async def publish(self, title: str, content: str = "", **fields: Any) -> Post:
        """Publish a post and wait until the reader has it."""
        post = await asyncio.to_thread(self.wordpress.publish, title, content, **fields)
        await eventually(lambda: self.count(title), title)
        return post

    def offer(self, title: str) -> ChatPost | None:
        """The question to the editor about a story that is gone."""
        for post in self.telegram.sandbox.sent(EDITOR):
            if title in post.content.text.text and "retract:" in json.dumps(post.content.markup):
                return post
        return None

    async def offered(self, title: str) -> ChatPost:
        await eventually(lambda: self.offer(title), f"an offer to retract {title}")
        offer = self.offer(title)
        assert offer is not None
        return offer

    def press(self, offer: ChatPost, verb: str) -> None:
        assert offer.content.markup is not None
        (data,) = [
            button["callback_data"]
            for row in offer.content.markup["inline_keyboard"]
            for button in row
            if button["callback_data"].startswith(f"{verb}:")
        ]
        self.telegram.sandbox.press(EDITOR, EDITOR, offer.id, data)

    def stored(self, sql: str) -> list[Any]:
        file = self.service.folder / "data" / "sebar.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()


@asynccontextmanager
async def working(wordpress: WordPress, folder: Path, **environ: str) -> AsyncIterator[Desk]:
    async with telegram() as api:
        api.sandbox.add_user("Budi", user_id=READER)
        api.sandbox.add_user("Ratna", user_id=EDITOR)
        api.sandbox.say(EDITOR, EDITOR, "/start")
        async with service(
            folder, api, wordpress.feed_url, SEBAR_EDITORS=str(EDITOR), **environ
        ) as running:
            desk = Desk(wordpress, api, running)
            api.sandbox.say(READER, READER, "/subscribe")
            await eventually(desk.texts, "an answer to /subscribe")
            yield desk


@pytest.fixture
async def desk(wordpress: WordPress, tmp_path: Path) -> AsyncIterator[Desk]:
    async with working(wordpress, tmp_path) as desk:
        yield desk


@pytest.fixture
async def auto_desk(wordpress: WordPress, tmp_path: Path) -> AsyncIterator[Desk]:
    async with working(wordpress, tmp_path, SEBAR_WITHDRAW="auto") as desk:
        yield desk


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


async def test_a_published_post_arrives_and_its_edit_changes_it(desk: Desk) -> None:
    title = "Pasar Lama & Rebranding: “Harga < 10 ribu”"
    post = await asyncio.to_thread(desk.wordpress.publish, title, "<p>Pedagang menyambut baik.</p>")
    await eventually(lambda: desk.count(title), "the story")
    (sent,) = [text for text in desk.texts() if title in text]
    assert "Pedagang menyambut baik." in sent
    assert post.url in sent
    renamed = "Pasar Lama Berganti Nama"
    await asyncio.to_thread(desk.wordpress.edit, post, title=renamed, slug="pasar-lama-baru")
    await eventually(lambda: desk.count(renamed), "the correction")
    assert desk.count(title) == 0
    assert desk.count("Pasar Lama") == 1
    assert "/pasar-lama-baru/" in desk.texts()[-1]


async def test_two_posts_of_one_second_and_a_kill_between_polls_lose_none(desk: Desk) -> None:
    for number in range(2):
        await asyncio.to_thread(desk.wordpress.publish, f"Kilat {number}a")
        await asyncio.to_thread(desk.wordpress.publish, f"Kilat {number}b")
        await desk.service.kill()
        await desk.service.start()
        await asyncio.to_thread(desk.wordpress.publish, f"Kilat {number}c")
    wanted = [f"Kilat {number}{letter}" for number in range(2) for letter in "abc"]
    await eventually(lambda: all(desk.count(title) for title in wanted), "every story")
    assert [desk.count(title) for title in wanted] == [1] * 6


async def test_an_author_categories_and_a_featured_image_come_from_the_sites_api(
    desk: Desk,
) -> None:
    await eventually(
        lambda: desk.stored("SELECT api_url FROM archives WHERE api_url > ''"), "wp-json"
    )
    number, address = await asyncio.to_thread(desk.wordpress.upload, "banjir.png", PICTURE)
    section = await asyncio.to_thread(desk.wordpress.add_term, "categories", "Megapolitan")
    topic = await asyncio.to_thread(desk.wordpress.add_term, "tags", "banjir rob")
    fields = {"featured_media": number, "categories": [section], "tags": [topic]}
    for attempt in range(5):
        # A site under load may answer too late for one story; not for five.
        await desk.publish(f"Banjir rob {attempt}.", "<p>Air naik.</p>", **fields)
        ((image, author, tags),) = desk.stored(
            "SELECT image_url, author, tags FROM stories ORDER BY id DESC LIMIT 1"
        )
        assert author == "admin"
        if image is not None:
            break
    assert image == address
    assert json.loads(tags) == ["Megapolitan", "banjir rob"]


async def test_a_featured_image_set_later_sends_and_changes_nothing_that_readers_see(
    desk: Desk,
) -> None:
    post = await desk.publish("Gambar menyusul")
    before = desk.texts()
    number, _ = await asyncio.to_thread(desk.wordpress.upload, "susul.png", PICTURE)
    await asyncio.to_thread(desk.wordpress.edit, post, featured_media=number)
    await desk.publish("Sesudah gambar")
    assert [text for text in desk.texts() if "Sesudah gambar" not in text] == before


async def test_a_scheduled_post_arrives_at_its_time_and_a_backdated_one_at_once(
    desk: Desk,
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    scheduled = await asyncio.to_thread(
        desk.wordpress.publish, "Terbit nanti", status="future", date_gmt=stamp(later)
    )
    assert scheduled.status == "future"
    feed = await asyncio.to_thread(desk.wordpress.get, "/feed/")
    earlier = parsedate_to_datetime(feedparser.parse(feed.body).entries[:5][-1].published)
    # WordPress calls its feed not modified until something newer comes.
    await asyncio.to_thread(desk.wordpress.publish, "Bertanggal tadi", date_gmt=stamp(earlier))
    await desk.publish("Penanda jadwal")
    await eventually(lambda: desk.count("Bertanggal tadi"), "the backdated story")
    assert desk.count("Terbit nanti") == 0
    await asyncio.to_thread(
        desk.wordpress.edit, scheduled, status="publish", date_gmt=stamp(datetime.now(UTC))
    )
    await eventually(lambda: desk.count("Terbit nanti"), "the scheduled story")
    await asyncio.to_thread(desk.wordpress.edit, scheduled, date_gmt=stamp(earlier))
    await desk.publish("Penanda mundur")
    assert [desk.count(title) for title in ("Terbit nanti", "Bertanggal tadi")] == [1, 1]


async def test_a_post_with_a_password_is_not_shown_until_it_is_opened(desk: Desk) -> None:
    post = await asyncio.to_thread(
        desk.wordpress.publish, "Laporan rahasia", "<p>Isi rahasia.</p>", password="kunci"
    )
    await desk.publish("Penanda terkunci")
    assert desk.count("rahasia") == 0
    await asyncio.to_thread(desk.wordpress.edit, post, password="")
    await eventually(lambda: desk.count("Laporan rahasia"), "the opened story")
    assert desk.count("Protected") == 0
    assert desk.count("Isi rahasia.") == 1


async def test_what_a_desk_takes_off_its_site_disappears_and_what_it_restores_is_back(
    auto_desk: Desk,
) -> None:
    desk, site = auto_desk, auto_desk.wordpress
    ways = ("draf", "sampah", "hapus", "sandi", "privat")
    posts = {way: await desk.publish(f"Ditarik lewat {way}") for way in ways}
    await desk.publish("Tetap terbit")
    await asyncio.to_thread(site.edit, posts["draf"], status="draft")
    await asyncio.to_thread(site.trash, posts["sampah"])
    await asyncio.to_thread(site.delete, posts["hapus"])
    await asyncio.to_thread(site.edit, posts["sandi"], password="kunci")
    await asyncio.to_thread(site.edit, posts["privat"], status="private")
    await eventually(lambda: not desk.count("Ditarik lewat"), "the retractions")
    assert desk.count("Tetap terbit") == 1
    await asyncio.to_thread(site.restore, posts["sampah"])
    await asyncio.to_thread(site.edit, posts["draf"], status="publish", title="Ditarik, lalu ralat")
    await asyncio.to_thread(site.edit, posts["sandi"], password="")
    wanted = ("Ditarik lewat sampah", "Ditarik, lalu ralat", "Ditarik lewat sandi")
    await eventually(lambda: all(desk.count(title) for title in wanted), "the restored stories")
    await desk.publish("Penanda pulih")
    assert [desk.count(title) for title in wanted] == [1, 1, 1]
    assert desk.count("Protected") == 0
    # The answer, two posts and three restored ones: none that came up from below in the feed.
    assert len(desk.texts()) == 6


async def test_an_editor_decides_about_a_story_that_is_gone(desk: Desk) -> None:
    kept = await desk.publish("Hilang tetapi dibiarkan")
    taken = await desk.publish("Hilang dan ditarik")
    for post, verb in ((kept, "skip"), (taken, "retract")):
        await asyncio.to_thread(desk.wordpress.trash, post)
        offer = await desk.offered(post.title)
        assert desk.count(post.title) == 1
        desk.press(offer, verb)
    await eventually(lambda: not desk.count("Hilang dan ditarik"), "the retraction")
    assert desk.count("Hilang tetapi dibiarkan") == 1


async def test_a_restart_with_502s_takes_nothing_away_and_a_rush_loses_nothing(
    auto_desk: Desk,
) -> None:
    desk = auto_desk
    first = await desk.publish("Sebelum gangguan", slug="sebelum-gangguan")
    await asyncio.to_thread(desk.wordpress.publish, "Sekejap sebelum gangguan")
    with desk.wordpress.restarting() as outage:
        await eventually(lambda: outage.asked, "a poll during the outage")
    for number in range(25):
        await asyncio.to_thread(desk.wordpress.publish, f"Kilat ke-{number:02}.")
    titles = ["Sekejap sebelum gangguan", *(f"Kilat ke-{number:02}." for number in range(25))]
    await eventually(lambda: all(desk.count(title) for title in titles), "every story")
    assert [desk.count(title) for title in ["Sebelum gangguan", *titles]] == [1] * 27
    # By now the feed no longer lists it.
    await asyncio.to_thread(desk.wordpress.edit, first, title="Sesudah gangguan diralat")
    await eventually(lambda: desk.count("Sesudah gangguan diralat"), "the late correction")
    assert desk.count("Sebelum gangguan") == 0
    await asyncio.to_thread(desk.wordpress.trash, first)
    await eventually(lambda: not desk.count("Sesudah gangguan"), "the late retraction")
    assert all(desk.count(title) == 1 for title in titles)
