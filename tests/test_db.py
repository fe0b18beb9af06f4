"""The driver: what holds on either database, and what on SQLite alone."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlite_utils
from factories import (
    NOW,
    claim_plan,
    claimed,
    opened_broadcast,
    record,
    sent,
    stored_story,
    subscribed_chat,
)

from bot.db import SqliteDatabase, SqliteTransaction, open_database
from bot.errors import DatabaseError
from bot.relating import relate_due
from bot.store import Store
from bot.types import Step, Verdict

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


async def test_works_that_wait_together_fail_alone(database: MigratedDatabase) -> None:
    def fail(tx: Transaction) -> None:
        put(99)(tx)
        raise ValueError("stop")

    works = [put(1), fail, put(2), put(1), lambda tx: tx.fetch("SELECT nothing FROM nowhere")]
    outcomes = await asyncio.gather(*map(database.run, works), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        int, ValueError, int, DatabaseError, DatabaseError
    ]  # fmt: skip
    assert await database.read(count) == 2


async def test_works_that_wait_share_a_commit(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path / 'test.db'}")
    begun, finish, statements = threading.Event(), threading.Event(), list[str]()

    def slowly(tx: Transaction) -> None:
        assert isinstance(tx, SqliteTransaction)
        tx.connection.set_trace_callback(statements.append)
        begun.set()
        assert finish.wait(30)

    first = asyncio.create_task(database.run(slowly))
    await asyncio.to_thread(begun.wait, 30)
    others = [asyncio.create_task(database.run(put(number))) for number in range(20)]
    given_up = asyncio.create_task(database.run(put(77)))
    await asyncio.sleep(0)
    given_up.cancel()
    finish.set()
    await asyncio.gather(first, *others)
    assert statements.count("COMMIT") == 2
    assert await database.read(count) == 20
    await database.close()


async def test_migrating_again_does_nothing(database: MigratedDatabase) -> None:
    assert await database.migrate() == []


OLD_COLUMN = "search tsvector GENERATED ALWAYS AS (to_tsvector('simple', title)) STORED"
OLD_SEARCH_OF_POSTGRES = (
    f"ALTER TABLE stories ADD COLUMN {OLD_COLUMN}",
    "CREATE INDEX stories_search ON stories USING gin (search)",
)


def put_old_search_back(tx: Transaction) -> None:
    """Leave what the first step for searching made, and no later step of search."""
    if isinstance(tx, SqliteTransaction):
        sqlite_utils.Database(tx.connection).table("stories").enable_fts(
            ("title", "summary", "body"), create_triggers=True, tokenize="unicode61"
        )
    else:
        for statement in OLD_SEARCH_OF_POSTGRES:
            tx.execute(statement)
    tx.execute("INSERT INTO migrations (name) VALUES ('0002_search')")
    tx.execute("DELETE FROM migrations WHERE name = '0014_old_search'")


def left_of_old_search(tx: Transaction) -> list[str]:
    if isinstance(tx, SqliteTransaction):
        sql = "SELECT name FROM sqlite_master WHERE name LIKE 'stories_fts%' OR type = 'trigger'"
    else:
        sql = (
            "SELECT column_name AS name FROM information_schema.columns"
            " WHERE table_name = 'stories' AND column_name = 'search'"
            " UNION SELECT indexname FROM pg_indexes WHERE indexname = 'stories_search'"
        )
    return [row["name"] for row in tx.fetch(sql)]


async def test_what_the_old_search_left_is_dropped(database: MigratedDatabase) -> None:
    await database.run(put_old_search_back)
    store = Store(database)
    story = await stored_story(store, 1)
    assert await database.read(left_of_old_search) != []
    assert await database.migrate() == ["0014_old_search"]
    assert await database.read(left_of_old_search) == []
    assert (await stored_story(store, 2)).id != story.id
    assert await store.find_story(story.id) == story
    assert await database.migrate() == []


async def test_an_upgrade_brings_the_index_of_terms_into_one_piece(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path / 'test.db'}")
    store = Store(database)
    for number in range(3):
        await stored_story(store, number, title="Banjir di Ciledug")
        while await relate_due(store, NOW):
            pass

    def pieces(tx: Transaction) -> int:
        sql = "SELECT COUNT(DISTINCT segid) AS number FROM story_postings_idx"
        return int(tx.fetch(sql)[0]["number"])

    def as_before(tx: Transaction) -> None:
        tx.execute("DELETE FROM migrations WHERE name = '0014_old_search'")

    assert await database.read(pieces) == 3
    await database.run(as_before)
    await database.migrate()
    assert await database.read(pieces) == 1
    assert len(await store.list_heaviest({await number_of(store, "ciledug"): 1.0}, 5)) == 3
    await database.close()


async def number_of(store: Store, word: str) -> int:
    return (await store.find_words([word])).words[word].id


async def test_lists_of_an_older_version_are_kept(database: MigratedDatabase) -> None:
    store = Store(database)
    story = await stored_story(store, 1)
    while await relate_due(store, NOW):
        pass

    def as_before(tx: Transaction) -> None:
        tx.execute("UPDATE story_words SET earlier = '[]', copy_of = :id", id=story.id)
        tx.execute("DROP TABLE story_lists")
        tx.execute("DELETE FROM migrations WHERE name = '0014_story_lists'")

    await database.run(as_before)
    assert await database.migrate() == ["0014_story_lists"]
    assert await store.find_related(story.id, 5) == []
    assert await store.list_unrelated(5) == []


async def test_a_verb_that_says_it_only_reads_cannot_write(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path / 'test.db'}")
    with pytest.raises(DatabaseError):
        await database.read(put(1))
    assert await database.read(count) == 0
    await database.close()


async def test_nothing_that_is_done_again_and_again_reads_all_deliveries(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path / 'test.db'}")
    store = Store(database)
    await subscribed_chat(store)
    await opened_broadcast(store, await stored_story(store))
    statements: list[str] = []

    def trace(tx: Transaction) -> None:
        assert isinstance(tx, SqliteTransaction)
        tx.connection.set_trace_callback(statements.append)

    await database.run(trace)
    (delivery,) = await claimed(store)
    await record(store, delivery, Verdict(Step.UNKNOWN, "lost", NOW))
    (delivery,) = await store.claim_unknown(claim_plan())
    await store.find_known_ids(delivery)
    await record(store, delivery, sent(7))
    await store.extend_leases("tests", NOW)
    await store.release_lapsed(NOW)
    await store.forget_known(NOW)
    await store.claim_unconfirmed(NOW, 5)
    plans = await database.run(lambda tx: [plan_of(tx, one) for one in list(statements)])
    assert len(plans) > 12
    for statement, plan in zip(statements, plans, strict=False):
        scans = [step for step in plan if "SCAN d" in step and "INDEX" not in step]
        assert [step for step in scans if step.split()[1] in {"d", "deliveries"}] == [], statement
    await database.close()


def plan_of(tx: Transaction, statement: str) -> list[str]:
    if statement.split(maxsplit=1)[0] not in {"SELECT", "UPDATE", "DELETE", "WITH"}:
        return []
    return [row["detail"] for row in tx.fetch(f"EXPLAIN QUERY PLAN {statement}")]


async def test_a_database_that_is_not_open_says_so(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "test.db"))
    for call in (database.run, database.read):
        with pytest.raises(DatabaseError, match="not open"):
            await call(count)
    await database.close()
