"""Short links on one core, beside aiohttp's bare 302: requests a second, CPU, latency, counts.

Each server runs in a process of its own on one core, the client on another. Sebar's clicks are
counted in a SQLite file, flushed as in the product.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from aiohttp import web

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests"), str(ROOT)]

from factories import stored_story  # noqa: E402

from bot.app import COUNT_EVERY_S, repeat  # noqa: E402
from bot.clicks import Clicks  # noqa: E402
from bot.db import open_database  # noqa: E402
from bot.render import Renderer  # noqa: E402
from bot.store import Store  # noqa: E402
from bot.types import ClickKind  # noqa: E402
from bot.web.short import ShortLinks  # noqa: E402

REQUESTS = 20_000
CONNECTIONS = 32
ROUNDS = 3
STORIES = 50
MARKS = "twlfxhec"
PACED_RATE = 5_000
AGENT = (
    "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Mobile Safari/537.36"
)
LOCATION = "https://kabar.example/berita-1/?utm_source=whatsapp&utm_medium=share"


def now() -> datetime:
    return datetime.now(UTC)


async def bare(_: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": LOCATION, "Cache-Control": "no-store"})


async def serve(kind: str, database: str) -> None:
    """Serve until standard input ends; the first line written is the port."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    stopping = asyncio.Event()
    if kind == "bare":
        app, clicks = web.Application(), None
        app.router.add_get("/s/{code}", bare)
    else:
        store = Store(await open_database(f"sqlite:///{database}"))
        clicks = Clicks(store, UTC, utm=True)
        renderer = Renderer(locale="id", zone=UTC, utm=True, builtin=ROOT / "templates")
        app = web.Application()
        ShortLinks(clicks, renderer, now).add_to(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with asyncio.TaskGroup() as tasks:
        if clicks:
            step = partial(_flush, clicks)
            tasks.create_task(repeat(step, COUNT_EVERY_S, stopping))
        print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(time.process_time(), flush=True)
        stopping.set()
    await runner.cleanup()
    if clicks:
        await clicks.flush(now())


async def _flush(clicks: Clicks, moment: datetime) -> bool:
    await clicks.flush(moment)
    return False


class Reader(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._run.idle.append(self)
        if not self._run.paced:
            self.ask()

    def ask(self) -> None:
        request = self._run.next_request()
        if request is None:
            self._transport.close()
            return
        self._asked_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 302 "), data
        self._run.answered(time.perf_counter() - self._asked_at)
        if self._run.paced:
            self._run.idle.append(self)
        else:
            self.ask()


class Run:
    """The requests of one round."""

    def __init__(self, codes: list[str], number: int, *, paced: bool) -> None:
        form = "GET /s/{} HTTP/1.1\r\nHost: bot.example\r\nUser-Agent: {}\r\n\r\n"
        self._requests = [form.format(code, AGENT).encode() for code in codes]
        self._left = number
        self.paced = paced
        self.idle: list[Reader] = []
        self.waits: list[float] = []
        self.done = asyncio.Event()
        self._number = number

    def next_request(self) -> bytes | None:
        if not self._left:
            return None
        self._left -= 1
        return self._requests[self._left % len(self._requests)]

    def answered(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        if len(self.waits) == self._number:
            self.done.set()

    async def pace(self) -> None:
        """Ask at PACED_RATE, in time, as long as connections are idle."""
        started, asked = time.perf_counter(), 0
        while asked < self._number:
            due = min(int((time.perf_counter() - started) * PACED_RATE), self._number)
            while asked < due and self.idle:
                self.idle.pop().ask()
                asked += 1
            await asyncio.sleep(0)


async def measure(kind: str, database: str, codes: list[str], *, paced: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "serve", kind, database]
    server = subprocess.Popen(  # noqa: ASYNC220
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin
    assert server.stdout
    port = int(server.stdout.readline())
    run = Run(codes, REQUESTS, paced=paced)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Reader(run), "127.0.0.1", port)
    if paced:
        await run.pace()
    await run.done.wait()
    took_s = time.perf_counter() - started
    server.stdin.write("\n")
    server.stdin.flush()
    cpu_s = float(server.stdout.readline())
    server.communicate()
    waits = statistics.quantiles(run.waits, n=100)
    return {
        "rate": REQUESTS / took_s,
        "cpu_us": cpu_s / REQUESTS * 1e6,
        "p50_ms": waits[49] * 1e3,
        "p99_ms": waits[98] * 1e3,
    }


async def counted(database: str) -> int:
    opened = await open_database(f"sqlite:///{database}")
    totals = await Store(opened).count_all_clicks()
    await opened.close()
    return sum(number for (_, kind), number in totals.items() if kind is ClickKind.READER)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = f"{folder}/sebar.db"
        opened = await open_database(f"sqlite:///{database}")
        store = Store(opened)
        stories = [await stored_story(store, number) for number in range(STORIES)]
        await opened.close()
        codes = [f"{story.code}{mark}" for story in stories for mark in MARKS]
        asked = 0
        for paced in (False, True):
            print(f"at {PACED_RATE:,} requests a second" if paced else "as fast as it goes")
            for kind in ("bare", "sebar") * ROUNDS:
                found = await measure(kind, database, codes, paced=paced)
                asked += REQUESTS if kind == "sebar" else 0
                print(
                    f"  {kind:6} {found['rate']:7,.0f} requests/s, {found['cpu_us']:5.0f} µs CPU,"
                    f" p50 {found['p50_ms']:6.2f} ms, p99 {found['p99_ms']:6.2f} ms"
                )
        print(f"asked {asked:,}, counted {await counted(database):,}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(sys.argv[2], sys.argv[3]))
    else:
        asyncio.run(main())
