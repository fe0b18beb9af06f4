"""The adapter to what a WordPress site states of its posts beyond the feed: its REST API, wp-json.

The API must live where the feed does; which addresses are reached at all the session decides.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import aiohttp

from bot.article.prose import story_lines
from bot.errors import FetchError, ParseError
from bot.feeds.source import USER_AGENT
from bot.links import story_key
from bot.markup import text_lines, title_text, web_url
from bot.types import Entry, Look, Post, Presence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.types import Story

REST_ROUTE: Final = "wp/v2/posts"
PAGE_POSTS: Final = 50
MODIFIED_POSTS: Final = 20
# More of them than a bulk edit makes within the seconds that two visits read twice.
MODIFIED_PAGES: Final = 10
MAX_BODY_BYTES: Final = 5_000_000
MAX_REDIRECTS: Final = 5
# A site under load takes its time; who cannot wait so long gives up sooner.
TOTAL_S: Final = 15.0
_GONE: Final = frozenset({404, 410})
_FRONTS: Final = frozenset({"", "/", "/index.php", "/index.html"})
_TEXT_FIELDS: Final = "id,date_gmt,modified_gmt,slug,link,guid,title,excerpt,content"
# What is embedded costs the site three more requests a post, inside of it.
_FIELDS: Final = {
    "_fields": f"{_TEXT_FIELDS},_links,_embedded",
    "_embed": "author,wp:featuredmedia,wp:term",
}
_API_LINK: Final = re.compile(r"<([^<>]{1,2000})>\s*;[^,]{0,200}?rel=\"?https://api\.w\.org/\"?")
_POST_ID: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class _Answer:
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class WordPressArchive:
    """Reads posts over a site's REST API and looks at pages; implements `ports.Archive`."""

    def __init__(self, session: aiohttp.ClientSession, total_s: float = TOTAL_S) -> None:
        self._session = session
        self._total_s = total_s

    async def find(self, feed_url: str) -> str | None:
        """The address of the API that a feed's site names, else the one where it usually is.

        None where there is none, or none that answers strangers. Raises FetchError where the site
        cannot be asked now.
        Source: WordPress REST API handbook, "Discovery".
        """
        answer = await self._get(feed_url, body=False)
        named = _API_LINK.search(answer.headers.get("Link", ""))
        found = named[1] if named else urljoin(f"{_site(answer.url)}/", "wp-json/")
        api_url = web_url(found, answer.url)
        if api_url is None or _host(api_url) != _host(feed_url):
            return None
        try:
            await self._list(api_url, {"per_page": "1", "_fields": "id"})
        except ParseError:
            return None
        except FetchError as error:
            if not is_refusal(error):
                raise
            return None
        return api_url

    async def list_posts(self, api_url: str, wanted: Sequence[Story]) -> list[Post]:
        """The public posts that are these stories, by id or else by slug, in no order.

        Raises FetchError, ParseError.
        """
        posts: dict[int, Post] = {}
        for query in _queries(wanted):
            found = await self._list(api_url, {**query, **_FIELDS})
            posts.update((post.id, post) for one in found if (post := _post(one, api_url)))
        return list(posts.values())

    async def list_modified(self, api_url: str, since: datetime) -> list[Post]:
        """Public posts modified after a moment, the earliest first, without what is embedded.

        At most MODIFIED_POSTS times MODIFIED_PAGES. Raises FetchError, ParseError.
        """
        query = {
            "modified_after": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "orderby": "modified",
            "order": "asc",
            "per_page": str(MODIFIED_POSTS),
            "_fields": _TEXT_FIELDS,
        }
        posts: dict[int, Post] = {}
        for page in range(1, MODIFIED_PAGES + 1):
            try:
                found = await self._list(api_url, {**query, "page": str(page)})
            except FetchError as error:
                if page > 1 and is_refusal(error):
                    break
                raise
            posts.update((post.id, post) for one in found if (post := _post(one, api_url)))
            if len(found) < MODIFIED_POSTS:
                break
        return list(posts.values())

    async def list_public(self, api_url: str, wanted: Sequence[Story]) -> list[int]:
        """Ids of those stories that the site shows to everybody. Raises FetchError, ParseError."""
        shown: list[int] = []
        for query in _queries(wanted):
            fields = {"_fields": "id,link,guid,content.protected"}
            found = await self._list(api_url, {**query, **fields})
            public = [one for one in found if not _within(one, "content").get("protected")]
            ids = {one.get("id") for one in public}
            guids = {_text(_within(one, "guid").get("rendered")) for one in public}
            keys = {
                story_key(url) for one in public if (url := web_url(_text(one.get("link")), ""))
            }
            shown += [
                story.id
                for story in wanted
                if story.guid in guids
                or story_key(story.url) in keys
                or int(_stated_id(story.guid) or _stated_id(story.url) or 0) in ids
            ]
        return shown

    async def look(self, url: str) -> Look:
        """See whether a page is there; a redirect to the site's front says nothing."""
        try:
            answer = await self._get(url, body=False)
        except FetchError:
            return Look(Presence.UNSURE, url)
        if answer.status in _GONE and _host(answer.url) == _host(url):
            return Look(Presence.GONE, answer.url)
        led_home = _is_front(answer.url) and not _is_front(url)
        if answer.status == 200 and not led_home:
            return Look(Presence.HERE, answer.url)
        return Look(Presence.UNSURE, answer.url)

    async def _list(self, api_url: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        answer = await self._get(_endpoint(api_url, query), body=True)
        if _host(answer.url) != _host(api_url):
            raise ParseError("the site's API leads to another site")
        if answer.status != 200:
            raise FetchError(f"the site's API answers {answer.status}", status=answer.status)
        try:
            stated = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise ParseError("the site's API does not answer in JSON") from error
        if not isinstance(stated, list):
            raise ParseError("the site's API does not answer with a list")
        return [one for one in stated if isinstance(one, dict)]

    async def _get(self, url: str, *, body: bool) -> _Answer:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json, text/html;q=0.9, */*"}
        try:
            async with (
                asyncio.timeout(self._total_s),
                self._session.get(url, headers=headers, max_redirects=MAX_REDIRECTS) as response,
            ):
                taken = await _body(response) if body and response.status == 200 else b""
                return _Answer(str(response.url), response.status, response.headers, taken)
        except TimeoutError as error:
            raise FetchError("no complete answer in time") from error
        except aiohttp.TooManyRedirects as error:
            raise FetchError("the address redirects too often") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(f"the site cannot be asked ({type(error).__name__})") from error


def is_refusal(error: FetchError) -> bool:
    """Whether a site that answered so does not want to be asked: no failure that passes."""
    return error.status is not None and 400 <= error.status < 500 and error.status not in {408, 429}


async def _body(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise FetchError(f"the answer is larger than {MAX_BODY_BYTES // 1_000_000} MB")
        parts.append(part)
    return b"".join(parts)


def _endpoint(api_url: str, query: Mapping[str, str]) -> str:
    """The address of the posts below an API's root, also where permalinks are plain."""
    return f"{api_url}{REST_ROUTE}{'&' if '?' in api_url else '?'}{urlencode(query, safe=',:')}"


def _queries(wanted: Sequence[Story]) -> list[dict[str, str]]:
    """Questions for posts by id, and for those whose id is not known by the slug of their link."""
    ids, slugs = [], []
    for story in wanted:
        number = _stated_id(story.guid) or _stated_id(story.url)
        slug = "" if number else _slug(story.url)
        ids += [number] if number else []
        slugs += [slug] if slug else []
    return [
        {name: ",".join(values[start : start + PAGE_POSTS]), "per_page": str(PAGE_POSTS)}
        for name, values in (("include", ids), ("slug", slugs))
        for start in range(0, len(values), PAGE_POSTS)
    ]


def _stated_id(url: str | None) -> str | None:
    try:
        stated = parse_qs(urlsplit(url or "").query).get("p", [""])[0]
    except ValueError:
        return None
    return stated if _POST_ID.fullmatch(stated) else None


def _slug(url: str) -> str:
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2].partition(".")[0]
    return last.replace(",", "")


def _post(stated: Mapping[str, Any], base: str) -> Post | None:
    number = stated.get("id")
    title = title_text(_rendered(stated, "title"))
    url = web_url(_text(stated.get("link")), base)
    if not isinstance(number, int) or not title or url is None:
        return None
    content = stated.get("content")
    body = story_lines(text_lines(_rendered(stated, "content")))
    entry = Entry(
        title=title,
        url=url,
        guid=_text(_within(stated, "guid").get("rendered")) or None,
        summary=" ".join(story_lines(text_lines(_rendered(stated, "excerpt")))),
        body="\n".join(body),
        author=_author(stated),
        image_url=_featured(stated, base),
        tags=_tags(stated),
        published_at=_moment(stated.get("date_gmt")),
        updated_at=_moment(stated.get("modified_gmt")),
    )
    protected = isinstance(content, dict) and content.get("protected") is True
    return Post(number, entry, _moment(stated.get("modified_gmt")), protected)


def _rendered(stated: Mapping[str, Any], name: str) -> str:
    return _text(_within(stated, name).get("rendered"))


def _within(stated: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = stated.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _embedded(stated: Mapping[str, Any], name: str) -> list[Any]:
    value = _within(stated, "_embedded").get(name)
    return value if isinstance(value, list) else []


def _author(stated: Mapping[str, Any]) -> str | None:
    names = [title_text(_text(one.get("name"))) for one in _dicts(_embedded(stated, "author"))]
    return ", ".join(name for name in names if name) or None


def _featured(stated: Mapping[str, Any], base: str) -> str | None:
    for picture in _dicts(_embedded(stated, "wp:featuredmedia")):
        if found := web_url(_text(picture.get("source_url")), base):
            return found
    return None


def _tags(stated: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the categories, then of the tags."""
    kinds: dict[str, list[str]] = {"category": [], "post_tag": []}
    for terms in _embedded(stated, "wp:term"):
        for term in _dicts(terms if isinstance(terms, list) else []):
            name = title_text(_text(term.get("name")))
            if name and (names := kinds.get(_text(term.get("taxonomy")))) is not None:
                names.append(name)
    return tuple(dict.fromkeys(kinds["category"] + kinds["post_tag"]))


def _dicts(values: list[Any]) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)]


def _moment(stated: object) -> datetime | None:
    """A time of the API's: GMT without saying so."""
    try:
        moment = datetime.fromisoformat(_text(stated))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _site(feed_url: str) -> str:
    """The address of the site that a feed's address lies in."""
    parts = urlsplit(feed_url)
    folder = re.sub(r"(?:/feed|/rss2?|/atom)*/?\Z", "", parts.path)
    return f"{parts.scheme}://{parts.netloc}{folder}"


def _is_front(url: str) -> bool:
    parts = urlsplit(url)
    return parts.path in _FRONTS and not parts.query


def _host(url: str) -> str:
    """The host and port of an address, without www and scheme."""
    parts = urlsplit(url)
    port = "" if parts.port in {None, 80, 443} else f":{parts.port}"
    return f"{(parts.hostname or '').removeprefix('www.')}{port}"
