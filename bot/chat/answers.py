"""Who asks, where and in which language; and how an answer reaches them."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from telegram import Message as TelegramMessage
from telegram import ReplyParameters
from telegram.constants import ParseMode
from telegram.error import BadRequest

from bot.text import language_of, one_line
from bot.transport import ANSWER_RETRIES, GENERAL_TOPIC, NOT_MODIFIED, keyboard, preview_options
from bot.types import Button, ChatType, Message

if TYPE_CHECKING:
    from telegram import Chat as TelegramChat
    from telegram import ChatFullInfo, MaybeInaccessibleMessage, Update, User
    from telegram.ext import Application, CallbackContext, ExtBot

    from bot.chat.desk import Desk
    from bot.types import Chat

    AnyApplication = Application[Any, Any, Any, Any, Any, Any]
    AnyContext = CallbackContext[Any, Any, Any, Any]

    Buttons = tuple[tuple[Button, ...], ...]

GROUPS = frozenset({ChatType.GROUP, ChatType.SUPERGROUP})
# Telegram's clients once named Indonesian by its code of before 1989.


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: who asked what, where and in which language.

    `words` is what followed the command or the button's verb. `message` is the one that asks, or
    that carries the pressed button, None where Telegram no longer shows it. `speaks_for` is the
    chat in whose name it was sent. `thread_id` 0 is no topic. With `replies` the answer is a reply.
    """

    desk: Desk
    application: AnyApplication
    chat: Chat
    telegram_id: int
    language: str
    user: User | None
    message: TelegramMessage | None
    message_id: int
    words: str = ""
    speaks_for: int | None = None
    thread_id: int = 0
    replies: bool = False

    @property
    def bot(self) -> ExtBot[Any]:
        """Give the bot that answers."""
        bot: ExtBot[Any] = self.application.bot
        return bot

    @property
    def is_private(self) -> bool:
        """Whether only the person and the bot are here."""
        return self.chat.type is ChatType.PRIVATE

    async def is_editor(self) -> bool:
        """Whether an editor asks."""
        return self.user is not None and await self.desk.editing.is_editor(self.user.id)

    def about(self, words: str) -> Ask:
        """Give the same question with other words."""
        return replace(self, words=words)

    def render(self, name: str, **values: Any) -> str:
        """Render a chat macro in the language of the question: Telegram HTML."""
        return self.desk.renderer.chat(self.language, name, **values)

    def label(self, name: str, **values: Any) -> str:
        """Render a chat macro as plain text, for buttons and toasts."""
        return html.unescape(self.render(name, **values))

    async def say(self, name: str, *, buttons: Buttons = (), **values: Any) -> TelegramMessage:
        """Answer with a chat macro."""
        return await self.send(Message(self.render(name, **values), "", buttons))

    async def send(self, message: Message) -> TelegramMessage:
        """Answer with a message, in the topic of the question."""
        reply = ReplyParameters(self.message_id, allow_sending_without_reply=True)
        return await self.bot.send_message(
            chat_id=self.telegram_id,
            text=message.html or message.text,
            parse_mode=ParseMode.HTML if message.html else None,
            message_thread_id=self.thread_id or None,
            reply_markup=keyboard(message.buttons),
            link_preview_options=preview_options(message.preview_url),
            reply_parameters=reply if self.replies else None,
            rate_limit_args=ANSWER_RETRIES,
        )

    async def send_photo(self, picture: bytes, message: Message) -> TelegramMessage:
        """Answer with a picture; the message is its caption, of at most 1,024 characters."""
        reply = ReplyParameters(self.message_id, allow_sending_without_reply=True)
        return await self.bot.send_photo(
            chat_id=self.telegram_id,
            photo=picture,
            caption=message.html,
            parse_mode=ParseMode.HTML,
            message_thread_id=self.thread_id or None,
            reply_markup=keyboard(message.buttons),
            reply_parameters=reply if self.replies else None,
            rate_limit_args=ANSWER_RETRIES,
        )

    async def revise(self, message: Message) -> None:
        """Let the message that carries the pressed button say this."""
        await edit_message(self.bot, self.telegram_id, self.message_id, message)


def private_of(ask: Ask) -> int:
    """Give the private chat of the person who asks; without a person, the chat asked in."""
    return ask.user.id if ask.user else ask.telegram_id


async def edit_message(
    bot: ExtBot[Any], telegram_id: int, message_id: int, message: Message
) -> None:
    """Replace a message of ours; nothing to change counts as done."""
    try:
        await bot.edit_message_text(
            chat_id=telegram_id,
            message_id=message_id,
            text=message.html or message.text,
            parse_mode=ParseMode.HTML if message.html else None,
            reply_markup=keyboard(message.buttons),
            link_preview_options=preview_options(message.preview_url),
            rate_limit_args=ANSWER_RETRIES,
        )
    except BadRequest as error:
        if NOT_MODIFIED not in str(error).lower():
            raise


async def heard(update: Update, context: AnyContext, desk: Desk) -> Ask:
    """Understand a message or channel post as a question."""
    message = update.effective_message
    assert message is not None
    user = None if message.sender_chat else update.effective_user
    ask = await _ask(desk, context, message, update.effective_user)
    speaks_for = message.sender_chat.id if message.sender_chat else None
    if ask.chat.type is ChatType.CHANNEL:
        speaks_for = message.chat.id
    if ask.is_private and ask.chat.closed_at is not None:
        await desk.store.open_chat(ask.chat.id)
    return replace(
        ask, user=user, message=message, words=words_after_command(message), speaks_for=speaks_for
    )


async def pressed(update: Update, context: AnyContext, desk: Desk, words: str) -> Ask | None:
    """Understand a pressed button as a question; None where its message is in no chat of ours."""
    query = update.callback_query
    assert query is not None
    if query.message is None:
        return None
    ask = await _ask(desk, context, query.message, query.from_user)
    shown = query.message if isinstance(query.message, TelegramMessage) else None
    return replace(ask, user=query.from_user, message=shown, words=words)


def words_after_command(message: TelegramMessage) -> str:
    """Give what follows the command at a message's start, as one clean line.

    The whole text where there is no command.
    """
    text = message.text or ""
    for entity in message.entities:
        if entity.type == "bot_command" and entity.offset == 0:
            return one_line(text[entity.length :])
    return one_line(text)


async def known_chat(desk: Desk, chat: TelegramChat | ChatFullInfo, user: User | None) -> Chat:
    """Give the record of a chat, made or brought up to date; of a person no name is kept."""
    kind = ChatType(chat.type)
    private = kind is ChatType.PRIVATE
    title = None if private or chat.title is None else one_line(chat.title)
    username = f"@{chat.username.lower()}" if chat.username and not private else None
    if kind in GROUPS and desk.note_group is not None:
        desk.note_group(chat.id)
    language = language_of(user.language_code) if private and user else None
    known = await desk.store.find_chat(chat.id)
    if known is not None and known == replace(
        known,
        type=kind,
        title=title or known.title,
        username=username or known.username,
        language=known.language or language,
    ):
        return known
    return await desk.store.record_chat(
        chat.id, kind, desk.clock(), title=title, username=username, language=language
    )


async def _ask(
    desk: Desk, context: AnyContext, message: MaybeInaccessibleMessage, user: User | None
) -> Ask:
    chat = await known_chat(desk, message.chat, user)
    own = language_of(user.language_code) if user else None
    return Ask(
        desk=desk,
        application=context.application,
        chat=chat,
        telegram_id=message.chat.id,
        language=chat.language or own or desk.locale,
        user=user,
        message=None,
        message_id=message.message_id,
        thread_id=_thread_id(message),
        replies=chat.type in GROUPS,
    )


def _thread_id(message: MaybeInaccessibleMessage) -> int:
    """The topic of a message; 0 for none and for the General one."""
    if not isinstance(message, TelegramMessage) or not message.is_topic_message:
        return 0
    thread_id = message.message_thread_id or 0
    return thread_id if thread_id > GENERAL_TOPIC else 0
