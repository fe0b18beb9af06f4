"""One committed row a message, durable: the least that a bot which must not repeat itself keeps."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Ledger:
    """One committed row a message, durable."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE sent (chat INTEGER PRIMARY KEY, message INTEGER)")

    def note(self, chat: int, message: int) -> None:
        self._connection.execute("INSERT INTO sent VALUES (?, ?)", (chat, message))

    def close(self) -> None:
        self._connection.close()
