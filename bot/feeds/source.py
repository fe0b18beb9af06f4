"""The adapter to the web: conditional fetches with limits, parsed off the loop."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import aiohttp

from bot.article import parse_article
from bot.errors import FetchError, ParseError, SourceError
from bot.feeds.discovery import candidates, next_paged_url
from bot.feeds.guard import refusal
from bot.feeds.parse import MAX_BODY_BYTES, ParsedFeed, looks_like_feed, parse_feed
from bot.feeds.rhythm import fresh_s, made_by, older_url, retry_after_s, stated_pace_s
from bot.feeds.websub import named
from bot.markup import decode, is_challenge
from bot.types import FeedPage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from multidict import CIMultiDictProxy

    from bot.types import Entry, FeedForPoll

USER_AGENT: Final = "Sebar/0.1 (+share bot)"
SMALL_BODY_BYTES: Final = 100_000
VALIDATOR_SETTLES_S: Final = 2.0
DISCOVERY_S: Final = 8.0
REFUSAL_BYTES: Final = 50_000
PERMANENT: Final = frozenset({301, 308})
# After so many answers that validators should have spared they are sent in another form.
REPEATS_BORNE: Final = 2
_ACCEPT_FEED: Final = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, "
    "text/xml;q=0.9, application/json;q=0.8, text/html;q=0.5, */*;q=0.3"
)
_ACCEPT_PAGE: Final = "text/html, application/xhtml+xml, */*;q=0.5"
_REASONS: Final = {
    401: "the site asks for a password (401)",
    403: "the site refuses the bot (403)",
    404: "there is nothing at this address (404)",
    410: "this address is gone for good (410)",
    429: "the site asks us to come less often (429)",
    503: "the site is not available for now (503)",
}
_HUMAN_CHECK: Final = "the site asks for a human check (a challenge page such as Cloudflare's)"
_NO_FEED: Final = (
    "this is a web page, not a feed, and no feed is found on its site;"
    " name the feed's own address, such as https://…/feed/"
)
_PAGE: Final = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MANGLED: Final = re.compile(r'(?:W/)?"([^"]*?)(?:(?:--?|;)(?:gzip|br|df|deflate|zstd))?"\Z')


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a fetch may cost: seconds in all, bytes after decompression, redirects."""

    total_s: float = 20
    body_bytes: int = MAX_BODY_BYTES
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class _Answer:
    url: str
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    moved_to: str | None = None

    @property
    def content_type(self) -> str | None:
        return self.headers.get("Content-Type")


class HttpSource:
    """Reads feeds and articles over HTTP; implements `ports.FeedSource`.

    Its session decides which addresses are reached at all (see `guard.guarded`).
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        zone: ZoneInfo,
        limits: Limits | None = None,
    ) -> None:
        self._session = session
        self._zone = zone
        self._limits = limits or Limits()

    async def fetch(self, feed: FeedForPoll) -> FeedPage:
        """Fetch a feed conditionally; entries are None where nothing changed.

        Where the address turns out to be a site's, its feed is looked for and read instead.
        Raises: FetchError, ParseError.
        Source: RFC 9110, sections 13.1.2 and 13.1.3 (validators verbatim).
        """
        conditions = _conditions(feed)
        answer = await self._get(feed.url, _ACCEPT_FEED, conditions)
        if answer.status == 304:
            return _unchanged(answer, feed, feed.body_hash)
        digest = _digest(answer)
        if digest == feed.body_hash:
            repeated = replace(feed, repeats=feed.repeats + bool(conditions))
            return _unchanged(answer, repeated, digest)
        try:
            parsed = await self._parse_feed(answer)
        except ParseError:
            if feed.found or not (feed.is_site or feed.baseline_at is None):
                raise
            if not _is_page(answer):
                raise
            return await self._discover(answer)
        return replace(_page(answer, parsed, feed.last_modified), repeats=feed.repeats)

    async def fetch_older(self, url: str) -> FeedPage:
        """Fetch what came before a page of a feed, as its `older_url` names it.

        Raises: FetchError, ParseError.
        """
        answer = await self._get(url, _ACCEPT_FEED)
        return _page(answer, await self._parse_feed(answer))

    async def _discover(self, site: _Answer) -> FeedPage:
        """Find the feed of a site by its page: the first with entries, else the first at all."""
        text = decode(site.body, site.content_type)
        empty: FeedPage | None = None
        try:
            async with asyncio.timeout(DISCOVERY_S):
                for url in candidates(text, site.headers.getall("Link", []), site.url):
                    page = await self._try(url)
                    if page is not None and page.entries:
                        return page
                    empty = empty or page
        except TimeoutError as error:
            raise ParseError(_NO_FEED) from error
        if empty is None:
            raise ParseError(_NO_FEED)
        return empty

    async def _try(self, url: str) -> FeedPage | None:
        try:
            answer = await self._get(url, _ACCEPT_FEED)
            parsed = await self._parse_feed(answer)
        except SourceError:
            return None
        return replace(_page(answer, parsed), found_url=answer.moved_to or url, moved_to=None)

    async def read_article(self, url: str) -> Entry:
        """Fetch one article page and read it. Raises: FetchError, ParseError."""
        answer = await self._get(url, _ACCEPT_PAGE)
        return await asyncio.to_thread(
            parse_article,
            answer.body,
            content_type=answer.content_type,
            url=answer.url,
            zone=self._zone,
        )

    async def read_source(self, url: str) -> tuple[Entry, ...]:
        """Fetch a feed or an article page, whichever it is. Raises: FetchError, ParseError."""
        answer = await self._get(url, _ACCEPT_FEED)
        return await asyncio.to_thread(
            parse_source, answer.body, answer.content_type, answer.url, self._zone
        )

    async def _parse_feed(self, answer: _Answer) -> ParsedFeed:
        if len(answer.body) <= SMALL_BODY_BYTES:
            return self._parsed(answer)
        return await asyncio.to_thread(self._parsed, answer)

    def _parsed(self, answer: _Answer) -> ParsedFeed:
        return parse_feed(
            answer.body, content_type=answer.content_type, url=answer.url, zone=self._zone
        )

    async def _get(
        self, url: str, accept: str, conditions: Mapping[str, str] | None = None
    ) -> _Answer:
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": accept,
            "Accept-Encoding": "gzip, deflate, br",
            **(conditions or {}),
        }
        try:
            async with (
                asyncio.timeout(self._limits.total_s),
                self._session.get(
                    url, headers=headers, max_redirects=self._limits.redirects
                ) as response,
            ):
                return await self._answer(response)
        except TimeoutError as error:
            raise FetchError(
                f"no complete answer within {self._limits.total_s:g} seconds"
            ) from error
        except aiohttp.TooManyRedirects as error:
            raise FetchError("the address redirects too often") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise FetchError("this is not an address that can be fetched") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(_in_words(error)) from error

    async def _answer(self, response: aiohttp.ClientResponse) -> _Answer:
        if response.status != 304 and not 200 <= response.status < 300:
            raise await _refused(response)
        body = b"" if response.status == 304 else await self._body(response)
        moved_to = _moved_to(response)
        return _Answer(str(response.url), response.status, response.headers, body, moved_to)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """Read the body in pieces, each already decompressed, and stop at the limit."""
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self._limits.body_bytes:
                raise FetchError(
                    f"the answer is larger than {self._limits.body_bytes / 1_000_000:g} MB"
                )
            parts.append(part)
        return b"".join(parts)


def parse_source(
    body: bytes, content_type: str | None, url: str | None, zone: ZoneInfo
) -> tuple[Entry, ...]:
    """Read a document that is a feed or an article page; one entry for a page.

    Raises: ParseError.
    """
    if looks_like_feed(decode(body[:30_000], content_type)):
        feed = parse_feed(body, content_type=content_type, url=url or "", zone=zone)
        return feed.entries
    return (parse_article(body, content_type=content_type, url=url, zone=zone),)


def _validators(headers: Mapping[str, str], before: str | None) -> tuple[str | None, str | None]:
    """ETag and Last-Modified, verbatim; neither while a change of the same second may follow.

    WordPress counts whole seconds and derives its ETag from them: two stories of one second have
    the same validators, so a poll between them would be answered "not modified" ever after. It
    makes them after it has read the stories: where they are older than those of `before`, a story
    was taken away, and the body may still hold it.
    Source: RFC 9110, section 8.8.2.2.
    """
    etag, modified = headers.get("ETag"), headers.get("Last-Modified")
    if modified is None or modified == before:
        return etag, modified
    if _is_fresh(modified, headers.get("Date")) or _is_older(modified, before):
        return None, None
    return etag, modified


def _is_older(modified: str, before: str | None) -> bool:
    try:
        return before is not None and parsedate_to_datetime(modified) < parsedate_to_datetime(
            before
        )
    except (ValueError, TypeError, OverflowError):
        return False


def _is_fresh(modified: str, date: str | None) -> bool:
    try:
        told_at = parsedate_to_datetime(date) if date else datetime.now(UTC)
        age_s = (told_at - parsedate_to_datetime(modified)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return False
    return abs(age_s) < VALIDATOR_SETTLES_S


def _conditions(feed: FeedForPoll) -> dict[str, str]:
    """Validators verbatim; where they are of no use, without what a CDN made of the ETag.

    WordPress compares both as they are, so that an ETag which a CDN marked as weak or as compressed
    spoils the Last-Modified beside it.
    """
    etag, modified = feed.etag, feed.last_modified
    if etag and feed.repeats // REPEATS_BORNE % 2:
        match = _MANGLED.match(etag)
        etag = None if modified else (f'"{match[1]}"' if match else etag)
    stated = {"If-None-Match": etag, "If-Modified-Since": modified}
    return {name: value for name, value in stated.items() if value}


def _digest(answer: _Answer) -> str:
    # The quickest by far where the processor knows it; all it decides is whether to parse again.
    return hashlib.sha1(answer.body, usedforsecurity=False).hexdigest()


def _unchanged(answer: _Answer, feed: FeedForPoll, body_hash: str | None) -> FeedPage:
    etag, modified = _validators(answer.headers, feed.last_modified)
    not_modified = answer.status == 304
    return FeedPage(
        url=answer.url,
        entries=None,
        etag=etag or (feed.etag if not_modified else None),
        last_modified=modified or (feed.last_modified if not_modified else None),
        body_hash=body_hash,
        moved_to=answer.moved_to,
        older_url=next_paged_url(answer.url),
        repeats=feed.repeats,
        fresh_s=fresh_s(answer.headers),
        pace_s=feed.pace_s,
    )


def _page(answer: _Answer, parsed: ParsedFeed, before: str | None = None) -> FeedPage:
    etag, modified = _validators(answer.headers, before)
    hub_url, topic_url = named(answer.headers.getall("Link", []), parsed, answer.url)
    return FeedPage(
        url=answer.url,
        entries=parsed.entries,
        title=parsed.title,
        etag=etag,
        last_modified=modified,
        body_hash=_digest(answer),
        hub_url=hub_url,
        self_url=topic_url,
        moved_to=answer.moved_to,
        older_url=older_url(answer.body, answer.url),
        fresh_s=fresh_s(answer.headers),
        pace_s=stated_pace_s(answer.body),
        made_by=made_by(answer.body),
    )


def _is_page(answer: _Answer) -> bool:
    """Say whether an answer is a page of the site itself, not that of a guard before it."""
    text = decode(answer.body[:REFUSAL_BYTES], answer.content_type)
    return bool(_PAGE.search(text)) and not is_challenge(text)


async def _refused(response: aiohttp.ClientResponse) -> FetchError:
    reason = _REASONS.get(response.status, f"the site answers {response.status}")
    if response.status in (403, 429, 503) and await _is_guarded(response):
        reason = f"{_HUMAN_CHECK} ({response.status})"
    asked_s = retry_after_s(response.headers.get("Retry-After"))
    return FetchError(reason, status=response.status, retry_after_s=asked_s)


async def _is_guarded(response: aiohttp.ClientResponse) -> bool:
    if response.headers.get("cf-mitigated") == "challenge":
        return True
    start = b""
    try:
        async for part in response.content.iter_any():
            start += part
            if len(start) >= REFUSAL_BYTES:
                break
    except aiohttp.ClientError:
        return False
    return is_challenge(decode(start[:REFUSAL_BYTES], response.headers.get("Content-Type")))


def _moved_to(response: aiohttp.ClientResponse) -> str | None:
    """Where redirects that are for good lead, up to the first that is for now."""
    target = None
    landings = [*response.history[1:], response]
    for hop, landing in zip(response.history, landings, strict=False):
        if hop.status not in PERMANENT:
            break
        target = str(landing.url)
    return target


def _in_words(error: Exception) -> str:
    if reason := refusal(error):
        return reason
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "the site's certificate is not valid"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the site's name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the site cannot be reached"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the site broke off the connection"
    if isinstance(error, aiohttp.ContentTypeError | aiohttp.ClientResponseError):
        return "the answer is no proper HTTP, or its compression is broken"
    if isinstance(error, aiohttp.ClientPayloadError) and "content-encoding" in str(error):
        return "the answer's compression is broken"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off before its end"
    return f"the answer could not be read ({type(error).__name__})"
