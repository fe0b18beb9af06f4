"""Fixtures that every test may use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import settings
from postgres import own_database, postgres_server

from bot.db import open_database
from bot.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytest_plugins = ("wordpress",)

# A continuous integration's verdict must not depend on chance; developers' runs explore.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "exploring")


@pytest.fixture(scope="session")
def postgres_url(worker_id: str) -> Iterator[str]:
    """A PostgreSQL database for the whole run; one each where tests run side by side."""
    with postgres_server() as url:
        yield url if worker_id == "master" else own_database(url, f"sebar_{worker_id}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A store over a new database of each kind."""
    database = await open_database(database_url)
    yield Store(database)
    await database.close()
