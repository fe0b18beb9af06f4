"""`sebar run` killed again and again in a broadcast: nothing lost, nothing doubled.

Judged by the messages that stand in the sandbox, never by timing. SEBAR_TEST_SIZE=full runs the
size of the issue, SEBAR_TEST_SEED another course of events.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from service import Service, Telegram, eventually, free_port, service, telegram

from bot.db import open_database
from bot.sandbox.faults import Fault
from bot.sandbox.newsroom import Submission, load_newsroom, newsroom_app
from bot.store import Store
from bot.types import ChatType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.sandbox import Sandbox
    from bot.sandbox.newsroom import Newsroom
    from bot.sandbox.records import Post

DATA = Path(__file__).parents[1] / "data" / "newsroom"
OWNER = 900
FIRST_READER = 1000
TITLE = "Banjir surut di Cilegon"
ACTS = {"sendMessage", "editMessageReplyMarkup"}
ROUND_TRIP_S = 0.05
LONGEST_S = 480
SETTLED = "('sent', 'failed', 'cancelled')"
SEED = int(os.environ.get("SEBAR_TEST_SEED", "1"))


@dataclass(frozen=True)
class Size:
    """How many chats, how many kills."""

    chats: int
    kills: int


FULL = os.environ.get("SEBAR_TEST_SIZE") == "full"
SIZE = Size(3000, 20) if FULL else Size(60, 3)
# With half of the chats talking to the bot meanwhile; at full size also without.
VARIANTS = (False, True) if FULL else (True,)


@dataclass
class Ordeal:
    """A broadcast to an audience, and what befalls it."""

    newsroom: Newsroom
    telegram: Telegram
    service: Service
    places: list[tuple[int, int]]
    chance: Random
    talkers: list[int] = field(default_factory=list)
    counted: int = 0
    acted: int = 0

    @property
    def sandbox(self) -> Sandbox:
        return self.telegram.sandbox

    async def go_through(self, kills: int) -> None:
        """Publish a story; kill the process at random moments, and start it again."""
        total = len(self.places)
        now = datetime.now(UTC)
        self.newsroom.publish(now, Submission(title=TITLE, summary="Ringkasan.", body="Isi."))
        for _ in range(kills):
            await self.watch(self.chance.randint(1, 2 * total // kills))
            await self.service.kill()
            await self.service.start(ready=False)

    async def watch(self, calls: int) -> None:
        """Wait until the process has made so many more calls that send or change something."""
        wanted = self.acts() + calls
        async with asyncio.timeout(LONGEST_S):
            while self.acts() < wanted:
                await asyncio.sleep(0.003)
                self.let_talk()

    def acts(self) -> int:
        new = self.sandbox.calls[self.counted :]
        self.counted += len(new)
        self.acted += sum(call.method in ACTS for call in new)
        return self.acted

    def let_talk(self) -> None:
        if self.talkers and self.chance.random() < 0.5:
            reader = self.talkers.pop()
            self.sandbox.say(reader, reader, "/latest")

    async def settle(self) -> None:
        """Wait until there is a delivery for each place, and all are settled."""
        async with asyncio.timeout(LONGEST_S):
            while self.talkers or self.unsettled() or self.made() < len(self.places):
                self.let_talk()
                await asyncio.sleep(0.05)

    def made(self) -> int:
        return self.query("SELECT COUNT(*) FROM deliveries WHERE action = 'send'")

    def unsettled(self) -> int:
        return self.query(f"SELECT COUNT(*) FROM deliveries WHERE state NOT IN {SETTLED}")

    def query(self, sql: str) -> int:
        connection = sqlite3.connect(f"file:{database(self.service.folder)}?mode=ro", uri=True)
        try:
            return int(connection.execute(sql).fetchone()[0])
        finally:
            connection.close()

    def stories(self) -> Counter[tuple[int, int]]:
        """How often the story stands at each place."""
        return Counter(
            (chat, post.thread_id)
            for chat in {chat for chat, _ in self.places}
            for post in self.sandbox.sent(chat)
            if is_story(post)
        )

    def changed(self) -> list[Post]:
        """Messages that say something else than they said at first.

        An answer that a killed process, or a lost reply, left unknown may lose its buttons to a
        probe; nothing else may change.
        """
        return [
            post
            for chat in self.sandbox.chats.values()
            for post in chat.posts.values()
            if post.versions
            and post.content != post.versions[0][1]
            and (is_story(post) or post.content.text != post.versions[0][1].text)
        ]


def database(folder: Path) -> Path:
    return folder / "data" / "sebar.db"


def is_story(post: Post) -> bool:
    """Whether a message is the story itself, not a list that names it."""
    return post.content.text.text.startswith(TITLE)


def plan_faults(sandbox: Sandbox, chance: Random, chats: int) -> None:
    """Lost answers, lost requests, storms of 429 and errors; else a round trip's delay."""
    plan, method = sandbox.faults.plan, "sendMessage"
    plan(Fault(method=method, then="drop", effect=True, chance=0.05, times=None))
    plan(Fault(method=method, then="drop", effect=False, chance=0.02, times=None))
    plan(Fault(method=method, code=500, effect=True, chance=0.005, times=None))
    plan(Fault(method=method, code=500, effect=False, chance=0.005, times=None))
    plan(Fault(method=method, then="garbage", code=502, effect=True, chance=0.002, times=None))
    for _ in range(3):
        plan(Fault(method=method, retry_after=1, chance=5 / chats, times=1 + chance.randint(0, 2)))
    plan(Fault(method=method, then="answer", effect=True, delay_s=ROUND_TRIP_S, times=None))


def populate(sandbox: Sandbox, number: int) -> list[tuple[int, int, ChatType]]:
    """Chats of all kinds in which the bot is, as (chat, topic, type); most are private."""
    sandbox.add_user("Ratna", user_id=OWNER)
    found = []
    for one in range(number):
        match one % 10:
            case 0 | 1:
                group = sandbox.add_group(f"Warga {one}", OWNER).id
                found.append((group, 0, ChatType.GROUP))
            case 2:
                forum = sandbox.add_supergroup(f"Forum {one}", OWNER, forum=True).id
                topic = sandbox.add_topic(forum, "Berita")
                found.append((forum, topic, ChatType.SUPERGROUP))
            case 3:
                channel = sandbox.add_channel(f"Kabar {one}", OWNER).id
                found.append((channel, 0, ChatType.CHANNEL))
            case _:
                reader = FIRST_READER + one
                sandbox.add_user(f"Pembaca {one}", user_id=reader, started=True)
                found.append((reader, 0, ChatType.PRIVATE))
        if found[-1][0] < 0:
            sandbox.add_bot(found[-1][0], OWNER)
    sandbox.updates.pending.clear()
    return found


async def subscribe(folder: Path, chats: list[tuple[int, int, ChatType]]) -> None:
    file = database(folder)
    file.parent.mkdir()
    opened = await open_database(f"sqlite:///{file}")
    store, now = Store(opened), datetime.now(UTC)
    for chat, topic, kind in chats:
        row = await store.record_chat(chat, kind, now)
        await store.subscribe(row.id, topic, [], now)
    await opened.close()


@asynccontextmanager
async def ordeal(folder: Path) -> AsyncIterator[Ordeal]:
    newsroom = load_newsroom(DATA, datetime.now(UTC))
    port, chance = free_port(), Random(SEED)
    base = f"http://127.0.0.1:{port}/newsroom"
    site = newsroom_app(newsroom, DATA, base_url=base, clock=lambda: datetime.now(UTC))
    async with telegram(port, newsroom=site) as api:
        chats = populate(api.sandbox, SIZE.chats)
        await subscribe(folder, chats)
        async with service(folder, api, f"{base}/feed/", SEBAR_RATE="300") as running:
            tried = Ordeal(newsroom, api, running, [chat[:2] for chat in chats], chance)
            polled = "SELECT COUNT(*) FROM feeds WHERE baseline_at IS NOT NULL"
            await eventually(lambda: tried.query(polled), "the first poll")
            plan_faults(api.sandbox, chance, SIZE.chats)
            yield tried


@pytest.mark.timeout(LONGEST_S * 2)
@pytest.mark.parametrize("talking", VARIANTS)
async def test_a_process_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, *, talking: bool
) -> None:
    async with ordeal(tmp_path) as tried:
        if talking:
            readers = [chat for chat, _ in tried.places if chat > 0]
            tried.talkers = tried.chance.sample(readers, len(tried.places) // 2)
        await tried.go_through(SIZE.kills)
        await tried.settle()
        stories = tried.stories()
        assert [place for place in tried.places if not stories[place]] == []
        assert [place for place in tried.places if stories[place] > 1] == []
        sent = tried.query("SELECT COUNT(*) FROM deliveries WHERE state = 'sent'")
        assert sent == len(tried.places)
        assert tried.changed() == []
