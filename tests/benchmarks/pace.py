"""A broadcast at Telegram's free limits, with readers who ask meanwhile.

`python tests/benchmarks/pace.py [CHATS]`, 600 unless told (3,000 take 100 s a form). The server
enforces 30 messages a second for the bot and 1 a second in a chat, with short bursts, once as token
buckets and once as sliding windows; a round trip takes 80 ms.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from bot_api import BOT_RATE, TEXT, TOKEN, served, stats
from measuring import FIRST_CHAT
from ours import outbox
from telegram.ext import ExtBot

from bot.transport import AiohttpRequest, BudgetRateLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.limits import Budget
    from bot.store import Store

ROUND_TRIP_MS = 80
FREE_RATE = 30
ASKED_A_SECOND = 2.0
CONNECTIONS = 64
RETRIES = 2


@asynccontextmanager
async def answering(url: str, budget: Budget) -> AsyncIterator[ExtBot[int]]:
    """The bot that answers readers within the same budget."""
    request = AiohttpRequest(CONNECTIONS)
    await request.initialize()
    yield ExtBot(
        TOKEN,
        base_url=f"{url}/bot",
        request=request,
        rate_limiter=BudgetRateLimiter(budget, lambda *_: None),
    )
    await request.shutdown()


async def ask(store: Store, bot: ExtBot[int], chat: int) -> float:
    """Milliseconds that a reader waits for the latest stories."""
    started = time.perf_counter()
    await store.list_latest(5)
    await bot.send_message(chat, TEXT, rate_limit_args=RETRIES)
    return (time.perf_counter() - started) * 1000


async def ask_often(store: Store, bot: ExtBot[int], chats: int, over: asyncio.Event) -> list[float]:
    """Readers, half of them among those who get the story, ask at random moments."""
    chance, asked = random.Random(1), []
    async with asyncio.TaskGroup() as tasks:
        while not over.is_set():
            chat = FIRST_CHAT + chance.randrange(2 * chats)
            asked.append(tasks.create_task(ask(store, bot, chat)))
            await asyncio.sleep(chance.expovariate(ASKED_A_SECOND))
    return [task.result() for task in asked]


async def broadcast(url: str, chats: int, folder: Path) -> list[float]:
    """Deliver one story to all chats; gives the milliseconds that readers waited."""
    over = asyncio.Event()
    async with (
        outbox(url, chats, folder, FREE_RATE) as work,
        answering(url, work.budget) as bot,
        asyncio.TaskGroup() as tasks,
    ):
        asking = tasks.create_task(ask_often(work.store, bot, chats, over))
        await work.deliver()
        over.set()
    return asking.result()


def main() -> None:
    chats = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    for form in ("bucket", "window"):
        with served(ROUND_TRIP_MS, form) as url, tempfile.TemporaryDirectory() as folder:
            waits = uvloop.run(broadcast(url, chats, Path(folder)))
            report = stats(url)
        taken, refused = report["taken"], report["refused"]
        rate = (len(taken) - 1) / (taken[-1] - taken[0])
        late = statistics.quantiles(waits, n=20)[18]
        print(
            f"{form}: {len(taken)} messages, {rate / BOT_RATE:.3f} of {BOT_RATE}/s, 429s: bot"
            f" {refused['bot']}, chat {refused['chat']}; {len(waits)} answers, ms: median"
            f" {statistics.median(waits):.0f}, 95 % {late:.0f}, longest {max(waits):.0f}"
        )


if __name__ == "__main__":
    main()
