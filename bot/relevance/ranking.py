"""How close two stories are: words weighed by their rarity, beginnings of words, runs of letters.

A profile is what is asked about, a candidate a stored story. The steps and their weights were
chosen on labelled news in two languages; tests/benchmarks/relevance.py measures them.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COUNT: Final = struct.Struct("<IB")
IN_TITLE: Final = 0x80
MOST_TIMES: Final = 0x7F
TITLE_BONUS: Final = 2.0

# Candidates share rare words; the sum of the stories behind these words bounds the work.
MOST_POSTINGS: Final = 4_000
MOST_TERMS: Final = 50
CANDIDATES: Final = 120
TALLIED_TIMES: Final = 4
COMPARED_CLOSELY: Final = 10

STEM_WEIGHT, GRAM_WEIGHT, TITLE_WEIGHT = 0.7, 0.3, 0.4
WHOLE_WEIGHT: Final = 1.0 + STEM_WEIGHT + GRAM_WEIGHT + TITLE_WEIGHT
# Calibrated on judged pairs: a list needs one that is close to show others that are less so.
LEAST_CLOSENESS, LEAST_OF_BEST = 0.1, 0.12
# Few stories cannot tell which words are common, so all seem closer.
LEAST_AMONG_FEW: Final = 0.2
FEW_STORIES: Final = 100
# Of words and of letters alike: short reports of one pattern share words, but not their start.
COPY, COPIED_LETTERS = 0.93, 0.85
RECENT_DAYS: Final = 7.0
RECENCY_POWER: Final = 0.15
DAY_S: Final = 86_400.0

Vector = dict[str, float]


@dataclass(frozen=True, slots=True)
class KnownWord:
    """A word of the index: its number and how many stories hold it."""

    id: int
    stories: int


@dataclass(frozen=True, slots=True)
class Norms:
    """The lengths of a story's vector and of its title's, when there were so many stories."""

    whole: float
    title: float
    stories: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What is asked about: the weight of each word by its number, made to length 1.

    `rare` are the words by which candidates are found, with their weights.
    """

    weights: dict[int, float]
    rare: dict[int, float]


def rarity(stories: int, all_stories: int) -> float:
    """How telling a word is that so many of all stories hold; 1 where all do."""
    return math.log((1 + all_stories) / (1 + stories)) + 1.0


def weight_of(flagged: int) -> float:
    """What a word weighs in a story by its count, before rarity."""
    times = flagged & MOST_TIMES
    weight = 1.0 + math.log(times) if times else 0.0
    return weight + TITLE_BONUS if flagged & IN_TITLE else weight


def flagged_count(in_title: int, in_body: int) -> int:
    """A word's count as it is stored: times in the text, and whether the title holds it."""
    return min(in_body, MOST_TIMES) | (IN_TITLE if in_title else 0)


def packed(counts: Mapping[int, int]) -> bytes:
    """Counts by a word's number as bytes: five a word, in the order of the numbers."""
    return b"".join(COUNT.pack(*item) for item in sorted(counts.items()))


def unpacked(data: bytes) -> list[tuple[int, int]]:
    """What `packed` made: (number, flagged count)."""
    return list(COUNT.iter_unpack(data))


def count_of(data: bytes, word_id: int) -> int | None:
    """A word's flagged count in packed counts; None where the story does not hold it."""
    key = word_id.to_bytes(4, "little")
    at = data.find(key)
    while at >= 0 and at % COUNT.size:
        at = data.find(key, at + 1)
    return None if at < 0 else data[at + 4]


def terms(counts: Iterable[tuple[int, int]]) -> list[int]:
    """The terms by which a story is found: each word, negative once more for one in the title."""
    found: list[int] = []
    for word_id, flagged in counts:
        found.append(word_id)
        if flagged & IN_TITLE:
            found.append(-word_id)
    return found


def norms(counts: Iterable[tuple[int, int]], held: Mapping[int, int], all_stories: int) -> Norms:
    """The norms of a story's counts; `held` says how many stories hold each word."""
    whole = title = 0.0
    for word_id, flagged in counts:
        if flagged:
            rare = rarity(held.get(word_id, 1), all_stories)
            whole += (weight_of(flagged) * rare) ** 2
            if flagged & IN_TITLE:
                title += rare**2
    return Norms(math.sqrt(whole) or 1.0, math.sqrt(title) or 1.0, all_stories)


def profile(
    counted: Mapping[str, tuple[int, int]],
    known: Mapping[str, KnownWord],
    all_stories: int,
    least_stories: int,
) -> Profile:
    """Weigh the words of a story or text; one that no story holds is as rare as can be.

    Candidates are found by words that `least_stories` hold.
    """
    weights: dict[int, float] = {}
    square = 0.0
    picked: list[tuple[float, KnownWord]] = []
    for word, (in_title, in_body) in counted.items():
        flagged = flagged_count(in_title, in_body)
        if not flagged:
            continue
        found = known.get(word)
        rare = rarity(found.stories if found else 1, all_stories)
        weight = weight_of(flagged)
        square += (weight * rare) ** 2
        if found:
            weights[found.id] = weight * rare * rare
            if found.stories >= least_stories:
                picked.append((weight * rare * rare, found))
    length = math.sqrt(square) or 1.0
    return Profile({key: value / length for key, value in weights.items()}, _rarest(picked))


def similarity(asked: Profile, counts: bytes, known: Norms) -> tuple[float, float]:
    """The cosine with a stored story, and with its title alone."""
    weights = asked.weights
    whole = title = 0.0
    for word_id, flagged in COUNT.iter_unpack(counts):
        weight = weights.get(word_id)
        if weight and flagged:
            whole += weight * _WEIGHTS[flagged]
            if flagged & IN_TITLE:
                title += weight
    return whole / known.whole, title / known.title


def recency(apart_s: float) -> float:
    """How much the time between two stories takes off, from 1 downwards: slowly, ever slower."""
    return float((1.0 + abs(apart_s) / DAY_S / RECENT_DAYS) ** -RECENCY_POWER)


def vector(counts: Mapping[str, int], held: Mapping[str, int], all_stories: int) -> Vector:
    """Counts as a vector of length 1, each weighed by its rarity."""
    most = math.log(1 + all_stories) + 1.0
    log = math.log
    weights = {
        key: (1.0 + log(times)) * (most - log(1 + held.get(key, 1)))
        for key, times in counts.items()
    }
    length = math.hypot(*weights.values()) or 1.0
    return {key: weight / length for key, weight in weights.items()}


def likeness(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """The cosine of plain counts."""
    together = sum(first[key] * second[key] for key in first.keys() & second.keys())
    return together / (math.hypot(*first.values()) * math.hypot(*second.values()) or 1.0)


def dot(first: Vector, second: Vector) -> float:
    """The cosine of two vectors of length 1."""
    return sum(first[key] * second[key] for key in first.keys() & second.keys())


def is_close(closeness: float, all_stories: int, *, best: bool = False) -> bool:
    """Whether two stories are close enough to be shown as related; `best` asks of the closest."""
    if all_stories < FEW_STORIES:
        return closeness >= LEAST_AMONG_FEW
    return closeness >= (LEAST_OF_BEST if best else LEAST_CLOSENESS)


def is_copy(words: float, letters: float) -> bool:
    """Whether two stories are one, by the cosine of their words and the likeness of their start."""
    return words > COPY and letters > COPIED_LETTERS


def closeness(whole: float, title: float, stems: float, grams: float) -> float:
    """One measure from 0 to 1 of the four likenesses."""
    total = whole + TITLE_WEIGHT * title + STEM_WEIGHT * stems + GRAM_WEIGHT * grams
    return total / WHOLE_WEIGHT


def _rarest(picked: list[tuple[float, KnownWord]]) -> dict[int, float]:
    rare: dict[int, float] = {}
    postings = 0
    for share, word in sorted(picked, key=lambda item: (-item[0], item[1].id)):
        if rare and postings + word.stories > MOST_POSTINGS:
            continue
        postings += word.stories
        rare[word.id] = share
        if len(rare) == MOST_TERMS:
            break
    return rare


_WEIGHTS: Final = tuple(weight_of(flagged) for flagged in range(256))
