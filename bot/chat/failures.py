"""What happens when a handler fails: the log gets the cause, the person kind words."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from telegram import Update
from telegram.constants import ParseMode
from telegram.error import TelegramError

from bot.chat.members import follow_migration
from bot.errors import DestinationGone, DestinationMoved, DestinationRefused, RetryLater, SebarError
from bot.text import language_of
from bot.transport import translate

if TYPE_CHECKING:
    from telegram import Message

    from bot.chat.answers import AnyContext
    from bot.chat.desk import Desk

_log = logging.getLogger(__name__)


async def handler_failed(update: object, context: AnyContext, desk: Desk) -> None:
    """Close a chat that refuses us, follow one that moved; else tell the person to try again."""
    error = context.error
    chat = update.effective_chat if isinstance(update, Update) else None
    fields = {"update": update.update_id if isinstance(update, Update) else None}
    fault = translate(error) if isinstance(error, TelegramError) else error
    match fault:
        case DestinationGone() if chat is not None:
            _log.info("answer refused", extra={**fields, "reason": str(error)})
            await _close(desk, chat.id, str(error))
        case DestinationMoved() if chat is not None:
            await follow_migration(desk, chat.id, fault.telegram_id)
        case DestinationRefused() | RetryLater(after_s=float() | int()):
            _log.warning("answer held back", extra={**fields, "reason": str(error)})
        case _:
            _log.error("update failed", exc_info=error, extra=fields)
            if isinstance(update, Update) and update.message is not None:
                await _tell(update.message, context, desk)


async def _close(desk: Desk, telegram_id: int, reason: str) -> None:
    chat = await desk.store.find_chat(telegram_id)
    if chat is not None:
        await desk.store.close_chat(chat.id, reason, desk.clock())


async def _tell(message: Message, context: AnyContext, desk: Desk) -> None:
    """Say that it did not work, as far as that works."""
    language = await _language(message, desk)
    try:
        await context.bot.send_message(
            chat_id=message.chat.id,
            text=desk.renderer.chat(language, "failed"),
            parse_mode=ParseMode.HTML,
            message_thread_id=message.message_thread_id if message.is_topic_message else None,
        )
    except TelegramError as error:
        _log.warning("person not told", extra={"reason": str(error)})


async def _language(message: Message, desk: Desk) -> str:
    """The language of the answer, even where the database is what failed."""
    user = message.from_user
    own = language_of(user.language_code) if user else None
    try:
        chat = await desk.store.find_chat(message.chat.id)
    except SebarError:
        chat = None
    return (chat.language if chat else None) or own or desk.locale
