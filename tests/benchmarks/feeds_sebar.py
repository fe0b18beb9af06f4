"""Sebar's own way from a due feed to the stored stories, over the real store on SQLite."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parents[2]))

import aiohttp

from bot.db import open_database
from bot.feeds import HttpSource
from bot.ingest import Ingest, IngestPolicy
from bot.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from feed_passes import Update

# Longer than any pace that a poll sets, so that each pass finds all feeds due.
BETWEEN_PASSES = timedelta(hours=3)


@asynccontextmanager
async def updater(file: Path, urls: list[str]) -> AsyncIterator[Update]:
    """A pass over all feeds, polled as `sebar run` polls them."""
    database = await open_database(f"sqlite:///{file}")
    store = Store(database)
    now = datetime.now(UTC)
    await store.record_feeds(urls, now)
    policy = IngestPolicy(timedelta(seconds=60), timedelta(), needs_approval=False)
    async with aiohttp.ClientSession() as session:
        source = HttpSource(session, ZoneInfo("Asia/Jakarta"))
        ingest = Ingest(store, source, policy, lambda: now)
        gc.freeze()

        async def update() -> None:
            nonlocal now
            await poll_all(ingest, now)
            now += BETWEEN_PASSES

        yield update
        health = await store.list_feed_health()
        assert not any(feed.failures for feed in health), health[0]
        assert len(await store.list_latest(20_000)) == len(urls) * 11
    await database.close()


async def poll_all(ingest: Ingest, now: datetime) -> None:
    while True:
        async with asyncio.TaskGroup() as tasks:
            if not await ingest.start_due(tasks, now):
                return
