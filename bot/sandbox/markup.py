"""What may stand around a text: inline keyboards, links, previews, inline results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.sandbox.records import Content
from bot.sandbox.refusals import Refusal, bad, unfit
from bot.sandbox.texts import TEXT_CHARS, formatted
from bot.telegram_html import MarkupError, check_link

if TYPE_CHECKING:
    from bot.sandbox.records import Json

MARKUP_BYTES = 10_000
MARKUP_BUTTONS = 100
CALLBACK_BYTES = 64
COPY_CHARS = 256
RESULTS = 50
RESULT_ID_BYTES = 64

_ACTIONS = (
    "url",
    "callback_data",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "login_url",
    "web_app",
)
_SWITCHES = frozenset(name for name in _ACTIONS if name.startswith("switch_inline"))
_LOOKS = frozenset({"text", "style", "icon_custom_emoji_id"})
_STYLES = frozenset({"", "default", "primary", "success", "danger"})
_PREVIEW_FLAGS = ("is_disabled", "prefer_small_media", "prefer_large_media", "show_above_text")
_OTHER_MARKUPS = ("keyboard", "remove_keyboard", "force_reply")


def reply_markup(value: Any, *, chat_type: str, editing: bool = False) -> Json | None:
    """Check a reply_markup; None for none, an inline keyboard without buttons is none.

    Raises Refusal. Source: TDLib ReplyMarkup.cpp; Bot API, InlineKeyboardButton.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise bad("Object expected as reply markup")
    if "inline_keyboard" not in value:
        return _other_markup(value, inline_only=editing or chat_type == "channel")
    if unknown := set(value) - {"inline_keyboard"}:
        raise unfit(f"unknown field {min(unknown)!r} in an inline keyboard")
    keyboard = [_row(row, chat_type) for row in _rows(value["inline_keyboard"])]
    keyboard = [row for row in keyboard if row]
    if sum(map(len, keyboard)) > MARKUP_BUTTONS:
        raise bad("reply markup is too long")
    if len(json.dumps(keyboard, ensure_ascii=False).encode()) > MARKUP_BYTES:
        raise bad("reply markup is too long")
    return {"inline_keyboard": keyboard} if keyboard else None


def link_preview(value: Any) -> Json | None:
    """Check link_preview_options; None for none. Raises Refusal."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise bad("Object expected as link preview options")
    if unknown := set(value) - {*_PREVIEW_FLAGS, "url"}:
        raise unfit(f"unknown field {min(unknown)!r} in link_preview_options")
    for name in _PREVIEW_FLAGS:
        if not isinstance(value.get(name, False), bool):
            raise bad(f'Field "{name}" must be of type Bool')
    if not isinstance(value.get("url", ""), str):
        raise bad('Field "url" must be of type String')
    large, small = value.get("prefer_large_media"), value.get("prefer_small_media")
    if (large or small) and not value.get("url"):
        raise unfit("prefer_*_media has no effect unless link_preview_options names the url")
    if large and small:
        raise unfit("prefer_small_media and prefer_large_media exclude each other")
    kept = {name: item for name, item in value.items() if item}
    return kept or None


def inline_results(value: Any) -> dict[str, Content]:
    """Check the results of an inline query; give what each inserts, by result id.

    Raises Refusal. Source: Bot API, answerInlineQuery; TDLib InlineQueriesManager.cpp.
    """
    if not isinstance(value, list):
        raise bad("Expected an Array of inline query results")
    if len(value) > RESULTS:
        raise bad("Too many inline query results specified")
    contents: dict[str, Content] = {}
    for result in value:
        if not isinstance(result, dict):
            raise bad("Can't parse inline query result: Inline query result must be an object")
        try:
            content = _result(result)
        except Refusal as refusal:
            reason = refusal.description.removeprefix("Bad Request: ")
            if not reason[:1].islower() or reason.startswith("sandbox:"):
                raise
            reason = reason[:1].upper() + reason[1:]
            raise bad(f"Can't parse inline query result: {reason}") from refusal
        name = str(result["id"])
        if name in contents:
            raise bad("RESULT_ID_DUPLICATE")
        contents[name] = content
    return contents


def _result(result: Json) -> Content:
    name = result.get("id")
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= RESULT_ID_BYTES:
        raise bad("RESULT_ID_INVALID")
    kind = result.get("type")
    if kind not in ("article", "photo"):
        raise bad(f'type "{kind}" is unsupported for the inline query result')
    if kind == "article" and not result.get("title"):
        raise bad("ARTICLE_TITLE_EMPTY")
    for field in ("url", "thumbnail_url", "photo_url"):
        if field in result:
            _http(result[field])
    body = result.get("input_message_content")
    if not isinstance(body, dict):
        raise bad("Sent message content must be explicitly specified")
    text = body.get("message_text")
    if not isinstance(text, str) or not text:
        raise bad("Message text is empty")
    return Content(
        text=formatted(
            text, str(body.get("parse_mode", "")), body.get("entities"), limit_chars=TEXT_CHARS
        ),
        preview=link_preview(body.get("link_preview_options")),
        markup=reply_markup(result.get("reply_markup"), chat_type="private", editing=True),
    )


def _http(link: Any) -> None:
    try:
        check_link(str(link))
    except MarkupError as error:
        raise bad("WEBDOCUMENT_URL_INVALID") from error


def _rows(keyboard: Any) -> list[Any]:
    if not isinstance(keyboard, list) or not all(isinstance(row, list) for row in keyboard):
        raise bad('Field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    return keyboard


def _row(row: list[Any], chat_type: str) -> list[Json]:
    return [_button(button, chat_type) for button in row]


def _button(button: Any, chat_type: str) -> Json:
    if not isinstance(button, dict):
        raise bad("Can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    text = button.get("text")
    if not isinstance(text, str):
        raise bad("Can't parse inline keyboard button: Can't find field \"text\"")
    if not text.strip():
        raise unfit("a button without text is dropped without a word")
    actions = [name for name in _ACTIONS if name in button]
    if not actions:
        raise bad(
            "Can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    if len(actions) > 1:
        raise unfit(f"button {text!r} has more than one action: {', '.join(actions)}")
    if unknown := set(button) - _LOOKS - set(actions):
        raise unfit(f"unknown field {min(unknown)!r} in button {text!r}")
    if str(button.get("style", "")) not in _STYLES:
        raise bad("Can't parse inline keyboard button: invalid button style specified")
    return button | _action(actions[0], button[actions[0]], chat_type)


def _action(name: str, value: Any, chat_type: str) -> Json:
    if name in _SWITCHES:
        return {name: _switch(name, value, chat_type)}
    if name == "copy_text":
        return {name: {"text": _copied(value)}}
    if name in {"login_url", "web_app"}:
        if name == "web_app" and chat_type != "private":
            raise bad("BUTTON_TYPE_INVALID")
        return {name: value}
    if not isinstance(value, str) or not value:
        raise bad(f'Can\'t parse inline keyboard button: Field "{name}" must be of type String')
    if name == "callback_data":
        if len(value.encode()) > CALLBACK_BYTES:
            raise bad("BUTTON_DATA_INVALID")
        return {name: value}
    try:
        return {name: check_link(value)}
    except MarkupError as error:
        raise bad(f"Inline keyboard button URL '{value}' is invalid: {error}") from error


def _switch(name: str, value: Any, chat_type: str) -> Any:
    if chat_type == "channel":
        short = name if name != "switch_inline_query_chosen_chat" else "switch_inline_query"
        raise bad(
            f"Can't use {short} button in a channel chat, because users will not be able to use "
            "the button without knowing bot's username"
        )
    if name != "switch_inline_query_chosen_chat":
        if not isinstance(value, str):
            raise bad(f'Can\'t parse inline keyboard button: Field "{name}" must be of type String')
    elif not isinstance(value, dict) or not any(
        value.get(f"allow_{kind}_chats") for kind in ("user", "bot", "group", "channel")
    ):
        raise bad("At least one chat type must be allowed")
    return value


def _copied(value: Any) -> str:
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise bad("Can't parse inline keyboard button: Can't find field \"text\"")
    if not 1 <= len(text) <= COPY_CHARS:
        raise bad("BUTTON_COPY_TEXT_INVALID")
    return text


def _other_markup(value: Json, *, inline_only: bool) -> Json | None:
    if not any(name in value for name in _OTHER_MARKUPS):
        if value:
            raise unfit(f"no reply markup has the field {min(value)!r}")
        return None
    if inline_only:
        raise bad("Inline keyboard expected")
    return dict(value)
