"""aiogram 3 as its documentation shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiogram
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from bot_api import SHARE_ROW, STORY_URL, TOKEN
from ledger import Ledger
from measuring import HTML, measured, share_out

if TYPE_CHECKING:
    from pathlib import Path


async def aiogram_bot(url: str, number: int, folder: Path) -> dict[str, float]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(url))
    ledger = Ledger(folder / "sent.db")
    types = aiogram.types
    async with aiogram.Bot(TOKEN, session=session) as bot:
        preview = types.LinkPreviewOptions(url=STORY_URL, prefer_large_media=True)

        async def send(chat: int) -> None:
            markup = types.InlineKeyboardMarkup(
                inline_keyboard=[
                    [types.InlineKeyboardButton(text=name, url=url) for name, url in row]
                    for row in SHARE_ROW
                ]
            )
            sent = await bot.send_message(
                chat, HTML, parse_mode="HTML", reply_markup=markup, link_preview_options=preview
            )
            ledger.note(chat, sent.message_id)

        figures = await measured(number, lambda: share_out(number, send))
    ledger.close()
    return figures
