"""The narrow driver below the Store, twice: SQLite and PostgreSQL, each off the event loop.

SQLite has a thread that writes and one that reads; sqlite-utils sets the file up and builds its
full-text index. A transaction that writes begins IMMEDIATE: a deferred one fails with "database is
locked" as soon as two processes read and then write. PostgreSQL runs on a pool of connections, a
thread each.

The SQL of the store is neutral but for the tokens of `Dialect`.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg
import psycopg_pool
import sqlite_utils
from psycopg.rows import dict_row

from bot.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bot.ports import Transaction
    from bot.types import Row

T = TypeVar("T")

SQLITE_SCHEME = "sqlite:///"
BUSY_TIMEOUT_S = 30.0
CACHE_KB = 16_000
PAGES_BETWEEN_CHECKPOINTS = 4000
SEARCHED_COLUMNS = ("title", "summary", "body")
TITLE_WEIGHT, SUMMARY_WEIGHT, BODY_WEIGHT = 10.0, 3.0, 1.0

POSTGRES_CONNECTIONS = 8
POSTGRES_CONNECT_TIMEOUT_S = 10.0
POSTGRES_TRIES = 3
MIGRATION_LOCK = 7_132_427_001
POSTGRES_SEARCH_COLUMN = (
    "ALTER TABLE stories ADD COLUMN search tsvector GENERATED ALWAYS AS ("
    " setweight(to_tsvector('simple', title), 'A')"
    " || setweight(to_tsvector('simple', summary), 'B')"
    " || setweight(to_tsvector('simple', left(body, 100000)), 'D')) STORED"
)
POSTGRES_SEARCH_INDEX = "CREATE INDEX stories_search ON stories USING gin (search)"


class MigratedDatabase(Protocol):
    """A database that knows its schema."""

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction; commit, or roll back if it raises.

        A caller that is cancelled does not interrupt the transaction: it commits or rolls back.
        Raises DatabaseError.
        """
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`, which only reads what is committed; it waits for no writer.

        Raises DatabaseError.
        """
        ...

    async def open(self) -> None:
        """Connect. Raises DatabaseError."""
        ...

    async def migrate(self) -> list[str]:
        """Apply the pending steps of the schema; give their names. Safe to repeat."""
        ...

    async def close(self) -> None:
        """Finish what runs and let go."""
        ...


async def open_database(url: str) -> MigratedDatabase:
    """Open the database that a URL names and bring it to this version. Raises DatabaseError."""
    database: MigratedDatabase = (
        SqliteDatabase(url.removeprefix(SQLITE_SCHEME))
        if url.startswith(SQLITE_SCHEME)
        else PostgresDatabase(url)
    )
    try:
        await database.open()
        await database.migrate()
    except BaseException:
        await database.close()
        raise
    return database


class SqliteTransaction:
    """A transaction of the SQLite driver; lives on the driver's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def fetch(self, sql: str, **params: Any) -> list[Row]:
        """Run a query (or a statement with RETURNING) and give its rows."""
        cursor = self.connection.execute(_sqlite_sql(sql), params)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, sql: str, **params: Any) -> int:
        """Run a statement and give the number of rows that it changed."""
        return self.connection.execute(_sqlite_sql(sql), params).rowcount

    def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of parameters."""
        self.connection.executemany(_sqlite_sql(sql), rows)

    def search(
        self, terms: Sequence[str], *, every: bool, limit: int, offset: int = 0
    ) -> list[int]:
        """Ids of the stories that hold every term (or any), best first (bm25)."""
        phrases = [phrase for term in terms if (phrase := _fts_phrase(term))]
        match = (" AND " if every else " OR ").join(phrases)
        if not match:
            return []
        weights = f"bm25({TITLE_WEIGHT}, {SUMMARY_WEIGHT}, {BODY_WEIGHT})"
        rows = self.connection.execute(
            "SELECT rowid FROM stories_fts WHERE stories_fts MATCH ? AND rank MATCH ?"
            " ORDER BY rank LIMIT ? OFFSET ?",
            (match, weights, limit, offset),
        )
        return [row[0] for row in rows]


class SqliteThread:
    """One connection to a SQLite file, on a thread of its own."""

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function on the thread. Raises DatabaseError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, function)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise DatabaseError(f"SQLite, {self._path}: {error}") from error

    async def transact(self, begin: str, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that begins as told. Raises DatabaseError."""
        return await self.call(partial(self._transact, begin, work))

    def connect(self) -> sqlite3.Connection:
        """Open the file; to be called on the thread."""
        self._connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        return self._connection

    async def close(self) -> None:
        """Finish what runs, close the file and end the thread."""
        await self.call(self._close)
        self._thread.shutdown()

    def _transact(self, begin: str, work: Callable[[Transaction], T]) -> T:
        connection = self._connection
        if connection is None:
            raise DatabaseError(f"SQLite, {self._path}: not open")
        connection.execute(begin)
        try:
            result = work(SqliteTransaction(connection))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return result

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class SqliteDatabase:
    """A SQLite file in WAL mode: one connection writes, another reads what is committed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._writer = SqliteThread(path, "sqlite")
        self._reader = SqliteThread(path, "sqlite-reader")

    async def open(self) -> None:
        """Open the file, creating it and its folder where missing. Raises DatabaseError."""
        await self._writer.call(self._open)
        await self._reader.call(self._open_reader)

    async def migrate(self) -> list[str]:
        """Apply the pending steps of the schema; give their names. Safe to repeat."""
        return await self.run(self._apply_pending)

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction; see MigratedDatabase."""
        return await self._writer.transact("BEGIN IMMEDIATE", work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`, which only reads; see MigratedDatabase."""
        return await self._reader.transact("BEGIN", work)

    async def close(self) -> None:
        """Finish what runs and close the file."""
        await self._reader.close()
        await self._writer.close()

    def _open(self) -> None:
        try:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"cannot create the folder of {self._path}: {error}") from error
        tables = sqlite_utils.Database(self._writer.connect())
        tables.enable_wal()
        tables.execute("PRAGMA foreign_keys = ON")
        tables.execute("PRAGMA synchronous = FULL")
        # Small commits one after the other: a delivery costs a third less than by the defaults.
        tables.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        tables.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BETWEEN_CHECKPOINTS}")

    def _open_reader(self) -> None:
        self._reader.connect().execute("PRAGMA query_only = ON")

    def _apply_pending(self, tx: Transaction) -> list[str]:
        return apply_pending(
            tx, {"{identity}": "INTEGER PRIMARY KEY AUTOINCREMENT"}, self._index_search
        )

    @staticmethod
    def _index_search(tx: Transaction) -> None:
        assert isinstance(tx, SqliteTransaction)
        sqlite_utils.Database(tx.connection).table("stories").enable_fts(
            SEARCHED_COLUMNS, create_triggers=True, tokenize="unicode61"
        )


class PostgresTransaction:
    """A transaction of the PostgreSQL driver; lives on one thread of the pool."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def fetch(self, sql: str, **params: Any) -> list[Row]:
        """Run a query (or a statement with RETURNING) and give its rows."""
        return self._connection.execute(_postgres_sql(sql), params).fetchall()

    def execute(self, sql: str, **params: Any) -> int:
        """Run a statement and give the number of rows that it changed."""
        return self._connection.execute(_postgres_sql(sql), params).rowcount

    def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of parameters."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_postgres_sql(sql), list(rows))

    def search(
        self, terms: Sequence[str], *, every: bool, limit: int, offset: int = 0
    ) -> list[int]:
        """Ids of the stories that hold every term (or any), best first (cover density)."""
        plain = [_storable(term) for term in terms if re.search(r"\w", term)]
        if not plain:
            return []
        phrases = [f"phraseto_tsquery('simple', %(t{number})s)" for number in range(len(plain))]
        query = (" && " if every else " || ").join(phrases)
        rows = self._connection.execute(
            f"SELECT id FROM stories, (SELECT {query} AS q) wanted WHERE search @@ q"
            " ORDER BY ts_rank_cd(search, q) DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s",
            {f"t{n}": term for n, term in enumerate(plain)} | {"limit": limit, "offset": offset},
        )
        return [row["id"] for row in rows]


class PostgresDatabase:
    """A PostgreSQL database through a pool of connections."""

    def __init__(self, url: str) -> None:
        self._pool = psycopg_pool.ConnectionPool(
            url,
            min_size=1,
            max_size=POSTGRES_CONNECTIONS,
            open=False,
            connection_class=psycopg.Connection[dict[str, Any]],
            kwargs={"row_factory": dict_row},
            check=psycopg_pool.ConnectionPool.check_connection,
            timeout=POSTGRES_CONNECT_TIMEOUT_S,
        )
        self._threads = ThreadPoolExecutor(POSTGRES_CONNECTIONS, thread_name_prefix="postgres")

    async def open(self) -> None:
        """Connect. Raises DatabaseError."""
        await self._call(self._open)

    async def migrate(self) -> list[str]:
        """Apply the pending steps of the schema, one process at a time; give their names."""
        return await self.run(self._apply_pending)

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction; again where another one was in its way."""
        return await self._call(partial(self._transact, work))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`, which only reads: here a writer holds up no reader anyway."""
        return await self.run(work)

    async def close(self) -> None:
        """Finish what runs and let go of the connections."""
        await self._call(self._pool.close)
        self._threads.shutdown()

    async def _call(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, function)
        except (psycopg.Error, OverflowError, UnicodeError) as error:
            raise DatabaseError(f"PostgreSQL: {error}") from error

    def _open(self) -> None:
        self._pool.open(wait=True, timeout=POSTGRES_CONNECT_TIMEOUT_S)

    def _transact(self, work: Callable[[Transaction], T]) -> T:
        for _ in range(POSTGRES_TRIES - 1):
            try:
                return self._transact_once(work)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                continue
        return self._transact_once(work)

    def _transact_once(self, work: Callable[[Transaction], T]) -> T:
        with self._pool.connection() as connection:
            return work(PostgresTransaction(connection))

    def _apply_pending(self, tx: Transaction) -> list[str]:
        tx.fetch("SELECT pg_advisory_xact_lock(:key)", key=MIGRATION_LOCK)
        identity = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
        return apply_pending(tx, {"{identity}": identity}, _index_postgres_search)


def _index_postgres_search(tx: Transaction) -> None:
    tx.execute(POSTGRES_SEARCH_COLUMN)
    tx.execute(POSTGRES_SEARCH_INDEX)


def apply_pending(
    tx: Transaction, dialect: Mapping[str, str], index_search: Callable[[Transaction], None]
) -> list[str]:
    """Apply the steps of the schema that a database lacks, in order; gives their names."""
    tx.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
    applied = {row["name"] for row in tx.fetch("SELECT name FROM migrations")}
    pending = [(name, sql) for name, sql in migration_steps() if name not in applied]
    for name, sql in pending:
        for statement in statements(sql):
            if statement == "{search_index}":
                index_search(tx)
            else:
                tx.execute(_replaced(statement, dialect))
        tx.execute("INSERT INTO migrations (name) VALUES (:name)", name=name)
    return [name for name, _ in pending]


def migration_steps() -> list[tuple[str, str]]:
    """Every step of the schema as (name, SQL), in order."""
    folder = resources.files("bot.migrations")
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return [(name.removesuffix(".sql"), (folder / name).read_text("utf-8")) for name in files]


def statements(sql: str) -> list[str]:
    """The single statements of a step."""
    return [
        statement.strip().removesuffix(";") for statement in sql.split(";\n") if statement.strip()
    ]


def _replaced(sql: str, tokens: Mapping[str, str]) -> str:
    for token, words in tokens.items():
        sql = sql.replace(token, words)
    return sql


def _sqlite_sql(sql: str) -> str:
    return sql.replace("{skip_locked}", "").replace("{skip_locked_d}", "")


@lru_cache(maxsize=512)
def _postgres_sql(sql: str) -> str:
    named = re.sub(r"(?<![:\w]):([a-z_]+)", r"%(\1)s", sql.replace("%", "%%"))
    # A broadcast's revision does not change between the claim of a delivery and its commit.
    locks = "FOR UPDATE OF d SKIP LOCKED FOR SHARE OF b SKIP LOCKED"
    named = named.replace("{skip_locked_d}", locks)
    return named.replace("{skip_locked}", "FOR UPDATE SKIP LOCKED")


def _storable(text: str) -> str:
    """Text without what no database stores: NUL and lone surrogates."""
    return text.encode("utf-8", "ignore").decode().replace("\0", " ")


def _fts_phrase(term: str) -> str:
    """Quote a term so that nothing of FTS5's query syntax is left in it; '' if it has no word."""
    if not re.search(r"\w", term):
        return ""
    return '"' + _storable(term).replace('"', " ") + '"'
