"""The composition root: Settings become objects, objects become the services of a role."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import hmac
import logging
import secrets
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Flag, auto
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, ExtBot

from bot.alerts import Alerts
from bot.broadcasts import Broadcasts
from bot.chat import ALLOWED_UPDATES, Desk, add_handlers, publish_commands
from bot.chat.inbox import Inbox
from bot.clicks import Clicks
from bot.db import open_database
from bot.digests import Digests
from bot.editing import Editing, EditingPolicy, Notices
from bot.enriching import PageEnricher
from bot.errors import DatabaseError, FetchError, SettingsError
from bot.feeds import (
    HttpHubs,
    HttpSource,
    WordPressArchive,
    guarded,
    parse_source,
    places,
)
from bot.http_post import Poster
from bot.hubs import Hubs
from bot.identity import sight, sight_entry
from bot.ingest import Ingest, IngestPolicy
from bot.limits import Budget
from bot.moving import export_lines
from bot.outbox import Outbox
from bot.probing import Prober
from bot.publisher import TelegramPublisher
from bot.relating import relate_gently
from bot.render import Renderer
from bot.revisiting import Revisiting, RevisitPolicy
from bot.settings import FREE_RATE
from bot.shorten import AT_ONCE, PyshortenersShortener
from bot.store import NotedMessage, Store
from bot.transport import AiohttpRequest, BudgetRateLimiter
from bot.types import ChatType, Entry
from bot.web import Front, web_app
from bot.web.console import proof_key, used_sources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from bot.ports import Shortener
    from bot.settings import Settings
    from bot.types import Story

    Service = Callable[[asyncio.Event], Coroutine[None, None, None]]
    Step = Callable[[datetime], Awaitable[bool]]

IDLE_S = 0.25
COUNT_EVERY_S = 0.5
FAULT_PAUSE_S = 2.0
KEEP_LEASES_EVERY_S = 3.0
KEEP_INBOX_EVERY_S = 2.0
KEEP_TEMPLATES_EVERY_S = 2.0
PROBE_EVERY_S = 0.5
REVISIT_EVERY_S = 0.5
ASK_HUBS_EVERY_S = 1.0
NOTE_WAIT_S = 0.5
TIDY_EVERY_S = 600.0
RESOLVE_EVERY_S = 60.0
TOKEN_PAUSE_S = 30.0
SET_WEBHOOK_EVERY_S = 3600.0
WEBHOOK_CONNECTIONS = 40
KEEP_UPDATES = timedelta(days=2)
KEEP_NOTICES = timedelta(days=60)
KEEP_DROPPED_HUBS = timedelta(days=30)
STOP_WITHIN_S = 10.0
SEND_CONNECTIONS = 256
POLL_CONNECTIONS = 2
WITHOUT_BACKEND = frozenset({"none", "own"})
GROUPS = frozenset({ChatType.GROUP, ChatType.SUPERGROUP})

_log = logging.getLogger(__name__)


class Role(Flag):
    """What a process does."""

    WEB = auto()
    WORKER = auto()
    ALL = WEB | WORKER


@dataclass(frozen=True, slots=True)
class Parts:
    """Every object of a process, wired."""

    settings: Settings
    store: Store
    bot: ExtBot[int]
    renderer: Renderer
    ingest: Ingest
    hubs: Hubs | None
    broadcasts: Broadcasts
    editing: Editing
    notices: Notices
    alerts: Alerts
    digests: Digests
    revisiting: Revisiting
    outbox: Outbox
    prober: Prober
    inbox: Inbox
    clicks: Clicks
    application: Application[Any, Any, Any, Any, Any, Any]
    budget: Budget
    noted: asyncio.Queue[NotedMessage]
    listener: socket.socket | None


def clock() -> datetime:
    """The moment, as an aware UTC datetime."""
    return datetime.now(UTC)


def resource_folder(name: str) -> Path:
    """A folder that comes with Sebar: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name


def make_renderer(settings: Settings) -> Renderer:
    """The renderer, with the newsroom's own templates in front of the built-in ones."""
    return Renderer(
        locale=settings.locale,
        zone=settings.zone,
        utm=settings.utm,
        builtin=resource_folder("templates"),
        custom=settings.templates,
        short_at=settings.public_url if settings.shortener == "own" else None,
        copy_short=settings.copy == "short",
    )


def console_url(settings: Settings) -> str:
    """Where editors reach the console: the public address, else this machine's own."""
    if settings.public_url:
        return settings.public_url
    host = "127.0.0.1" if ip_address(settings.bind).is_unspecified else settings.bind
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def webhook_secret(settings: Settings) -> str | None:
    """What Telegram must show when it calls; None without a public address."""
    if settings.public_url is None or settings.token is None:
        return None
    return hmac.new(settings.token.encode(), b"webhook", hashlib.sha256).hexdigest()


def guarded_session(settings: Settings) -> aiohttp.ClientSession:
    """The session to the web: what the settings name, and else the public internet only."""
    named = [url for url in (*settings.feeds, settings.public_url) if url]
    return guarded(places(named), allow_private=settings.allow_private)


@asynccontextmanager
async def assemble(settings: Settings, listener: socket.socket | None) -> AsyncIterator[Parts]:
    """Open what a process needs and wire it; closes everything at the end."""
    assert settings.token is not None
    async with AsyncExitStack() as stack:
        if listener is not None:
            stack.callback(listener.close)
        database = await open_database(settings.database_url)
        stack.push_async_callback(database.close)
        store = Store(database)
        session = await stack.enter_async_context(guarded_session(settings))
        source = HttpSource(session, zone=settings.zone)
        budget = Budget(settings.rate, asyncio.get_running_loop().time)
        noted: asyncio.Queue[NotedMessage] = asyncio.Queue()
        bot = await open_bot(settings, budget, stack, noted)
        publisher = await open_publisher(settings, stack)
        renderer = make_renderer(settings)
        for fault in renderer.faults:
            _log.error("template faulty, built-in one used", extra={"fault": str(fault)})
        broadcasts = Broadcasts(store, renderer, publisher, make_shortener(settings, stack))
        editing = Editing(
            store,
            source,
            renderer,
            broadcasts.message_of,
            EditingPolicy(frozenset(settings.editors), settings.zone, settings.rate),
        )
        notices = Notices(store, editing, renderer, publisher, broadcasts.message_of, settings.zone)
        clicks = Clicks(store, settings.zone, utm=settings.utm)
        stack.push_async_callback(count_last_clicks, clicks)
        application = Application.builder().bot(bot).updater(None).build()
        desk = Desk(
            store=store,
            broadcasts=broadcasts,
            editing=editing,
            notices=notices,
            source=source,
            renderer=renderer,
            locale=settings.locale,
            zone=settings.zone,
            clock=clock,
            note_group=budget.note_group,
            note_press=clicks.count_press,
            console_url=console_url(settings),
        )
        add_handlers(application, desk)
        policy = IngestPolicy(
            poll_interval=timedelta(seconds=settings.poll_interval_s),
            hold=timedelta(seconds=settings.hold_s),
            needs_approval=settings.approval == "editor",
            withdraws=settings.withdraw == "auto",
        )
        archive = WordPressArchive(session)
        ingest = Ingest(store, source, policy, clock, PageEnricher(store, source, archive))
        side = HttpHubs(session, settings.zone)
        public_url = settings.public_url
        worker = secrets.token_hex(8)
        outbox = Outbox(store, publisher, budget, clock, worker)
        yield Parts(
            settings=settings,
            store=store,
            bot=bot,
            renderer=renderer,
            ingest=ingest,
            alerts=Alerts(store, renderer, publisher),
            hubs=Hubs(store, side, ingest.record_pushed, public_url) if public_url else None,
            broadcasts=broadcasts,
            editing=editing,
            notices=notices,
            digests=Digests(store, renderer, burst=settings.burst),
            revisiting=Revisiting(
                store,
                archive,
                renderer,
                publisher,
                broadcasts.retract,
                revisit_policy(settings),
            ),
            outbox=outbox,
            prober=Prober(store, publisher, budget, outbox.prepared, clock, worker),
            inbox=Inbox(store, application, clock, worker),
            clicks=clicks,
            application=application,
            budget=budget,
            noted=noted,
            listener=listener,
        )


def revisit_policy(settings: Settings) -> RevisitPolicy:
    """What the settings say of stories that are gone from their site."""
    return RevisitPolicy(
        poll_interval=timedelta(seconds=settings.poll_interval_s),
        is_auto=settings.withdraw == "auto",
        editors=settings.editors,
    )


async def open_publisher(settings: Settings, stack: AsyncExitStack) -> TelegramPublisher:
    """The publisher with connections of its own."""
    poster = await stack.enter_async_context(Poster(settings.api_url))
    return TelegramPublisher(poster, settings.token or "", paid=settings.rate > FREE_RATE)


async def open_bot(
    settings: Settings, budget: Budget, stack: AsyncExitStack, noted: asyncio.Queue[NotedMessage]
) -> ExtBot[int]:
    """The bot over our transport and our budget; it can send, but has not met Telegram yet.

    Each message that it sends is added to `noted`.
    """

    def note(telegram_id: int, chat_type: str, message_id: int) -> None:
        noted.put_nowait(NotedMessage(telegram_id, ChatType(chat_type), message_id))

    sends, polls = AiohttpRequest(SEND_CONNECTIONS), AiohttpRequest(POLL_CONNECTIONS)
    for request in (sends, polls):
        await request.initialize()
        stack.push_async_callback(request.shutdown)
    return ExtBot(
        token=settings.token or "",
        base_url=f"{settings.api_url}/bot",
        base_file_url=f"{settings.api_url}/file/bot",
        request=sends,
        get_updates_request=polls,
        rate_limiter=BudgetRateLimiter(budget, note),
    )


def make_shortener(settings: Settings, stack: AsyncExitStack) -> Shortener | None:
    """The backend that the settings name, if any; our own links need none."""
    if settings.shortener in WITHOUT_BACKEND:
        return None
    threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="shortener")
    stack.callback(threads.shutdown, wait=False, cancel_futures=True)
    return PyshortenersShortener(settings.shortener, settings.shortener_key, threads)


async def serve(settings: Settings, role: Role, stopping: asyncio.Event) -> None:
    """Run the services of a role until told to stop; then give what is under way 10 s.

    Raises SettingsError where the port is taken, DatabaseError where the database cannot be opened.
    """
    listener = listen(settings) if Role.WEB in role else None
    async with assemble(settings, listener) as parts:
        await prepare(parts)
        # What lives as long as the process need not be looked at by each full collection.
        gc.freeze()
        _log.info("started", extra={"role": role.name, "port": settings.port})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as tasks:
                for service in services(parts, role):
                    tasks.create_task(service(stopping))
                await stopping.wait()
                limit.reschedule(asyncio.get_running_loop().time() + STOP_WITHIN_S)
        _log.info("stopped")


async def prepare(parts: Parts) -> None:
    """Make the database say what the settings say."""
    now, settings = clock(), parts.settings
    await parts.store.record_feeds(settings.feeds, now)
    await parts.store.record_channels(settings.channels, now)
    if settings.shortener in WITHOUT_BACKEND:
        await parts.store.forget_short_urls()
    await parts.store.hasten_trusting_feeds(now)
    for chat in await parts.store.list_group_ids():
        parts.budget.note_group(chat)
    if not settings.feeds:
        _log.warning("no feed: SEBAR_FEEDS is not set, so no story will come in")


def services(parts: Parts, role: Role) -> list[Service]:
    """The services of a role; each runs until `stopping` is set."""
    chosen: list[Service] = [
        partial(repeat, partial(count_clicks, parts), COUNT_EVERY_S),
        partial(repeat, partial(keep_late_links, parts), IDLE_S),
        partial(repeat, partial(keep_templates, parts), KEEP_TEMPLATES_EVERY_S),
    ]
    if Role.WEB in role:
        chosen.append(partial(run_web, parts))
    if Role.WORKER in role:
        chosen += [
            parts.ingest.run,
            partial(repeat, partial(edit, parts), IDLE_S),
            partial(repeat, partial(keep_leases, parts), KEEP_LEASES_EVERY_S),
            partial(repeat, parts.prober.settle_due, PROBE_EVERY_S),
            partial(repeat, parts.revisiting.step, REVISIT_EVERY_S),
            partial(repeat, partial(tidy, parts), TIDY_EVERY_S),
            partial(repeat, partial(relate_gently, parts.store), IDLE_S),
            partial(repeat, partial(meet_channels, parts), RESOLVE_EVERY_S),
            parts.outbox.run,
        ]
        if parts.hubs is not None:
            chosen += [
                partial(repeat, parts.hubs.ask_due, ASK_HUBS_EVERY_S),
                partial(repeat, parts.hubs.take_push, IDLE_S),
            ]
    if (Role.WEB if parts.settings.public_url else Role.WORKER) in role:
        chosen += [
            partial(run_chat, parts),
            partial(repeat, partial(keep_inbox, parts), KEEP_INBOX_EVERY_S),
            partial(repeat, partial(note_messages, parts), 0.0),
        ]
    return chosen


async def repeat(step: Step, idle_s: float, stopping: asyncio.Event) -> None:
    """Take a step again and again, with a pause after one that found nothing to do."""
    while not stopping.is_set():
        try:
            pause_s = 0.0 if await step(clock()) else idle_s
        except Exception:
            _log.exception("step failed")
            pause_s = FAULT_PAUSE_S
        await pause(stopping, pause_s)


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until told to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


async def edit(parts: Parts, now: datetime) -> bool:
    """One editorial round: what is due opens, what is stale is revised, drafts are offered."""
    renewed = await parts.notices.renew(now)
    opened = await parts.broadcasts.open_due(now)
    halted = await parts.editing.settle_halts(now)
    opened |= await parts.digests.send_due(now)
    revised = await parts.broadcasts.revise_stale(now)
    offered = await parts.notices.offer(now)
    editors = [one.telegram_id for one in await parts.editing.reachable_editors()]
    offered |= await parts.broadcasts.ask_unconfirmed(editors, now)
    offered |= await parts.alerts.tell(editors, now)
    if opened or revised or halted:
        parts.outbox.wake()
    shown = await parts.notices.refresh(now)
    return opened or revised or offered or halted or renewed or shown


async def keep_leases(parts: Parts, now: datetime) -> bool:
    """Show that this worker lives, and find what dead ones left behind."""
    await parts.outbox.keep_leases(now)
    return False


async def keep_inbox(parts: Parts, now: datetime) -> bool:
    """Keep what this process has in hand of updates, and take over what dead ones left."""
    await parts.inbox.keep(now)
    return False


async def keep_templates(parts: Parts, _: datetime) -> bool:
    """Use the templates that editors stored, wherever they did."""
    stored = used_sources(await parts.store.list_templates())
    for fault in parts.renderer.use_stored(stored):
        _log.error("stored template faulty, another one used", extra={"fault": str(fault)})
    return False


async def note_messages(parts: Parts, now: datetime) -> bool:
    """Keep the ids of answers as soon as they are sent, so that no probe asks for them."""
    try:
        noted = [await asyncio.wait_for(parts.noted.get(), NOTE_WAIT_S)]
    except TimeoutError:
        return False
    while not parts.noted.empty():
        noted.append(parts.noted.get_nowait())
    try:
        await parts.store.note_messages(noted, now)
    except DatabaseError:
        for one in noted:
            parts.noted.put_nowait(one)
        raise
    return True


async def count_clicks(parts: Parts, now: datetime) -> bool:
    """Write the clicks that came since the last time."""
    await parts.clicks.flush(now)
    return False


async def keep_late_links(parts: Parts, _: datetime) -> bool:
    """Keep what a shortener answered after its message had left."""
    return await parts.broadcasts.keep_late_links()


async def count_last_clicks(clicks: Clicks) -> None:
    """Write what was clicked until the end."""
    try:
        await clicks.flush(clock())
    except DatabaseError:
        _log.exception("clicks not written")


async def tidy(parts: Parts, now: datetime) -> bool:
    """Forget what nothing needs any more."""
    await parts.store.forget_updates(now - KEEP_UPDATES)
    await parts.store.forget_known(now)
    await parts.store.forget_stopped()
    await parts.store.forget_hubs(now - KEEP_DROPPED_HUBS)
    await parts.store.forget_absences(now)
    await parts.store.forget_notices(now - KEEP_NOTICES)
    return False


async def meet_channels(parts: Parts, now: datetime) -> bool:
    """Learn the ids and kinds of the chats that SEBAR_CHANNELS names."""
    for channel in parts.settings.channels:
        try:
            chat = await parts.bot.get_chat(channel.chat)
        except TelegramError as error:
            fields = {"chat": channel.chat, "reason": str(error)}
            _log.warning("chat of SEBAR_CHANNELS not reached", extra=fields)
            continue
        kind = ChatType(chat.type)
        if isinstance(channel.chat, str):
            await parts.store.record_resolved(channel.chat, chat.id, kind)
        await parts.store.record_chat(chat.id, kind, now, title=chat.title)
        if kind in GROUPS:
            parts.budget.note_group(chat.id)
    return False


async def run_web(parts: Parts, stopping: asyncio.Event) -> None:
    """Serve the web surface."""
    front = Front(
        store=parts.store,
        clock=clock,
        accept=parts.inbox.accept,
        webhook_secret=webhook_secret(parts.settings),
        token_fault=lambda: parts.outbox.token_fault,
        clicks=parts.clicks,
        renderer=parts.renderer,
        files=resource_folder("templates") / "web" / "static",
        zone=parts.settings.zone,
        public_url=parts.settings.public_url,
        editing=parts.editing,
        export=partial(export_lines, parts.store),
        proof_key=proof_key(parts.settings.token or ""),
    )
    # A push is signed as it was sent, compressed or not.
    runner = web.AppRunner(web_app(front), access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        assert parts.listener is not None
        await web.SockSite(runner, parts.listener).start()
        await stopping.wait()
    finally:
        await runner.cleanup()


def listen(settings: Settings) -> socket.socket:
    """Take the web role's port, before anything else is opened. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.bind, settings.port))
    except OSError as error:
        listener.close()
        place = f"{settings.bind}:{settings.port}"
        fault = f"PORT: {place} cannot be served: {error.strerror}; choose another one"
        raise SettingsError([fault]) from error
    return listener


async def run_chat(parts: Parts, stopping: asyncio.Event) -> None:
    """Answer readers and editors: by webhook where there is a public address, else by polling."""
    await _meet_telegram(parts, stopping)
    if stopping.is_set():
        return
    editors = [one.telegram_id for one in await parts.editing.reachable_editors()]
    await publish_commands(parts.bot, parts.settings.locale, editors)
    await parts.inbox.resume()
    if parts.settings.public_url is None:
        await parts.inbox.run_polling(stopping)
    else:
        await repeat(partial(set_webhook, parts), SET_WEBHOOK_EVERY_S, stopping)
    await parts.inbox.finish()


async def set_webhook(parts: Parts, _: datetime) -> bool:
    """Tell Telegram where to call."""
    await parts.bot.set_webhook(
        f"{parts.settings.public_url}/telegram/updates",
        secret_token=webhook_secret(parts.settings),
        allowed_updates=list(ALLOWED_UPDATES),
        max_connections=WEBHOOK_CONNECTIONS,
    )
    return False


async def _meet_telegram(parts: Parts, stopping: asyncio.Event) -> None:
    """Learn who the bot is, however long that takes."""
    while not stopping.is_set():
        try:
            await parts.application.initialize()
        except InvalidToken as error:
            parts.outbox.token_fault = str(error)
            _log.error("token refused: set SEBAR_TELEGRAM_TOKEN to the one from @BotFather")
            await pause(stopping, TOKEN_PAUSE_S)
        except TelegramError as error:
            _log.warning("Telegram not reached", extra={"reason": str(error)})
            await pause(stopping, FAULT_PAUSE_S)
        else:
            parts.outbox.token_fault = None
            return


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Store]:
    """The store alone, for commands that run beside the service. Raises DatabaseError."""
    database = await open_database(settings.database_url)
    try:
        yield Store(database)
    finally:
        await database.close()


async def read_stories(settings: Settings, source: str) -> list[tuple[Entry, Story]]:
    """Read a feed or an article: an address, a file, or `-` for standard input; newest first.

    Gives each story with what its source said.

    Raises SourceError.
    """
    if source.startswith(("http://", "https://")):
        named = places([source, *settings.feeds])
        async with guarded(named, allow_private=settings.allow_private) as session:
            entries = await HttpSource(session, zone=settings.zone).read_source(source)
    else:
        entries = parse_source(_read_local(source), content_type=None, url=None, zone=settings.zone)
    stated = {sight_entry(entry).story.code: entry for entry in reversed(entries)}
    stories = [sighting.story for sighting in sight(entries)]
    return [(stated.get(story.code, Entry("")), story) for story in stories]


def _read_local(source: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise FetchError(f"{source}: {error.strerror or error}") from error
