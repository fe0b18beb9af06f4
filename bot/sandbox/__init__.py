"""A strict local Bot API server with a chat page: Telegram in memory, for the demo and the tests.

The bot talks to it as to api.telegram.org; only the address differs. `Sandbox` (state) is the
world with its verbs, `api` the Bot API on top of it, `control` the same verbs over HTTP for other
processes, `page` the messenger in the browser. Where the real server is patient (an unknown
parameter, a button with two actions), the sandbox refuses: a description that begins with
"Bad Request: sandbox:" tells of a bug of ours that the real one would hide.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from bot.sandbox.api import BotApi
from bot.sandbox.control import CLOSING, Control
from bot.sandbox.demo import DemoWorld, demo_world
from bot.sandbox.page import page_routes
from bot.sandbox.pushing import push_updates
from bot.sandbox.state import TOKEN, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

REQUEST_BYTES = 64 * 1024 * 1024

__all__ = ["TOKEN", "DemoWorld", "Sandbox", "demo_world", "sandbox_app", "serve"]


def sandbox_app(
    sandbox: Sandbox,
    *,
    world: DemoWorld | None = None,
    extra: Mapping[str, web.Application] | None = None,
) -> web.Application:
    """Give the application: Bot API, control API, the page if there is a demo world.

    `extra` mounts further applications below a path, such as "/newsroom/".
    """
    app = web.Application(client_max_size=REQUEST_BYTES)
    session_key = web.AppKey("session", aiohttp.ClientSession)

    async def background(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            app[session_key] = session
            pushing = asyncio.create_task(push_updates(sandbox))
            yield
            pushing.cancel()
            with suppress(asyncio.CancelledError):
                await pushing

    async def let_go(_app: web.Application) -> None:
        sandbox.updates.release()
        sandbox.emit(CLOSING, 0)

    app.cleanup_ctx.append(background)
    app.on_shutdown.append(let_go)
    app.router.add_route("*", "/bot{token}/{method}", BotApi(sandbox).handle)
    app.router.add_routes(Control(sandbox, lambda: app[session_key]).routes())
    if world:
        app.router.add_routes(page_routes(world))
    for path, part in (extra or {}).items():
        app.add_subapp(path, part)
    return app


async def serve(
    sandbox: Sandbox,
    host: str,
    port: int,
    extra: Mapping[str, web.Application] | None = None,
    *,
    world: DemoWorld | None = None,
) -> web.AppRunner:
    """Start the sandbox; `cleanup` of the runner ends it. Port 0 picks one: see `addresses`."""
    app = sandbox_app(sandbox, world=world, extra=extra)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
