"""Publisher for Telegram: deliveries are the hot path.

A message is encoded once; the request to each chat is that body with the chat's few bytes before
it. The Bot API's errors become ours here, once.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from bot.errors import (
    DestinationGone,
    DestinationMoved,
    DestinationRefused,
    MessageGone,
    MessageKept,
    MessageRejected,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.types import Prepared, Preview, ProbeAnswer, Receipt

if TYPE_CHECKING:
    from bot.types import Button, Destination, Message

GENERAL_TOPIC = 1
# How every answer to a send begins. The rest, which repeats the message, need not be parsed.
SENT = re.compile(rb'\{"ok":true,"result":\{"message_id":(\d{1,18}),')

# Descriptions as the Bot API server words them, lower case (it changes the case of some).
NOT_MODIFIED = "message is not modified"
GONE_CHATS = ("chat not found", "peer_id_invalid", "user not found", "chat_id_invalid")
GONE_MESSAGES = (
    "message to edit not found",
    "message to delete not found",
    "message can't be edited",
    "message_id_invalid",
)
KEPT_MESSAGES = ("message can't be deleted", "message_delete_forbidden")
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


class Line(Protocol):
    """What posts to the Bot API server."""

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Post JSON; gives the status and the body of the answer.

        Raises RetryLater where the request never left, OutcomeUnknown where it may have had an
        effect.
        """
        ...


class TelegramPublisher:
    """Messages to Telegram chats through one bot."""

    def __init__(self, line: Line, token: str, *, paid: bool = False) -> None:
        self._line = line
        self._base = f"/bot{token}/"
        self._paid = b'"allow_paid_broadcast":true,' if paid else b""

    def prepare(self, message: Message) -> Prepared:
        """Encode a message once for all the chats that it goes to."""
        body: dict[str, Any] = {"text": message.html or message.text}
        if message.html:
            body["parse_mode"] = "HTML"
        markup = _markup(message.buttons)
        if markup is not None:
            body["reply_markup"] = markup
        body["link_preview_options"] = _preview(message)
        return Prepared(
            text=message.text,
            body=_tail(body),
            markup=None if markup is None else _tail({"reply_markup": markup}),
        )

    async def send(self, destination: Destination, prepared: Prepared) -> Receipt:
        """Publish a message. Raises PublishError."""
        head = _head(destination) + self._paid
        if destination.thread_id > GENERAL_TOPIC:
            # The General topic is named by leaving it out (Bot API, message_thread_id).
            head += b'"message_thread_id":%d,' % destination.thread_id
        if destination.silent:
            head += b'"disable_notification":true,'
        status, payload = await self._line.post(f"{self._base}sendMessage", head + prepared.body)
        plain = SENT.match(payload)
        if plain is not None and isinstance(destination.chat, int):
            return Receipt(destination.chat, int(plain[1]))
        return _receipt(_result(status, payload))

    async def edit(self, destination: Destination, message_id: int, prepared: Prepared) -> None:
        """Replace a published message; nothing to change counts as done. Raises PublishError."""
        head = _head(destination) + b'"message_id":%d,' % message_id
        try:
            await self._call("editMessageText", head + prepared.body)
        except MessageRejected as error:
            if NOT_MODIFIED not in str(error).lower():
                raise

    async def retract(self, destination: Destination, message_id: int) -> None:
        """Delete a published message; MessageKept where it is too old. Raises PublishError."""
        body = _head(destination) + b'"message_id":%d}' % message_id
        await self._call("deleteMessage", body)

    async def probe(
        self, destination: Destination, message_id: int, prepared: Prepared
    ) -> ProbeAnswer:
        """Ask whether a message id in a chat is this very message.

        The markup is set to what it is already, so the message that is meant does not change: the
        server says "not modified". An edit that goes through tells by its text whose message it
        was; another's gets no buttons from us. Raises PublishError; an unknown outcome may be asked
        again.
        """
        assert prepared.markup is not None
        head = _head(destination) + b'"message_id":%d,' % message_id
        try:
            edited = await self._call("editMessageReplyMarkup", head + prepared.markup)
        except MessageRejected as error:
            if NOT_MODIFIED in str(error).lower():
                return ProbeAnswer.HERE
            raise
        except MessageGone as error:
            gone = "not found" in str(error).lower()
            return ProbeAnswer.NOTHING if gone else ProbeAnswer.OTHER
        except OutcomeUnknown as error:
            raise RetryLater(str(error)) from error
        if isinstance(edited, dict) and edited.get("text") == prepared.text:
            return ProbeAnswer.HERE
        with contextlib.suppress(PublishError):
            await self._call("editMessageReplyMarkup", head[:-1] + b"}")
        return ProbeAnswer.OTHER

    async def _call(self, method: str, body: bytes) -> Any:
        return _result(*await self._line.post(self._base + method, body))


def _result(status: int, payload: bytes) -> Any:
    try:
        answer = json.loads(payload)
        if answer["ok"]:
            return answer["result"]
        description = str(answer.get("description", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutcomeUnknown(f"status {status} without an answer") from error
    raise translate(status, description, answer.get("parameters") or {})


def _receipt(sent: Any) -> Receipt:
    try:
        return Receipt(int(sent["chat"]["id"]), int(sent["message_id"]))
    except (KeyError, TypeError, ValueError) as error:
        raise OutcomeUnknown("an answer without the message") from error


def translate(status: int, description: str, parameters: dict[str, Any]) -> PublishError:
    """The Bot API's refusal as ours.

    Source: Bot API, "Making requests" and ResponseParameters; the descriptions are those that the
    Bot API server and TDLib send.
    """
    if "migrate_to_chat_id" in parameters:
        return DestinationMoved(int(parameters["migrate_to_chat_id"]))
    if status == 429:
        return RetryLater(description, float(parameters.get("retry_after", 1)))
    if status == 403:
        return DestinationGone(description)
    if status in {401, 404}:
        return TokenRejected(description)
    if status == 400:
        return refusal(description)
    if status == 409:
        return RetryLater(description)
    return OutcomeUnknown(f"status {status}: {description}")


def refusal(description: str) -> PublishError:
    """A Bad Request as ours, by its words in any case (the server changes that of some)."""
    lowered = description.lower()
    if any(words in lowered for words in GONE_CHATS):
        return DestinationGone(description)
    if any(words in lowered for words in GONE_MESSAGES):
        return MessageGone(description)
    if any(words in lowered for words in KEPT_MESSAGES):
        return MessageKept(description)
    if any(words in lowered for words in REFUSALS):
        return DestinationRefused(description)
    return MessageRejected(description)


def _head(destination: Destination) -> bytes:
    if isinstance(destination.chat, int):
        return b'{"chat_id":%d,' % destination.chat
    return b'{"chat_id":' + json.dumps(destination.chat).encode() + b","


def _tail(value: dict[str, Any]) -> bytes:
    """An object's members and its closing brace, to be put behind other members."""
    return json.dumps(value, separators=(",", ":")).encode()[1:]


def _markup(buttons: tuple[tuple[Button, ...], ...]) -> dict[str, Any] | None:
    if not buttons:
        return None
    return {"inline_keyboard": [[_button(button) for button in row] for row in buttons]}


def _button(button: Button) -> dict[str, Any]:
    if button.copy_text is not None:
        return {"text": button.text, "copy_text": {"text": button.copy_text}}
    if button.callback_data is not None:
        return {"text": button.text, "callback_data": button.callback_data}
    return {"text": button.text, "url": button.url}


def _preview(message: Message) -> dict[str, Any]:
    """A preview of a page, as large as is wished; none without one.

    The address is given explicitly, since the server drops the wish for its size without it.
    """
    if message.preview_url is None or message.preview is Preview.NONE:
        return {"is_disabled": True}
    return {"url": message.preview_url, f"prefer_{message.preview}_media": True}
