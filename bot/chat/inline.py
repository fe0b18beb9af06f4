"""Inline mode: stories to insert into any chat, each with its share row."""

from __future__ import annotations

import html
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from telegram import (
    InlineQueryResultArticle,
    InlineQueryResultsButton,
    InputTextMessageContent,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest

from bot.chat.buttons import LATE
from bot.chat.pages import tidy_words
from bot.chat.readers import LATEST_PAYLOAD
from bot.chat.sharing import without_callback
from bot.chat.stories import address_in, find_by_address, is_open, note, title_of
from bot.links import canonical
from bot.relating import search
from bot.telegram_html import MarkupError, check_link
from bot.text import language_of
from bot.transport import keyboard, preview_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from telegram import Update, User

    from bot.chat.answers import AnyContext
    from bot.chat.desk import Desk
    from bot.types import Story

RESULTS: Final = 10
CACHE_S: Final = 30
LONGEST_THUMBNAIL_CHARS: Final = 1_000

_OFFSET: Final = re.compile(r"\d{1,6}", re.ASCII)
_THUMBNAIL: Final = re.compile(r"https://[\w-]+(?:\.[\w-]+)+(?::\d+)?/[!-~]+", re.ASCII)

_log = logging.getLogger(__name__)


async def inline_asked(update: Update, context: AnyContext, desk: Desk) -> None:
    """Answer with the latest stories, or with those that are about the words, and a way to the bot.

    Times and sections are in the language of who asks, so that Telegram must keep an answer for
    them alone.
    """
    query = update.inline_query
    assert query is not None
    language = await _language(desk, query.from_user)
    start = int(query.offset) if _OFFSET.fullmatch(query.offset) else 0
    stories = await _stories(desk, query.query, start)
    more = str(start + RESULTS) if len(stories) > RESULTS else ""
    view = View(desk, language, desk.clock(), context.bot.username)
    articles = [article(story, view) for story in stories[:RESULTS]]
    label = "label_open_bot" if articles else "label_nothing_found"
    button = InlineQueryResultsButton(
        html.unescape(desk.renderer.chat(language, label)), start_parameter=LATEST_PAYLOAD
    )
    try:
        await query.answer(
            articles, cache_time=CACHE_S, is_personal=True, next_offset=more, button=button
        )
    except BadRequest as error:
        if LATE not in str(error).lower():
            raise
        _log.info("inline query answered too late")


@dataclass(frozen=True, slots=True)
class View:
    """For whom results are made, and when."""

    desk: Desk
    language: str
    now: datetime
    bot_name: str


def article(story: Story, view: View) -> InlineQueryResultArticle:
    """Give a story as a result: its exact message; the related button leads to the bot."""
    sheet = view.desk.renderer.share_sheet(story)
    message = without_callback(sheet.message, view.bot_name, story.code)
    return InlineQueryResultArticle(
        id=story.code,
        title=title_of(story),
        description=note(story, view.now, view.desk, view.language) or None,
        thumbnail_url=_thumbnail(story.image_url),
        input_message_content=InputTextMessageContent(
            message.html,
            parse_mode=ParseMode.HTML,
            link_preview_options=preview_options(message.preview_url),
        ),
        reply_markup=keyboard(message.buttons),
    )


async def _language(desk: Desk, user: User) -> str:
    """The language that somebody chose in their chat with the bot, else that of their Telegram."""
    chat = await desk.store.find_chat(user.id)
    return (chat.language if chat else None) or language_of(user.language_code) or desk.locale


async def _stories(desk: Desk, query: str, start: int) -> Sequence[Story]:
    """A page of stories and one more."""
    words = tidy_words(query)
    if not words:
        return await desk.store.list_latest(RESULTS + 1, start)
    address = address_in(words)
    named = await find_by_address(desk, address) if address else None
    if named and await is_open(desk, named):
        return [named]
    return (await search(desk.store, words, RESULTS + 1, start)).stories


def _thumbnail(url: str | None) -> str | None:
    """A picture's address that Telegram certainly takes: one bad address fails the whole answer."""
    address = canonical(url or "")
    if not _THUMBNAIL.fullmatch(address) or len(address) > LONGEST_THUMBNAIL_CHARS:
        return None
    try:
        return check_link(address)
    except MarkupError:
        return None
