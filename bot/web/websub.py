"""WebSub callbacks: what hubs ask is checked at once, what they push is kept and read later."""

from __future__ import annotations

import asyncio
import hmac
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.errors import DatabaseError
from bot.text import one_line
from bot.types import PushBody

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime

    from bot.store import Store

PATH = "/websub/{token:[A-Za-z0-9_-]{16,64}}"
SIGNATURE_HEADER = "X-Hub-Signature"
ALGORITHMS = frozenset({"sha1", "sha256", "sha384", "sha512"})
LARGEST_PUSH_BYTES = 5_000_000
LONGEST_READ_S = 20.0
LONGEST_HEADER_CHARS = 4000
LONGEST_REASON_CHARS = 200
# For a hub that grants a lease without saying for how long, or says what is no number.
UNSTATED_LEASE = timedelta(days=1)
LONGEST_LEASE = timedelta(days=365)
MOST_MISSED = 1000
LOOK_AFTER_MISSED_EVERY_S = 1.0
RETRY_AFTER_S = "5"

_log = logging.getLogger(__name__)


class Callbacks:
    """Answers hubs under one unguessable address for each subscription.

    Source: WebSub, sections 5.3 (verification of intent), 7 and 8 (content and its signature).
    """

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._missed: set[str] = set()

    def add_to(self, app: web.Application) -> None:
        """Serve the callbacks in an application."""
        app.router.add_get(PATH, self.answer)
        app.router.add_post(PATH, self.take)
        app.cleanup_ctx.append(self._looked_after)

    async def answer(self, request: web.Request) -> web.Response:
        """Confirm what we asked for by echoing the challenge; 404 for anything else."""
        try:
            return await self._answer(request.match_info["token"], request.query)
        except DatabaseError:
            return _later()

    async def take(self, request: web.Request) -> web.Response:
        """Keep a push. One that is not signed as agreed is answered alike, and has no effect."""
        token = request.match_info["token"]
        try:
            return await self._take(token, request)
        except DatabaseError:
            if len(self._missed) < MOST_MISSED:
                self._missed.add(token)
            _log.exception("push not kept")
            return _later()

    async def hasten_missed(self) -> None:
        """Have the feeds polled whose pushes could not be kept. Raises DatabaseError."""
        for token in tuple(self._missed):
            door = await self._store.find_hub_door(token)
            if door is not None:
                await self._store.hasten_feeds([door.feed_id], self._clock())
            self._missed.discard(token)

    async def _answer(self, token: str, query: Mapping[str, str]) -> web.Response:
        mode, topic = query.get("hub.mode"), _printable(query.get("hub.topic", ""))
        challenge, now = query.get("hub.challenge", ""), self._clock()
        confirmed = False
        if mode == "denied":
            reason = one_line(query.get("hub.reason", ""))[:LONGEST_REASON_CHARS]
            told = f"the hub denies it: {reason or 'no reason given'}"
            if await self._store.record_denial(token, topic, told, now):
                _log.warning("hub denied", extra={"topic": topic, "reason": reason})
                return web.Response(text="noted\n")
        elif mode == "subscribe" and challenge:
            lease = granted(query.get("hub.lease_seconds", ""))
            confirmed = await self._store.confirm_subscription(token, topic, lease, now)
        elif mode == "unsubscribe" and challenge:
            confirmed = await self._store.confirm_end(token, topic, now)
        if not confirmed:
            return web.Response(status=404, text="not asked for\n")
        _log.info("hub verified", extra={"topic": topic, "mode": mode})
        return web.Response(
            body=challenge.encode("utf-8", "surrogateescape"),
            content_type="text/plain",
            headers={"X-Content-Type-Options": "nosniff"},
        )

    async def _take(self, token: str, request: web.Request) -> web.Response:
        door = await self._store.find_hub_door(token)
        if door is None:
            return web.Response(status=404, text="no such callback\n")
        if not door.wanted:
            return web.Response(status=410, text="no longer wanted\n")
        try:
            body = await _body(request)
        except (HttpProcessingError, TimeoutError):
            await self._store.hasten_feeds([door.feed_id], self._clock())
            return web.Response(status=400, text="the body is not complete\n")
        if body is None:
            await self._store.count_push("too large")
            await self._store.hasten_feeds([door.feed_id], self._clock())
            return web.Response(status=413, text="too large\n")
        if fault := signature_fault(request.headers.get(SIGNATURE_HEADER), door.secret, body):
            _log.warning("push ignored", extra={"feed": door.feed_id, "reason": fault})
            await self._store.count_push(fault)
        elif not await self._store.record_push(door, _sent(request, body), self._clock()):
            await self._store.count_push("too many")
        return web.Response(status=202)

    @asynccontextmanager
    async def _looked_after(self, _: web.Application) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look_after_missed())
            yield
            looking.cancel()

    async def _look_after_missed(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AFTER_MISSED_EVERY_S)
            try:
                await self.hasten_missed()
            except DatabaseError:
                _log.warning("missed pushes still not looked after")


def granted(stated: str) -> timedelta:
    """The lease that a hub states in seconds; a day where it states none."""
    if not stated.isascii() or not stated.isdecimal() or int(stated[:12]) < 1:
        return UNSTATED_LEASE
    return min(timedelta(seconds=int(stated[:12])), LONGEST_LEASE)


def signature_fault(stated: str | None, secret: str, body: bytes) -> str | None:
    """What is wrong with a push's signature, None where it is right.

    Source: WebSub, section 8.
    """
    if stated is None:
        return "unsigned"
    name, _, told = stated.partition("=")
    algorithm = name.strip().lower()
    if algorithm not in ALGORITHMS:
        return "unknown algorithm"
    right = hmac.new(secret.encode(), body, algorithm).hexdigest().encode()
    told_bytes = told.strip().lower().encode("utf-8", "surrogateescape")
    return None if hmac.compare_digest(right, told_bytes) else "wrong signature"


async def _body(request: web.Request) -> bytes | None:
    """The body as it was sent; None where it is too large. Raises TimeoutError."""
    if (request.content_length or 0) > LARGEST_PUSH_BYTES:
        return None
    parts, size = [], 0
    async with asyncio.timeout(LONGEST_READ_S):
        async for part in request.content.iter_any():
            size += len(part)
            if size > LARGEST_PUSH_BYTES:
                return None
            parts.append(part)
    return b"".join(parts)


def _sent(request: web.Request, body: bytes) -> PushBody:
    headers = request.headers
    return PushBody(
        body=body,
        content_type=_header(headers.get("Content-Type")),
        encoding=_header(headers.get("Content-Encoding")),
        links=_header(", ".join(headers.getall("Link", []))),
    )


def _header(value: str | None) -> str | None:
    return (value or "").encode("ascii", "ignore").decode()[:LONGEST_HEADER_CHARS] or None


def _printable(text: str) -> str:
    """The text, "" where it holds what is in no address (and in no database)."""
    return text if text.isprintable() else ""


def _later() -> web.Response:
    return web.Response(status=503, headers={"Retry-After": RETRY_AFTER_S}, text="not now\n")
