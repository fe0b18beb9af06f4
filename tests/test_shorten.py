"""pyshorteners, with its backends on this machine and behaving as badly as they do."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from factories import sighting
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import ShortenError
from bot.shorten import PyshortenersShortener, checked_short_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STORY = sighting(1, url="https://kabar.example/2026/11/24/sebuah-berita-panjang/").story


class Backend:
    """A shortener's server of the 0x0.st kind; `answer` writes to one request."""

    def __init__(self) -> None:
        self.answer: Callable[[BaseHTTPRequestHandler], None] = says(200, "https://s.example/a1")
        self.asked = 0
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                backend.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                backend.answer(self)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


def says(status: int, text: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    thread = threading.Thread(target=backend.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield backend
    backend.server.shutdown()
    backend.server.server_close()
    thread.join()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def shortener(
    backend: Backend, executor: ThreadPoolExecutor, total_timeout_s: float = 5.0
) -> PyshortenersShortener:
    return PyshortenersShortener(
        "nullpointer", None, executor, total_timeout_s=total_timeout_s, domain=backend.url
    )


async def test_a_short_url_is_given(backend: Backend, executor: ThreadPoolExecutor) -> None:
    assert await shortener(backend, executor).shorten(STORY) == "https://s.example/a1"


@pytest.mark.parametrize(
    "answer",
    [
        says(200, "<html>captcha</html>"),
        says(200, ""),
        says(200, "Error: Please enter a valid URL"),
        says(200, STORY.url),
        says(200, "https://s.example/" + "a" * 90),
        says(200, "javascript:alert(1)"),
        says(200, "https://s.example/"),
        says(200, "https://127.0.0.1/a"),
        says(200, "http://[::1]/a"),
        says(200, "http://10.0.0.7/a"),
        says(200, "http://2130706433/a"),
        says(200, "http://0x7f.1/a"),
        says(200, "http://localhost/a"),
        says(200, "http://printer.local/a"),
        says(200, "http://intranet/a"),
        says(200, "https://s.example@evil.test/a"),
        says(200, "https://s.example:0/a"),
        says(200, "https://s.example\\@evil.test/a"),
        says(200, "https://s.example/a\nhttps://s.example/b"),
        says(200, "//s.example/a"),
        says(200, "https://s.exa\u0301mple/a"),
        says(200, "null"),
        says(429, "slow down"),
        says(500, "oops"),
    ],
)
async def test_an_answer_that_is_no_short_url_is_refused(
    backend: Backend, executor: ThreadPoolExecutor, answer: Callable[..., None]
) -> None:
    backend.answer = answer
    with pytest.raises(ShortenError):
        await shortener(backend, executor).shorten(STORY)


def drips(over: threading.Event, *, head: bool) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer that comes a byte at a time and never ends, from its head or from its body on."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        if not head:
            handler.wfile.write(b"no\r\nContent-Length: 1000000\r\n\r\n")
        with suppress(OSError):
            while not over.wait(0.02):
                handler.wfile.write(b"a")
                handler.wfile.flush()

    return answer


@pytest.mark.parametrize("head", [True, False])
async def test_answers_that_drip_for_ever_leave_no_thread_behind(
    backend: Backend, executor: ThreadPoolExecutor, head: bool
) -> None:
    over = threading.Event()
    backend.answer = drips(over, head=head)
    dripped = shortener(backend, executor, total_timeout_s=0.3)
    answers = await asyncio.gather(
        *(dripped.shorten(STORY) for _ in range(6)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [ShortenError] * 6
    try:
        backend.answer = says(200, "https://s.example/a1")
        assert await shortener(backend, executor).shorten(STORY) == "https://s.example/a1"
    finally:
        over.set()


async def test_an_answer_without_end_fills_no_memory(
    backend: Backend, executor: ThreadPoolExecutor
) -> None:
    written = 0

    def pour(handler: BaseHTTPRequestHandler) -> None:
        nonlocal written
        handler.send_response(200)
        handler.end_headers()
        with suppress(OSError):
            while written < 200_000_000:
                handler.wfile.write(b"a" * 100_000)
                written += 100_000

    backend.answer = pour
    with pytest.raises(ShortenError, match="failed"):
        await shortener(backend, executor).shorten(STORY)
    assert written < 50_000_000


async def test_silence_is_given_up_in_time(backend: Backend, executor: ThreadPoolExecutor) -> None:
    over = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        over.wait(20)

    backend.answer = silent
    with pytest.raises(ShortenError, match="too long"):
        await shortener(backend, executor, total_timeout_s=0.05).shorten(STORY)
    over.set()


@pytest.mark.parametrize(
    "answer",
    [
        "https://is.gd/Ab3-_x",
        "http://tinyurl.com/2p9zk",
        " https://da.gd/x \n",
        "https://xn--berita-9ya.xn--p1ai/a",
        "https://8.8.8.8/a",
        "https://go.kabar.example:8443/a?b=c",
    ],
)
def test_a_short_url_may_look_like_this(answer: str) -> None:
    assert checked_short_url(answer, STORY.url) == answer.strip()


@given(st.text(max_size=70) | st.from_regex(r"https?://[!-~]{1,40}/[!-~]{1,9}", fullmatch=True))
def test_whatever_a_backend_says_a_short_url_is_public_and_plain(answer: str) -> None:
    try:
        short = checked_short_url(answer, STORY.url)
    except ShortenError:
        return
    parts = urlsplit(short)
    assert parts.scheme in {"http", "https"}
    assert "@" not in parts.netloc
    assert "." in str(parts.hostname)
    assert short.isascii()
    assert not set(short) & set(' <>"\\^`{|}')


async def test_a_backend_that_is_away_is_an_error_of_ours(executor: ThreadPoolExecutor) -> None:
    away = PyshortenersShortener("nullpointer", None, executor, domain="http://127.0.0.1:1")
    with pytest.raises(ShortenError):
        await away.shorten(STORY)


async def test_a_missing_key_is_an_error_of_ours(executor: ThreadPoolExecutor) -> None:
    with pytest.raises(ShortenError):
        await PyshortenersShortener("cuttly", None, executor).shorten(STORY)


def test_the_loop_is_never_blocked() -> None:
    assert asyncio.iscoroutinefunction(PyshortenersShortener.shorten)
    with pytest.raises(ShortenError):
        checked_short_url("https://[bad/x", STORY.url)
