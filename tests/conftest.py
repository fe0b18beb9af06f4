"""Fixtures that every test may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.db import open_database
from bot.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store over a new database."""
    database = await open_database(f"sqlite:///{tmp_path / 'test.db'}")
    yield Store(database)
    await database.close()
