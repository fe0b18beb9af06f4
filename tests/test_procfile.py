"""The Procfile as written: released, started, rolled out and ended on PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from service import LONGEST_WAIT_S, ROOT, eventually, free_port, telegram

from bot.sandbox.newsroom import Submission, load_newsroom, newsroom_app

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from bot.sandbox import Sandbox

DATA = ROOT / "data" / "newsroom"
READER = 1001
PROGRAMS = Path(sys.executable).parent


def environ_for(sandbox: Sandbox, api: str, database: str, port: int) -> dict[str, str]:
    return {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database.replace("postgresql://", "postgres://"),
        "PORT": str(port),
        "SEBAR_BIND": "127.0.0.1",
        "SEBAR_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SEBAR_TELEGRAM_TOKEN": sandbox.token,
        "SEBAR_TELEGRAM_API_URL": api,
        "SEBAR_FEEDS": f"{api}/newsroom/feed/",
        "SEBAR_POLL_INTERVAL": "0.5",
    }


def command_of(process: str) -> list[str]:
    lines = dict(line.split(":", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    return shlex.split(lines[process])


async def release(environ: dict[str, str], folder: Path) -> None:
    """What the platform does before it starts a release's processes."""
    program, *rest = command_of("release")
    process = await asyncio.create_subprocess_exec(
        PROGRAMS / program, *rest, cwd=folder, env=environ
    )
    assert await asyncio.wait_for(process.wait(), LONGEST_WAIT_S) == 0


@asynccontextmanager
async def started(environ: dict[str, str], folder: Path) -> AsyncIterator[Process]:
    """The Procfile's web and worker, as honcho starts them; ended by SIGTERM."""
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            PROGRAMS / "honcho",
            *("-f", ROOT / "Procfile", "-d", folder, "start", "-p", environ["PORT"]),
            *("web", "worker"),
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), LONGEST_WAIT_S)


@pytest.fixture
def empty_postgres(postgres_url: str) -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgres_url


async def test_a_roll_out_loses_and_doubles_nothing(empty_postgres: str, tmp_path: Path) -> None:
    newsroom = load_newsroom(DATA, datetime.now(UTC))
    port = free_port()
    site = newsroom_app(
        newsroom,
        DATA,
        base_url=f"http://127.0.0.1:{port}/newsroom",
        clock=lambda: datetime.now(UTC),
    )
    async with telegram(port, newsroom=site) as api:
        sandbox = api.sandbox
        sandbox.add_user("Budi", user_id=READER)

        def count(title: str) -> int:
            return sum(post.content.text.text.startswith(title) for post in sandbox.sent(READER))

        def publish(title: str) -> None:
            news = Submission(title=title, summary="Ringkasan.", body="Isi.")
            newsroom.publish(datetime.now(UTC), news)

        old = environ_for(sandbox, api.url, empty_postgres, free_port())
        new = environ_for(sandbox, api.url, empty_postgres, free_port())
        await release(old, tmp_path)
        async with started(new, tmp_path) as later:
            async with started(old, tmp_path):
                sandbox.say(READER, READER, "/langganan")
                await eventually(lambda: sandbox.sent(READER), "an answer")
                publish("Satu")
                await eventually(lambda: count("Satu"), "a story with both releases up")
                await release(new, tmp_path)
                publish("Dua")
            await eventually(lambda: count("Dua"), "the story that was out at the change")
            publish("Tiga")
            await eventually(lambda: count("Tiga"), "a story with the new release alone")
            assert later.returncode is None
        assert [count(title) for title in ("Satu", "Dua", "Tiga")] == [1, 1, 1]
    assert "Traceback" not in (tmp_path / "log").read_text()
