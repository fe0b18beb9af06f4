"""Link preview cards for the chat page: what a page of the demo's newsroom says of itself."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp

if TYPE_CHECKING:
    from bot.sandbox.records import Json

CARD_BYTES = 512 * 1024
CARD_TIMEOUT_S = 5.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


async def read_card(session: aiohttp.ClientSession, url: str, port: int) -> Json:
    """Give title, description, image and site of a page served by this very process.

    Any other address gives its host alone: the sandbox asks nothing of the world. `image` is a
    path, so that it loads under whichever loopback name the visitor uses.
    """
    try:
        parts = urlsplit(url)
        own = parts.hostname in LOOPBACK and parts.port == port
    except ValueError:
        return {"site": ""}
    card: Json = {"site": parts.hostname or ""}
    if not own or parts.scheme != "http":
        return card
    local = urlunsplit(("http", f"127.0.0.1:{port}", parts.path, parts.query, ""))
    try:
        async with session.get(
            local, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=CARD_TIMEOUT_S)
        ) as answer:
            if answer.status != 200 or answer.content_type != "text/html":
                return card
            body = await answer.content.read(CARD_BYTES)
    except (aiohttp.ClientError, TimeoutError):
        return card
    return card | _described(body.decode("utf-8", "replace"))


def _described(page: str) -> Json:
    reader = _MetaReader()
    reader.feed(page)
    meta = reader.meta
    image = urlsplit(meta.get("og:image", ""))
    found = {
        "title": meta.get("og:title") or reader.title.strip(),
        "description": meta.get("og:description") or meta.get("description", ""),
        "image": urlunsplit(("", "", image.path, image.query, "")),
        "site": meta.get("og:site_name", ""),
    }
    return {name: value for name, value in found.items() if value}


class _MetaReader(HTMLParser):
    """Gathers the metas of a page and its title."""

    def __init__(self) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.title = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title"
        if tag == "meta":
            values = dict(attrs)
            name = values.get("property") or values.get("name") or ""
            self.meta.setdefault(name.lower(), values.get("content") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
