"""python-telegram-bot as its documentation shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import telegram
from bot_api import SHARE_ROW, STORY_URL, TOKEN
from ledger import Ledger
from measuring import HTML, UNLIMITED, measured, share_out
from telegram.ext import AIORateLimiter, Application

if TYPE_CHECKING:
    from pathlib import Path


def ptb_markup() -> telegram.InlineKeyboardMarkup:
    return telegram.InlineKeyboardMarkup(
        [[telegram.InlineKeyboardButton(name, url=url) for name, url in row] for row in SHARE_ROW]
    )


async def ptb(url: str, number: int, folder: Path, *, limiter: bool = False) -> dict[str, float]:
    builder = Application.builder().token(TOKEN).base_url(f"{url}/bot").updater(None)
    if limiter:
        builder = builder.rate_limiter(AIORateLimiter(overall_max_rate=UNLIMITED))
    ledger = Ledger(folder / "sent.db")
    async with builder.build() as application:
        preview = telegram.LinkPreviewOptions(url=STORY_URL, prefer_large_media=True)

        async def send(chat: int) -> None:
            sent = await application.bot.send_message(
                chat,
                HTML,
                parse_mode="HTML",
                reply_markup=ptb_markup(),
                link_preview_options=preview,
            )
            ledger.note(chat, sent.message_id)

        figures = await measured(number, lambda: share_out(number, send))
    ledger.close()
    return figures


async def ptb_limiter(url: str, number: int, folder: Path) -> dict[str, float]:
    return await ptb(url, number, folder, limiter=True)
