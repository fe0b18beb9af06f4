"""What indexing, related lists, look-ups and searches cost with many stories.

    python tests/benchmarks/relevance.py FOLDER [--stories 100000] [--database URL]

FOLDER holds labelled collections (NAME/stories.jsonl.xz: id, title, body, at); their texts are
mixed paragraph by paragraph into as many stories as asked for. Without a URL the database is a
temporary SQLite file; a PostgreSQL one is emptied. Times are in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import random
import re
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from related_adapter import record

from bot.db import open_database
from bot.identity import sight_entry
from bot.relating import find_links, related_of, search
from bot.relating.indexing import index_due
from bot.relevance.words import words
from bot.store import Store
from bot.types import Entry, Story

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from bot.types import Sighting

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ASKED = 300
INDEXED_AT_ONCE = 100
NORMED_AT_ONCE = 500


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--database")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sebar-relevance-") as folder:
        url = chosen.database or f"sqlite:///{folder}/relevance.db"
        if chosen.database:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
                connection.execute("CREATE SCHEMA public")
        asyncio.run(measure(url, chosen.folder, chosen.stories))


async def measure(url: str, folder: Path, number: int) -> None:
    """Fill a database and print what each question costs."""
    database = await open_database(url)
    store = Store(database)
    chance = random.Random(7)
    texts = list(read_texts(folder))
    await record(store, [mixed(texts, at, number, chance) for at in range(number)], NOW)
    bare = size_bytes(url)
    began, cpu = time.perf_counter(), time.process_time()
    while await index_due(store, INDEXED_AT_ONCE):
        pass
    while await store.refresh_norms(NORMED_AT_ONCE):
        pass
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{number} stories indexed: {took / number * 1e3:.2f} ms each, CPU {cpu / number * 1e3:.2f}"
    )
    print(f"index {(size_bytes(url) - bare) / number:.0f} bytes a story", flush=True)
    await ask(store, chance, number)
    await database.close()


async def ask(store: Store, chance: random.Random, number: int) -> None:
    """Put each kind of question and print its times."""
    # The newest ones, as in life, compared with all the others.
    ids = chance.sample(range(max(number - 3 * ASKED, 1), number + 1), min(ASKED, number))
    stories = [story for one in ids if (story := await store.find_story(one))]

    async def relate(story: Story) -> None:
        await store.record_related(story, await find_links(store, story))

    async def look_up(story: Story) -> None:
        assert await store.find_related(story.id, 5) is not None

    async def compare(story: Story) -> None:
        await related_of(store, Story("", "kode", story.title, body=story.body), 5)

    async def find(story: Story) -> None:
        telling = [word for word in words(story.title) if len(word) > 3] or ["berita"]
        await search(store, " ".join(chance.sample(telling, min(2, len(telling)))), 6)

    await timed("related list, made", relate, stories)
    await timed("related list, looked up", look_up, stories)
    await timed("text never seen", compare, stories)
    await timed("search of two words", find, stories)


async def timed(
    name: str, question: Callable[[Story], Awaitable[None]], stories: list[Story]
) -> None:
    """Ask once for each story and print the spread of wall and CPU times."""
    wall: list[float] = []
    cpu: list[float] = []
    for story in stories:
        began, used = time.perf_counter(), time.process_time()
        await question(story)
        wall.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.process_time() - used) * 1e3)
    print(f"{name:26s} wall {spread(wall)}   CPU {spread(cpu)}", flush=True)


def spread(times: list[float]) -> str:
    """Median, 95th and 99th percentile."""
    ordered = sorted(times)
    at = [ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95, 0.99)]
    return "p50 {:6.2f}  p95 {:6.2f}  p99 {:6.2f}".format(*at)


def read_texts(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Titles with their sentences, of every collection in a folder."""
    for path in sorted(folder.glob("*/stories.jsonl.xz")):
        with lzma.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                story = json.loads(line)
                yield story["title"], re.split(r"(?<=[.!?])\s+", story["body"])


def mixed(
    texts: list[tuple[str, list[str]]], at: int, number: int, chance: random.Random
) -> Sighting:
    """A story of the title and half the sentences of one text and half of another's."""
    title, body = texts[at % len(texts)]
    other, more = chance.choice(texts)
    half = [chance.choice(part) for part in (body, more) for _ in range(len(part) // 2 + 1)]
    return sight_entry(
        Entry(
            title=f"{title} {' '.join(other.split()[:2])}",
            url=f"https://kabar.example/{at}",
            guid=str(at),
            body=" ".join(half),
            published_at=NOW - timedelta(minutes=10 * (number - at)),
        )
    )


def size_bytes(url: str) -> int:
    """The size of a database with all its indices."""
    if not url.startswith("sqlite"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM")
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
            assert row is not None
            return int(row[0])
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(page_bytes)


if __name__ == "__main__":
    sys.exit(main())
