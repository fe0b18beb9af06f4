"""What a chat wishes: which stories, and when. Pure.

Keywords are whole words or phrases, compared without case and diacritics. Times are those of the
chat's clocks: an hour that the clocks skip begins when they have skipped it, one that they show
twice counts from its first showing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

from bot.text import one_line
from bot.types import Narrowing, Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bot.types import Rhythm, Story

LONGEST_WORD_CHARS: Final = 40
DAYS_IN_WEEK: Final = 7
INDONESIAN_ZONES: Final = {
    "wib": "Asia/Jakarta",
    "wita": "Asia/Makassar",
    "wit": "Asia/Jayapura",
}

_BREAK: Final = " \n "
# Diacritics that readers leave out: of Latin, Greek and Cyrillic, Hebrew and Arabic. Vowel signs of
# Indian scripts and of Thai are letters to their readers.
_DIACRITICS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0640\u064b-\u0652\u0670]"
)
_PLAIN_LETTERS: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "œ": "oe", "æ": "ae"}
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060", "")
)
_APOSTROPHES: Final = re.compile("['\u2018\u2019\u02bc\u00b4`]")
_NO_WORD: Final = re.compile(r"[^\w\u0900-\u0e7f\u0f00-\u109f\u1780-\u17ff]+|_+")
# Scripts that write no space between words: a term is found anywhere in them.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ITEM: Final = re.compile(
    r"(?P<minus>(?<!\S)[-\u2013\u2212]\s*)?"
    r"(?:[\"\u201c\u201d\u201e\u00ab\u00bb](?P<quoted>[^\"\u201c\u201d\u201e\u00ab\u00bb]*)"
    r"[\"\u201c\u201d\u00ab\u00bb]|(?P<word>[^\s,;\"\u201c\u201d\u201e\u00ab\u00bb]+))"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which stories a wish is for, in the forms that are compared.

    `tags` and `without_tags` are comparison keys of tags, `keywords` and `without` folded words
    and phrases.
    """

    tags: frozenset[str] = frozenset()
    keywords: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    without_tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """What a story tells, made ready for many wishes: its words, folded, and the keys of its tags.

    `text` has a space around each word.
    """

    text: str
    tags: frozenset[str]


def fold(text: str) -> str:
    """A text as its words in the form that is compared, one space apart; empty for no word."""
    if text.isascii():
        return " ".join(_NO_WORD.sub(" ", text.lower()).split())
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    plain = _DIACRITICS.sub("", unicodedata.normalize("NFKD", decomposed))
    composed = unicodedata.normalize("NFC", plain.translate(_PLAIN_LETTERS))
    return " ".join(_NO_WORD.sub(" ", composed).split())


def keyword_key(word: str) -> str:
    """The form in which a keyword is compared: folded, without apostrophes."""
    return fold(_APOSTROPHES.sub("", word))


def told(story: Story, tags: Iterable[str]) -> Told:
    """What a story tells in title, summary, body and tags; `tags` are the comparison keys."""
    parts = (story.title, story.summary, story.body, *story.tags)
    return Told(_told_text(parts), frozenset(tags))


def wants(choice: Choice, tells: Told) -> bool:
    """Whether a wish is for a story: one of its tags or keywords, and nothing that it leaves out.

    Without tags and keywords it is for every story.
    """
    if choice.without_tags & tells.tags or _has_any(choice.without, tells.text):
        return False
    if not (choice.tags or choice.keywords):
        return True
    return bool(choice.tags & tells.tags) or _has_any(choice.keywords, tells.text)


def read_words(text: str) -> tuple[tuple[str, ...], Narrowing]:
    """Read what somebody typed: the tags to include, and the rest of the wish.

    Words stand for themselves and quotes keep a phrase together; where there are commas they part
    the phrases. A minus leaves out; # marks a tag. What has no letter or digit is left out.
    """
    tags: list[str] = []
    lists: dict[tuple[bool, bool], list[str]] = {
        (False, False): [],
        (True, False): [],
        (True, True): [],
        (False, True): tags,
    }
    for item, leaves_out in _items(text):
        is_tag = item.startswith("#")
        tidy = item.lstrip("# ")[:LONGEST_WORD_CHARS].strip()
        if fold(tidy):
            lists[leaves_out, is_tag].append(tidy)
    narrowing = Narrowing(
        keywords=_distinct(lists[False, False]),
        without=_distinct(lists[True, False]),
        without_tags=_distinct(lists[True, True]),
    )
    return _distinct(tags), narrowing


def find_zone(name: str) -> str | None:
    """The IANA name of a zone that somebody typed: `wib`, a city, a whole name; None for none."""
    wanted = "_".join(name.split()).casefold()
    if wanted in INDONESIAN_ZONES:
        return INDONESIAN_ZONES[wanted]
    names = _zone_names()
    return names.get(wanted)


def zone_of(name: str | None) -> ZoneInfo:
    """The zone of that name; UTC for none, and for one that this machine does not know."""
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError):
        return ZoneInfo("UTC")


def held_until(rhythm: Rhythm, zone: ZoneInfo, now: datetime, *, urgent: bool) -> datetime | None:
    """Until when a story that comes now waits; None for not at all."""
    if rhythm.pace is Pace.ONCE:
        passes = (urgent and rhythm.urgent) or not is_quiet(rhythm, zone, now)
        return None if passes else quiet_end(rhythm, zone, now)
    due_at = next_digest(rhythm, zone, now)
    return quiet_end(rhythm, zone, due_at) if is_quiet(rhythm, zone, due_at) else due_at


def next_digest(rhythm: Rhythm, zone: ZoneInfo, now: datetime) -> datetime:
    """The next moment of a digest, later than `now`; `rhythm` has one."""
    if rhythm.pace is Pace.HOURLY:
        local = now.astimezone(zone)
        passed = timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        following = now - passed + timedelta(hours=1)
        # Clocks that change by half an hour show it at another minute.
        early = following - timedelta(minutes=following.astimezone(zone).minute)
        return early if early > now else following
    days = _days_from(now, zone, 2 * DAYS_IN_WEEK)
    weekly = rhythm.pace is Pace.WEEKLY
    fitting = (day for day in days if not weekly or day.weekday() == rhythm.weekday)
    moments = (_moment(day, rhythm.hour, zone) for day in fitting)
    return next(moment for moment in moments if moment > now)


def is_quiet(rhythm: Rhythm, zone: ZoneInfo, moment: datetime) -> bool:
    """Whether a moment is in the quiet hours; from 22 until 6 is over midnight."""
    begin, end = rhythm.quiet_from, rhythm.quiet_until
    if begin is None or end is None or begin == end:
        return False
    hour = moment.astimezone(zone).hour
    return begin <= hour < end if begin < end else hour >= begin or hour < end


def quiet_end(rhythm: Rhythm, zone: ZoneInfo, moment: datetime) -> datetime:
    """When the quiet hours that hold a moment are over."""
    assert rhythm.quiet_until is not None
    ends = (_moment(day, rhythm.quiet_until, zone) for day in _days_from(moment, zone, 4))
    # Where the clocks skip the only hour that is not quiet, the next day has one.
    return next(end for end in ends if end > moment and not is_quiet(rhythm, zone, end))


@lru_cache(maxsize=32)
def _told_text(parts: tuple[str, ...]) -> str:
    """The words of a story; kept, since each part of a fan-out asks for them."""
    return f" {_BREAK.join(form for part in parts for form in _forms(part))} "


def _has_any(terms: Iterable[str], text: str) -> bool:
    return any((term if _UNSPACED.search(term) else f" {term} ") in text for term in terms)


def _forms(text: str) -> Iterator[str]:
    """A text's words; with an apostrophe in them also as one word each: jum'at is jumat too."""
    yield fold(text)
    if _APOSTROPHES.search(text):
        yield keyword_key(text)


def _items(text: str) -> Iterator[tuple[str, bool]]:
    """The words and phrases that somebody typed, and whether each is to be left out."""
    line = one_line(text).replace(";", ",")
    by_commas = "," in re.sub(
        r"[\"\u201c\u201d\u201e\u00ab\u00bb].*?[\"\u201c\u201d\u00ab\u00bb]", "", line
    )
    phrase: list[str] = []
    leaves_out, end = False, 0
    for found in _ITEM.finditer(line):
        quoted, minus = found["quoted"], found["minus"] is not None
        parted = "," in line[end : found.start()] or not by_commas
        is_new = parted or minus or quoted is not None or found["word"].startswith("#")
        if phrase and is_new:
            yield " ".join(phrase), leaves_out
            phrase = []
        end = found.end()
        if quoted is not None:
            yield quoted, minus
            continue
        leaves_out = leaves_out if phrase else minus
        phrase.append(found["word"])
    if phrase:
        yield " ".join(phrase), leaves_out


def _distinct(items: Iterable[str]) -> tuple[str, ...]:
    return tuple({fold(item): item for item in items}.values())


def _days_from(moment: datetime, zone: ZoneInfo, number: int) -> Iterator[date]:
    first = moment.astimezone(zone).date()
    return (first + timedelta(days=ahead) for ahead in range(number))


def _moment(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    """Zones by their names and by the last part of these, which is a city, in lower case."""
    names = sorted(available_timezones(), key=lambda name: (name.count("/") != 1, name))
    names = [name for name in names if not name.startswith(("posix/", "right/"))]
    cities = {name.rpartition("/")[2].casefold(): name for name in reversed(names)}
    return cities | {name.casefold(): name for name in names}
