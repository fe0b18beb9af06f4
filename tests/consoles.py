"""A console over a store, and editors who sign in to it."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestServer
from factories import NOW

from bot.clicks import Clicks
from bot.editing import Editing, EditingPolicy
from bot.render import Renderer
from bot.tokens import hashed, new_token
from bot.web import Front, web_app
from bot.web.console import proof_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.store import Store
    from bot.types import Entry, Message, Story

TEMPLATES = Path(__file__).parent.parent / "templates"
ZONE = ZoneInfo("Asia/Jakarta")
OWNER, EDITOR = 7, 8
TOKEN = "123456:test"


class NoSource:
    async def read_article(self, url: str) -> Entry:
        raise AssertionError(url)


@dataclass
class Desk:
    """A served console with its store and its clock."""

    store: Store
    editing: Editing
    renderer: Renderer
    public_url: str | None = None
    now: datetime = NOW
    server: TestServer = field(init=False)

    def front(self) -> Front:
        async def accept(_: list[dict[str, Any]]) -> None:
            raise AssertionError

        async def export() -> AsyncIterator[str]:
            yield '{"telegram_id": 1001}'

        return Front(
            store=self.store,
            clock=lambda: self.now,
            accept=accept,
            webhook_secret=None,
            token_fault=lambda: None,
            clicks=Clicks(self.store, ZONE, utm=True),
            renderer=self.renderer,
            files=TEMPLATES / "web" / "static",
            zone=ZONE,
            public_url=self.public_url,
            editing=self.editing,
            export=export,
            proof_key=proof_key(TOKEN),
        )

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    async def link(self, editor: int = OWNER) -> str:
        """A sign-in link's path, as the chat gives it."""
        token = new_token()
        await self.store.record_console_link(hashed(token), editor, self.now)
        return f"/console/in/{token}"

    @asynccontextmanager
    async def visitor(self, **headers: str) -> AsyncIterator[Visitor]:
        """Somebody with a browser of their own."""
        jar = CookieJar(unsafe=True)
        base = self.server.make_url("/")
        async with ClientSession(base, cookie_jar=jar, headers=headers) as client:
            yield Visitor(client)

    @asynccontextmanager
    async def editor(self, editor: int = OWNER, **headers: str) -> AsyncIterator[Visitor]:
        """An editor who is signed in."""
        async with self.visitor(**headers) as visitor:
            assert (await visitor.sign_in(await self.link(editor))).status == 303
            yield visitor


@dataclass
class Visitor:
    """A browser without scripts."""

    client: ClientSession

    async def get(self, path: str, **options: Any) -> Any:
        """Ask for a page, without following where it leads."""
        return await self.client.get(path, allow_redirects=False, **options)

    async def text(self, path: str) -> str:
        """A page that is there."""
        answer = await self.get(path)
        assert answer.status == 200, (path, answer.status)
        text: str = await answer.text()
        return text

    async def post(self, path: str, *, csrf: str | None = None, **fields: str) -> Any:
        """Send a form as its page would."""
        if csrf is None:
            csrf = await self.csrf()
        return await self.client.post(path, data={"csrf": csrf, **fields}, allow_redirects=False)

    async def csrf(self) -> str:
        """What this visitor's forms show."""
        found = re.search(r'name="csrf" value="(\w+)"', await self.text("/console/log"))
        assert found
        return found[1]

    async def sign_in(self, link: str) -> Any:
        """Open a link and press its button."""
        await self.get(link)
        return await self.client.post(link, allow_redirects=False)


@asynccontextmanager
async def served(store: Store, public_url: str | None = None) -> AsyncIterator[Desk]:
    """Serve the console over a store."""
    renderer = Renderer(locale="id", zone=ZONE, utm=True, builtin=TEMPLATES)

    async def message_of(story: Story) -> Message:
        return renderer.share_sheet(replace(story)).message

    policy = EditingPolicy(frozenset({OWNER}), ZONE, 30.0)
    editing = Editing(store, NoSource(), renderer, message_of, policy)  # type: ignore[arg-type]
    desk = Desk(store, editing, renderer, public_url)
    desk.server = TestServer(web_app(desk.front()))
    await desk.server.start_server()
    try:
        yield desk
    finally:
        await desk.server.close()
