"""A reader's search: every word, else after correction, else any of the words, always said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.relating.indexing import CAUGHT_UP_AT_MOST, index_due
from bot.relevance import ranking
from bot.relevance.query import Query, Wanted, misspellings, read_query
from bot.relevance.words import text_of, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bot.relevance.ranking import KnownWord
    from bot.store import Indexed, Store, Vocabulary
    from bot.types import Story

MOST_FOUND = 120
MOST_TITLED = 60
MOST_COMPLETIONS = 12
LEAST_BEGINNING_CHARS = 3
SECTION = "#"
# A held word counts a little, more where it is repeated, most in the title.
HELD, SATURATION, TITLED = 0.2, 1.2, 1.0
LEAST_SCORE = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """What a search finds, the best first, and how the query was understood.

    `corrections` says for a word asked for which word was searched instead. `missing` are words
    that no story holds. `relaxed` says that the stories hold some of the words, not all. `total`
    counts the stories on all pages, at most MOST_FOUND.
    """

    stories: tuple[Story, ...] = ()
    understood: Query = field(default_factory=Query)
    corrections: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    relaxed: bool = False
    total: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A query against the vocabulary: for each of its words those that may stand for it."""

    query: Query
    choices: dict[str, tuple[str, ...]]
    vocabulary: Vocabulary

    def ids(self, word: str) -> list[int]:
        """The numbers of the words that may stand for one; empty where no story holds any."""
        known = self.vocabulary.words
        return [known[one].id for one in self.choices.get(word, ()) if one in known]

    def plain_words(self) -> list[str]:
        """The wanted words that are no sections, each once."""
        parts = [part for part in self.query.wanted() if not part.section]
        return list(dict.fromkeys(word for part in parts for word in part.words))

    def sections(self) -> list[list[int]]:
        """The numbers of each wanted section."""
        parts = [part for part in self.query.wanted() if part.section]
        return [self.ids(word) for part in parts for word in part.words]

    def without(self) -> list[int]:
        """The numbers of the words and sections that no story shall hold; phrases are read."""
        parts = [part for part in self.query.unwanted() if not part.phrase]
        return [one for part in parts for word in part.words for one in self.ids(word)]

    def missing(self) -> tuple[str, ...]:
        """Wanted words that no story holds, nor any that may stand for them."""
        asked = [word for part in self.query.wanted() for word in part.words]
        return tuple(word for word in dict.fromkeys(asked) if not self.ids(word))

    def corrections(self) -> tuple[tuple[str, str], ...]:
        """For each word that stands for another: the one asked for, the one searched for."""
        return tuple(
            (word, chosen[0])
            for word, chosen in self.choices.items()
            if chosen and chosen[0] != word
        )


async def search(store: Store, text: str, limit: int, offset: int = 0) -> Found:
    """Find the stories that hold what a text asks for; never fails on any text.

    Where no story holds every word, those that hold any are given and `relaxed` says so; sections
    and what is excluded stay as asked. Raises DatabaseError.
    """
    query = read_query(text)
    if not query.wanted():
        return Found(understood=query)
    await index_due(store, CAUGHT_UP_AT_MOST)
    plan = await _plan(store, query)
    ids = [] if plan.missing() else await _holding_every(store, plan)
    relaxed = not ids and (len(plan.plain_words()) > 1 or bool(plan.sections()))
    if relaxed:
        ids = await _holding_any(store, plan)
    return Found(
        stories=tuple(await store.list_shown(ids[offset : offset + limit])),
        understood=query,
        corrections=plan.corrections(),
        missing=plan.missing(),
        relaxed=relaxed and bool(ids),
        total=len(ids),
    )


async def _plan(store: Store, query: Query) -> Plan:
    asked = dict.fromkeys(word for part in query.parts for word in part.words)
    vocabulary = await store.find_words(asked)
    choices: dict[str, tuple[str, ...]] = {
        word: (word,) for word in asked if word in vocabulary.words
    }
    wanted = dict.fromkeys(word for part in query.wanted() for word in part.words)
    for word in wanted:
        if word not in choices:
            choices[word] = await _stand_ins(store, word)
    chosen = {one for words_ in choices.values() for one in words_}
    if chosen - vocabulary.words.keys():
        vocabulary = await store.find_words(chosen)
    return Plan(query, choices, vocabulary)


async def _stand_ins(store: Store, word: str) -> tuple[str, ...]:
    """Words of the index that were meant: one typing error away, else those that begin so."""
    mark, plain = (SECTION, word[1:]) if word.startswith(SECTION) else ("", word)
    near = (await store.find_words(mark + one for one in misspellings(plain))).words
    if near:
        return (max(near, key=lambda one: (near[one].stories, one)),)
    if len(plain) < LEAST_BEGINNING_CHARS and plain.isascii():
        return ()
    return tuple(await store.list_words_from(word, MOST_COMPLETIONS))


async def _holding_every(store: Store, plan: Plan) -> list[int]:
    sections, words_ = plan.sections(), plan.plain_words()
    held = [plan.ids(word) for word in words_]
    titled = [[-one for one in ids] for ids in held]
    found = []
    if titled:
        found = await store.list_holding([*titled, *sections], plan.without(), MOST_TITLED)
    found += await store.list_holding([*held, *sections], plan.without(), MOST_FOUND)
    unique = list({one.id: one for one in found}.values())
    kept = await _reading_phrases(store, plan.query.parts, unique)
    return await asyncio.to_thread(_ranked, plan, kept)


async def _holding_any(store: Store, plan: Plan) -> list[int]:
    known, every = plan.vocabulary.words, plan.vocabulary.stories
    weights = {
        known[one].id: ranking.rarity(known[one].stories, every)
        for word in plan.plain_words()
        for one in plan.choices.get(word, ())
        if one in known
    }
    if not all(plan.sections()):
        return []
    heavy = await store.list_heaviest(weights, MOST_FOUND)
    without = set(plan.without())
    kept = []
    for one in heavy:
        held = {word_id for word_id, _ in ranking.unpacked(one.counts)}
        if not held & without and all(held.intersection(ids) for ids in plan.sections()):
            kept.append(one)
    kept = await _reading_phrases(store, plan.query.unwanted(), kept)
    return await asyncio.to_thread(_ranked, plan, kept)


async def _reading_phrases(
    store: Store, parts: Iterable[Wanted], found: list[Indexed]
) -> list[Indexed]:
    """Keep the stories whose text holds the wanted phrases, and none of the unwanted."""
    phrases = [part for part in parts if part.phrase]
    if not phrases:
        return found
    stories = await store.list_shown([one.id for one in found])
    fitting = await asyncio.to_thread(
        lambda: {story.id for story in stories if _fits(story, phrases)}
    )
    return [one for one in found if one.id in fitting]


def _fits(story: Story, phrases: Sequence[Wanted]) -> bool:
    texts = [f" {' '.join(words(text))} " for text in (story.title, text_of(story), *story.tags)]
    return all(
        any(f" {' '.join(part.words)} " in text for text in texts) is not part.minus
        for part in phrases
    )


def _ranked(plan: Plan, found: Sequence[Indexed]) -> list[int]:
    """Order stories by the rare words that they hold, in the title above all, then by time."""
    if not found:
        return []
    newest = max(one.shown_at for one in found)
    wanted = [
        {known.id: ranking.rarity(known.stories, plan.vocabulary.stories)}
        for word in plan.plain_words()
        for known in _known(plan, word)
    ]
    rarities = {word_id: rare for one in wanted for word_id, rare in one.items()}
    scored = []
    for one in found:
        recency = ranking.recency((newest - one.shown_at).total_seconds())
        scored.append((_score(rarities, one) * recency, one.shown_at, one.id))
    return [story_id for _, _, story_id in sorted(scored, reverse=True)]


def _known(plan: Plan, word: str) -> list[KnownWord]:
    known = plan.vocabulary.words
    return [known[one] for one in plan.choices.get(word, ()) if one in known]


def _score(rarities: Mapping[int, float], one: Indexed) -> float:
    score = LEAST_SCORE
    for word_id, rare in rarities.items():
        flagged = ranking.count_of(one.counts, word_id)
        if flagged is not None:
            weight = ranking.weight_of(flagged)
            score += rare * (HELD + weight / (weight + SATURATION))
            if flagged & ranking.IN_TITLE:
                score += rare * TITLED
    return score
