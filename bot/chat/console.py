"""The way from the chat into the console: a link that signs an editor in once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup, WebAppInfo
from telegram.constants import ParseMode

from bot.chat.editors import admitted
from bot.tokens import hashed, new_token
from bot.transport import ANSWER_RETRIES, preview_options
from bot.types import ActKind

if TYPE_CHECKING:
    from bot.chat.answers import Ask


async def console(ask: Ask) -> None:
    """Give an editor a sign-in link; behind https also a button that opens inside Telegram.

    A preview would open the link before the editor does, so that none is asked for.
    """
    editor = await admitted(ask, ActKind.SIGN_IN)
    if editor is None:
        return
    token = new_token()
    await ask.desk.store.record_console_link(hashed(token), editor, ask.desk.clock())
    link = f"{ask.desk.console_url}/console/in/{token}"
    await ask.bot.send_message(
        chat_id=ask.telegram_id,
        text=ask.render("console", link=link),
        parse_mode=ParseMode.HTML,
        message_thread_id=ask.thread_id or None,
        reply_markup=InlineKeyboardMarkup(_buttons(ask, link)),
        link_preview_options=preview_options(None),
        rate_limit_args=ANSWER_RETRIES,
    )


def _buttons(ask: Ask, link: str) -> list[list[InlineKeyboardButton]]:
    copy = InlineKeyboardButton(ask.label("label_console_copy"), copy_text=CopyTextButton(link))
    rows = [[copy]]
    # Telegram takes no button whose host has no dot.
    if "." in (urlsplit(link).hostname or ""):
        rows.insert(0, [InlineKeyboardButton(ask.label("label_console"), url=link)])
    if link.startswith("https://"):
        inside = WebAppInfo(f"{ask.desk.console_url}/console/app")
        rows.append([InlineKeyboardButton(ask.label("label_console_inside"), web_app=inside)])
    return rows
