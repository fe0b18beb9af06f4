"""Hubs on loopback, with the manners of real ones, and the subscriber's side of their calls.

`Hub` does what rsscloud-server 4 was seen to do: it answers 202 and verifies within 0.1 s, sends a
topic's body only if it changed, once, and neither repeats what failed nor heeds a 410. It takes
secrets of up to 250 bytes. `flask_hub` runs Flask-WebSub's hub as a process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from service import LONGEST_WAIT_S, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

VERIFIES_AFTER_S = 0.05
LONGEST_SECRET_BYTES = 250

# The hub's tasks run on threads: it names Celery, but asks no more of it than this.
FLASK_HUB = """
import functools, sys, threading, time
from types import SimpleNamespace
from flask import Flask
from flask_websub.hub import Hub, SQLite3HubStorage


class Threads:
    def task(self, f=None, *, bind=False, max_retries=3):
        if f is None:
            return functools.partial(self.task, bind=bind, max_retries=max_retries)

        def run(attempt, arguments):
            def retry(countdown):
                if attempt < max_retries:
                    time.sleep(countdown)
                    run(attempt + 1, arguments)

            task = SimpleNamespace(request=SimpleNamespace(retries=attempt), retry=retry)
            f(task, *arguments) if bind else f(*arguments)

        def delay(*arguments):
            threading.Thread(target=run, args=(0, arguments), daemon=True).start()

        return SimpleNamespace(delay=delay)


app = Flask(__name__)
app.config["PUBLISH_SUPPORTED"] = True
app.config["HUB_MIN_LEASE_SECONDS"] = 1
hub = Hub(
    SQLite3HubStorage("hub.db"), Threads(),
    BACKOFF_BASE=0.5, MAX_ATTEMPTS=5,
)
app.register_blueprint(hub.build_blueprint(url_prefix="/hub"))
app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
"""


def signature(algorithm: str, secret: str, body: bytes) -> str:
    """The X-Hub-Signature of a body."""
    return f"{algorithm}={hmac.new(secret.encode(), body, algorithm).hexdigest()}"


@dataclass
class Subscriber:
    """What a hub knows of a subscriber."""

    callback: str
    secret: str
    ends_at: float


@dataclass
class Hub:
    """A hub that never retries."""

    url: str = ""
    lease_s: int = 86_400
    algorithm: str = "sha256"
    deny: str | None = None
    silent: bool = False
    subscribers: dict[tuple[str, str], Subscriber] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)
    _sent: dict[str, str] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def endpoint(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        if form.get("hub.mode") not in {"subscribe", "unsubscribe"}:
            return web.Response(status=400, text="mode?")
        if len(form.get("hub.secret", "").encode()) > LONGEST_SECRET_BYTES:
            return web.Response(status=400, text="secret too long")
        if not self.silent:
            task = asyncio.create_task(self._verify(form))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return web.Response(status=202)

    async def publish(self, topic: str, body: bytes | None = None) -> None:
        """Send a topic to its subscribers, once each, if it changed."""
        headers = {"Content-Type": "application/rss+xml"}
        async with aiohttp.ClientSession() as session:
            if body is None:
                async with session.get(topic) as response:
                    body = await response.read()
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
            if self.silent or self._sent.get(topic) == digest:
                return
            self._sent[topic] = digest
            for (told, _), subscriber in list(self.subscribers.items()):
                if told != topic or subscriber.ends_at < time.monotonic():
                    continue
                signed = {"X-Hub-Signature": signature(self.algorithm, subscriber.secret, body)}
                links = {"Link": f'<{self.url}>; rel="hub", <{topic}>; rel="self"'}
                with suppress(aiohttp.ClientError):
                    async with session.post(
                        subscriber.callback, data=body, headers=headers | signed | links
                    ) as response:
                        self.answers.append((subscriber.callback, response.status))

    async def _verify(self, form: dict[str, str]) -> None:
        await asyncio.sleep(VERIFIES_AFTER_S)
        mode, topic, callback = form["hub.mode"], form["hub.topic"], form["hub.callback"]
        async with aiohttp.ClientSession() as session:
            if self.deny is not None:
                told = {"hub.mode": "denied", "hub.topic": topic, "hub.reason": self.deny}
                async with session.get(callback, params=told):
                    return
            challenge = secrets.token_urlsafe(16)
            told = {"hub.mode": mode, "hub.topic": topic, "hub.challenge": challenge}
            told |= {"hub.lease_seconds": str(self.lease_s)} if mode == "subscribe" else {}
            async with session.get(callback, params=told) as response:
                if response.status != 200 or await response.text() != challenge:
                    return
        if mode == "unsubscribe":
            self.subscribers.pop((topic, callback), None)
            return
        ends_at = time.monotonic() + self.lease_s
        self.subscribers[topic, callback] = Subscriber(callback, form["hub.secret"], ends_at)


@asynccontextmanager
async def served_hub(**manners: object) -> AsyncIterator[Hub]:
    """A hub on a port of its own."""
    hub = Hub(**manners)
    app = web.Application()
    app.router.add_post("/hub", hub.endpoint)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hub"
        yield hub
    finally:
        await runner.cleanup()


@contextmanager
def flask_hub(folder: Path) -> Iterator[str]:
    """Flask-WebSub's hub, which signs by SHA-512, as a process; gives its address."""
    port = free_port()
    (folder / "hub.py").write_text(FLASK_HUB)
    command = [sys.executable, "hub.py", str(port)]
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}/hub"
    finally:
        process.kill()
        process.wait()


async def listening(url: str) -> None:
    """Wait until something listens where an address points."""
    parts = urlsplit(url)
    async with asyncio.timeout(LONGEST_WAIT_S):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
                writer.close()
                return
            await asyncio.sleep(0.05)


@dataclass
class Site:
    """A newsroom's site with a feed that names a hub, in Link headers and in the feed."""

    hub_url: str = ""
    titles: list[str] = field(default_factory=lambda: ["Berita lama"])
    polls: int = 0

    async def feed(self, request: web.Request) -> web.Response:
        self.polls += 1
        own = str(request.url)
        return web.Response(
            body=self.body(own),
            content_type="application/rss+xml",
            headers={"Link": f'<{self.hub_url}>; rel="hub", <{own}>; rel="self"'},
        )

    def body(self, own: str) -> bytes:
        """The feed's text, newest story first."""
        items = "".join(
            f"<item><title>{title}</title><link>https://kabar.example/{number}/</link></item>"
            for number, title in reversed(list(enumerate(self.titles)))
        )
        return (
            '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>'
            f'<title>Kabar</title><atom:link rel="self" href="{own}"/>'
            f'<atom:link rel="hub" href="{self.hub_url}"/>{items}</channel></rss>'
        ).encode()

    def app(self) -> web.Application:
        """The site as an application."""
        app = web.Application()
        app.router.add_get("/feed/", self.feed)
        return app
