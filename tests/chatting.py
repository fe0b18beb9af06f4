"""A newsroom's chat, whole: the sandbox over HTTP, python-telegram-bot, the store, the handlers."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from factories import NOW, claimed_feed, entry
from telegram.ext import Application, ExtBot

from bot.broadcasts import Broadcasts
from bot.chat import Desk, add_handlers
from bot.chat.inbox import Inbox
from bot.db import open_database
from bot.editing import Editing, EditingPolicy, Notices
from bot.errors import ParseError
from bot.http_post import Poster
from bot.identity import sight_entry
from bot.limits import Budget
from bot.outbox import Outbox
from bot.publisher import TelegramPublisher
from bot.render import Renderer
from bot.sandbox import TOKEN, Sandbox, serve
from bot.sandbox.updates import FIRST_ID
from bot.store import PollPlan, Store
from bot.transport import AiohttpRequest, BudgetRateLimiter
from bot.types import FeedPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from bot.sandbox.records import Post, Pressed
    from bot.types import Entry, FeedForPoll, Story

TEMPLATES = Path(__file__).parent.parent / "templates"
ZONE = ZoneInfo("Asia/Jakarta")
START = NOW


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how_long: float) -> None:
        self.now += timedelta(**how_long)


@dataclass
class PageSource:
    """Pages by address; every other address is no article. An error is raised."""

    pages: dict[str, Entry | Exception] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    async def fetch(self, feed: FeedForPoll) -> FeedPage:
        return FeedPage(url=feed.url, entries=None)

    async def read_article(self, url: str) -> Entry:
        self.read.append(url)
        page = self.pages.get(url, ParseError("no article"))
        if isinstance(page, Exception):
            raise page
        return page


class WatchedInbox(Inbox):
    """An inbox that tells when an update has been handled."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.handled: set[int] = set()
        self.order: list[int] = []
        self.changed = asyncio.Condition()

    async def _handle(self, body: dict[str, Any]) -> None:
        await super()._handle(body)
        async with self.changed:
            self.handled.add(body["update_id"])
            self.order.append(body["update_id"])
            self.changed.notify_all()

    async def wait_for(self, update_ids: set[int]) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: update_ids <= self.handled)


@dataclass
class World:
    """Everything that a test of the chat may touch."""

    sandbox: Sandbox
    store: Store
    bot: ExtBot[Any]
    application: Any
    inbox: WatchedInbox
    desk: Desk
    source: PageSource
    outbox: Outbox
    clock: Clock
    notes: list[int]

    async def settled(self) -> None:
        """Wait until the bot has handled all that happened."""
        updates = self.sandbox.updates
        await self.inbox.wait_for(set(range(FIRST_ID, updates._next_id)))

    async def say(self, user_id: int, chat_id: int, text: str, **more: Any) -> list[Post]:
        """Let somebody say something; gives what the bot posted there meanwhile."""
        before = len(self.sandbox.chats[chat_id].posts)
        self.sandbox.say(user_id, chat_id, text, **more)
        await self.settled()
        posts = list(self.sandbox.chats[chat_id].posts.values())[before:]
        return [post for post in posts if post.outgoing]

    async def tell(self, user_id: int, text: str, **more: Any) -> str:
        """Let somebody say something in private; gives the text of the only answer."""
        (answer,) = await self.say(user_id, user_id, text, **more)
        return text_of(answer)

    async def press(self, user_id: int, post: Post, data: str) -> Pressed:
        """Let somebody press a button; gives the press with its answer."""
        pressed = self.sandbox.press(user_id, post.chat_id, post.id, data)
        await self.settled()
        return pressed

    async def refresh(self) -> None:
        """Let editors' notices say what is true now."""
        await self.desk.notices.renew(self.clock())
        await self.desk.notices.offer(self.clock())
        self.clock.advance(seconds=2)
        await self.desk.notices.refresh(self.clock())

    async def send_story(self, story: Story) -> None:
        """Let a story go out as an editor's broadcast."""
        draft = await self.store.record_draft(
            story.id, self.desk.renderer.share_sheet(story).message, 1, self.clock()
        )
        assert await self.store.schedule_broadcast(draft.id, self.clock())

    async def deliver(self) -> None:
        """Open what is due and send it all."""
        await self.desk.broadcasts.open_due(self.clock())
        started = True
        while started:
            async with asyncio.TaskGroup() as tasks:
                started = bool(await self.outbox.tick(tasks))

    async def publish(self, *entries: Entry) -> list[Story]:
        """Record stories as a feed's baseline; the first is the newest."""
        sightings = [sight_entry(item) for item in entries]
        feed = await claimed_feed(self.store, self.clock())
        plan = PollPlan(self.clock(), self.clock(), broadcast_state=None)
        page = FeedPage(url=feed.url, entries=())
        await self.store.record_poll(feed, page, list(reversed(sightings)), [], plan)
        stories = [await self.store.find_story_by_code(item.story.code) for item in sightings]
        return [story for story in stories if story is not None]

    def failures(self) -> list[Any]:
        """Calls that the sandbox refused."""
        return [call for call in self.sandbox.calls if call.status >= 400]


@asynccontextmanager
async def world(
    folder: Path, *, editors: tuple[int, ...] = (), locale: str = "id", polling: bool = True
) -> AsyncIterator[World]:
    """The whole chat over a sandbox and a SQLite file, answering until the end."""
    database = await open_database(f"sqlite:///{folder / 'chat.db'}")
    try:
        async with world_over(
            Store(database), editors=editors, locale=locale, polling=polling
        ) as parts:
            yield parts
    finally:
        await database.close()


@asynccontextmanager
async def world_over(
    store: Store, *, editors: tuple[int, ...] = (), locale: str = "id", polling: bool = True
) -> AsyncIterator[World]:
    """The whole chat over a sandbox and a store, answering until the end."""
    sandbox = Sandbox(TOKEN)
    async with AsyncExitStack() as stack:
        runner = await serve(sandbox, "127.0.0.1", 0)
        stack.push_async_callback(runner.cleanup)
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        bot = make_bot(base)
        poster = await stack.enter_async_context(Poster(base))
        publisher = TelegramPublisher(poster, TOKEN)
        parts = wire(sandbox, store, bot, publisher, editors, locale)
        await stack.enter_async_context(bot)
        await parts.application.initialize()
        await parts.inbox.resume()
        stack.push_async_callback(parts.inbox.finish)
        if polling:
            stopping = asyncio.Event()
            service = asyncio.create_task(parts.inbox.run_polling(stopping))
            stack.push_async_callback(asyncio.wait_for, service, 10)
            stack.callback(stopping.set)
        yield parts


def make_bot(base: str) -> ExtBot[Any]:
    """A bot whose budget never makes it wait."""
    return ExtBot(
        TOKEN,
        base_url=f"{base}/bot",
        request=AiohttpRequest(32),
        get_updates_request=AiohttpRequest(1),
        rate_limiter=BudgetRateLimiter(unhurried(), _unnoted),
    )


def _unnoted(telegram_id: int, chat_type: str, message_id: int) -> None:
    """Answers' ids are noted by the composition root."""


def wire(
    sandbox: Sandbox,
    store: Store,
    bot: ExtBot[Any],
    publisher: TelegramPublisher,
    editors: tuple[int, ...],
    locale: str,
) -> World:
    """Put the parts together as the composition root does."""
    clock, source, notes = Clock(), PageSource(), []
    renderer = Renderer(locale=locale, zone=ZONE, utm=True, builtin=TEMPLATES)
    broadcasts = Broadcasts(store, renderer, publisher)
    policy = EditingPolicy(frozenset(editors), ZONE, 30.0)
    editing = Editing(store, source, renderer, broadcasts.message_of, policy)
    notices = Notices(store, editing, renderer, publisher, broadcasts.message_of, ZONE)
    desk = Desk(
        store=store,
        broadcasts=broadcasts,
        editing=editing,
        notices=notices,
        source=source,
        renderer=renderer,
        locale=locale,
        zone=ZONE,
        clock=clock,
        note_group=notes.append,
    )
    application = Application.builder().bot(bot).updater(None).build()
    add_handlers(application, desk)
    return World(
        sandbox=sandbox,
        store=store,
        bot=bot,
        application=application,
        inbox=WatchedInbox(store, application, clock, "tests"),
        desk=desk,
        source=source,
        outbox=Outbox(store, publisher, unhurried(), clock, "tests"),
        clock=clock,
        notes=notes,
    )


def unhurried() -> Budget:
    """A budget whose turn has always come."""
    hours = itertools.count(step=3600)
    return Budget(30.0, lambda: float(next(hours)))


def text_of(post: Post) -> str:
    """What a reader sees of a message."""
    return post.content.text.text


def buttons_of(post: Post) -> list[dict[str, Any]]:
    """The buttons below a message, in their order."""
    rows = (post.content.markup or {}).get("inline_keyboard", [])
    return [button for row in rows for button in row]


def callbacks_of(post: Post) -> list[str]:
    """The callback data below a message."""
    return [button["callback_data"] for button in buttons_of(post) if "callback_data" in button]


def turns_of(post: Post) -> list[str]:
    """The callback data of a list's buttons to the pages before and after."""
    return [
        button["callback_data"] for button in buttons_of(post) if {"‹", "›"} & set(button["text"])
    ]


def chosen_of(post: Post) -> list[str]:
    """The callback data of a list's numbers, each a story to share."""
    return [name for name in callbacks_of(post) if name.startswith("latest:share:")]


def links_of(post: Post) -> list[str]:
    """The links in a message's text."""
    return [entity["url"] for entity in post.content.text.entities if entity["type"] == "text_link"]


def many(number: int, **changes: Any) -> list[Entry]:
    """Entries of different numbers, the first the newest."""
    return [
        entry(index, published_at=START - timedelta(minutes=index), **changes)
        for index in range(1, number + 1)
    ]
