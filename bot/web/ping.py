"""Pings: a site says, in WordPress's XML-RPC, that it has something new. No more is believed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit
from xml.parsers import expat
from xml.sax.saxutils import escape

from aiohttp import web

from bot.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bot.store import Store

PATH = "/ping"
METHODS = frozenset({"weblogUpdates.ping", "weblogUpdates.extendedPing"})
LARGEST_BODY_BYTES = 16_384
MOST_PARAMETERS = 16
MOST_PINGS_A_SECOND = 50

# Source: Specification for Fault Code Interoperability, version 20010516.
NOT_WELL_FORMED, NO_SUCH_METHOD, WRONG_PARAMETERS = -32700, -32601, -32602

_log = logging.getLogger(__name__)


class CallError(Exception):
    """A request that is no ping."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True)
class Call:
    """An XML-RPC call: its method and the text of each parameter."""

    method: str = ""
    parameters: list[str] = field(default_factory=list)


class Pings:
    """Has the feeds of the site that pings polled at once."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._second = 0
        self._number = 0

    def add_to(self, app: web.Application) -> None:
        """Serve pings in an application."""
        app.router.add_post(PATH, self.receive)
        app.router.add_post(f"{PATH}/", self.receive)

    async def receive(self, request: web.Request) -> web.Response:
        """Take a ping: answers XML-RPC's struct {flerror, message}, or its fault."""
        if self._is_too_often():
            return _answer(is_error=True, message="Too many pings; please try again later.")
        try:
            body = await request.content.read(LARGEST_BODY_BYTES + 1)
            while len(body) <= LARGEST_BODY_BYTES and not request.content.at_eof():
                body += await request.content.read(LARGEST_BODY_BYTES + 1 - len(body))
            ids = await self._feeds_of(sites_of(read_call(body)))
            await self._store.hasten_feeds(ids, self._clock())
        except CallError as error:
            return _fault(error)
        except DatabaseError:
            _log.exception("ping not taken")
            return _answer(is_error=True, message="Not now; please try again later.")
        if not ids:
            return _answer(is_error=True, message="No feed of this site is followed here.")
        _log.info("ping taken", extra={"feeds": ids})
        return _answer(is_error=False, message="Thanks for the ping.")

    def _is_too_often(self) -> bool:
        second = int(self._clock().timestamp())
        if second != self._second:
            self._second, self._number = second, 0
        self._number += 1
        return self._number > MOST_PINGS_A_SECOND

    async def _feeds_of(self, sites: set[str]) -> list[int]:
        feeds = await self._store.list_feed_places()
        return [feed_id for feed_id, url in feeds if site(url) in sites]


def read_call(body: bytes) -> Call:
    """Read an XML-RPC call; declarations of entities or of a document type are refused.

    Raises: CallError.
    """
    if len(body) > LARGEST_BODY_BYTES:
        raise CallError(NOT_WELL_FORMED, "the request is too large")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003 (the only signature)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise CallError(NOT_WELL_FORMED, "the request is not well-formed XML") from error
    if reader.call.method not in METHODS:
        raise CallError(NO_SUCH_METHOD, "there is no such method here")
    return reader.call


def sites_of(call: Call) -> set[str]:
    """The sites that a ping names; its first parameter is but a name. Raises: CallError."""
    sites = {found for address in call.parameters[1:] if (found := site(address.strip()))}
    if not sites:
        raise CallError(WRONG_PARAMETERS, "a ping names its site: a name, then its address")
    return sites


def site(url: str) -> str:
    """The host that an address names, without www. and with a port of its own; "" without one."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removeprefix("www.").rstrip("."), parts.port
    except ValueError:
        return ""
    if not host or parts.scheme.lower() not in ("http", "https"):
        return ""
    return host if port in (None, 80, 443) else f"{host}:{port}"


class _Reader:
    """Gathers a call from the events of its XML."""

    def __init__(self) -> None:
        self.call = Call()
        self._path: list[str] = []
        self._parts: list[str] = []

    def start(self, name: str, _: dict[str, str]) -> None:
        if not self._path and name != "methodCall":
            raise CallError(NOT_WELL_FORMED, "the request is no XML-RPC call")
        self._path.append(name)
        if name in ("methodName", "param"):
            self._parts = []

    def end(self, name: str) -> None:
        self._path.pop()
        told = "".join(self._parts).strip()
        if self._path == ["methodCall"] and name == "methodName":
            self.call.method = told
        elif self._path == ["methodCall", "params"] and name == "param":
            if len(self.call.parameters) >= MOST_PARAMETERS:
                raise CallError(WRONG_PARAMETERS, "too many parameters")
            self.call.parameters.append(told)

    def text(self, characters: str) -> None:
        self._parts.append(characters)


def _refuse(*_: object) -> NoReturn:
    raise CallError(NOT_WELL_FORMED, "a document type is not taken")


def _answer(*, is_error: bool, message: str) -> web.Response:
    return _xml(
        "<params><param><value><struct>"
        f"<member><name>flerror</name><value><boolean>{is_error:d}</boolean></value></member>"
        f"<member><name>message</name><value><string>{escape(message)}</string></value></member>"
        "</struct></value></param></params>"
    )


def _fault(error: CallError) -> web.Response:
    return _xml(
        "<fault><value><struct>"
        f"<member><name>faultCode</name><value><int>{error.code}</int></value></member>"
        "<member><name>faultString</name>"
        f"<value><string>{escape(error.reason)}</string></value></member>"
        "</struct></value></fault>"
    )


def _xml(inner: str) -> web.Response:
    return web.Response(
        text=f'<?xml version="1.0" encoding="UTF-8"?>\n<methodResponse>{inner}</methodResponse>\n',
        content_type="text/xml",
        charset="utf-8",
    )
