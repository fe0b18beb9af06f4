"""`sebar demo`: a sample newsroom, the unchanged bot and a chat page, all on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bot import app, sandbox
from bot.errors import SettingsError
from bot.sandbox.newsroom import load_newsroom, newsroom_app

if TYPE_CHECKING:
    from bot.sandbox import DemoWorld, Sandbox
    from bot.sandbox.newsroom import Newsroom
    from bot.settings import Settings

HOST = "127.0.0.1"
POLL_INTERVAL_S = 2.0
READY_EVERY_S = 0.25
READ_PAUSE_S = 1.5
FIRST_STORY_AFTER_S = 3.0


async def run_demo(
    settings: Settings, stopping: asyncio.Event, *, port: int, feed: str | None
) -> None:
    """Serve the demo until told to stop. Raises SettingsError where the port is taken."""
    newsroom = load_newsroom(app.resource_folder("data") / "newsroom", app.clock())
    chats = sandbox.Sandbox()
    world = sandbox.demo_world(chats)
    address = f"http://{HOST}:{port}"
    site = newsroom_app(
        newsroom,
        app.resource_folder("data") / "newsroom",
        base_url=f"{address}/newsroom",
        clock=app.clock,
    )
    try:
        runner = await sandbox.serve(chats, HOST, port, {"/newsroom/": site}, world=world)
    except OSError as error:
        fault = f"port {port}: {error.strerror}; choose another one, make demo PORT=9000"
        raise SettingsError([fault]) from error
    try:
        with tempfile.TemporaryDirectory(prefix="sebar-demo-") as folder:
            own = demo_settings(settings, world, address, folder, feed)
            print(f"Sebar's demo is at {address}/ (Ctrl+C ends it)", flush=True)
            console = f"{app.console_url(own)}/console/"
            print(f"Its console is at {console} (/console to the bot opens it)", flush=True)
            async with asyncio.TaskGroup() as tasks:
                opening = tasks.create_task(
                    _open_the_day(chats, world, newsroom if feed is None else None, own.port)
                )
                await app.serve(own, app.Role.ALL, stopping)
                opening.cancel()
    finally:
        await runner.cleanup()


def demo_settings(
    settings: Settings, world: DemoWorld, address: str, folder: str, feed: str | None
) -> Settings:
    """The operator's settings, turned to the sandbox and a database that goes with the demo."""
    return replace(
        settings,
        token=world.token,
        api_url=address,
        feeds=(feed or f"{address}/newsroom/feed/",),
        channels=(),
        editors=(world.editor_id,),
        approval="auto",
        hold_s=0.0,
        public_url=None,
        shortener="none",
        bind=HOST,
        port=_free_port(),
        database_url=f"sqlite:///{Path(folder) / 'demo.db'}",
        poll_interval_s=POLL_INTERVAL_S if feed is None else settings.poll_interval_s,
    )


async def _open_the_day(
    chats: Sandbox, world: DemoWorld, newsroom: Newsroom | None, port: int
) -> None:
    """What the visitor sees happen by itself: a reader subscribes, then a story comes out."""
    await _wait_until_ready(port)
    chats.say(world.reader_id, world.reader_id, "/start")
    await asyncio.sleep(READ_PAUSE_S)
    chats.say(world.reader_id, world.reader_id, "/langganan")
    for chat_id in (world.channel_id, world.group_id):
        chats.say(world.editor_id, chat_id, "/langganan")
    if newsroom is not None:
        await asyncio.sleep(FIRST_STORY_AFTER_S)
        newsroom.publish(app.clock())


async def _wait_until_ready(port: int) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://{HOST}:{port}/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(READY_EVERY_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
