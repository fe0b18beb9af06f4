"""One story to many chats on SQLite: how long the fan-out takes, and how long others wait.

`python tests/benchmarks/fan_out.py [CHATS]`, 100,000 unless told. Meanwhile one reader asks for
the latest stories again and again, and another notes a chat, as a command does. Medians of rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

import uvloop
from bot_api import STORY_URL, TEXT
from measuring import FIRST_CHAT
from ours import clock, fill, story_message

from bot.broadcasts import FAN_OUT_PART
from bot.db import open_database
from bot.identity import sight_entry
from bot.store import Store
from bot.types import ChatType, Entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROUNDS = 5


async def waits_ms(ask: Callable[[], Awaitable[object]], over: asyncio.Event) -> list[float]:
    """How long each of many calls took until it is over."""
    waits = []
    while not over.is_set():
        started = time.perf_counter()
        await ask()
        waits.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.002)
    return waits


async def fan_out(chats: int, folder: str) -> tuple[float, list[float], list[float]]:
    """Seconds for the fan-out, and what a reading and a writing caller waited meanwhile."""
    database = await open_database(f"sqlite:///{folder}/sebar.db")
    store, now = Store(database), clock()
    story = await store.record_story(
        sight_entry(Entry(title=TEXT[:60], url=STORY_URL, tags=("Politik",))), "editors:", now
    )
    await fill(store, chats, now)
    broadcast = await store.record_draft(story.id, story_message(), 7, now)
    await store.schedule_broadcast(broadcast.id, now)
    await store.open_broadcast(broadcast.id, story_message(), now)
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(waits_ms(lambda: store.list_latest(5), over))
        writing = tasks.create_task(
            waits_ms(lambda: store.record_chat(FIRST_CHAT, ChatType.PRIVATE, now), over)
        )
        started = time.perf_counter()
        while await store.fan_out(broadcast.id, FAN_OUT_PART, now) is not None:
            pass
        took_s = time.perf_counter() - started
        over.set()
    await database.close()
    return took_s, reading.result(), writing.result()


def main() -> None:
    chats = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(uvloop.run(fan_out(chats, folder)))
    took_s = statistics.median(took for took, _, _ in rounds)
    print(f"{chats} chats: {took_s:.2f} s, parts of {FAN_OUT_PART}")
    for name, waits in (
        ("reading", [wait for _, reading, _ in rounds for wait in reading]),
        ("writing", [wait for _, _, writing in rounds for wait in writing]),
    ):
        late = statistics.quantiles(waits, n=100)[98]
        print(
            f"{name:8} {len(waits):5} calls, ms: median {statistics.median(waits):.1f},"
            f" 99 % {late:.1f}, longest {max(waits):.1f}"
        )


if __name__ == "__main__":
    main()
