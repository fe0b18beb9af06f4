"""Sebar's own way from the outbox to the record, over the real store on SQLite."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from bot_api import SHARE_ROW, STORY_URL, TEXT, TOKEN
from measuring import FIRST_CHAT, HTML, UNLIMITED, measured

from bot.db import open_database
from bot.http_post import Poster
from bot.identity import sight_entry
from bot.limits import Budget
from bot.log import set_up_logging
from bot.outbox import Outbox
from bot.publisher import TelegramPublisher
from bot.store import Store
from bot.types import Button, ChatType, DeliveryState, Entry, Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from measuring import Work

    from bot.types import Destination, Prepared, Receipt


PAID_RATE = 1000


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Backlog:
    """A broadcast that is fanned out, and what delivers it."""

    store: Store
    broadcast: int
    budget: Budget
    deliver: Work


class Counting(TelegramPublisher):
    """Tells when all is sent."""

    def __init__(self, poster: Poster, number: int) -> None:
        super().__init__(poster, TOKEN)
        self._left = number
        self.done = asyncio.Event()

    async def send(self, destination: Destination, prepared: Prepared) -> Receipt:
        receipt = await super().send(destination, prepared)
        self._left -= 1
        if not self._left:
            self.done.set()
        return receipt


async def sebar_paid(url: str, number: int, folder: Path) -> dict[str, float]:
    return await sebar(url, number, folder, rate=PAID_RATE)


async def sebar(url: str, number: int, folder: Path, rate: float = UNLIMITED) -> dict[str, float]:
    set_up_logging("text", [TOKEN])
    async with outbox(url, number, folder, rate) as work:
        # As `sebar run` does once it has started.
        gc.freeze()
        figures = await measured(number, work.deliver)
        report = await work.store.report_broadcast(work.broadcast)
    assert report.counts == {DeliveryState.SENT: number}, report
    return figures


@asynccontextmanager
async def outbox(url: str, number: int, folder: Path, rate: float) -> AsyncIterator[Backlog]:
    """A store with a story that is fanned out to so many chats, and what delivers it."""
    database = await open_database(f"sqlite:///{folder / 'sebar.db'}")
    store = Store(database)
    broadcast = await fanned_out(store, number)
    budget = Budget(rate, asyncio.get_running_loop().time)
    async with Poster(url) as poster:
        publisher = Counting(poster, number)
        box = Outbox(store, publisher, budget, clock, "benchmark")
        yield Backlog(store, broadcast, budget, lambda: box.run(publisher.done))
    await database.close()


def story_message() -> Message:
    rows = tuple(tuple(Button(name, url=url) for name, url in row) for row in SHARE_ROW)
    return Message(html=HTML, text=TEXT, buttons=rows, preview_url=STORY_URL)


async def fanned_out(store: Store, number: int) -> int:
    """A broadcast with a delivery to each of so many new chats."""
    now = clock() - timedelta(seconds=5)
    story = await store.record_story(
        sight_entry(Entry(title=TEXT[:60], url=STORY_URL)), "editors:", now
    )
    await fill(store, number, now)
    message = story_message()
    broadcast = await store.record_draft(story.id, message, 7, now)
    await store.schedule_broadcast(broadcast.id, now)
    await store.open_broadcast(broadcast.id, message, now)
    while await store.fan_out(broadcast.id, 20_000, now) is not None:
        pass
    return broadcast.id


async def fill(store: Store, number: int, now: datetime) -> None:
    """So many private chats that want every story."""
    at = int(now.timestamp() * 1000)
    chats = range(FIRST_CHAT, FIRST_CHAT + number)

    def write(tx: Any) -> None:
        tx.execute_many(
            "INSERT INTO chats (telegram_id, type, created_at) VALUES (:id, :type, :at)",
            [{"id": chat, "type": ChatType.PRIVATE.value, "at": at} for chat in chats],
        )
        tx.execute(
            "INSERT INTO subscriptions (chat_id, origin, created_at)"
            " SELECT id, 'chat', created_at FROM chats"
        )

    await store._database.run(write)
