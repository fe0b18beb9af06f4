"""The chat page: Sebar's sandbox as a visitor without a Telegram account sees it."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from bot.sandbox.demo import DemoWorld

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_STATIC = {
    "sandbox.css": "text/css",
    "sandbox.js": "text/javascript",
    "sandbox.bubbles.js": "text/javascript",
    "sandbox.words.js": "text/javascript",
}


def page_routes(world: DemoWorld) -> list[web.RouteDef]:
    """Give the routes of the page and of its style and script."""

    async def page(_request: web.Request) -> web.Response:
        text = (_folder() / "sandbox.html").read_text("utf-8")
        setup = escape(json.dumps(world.public()), quote=True)
        return _served(text.replace("{{setup}}", setup), "text/html")

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        return _served((_folder() / "static" / name).read_text("utf-8"), _STATIC[name])

    return [web.get("/", page), web.get("/static/{name}", static)]


def _served(text: str, content_type: str) -> web.Response:
    return web.Response(text=text, content_type=content_type, charset="utf-8", headers=_HEADERS)


def _folder() -> Path:
    """Give the templates' folder: in the installed package, else in the checkout."""
    package = Path(str(files("bot")))
    inside = package / "templates" / "web"
    return inside if inside.is_dir() else package.parent / "templates" / "web"
