"""Telegram's HTML mode as its server reads it: markup in, text and entities out.

Source: Bot API, "HTML style"; TDLib's parser, which runs in the Bot API server, decides where the
page is silent (which entities are decoded, what an unquoted attribute is, when a link is lost).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Final

from bot.errors import SebarError
from bot.text import utf16_length

__all__ = ["Entity", "MarkupError", "Parsed", "check_link", "escape", "parse", "utf16_length"]

MAX_SOURCE_CHARS: Final = 65_536
MAX_USER_ID: Final = 2**40 - 1

_TYPES: Final = {
    "a": "text_link",
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "u": "underline",
    "ins": "underline",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
    "pre": "pre",
    "code": "code",
    "blockquote": "blockquote",
}
_PRIORITIES: Final = {
    "blockquote": 0,
    "expandable_blockquote": 0,
    "pre": 11,
    "code": 20,
    "date_time": 30,
    "text_link": 49,
    "text_mention": 49,
    "bold": 90,
    "italic": 91,
    "underline": 92,
    "strikethrough": 93,
    "spoiler": 94,
    "custom_emoji": 99,
}
_PRE_WITH_LANGUAGE: Final = 10
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_MAX_REFERENCE_CHARS: Final = 10
_LAST_CODE_POINT: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)

_MARK: Final = re.compile("[<&]")
_NUMERIC: Final = re.compile("&#(?:x([0-9A-Fa-f]*)|([0-9]*))")
_NAME: Final = re.compile("&([A-Za-z]*)")
_WORD: Final = re.compile("[^\0 \t\r\n\v>]*")
_SPACES: Final = re.compile("[ \t\r\n\v]*")
_ATTRIBUTE: Final = re.compile("[^\0 \t\r\n\v=>/\"']*")
_TOKEN: Final = re.compile("[0-9A-Za-z.-]*")
_SPACE: Final = frozenset("\0 \t\r\n\v")
_UPPER_TO_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class MarkupError(SebarError):
    """Telegram would refuse this markup or link; the message is in its own words."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A span of the text that Telegram treats specially, as the Bot API names it.

    `offset` and `length` count UTF-16 code units. Of the other fields only the one that belongs
    to `type` is set: `url` of a text_link, `language` of a pre, `user_id` of a text_mention,
    `custom_emoji_id` of a custom_emoji, `unix_time` and `date_time_format` of a date_time.
    Source: Bot API, MessageEntity.
    """

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None
    user_id: int | None = None
    custom_emoji_id: str | None = None
    unix_time: int | None = None
    date_time_format: str | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text without its markup, and its entities sorted by place, outer before inner."""

    text: str
    entities: tuple[Entity, ...] = ()


def parse(html: str) -> Parsed:
    """Parse Telegram HTML exactly as the server does, before it trims and cleans the text.

    Raises MarkupError with the server's own words, offsets in UTF-8 bytes.
    Source: TDLib, parseTextEntities with textParseModeHTML.
    """
    try:
        html.encode()
    except UnicodeEncodeError:
        raise MarkupError("Text must be encoded in UTF-8") from None
    if len(html) > MAX_SOURCE_CHARS:
        raise MarkupError("Can't parse entities: Text is too long")
    try:
        return _Reader(html).read()
    except MarkupError as error:
        raise MarkupError(f"Can't parse entities: {error}") from None


def escape(text: str) -> str:
    """Text for any place of Telegram HTML, attribute values included."""
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )


@dataclass(frozen=True, slots=True)
class _Open:
    name: str
    argument: str
    unix_time: int
    offset: int
    first_piece: int


class _Reader:
    """One pass over the markup; a NUL ends every scan, as in the server's C strings."""

    def __init__(self, html: str) -> None:
        self._html = html + "\0"
        self._end = len(html)
        self._pieces: list[str] = []
        self._length = 0
        self._open: list[_Open] = []
        self._entities: list[Entity] = []
        self._halves = False

    def read(self) -> Parsed:
        at = 0
        while found := _MARK.search(self._html, at, self._end):
            self._write(self._html[at : found.start()])
            at = self._reference(found.start()) if found[0] == "&" else self._tag(found.start())
        self._write(self._html[at : self._end])
        if self._open:
            name = self._open[-1].name
            raise MarkupError(f'Can\'t find end tag corresponding to start tag "{name}"')
        if self._halves:
            raise MarkupError(
                "Text contains invalid Unicode characters after decoding HTML entities, "
                "check for unmatched surrogate code units"
            )
        return Parsed("".join(self._pieces), tuple(sorted(map(_plain, self._entities), key=_order)))

    def _write(self, piece: str) -> None:
        if piece:
            self._pieces.append(piece)
            self._length += utf16_length(piece)

    def _reference(self, at: int) -> int:
        character, end = _decode(self._html, at)
        self._halves = self._halves or ord(character) in _SURROGATES
        self._write(character)
        return end

    def _tag(self, at: int) -> int:
        if self._html[at + 1] == "/":
            return self._end_tag(at)
        return self._start_tag(at)

    def _fault(self, reason: str, at: int, rest: str = "") -> MarkupError:
        return MarkupError(f"{reason} at byte offset {len(self._html[:at].encode())}{rest}")

    def _start_tag(self, begin: int) -> int:
        at = _end(_WORD, self._html, begin + 1)
        if self._html[at] == "\0":
            raise self._fault("Unclosed start tag", begin)
        name = _lower(self._html[begin + 1 : at])
        if name not in _TYPES:
            raise self._fault(f'Unsupported start tag "{name}"', begin)
        argument, unix_time = "", 0
        while self._html[at] != ">":
            at = _end(_SPACES, self._html, at)
            if self._html[at] == ">":
                break
            attribute, value, at = self._attribute(name, begin, at)
            if name == "tg-time" and attribute == "unix" and value is not None:
                unix_time = _lenient_int32(value)
            else:
                stated = _argument(name, attribute, value)
                argument = argument if stated is None else stated
        if name == "span" and argument != "spoiler":
            raise self._fault('Tag "span" must have class "tg-spoiler"', begin)
        self._open.append(_Open(name, argument, unix_time, self._length, len(self._pieces)))
        return at + 1

    def _attribute(self, tag: str, begin: int, at: int) -> tuple[str, str | None, int]:
        """Read one attribute; its value is None where the markup states none."""
        end = _end(_ATTRIBUTE, self._html, at)
        name = self._html[at:end]
        if not name:
            raise self._fault(f'Empty attribute name in the tag "{tag}"', begin)
        end = _end(_SPACES, self._html, end)
        if self._html[end] not in "=\0":
            return name, None, end
        at = end if self._html[end] == "\0" else _end(_SPACES, self._html, end + 1)
        if self._html[at] == "\0":
            raise self._fault(f'Unclosed start tag "{tag}"', begin)
        value, end = self._quoted(at) if self._html[at] in "\"'" else self._token(at)
        if self._html[end] == "\0":
            raise self._fault("Unclosed start tag", begin)
        return name, value, end

    def _token(self, at: int) -> tuple[str, int]:
        end = _end(_TOKEN, self._html, at)
        if self._html[end] not in _SPACE and self._html[end] != ">":
            raise self._fault("Unexpected end of name token", at)
        return _lower(self._html[at:end]), end

    def _quoted(self, at: int) -> tuple[str, int]:
        quote = self._html[at]
        stop = min(
            end for end in (self._html.find(quote, at + 1), self._html.find("\0", at)) if end > 0
        )
        value = []
        at += 1
        while (found := self._html.find("&", at, stop)) >= 0:
            character, end = _decode(self._html, found)
            value += [self._html[at:found], character]
            at = end
        value.append(self._html[at:stop])
        return "".join(value), stop + (self._html[stop] == quote)

    def _end_tag(self, begin: int) -> int:
        if not self._open:
            raise self._fault("Unexpected end tag", begin)
        at = _end(_WORD, self._html, begin + 2)
        name = _lower(self._html[begin + 2 : at])
        at = _end(_SPACES, self._html, at)
        if self._html[at] != ">":
            raise self._fault("Unclosed end tag", begin)
        opened = self._open.pop()
        if name not in ("", opened.name):
            expected = f', expected "</{opened.name}>", found "</{name}>"'
            raise self._fault("Unmatched end tag", begin, expected)
        if self._length > opened.offset:
            self._close(opened)
        return at + 1

    def _close(self, opened: _Open) -> None:
        span = Entity(_TYPES[opened.name], opened.offset, self._length - opened.offset)
        match opened.name:
            case "a":
                argument = opened.argument or "".join(self._pieces[opened.first_piece :])
                self._entities += _link(span, argument)
            case "pre" | "code":
                self._close_code(span, opened.argument or None)
            case "blockquote" if opened.argument:
                self._entities.append(replace(span, type="expandable_blockquote"))
            case "tg-emoji":
                self._entities.append(replace(span, custom_emoji_id=_emoji_id(opened.argument)))
            case "tg-time":
                self._entities += _time(span, opened)
            case _:
                self._entities.append(span)

    def _close_code(self, span: Entity, language: str | None) -> None:
        """Join a pre and a code of one extent into one entity with the code's language."""
        last = self._entities[-1] if self._entities else None
        if last and (last.offset, last.length) == (span.offset, span.length):
            named = span.type == "pre" and last.type == "code" and last.language
            names = span.type == "code" and last.type == "pre" and not last.language and language
            if named or names:
                self._entities[-1] = replace(last, type="pre", language=last.language or language)
                return
        self._entities.append(replace(span, language=language))


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _lower(text: str) -> str:
    return text.translate(_UPPER_TO_LOWER)


def _decode(text: str, at: int) -> tuple[str, int]:
    """Read the reference at `at`; an unknown one is its "&"."""
    number = _NUMERIC.match(text, at)
    if number:
        value = int(number[1] or "0", 16) if number[1] is not None else int(number[2] or "0")
        known = 0 < value < _LAST_CODE_POINT and len(number[0]) < _MAX_REFERENCE_CHARS
        character, end = (chr(value), number.end()) if known else ("", at)
    else:
        end = _end(_NAME, text, at)
        character = _NAMED.get(text[at + 1 : end], "")
    if not character:
        return "&", at + 1
    return character, end + (text[end] == ";")


def _argument(tag: str, attribute: str, value: str | None) -> str | None:
    """Give what a tag keeps of an attribute; None: nothing."""
    match tag, attribute:
        case "blockquote", "expandable":
            return "1"
        case ("a", "href") | ("tg-emoji", "emoji-id") | ("tg-time", "format"):
            return value
        case "code", "class" if value and value.startswith("language-"):
            return value.removeprefix("language-")
        case "span", "class" if value and value.startswith("tg-"):
            return value.removeprefix("tg-")
        case _:
            return None


def _link(span: Entity, argument: str) -> list[Entity]:
    user_id = _mentioned_user(argument)
    if user_id:
        return [replace(span, type="text_mention", user_id=user_id)]
    try:
        return [replace(span, url=check_link(argument))]
    except MarkupError:
        return []


def _mentioned_user(link: str) -> int:
    found = re.match(r"tg:(?://)?user/?\?([^#]*)", _lower(link))
    for parameter in found[1].split("&") if found else ():
        key, _, value = parameter.partition("=")
        if key == "id":
            user_id = _strict_int(value)
            return user_id if user_id <= MAX_USER_ID else 0
    return 0


def _emoji_id(argument: str) -> str:
    number = _strict_int(argument.removeprefix("-"))
    if not number or number > 2**63 - (not argument.startswith("-")):
        raise MarkupError("Invalid custom emoji identifier specified")
    return argument


def _time(span: Entity, opened: _Open) -> list[Entity]:
    if opened.argument not in ("r", "R") and set(opened.argument) - set("tTdDwW"):
        raise MarkupError("Invalid date format used")
    if opened.unix_time <= 0:
        return []
    return [replace(span, unix_time=opened.unix_time, date_time_format=opened.argument)]


def _strict_int(text: str) -> int:
    """Read a positive number in its only spelling, else 0."""
    return int(text) if re.fullmatch("[1-9][0-9]{0,18}", text) else 0


def _lenient_int32(text: str) -> int:
    """Read the number that a text begins with, wrapped to 32 bits as the server does."""
    found = re.match("(-?)([0-9]*)", text)
    digits = found[2][-4000:] if found else ""
    value = int(digits or "0") * (-1 if found and found[1] else 1)
    return (value + 2**31) % 2**32 - 2**31


def _plain(entity: Entity) -> Entity:
    return replace(entity, language=None) if entity.type == "code" else entity


def _order(entity: Entity) -> tuple[int, int, int]:
    priority = _PRE_WITH_LANGUAGE if entity.language else _PRIORITIES[entity.type]
    return entity.offset, -entity.length, priority


_HOST: Final = re.compile(r"(?:[0-9A-Za-z.\-_!$,~*'();&+=\x80-\U0010ffff]|%[0-9A-Fa-f]{2})*")
_USERINFO: Final = re.compile(r"(?:[0-9A-Za-z.\-_!$,~*'();&+=:\x80-\U0010ffff]|%[0-9A-Fa-f]{2})*")
_AUTHORITY: Final = re.compile(r"(?:(?i:http(s)?)://)?([^/?#]*)(.*)", re.DOTALL)
_SCHEME: Final = re.compile(r"([^:/?#@\[\]]*)://")
_OWN_SCHEME: Final = re.compile(r"(?i:(tg|ton|tonsite)):(?://)?(.*)", re.DOTALL)


def check_link(link: str) -> str:
    """Give a link as Telegram keeps it in a text link or a URL button.

    Takes http and https with a dotted or IPv6 host (http where no scheme is stated), tg, ton and
    tonsite. Raises MarkupError with the server's reason ("Wrong HTTP URL", …).
    Source: TDLib, LinkManager.check_link.
    """
    own = _OWN_SCHEME.match(link)
    if own:
        return _check_own_link(_lower(own[1]), own[2])
    url = _split(link)
    if "." not in url.host and not url.is_ipv6:
        raise MarkupError("Wrong HTTP URL")
    userinfo = f"{url.userinfo}@" if url.userinfo else ""
    port = f":{url.port}" if url.port else ""
    return f"http{'s' * url.is_https}://{userinfo}{url.host}{port}{url.query}"


@dataclass(frozen=True, slots=True)
class _Url:
    is_https: bool
    userinfo: str
    host: str
    is_ipv6: bool
    port: int
    query: str


def _check_own_link(scheme: str, rest: str) -> str:
    url = _split(rest)
    if _lower(rest[:7]) == "http://" or url.is_https or url.userinfo or url.port or url.is_ipv6:
        raise MarkupError("Wrong tg URL" if scheme == "tg" else "Wrong ton URL")
    dotted = "." if scheme == "tonsite" else ""
    if re.fullmatch(f"[0-9A-Za-z_{dotted}-]+", url.host) is None:
        raise MarkupError("Unallowed characters in URL host")
    query = url.query[1:] if url.query.startswith("/?") else url.query
    return f"{scheme}://{url.host}{query}"


def _split(link: str) -> _Url:
    scheme = _SCHEME.match(link)
    if scheme and _lower(scheme[1]) not in ("http", "https"):
        raise MarkupError("Unsupported URL protocol")
    found = _AUTHORITY.match(link)
    secure, authority, query = found.groups() if found else (None, "", "")
    cut = max(authority.rfind(mark) for mark in ":]@")
    port = 0
    if cut > 0 and authority[cut] == ":":
        digits = authority[cut + 1 :].lstrip("0")
        port = _strict_int(digits)
        authority = authority[:cut]
        if not 0 < port < 65_536:
            raise MarkupError("Wrong port number specified in the URL")
    userinfo, _, host = authority.rpartition("@")
    is_ipv6 = _check_host(host, userinfo)
    return _Url(secure is not None, userinfo, _lower(host), is_ipv6, port, _query(query))


def _check_host(host: str, userinfo: str) -> bool:
    """Whether the host is an IPv6 address. Raises MarkupError where it is no host at all."""
    if host.startswith("[") and host.endswith("]"):
        try:
            ipaddress.IPv6Address(host[1:-1].replace("%", "?"))
        except ValueError:
            raise MarkupError("Wrong IPv6 address specified in the URL") from None
        return True
    if not host:
        raise MarkupError("URL host is empty")
    if host == ".":
        raise MarkupError("Host is invalid")
    for part, name, allowed in ((host, "host", _HOST), (userinfo, "userinfo", _USERINFO)):
        end = _end(allowed, part, 0)
        if end < len(part):
            fault = "Wrong percent-encoded symbol" if part[end] == "%" else "Disallowed character"
            raise MarkupError(f"{fault} in URL {name}")
    return False


def _query(rest: str) -> str:
    rest = rest.rstrip("".join(_SPACE)) or "/"
    rest = rest if rest.startswith("/") else f"/{rest}"
    return re.sub("[\0-\x20]", lambda found: f"%{ord(found[0]):02X}", rest)
