"""Short links: to a story's address at once, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from bot.clicks import Clicks
from bot.errors import DatabaseError
from bot.render import Renderer
from bot.types import ClickKind
from bot.visitors import is_ahead_of_time, is_machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

CLICKS = web.AppKey("clicks", Clicks)
RENDERER = web.AppKey("renderer", Renderer)
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock")
PURPOSES = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
# Kept by nobody, so that each click comes here; found by no search engine.
HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
PAGE_HEADERS = HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
RETRY_AFTER_S = "5"


async def short_link(request: web.Request) -> web.Response:
    """Lead from a short URL to its story and count the click.

    302; 404 where there is no such link, 410 where the story is withdrawn, each a small page; 503
    where the database is away. It leads to stored stories only, whatever the request says.
    """
    clicks = request.app[CLICKS]
    try:
        target = await clicks.find(request.match_info["code"], request.app[CLOCK]())
    except DatabaseError:
        return _page(request, 503, "unavailable", {"Retry-After": RETRY_AFTER_S})
    if target is None:
        return _page(request, 404, "unknown")
    if not target.location:
        return _page(request, 410, "withdrawn")
    clicks.count(target, _kind(request))
    return web.Response(status=302, headers={hdrs.LOCATION: target.location, **HEADERS})


def _kind(request: web.Request) -> ClickKind:
    headers = request.headers
    if (
        request.method == hdrs.METH_HEAD
        or is_machine(headers.get(hdrs.USER_AGENT))
        or any(is_ahead_of_time(headers.get(name)) for name in PURPOSES)
    ):
        return ClickKind.PREVIEW
    return ClickKind.READER


def _page(
    request: web.Request, status: int, name: str, headers: dict[str, str] | None = None
) -> web.Response:
    renderer = request.app[RENDERER]
    return web.Response(
        status=status,
        text=renderer.page("short", language=renderer.locale, name=name),
        content_type="text/html",
        headers=PAGE_HEADERS | (headers or {}),
    )
