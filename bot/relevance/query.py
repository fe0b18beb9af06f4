"""What a reader searches for: words, "phrases", #sections, and -what is not wanted."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.relevance.words import section_word, words

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PARTS: Final = 16
LONGEST_QUERY_CHARS: Final = 500
LEAST_CORRECTED_CHARS: Final = 4
MOST_CORRECTED_CHARS: Final = 24
MOST_LETTERS: Final = 160
LATIN: Final = "abcdefghijklmnopqrstuvwxyz"

_PART: Final = re.compile(
    r"""(?P<minus>(?<!\S)[-−–])?(?:
        (?P<open>["“”„«»])(?P<phrase>[^"“”„«»]*)(?:["“”„«»]|$)
        | \#(?:["“”„«»](?P<quoted>[^"“”„«»]*)(?:["“”„«»]|$) | (?P<section>[^\s"“”„«»#]+))
        | (?P<plain>[^\s"“”„«»]+)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One part of a query: a word, a phrase of several, or a section; `minus` excludes it.

    `words` are keys as the index holds them; a phrase's stand next to each other.
    """

    words: tuple[str, ...]
    minus: bool = False
    section: bool = False

    @property
    def phrase(self) -> bool:
        """Whether the order of its words counts."""
        return len(self.words) > 1


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it was read; no parts where nothing in it can be searched for."""

    parts: tuple[Wanted, ...] = ()

    def wanted(self) -> list[Wanted]:
        """The parts that stories shall hold."""
        return [part for part in self.parts if not part.minus]

    def unwanted(self) -> list[Wanted]:
        """The parts that no story shall hold."""
        return [part for part in self.parts if part.minus]


def read_query(text: str) -> Query:
    """Read any text as a query. Never fails; what has no word in it counts for nothing."""
    parts = dict.fromkeys(_parts(text[:LONGEST_QUERY_CHARS]))
    return Query(tuple(parts)[:MOST_PARTS])


def misspellings(word: str) -> set[str]:
    """Words one typing error away: a letter too few, too many, another, or two swapped.

    Letters are those of the word's scripts. Empty for a word too short, or with a digit.
    """
    if not LEAST_CORRECTED_CHARS <= len(word) <= MOST_CORRECTED_CHARS or not word.isalpha():
        return set()
    letters = _alphabet(word)
    found: set[str] = set()
    for at in range(len(word) + 1):
        head, tail = word[:at], word[at:]
        found.update(head + letter + tail for letter in letters)
        if tail:
            found.add(head + tail[1:])
            found.update(head + letter + tail[1:] for letter in letters)
        if len(tail) > 1:
            found.add(head + tail[1] + tail[0] + tail[2:])
    found.discard(word)
    return found


def _parts(text: str) -> Iterator[Wanted]:
    for found in _PART.finditer(text):
        minus = found["minus"] is not None
        if found["phrase"] is not None:
            if phrase := tuple(words(found["phrase"])):
                yield Wanted(phrase, minus)
        elif found["plain"] is not None:
            yield from _plain(found["plain"], minus=minus)
        elif section := section_word(found["quoted"] or found["section"] or ""):
            yield Wanted((section,), minus, section=True)


def _plain(text: str, *, minus: bool) -> Iterator[Wanted]:
    """A run without a space: "covid-19" and a run of Han are read as phrases."""
    if read := tuple(words(text)):
        yield Wanted(read, minus)


def _alphabet(word: str) -> str:
    if word.isascii():
        return LATIN
    blocks = {ord(letter) >> 7 for letter in word}
    letters = [
        letter
        for block in sorted(blocks)
        for letter in map(chr, range(block << 7, (block + 1) << 7))
        if letter.isalpha() and letter == letter.casefold() and not unicodedata.combining(letter)
    ]
    return "".join(letters[:MOST_LETTERS])
