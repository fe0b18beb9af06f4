"""Sebar's own way from a due feed to the stored stories, over the real store on SQLite."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parents[2]))

import aiohttp
import aiohttp.abc

from bot.db import open_database
from bot.feeds import HttpSource
from bot.ingest import Ingest, IngestPolicy
from bot.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from feed_passes import Update

HOSTS = 16
# Longer than any pace that a poll sets, so that each pass finds all feeds due.
BETWEEN_PASSES = timedelta(hours=3)


class Loopback(aiohttp.abc.AbstractResolver):
    """All names are this machine's."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[Any]:
        return [
            {"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET}
            | {"proto": 0, "flags": socket.AI_NUMERICHOST}
        ]

    async def close(self) -> None:
        """Nothing to let go."""


def at_host(url: str, number: int) -> str:
    """The address at one of several names: few polls at once go to one."""
    return url.replace("127.0.0.1", f"kabar{number}.example")


@asynccontextmanager
async def updater(file: Path, urls: list[str]) -> AsyncIterator[Update]:
    """A pass over all feeds, polled as `sebar run` polls them."""
    database = await open_database(f"sqlite:///{file}")
    store = Store(database)
    now = datetime.now(UTC)
    await store.record_feeds([at_host(url, number % HOSTS) for number, url in enumerate(urls)], now)
    policy = IngestPolicy(timedelta(seconds=60), timedelta(), needs_approval=False)
    connector = aiohttp.TCPConnector(resolver=Loopback())
    async with aiohttp.ClientSession(connector=connector) as session:
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
