"""What a script does: aiohttp, feedparser, rows in SQLite; a transaction a feed, 32 at once."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import feedparser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from feed_passes import Update

AT_ONCE = 32


@asynccontextmanager
async def updater(file: Path, urls: list[str]) -> AsyncIterator[Update]:
    """A pass over all feeds."""
    rows = sqlite3.connect(file, isolation_level=None)
    rows.execute("PRAGMA journal_mode = WAL")
    rows.execute("PRAGMA synchronous = FULL")
    rows.execute("CREATE TABLE feeds (url TEXT PRIMARY KEY, etag TEXT)")
    rows.execute("CREATE TABLE stories (id TEXT PRIMARY KEY, title TEXT, link TEXT, body TEXT)")
    rows.executemany("INSERT INTO feeds (url) VALUES (?)", [(url,) for url in urls])
    async with aiohttp.ClientSession() as session:

        async def update() -> None:
            waiting = iter(rows.execute("SELECT url, etag FROM feeds").fetchall())

            async def work() -> None:
                for url, etag in waiting:
                    await poll(session, rows, url, etag)

            async with asyncio.TaskGroup() as tasks:
                for _ in range(AT_ONCE):
                    tasks.create_task(work())

        yield update
    assert rows.execute("SELECT COUNT(*) FROM stories").fetchone()[0] == len(urls) * 11
    rows.close()


async def poll(
    session: aiohttp.ClientSession, rows: sqlite3.Connection, url: str, etag: str | None
) -> None:
    async with session.get(url, headers={"If-None-Match": etag} if etag else {}) as answer:
        if answer.status == 304:
            return
        parsed = feedparser.parse(await answer.read())
        stories = [
            (entry.id, entry.title, entry.link, entry.content[0].value) for entry in parsed.entries
        ]
        rows.execute("BEGIN")
        rows.executemany("INSERT OR IGNORE INTO stories VALUES (?, ?, ?, ?)", stories)
        rows.execute("UPDATE feeds SET etag = ? WHERE url = ?", (answer.headers.get("ETag"), url))
        rows.execute("COMMIT")
