"""The words of a text in any script, alike for what is indexed and for what is asked."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bot.types import Story

LONGEST_WORD_CHARS: Final = 40
STEM_CHARS: Final = 4
STEM_MARK: Final = "*"
COMPARED_CHARS: Final = 1_600
SEARCHED_CHARS: Final = 12_000
LEAD_CHARS: Final = 300
REPEATED_CHARS: Final = 60
TITLE_TIMES: Final = 5
# Stands for every story where words are counted: no text has a word without a character.
EVERY_STORY: Final = ""

# Written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han.
_DENSE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u3096\u309d-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
)
# Vowel signs and viramas are no letters to `re`, but parts of a word.
_SIGNS: Final = (
    "\u0900-\u0963\u0966-\u0d7f\u0d81-\u0df3\u0f18-\u0fbc\u135d-\u135f\u1712-\u1734\u17b4-\u17dd"
    "\u18a9\u1920-\u193b\u1a17-\u1a7f\u1b00-\u1b44\u1b80-\u1bf3\u1c24-\u1c37\ua823-\ua827"
    "\ua880-\ua8c5\ua8e0-\ua8f1\ua926-\ua953\ua980-\ua9c0\uaa29-\uaa4d\uabe3-\uabed"
)
_WORD: Final = re.compile(f"[{_DENSE}]+|(?:(?![{_DENSE}_])[\\w{_SIGNS}])+")
_ASCII_WORD: Final = re.compile("[a-z0-9]+")
_STARTS_DENSE: Final = re.compile(f"[{_DENSE}]")
# Accents, Hebrew and Arabic vowel points, the tatweel, invisible joiners.
_DROPPED: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06ed\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]"
)
# Inside a word: Jum'at, Qur'an; neither one's own nor l'un.
_APOSTROPHE: Final = re.compile("(?<=[^\\W_]{2})['\u2018\u2019\u02bc`](?=[^\\W_]{2})")
_POINTERS: Final = ("baca juga", "baca pula", "lihat juga", "simak juga", "read also", "see also")
_BULLETS: Final = " \t*•-–—>()[]\"\u2019\u201d'"


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a story: counts in its title and its first COMPARED_CHARS, and the rest.

    `sections` are its tags as section_word gives them.
    """

    title: Counter[str]
    body: Counter[str]
    beyond: frozenset[str]
    sections: frozenset[str]

    def counted(self) -> dict[str, tuple[int, int]]:
        """Every word with how often it stands in title and body; sections count for nothing."""
        words = (self.title | self.body).keys() | self.beyond | self.sections
        return {word: (self.title[word], self.body[word]) for word in sorted(words)}

    def stems(self) -> dict[str, int]:
        """The beginnings of words, each with its mark; those of the title count for more."""
        return _stems(self.title, self.body)


@dataclass(frozen=True, slots=True)
class Start:
    """What is compared closely of a story: beginnings of words, and letters of title and lead."""

    stems: dict[str, int]
    grams: Counter[str]


def words(text: str) -> list[str]:
    """Split a text into its words, folded: case, width, accents and apostrophes do not count.

    A run of a script without spaces gives its pairs of neighbours, a lone character itself.
    Words are at most LONGEST_WORD_CHARS long; what has neither letter nor digit is none.
    """
    if text.isascii():
        return [word[:LONGEST_WORD_CHARS] for word in _ASCII_WORD.findall(_joined(text.lower()))]
    folded = _DROPPED.sub("", unicodedata.normalize("NFKD", text).casefold())
    found: list[str] = []
    for run in _WORD.findall(_joined(unicodedata.normalize("NFC", folded))):
        if _STARTS_DENSE.match(run):
            found += _pairs(run)
        else:
            found.append(run[:LONGEST_WORD_CHARS])
    return found


def stem(word: str) -> str:
    """The beginning of a word as a key of its own: no word ends in the mark."""
    return f"{word[:STEM_CHARS]}{STEM_MARK}"


def section_word(tag: str) -> str:
    """A tag as a key of its own: '#Kota Tangerang', 'kota-tangerang' are one. '' for no word."""
    joined = "".join(words(tag))[:LONGEST_WORD_CHARS]
    return f"#{joined}" if joined else ""


def wording(story: Story) -> Wording:
    """Read the words of a story: its title, its text and its tags."""
    text = text_of(story)
    compared = words(text[:COMPARED_CHARS])
    for tag in story.tags:
        compared += words(tag)
    body = Counter(compared)
    beyond = frozenset(words(text[COMPARED_CHARS:SEARCHED_CHARS])) - body.keys()
    sections = frozenset(key for tag in story.tags if (key := section_word(tag)))
    return Wording(Counter(words(story.title)), body, beyond, sections)


def text_of(story: Story) -> str:
    """A story's text without pointers to other stories; the summary where the body lacks it."""
    summary, body = story.summary, story.body
    repeats = body.startswith(summary.rstrip(" …")[:REPEATED_CHARS])
    text = body if repeats else f"{summary}\n{body}"
    kept = [line for line in text.split("\n") if not _points_elsewhere(line)]
    return "\n".join(kept)


def start_of(story: Story) -> Start:
    """Read a story for a close comparison."""
    title, body = words(story.title), words(text_of(story)[:COMPARED_CHARS])
    line = f" {' '.join(title)} {' '.join(body)[:LEAD_CHARS]} "
    grams = Counter(map("".join, zip(line, line[1:], line[2:], strict=False)))
    return Start(_stems(Counter(title), Counter(body)), grams)


def _stems(title: Counter[str], body: Counter[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for held, each in ((body, 1), (title, TITLE_TIMES)):
        for word, times in held.items():
            key = word[:STEM_CHARS]
            counts[key] = counts.get(key, 0) + each * times
    return {f"{key}{STEM_MARK}": times for key, times in counts.items()}


def _points_elsewhere(line: str) -> bool:
    return line[:24].lstrip(_BULLETS).lower().startswith(_POINTERS)


def _joined(text: str) -> str:
    return _APOSTROPHE.sub("", text)


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    return [run[at : at + 2] for at in range(len(run) - 1)]
