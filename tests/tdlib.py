"""TDLib's own text parser, the code that the Bot API server runs, as an oracle for tests."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

import tdjson

ARGUMENTS = ("url", "language", "user_id", "custom_emoji_id", "unix_time")


@dataclass(frozen=True)
class TdEntity:
    """An entity as TDLib reports it: its type's name, its place in UTF-16 units, its argument."""

    type: str
    offset: int
    length: int
    argument: str = ""


@dataclass(frozen=True)
class TdText:
    """What TDLib made of a text."""

    text: str
    entities: tuple[TdEntity, ...]


class TdError(Exception):
    """TDLib refused the text; the message is its own."""


@functools.cache
def _silence() -> None:
    tdjson.td_execute(
        json.dumps({"@type": "setLogVerbosityLevel", "new_verbosity_level": 0}).encode()
    )


def _execute(request: dict[str, Any]) -> dict[str, Any]:
    _silence()
    body = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")
    answer: dict[str, Any] = json.loads(tdjson.td_execute(body))
    if answer["@type"] == "error":
        raise TdError(answer["message"])
    return answer


def _entity(stated: dict[str, Any]) -> TdEntity:
    kind = stated["type"]
    name = kind["@type"].removeprefix("textEntityType")
    argument = next((str(kind[key]) for key in ARGUMENTS if key in kind), "")
    return TdEntity(name, stated["offset"], stated["length"], argument)


def parse_html(html: str) -> TdText:
    """Parse as parse_mode HTML does. Raises TdError with the words of the Bot API server."""
    answer = _execute(
        {
            "@type": "parseTextEntities",
            "text": html,
            "parse_mode": {"@type": "textParseModeHTML"},
        }
    )
    return TdText(answer["text"], tuple(_entity(e) for e in answer["entities"]))


def as_sent(text: str) -> str:
    """Give a text as the server sends it, white space at its ends aside."""
    whole = {
        "@type": "textEntity",
        "offset": 0,
        "length": len(text.encode("utf-16-le")) // 2,
        "type": {"@type": "textEntityTypeCode"},
    }
    stated = {"@type": "formattedText", "text": text, "entities": [whole]}
    answer: str = _execute({"@type": "parseMarkdown", "text": stated})["text"]
    return answer
