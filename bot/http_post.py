"""HTTP/1.1 POST over kept connections: the hot path below the publisher.

A general client spends five times what the rest of a delivery costs. This one knows one kind of
request, a ready body to one server, and reads the answer whole; whether a request can have had an
effect is all that its errors tell. Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import quote, urlsplit

import aiohappyeyeballs

from bot.errors import OutcomeUnknown, RetryLater

if TYPE_CHECKING:
    from types import TracebackType

CONNECT_TIMEOUT_S = 10.0
# The server itself repeats a send for up to 8 s before it answers (Bot API server,
# NetQueryCreator), so an earlier end of waiting would call a delivered message lost.
ANSWER_TIMEOUT_S = 25.0
# Servers keep idle connections longer; one that is closed as we write leaves an outcome unknown.
KEEP_IDLE_S = 30.0
NEXT_ADDRESS_AFTER_S = 0.25
MOST_ANSWER_BYTES = 4 * 1024 * 1024

HEAD_END = b"\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})[ \r]")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
CLOSING = re.compile(rb"\r\nconnection:[^\r\n]*close", re.IGNORECASE)
CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `keep` says that its connection can be used again."""

    status: int
    body: bytes
    keep: bool


class Poster:
    """Posts to one server, over as many connections as requests are under way at once."""

    def __init__(
        self,
        url: str,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if secure else 80)
        self._tls = (trust or ssl.create_default_context()) if secure else None
        self._path = parts.path.rstrip("/")
        self._named = parts.netloc.rpartition("@")[2].encode("idna").decode()
        self._answer_timeout_s = answer_timeout_s
        self._heads: dict[str, bytes] = {}
        self._idle: list[Connection] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        # Transports close in the loop's next round.
        await asyncio.sleep(0)

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Post JSON; gives the status and the body of the answer.

        Raises RetryLater where the request certainly never left, OutcomeUnknown where it may have
        had an effect.
        """
        head = self._heads.get(path) or self._heads.setdefault(path, self._head(path))
        connection = self._take_idle() or await self._connect()
        try:
            answer = await connection.ask(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        except (OSError, ValueError) as error:
            raise OutcomeUnknown(f"no answer: {type(error).__name__}") from error
        finally:
            self._give_back(connection)
        return answer.status, answer.body

    def _head(self, path: str) -> bytes:
        target = quote(self._path + path, safe="/:@")
        return (
            f"POST {target} HTTP/1.1\r\nHost: {self._named}\r\nAccept: application/json\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode("ascii")

    def _take_idle(self) -> Connection | None:
        fresh_since = asyncio.get_running_loop().time() - KEEP_IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.is_free and connection.idle_since > fresh_since:
                return connection
            connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        if connection.is_free and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._connected()
        except OSError as error:
            raise RetryLater(f"not reached: {type(error).__name__}") from error

    async def _connected(self) -> Connection:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        reached = await aiohappyeyeballs.start_connection(
            found, happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S
        )
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._answer_timeout_s),
                sock=reached,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except BaseException:
            reached.close()
            raise
        return connection


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, answer_timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer_timeout_s = answer_timeout_s
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[Answer] | None = None
        self._received = b""
        self.idle_since = self._loop.time()

    @property
    def is_free(self) -> bool:
        """Whether it can take a request."""
        transport = self._transport
        return self._asked is None and transport is not None and not transport.is_closing()

    async def ask(self, request: bytes) -> Answer:
        """Send a request and wait for the whole answer.

        Raises OSError where none comes in time or the connection is lost, ValueError where it is no
        HTTP.
        """
        assert self._transport is not None
        self._asked = asked = self._loop.create_future()
        timer = self._loop.call_later(self._answer_timeout_s, self._fail, TimeoutError())
        try:
            self._transport.write(request)
            answer: Answer = await asked
        except BaseException:
            # What may come later is no answer to another request.
            self._transport.abort()
            raise
        finally:
            timer.cancel()
            self._asked = None
        self.idle_since = self._loop.time()
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop; what nobody asked for ends the connection."""
        self._received += data
        if self._asked is None or self._asked.done():
            self.close()
        elif len(self._received) > MOST_ANSWER_BYTES:
            self._fail(ValueError("an answer without end"))
        else:
            self._read(ended=False)

    def eof_received(self) -> None:
        """Called by the loop; it closes the connection then."""
        self._read(ended=True)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._fail(error if isinstance(error, OSError) else ConnectionResetError())

    def _read(self, *, ended: bool) -> None:
        if self._asked is None or self._asked.done():
            return
        try:
            answer = read_answer(self._received, ended=ended)
        except ValueError as error:
            self._fail(error)
            return
        if answer is not None:
            self._received = b""
            if not answer.keep:
                self.close()
            self._asked.set_result(answer)

    def _fail(self, error: Exception) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(error)


def read_answer(received: bytes, *, ended: bool = False) -> Answer | None:
    """The answer in what was received so far, None while it is not whole.

    `ended` says that nothing more will come. Raises ValueError where it is no HTTP/1 answer.
    Source: RFC 9112, section 6.3.
    """
    start, status, newest = 0, 100, False
    while status < 200:
        end = received.find(HEAD_END, start)
        if end < 0:
            return None
        found = STATUS.match(received, start)
        if found is None:
            raise ValueError("no HTTP/1 answer")
        status, newest = int(found[2]), found[1] == b"1"
        head, start = received[start : end + 2], end + len(HEAD_END)
    body_and_end = _body(received, start, head, ended=ended)
    if body_and_end is None:
        return None
    body, end = body_and_end
    keep = newest and not ended and end == len(received) and CLOSING.search(head) is None
    return Answer(status, body, keep)


def _body(received: bytes, start: int, head: bytes, *, ended: bool) -> tuple[bytes, int] | None:
    """The whole body and where it ends."""
    if CHUNKED.search(head):
        return _join_chunks(received, start)
    length = LENGTH.search(head)
    if length is not None:
        end = start + int(length[1])
        return (received[start:end], end) if len(received) >= end else None
    return (received[start:], len(received) + 1) if ended else None


def _join_chunks(received: bytes, start: int) -> tuple[bytes, int] | None:
    """Source: RFC 9112, section 7.1; trailers are skipped."""
    parts: list[bytes] = []
    while (line_end := received.find(b"\r\n", start)) >= 0:
        found = CHUNK.match(received, start)
        if found is None:
            raise ValueError("no chunk")
        size, start = int(found[1], 16), line_end + 2
        if size == 0:
            end = received.find(HEAD_END, line_end)
            return (b"".join(parts), end + len(HEAD_END)) if end >= 0 else None
        parts.append(received[start : start + size])
        start += size + 2
    return None
