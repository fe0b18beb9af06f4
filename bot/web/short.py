"""Short links: to a story's address at once, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from bot.errors import DatabaseError
from bot.types import ClickKind
from bot.visitors import is_ahead_of_time, is_machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bot.clicks import Clicks
    from bot.render import Renderer

PURPOSES = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
# Kept by nobody, so that each click comes here; found by no search engine.
HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
PAGE_HEADERS = HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
RETRY_AFTER_S = "5"


@dataclass(frozen=True, slots=True)
class ShortLinks:
    """The route of our own short links."""

    clicks: Clicks
    renderer: Renderer
    clock: Callable[[], datetime]

    def add_to(self, app: web.Application) -> None:
        """Serve `/s/CODE`."""
        app.router.add_get("/s/{code}", self.follow)
        app.router.add_get("/s/{code}/", self.follow)

    async def follow(self, request: web.Request) -> web.Response:
        """Lead from a short URL to its story and count the click.

        302; 404 where there is no such link, 410 where the story is withdrawn, each a small page;
        503 where the database is away. It leads to stored stories only, whatever is asked.
        """
        try:
            target = await self.clicks.find(request.match_info["code"], self.clock())
        except DatabaseError:
            return self._page(503, "unavailable", {"Retry-After": RETRY_AFTER_S})
        if target is None:
            return self._page(404, "unknown")
        if not target.location:
            return self._page(410, "withdrawn")
        self.clicks.count(target, _kind(request))
        return web.Response(status=302, headers={hdrs.LOCATION: target.location, **HEADERS})

    def _page(self, status: int, name: str, headers: dict[str, str] | None = None) -> web.Response:
        return web.Response(
            status=status,
            text=self.renderer.page("short", language=self.renderer.locale, name=name),
            content_type="text/html",
            headers=PAGE_HEADERS | (headers or {}),
        )


def _kind(request: web.Request) -> ClickKind:
    headers = request.headers
    if (
        request.method == hdrs.METH_HEAD
        or is_machine(headers.get(hdrs.USER_AGENT))
        or any(is_ahead_of_time(headers.get(name)) for name in PURPOSES)
    ):
        return ClickKind.PREVIEW
    return ClickKind.READER
