"""The sample newsroom: a small regional news site that the demo and the tests read.

It serves what a WordPress site of the seed page's theme serves (home page, article pages, RSS,
Atom and JSON feeds with conditional GET) from memory, and takes the orders that a desk gives:
publish, correct, withdraw. All its stories are fiction and live in `stories.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import md5
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.sandbox.newsroom_feeds import FeedView, write_atom, write_json_feed, write_rss
from bot.sandbox.newsroom_pages import ASSET_TYPES, PAGE_STORIES, Pages, load_theme, story_url
from bot.sandbox.newsroom_stories import (
    Newsroom,
    NothingToChangeError,
    Submission,
    load_newsroom,
    one_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.sandbox.newsroom_stories import Article

__all__ = ["Newsroom", "Submission", "load_newsroom", "newsroom_app"]

FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def newsroom_app(
    newsroom: Newsroom,
    folder: Path,
    *,
    base_url: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> web.Application:
    """Build the site as an application that can be mounted anywhere.

    `folder` holds the theme's templates, pictures and style; `base_url` is the address under which
    readers reach the application, with or without a slash at its end. Raises OSError where a file
    of the theme is missing.
    """
    base = base_url.rstrip("/")
    site = _Site(newsroom, folder, base)
    desk = _Desk(newsroom, base, clock)
    app = web.Application()
    app.add_routes(
        [
            web.get("/", site.home),
            web.post("/publish", desk.publish),
            web.post("/correct", desk.correct),
            web.post("/withdraw", desk.withdraw),
            web.get("/assets/{name}", site.asset),
        ]
    )
    for prefix in ("", "/category/{section}", "/tag/{tag}"):
        app.router.add_get(f"{prefix}/feed/", site.rss)
        app.router.add_get(f"{prefix}/feed/atom/", site.atom)
        app.router.add_get(f"{prefix}/feed/json/", site.json_feed)
    for prefix in ("/category/{section}", "/tag/{tag}"):
        app.router.add_get(f"{prefix}/", site.listing)
    app.router.add_get("/{slug}/", site.article)
    app.router.add_get("/{path:.*[^/]}", site.add_slash)
    return app


@dataclass(frozen=True, slots=True)
class _Selection:
    """The stories of the whole site, of a section or of a tag: `path` is below the base."""

    heading: str
    path: str
    articles: list[Article]
    page: int

    @property
    def shown(self) -> list[Article]:
        return self.articles[(self.page - 1) * PAGE_STORIES : self.page * PAGE_STORIES]

    @property
    def has_more(self) -> bool:
        return len(self.articles) > self.page * PAGE_STORIES


class _Site:
    """What readers and feed readers ask for."""

    def __init__(self, newsroom: Newsroom, folder: Path, base: str) -> None:
        self._newsroom = newsroom
        self._base = base
        self._theme = load_theme(folder)
        self._pages = Pages(newsroom, self._theme, base)

    async def home(self, request: web.Request) -> web.Response:
        """Show the front page; `?p=ID` leads to the story whose guid that is."""
        wanted = request.query.get("p")
        if wanted is None:
            return await self.listing(request)
        article = next((one for one in self._newsroom.newest() if str(one.id) == wanted), None)
        if article is None:
            _not_found()
        raise web.HTTPMovedPermanently(story_url(self._base, article))

    async def listing(self, request: web.Request) -> web.Response:
        chosen = self._select(request)
        page = self._pages.listing(
            chosen.heading,
            chosen.shown,
            path=f"{chosen.path}/",
            newer=chosen.page - 1 or None,
            older=chosen.page + 1 if chosen.has_more else None,
        )
        return web.Response(text=page, content_type="text/html")

    async def article(self, request: web.Request) -> web.Response:
        slug = request.match_info["slug"]
        counts = request.method == "GET"
        article = self._newsroom.read(slug) if counts else self._newsroom.find(slug)
        if article is None:
            _not_found()
        return web.Response(text=self._pages.article(article), content_type="text/html")

    async def add_slash(self, request: web.Request) -> web.Response:
        """Send a page's address without its last slash to the proper one, as WordPress does."""
        path = request.match_info["path"]
        if "/" not in path and path != "feed" and self._newsroom.find(path) is None:
            _not_found()
        query = f"?{request.query_string}" if request.query_string else ""
        raise web.HTTPMovedPermanently(f"{self._base}/{path}/{query}")

    async def asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        body = self._theme.assets.get(name)
        if body is None:
            _not_found()
        return web.Response(
            body=body,
            content_type=ASSET_TYPES[PurePath(name).suffix],
            headers={"Cache-Control": "max-age=300"},
        )

    async def rss(self, request: web.Request) -> web.Response:
        return self._feed(request, write_rss, "feed/", "application/rss+xml")

    async def atom(self, request: web.Request) -> web.Response:
        return self._feed(request, write_atom, "feed/atom/", "application/atom+xml")

    async def json_feed(self, request: web.Request) -> web.Response:
        return self._feed(request, write_json_feed, "feed/json/", "application/feed+json")

    def _feed(
        self,
        request: web.Request,
        write: Callable[[FeedView], str],
        name: str,
        content_type: str,
    ) -> web.Response:
        chosen = self._select(request)
        validators = _validators(self._newsroom.changed_at)
        if _is_current(request, self._newsroom.changed_at, validators["ETag"]):
            return web.Response(status=304, headers=validators)
        home_url = f"{self._base}{chosen.path}/"
        view = FeedView(
            site=self._newsroom.site,
            base=self._base,
            url=f"{home_url}{name}" + (f"?paged={chosen.page}" if chosen.page > 1 else ""),
            home_url=home_url,
            articles=chosen.shown,
            changed_at=self._newsroom.changed_at,
            next_url=f"{home_url}{name}?paged={chosen.page + 1}" if chosen.has_more else None,
        )
        return web.Response(
            text=write(view), content_type=content_type, charset="UTF-8", headers=validators
        )

    def _select(self, request: web.Request) -> _Selection:
        """Find the stories that the address asks for, or answer 404 where there are none."""
        section = request.match_info.get("section", "")
        tag = request.match_info.get("tag", "")
        articles = self._newsroom.newest(section=section, tag=tag)
        heading, path = "Berita Terbaru", ""
        page = _page_number(request)
        narrowed = bool(section or tag)
        if not articles[(page - 1) * PAGE_STORIES :] and (narrowed or page > 1):
            _not_found()
        if section:
            heading, path = articles[0].section, f"/category/{section}"
        if tag:
            heading, path = f"Tag: {self._newsroom.tag_name(tag)}", f"/tag/{tag}"
        return _Selection(heading, path, articles, page)


class _Desk:
    """What the demo's visitor and the tests order; every answer is JSON."""

    def __init__(self, newsroom: Newsroom, base: str, clock: Callable[[], datetime]) -> None:
        self._newsroom = newsroom
        self._base = base
        self._clock = clock

    async def publish(self, request: web.Request) -> web.Response:
        """Publish the story in the body, or the next prepared one where the body is empty."""
        try:
            fields = await _read_fields(request)
            submission = _read_submission(fields) if fields else None
        except SubmissionError as fault:
            return _refusal(400, str(fault))
        return self._obey(lambda now: self._newsroom.publish(now, submission))

    async def correct(self, request: web.Request) -> web.Response:
        """Give the newest story the title in the body, or a corrected one of its own."""
        try:
            fields = await _read_fields(request)
            title = _read_text(fields, "title")
        except SubmissionError as fault:
            return _refusal(400, str(fault))
        return self._obey(lambda now: self._newsroom.correct(now, title))

    async def withdraw(self, _: web.Request) -> web.Response:
        return self._obey(self._newsroom.withdraw)

    def _obey(self, order: Callable[[datetime], Article]) -> web.Response:
        try:
            article = order(self._clock())
        except NothingToChangeError as fault:
            return _refusal(409, str(fault))
        return web.json_response({"title": article.title, "url": story_url(self._base, article)})


class SubmissionError(ValueError):
    """The body of an order cannot be understood; the text says why, for its sender."""


def _refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=status)


def _not_found() -> NoReturn:
    raise web.HTTPNotFound(text="Halaman tidak ditemukan.")


def _page_number(request: web.Request) -> int:
    text = request.query.get("paged", "1")
    is_number = text.isascii() and text.isdigit() and len(text) < 7
    return max(int(text), 1) if is_number else 1


def _validators(changed_at: datetime) -> dict[str, str]:
    last_modified = format_datetime(changed_at, usegmt=True)
    tag = md5(last_modified.encode(), usedforsecurity=False).hexdigest()
    return {"Last-Modified": last_modified, "ETag": f'"{tag}"'}


def _is_current(request: web.Request, changed_at: datetime, etag: str) -> bool:
    """Tell whether the client's copy is current: as in WordPress, all validators must match."""
    answers = []
    if client_etag := request.headers.get("If-None-Match"):
        answers.append(client_etag == etag)
    if request.headers.get("If-Modified-Since"):
        since = request.if_modified_since
        answers.append(since is not None and since >= changed_at)
    return bool(answers) and all(answers)


async def _read_fields(request: web.Request) -> dict[str, Any]:
    """Read a form or a JSON object. Raises SubmissionError for anything else."""
    if request.content_type in FORM_TYPES:
        try:
            form = await request.post()
        except (ValueError, LookupError, HttpProcessingError) as fault:
            raise SubmissionError("Isi permintaan bukan formulir yang sah.") from fault
        fields: dict[str, Any] = {name: form[name] for name in form}
        return fields | ({"tags": form.getall("tags")} if "tags" in form else {})
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as fault:
        raise SubmissionError("Isi permintaan bukan JSON yang sah.") from fault
    if not isinstance(data, dict):
        raise SubmissionError("Isi permintaan harus berupa objek JSON.")
    return data


def _read_submission(fields: dict[str, Any]) -> Submission:
    title = _read_text(fields, "title")
    if not one_line(title):
        raise SubmissionError("Berita perlu judul (title).")
    return Submission(
        title=title,
        summary=_read_text(fields, "summary"),
        body=_read_text(fields, "body"),
        tags=_read_tags(fields.get("tags")),
    )


def _read_text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SubmissionError(f"{name} harus berupa teks.")
    return value


def _read_tags(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value or ""]
    if not all(isinstance(item, str) for item in listed):
        raise SubmissionError("tags harus berupa teks atau daftar teks.")
    return tuple(tag for item in listed for tag in item.split(","))
