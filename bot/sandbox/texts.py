"""Texts as Telegram's server takes them: parsed, cleaned, trimmed, measured, links found."""

from __future__ import annotations

import re
from dataclasses import fields
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from bot.sandbox.records import Text
from bot.sandbox.refusals import bad, unfit
from bot.telegram_html import MarkupError, parse, utf16_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bot.sandbox.records import Json
    from bot.telegram_html import Entity

TEXT_CHARS = 4096
CAPTION_CHARS = 1024
RAW_BYTES = 32_768
SHOWN_ENTITIES = 100

_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f]")
_DROPPED = re.compile("[\r\u2028-\u202e\u0333\u033f\u030a]")
_INVISIBLE = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202f"
    "\u205f-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]*"
)
_FOUND = re.compile(
    r"(?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<url>https?://[^\s<>\"“”«»/?#]*\.[^\s<>\"“”«»]+"
    r"|(?<![\w.@-])(?:[\w-]+\.)+(?:com?|id|net|org|info|news|tv|me)"
    r"\b(?![\w@])(?:/[^\s<>\"“”«»]*)?)"
    r"|(?P<mention>(?<![\w@/])@[A-Za-z]\w{3,31}(?!\w))"
    r"|(?P<hashtag>(?<![\w#])#\w*[^\W\d]\w*)"
    r"|(?P<bot_command>(?<![\w/])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z]\w{2,31})?(?![\w/]))"
)
_OPAQUE = frozenset({"pre", "code", "text_link", "text_mention", "url", "mention", "email"})
_ENTITY_TYPES = frozenset(
    [
        "mention",
        "hashtag",
        "cashtag",
        "bot_command",
        "url",
        "email",
        "phone_number",
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "blockquote",
        "expandable_blockquote",
        "code",
        "pre",
        "text_link",
        "text_mention",
        "custom_emoji",
        "date_time",
    ]
)


def formatted(raw: str, parse_mode: str, entities: Any, *, limit_chars: int) -> Text:
    """Read a text argument of the Bot API; an empty one gives an empty Text.

    `limit_chars` counts code points after parsing. Raises Refusal.
    Source: Bot API server, get_formatted_text; TDLib, fix_formatted_text.
    """
    if _size_bytes(raw) > RAW_BYTES:
        raise bad("Text is too long")
    if not raw:
        return Text()
    text, found = _parsed(raw, parse_mode, entities)
    tidy = _trimmed(*_cleaned(text, found))
    if _INVISIBLE.fullmatch(tidy.text):
        raise bad("Text must be non-empty")
    if len(tidy.text) > limit_chars:
        raise bad(
            "Message caption is too long" if limit_chars == CAPTION_CHARS else "Message is too long"
        )
    return with_found(tidy)


def with_found(text: Text) -> Text:
    """Add the links, mentions, hashtags and commands that the server finds by itself."""
    units = _units(text.text)
    kept = list(text.entities)
    for match in _FOUND.finditer(text.text):
        kind = match.lastgroup or "url"
        value = _bare_link(match[0]) if kind == "url" else match[0]
        start = units(match.start())
        entity: Json = {"type": kind, "offset": start, "length": utf16_length(value)}
        if not any(_collide(entity, other) for other in text.entities):
            kept.append(entity)
    kept.sort(key=lambda e: (e["offset"], -e["length"]))
    return Text(text.text, tuple(kept[:SHOWN_ENTITIES]))


def cut(text: str, entity: Json) -> str:
    """Give the part of a text that an entity covers."""
    data = text.encode("utf-16-le")
    start = entity["offset"] * 2
    return data[start : start + entity["length"] * 2].decode("utf-16-le", "replace")


def _size_bytes(raw: str) -> int:
    try:
        return len(raw.encode())
    except UnicodeEncodeError as error:
        raise bad("Strings must be encoded in UTF-8") from error


def _parsed(raw: str, parse_mode: str, entities: Any) -> tuple[str, list[Json]]:
    if parse_mode.lower() in {"", "none"}:
        return raw, _given(raw, entities or [])
    if parse_mode.lower() != "html":
        raise bad("Unsupported parse_mode")
    if entities:
        raise unfit("parse_mode and entities exclude each other")
    try:
        parsed = parse(raw)
    except MarkupError as error:
        raise bad(str(error)) from error
    return parsed.text, [_entity_json(entity) for entity in parsed.entities]


def _entity_json(entity: Entity) -> Json:
    values = {item.name: getattr(entity, item.name) for item in fields(entity)}
    user_id = values.pop("user_id")
    if user_id is not None:
        values["user"] = {"id": user_id, "is_bot": False, "first_name": ""}
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _given(raw: str, entities: Any) -> list[Json]:
    if not isinstance(entities, list):
        raise unfit("entities must be an array")
    return [_given_entity(entity, utf16_length(raw)) for entity in entities]


def _given_entity(entity: Any, size: int) -> Json:
    if not isinstance(entity, dict):
        raise bad("Can't parse MessageEntity: expected an Object")
    if str(entity.get("type")) not in _ENTITY_TYPES:
        raise bad("Can't parse MessageEntity: Unsupported type specified")
    offset, length = entity.get("offset"), entity.get("length")
    if not isinstance(offset, int) or not isinstance(length, int):
        raise bad('Can\'t parse MessageEntity: Field "offset" must be of type Number')
    if offset < 0 or length <= 0 or offset + length > size:
        raise unfit(f"entity {offset}+{length} lies outside the text")
    return dict(entity)


def _cleaned(text: str, entities: list[Json]) -> tuple[str, list[Json]]:
    text = _CONTROL.sub(" ", text)
    if not _DROPPED.search(text):
        return text, entities
    gone = [_units(text)(match.start()) for match in _DROPPED.finditer(text)]
    moved = []
    for entity in entities:
        end = entity["offset"] + entity["length"]
        before = sum(at < entity["offset"] for at in gone)
        inside = sum(entity["offset"] <= at < end for at in gone)
        moved.append(
            entity | {"offset": entity["offset"] - before, "length": entity["length"] - inside}
        )
    return _DROPPED.sub("", text), moved


def _trimmed(text: str, entities: Iterable[Json]) -> Text:
    """Trim as the server does: the start only up to the first entity."""
    ordered = sorted(entities, key=lambda e: (e["offset"], -e["length"]))
    text = text.rstrip(" \n")
    size = utf16_length(text)
    kept = [_shortened(e, size) for e in ordered if e["offset"] < size]
    kept = [e for e in kept if e["length"] > 0 and cut(text, e).strip()]
    room = kept[0]["offset"] if kept else size
    lead = min(len(text) - len(text.lstrip(" \n")), room)
    return Text(text[lead:], tuple(e | {"offset": e["offset"] - lead} for e in kept))


def _shortened(entity: Json, size: int) -> Json:
    length = min(entity["length"], size - entity["offset"])
    return entity if length == entity["length"] else entity | {"length": length}


def _bare_link(link: str) -> str:
    """Drop the sentence's marks from a link's end; a bracket that the link opened stays."""
    while link and link[-1] in ".,;:!?'…’)]":
        if link[-1] == ")" and link.count("(") >= link.count(")"):
            break
        link = link[:-1]
    return link


def _collide(new: Json, old: Json) -> bool:
    starts, ends = new["offset"], new["offset"] + new["length"]
    old_starts, old_ends = old["offset"], old["offset"] + old["length"]
    if ends <= old_starts or old_ends <= starts:
        return False
    nested = old_starts <= starts and ends <= old_ends
    return old["type"] in _OPAQUE or not nested


def _units(text: str) -> Callable[[int], int]:
    """Give the function from code point positions to UTF-16 positions."""
    if text.isascii() or max(text, default="") <= "\uffff":
        return lambda index: index
    at = [0, *accumulate(1 + (char > "\uffff") for char in text)]
    return at.__getitem__
