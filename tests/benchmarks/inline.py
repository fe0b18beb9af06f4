"""How long an inline query waits for its answer, over the sandbox, with 10,000 stories.

The sandbox, the bot and SQLite share one process, so the figures are above a newsroom's own.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from chatting import START, world
from factories import entry

if TYPE_CHECKING:
    from chatting import World

    from bot.types import Entry

STORIES = 10_000
QUERIES = 300
READER = 5_000_001
TEXT = """
banjir ciledug tangerang polres rakor pemilu gubernur banten serang cilegon sekolah guru pasar
harga beras jalan rusak kereta bandara stadion persita pelantikan camat walikota bupati anggaran
dewan sidang korupsi panen petani nelayan pantai anyer gempa hujan
"""
WORDS = TEXT.split()


def entries() -> list[Entry]:
    """Stories of random words, the first the newest."""
    chance = random.Random(1)
    return [
        entry(
            number,
            title=" ".join(chance.choices(WORDS, k=8)).title(),
            summary=" ".join(chance.choices(WORDS, k=40)),
            body=" ".join(chance.choices(WORDS, k=300)),
            image_url=f"https://kabar.example/{number}.jpg",
            published_at=START - timedelta(minutes=number),
        )
        for number in range(1, STORIES + 1)
    ]


async def measure(chat: World, queries: list[str]) -> list[float]:
    """Ask one after the other; the times of the answers in milliseconds, sorted."""
    took = []
    for query in queries:
        started = time.perf_counter()
        asked = chat.sandbox.ask_inline(READER, query)
        await chat.sandbox.answer_of(asked)
        took.append((time.perf_counter() - started) * 1000)
    return sorted(took)


def report(name: str, took: list[float]) -> None:
    """Print the median, the 95th and the 99th percentile."""
    cuts = statistics.quantiles(took, n=100)
    print(f"{name:<12} p50 {cuts[49]:6.1f}  p95 {cuts[94]:6.1f}  p99 {cuts[98]:6.1f} ms")


async def main() -> None:
    """Measure empty queries, one word, two words and words as they are typed."""
    chance = random.Random(2)
    kinds = {
        "empty": [""] * QUERIES,
        "one word": chance.choices(WORDS, k=QUERIES),
        "two words": [" ".join(chance.sample(WORDS, 2)) for _ in range(QUERIES)],
        "typed": [word[:end] for word in chance.choices(WORDS, k=QUERIES // 5) for end in range(5)],
    }
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as chat:
            chat.sandbox.add_user("Budi", user_id=READER, language_code="id", started=True)
            await chat.publish(*entries())
            print(f"{STORIES} stories, {QUERIES} queries of each kind, one after the other")
            for name, queries in kinds.items():
                report(name, await measure(chat, queries))


if __name__ == "__main__":
    asyncio.run(main())
