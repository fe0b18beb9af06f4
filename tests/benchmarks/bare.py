"""aiohttp and nothing else, with ready bodies: the limit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp
from bot_api import SHARE_ROW, STORY_URL, TOKEN
from measuring import HTML, measured, share_out

if TYPE_CHECKING:
    from pathlib import Path


async def bare(url: str, number: int, _folder: Path) -> dict[str, float]:
    keyboard = [[{"text": name, "url": url} for name, url in row] for row in SHARE_ROW]
    preview = {"url": STORY_URL, "prefer_large_media": True}
    body = {"text": HTML, "parse_mode": "HTML", "link_preview_options": preview}
    tail = json.dumps(body | {"reply_markup": {"inline_keyboard": keyboard}}).encode()[1:]
    headers = {"Content-Type": "application/json"}
    address = f"{url}/bot{TOKEN}/sendMessage"
    async with aiohttp.ClientSession() as session:

        async def send(chat: int) -> None:
            ready = b'{"chat_id":%d,%s' % (chat, tail)
            async with session.post(address, data=ready, headers=headers) as response:
                await response.read()

        return await measured(number, lambda: share_out(number, send))
