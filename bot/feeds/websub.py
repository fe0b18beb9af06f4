"""WebSub as a subscriber speaks it: the links that name a hub, requests to it, what it pushes."""

from __future__ import annotations

import asyncio
import re
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from bot.errors import FetchError, ParseError
from bot.feeds.guard import refusal
from bot.feeds.parse import MAX_BODY_BYTES, parse_feed
from bot.markup import web_url
from bot.types import FeedPage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from bot.feeds.parse import ParsedFeed
    from bot.types import Hub, Push

TOTAL_S: Final = 10.0
MAX_REDIRECTS: Final = 3
# What the specification proposes as a default.
LEASE_S: Final = 864_000
MAX_HEADER_CHARS: Final = 8_000
MAX_REASON_BYTES: Final = 200
USER_AGENT: Final = "Sebar/0.1 (+share bot)"

_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*!-]+\s*(?:=\s*(?:"[^"]*"|[^\s",;]*))?)*)')
_REL: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]*))', re.IGNORECASE)


class HttpHubs:
    """Asks hubs over HTTP and reads what they send; implements `ports.HubSide`.

    The session is a guarded one (see `guard.guarded`): feeds name hubs, and hubs redirect.
    """

    def __init__(self, session: aiohttp.ClientSession, zone: ZoneInfo) -> None:
        self._session = session
        self._zone = zone

    async def ask(self, hub: Hub, callback: str) -> None:
        """Ask a hub to subscribe us to a topic, or to end that.

        Done means that it took the request: whether it grants it, it tells the callback.
        Raises: FetchError.
        Source: WebSub, section 5.1; redirects by 307 and 308 only.
        """
        form = {
            "hub.mode": hub.mode,
            "hub.topic": hub.topic_url,
            "hub.callback": callback,
        }
        if hub.mode == "subscribe":
            form |= {"hub.secret": hub.secret, "hub.lease_seconds": str(LEASE_S)}
        try:
            async with asyncio.timeout(TOTAL_S):
                await self._post(hub.hub_url, form)
        except TimeoutError as error:
            raise FetchError(f"the hub did not answer within {TOTAL_S:g} seconds") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise FetchError("the hub's address is none") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = refusal(error) or type(error).__name__
            raise FetchError(f"the hub cannot be reached ({reason})") from error

    async def read_push(self, push: Push) -> FeedPage:
        """Parse what a hub sent; `self_url` is the topic that it names, or None.

        Raises: ParseError.
        """
        return await asyncio.to_thread(self._read, push)

    async def _post(self, url: str, form: dict[str, str]) -> None:
        for _ in range(MAX_REDIRECTS):
            async with self._session.post(
                url, data=form, headers={"User-Agent": USER_AGENT}, allow_redirects=False
            ) as response:
                target = web_url(response.headers.get("Location", ""), url)
                if response.status not in (307, 308) or target is None:
                    await _check_taken(response)
                    return
            url = target
        raise FetchError("the hub redirects too often")

    def _read(self, push: Push) -> FeedPage:
        body = _plain_body(push.sent.body, push.sent.encoding)
        feed = parse_feed(
            body, content_type=push.sent.content_type, url=push.feed_url, zone=self._zone
        )
        _, told = linked([push.sent.links or ""], push.feed_url)
        return FeedPage(
            url=push.feed_url,
            entries=feed.entries,
            title=feed.title,
            hub_url=feed.hub_url,
            self_url=told or feed.self_url,
        )


def linked(headers: Iterable[str], url: str) -> tuple[str | None, str | None]:
    """The hub and the topic (rel=self) that Link headers name, absolute; None where they do not.

    Source: RFC 8288, section 3; WebSub, section 4.
    """
    found: dict[str, str] = {}
    for header in headers:
        for target, parameters in _LINK.findall(header[:MAX_HEADER_CHARS]):
            match = _REL.search(parameters)
            stated = (match[1] or match[2] or "") if match else ""
            address = web_url(target, url)
            for rel in stated.lower().split():
                if address:
                    found.setdefault(rel, address)
    return found.get("hub"), found.get("self")


def named(headers: Iterable[str], feed: ParsedFeed, url: str) -> tuple[str | None, str]:
    """The hub that a feed at `url` names, None where it names none, and its topic there.

    Link headers go before what stands in the feed (WebSub, section 4).
    """
    hub, own = linked(headers, url)
    return hub or feed.hub_url, topic(own or feed.self_url, url)


def topic(stated: str | None, url: str) -> str:
    """The topic to subscribe to for a feed at `url` that states one.

    A site on a port of its own may leave it out (WordPress does in its feeds' self link): then no
    hub could fetch that address, nor did the site tell its hub of it.
    """
    if not stated:
        return url
    told, real = urlsplit(stated), urlsplit(url)
    lost_port = told.port is None and real.port is not None and told.hostname == real.hostname
    return told._replace(scheme=real.scheme, netloc=real.netloc).geturl() if lost_port else stated


async def _check_taken(response: aiohttp.ClientResponse) -> None:
    if 200 <= response.status < 300:
        return
    said = (await response.content.read(MAX_REASON_BYTES)).decode("utf-8", "replace")
    reason = " ".join(said.replace("\0", " ").split())
    told = f": {reason}" if reason and "<" not in reason else ""
    raise FetchError(f"the hub answers {response.status}{told}", status=response.status)


def _plain_body(body: bytes, encoding: str | None) -> bytes:
    """The body decompressed, where it is what its header says; some hubs pass that on unasked."""
    if (encoding or "").lower() not in ("gzip", "x-gzip") or body[:2] != b"\x1f\x8b":
        return body
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise ParseError("its compression is broken") from error
    if len(plain) > MAX_BODY_BYTES:
        raise ParseError(f"it is larger than {MAX_BODY_BYTES // 1_000_000} MB")
    return plain
