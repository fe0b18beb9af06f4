"""What the compared senders share: the same work, measured alike."""

from __future__ import annotations

import asyncio
import resource
import time
from typing import TYPE_CHECKING

from bot_api import TEXT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[], Awaitable[None]]

AT_ONCE = 32
FIRST_CHAT = 10_000_001
UNLIMITED = 1_000_000
HTML = f"<b>{TEXT[:60]}</b>{TEXT[60:]}"


async def measured(number: int, work: Work) -> dict[str, float]:
    """Run the work; CPU of this process in microseconds a message, and messages a second."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await work()
    took_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_us": cpu_s / number * 1e6, "rate": number / took_s}


async def share_out(number: int, send: Callable[[int], Awaitable[None]]) -> None:
    """Send to so many chats, some at once."""
    chats = iter(range(FIRST_CHAT, FIRST_CHAT + number))

    async def work() -> None:
        for chat in chats:
            await send(chat)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work())
