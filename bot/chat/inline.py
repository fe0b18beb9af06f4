"""Inline mode: stories to insert into any chat, each with its share row."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from telegram import InlineQueryResultArticle, InputTextMessageContent
from telegram.constants import ParseMode
from telegram.error import BadRequest

from bot.chat.buttons import LATE
from bot.chat.pages import Page, search, tidy_words
from bot.chat.sharing import without_callback
from bot.chat.stories import note, title_of
from bot.links import canonical
from bot.telegram_html import MarkupError, check_link
from bot.transport import keyboard, preview_options

if TYPE_CHECKING:
    from datetime import datetime

    from telegram import Update

    from bot.chat.answers import AnyContext
    from bot.chat.desk import Desk
    from bot.types import Story

RESULTS: Final = 20
CACHE_S: Final = 30
LONGEST_THUMBNAIL_CHARS: Final = 1_000

_OFFSET: Final = re.compile(r"(\d{1,6})(a?)", re.ASCII)
_THUMBNAIL: Final = re.compile(r"https://[\w-]+(?:\.[\w-]+)+(?::\d+)?/[!-~]+", re.ASCII)

_log = logging.getLogger(__name__)


async def inline_asked(update: Update, context: AnyContext, desk: Desk) -> None:
    """Answer with the latest stories, or with those that hold the words.

    The same for everybody, in the locale's language, so that Telegram may keep it for all.
    """
    query = update.inline_query
    assert query is not None
    page, stories = await _stories(desk, query.query, query.offset)
    more = f"{page.offset + RESULTS}{'' if page.every else 'a'}" if len(stories) > RESULTS else ""
    now = desk.clock()
    name = context.bot.username
    articles = [article(story, desk, now, name) for story in stories[:RESULTS]]
    try:
        await query.answer(articles, cache_time=CACHE_S, is_personal=False, next_offset=more)
    except BadRequest as error:
        if LATE not in str(error).lower():
            raise
        _log.info("inline query answered too late")


def article(story: Story, desk: Desk, now: datetime, bot_name: str) -> InlineQueryResultArticle:
    """Give a story as a result: its exact message; the related button leads to the bot."""
    sheet = desk.renderer.share_sheet(story)
    message = without_callback(sheet.message, bot_name, story.code)
    return InlineQueryResultArticle(
        id=story.code,
        title=title_of(story),
        description=note(story, now, desk, desk.locale) or None,
        thumbnail_url=_thumbnail(story.image_url),
        input_message_content=InputTextMessageContent(
            message.html,
            parse_mode=ParseMode.HTML,
            link_preview_options=preview_options(message.preview_url),
        ),
        reply_markup=keyboard(message.buttons),
    )


async def _stories(desk: Desk, query: str, offset: str) -> tuple[Page, list[Story]]:
    found = _OFFSET.fullmatch(offset)
    start, every = (int(found[1]), not found[2]) if found else (0, True)
    page = Page("search", tidy_words(query), start, RESULTS, every=every)
    if page.words:
        return await search(desk.store, page)
    return page, await desk.store.list_latest(RESULTS + 1, start)


def _thumbnail(url: str | None) -> str | None:
    """A picture's address that Telegram certainly takes: one bad address fails the whole answer."""
    address = canonical(url or "")
    if not _THUMBNAIL.fullmatch(address) or len(address) > LONGEST_THUMBNAIL_CHARS:
        return None
    try:
        return check_link(address)
    except MarkupError:
        return None
