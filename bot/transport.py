"""python-telegram-bot's side: its requests over aiohttp, its calls within our budget.

aiohttp takes a sixth of the CPU of its default transport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from telegram import (
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.ext import BaseRateLimiter
from telegram.request import BaseRequest, RequestData

from bot.errors import (
    DestinationGone,
    DestinationMoved,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.publisher import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from telegram._utils.types import ODVInput

    from bot.limits import Budget
    from bot.types import Button

    Note = Callable[[int, str, int], None]

CONNECT_TIMEOUT_S = 10.0
# The server itself repeats a send for up to 8 s before it answers (Bot API server,
# NetQueryCreator), so an earlier end of waiting would call a delivered message lost.
READ_TIMEOUT_S = 25.0
ANSWER_RETRIES = 2
GENERAL_TOPIC = 1
# As the Bot API server words it, lower case.
NOT_MODIFIED = "message is not modified"


class AiohttpRequest(BaseRequest):
    """One aiohttp session of python-telegram-bot's own."""

    __slots__ = ("_connections", "_read_timeout_s", "_session")

    def __init__(self, connections: int, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self._connections = connections
        self._read_timeout_s = read_timeout_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        """Seconds to wait for an answer where a call does not say."""
        return self._read_timeout_s

    async def initialize(self) -> None:
        """Open the session."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30)
            self._session = aiohttp.ClientSession(
                connector=connector, headers={"User-Agent": self.USER_AGENT}
            )

    async def shutdown(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        write_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,  # noqa: ARG002
        connect_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        pool_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,  # noqa: ARG002
    ) -> tuple[int, bytes]:
        """Make one request.

        Raises TimedOut or NetworkError, caused by aiohttp's own error, which tells whether the
        request left.
        """
        if self._session is None:
            raise NetworkError("the request was not initialised")
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=_seconds(connect_timeout, CONNECT_TIMEOUT_S),
            sock_read=_seconds(read_timeout, self._read_timeout_s),
        )
        try:
            async with self._session.request(
                method, url, data=_body(request_data), timeout=timeout
            ) as response:
                return response.status, await response.read()
        except TimeoutError as error:
            raise TimedOut(f"no answer in time: {type(error).__name__}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"{type(error).__name__}: {error}") from error


class BudgetRateLimiter(BaseRateLimiter[int]):
    """Lets every call of the bot that sends or changes a message wait for its turn.

    The `rate_limit_args` of a call are how often it may wait out a 429 and try again. `note` is
    told the chat's id, its type and the message's id of every message that was sent.
    """

    def __init__(self, budget: Budget, note: Note) -> None:
        self._budget = budget
        self._note = note

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
                async with self._budget.alone(chat):
                    result = await callback(*args, **kwargs)
                    self._note_sent(result)
            except RetryAfter as error:
                self._budget.note_refused(chat or 0, retry_after_s(error))
                if not tries_left:
                    raise
            else:
                self._budget.note_taken()
                return result
        raise AssertionError("the last try returns or raises")

    def _note_sent(self, result: Any) -> None:
        if isinstance(result, dict) and "message_id" in result and "chat" in result:
            chat = result["chat"]
            self._budget.note_answer(chat["id"], result["message_id"])
            self._note(chat["id"], chat["type"], result["message_id"])


def translate(error: TelegramError) -> PublishError:
    """python-telegram-bot's error as ours; BadRequest is a NetworkError there, so it goes first."""
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
            return refusal(text)
        case _:
            return OutcomeUnknown(text)


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


def _button(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        text=button.text,
        url=button.url,
        callback_data=button.callback_data,
        copy_text=None if button.copy_text is None else CopyTextButton(button.copy_text),
    )


def _seconds(value: Any, default: float) -> float | None:
    if value is BaseRequest.DEFAULT_NONE:
        return default
    return None if value is None else float(value)


def _body(request_data: RequestData | None) -> aiohttp.FormData | None:
    if request_data is None:
        return None
    form = aiohttp.FormData(quote_fields=False)
    for name, value in request_data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, mime) in (request_data.multipart_data or {}).items():
        form.add_field(name, content, filename=filename, content_type=mime)
    return form
