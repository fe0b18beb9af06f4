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
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from chatting import START, world
from factories import entry

from bot.relating.indexing import index_due

if TYPE_CHECKING:
    from chatting import World

    from bot.types import Entry

STORIES = 10_000
QUERIES = 300
READER = 5_000_001
SYLLABLES = [first + last for first in "brtklmnsdp" for last in "aiu"]
VOCABULARY = 20_000


class Writer:
    """Writes stories in words of which few are frequent and most are rare, as in any language."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._words = ["".join(self._chance.choices(SYLLABLES, k=4)) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))

    def text(self, number: int) -> str:
        """So many words."""
        return " ".join(self._chance.choices(self._words, cum_weights=self._weights, k=number))

    def story(self, number: int) -> Entry:
        """A story; the one of number 1 is the newest."""
        return entry(
            number,
            title=self.text(9).title(),
            summary=self.text(30),
            body=self.text(250),
            image_url=f"https://kabar.example/{number}.jpg",
            published_at=START - timedelta(minutes=number),
        )

    def queries(self, titles: list[str], words: int) -> list[str]:
        """Queries of words that stand in titles."""
        chosen = self._chance.choices(titles, k=QUERIES)
        return [" ".join(self._chance.sample(title.split(), words)).lower() for title in chosen]


async def indexed(chat: World) -> None:
    """Let the background's work be done, as in a newsroom that runs."""
    while await index_due(chat.store, 200):
        pass


async def measure(name: str, chat: World, queries: list[str]) -> None:
    """Ask one after the other and print percentiles, and the CPU of the whole process."""
    took, busy_s = [], time.process_time()
    for query in queries:
        started = time.perf_counter()
        asked = chat.sandbox.ask_inline(READER, query)
        await chat.sandbox.answer_of(asked)
        took.append((time.perf_counter() - started) * 1000)
    cpu_ms = (time.process_time() - busy_s) / len(queries) * 1000
    cuts = statistics.quantiles(took, n=100)
    print(
        f"{name:<10} p50 {cuts[49]:6.1f}  p95 {cuts[94]:6.1f}  p99 {cuts[98]:6.1f} ms,"
        f"  CPU {cpu_ms:5.1f} ms"
    )


async def main() -> None:
    """Measure empty queries, one word, two words and words as they are typed."""
    writer = Writer(1)
    entries = [writer.story(number) for number in range(1, STORIES + 1)]
    titles = [item.title for item in entries]
    typed = [
        word[:end] for word in writer.queries(titles, 1)[: QUERIES // 5] for end in range(2, 7)
    ]
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as chat:
            chat.sandbox.add_user("Budi", user_id=READER, language_code="id", started=True)
            await chat.publish(*entries)
            await indexed(chat)
            print(f"{STORIES} stories, {QUERIES} queries of each kind, one after the other")
            await measure("empty", chat, [""] * QUERIES)
            await measure("one word", chat, writer.queries(titles, 1))
            await measure("two words", chat, writer.queries(titles, 2))
            await measure("typed", chat, typed)


if __name__ == "__main__":
    asyncio.run(main())
