"""The share page: every form of one story, for anybody to copy or pass on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from bot.dates import long_date
from bot.errors import DatabaseError
from bot.qr import qr_svg
from bot.text import one_line, shorten
from bot.types import Platform
from bot.web.assets import SAFE_HEADERS, wanted_language

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from bot.render import Renderer
    from bot.store import Store
    from bot.types import ShareLinks, ShareSheet, Story
    from bot.web.assets import Assets

CODE = "[A-Za-z0-9_-]{1,64}"
KEPT = "public, max-age=60"
DESCRIPTION_CHARS = 200
RETRY_AFTER_S = "5"
NAMES = {
    "facebook": "Facebook",
    "x": "X",
    "threads": "Threads",
    "email": "Email",
}


@dataclass(frozen=True, slots=True)
class SharePages:
    """The routes of the share pages. `public_url` is where the world reaches them, if anywhere."""

    store: Store
    renderer: Renderer
    assets: Assets
    zone: ZoneInfo
    public_url: str | None

    def add_to(self, app: web.Application) -> None:
        """Serve `/share/CODE`."""
        app.router.add_get(rf"/share/{{code:{CODE}}}{{slash:/?}}", self.page)
        app.router.add_get("/share/{rest:.*}", self.nothing)

    async def page(self, request: web.Request) -> web.Response:
        """One story's page; 404 where there is none, 410 where it is withdrawn."""
        language = wanted_language(request, self.renderer.locale)
        code = request.match_info["code"]
        try:
            linked = await self.store.find_linked_story(code)
            story = await self.store.find_story_by_code(code)
        except DatabaseError:
            return self._nowhere(language, 503, "unavailable", {"Retry-After": RETRY_AFTER_S})
        if linked is None or story is None:
            return self._nowhere(language, 404, "unknown")
        if linked.withdrawn:
            return self._nowhere(language, 410, "withdrawn")
        address = f"{self.public_url or request.url.origin()}/share/{story.code}"
        return _kept(request, self._text(story, address, language))

    async def nothing(self, request: web.Request) -> web.Response:
        """What is no code leads nowhere."""
        return self._nowhere(wanted_language(request, self.renderer.locale), 404, "unknown")

    def _text(self, story: Story, address: str, language: str) -> str:
        sheet = self.renderer.share_sheet(story)
        when = story.published_at
        return self.renderer.page(
            "share",
            language=language,
            story=story,
            title=one_line(story.title),
            address=address,
            description=shorten(one_line(story.summary), DESCRIPTION_CHARS),
            cards=_cards(sheet),
            more=_more(sheet.links),
            url=sheet.copy_url or "",
            qr=_qr(self.renderer.link(story, Platform.QR)),
            when=long_date(when, self.zone, language) if when else "",
            asset=self.assets.address,
        )

    def _nowhere(
        self, language: str, status: int, name: str, headers: dict[str, str] | None = None
    ) -> web.Response:
        return web.Response(
            status=status,
            text=self.renderer.page("short", language=language, name=name),
            content_type="text/html",
            headers=SAFE_HEADERS | {"Cache-Control": "no-store"} | (headers or {}),
        )


def _cards(sheet: ShareSheet) -> list[dict[str, Any]]:
    texts, links = sheet.texts, sheet.links
    ways: dict[str, tuple[str, str, list[tuple[str, str | None]]]] = {
        "telegram": ("Telegram", texts.telegram, [("open", links.telegram)]),
        "whatsapp": ("WhatsApp", texts.whatsapp, [("open", links.whatsapp)]),
        "line": ("LINE", texts.line, [("open", links.line), ("desktop", links.line_desktop)]),
        "plain": ("", texts.plain, []),
    }
    return [
        {
            "name": name,
            "title": title,
            "text": text,
            "links": [(word, href) for word, href in found if href],
        }
        for name, (title, text, found) in ways.items()
    ]


def _more(links: ShareLinks) -> list[tuple[str, str]]:
    found = [(title, getattr(links, name)) for name, title in NAMES.items()]
    return [(title, href) for title, href in found if href]


def _qr(url: str) -> str:
    """The code as an element; empty for an address that no code holds."""
    try:
        return qr_svg(url)
    except ValueError:
        return ""


def _kept(request: web.Request, text: str) -> web.Response:
    """An answer that may be kept for a minute and asked for again by its tag."""
    tag = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    headers = SAFE_HEADERS | {
        "Cache-Control": KEPT,
        hdrs.VARY: "Accept-Language",
        hdrs.ETAG: f'"{tag}"',
    }
    asked = request.if_none_match or ()
    if any(one.value in {tag, "*"} for one in asked):
        return web.Response(status=304, headers=headers)
    return web.Response(text=text, content_type="text/html", headers=headers)
