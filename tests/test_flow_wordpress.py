"""The first user's world: a real WordPress publishes, readers see it in Telegram."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from service import Service, Telegram, eventually, service, telegram

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wordpress import WordPress

READER = 1001


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


@pytest.fixture
async def desk(wordpress: WordPress, tmp_path: Path) -> AsyncIterator[Desk]:
    async with telegram() as api:
        api.sandbox.add_user("Budi", user_id=READER)
        async with service(tmp_path, api, wordpress.feed_url) as running:
            desk = Desk(wordpress, api, running)
            api.sandbox.say(READER, READER, "/subscribe")
            await eventually(desk.texts, "an answer to /subscribe")
            yield desk


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
    for number in range(3):
        await asyncio.to_thread(desk.wordpress.publish, f"Kilat {number}a")
        await asyncio.to_thread(desk.wordpress.publish, f"Kilat {number}b")
        await desk.service.kill()
        await desk.service.start()
        await asyncio.to_thread(desk.wordpress.publish, f"Kilat {number}c")
    wanted = [f"Kilat {number}{letter}" for number in range(3) for letter in "abc"]
    await eventually(lambda: all(desk.count(title) for title in wanted), "every story")
    assert [desk.count(title) for title in wanted] == [1] * 9
