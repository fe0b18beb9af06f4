"""Publisher for Telegram: sends, edits, retracts; the Bot API's errors as ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telegram import (
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
)
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.ext import BaseRateLimiter

from bot.errors import (
    DestinationGone,
    DestinationMoved,
    DestinationRefused,
    MessageGone,
    MessageRejected,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.transport import never_left
from bot.types import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from telegram import Bot

    from bot.limits import Budget
    from bot.types import Button, Destination, Message

GENERAL_TOPIC = 1
ANSWER_RETRIES = 2
# Descriptions as the Bot API server words them, lower case (it changes the case of some).
NOT_MODIFIED = "message is not modified"
GONE_CHATS = ("chat not found", "peer_id_invalid", "user not found", "chat_id_invalid")
GONE_MESSAGES = (
    "message to edit not found",
    "message to delete not found",
    "message can't be edited",
    "message can't be deleted",
    "message_id_invalid",
)
REFUSALS = (
    "not enough rights",
    "need administrator rights",
    "have no rights",
    "chat_write_forbidden",
    "chat_restricted",
    "chat_send_",
    "topic_closed",
    "topic_deleted",
    "topic_id_invalid",
    "message thread not found",
    "chat_admin_required",
    "user_is_blocked",
    "slowmode",
)


class TelegramPublisher:
    """Messages to Telegram chats through one bot."""

    def __init__(self, bot: Bot, *, paid: bool = False) -> None:
        self._bot = bot
        self._paid = paid

    async def send(self, destination: Destination, message: Message) -> Receipt:
        """Publish a message. Raises PublishError."""
        sent = await _translated(
            self._bot.send_message(
                chat_id=destination.chat,
                message_thread_id=_thread(destination),
                disable_notification=destination.silent or None,
                allow_paid_broadcast=self._paid or None,
                **_body(message),
            )
        )
        return Receipt(sent.chat_id, sent.message_id)

    async def edit(self, destination: Destination, message_id: int, message: Message) -> None:
        """Replace a published message; nothing to change counts as done. Raises PublishError."""
        try:
            await self._bot.edit_message_text(
                chat_id=destination.chat, message_id=message_id, **_body(message)
            )
        except TelegramError as error:
            if NOT_MODIFIED not in str(error).lower():
                raise repeatable(translate(error)) from error

    async def retract(self, destination: Destination, message_id: int) -> None:
        """Delete a published message. Raises PublishError."""
        try:
            await self._bot.delete_message(chat_id=destination.chat, message_id=message_id)
        except TelegramError as error:
            raise repeatable(translate(error)) from error


class BudgetRateLimiter(BaseRateLimiter[int]):
    """Lets every call of the bot that sends or changes a message wait for its turn.

    The `rate_limit_args` of a call are how often it may wait out a 429 and try again.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    async def initialize(self) -> None:
        """Nothing to set up."""

    async def shutdown(self) -> None:
        """Nothing to let go."""

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: int | None,
    ) -> Any:
        """Wait for a turn, then make the call."""
        if not endpoint.startswith(("send", "edit", "copy", "forward", "delete")):
            return await callback(*args, **kwargs)
        chat = data.get("chat_id")
        for tries_left in range(rate_limit_args or 0, -1, -1):
            await self._budget.wait_turn(chat)
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as error:
                if chat is not None:
                    self._budget.hold_chat(chat, retry_after_s(error))
                if not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")


def retry_after_s(error: RetryAfter) -> float:
    """How many seconds the server asked to wait."""
    after = error.retry_after
    return float(after) if isinstance(after, int) else after.total_seconds()


def keyboard(buttons: tuple[tuple[Button, ...], ...]) -> InlineKeyboardMarkup | None:
    """Rows of our buttons as Telegram's, None for no row."""
    if not buttons:
        return None
    return InlineKeyboardMarkup([[_button(button) for button in row] for row in buttons])


def preview_options(url: str | None) -> LinkPreviewOptions:
    """A large preview of a page; none without one.

    The address is given explicitly, since the server drops the wish for large media without it.
    """
    if url is None:
        return LinkPreviewOptions(is_disabled=True)
    return LinkPreviewOptions(url=url, prefer_large_media=True)


def translate(error: TelegramError) -> PublishError:
    """Telegram's error as ours. BadRequest is a NetworkError in python-telegram-bot: it goes first.

    Source: Bot API server, Client.cpp and TDLib, the descriptions that they send.
    """
    text = str(error)
    match error:
        case ChatMigrated():
            return DestinationMoved(error.new_chat_id)
        case RetryAfter():
            return RetryLater(text, retry_after_s(error))
        case Forbidden():
            return DestinationGone(text)
        case InvalidToken():
            return TokenRejected(text)
        case BadRequest():
            return _translate_bad_request(text)
        case NetworkError() if never_left(error):
            return RetryLater(text)
        case _:
            return OutcomeUnknown(text)


def repeatable(error: PublishError) -> PublishError:
    """An edit or a deletion may be repeated: its unknown outcome is a reason to try again."""
    return RetryLater(str(error)) if isinstance(error, OutcomeUnknown) else error


def _translate_bad_request(text: str) -> PublishError:
    lowered = text.lower()
    if any(words in lowered for words in GONE_CHATS):
        return DestinationGone(text)
    if any(words in lowered for words in GONE_MESSAGES):
        return MessageGone(text)
    if any(words in lowered for words in REFUSALS):
        return DestinationRefused(text)
    return MessageRejected(text)


async def _translated(call: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await call
    except TelegramError as error:
        raise translate(error) from error


def _thread(destination: Destination) -> int | None:
    """The topic; the General one is named by leaving it out (Bot API, message_thread_id)."""
    return destination.thread_id if destination.thread_id > GENERAL_TOPIC else None


def _body(message: Message) -> dict[str, Any]:
    return {
        "text": message.html or message.text,
        "parse_mode": ParseMode.HTML if message.html else None,
        "reply_markup": keyboard(message.buttons),
        "link_preview_options": preview_options(message.preview_url),
    }


def _button(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        text=button.text,
        url=button.url,
        callback_data=button.callback_data,
        copy_text=None if button.copy_text is None else CopyTextButton(button.copy_text),
    )
