"""What every page of the console needs: who looks, in which language, and how a page is made."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from bot.dates import ago, long_date
from bot.web.assets import SAFE_HEADERS, wanted_language

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from bot.editing import Editing
    from bot.render import Renderer
    from bot.store import Store
    from bot.web.assets import Assets

HOME: Final = "/console/"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
LARGEST_NUMBER_CHARS: Final = 15
SOON: Final = timedelta(hours=6)
# A form's own pages see where it came from; nobody else does.
HEADERS: Final = SAFE_HEADERS | {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Opener-Policy": "same-origin",
}
TRANSPORT: Final = {"Strict-Transport-Security": "max-age=31536000"}


@dataclass(frozen=True, slots=True)
class Newsroom:
    """What the console needs of the rest.

    `proof_key` checks Telegram's word for who opened a page inside it, None where it cannot be.
    `export` gives the audience as lines. `public_url` is where the world reaches the console.
    """

    store: Store
    editing: Editing
    renderer: Renderer
    assets: Assets
    clock: Callable[[], datetime]
    zone: ZoneInfo
    export: Callable[[], AsyncIterator[str]]
    public_url: str | None = None
    proof_key: bytes | None = field(default=None, repr=False)

    @property
    def is_https(self) -> bool:
        """Whether the world reaches the console over https."""
        return (self.public_url or "").startswith("https://")

    def headers(self) -> Mapping[str, str]:
        """The headers of every answer."""
        return HEADERS | TRANSPORT if self.is_https else HEADERS


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in."""

    request: web.Request
    newsroom: Newsroom
    editor: int
    session: str = field(repr=False)
    language: str
    now: datetime

    @property
    def csrf(self) -> str:
        """What each form of this session must show."""
        return hmac.new(self.session.encode(), b"csrf", hashlib.sha256).hexdigest()

    def number(self, name: str) -> int:
        """A number of the address; 0, which nothing has, for anything else."""
        return whole(self.request.match_info.get(name, ""))

    def asked(self, name: str) -> str:
        """What the address asks for, "" where it does not."""
        return self.request.query.get(name, "").replace("\0", "").strip()

    async def said(self) -> dict[str, str]:
        """The fields of the form, the last where one came twice."""
        form = await self.request.post()
        return {
            name: value.replace("\0", "") for name, value in form.items() if isinstance(value, str)
        }

    def page(self, name: str, *, status: int = 200, **values: Any) -> web.Response:
        """A page of the console."""
        return page(
            self.newsroom,
            self.language,
            name,
            status=status,
            now=self.now,
            csrf=self.csrf,
            editor=self.editor,
            said=self.asked("said"),
            number=whole(self.asked("n")),
            **values,
        )

    def fragment(self, name: str, **values: Any) -> str:
        """A part of a page, as HTML."""
        known = _values(self.newsroom, self.language, self.now)
        return self.newsroom.renderer.page(
            f"console/{name}", **known, csrf=self.csrf, editor=self.editor, **values
        )

    def go(self, path: str, said: str = "", number: int | None = None) -> web.Response:
        """Lead to a page of the console that says what was done."""
        query = f"?said={said}" if said else ""
        query += f"&n={number}" if said and number is not None else ""
        return redirect(self.newsroom, HOME + path + query)

    def missing(self) -> web.Response:
        """There is nothing at this address."""
        return self.page("nothing", status=404)


def page(
    newsroom: Newsroom, language: str, name: str, *, status: int = 200, **values: Any
) -> web.Response:
    """A page, also for somebody who is not signed in."""
    now = values.pop("now", None) or newsroom.clock()
    text = newsroom.renderer.page(f"console/{name}", **_values(newsroom, language, now), **values)
    return web.Response(
        status=status, text=text, content_type="text/html", headers=newsroom.headers()
    )


def redirect(newsroom: Newsroom, path: str) -> web.Response:
    """Lead to another page of ours, by GET."""
    return web.Response(status=303, headers={**newsroom.headers(), hdrs.LOCATION: path})


def language_of(request: web.Request, newsroom: Newsroom) -> str:
    """The language of a page."""
    return wanted_language(request, newsroom.renderer.locale)


def whole(text: str) -> int:
    """A whole number as it is written; 0 for anything else."""
    sane = text.isascii() and text.isdecimal() and len(text) <= LARGEST_NUMBER_CHARS
    return int(text) if sane else 0


def _values(newsroom: Newsroom, language: str, now: datetime) -> dict[str, Any]:
    def relative(moment: datetime) -> str:
        return _relative(moment, now, newsroom.zone, language)

    def exact(moment: datetime) -> str:
        return long_date(moment, newsroom.zone, language)

    return {
        "language": language,
        "asset": newsroom.assets.address,
        "relative": relative,
        "exact": exact,
    }


def _relative(moment: datetime, now: datetime, zone: ZoneInfo, language: str) -> str:
    """How far a moment is: "dalam 5 menit", "5 menit lalu", else the date."""
    ahead = moment - now
    if not timedelta(minutes=-1) < ahead <= SOON or ahead <= timedelta(0):
        return ago(moment, now, zone, language)
    seconds = int(ahead.total_seconds())
    hours, minutes = divmod(max(seconds // 60, 0), 60)
    if language == "id":
        parts = [f"{hours} jam"] * (hours > 0) + [f"{minutes} menit"] * (minutes > 0)
        return f"dalam {' '.join(parts)}" if parts else "sebentar lagi"
    parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return f"in {' '.join(parts)}" if parts else "in a moment"
