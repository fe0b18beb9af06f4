"""Sebar as its operator runs it: a process of its own, against the sandbox over real HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bot.sandbox import Sandbox, serve

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable

    from aiohttp import web

ROOT = Path(__file__).parent.parent
LONGEST_WAIT_S = 60.0
POLL_INTERVAL_S = 0.5


@dataclass
class Telegram:
    """A sandbox and its address."""

    sandbox: Sandbox
    url: str


@asynccontextmanager
async def telegram(port: int = 0, **extra: web.Application) -> AsyncIterator[Telegram]:
    """Serve a sandbox; each keyword mounts an application below /<name>/."""
    sandbox = Sandbox()
    mounted = {f"/{name}/": app for name, app in extra.items()}
    runner = await serve(sandbox, "127.0.0.1", port, mounted)
    try:
        yield Telegram(sandbox, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


@dataclass
class Service:
    """One `sebar` process and how it is set; it can be killed and started again."""

    folder: Path
    environ: dict[str, str]
    role: str = "run"
    process: Process | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self.port = int(self.environ.get("PORT") or free_port())

    @property
    def url(self) -> str:
        """Where the web role answers."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *, ready: bool = True) -> None:
        """Start the process, and wait until it is ready."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environ = {**kept, "PYTHONPATH": str(ROOT), "PORT": str(self.port), **self.environ}
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", self.role, cwd=self.folder, env=environ, stderr=log
            )
        if ready:
            await self.wait_ready()

    async def wait_ready(self) -> None:
        """Wait until /readyz says so."""
        async with asyncio.timeout(LONGEST_WAIT_S), aiohttp.ClientSession() as session:
            while not await _is_ready(session, f"{self.url}/readyz"):
                assert self.process is not None
                assert self.process.returncode is None, self.log()
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End the process as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask the process to end; gives its exit code."""
        return await self._end(signal.SIGTERM)

    def log(self) -> str:
        """All that the process wrote."""
        return (self.folder / "log").read_text()

    async def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        with suppress(ProcessLookupError):
            process.send_signal(number)
        return await asyncio.wait_for(process.wait(), LONGEST_WAIT_S)


@asynccontextmanager
async def service(
    folder: Path, telegram: Telegram, feed_url: str, **environ: str
) -> AsyncIterator[Service]:
    """Run Sebar on a feed; further settings by keyword."""
    settings = {
        "SEBAR_TELEGRAM_TOKEN": telegram.sandbox.token,
        "SEBAR_TELEGRAM_API_URL": telegram.url,
        "SEBAR_FEEDS": feed_url,
        "SEBAR_POLL_INTERVAL": str(POLL_INTERVAL_S),
        **environ,
    }
    running = Service(folder, settings)
    await running.start()
    try:
        yield running
    finally:
        await running.kill()


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    try:
        async with asyncio.timeout(LONGEST_WAIT_S):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    with suppress(aiohttp.ClientError):
        async with session.get(url) as response:
            return response.status == 200
    return False
