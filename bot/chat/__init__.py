"""The chat surface: readers, editors, inline mode, and the chats' own comings and goings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from telegram.ext import (
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    InlineQueryHandler,
    MessageHandler,
    filters,
)

from bot.chat import commands, correcting, editors, readers, staff, subscribing
from bot.chat.answered import said
from bot.chat.answers import heard
from bot.chat.buttons import button_pressed
from bot.chat.commands import publish_commands
from bot.chat.console import console
from bot.chat.desk import Desk
from bot.chat.failures import handler_failed
from bot.chat.inline import inline_asked
from bot.chat.members import membership_changed, migrated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from telegram import Update

    from bot.chat.answers import AnyApplication, AnyContext, Ask

    Reply = Callable[[Ask], Awaitable[None]]
    Step = Callable[[Any, AnyContext, Desk], Awaitable[None]]
    Handler = Callable[[Any, AnyContext], Coroutine[Any, Any, None]]

__all__ = ["ALLOWED_UPDATES", "Desk", "add_handlers", "publish_commands"]

ALLOWED_UPDATES: Final = (
    "message",
    "channel_post",
    "callback_query",
    "inline_query",
    "my_chat_member",
)


def add_handlers(application: AnyApplication, desk: Desk) -> None:
    """Let an application answer as the newsroom's bot; it needs a BudgetRateLimiter."""
    replies: tuple[tuple[commands.Command, Reply], ...] = (
        (commands.START, readers.start),
        (commands.HELP, readers.show_help),
        (commands.LATEST, readers.latest),
        (commands.SEARCH, readers.search),
        (commands.RELATED, readers.related),
        (commands.SHARE, readers.share),
        (commands.POPULAR, readers.popular),
        (commands.SUBSCRIBE, subscribing.subscribe),
        (commands.UNSUBSCRIBE, subscribing.unsubscribe),
        (commands.SETTINGS, subscribing.settings),
        (commands.STOP, subscribing.stop),
        (commands.BROADCAST, editors.broadcast),
        (commands.DRAFTS, editors.drafts),
        (commands.SCHEDULE, editors.schedule),
        (commands.CORRECT, correcting.correct),
        (commands.RETRACT, correcting.retract),
        (commands.STATS, staff.stats),
        (commands.STAFF, staff.editors),
        (commands.LOG, staff.log),
        (commands.CONSOLE, console),
    )
    heard_here = (
        filters.UpdateType.MESSAGE | filters.UpdateType.CHANNEL_POST
    ) & ~filters.IS_AUTOMATIC_FORWARD
    application.add_handler(MessageHandler(filters.StatusUpdate.MIGRATE, _with(desk, migrated)))
    for command, reply in replies:
        names = list(command.names)
        application.add_handler(CommandHandler(names, _replying(desk, reply), filters=heard_here))
    application.add_handler(
        MessageHandler(heard_here & filters.COMMAND, _replying(desk, readers.unknown))
    )
    plain = heard_here & filters.ChatType.PRIVATE & ~filters.StatusUpdate.ALL & ~filters.VIA_BOT
    application.add_handler(MessageHandler(plain, _replying(desk, said)))
    application.add_handler(CallbackQueryHandler(_with(desk, button_pressed)))
    application.add_handler(InlineQueryHandler(_with(desk, inline_asked)))
    application.add_handler(
        ChatMemberHandler(_with(desk, membership_changed), ChatMemberHandler.MY_CHAT_MEMBER)
    )
    application.add_error_handler(_with(desk, handler_failed))


def _replying(desk: Desk, reply: Reply) -> Handler:
    async def handle(update: Update, context: AnyContext) -> None:
        await reply(await heard(update, context, desk))

    return handle


def _with(desk: Desk, step: Step) -> Handler:
    async def handle(update: Any, context: AnyContext) -> None:
        await step(update, context, desk)

    return handle
