"""What the tests of the sandbox say often."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQueryResultArticle,
    InputTextMessageContent,
)
from telegram.error import BadRequest
from telegram.request import HTTPXRequest

from bot.sandbox import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

URL_BUTTON = InlineKeyboardButton("Baca", url="https://bantenraya.co/a")


class Clock:
    def __init__(self) -> None:
        self.time = 1_760_000_000.0

    def __call__(self) -> float:
        return self.time


def connected(base: str, token: str = TOKEN, read_timeout: float = 5) -> Bot:
    request = HTTPXRequest(read_timeout=read_timeout)
    polling = HTTPXRequest(read_timeout=read_timeout)
    return Bot(token, base_url=f"{base}/bot", request=request, get_updates_request=polling)


def keyboard(*buttons: InlineKeyboardButton) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([list(buttons)])


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(10):
        while not condition():
            await turn()


async def turn() -> None:
    await asyncio.sleep(0)


async def refusal(call: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        await call
    return caught.value.message.lower()


def article(name: str, text: str = "<b>isi</b>", **more: Any) -> InlineQueryResultArticle:
    return InlineQueryResultArticle(
        name, "Judul", InputTextMessageContent(text, parse_mode="HTML"), **more
    )
