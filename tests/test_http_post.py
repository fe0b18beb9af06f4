"""POST over kept connections: whatever a server does, it is known whether it may have acted."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import OutcomeUnknown, RetryLater
from bot.http_post import Answer, Poster, read_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BODY = b'{"ok":true}'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + BODY
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5;note=x\r\n{"ok"\r\n6\r\n:true}\r\n0\r\nTrailer: x\r\n\r\n'
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
WHOLE = [PLAIN, CHUNKED, INTERIM + PLAIN, INTERIM + CHUNKED]


class Server:
    """Answers each request as the test says; remembers requests and counts connections."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """None is a server that hangs up without a word."""
        self.connections += 1
        try:
            while self._answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self._answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                if b"close" in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://localhost:{port}"


@pytest.mark.parametrize("received", WHOLE)
def test_an_answer_is_read_once_it_is_whole(received: bytes) -> None:
    for end in range(len(received)):
        assert read_answer(received[:end]) is None
    assert read_answer(received) == Answer(200, BODY, keep=True)


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    received = b"HTTP/1.1 502 Bad Gateway\r\nServer: x\r\n\r\n<html>"
    assert read_answer(received) is None
    assert read_answer(received, ended=True) == Answer(502, b"<html>", keep=False)


@pytest.mark.parametrize("received", [PLAIN, CHUNKED])
def test_an_answer_cut_short_is_none(received: bytes) -> None:
    assert read_answer(received[:-1], ended=True) is None


@pytest.mark.parametrize(
    "received",
    [
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nconnection: Close\r\n\r\n"),
        PLAIN + b"more than was asked for",
    ],
)
def test_a_connection_is_not_used_again_where_that_is_unsafe(received: bytes) -> None:
    answer = read_answer(received)
    assert answer is not None
    assert (answer.body, answer.keep) == (BODY, False)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_answer_no_answer_yet_or_refused(tail: bytes, ended: bool) -> None:
    for received in (tail, b"HTTP/1.1 200 OK\r\n" + tail, CHUNKED[:60] + tail):
        try:
            answer = read_answer(received, ended=ended)
        except ValueError:
            continue
        assert answer is None or answer.body in received


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8))
def test_chunks_are_joined(parts: list[bytes]) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    assert read_answer(head + chunks + b"0\r\n\r\n") == Answer(200, b"".join(parts), keep=True)


async def test_requests_follow_one_another_on_one_connection() -> None:
    server = Server(PLAIN, CHUNKED, INTERIM + PLAIN)
    async with listening(server.serve) as url, Poster(f"{url}/top/") as poster:
        for number in range(3):
            assert await poster.post("/bot1:a/send", b"%d" % number) == (200, BODY)
    assert server.connections == 1
    head, _, body = server.requests[1].partition(b"\r\n\r\n")
    assert body == b"1"
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /top/bot1:a/send HTTP/1.1"
    assert f"Host: {url.removeprefix('http://')}".encode() in lines


async def test_what_is_said_to_be_the_last_answer_ends_the_connection() -> None:
    last = PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    server = Server(last, last)
    async with listening(server.serve) as url, Poster(url) as poster:
        for _ in range(2):
            assert await poster.post("/", b"{}") == (200, BODY)
    assert server.connections == 2


async def test_requests_at_once_have_connections_of_their_own() -> None:
    together = asyncio.Barrier(3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"}")
        await together.wait()
        body = request[-1:] + request[-3:-1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    async with listening(serve) as url, Poster(url) as poster:
        posts = [poster.post("/", b"{%02d}" % number) for number in range(3)]
        answers = await asyncio.wait_for(asyncio.gather(*posts), 10)
    assert answers == [(200, b"}%02d" % number) for number in range(3)]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        PLAIN[:30],
        PLAIN[:-1],
        CHUNKED[:-3],
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnothing\r\n",
    ],
)
async def test_no_whole_answer_leaves_the_outcome_unknown(answer: bytes | None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(answer or b"")
        writer.close()

    async with listening(serve) as url, Poster(url) as poster:
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(poster.post("/", b"{}"), 10)


async def test_a_late_answer_is_unknown_and_answers_nothing_else() -> None:
    late = asyncio.Event()
    server = Server(PLAIN)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if late.is_set():
            await server.serve(reader, writer)
            return
        await reader.readuntil(b"{}")
        await late.wait()
        writer.write(PLAIN.replace(b"true", b"null"))
        writer.close()

    async with listening(serve) as url, Poster(url, answer_timeout_s=0.05) as poster:
        with pytest.raises(OutcomeUnknown, match="TimeoutError"):
            await poster.post("/", b"{}")
        late.set()
        assert await poster.post("/", b"{}") == (200, BODY)


async def test_a_cancelled_request_answers_nothing_else() -> None:
    asked = asyncio.Event()
    server = Server(PLAIN)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked.is_set():
            await server.serve(reader, writer)
            return
        await reader.readuntil(b"{}")
        asked.set()
        await reader.read()
        writer.close()

    async with listening(serve) as url, Poster(url) as poster:
        posting = asyncio.create_task(poster.post("/", b"{}"))
        await asked.wait()
        posting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await posting
        assert await poster.post("/", b"{}") == (200, BODY)


async def test_a_connection_that_was_closed_while_idle_is_not_used() -> None:
    server = Server(PLAIN, PLAIN)
    hung_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        once = Server(PLAIN)
        await once.serve(reader, writer)
        server.connections += once.connections
        await writer.wait_closed()
        hung_up.set()

    async with listening(serve) as url, Poster(url) as poster:
        for _ in range(3):
            hung_up.clear()
            assert await poster.post("/", b"{}") == (200, BODY)
            await asyncio.wait_for(hung_up.wait(), 10)
            for _ in range(5):
                await asyncio.sleep(0)
    assert server.connections == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
async def test_a_server_that_is_not_reached_was_asked_nothing(url: str) -> None:
    async with Poster(url) as poster:
        with pytest.raises(RetryLater) as raised:
            await poster.post("/bot1:secret/send", b"{}")
    assert raised.value.after_s is None
    assert "secret" not in str(raised.value)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine: apt-get install -y openssl")
    path = tmp_path / "server.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(path), "-out", str(tmp_path / "public.pem")]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (tmp_path / "public.pem").read_bytes())
    return path


async def test_a_trusted_server_is_spoken_to_in_private(certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    server = Server(PLAIN, PLAIN)
    trust = ssl.create_default_context(cafile=str(certificate.with_name("public.pem")))
    async with listening(server.serve, tls) as url:
        async with Poster(url, trust=trust) as poster:
            for _ in range(2):
                assert await poster.post("/", b"{}") == (200, BODY)
        async with Poster(url) as stranger:
            with pytest.raises(RetryLater, match="SSLCertVerificationError"):
                await stranger.post("/", b"{}")
    assert server.connections == 1
