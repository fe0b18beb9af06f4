"""pyshorteners, with its backends on this machine and behaving as badly as they do."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from factories import sighting

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
    thread = threading.Thread(target=backend.server.serve_forever, daemon=True)
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


async def test_an_answer_that_drips_is_given_up_in_time(
    backend: Backend, executor: ThreadPoolExecutor
) -> None:
    released = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "20")
        handler.end_headers()
        released.wait(10)

    backend.answer = drip
    with pytest.raises(ShortenError, match="too long"):
        await shortener(backend, executor, total_timeout_s=0.05).shorten(STORY)
    released.set()


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
