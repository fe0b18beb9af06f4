"""An editor's own words: what Telegram takes of them, and the story that they tell."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bot.telegram_html import MarkupError, escape, parse, utf16_length
from bot.text import as_telegram_sends, is_blank, one_line, shorten

if TYPE_CHECKING:
    from bot.telegram_html import Parsed
    from bot.types import Story

MAX_CHARS: Final = 4_096
MAX_ENTITIES: Final = 100
TITLE_CHARS: Final = 200
SUMMARY_CHARS: Final = 1_000

_ADDRESS: Final = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)


def checked(html: str) -> tuple[str, Parsed]:
    """Telegram HTML as it will be sent, and what a reader sees of it.

    Raises MarkupError where Telegram would refuse it: faulty, empty, or over 4,096 characters.
    """
    sent = as_telegram_sends(html).strip()
    parsed = parse(sent)
    if is_blank(parsed.text):
        raise MarkupError("Text must be non-empty")
    if utf16_length(parsed.text) > MAX_CHARS:
        raise MarkupError("Text is too long")
    if len(parsed.entities) > MAX_ENTITIES:
        raise MarkupError(f"It has more than {MAX_ENTITIES} entities")
    return sent, parsed


def first_link(parsed: Parsed) -> str | None:
    """The first address in a text, written or below a word."""
    written = _ADDRESS.search(parsed.text)
    below = next((entity for entity in parsed.entities if entity.url), None)
    if written is None:
        return below.url if below else None
    at = utf16_length(parsed.text[: written.start()])
    if below is not None and below.offset < at:
        return below.url
    return written[0].rstrip(".,;:!?)")


def with_link(html: str, parsed: Parsed, url: str, link: str) -> str:
    """The words with their story's address below, where they hold none."""
    if not url or first_link(parsed):
        return html
    return f'{html}\n\n<a href="{escape(link)}">{escape(url)}</a>'


def told_by(text: str, story: Story) -> Story:
    """A story with the title and summary that a text tells: its first line, and what follows."""
    told = [line.strip() for line in text.split("\n")]
    told = [line for line in told if line and not _ADDRESS.fullmatch(line)]
    if not told:
        return story
    return replace(
        story,
        title=shorten(one_line(told[0]), TITLE_CHARS),
        summary=shorten("\n".join(told[1:]), SUMMARY_CHARS),
    )
