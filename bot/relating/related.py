"""Each story gets its list of related ones when it comes in; it is kept and looked up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.relating.indexing import CAUGHT_UP_AT_MOST, INDEXED_AT_ONCE, index_due
from bot.relevance import ranking
from bot.relevance.words import grams, wording
from bot.store import Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bot.relevance.ranking import Profile, Vector
    from bot.relevance.words import Wording
    from bot.store import Indexed, Store, Vocabulary
    from bot.types import Story

RELATED_AT_ONCE = 4
NORMED_AT_ONCE = 50
KEPT = 10


@dataclass(frozen=True, slots=True)
class Near:
    """A stored story with its likeness to what is asked about."""

    indexed: Indexed
    whole: float
    title: float
    recency: float


async def relate_due(store: Store, _: datetime) -> bool:
    """Take one step of the work that is due; whether there was any.

    First come stories that are not indexed, then rarities that have drifted, then lists.
    """
    if await index_due(store, INDEXED_AT_ONCE):
        return True
    if await store.refresh_norms(NORMED_AT_ONCE):
        return True
    due = await store.list_unrelated(RELATED_AT_ONCE)
    for story in due:
        links = await find_links(store, story)
        await store.record_related(story.id, links, story.revision)
    return bool(due)


async def related_of(store: Store, story: Story, limit: int) -> list[Story]:
    """Give the stories that are about the same matter, the closest first; none rather than junk.

    A stored story's list is looked up, any other text compared. Neither the story itself nor a
    copy of it is given, nor two copies of one story, nor one that was withdrawn.
    """
    if story.id:
        kept = await store.find_related(story.id, limit)
        if kept is not None:
            return kept
    await index_due(store, CAUGHT_UP_AT_MOST)
    links = await find_links(store, story, all_times=True)
    return await store.list_shown([link.story_id for link in links[:limit]])


async def find_links(store: Store, story: Story, *, all_times: bool = False) -> list[Link]:
    """Compare a story with the stored ones: those before it, or of all times.

    The closest first, at most KEPT; empty where none is close enough.
    """
    shown_at = await _moment(store, story)
    read = await asyncio.to_thread(wording, story)
    counted, stems = read.counted(), read.stems()
    vocabulary = await store.find_words([*counted, *stems])
    asked = ranking.profile(counted, vocabulary.words, vocabulary.stories)
    if not asked.rare:
        return []
    held = await store.list_heaviest(asked.rare, ranking.CANDIDATES)
    candidates = [
        one
        for one in held
        if one.id != story.id
        and (all_times or shown_at is None or (one.shown_at, one.id) < (shown_at, story.id))
    ]
    near = await asyncio.to_thread(_nearest, asked, candidates, shown_at)
    if not near:
        return []
    texts = await store.list_shown([one.indexed.id for one in near])
    wordings = await asyncio.to_thread(lambda: {other.id: wording(other) for other in texts})
    others = {key for other in wordings.values() for key in other.stems()}
    known = await store.find_words(others - stems.keys())
    held_by = vocabulary.held() | known.held()
    compared = Compared(story, read, {other.id: other for other in texts}, wordings)
    return await asyncio.to_thread(_links, compared, near, held_by, vocabulary)


@dataclass(frozen=True, slots=True)
class Compared:
    """A story and those near it, read."""

    story: Story
    read: Wording
    texts: Mapping[int, Story]
    wordings: Mapping[int, Wording]


async def _moment(store: Store, story: Story) -> datetime | None:
    stored = await store.find_moment(story.id) if story.id else None
    return stored or story.published_at


def _nearest(
    asked: Profile, candidates: Sequence[Indexed], shown_at: datetime | None
) -> list[Near]:
    near = []
    for one in candidates:
        whole, title = ranking.similarity(asked, one.counts, one.norms)
        if whole <= ranking.COPY:
            recency = ranking.recency(shown_at - one.shown_at) if shown_at else 1.0
            near.append(Near(one, whole, title, recency))
    near.sort(key=lambda one: -one.whole * one.recency)
    return near[: ranking.COMPARED_CLOSELY]


def _links(
    compared: Compared,
    near: Sequence[Near],
    held: Mapping[str, int],
    vocabulary: Vocabulary,
) -> list[Link]:
    every = vocabulary.stories
    stems = ranking.vector(compared.read.stems(), held, every)
    letters = ranking.vector(grams(compared.story), None, every)
    found: list[tuple[Link, Vector]] = []
    for one in near:
        other = compared.texts.get(one.indexed.id)
        if other is None:
            continue
        its_stems = ranking.vector(compared.wordings[other.id].stems(), held, every)
        like = ranking.dot(letters, ranking.vector(grams(other), None, every))
        close = ranking.closeness(one.whole, one.title, ranking.dot(stems, its_stems), like)
        if close >= ranking.LEAST_CLOSENESS:
            found.append((Link(other.id, close * one.recency), its_stems))
    found.sort(key=lambda pair: (-pair[0].strength, -pair[0].story_id))
    places = ranking.without_copies([its_stems for _, its_stems in found], KEPT)
    return [found[place][0] for place in places]
