"""What readers ask for reads no whole table, by SQLite's own plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from factories import NOW, claimed_feed, sighting, subscribed_chat

from bot.db import SqliteTransaction, open_database
from bot.store import PollPlan, Store
from bot.store.reading import FEW
from bot.types import FeedPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.ports import Database, Transaction

COMMON = "Kota Serang"


class Watch:
    """A database whose statements are noted."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = Store(database)
        self.statements: list[str] = []

    async def begin(self) -> None:
        await self.database.run(self._trace)
        await self.database.read(self._trace)

    async def scans(self) -> list[str]:
        """Which tables the statements since the last time read from one end to the other."""
        seen, self.statements[:] = list(self.statements), []
        return await self.database.run(
            lambda tx: [f"{step}: {one}" for one in seen for step in scans_of(tx, one)]
        )

    def _trace(self, tx: Transaction) -> None:
        assert isinstance(tx, SqliteTransaction)
        tx.connection.set_trace_callback(self.statements.append)


def scans_of(tx: Transaction, statement: str) -> list[str]:
    if statement.split(maxsplit=1)[0] not in {"SELECT", "UPDATE", "DELETE", "WITH"}:
        return []
    rows = tx.fetch(f"EXPLAIN QUERY PLAN {statement}")
    return [row["detail"] for row in rows if row["detail"].startswith("SCAN")]


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    database = await open_database(f"sqlite:///{tmp_path / 'test.db'}")
    watched = Watch(database)
    feed = await claimed_feed(watched.store, NOW)
    stories = [sighting(one, tags=(COMMON,)) for one in range(FEW + 1)]
    stories.append(sighting(FEW + 1, tags=("Jarang",)))
    plan = PollPlan(NOW, NOW, broadcast_state=None)
    await watched.store.record_poll(feed, FeedPage(url=feed.url, entries=()), stories, [], plan)
    await watched.begin()
    yield watched
    await database.close()


@pytest.mark.parametrize(("tag", "found"), [("belum ada", 0), ("jarang", 1)])
async def test_a_tag_of_few_stories_is_found_without_reading_all(
    watch: Watch, tag: str, found: int
) -> None:
    assert len(await watch.store.list_page(5, 0, tag, 0)) == found
    assert len(await watch.store.list_latest(5, 0, tag)) == found
    assert await watch.scans() == []


async def test_a_tag_of_many_stories_gives_its_newest(watch: Watch) -> None:
    first = await watch.store.list_page(5, 0, COMMON, 0)
    assert len(first) == 5
    assert await watch.store.list_latest(5, 0, COMMON) == first
    later = await watch.store.list_page(5, 5, COMMON, first[0].id)
    assert not {story.id for story in later} & {story.id for story in first}


async def test_who_is_forgotten_makes_nobody_read_all_chats_and_deliveries(watch: Watch) -> None:
    chat = await subscribed_chat(watch.store, 7)
    await watch.scans()
    await watch.store.forget_chat(chat.id, NOW)
    assert await watch.scans() == []
    assert await watch.store.find_chat(7) is None
