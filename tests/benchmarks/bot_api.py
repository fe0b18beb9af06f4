"""A fast local Bot API in a process of its own: full answers, limits as in reality where wanted.

`python bot_api.py PORT [ROUND_TRIP_MS] [none | bucket | window]`. Limits: 30 messages a second for
the bot, 1 a second in a chat with bursts of 3, 20 a minute in a group (a negative id), as token
buckets or as sliding windows; what is over them gets a 429. `GET /stats` tells what was taken and
refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "123456:benchmark"
BOT_RATE, BOT_BURST = 30, 30
CHAT_RATE, CHAT_BURST = 1.0, 3
GROUP_SPAN_S, GROUP_MOST = 60.0, 20
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
# In JSON, in a form, in a multipart form.
CHAT_ID = re.compile(rb'chat_id(?:": ?|=|"\r\n(?:[^\r\n]+\r\n)*\r\n)(-?\d+)')
USER = {"id": 123456, "is_bot": True, "first_name": "Kabar", "username": "kabar_bot"}


class Limit(Protocol):
    """A limit: seconds until the next is welcome, 0 for now."""

    def wait_s(self, now: float) -> float: ...

    def take(self, now: float) -> None: ...


class Bucket:
    """So many tokens at most, filled at a rate."""

    def __init__(self, rate: float, most: float) -> None:
        self._rate, self._most = rate, most
        self._tokens, self._at = most, 0.0

    def wait_s(self, now: float) -> float:
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (1 - self._tokens) / self._rate)

    def take(self, now: float) -> None:
        self._tokens -= 1


class Window:
    """At most so many in any span of so many seconds."""

    def __init__(self, most: int, span_s: float) -> None:
        self._span_s = span_s
        self._taken: deque[float] = deque(maxlen=most)

    def wait_s(self, now: float) -> float:
        if len(self._taken) < (self._taken.maxlen or 0):
            return 0.0
        return max(0.0, self._taken[0] + self._span_s - now)

    def take(self, now: float) -> None:
        self._taken.append(now)


class Gate:
    """The limits of one bot."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._bot = self._limit(BOT_RATE, BOT_BURST)
        self._chats: dict[int, list[Limit]] = {}
        self._taken: list[float] = []
        self._refused = {"bot": 0, "chat": 0}

    def report(self) -> dict[str, Any]:
        """When messages were taken, and how many were refused by whose limit."""
        return {"taken": self._taken, "refused": self._refused}

    def refuse_s(self, chat: int, now: float) -> float:
        """Seconds to wait before another try; 0 and counted where the message is taken."""
        if self._form == "none":
            return 0.0
        chat_limits = self._chats.get(chat) or self._meet(chat)
        for owner, limits in (("bot", [self._bot]), ("chat", chat_limits)):
            wait_s = max(limit.wait_s(now) for limit in limits)
            if wait_s > 0:
                self._refused[owner] += 1
                return wait_s
        for limit in (self._bot, *chat_limits):
            limit.take(now)
        self._taken.append(now)
        return 0.0

    def _limit(self, rate: float, burst: int, span_s: float = 1.0) -> Limit:
        return Window(burst, span_s) if self._form == "window" else Bucket(rate, burst)

    def _meet(self, chat: int) -> list[Limit]:
        limits = [self._limit(CHAT_RATE, CHAT_BURST, CHAT_BURST / CHAT_RATE)]
        if chat < 0:
            limits.append(self._limit(GROUP_MOST / GROUP_SPAN_S, GROUP_MOST, GROUP_SPAN_S))
        self._chats[chat] = limits
        return limits


class Api(asyncio.Protocol):
    """One connection; requests may follow one another without waiting."""

    def __init__(self, gate: Gate, count: Callable[[], int], delay_s: float) -> None:
        self._gate = gate
        self._count = count
        self._delay_s = delay_s
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._next()) is not None:
            answer = self._answer(*request)
            if self._delay_s:
                asyncio.get_running_loop().call_later(self._delay_s, self._write, answer)
            else:
                self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _next(self) -> tuple[bytes, bytes] | None:
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return None
        head = self._buffer[:end]
        found = LENGTH.search(head)
        total = end + len(HEAD_END) + (int(found[1]) if found else 0)
        if len(self._buffer) < total:
            return None
        body, self._buffer = self._buffer[end + 4 : total], self._buffer[total:]
        return head, body

    def _answer(self, head: bytes, body: bytes) -> bytes:
        path = head[: head.index(b" HTTP")]
        if path.endswith(b"/stats"):
            return http(200, json.dumps(self._gate.report()).encode())
        if b"/send" not in path:
            return http(200, b'{"ok":true,"result":%s}' % json.dumps(USER).encode())
        found = CHAT_ID.search(body)
        assert found is not None, body
        wait_s = self._gate.refuse_s(int(found[1]), time.monotonic())
        if wait_s > 0:
            return http(429, too_many(-int(-wait_s // 1)))
        return http(200, MESSAGE % (self._count(), int(found[1])))


def http(status: int, body: bytes) -> bytes:
    reason = b"OK" if status == 200 else b"Too Many Requests"
    return (
        b"HTTP/1.1 %d %s\r\nServer: nginx/1.18.0\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n"
        b"Strict-Transport-Security: max-age=31536000; includeSubDomains; preload\r\n"
        b"Access-Control-Allow-Origin: *\r\n\r\n%s" % (status, reason, len(body), body)
    )


def too_many(after_s: int) -> bytes:
    description = f"Too Many Requests: retry after {after_s}"
    value = {"ok": False, "error_code": 429, "description": description}
    return json.dumps(value | {"parameters": {"retry_after": after_s}}).encode()


def message_answer() -> bytes:
    """A full answer to sendMessage with places for the message's and the chat's ids."""
    keyboard = [[{"text": name, "url": url} for name, url in row] for row in SHARE_ROW]
    rest: dict[str, Any] = {
        "date": 1764000000,
        "text": TEXT,
        "entities": [{"offset": 0, "length": 60, "type": "bold"}],
        "link_preview_options": {"url": STORY_URL, "prefer_large_media": True},
        "reply_markup": {"inline_keyboard": keyboard},
    }
    chat = b'{"id":%d,"first_name":"Pembaca","username":"pembaca","type":"private"}'
    members = json.dumps(rest, separators=(",", ":"))[1:].replace("%", "%%").encode()
    sender = json.dumps(USER, separators=(",", ":")).encode()
    return (
        b'{"ok":true,"result":{"message_id":%d,"from":'
        + sender
        + b',"chat":'
        + chat
        + b","
        + members
        + b"}"
    )


STORY_URL = "https://kabar.example/2026/11/24/rapat-koordinasi-pengamanan/"
TEXT = "Polres menggelar rapat koordinasi pengamanan bersama warga kota. " * 7
SHARE_ROW = [
    [
        ("Facebook", f"https://www.facebook.com/sharer/sharer.php?u={STORY_URL}"),
        ("X", f"https://x.com/intent/post?url={STORY_URL}&text=Polres%20menggelar%20rapat"),
        ("WhatsApp", f"https://wa.me/?text=Polres%20menggelar%20rapat%0A{STORY_URL}"),
    ],
    [
        ("Telegram", f"https://t.me/share/url?url={STORY_URL}&text=Polres%20menggelar"),
        ("LINE", f"https://line.me/R/share?text=Polres%20menggelar%20rapat%0A{STORY_URL}"),
    ],
]
MESSAGE = message_answer()


async def serve(port: int, delay_s: float, form: str) -> None:
    gate, number = Gate(form), iter(range(1, 1 << 60))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Api(gate, lambda: next(number), delay_s), "127.0.0.1", port
    )
    await server.serve_forever()


@contextlib.contextmanager
def served(round_trip_ms: float = 0, form: str = "none") -> Iterator[str]:
    """The address of a server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [str(port), str(round_trip_ms), form]
    process = subprocess.Popen([sys.executable, str(Path(__file__)), *arguments])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def stats(url: str) -> dict[str, Any]:
    """What a server took (moments in seconds) and refused."""
    with urllib.request.urlopen(f"{url}/stats") as answer:
        value: dict[str, Any] = json.load(answer)
    return value


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise TimeoutError(f"no server on port {port}")


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000, sys.argv[3]))
