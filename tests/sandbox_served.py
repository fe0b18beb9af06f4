"""A served sandbox with python-telegram-bot connected to it: fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from sandboxed import Clock, connected

from bot.sandbox import TOKEN, Sandbox, demo_world, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from telegram import Bot


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Give an empty world whose clock stands; pauses come as the timedeltas of the future."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    return Sandbox(TOKEN, now=Clock())


@pytest.fixture
async def base(sandbox: Sandbox) -> AsyncIterator[str]:
    runner = await serve(sandbox, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def bot(base: str) -> AsyncIterator[Bot]:
    async with connected(base) as bot:
        yield bot


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def world(sandbox: Sandbox) -> Any:
    world = demo_world(sandbox)
    sandbox.say(world.reader_id, world.reader_id, "/start")
    return world
