"""The bot's own comings and goings: chats open, close and move."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from telegram import ChatMemberRestricted
from telegram.constants import ChatMemberStatus
from telegram.error import TelegramError

from bot.chat.answers import GROUPS, Ask, known_chat
from bot.text import language_of
from bot.types import ChatType

if TYPE_CHECKING:
    from telegram import ChatMember, Update

    from bot.chat.answers import AnyContext
    from bot.chat.desk import Desk
    from bot.types import Chat

_log = logging.getLogger(__name__)

_IN = frozenset({ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR, ChatMemberStatus.MEMBER})


async def membership_changed(update: Update, context: AnyContext, desk: Desk) -> None:
    """Close a chat that put the bot out, open one that took it in, greet a group once."""
    change = update.my_chat_member
    assert change is not None
    before = await desk.store.find_chat(change.chat.id)
    chat = await known_chat(desk, change.chat, change.from_user)
    if not _is_in(change.new_chat_member):
        await desk.store.close_chat(chat.id, change.new_chat_member.status, desk.clock())
        return
    await desk.store.open_chat(chat.id)
    came = not _is_in(change.old_chat_member)
    if chat.type in GROUPS and came and (before is None or before.closed_at is not None):
        own = language_of(change.from_user.language_code)
        language = chat.language or own or desk.locale
        await _greet(_in_chat(context, desk, chat, change.chat.id, language))


async def migrated(update: Update, context: AnyContext, desk: Desk) -> None:  # noqa: ARG001
    """A group became a supergroup: all that belongs to it moves to the new id."""
    message = update.effective_message
    assert message is not None
    if message.migrate_to_chat_id:
        old, new = message.chat.id, message.migrate_to_chat_id
    else:
        old, new = message.migrate_from_chat_id or 0, message.chat.id
    await follow_migration(desk, old, new)


async def follow_migration(desk: Desk, old: int, new: int) -> None:
    """Give the chat of the id `old` the id `new`; told twice, it does nothing more."""
    chat = await desk.store.find_chat(old)
    if chat is not None:
        await desk.store.move_chat(chat.id, new)
        if desk.note_group is not None:
            desk.note_group(new)


def _is_in(member: ChatMember) -> bool:
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status in _IN


async def _greet(ask: Ask) -> None:
    try:
        await ask.bot.send_message(ask.telegram_id, ask.render("group_greeting"), parse_mode="HTML")
    except TelegramError as error:
        _log.info("group not greeted", extra={"chat": ask.chat.id, "reason": str(error)})


def _in_chat(context: AnyContext, desk: Desk, chat: Chat, telegram_id: int, language: str) -> Ask:
    assert chat.type is not ChatType.PRIVATE
    return Ask(
        desk=desk,
        application=context.application,
        chat=chat,
        telegram_id=telegram_id,
        language=language,
        user=None,
        message=None,
        message_id=0,
    )
