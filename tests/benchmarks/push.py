"""From publishing to the reader's chat where the site pings and where its hub pushes.

    python tests/benchmarks/push.py [STORIES]

Runs the service as a process of its own, over real HTTP, on a feed that is polled once an hour, so
that nothing but the ping or the push can have brought a story. The hub is the tests' own.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from hubs_served import served_hub  # noqa: E402
from service import eventually  # noqa: E402
from test_pushed import HOURLY, day  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from test_pushed import Day

STORIES = 40
PAUSE_S = 1.2


async def waits(today: Day, name: str, tell: Callable[[], Awaitable[None]], stories: int) -> None:
    """Publish stories at random moments and print how long each was on its way."""
    taken = []
    for number in range(stories):
        await asyncio.sleep(PAUSE_S + random.random())
        title = f"Ukur {name} {number:03}"
        today.site.titles.append(title)
        began = time.monotonic()
        await tell()
        await eventually(lambda t=title: today.count(t), title)
        taken.append(time.monotonic() - began)
    late = statistics.quantiles(taken, n=20, method="inclusive")[-1]
    print(
        f"{name:<8}median {statistics.median(taken):.2f} s, 95th percentile {late:.2f} s,"
        f" longest {max(taken):.2f} s ({stories} stories)"
    )


async def measure(stories: int) -> None:
    """Measure both ways, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            hub = await stack.enter_async_context(served_hub())
            running = day(Path(folder), hub.url, SEBAR_POLL_INTERVAL=HOURLY)
            today = await stack.enter_async_context(running)
            await eventually(lambda: hub.subscribers, "a subscription")
            await waits(today, "WebSub", lambda: hub.publish(today.feed_url), stories)
            await waits(today, "ping", today.ping, stories)


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else STORIES))
