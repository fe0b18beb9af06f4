"""What editors are asked for in words, and the words that they answer."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Any, Final

from bot.store import Notice

if TYPE_CHECKING:
    from telegram import Message as TelegramMessage

    from bot.chat.answers import Ask, Buttons

ANSWERED_WITHIN: Final = timedelta(minutes=30)
_EMPTIED: Final = re.compile(r"<(\w[\w-]*)[^<>]*></\1>")


async def ask_words(
    ask: Ask,
    purpose: str,
    name: str,
    *,
    broadcast_id: int | None = None,
    story_id: int | None = None,
    buttons: Buttons = (),
    **values: Any,
) -> None:
    """Ask an editor for words; the next that come, or those that reply to this, are the answer."""
    sent = await replace(ask, replies=False).say(name, buttons=buttons, **values)
    notice = Notice(
        f"ask {purpose}",
        ask.telegram_id,
        sent.message_id,
        ask.language,
        story_id=story_id,
        broadcast_id=broadcast_id,
    )
    await ask.desk.store.record_notice(notice, ask.desk.clock(), None)


async def awaited(ask: Ask) -> Notice | None:
    """What the words of a private message are the answer to; None for nothing."""
    store = ask.desk.store
    if ask.message is None or not ask.is_private or ask.message.forward_origin:
        return None
    if replied := ask.message.reply_to_message:
        notice = await store.find_notice(ask.telegram_id, replied.message_id)
        return notice if notice and notice.purpose.startswith("ask ") else None
    return await store.find_prompt(ask.telegram_id, ask.desk.clock() - ANSWERED_WITHIN)


def typed(ask: Ask, *, after: str = "") -> str:
    """Give what was typed after a command, with its formatting, as Telegram's HTML.

    `after` is a word that comes first and is left out, too.
    """
    if ask.message is None:
        return ""
    html = typed_in(ask.message)
    for left_out in (_command(ask.message), after):
        if left_out:
            html = html.replace(escape(left_out, quote=False), "", 1)
    while (tidier := _EMPTIED.sub("", html)) != html:
        html = tidier
    return html.strip()


def typed_in(message: TelegramMessage) -> str:
    """Give a message's text with its formatting as Telegram's HTML."""
    return message.text_html if message.text else message.caption_html


def _command(message: TelegramMessage) -> str:
    for entity in message.entities:
        if entity.type == "bot_command" and entity.offset == 0:
            return (message.text or "")[: entity.length]
    return ""
