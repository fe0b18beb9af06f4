"""Messages as the platforms show them, as HTML of our own making."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from bot.telegram_html import MarkupError, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.telegram_html import Entity

_TAGS: Final = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "code": "code",
    "pre": "code",
    "blockquote": "q",
    "expandable_blockquote": "q",
}
_SCHEMES: Final = frozenset({"http", "https", "tg", "ton", "tonsite"})
# WhatsApp's marks stand at a word's edge and hug what they mark.
_MARKS: Final = tuple(
    (re.compile(rf"(?<![\w{mark}]){mark}(?=\S)([^{mark}\n]+?)(?<=\S){mark}(?![\w{mark}])"), tag)
    for mark, tag in ((r"\*", "b"), ("_", "i"), ("~", "s"))
)


def telegram_shown(html: str) -> str:
    """A message in Telegram's HTML as a reader sees it; lines stay lines.

    What Telegram would refuse is shown as it is written.
    """
    try:
        parsed = parse(html)
    except MarkupError:
        return escape(html)
    units = parsed.text.encode("utf-16-le")
    begins, ends = _edges(parsed.entities)
    out: list[str] = []
    last = 0
    for place in sorted({*begins, *ends}):
        out.append(_text(units, last, place))
        out += ends.get(place, [])
        out += begins.get(place, [])
        last = place
    out.append(_text(units, last, len(units) // 2))
    return "".join(out)


def whatsapp_shown(text: str) -> str:
    """A WhatsApp message with its marks carried out. Source: WhatsApp, formatting messages."""
    shown = escape(text)
    for pattern, tag in _MARKS:
        shown = pattern.sub(rf"<{tag}>\1</{tag}>", shown)
    return shown


def _edges(entities: Iterable[Entity]) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    begins: dict[int, list[str]] = {}
    ends: dict[int, list[str]] = {}
    for entity in entities:
        opening, closing = _tag(entity)
        if opening and entity.length > 0:
            begins.setdefault(entity.offset, []).append(opening)
            ends.setdefault(entity.offset + entity.length, []).insert(0, closing)
    return begins, ends


def _tag(entity: Entity) -> tuple[str, str]:
    if entity.type == "text_link":
        url = entity.url or ""
        if url.partition(":")[0].lower() not in _SCHEMES:
            return "", ""
        return f'<a href="{escape(url)}" rel="noopener noreferrer" target="_blank">', "</a>"
    if entity.type == "spoiler":
        return '<span class="spoiler">', "</span>"
    tag = _TAGS.get(entity.type)
    return (f"<{tag}>", f"</{tag}>") if tag else ("", "")


def _text(units: bytes, begin: int, end: int) -> str:
    return escape(units[2 * begin : 2 * end].decode("utf-16-le", "replace"))
