"""Text that any platform can carry: cleaned, folded, shortened, kept from being read as markup."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ELLIPSIS: Final = "…"
WORD_JOINER: Final = "\u2060"
MAX_WORD_CHARS: Final = 80

_EMBEDDINGS: Final = frozenset("\u202a\u202b\u202d\u202e")
_POP_EMBEDDING: Final = "\u202c"
_ISOLATES: Final = frozenset("\u2066\u2067\u2068")
_POP_ISOLATE: Final = "\u2069"
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")

_LINE_ENDS: Final = re.compile("\r\n?|[\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES: Final = re.compile("[\0-\x09\x0e-\x20\x7f-\x84\x86-\x9f]+")
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f")
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_REGIONS: Final = range(0x1F1E6, 0x1F200)
_DANGLING: Final = " \n.,;:-–—…"
_SENTENCE_END: Final = re.compile("[.!?…][\"'”’»)]*(?=\\s)")

_CONTROLS: Final = re.compile("[\0-\x09\x0b-\x1f]")
_DROPPED_BY_TELEGRAM: Final = re.compile("[\u2028-\u202e\u0333\u033f\u030a]")
_DIRECTION_MARKS: Final = re.compile("[\u200e\u200f](?=[\u200e\u200f])")
# By their codes; Indonesian was "in" once.
LANGUAGES: Final = {"id": "id", "in": "id", "en": "en"}


def language_of(code: str | None) -> str | None:
    """Give the language of ours that a user's code names ("id-ID"), None for any other."""
    if not code:
        return None
    return LANGUAGES.get(code.replace("_", "-").partition("-")[0].lower())


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units, the unit of Telegram's offsets and of LINE's limits."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def repair(text: str) -> str:
    """Join halves of surrogate pairs; a half without its other becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def one_line(text: str) -> str:
    """Fold a text to a single clean line: no controls, no runs of white space, balanced bidi."""
    if _is_tidy(text):
        return text.strip()
    return _folded(_LINE_ENDS.sub(" ", repair(text)))


def lines(text: str) -> str:
    """Clean each line as one_line does; runs of empty lines become one, ends are trimmed."""
    stated = text.split("\n")
    if _are_tidy(stated) and "  " not in text:
        return text.strip()
    folded = [_folded(line) for line in _LINE_ENDS.split(repair(text))]
    kept = [line for before, line in pairwise(["", *folded]) if before or line]
    return "\n".join(kept).strip()


def for_telegram(text: str) -> str:
    """Take out what Telegram's server takes out or changes, so that it sends what we mean.

    Source: TDLib, fix_formatted_text: embeddings and overrides, three combining lines, runs of
    direction marks. A ring above is kept where one character has it built in.
    """
    if "\u030a" in text:
        text = unicodedata.normalize("NFC", text)
    text = _DROPPED_BY_TELEGRAM.sub("", lines(text))
    return _DIRECTION_MARKS.sub("", text).strip(" \n")


def as_telegram_sends(html: str) -> str:
    """Do to rendered Telegram HTML what the server does to its text, white space at ends aside."""
    html = _CONTROLS.sub(" ", repair(html).replace("\r", ""))
    return _DIRECTION_MARKS.sub("\u200c", _DROPPED_BY_TELEGRAM.sub("", html))


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing."""
    return all(
        character.isspace()
        or character in _INVISIBLE
        or unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")
        for character in text
    )


def balanced(line: str) -> str:
    """Drop directional controls that nothing closes or opens, so that none spills over.

    Source: Unicode Standard Annex 9, rules X1-X8.
    """
    if _BIDI.search(line) is None:
        return line
    dropped: set[int] = set()
    opened: list[tuple[int, str]] = []
    isolates = 0
    for found in _BIDI.finditer(line):
        mark, at = found[0], found.start()
        if mark in _EMBEDDINGS or mark in _ISOLATES:
            opened.append((at, mark))
            isolates += mark in _ISOLATES
        elif mark == _POP_EMBEDDING and opened and opened[-1][1] in _EMBEDDINGS:
            opened.pop()
        elif mark == _POP_ISOLATE and isolates:
            while opened[-1][1] not in _ISOLATES:
                dropped.add(opened.pop()[0])
            opened.pop()
            isolates -= 1
        else:
            dropped.add(at)
    dropped.update(at for at, _ in opened)
    return "".join(character for at, character in enumerate(line) if at not in dropped)


def shorten(text: str, limit: int, measure: Callable[[str], int] = utf16_length) -> str:
    """Cut a text at a word, with "…", so that it measures at most `limit`.

    A word longer than MAX_WORD_CHARS is cut between two characters as a reader counts them.
    Empty where not even one character and the "…" fit. `measure` must grow with its text.
    """
    if measure(text) <= limit:
        return text
    low, high = 0, min(len(text), max(limit, 0))
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle] + ELLIPSIS) <= limit:
            low = middle
        else:
            high = middle - 1
    cut = text[: _word_end(text, low)].rstrip()
    kept = cut.rstrip(_DANGLING) or cut
    return _balanced_lines(kept) + ELLIPSIS if kept else ""


def lead(text: str, *, least: int, most: int) -> str:
    """Give a text's beginning: whole up to `most` characters, else to a sentence's or word's end.

    A sentence that ends between `least` and `most` characters ends it. What was cut shows as "…".
    """
    if len(text) <= most:
        return text
    ends = [found.end() for found in _SENTENCE_END.finditer(text, least, most - 1)]
    if ends:
        return f"{_balanced_lines(text[: ends[-1]])} {ELLIPSIS}"
    return shorten(text, most, len)


def _is_tidy(text: str) -> bool:
    """Whether there is nothing to clean but the ends.

    The only white space that counts as printable is the space, and of the characters that guide
    bidirectional text none does.
    """
    return text.isprintable() and "  " not in text


def _are_tidy(stated: list[str]) -> bool:
    """Whether no line is empty, has space at an end, or something in it to take out."""
    return (
        all(map(str.isprintable, stated))
        and "" not in stated
        and [*map(str.strip, stated)] == stated
    )


def _folded(line: str) -> str:
    if _is_tidy(line):
        return line.strip()
    return _SPACES.sub(" ", balanced(line)).strip()


def _balanced_lines(text: str) -> str:
    return "\n".join(map(balanced, text.split("\n")))


def _word_end(text: str, end: int) -> int:
    """Find where to cut at or before `end`."""
    for at in range(end, max(end - MAX_WORD_CHARS, 0), -1):
        if text[at].isspace():
            return at
    while end > 0 and _is_inside_character(text, end):
        end -= 1
    return end


def _is_inside_character(text: str, at: int) -> bool:
    after = text[at]
    if after in _JOINERS or text[at - 1] == "\u200d" or unicodedata.combining(after):
        return True
    if ord(after) in _SKIN_TONES or unicodedata.category(after).startswith("M"):
        return True
    flags = 0
    while flags < at and ord(text[at - 1 - flags]) in _REGIONS:
        flags += 1
    return ord(after) in _REGIONS and flags % 2 == 1


_MARK: Final = re.compile("[*_~]")
_MARK_AFTER_MARK: Final = re.compile("(?<=[*_~>])([*_~])(?=.+\\1(?![0-9A-Za-z]))")
_LIST_OR_QUOTE: Final = re.compile(r"(?=[-*•>]\s|>|\d+[.)]\s)")
_LOOKALIKE_STAR: Final = "\u2217"
_LOOKALIKE_GRAVE: Final = "\u02cb"


def whatsapp_title(title: str) -> str:
    """Make a title safe between two stars: nothing in it ends the bold or marks anything else."""
    return whatsapp_text(title.replace("*", _LOOKALIKE_STAR))


def whatsapp_text(text: str) -> str:
    """Neutralise what WhatsApp would read as markup, without changing what a reader sees.

    A word joiner before a mark takes its place at a word's edge; stars and graves that would
    pair become lookalikes. Lines that would become lists or quotes begin with a word joiner.
    Source: WhatsApp's help page on formatting; it has no escape character.
    """
    return "\n".join(_unmarked(line, fenced="```" in text) for line in text.split("\n"))


def whatsapp_url(url: str) -> str:
    """Percent-encode a mark that could open a span inside a URL: after another, before its twin."""
    return _MARK_AFTER_MARK.sub(lambda found: f"%{ord(found[0]):02X}", url)


def _unmarked(line: str, *, fenced: bool) -> str:
    if fenced or line.count("`") > 1:
        line = line.replace("`", _LOOKALIKE_GRAVE)
    last = {mark: line.rfind(mark) for mark in "*_~"}

    def neutral(found: re.Match[str]) -> str:
        mark, at = found[0], found.start()
        before = line[at - 1] if at else " "
        if at == last[mark] or (before.isascii() and before.isalnum()):
            return mark
        return _LOOKALIKE_STAR if mark == "*" else WORD_JOINER + mark

    begins = WORD_JOINER if _LIST_OR_QUOTE.match(line) else ""
    return begins + _MARK.sub(neutral, line)
