"""The narrow driver below the Store: one transaction at a time, off the event loop.

SQLite runs on one thread of its own; sqlite-utils opens it and builds its full-text index. Each
transaction begins IMMEDIATE: a deferred one fails with "database is locked" as soon as two
processes read and then write.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlite_utils

from bot.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bot.ports import Transaction
    from bot.types import Row

T = TypeVar("T")

BUSY_TIMEOUT_S = 30.0
SQLITE_SCHEME = "sqlite:///"
SEARCHED_COLUMNS = ("title", "summary", "body")
TITLE_WEIGHT, SUMMARY_WEIGHT, BODY_WEIGHT = 10.0, 3.0, 1.0


class SqliteTransaction:
    """A transaction of the SQLite driver; lives on the driver's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def fetch(self, sql: str, **params: Any) -> list[Row]:
        """Run a query (or a statement with RETURNING) and give its rows."""
        cursor = self._connection.execute(_sqlite_sql(sql), params)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, sql: str, **params: Any) -> int:
        """Run a statement and give the number of rows that it changed."""
        return self._connection.execute(_sqlite_sql(sql), params).rowcount

    def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of parameters."""
        self._connection.executemany(_sqlite_sql(sql), rows)

    def search(
        self, terms: Sequence[str], *, every: bool, limit: int, offset: int = 0
    ) -> list[int]:
        """Ids of the stories that hold every term (or any), best first (bm25)."""
        phrases = [phrase for term in terms if (phrase := _fts_phrase(term))]
        match = (" AND " if every else " OR ").join(phrases)
        if not match:
            return []
        rows = self._connection.execute(
            "SELECT rowid FROM stories_fts WHERE stories_fts MATCH ?"
            f" AND rank MATCH 'bm25({TITLE_WEIGHT}, {SUMMARY_WEIGHT}, {BODY_WEIGHT})'"
            " ORDER BY rank LIMIT ? OFFSET ?",
            (match, limit, offset),
        )
        return [row[0] for row in rows]


class SqliteDatabase:
    """A SQLite file in WAL mode, on a thread of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._tables: sqlite_utils.Database | None = None

    async def open(self) -> None:
        """Open the file, creating it and its folder where missing. Raises DatabaseError."""
        await self._call(self._open)

    async def migrate(self) -> list[str]:
        """Apply the pending steps of the schema; give their names. Safe to repeat."""
        return await self._call(self._migrate)

    async def list_pending(self) -> list[str]:
        """Names of the steps that `migrate` would apply."""
        return await self._call(self._list_pending)

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction; commit, or roll back if it raises.

        A caller that is cancelled does not interrupt the transaction: it commits or rolls back.
        """
        return await self._call(partial(self._transact, work))

    async def close(self) -> None:
        """Finish what runs and close the file."""
        await self._call(self._close)
        self._thread.shutdown()

    async def _call(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, function)
        except sqlite3.Error as error:
            raise DatabaseError(f"SQLite, {self._path}: {error}") from error

    def _open(self) -> None:
        if self._path != ":memory:":
            try:
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DatabaseError(f"cannot create the folder of {self._path}: {error}") from error
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        self._tables = sqlite_utils.Database(connection)
        if self._path != ":memory:":
            self._tables.enable_wal()
        self._tables.execute("PRAGMA foreign_keys = ON")
        self._tables.execute("PRAGMA synchronous = FULL")

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._tables is None:
            raise DatabaseError(f"SQLite, {self._path}: not open")
        connection: sqlite3.Connection = self._tables.conn
        return connection

    def _transact(self, work: Callable[[Transaction], T]) -> T:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(SqliteTransaction(connection))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return result

    def _close(self) -> None:
        if self._tables is not None:
            self._tables.close()
            self._tables = None

    def _list_pending(self) -> list[str]:
        applied: set[str] = set()
        if self._tables is not None and "migrations" in self._tables.table_names():
            applied = {row[0] for row in self._connection.execute("SELECT name FROM migrations")}
        return [name for name, _ in migration_steps() if name not in applied]

    def _migrate(self) -> list[str]:
        return self._transact(lambda _: self._apply_pending())

    def _apply_pending(self) -> list[str]:
        self._connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
        pending = self._list_pending()
        steps = dict(migration_steps())
        for name in pending:
            for statement in statements(steps[name]):
                self._apply(statement)
            self._connection.execute("INSERT INTO migrations (name) VALUES (?)", (name,))
        return pending

    def _apply(self, statement: str) -> None:
        if statement != "{search_index}":
            self._connection.execute(
                statement.replace("{identity}", "INTEGER PRIMARY KEY AUTOINCREMENT")
            )
            return
        assert self._tables is not None
        self._tables.table("stories").enable_fts(
            SEARCHED_COLUMNS, create_triggers=True, tokenize="unicode61"
        )


async def open_database(url: str) -> SqliteDatabase:
    """Open the database that a URL names and bring it to this version. Raises DatabaseError."""
    if not url.startswith(SQLITE_SCHEME):
        raise DatabaseError("this version keeps its data in SQLite: DATABASE_URL=sqlite:///…")
    database = SqliteDatabase(url.removeprefix(SQLITE_SCHEME))
    await database.open()
    await database.migrate()
    return database


def migration_steps() -> list[tuple[str, str]]:
    """Every step of the schema as (name, SQL), in order."""
    folder = resources.files("bot.migrations")
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return [(name.removesuffix(".sql"), (folder / name).read_text("utf-8")) for name in files]


def statements(sql: str) -> list[str]:
    """The single statements of a step."""
    return [statement.strip() for statement in sql.split(";\n") if statement.strip()]


def _sqlite_sql(sql: str) -> str:
    return sql.replace("{skip_locked}", "")


def _fts_phrase(term: str) -> str:
    """Quote a term so that nothing of FTS5's query syntax is left in it; '' if it has no word."""
    if not re.search(r"\w", term):
        return ""
    plain = term.encode("utf-8", "ignore").decode()
    return '"' + plain.replace('"', " ").replace("\0", " ") + '"'
