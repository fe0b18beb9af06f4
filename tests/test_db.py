"""The driver: what holds on either database, and what on SQLite alone."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bot.db import SqliteDatabase, open_database
from bot.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.db import MigratedDatabase
    from bot.ports import Transaction


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[MigratedDatabase]:
    database = await open_database(database_url)
    yield database
    await database.close()


def put(number: int) -> Any:
    def work(tx: Transaction) -> int:
        return tx.execute(
            "INSERT INTO updates (update_id, body, received_at) VALUES (:id, '', 0)", id=number
        )

    return work


def count(tx: Transaction) -> int:
    number: int = tx.fetch("SELECT COUNT(*) AS number FROM updates")[0]["number"]
    return number


async def test_what_is_committed_is_read_at_once(database: MigratedDatabase) -> None:
    for number in range(20):
        await database.run(put(number))
        assert await database.read(count) == number + 1


async def test_a_reader_waits_for_no_writer_and_sees_nothing_unfinished(
    database: MigratedDatabase,
) -> None:
    written, finish = threading.Event(), threading.Event()

    def slowly(tx: Transaction) -> None:
        put(1)(tx)
        written.set()
        assert finish.wait(30)

    writing = asyncio.create_task(database.run(slowly))
    await asyncio.to_thread(written.wait, 30)
    async with asyncio.timeout(10):
        assert await database.read(count) == 0
    finish.set()
    await writing
    assert await database.read(count) == 1


async def test_what_fails_is_undone(database: MigratedDatabase) -> None:
    def fail(tx: Transaction) -> None:
        put(1)(tx)
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        await database.run(fail)
    assert await database.read(count) == 0
    with pytest.raises(DatabaseError):
        await database.read(lambda tx: tx.fetch("SELECT nothing FROM nowhere"))
    assert await database.read(count) == 0


async def test_migrating_again_does_nothing(database: MigratedDatabase) -> None:
    assert await database.migrate() == []


async def test_a_verb_that_says_it_only_reads_cannot_write(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path / 'test.db'}")
    with pytest.raises(DatabaseError):
        await database.read(put(1))
    assert await database.read(count) == 0
    await database.close()


async def test_a_database_that_is_not_open_says_so(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "test.db"))
    for call in (database.run, database.read):
        with pytest.raises(DatabaseError, match="not open"):
            await call(count)
    await database.close()
