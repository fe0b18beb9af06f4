"""The web surface: health, metrics, Telegram's webhook, short links, share pages."""

from __future__ import annotations

import hmac
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.errors import DatabaseError
from bot.web.assets import Assets
from bot.web.console import FILES as CONSOLE_FILES
from bot.web.console import Newsroom, add_console
from bot.web.health import find_faults
from bot.web.metrics import metrics_text
from bot.web.ping import Pings
from bot.web.share import SharePages
from bot.web.short import ShortLinks
from bot.web.websub import Callbacks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from bot.clicks import Clicks
    from bot.editing import Editing
    from bot.render import Renderer
    from bot.store import Store

FILES = ("share.css", "share.js", *CONSOLE_FILES)
LARGEST_BODY_BYTES = 1024 * 1024
LARGEST_UPDATE_ID = 2**53
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Front:
    """What the web surface needs.

    `accept` takes updates from Telegram; `webhook_secret` is None where there is no webhook;
    `token_fault` tells why Telegram refuses the token, None where it does not. `files` is the
    folder of styles and scripts, `public_url` where the world reaches the pages, if anywhere.
    The console is served where there is `editing`; it needs `export`, which gives the audience as
    lines, and `proof_key`, by which Telegram signs who opened a page inside it.
    """

    store: Store
    clock: Callable[[], datetime]
    accept: Callable[[list[dict[str, Any]]], Awaitable[None]]
    webhook_secret: str | None
    token_fault: Callable[[], str | None]
    clicks: Clicks
    renderer: Renderer
    files: Path
    zone: ZoneInfo
    public_url: str | None = None
    editing: Editing | None = None
    export: Callable[[], AsyncIterator[str]] | None = None
    proof_key: bytes | None = field(default=None, repr=False)


FRONT = web.AppKey("front", Front)


def web_app(front: Front) -> web.Application:
    """The surface as an aiohttp application."""
    app = web.Application(client_max_size=LARGEST_BODY_BYTES)
    app[FRONT] = front
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_post("/telegram/{name}", webhook)
    ShortLinks(front.clicks, front.renderer, front.clock).add_to(app)
    assets = Assets(front.files, FILES)
    assets.add_to(app)
    SharePages(front.store, front.renderer, assets, front.zone, front.public_url).add_to(app)
    Callbacks(front.store, front.clock).add_to(app)
    Pings(front.store, front.clock).add_to(app)
    if front.editing is not None and front.export is not None:
        newsroom = Newsroom(
            store=front.store,
            editing=front.editing,
            renderer=front.renderer,
            assets=assets,
            clock=front.clock,
            zone=front.zone,
            export=front.export,
            public_url=front.public_url,
            proof_key=front.proof_key,
        )
        add_console(app, newsroom)
    return app


async def healthz(_: web.Request) -> web.Response:
    """The process lives."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Database, feeds and token work; 503 with every reason where one does not."""
    front = request.app[FRONT]
    faults = await find_faults(front.store)
    token_fault = front.token_fault()
    if token_fault:
        faults.append(f"Telegram refuses the bot's token: {token_fault}")
    if faults:
        return web.Response(status=503, text="\n".join(faults) + "\n")
    return web.Response(text="ready\n")


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text format 0.0.4."""
    front = request.app[FRONT]
    now = front.clock()
    try:
        await front.clicks.flush(now)
        text = await metrics_text(front.store, now)
    except DatabaseError as error:
        return web.Response(status=503, text=f"{error}\n")
    return web.Response(
        text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def webhook(request: web.Request) -> web.Response:
    """Take one update: kept first, answered at once, handled after.

    Source: Bot API, setWebhook, secret_token.
    """
    front = request.app[FRONT]
    stated = request.headers.get(SECRET_HEADER, "")
    secret = front.webhook_secret
    if secret is None or not hmac.compare_digest(stated.encode(), secret.encode()):
        return web.Response(status=403, text="wrong secret\n")
    try:
        update = json.loads(await request.read())
    except (ValueError, RecursionError):
        return web.Response(status=400, text="not JSON\n")
    if not isinstance(update, dict) or not _is_update_id(update.get("update_id")):
        return web.Response(status=400, text="not an update\n")
    await front.accept([update])
    return web.Response()


def _is_update_id(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < LARGEST_UPDATE_ID
