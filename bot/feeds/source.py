"""The adapter to the web: conditional fetches with limits, parsed off the loop."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import aiohttp

from bot.article import parse_article
from bot.errors import FetchError
from bot.feeds.guard import place
from bot.feeds.parse import MAX_BODY_BYTES, ParsedFeed, looks_like_feed, parse_feed
from bot.feeds.websub import named
from bot.markup import decode
from bot.types import FeedPage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from multidict import CIMultiDictProxy

    from bot.types import Entry, FeedForPoll

USER_AGENT: Final = "Sebar/0.1 (+share bot)"
SMALL_BODY_BYTES: Final = 100_000
VALIDATOR_SETTLES_S: Final = 2.0
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

    @property
    def content_type(self) -> str | None:
        return self.headers.get("Content-Type")


class HttpSource:
    """Reads feeds and articles over HTTP; implements `ports.FeedSource`.

    Articles at places that are not `trusted` (see `guard.place`) are read through `guarded`, a
    session that reaches public addresses only.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        zone: ZoneInfo,
        limits: Limits | None = None,
        *,
        guarded: aiohttp.ClientSession | None = None,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        self._session = session
        self._zone = zone
        self._limits = limits or Limits()
        self._guarded = guarded or session
        self._trusted = trusted

    async def fetch(self, feed: FeedForPoll) -> FeedPage:
        """Fetch a feed conditionally; entries are None where nothing changed.

        Raises: FetchError, ParseError.
        Source: RFC 9110, sections 13.1.2 and 13.1.3 (validators verbatim).
        """
        answer = await self._get(feed.url, _ACCEPT_FEED, _conditions(feed))
        etag, modified = _validators(answer.headers)
        if answer.status == 304:
            return FeedPage(
                url=answer.url,
                entries=None,
                etag=etag or feed.etag,
                last_modified=modified or feed.last_modified,
                body_hash=feed.body_hash,
            )
        digest = hashlib.blake2b(answer.body, digest_size=16).hexdigest()
        parsed = hub_url = topic_url = None
        if digest != feed.body_hash:
            parsed = await self._parse_feed(answer)
            hub_url, topic_url = named(answer.headers.getall("Link", []), parsed, answer.url)
        return FeedPage(
            url=answer.url,
            entries=parsed.entries if parsed else None,
            title=parsed.title if parsed else None,
            etag=etag,
            last_modified=modified,
            body_hash=digest,
            hub_url=hub_url,
            self_url=topic_url,
        )

    async def read_article(self, url: str) -> Entry:
        """Fetch one article page and read it. Raises: FetchError, ParseError."""
        session = self._session if place(url) in self._trusted else self._guarded
        answer = await self._get(url, _ACCEPT_PAGE, session=session)
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
        self,
        url: str,
        accept: str,
        conditions: Mapping[str, str] | None = None,
        *,
        session: aiohttp.ClientSession | None = None,
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
                (session or self._session).get(
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
            raise FetchError(
                _REASONS.get(response.status, f"the site answers {response.status}"),
                status=response.status,
                retry_after_s=_retry_after(response.headers.get("Retry-After")),
            )
        body = b"" if response.status == 304 else await self._body(response)
        return _Answer(str(response.url), response.status, response.headers, body)

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


def _validators(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """ETag and Last-Modified, verbatim; neither while a change of the same second may follow.

    WordPress counts whole seconds and derives its ETag from them: two stories of one second have
    the same validators, so a poll between them would be answered "not modified" ever after.
    Source: RFC 9110, section 8.8.2.2.
    """
    etag, modified = headers.get("ETag"), headers.get("Last-Modified")
    if modified is not None and _is_fresh(modified, headers.get("Date")):
        return None, None
    return etag, modified


def _is_fresh(modified: str, date: str | None) -> bool:
    try:
        told_at = parsedate_to_datetime(date) if date else datetime.now(UTC)
        age_s = (told_at - parsedate_to_datetime(modified)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return False
    return abs(age_s) < VALIDATOR_SETTLES_S


def _conditions(feed: FeedForPoll) -> dict[str, str]:
    stated = {"If-None-Match": feed.etag, "If-Modified-Since": feed.last_modified}
    return {name: value for name, value in stated.items() if value}


def _retry_after(stated: str | None) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110, section 10.2.3)."""
    if not stated:
        return None
    if stated.strip().isdecimal():
        return float(stated)
    try:
        moment = parsedate_to_datetime(stated)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _in_words(error: Exception) -> str:
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
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off before its end"
    return f"the answer could not be read ({type(error).__name__})"
