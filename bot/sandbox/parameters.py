"""The arguments of a call: read as the server reads them, checked as our own bugs deserve."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from bot.sandbox.refusals import bad, unfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.sandbox.records import Json

Kind = Literal["str", "int", "bool", "json", "chat", "file"]

_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_JSON_NAMES = {
    "reply_markup": "reply keyboard markup JSON object",
    "link_preview_options": "link preview options JSON object",
    "reply_parameters": "reply parameters JSON object",
    "results": "JSON encoded inline query results",
    "scope": "BotCommandScope JSON object",
    "menu_button": "menu button JSON object",
}
_MISSING = {
    "chat_id": "chat_id is empty",
    "text": "Message text is empty",
    "photo": "There is no photo in the request",
    "document": "There is no document in the request",
    "action": "Wrong parameter action in request",
    "message_id": "Message identifier is not specified",
    "message_ids": "Message identifiers are not specified",
    "from_chat_id": "chat_id is empty",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the request."""

    name: str
    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a method takes: each parameter's kind, and which must be there."""

    kinds: Mapping[str, Kind]
    required: frozenset[str]

    @classmethod
    def of(cls, line: str) -> Parameters:
        """Read the short form "chat_id:chat! text! limit:int": kind str, "!" for required."""
        kinds: dict[str, Kind] = {}
        required = set()
        for word in line.split():
            name, _, kind = word.rstrip("!").partition(":")
            kinds[name] = cast("Kind", kind or "str")
            if word.endswith("!"):
                required.add(name)
        return cls(kinds, frozenset(required))

    def read(self, method: str, raw: Mapping[str, str | Upload]) -> Json:
        """Give the typed arguments of a call; an empty one counts as not given.

        Raises Refusal: unknown and ill-typed ones are refused, which the real server is too
        patient to do.
        """
        for name in raw:
            if name not in self.kinds:
                raise unfit(f"{method} has no parameter {name!r}")
        given = {name: value for name, value in raw.items() if value != ""}
        for name in sorted(self.required):
            if name not in given:
                raise _missing(method, name)
        return {name: _typed(name, self.kinds[name], value) for name, value in given.items()}


def _missing(method: str, name: str) -> Exception:
    if name in _MISSING:
        return bad(_MISSING[name])
    return unfit(f"{method} needs the parameter {name!r}")


def _typed(name: str, kind: Kind, value: str | Upload) -> Any:
    if kind == "file":
        return value
    if isinstance(value, Upload):
        raise unfit(f"parameter {name!r} is not a file")
    if not _is_unicode(value):
        raise bad("Strings must be encoded in UTF-8")
    if kind == "int":
        return _integer(name, value)
    if kind == "bool":
        if value.lower() not in _FLAGS:
            raise unfit(f"parameter {name!r} must be a Boolean, not {value!r}")
        return _FLAGS[value.lower()]
    if kind == "chat":
        return int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else value
    if kind == "json":
        return _decoded(name, value)
    return value


def _integer(name: str, value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise unfit(f"parameter {name!r} must be an Integer, not {value!r}")
    return int(value)


def _decoded(name: str, value: str) -> Any:
    try:
        decoded = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise bad(f"Can't parse {_JSON_NAMES.get(name, f'{name} JSON object')}") from error
    if "\\u" in value and not _is_unicode(json.dumps(decoded, ensure_ascii=False)):
        raise bad("Strings must be encoded in UTF-8")
    return decoded


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates, which JSON can smuggle in."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
