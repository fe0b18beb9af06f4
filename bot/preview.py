"""`sebar preview`: a story's share sheet for a terminal, or as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from bot.types import Button, Entry, ShareSheet

RULE_CHARS = 72
LABEL_CHARS = 14


def sheet_json(sheet: ShareSheet, entry: Entry) -> str:
    """A share sheet as one line of JSON; what the source, the entry, does not say is null."""
    story = sheet.story
    value = {
        "title": story.title if entry.title.strip() else None,
        "url": story.url or None,
        "published_at": _time(story.published_at),
        "updated_at": _time(story.updated_at),
        "author": story.author,
        "editor": story.editor,
        "summary": story.summary or None,
        "image_url": story.image_url,
        "tags": list(story.tags),
        "texts": asdict(sheet.texts),
        "telegram": {
            "html": sheet.message.html,
            "buttons": [[_button(button) for button in row] for row in sheet.message.buttons],
            "preview_url": sheet.message.preview_url,
        },
        "links": asdict(sheet.links),
        "copy_url": sheet.copy_url,
    }
    return json.dumps(value, ensure_ascii=False)


def sheet_text(sheet: ShareSheet, _: Entry) -> str:
    """A share sheet for a person at a terminal."""
    return "\n".join(_lines(sheet)) + "\n"


def _lines(sheet: ShareSheet) -> Iterator[str]:
    story = sheet.story
    yield "═" * RULE_CHARS
    yield story.title
    facts = {
        "url": story.url,
        "published": _time(story.published_at),
        "updated": _time(story.updated_at),
        "author": story.author,
        "editor": story.editor,
        "tags": ", ".join(story.tags),
        "image": story.image_url,
    }
    for label, fact in facts.items():
        yield f"{label:<{LABEL_CHARS}}{fact or '–'}"
    for platform, text in asdict(sheet.texts).items():
        yield f"── {platform} ".ljust(RULE_CHARS, "─")
        yield text
    yield "── buttons ".ljust(RULE_CHARS, "─")
    for row in sheet.message.buttons:
        yield "  ".join(f"[{button.text}]" for button in row)
    yield "── links ".ljust(RULE_CHARS, "─")
    for name, link in asdict(sheet.links).items():
        yield f"{name:<{LABEL_CHARS}}{link or '–'}"
    yield f"{'copy':<{LABEL_CHARS}}{sheet.copy_url or '–'}"


def _button(button: Button) -> dict[str, Any]:
    return {name: value for name, value in asdict(button).items() if value is not None}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
