"""`sebar check`: settings, templates, token, feeds and database, all faults at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telegram.error import InvalidToken, TelegramError

from bot.app import guarded_session, make_renderer, open_bot
from bot.db import open_database
from bot.errors import DatabaseError, SourceError
from bot.feeds import HttpSource
from bot.limits import Budget
from bot.links import shown
from bot.types import FeedForPoll

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from telegram import Bot

    from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: what each feed gives, and every fault, in words."""

    found: tuple[str, ...]
    faults: tuple[str, ...]


async def examine(settings: Settings, known: Sequence[str] = ()) -> Report:
    """Try everything that the settings name; each fault says where it is and how to cure it.

    A setting that is faulty itself, as `known` tells, is not called missing besides.
    """
    faults = [
        fault
        for fault in _settings_faults(settings)
        if not any(told.startswith(fault.partition(" ")[0]) for told in known)
    ]
    faults += [f"template {fault}" for fault in make_renderer(settings).faults]
    checks = [_check_database(settings), _check_telegram(settings)]
    found: list[str] = []
    async with guarded_session(settings) as session:
        source = HttpSource(session, zone=settings.zone)
        checks += [_check_feed(source, url, found) for url in settings.feeds]
        for told in await asyncio.gather(*checks):
            faults += told
    return Report(tuple(found), tuple(faults))


def _settings_faults(settings: Settings) -> Iterator[str]:
    if settings.token is None:
        yield "SEBAR_TELEGRAM_TOKEN is missing: ask @BotFather for a token and set it"
    if not settings.feeds:
        yield "SEBAR_FEEDS is missing: set it to the address of your feed, https://…/feed/"


async def _check_database(settings: Settings) -> list[str]:
    try:
        database = await open_database(settings.database_url)
    except DatabaseError as error:
        return [f"database: {error}"]
    await database.close()
    return []


async def _check_telegram(settings: Settings) -> list[str]:
    if settings.token is None:
        return []
    async with AsyncExitStack() as stack:
        budget = Budget(settings.rate, asyncio.get_running_loop().time)
        bot = await open_bot(settings, budget, stack, asyncio.Queue())
        try:
            await bot.get_me()
        except InvalidToken:
            return ["SEBAR_TELEGRAM_TOKEN: Telegram refuses it; copy it again from @BotFather"]
        except TelegramError as error:
            return [f"Telegram at {settings.api_url} is not reached: {error}"]
        return await _check_channels(settings, bot)


async def _check_channels(settings: Settings, bot: Bot) -> list[str]:
    faults = []
    for channel in settings.channels:
        try:
            await bot.get_chat(channel.chat)
        except TelegramError as error:
            faults.append(
                f"SEBAR_CHANNELS, {channel.chat}: {error}; add the bot to it as an administrator"
            )
    return faults


async def _check_feed(source: HttpSource, url: str, found: list[str]) -> list[str]:
    try:
        page = await source.fetch(FeedForPoll(id=0, url=url))
    except SourceError as error:
        return [f"feed {shown(url)}: {error}"]
    number = len(page.entries or ())
    stories = f"{number} {'story' if number == 1 else 'stories'}"
    facts = f"{page.made_by}, {stories}" if page.made_by else stories
    led_to = page.found_url or (page.moved_to if page.moved_to != url else None)
    where = f"{shown(url)} → {shown(led_to)}" if led_to else shown(url)
    hub = f"hub {shown(page.hub_url)}" if page.hub_url else "no hub"
    found.append(f"{where} ({facts}), {hub}")
    return []
