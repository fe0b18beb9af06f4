"""What the pages have in common: styles and scripts, safe headers, the reader's language."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from bot.text import language_of

if TYPE_CHECKING:
    from pathlib import Path

TYPES: Final = {"css": "text/css", "js": "text/javascript"}
FOR_GOOD: Final = "public, max-age=31536000, immutable"
MOST_LANGUAGES: Final = 20
SAFE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served; `tag` changes with its content."""

    body: bytes
    content_type: str
    tag: str


class Assets:
    """The files of a folder that pages may ask for, each under an address that names its content.

    `names` are all that is served.
    """

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._files = {name: _read(folder / name) for name in names}

    def address(self, name: str) -> str:
        """Where a page finds a file."""
        return f"/static/{name}?v={self._files[name].tag}"

    def add_to(self, app: web.Application) -> None:
        """Serve `/static/NAME`."""
        app.router.add_get("/static/{name}", self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        current = request.query.get("v") == file.tag
        headers = SAFE_HEADERS | {"Cache-Control": FOR_GOOD if current else "no-cache"}
        return web.Response(
            body=file.body, content_type=file.content_type, charset="utf-8", headers=headers
        )


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    tag = hashlib.blake2b(body, digest_size=6).hexdigest()
    return Asset(body, TYPES[path.suffix.removeprefix(".")], tag)


def wanted_language(request: web.Request, default: str) -> str:
    """The language of ours that a browser likes best.

    Source: RFC 9110, section 12.5.4.
    """
    stated = request.headers.get(hdrs.ACCEPT_LANGUAGE, "")
    liked = sorted(map(_liking, stated.split(",")[:MOST_LANGUAGES]), key=lambda one: -one[1])
    return next((language for language, weight in liked if language and weight > 0), default)


def _liking(part: str) -> tuple[str | None, float]:
    code, _, weight = part.partition(";")
    try:
        liked = float(weight.strip().removeprefix("q=") or 1)
    except ValueError:
        liked = 0.0
    return language_of(code.strip()), liked
