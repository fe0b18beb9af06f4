"""Each story gets its list of related ones when it comes in; it is kept and looked up."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.relating.indexing import CAUGHT_UP_AT_MOST, INDEXED_AT_ONCE, index_due
from bot.relevance import ranking
from bot.relevance.words import start_of, wording
from bot.store import Asked, Link, Related

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bot.relevance.ranking import Profile, Vector
    from bot.relevance.words import Start
    from bot.store import Indexed, Store
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
        await store.record_related(story, await find_links(store, story))
    return bool(due)


async def relate_gently(store: Store, now: datetime) -> bool:
    """Take one step of the work that is due and rest for as long as it took; whether any was.

    A whole archive to read leaves half of the time, of the processor and of SQLite's one writer,
    to deliveries and readers.
    """
    began = time.perf_counter()
    worked = await relate_due(store, now)
    if worked:
        await asyncio.sleep(time.perf_counter() - began)
    return worked


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
    found = await find_links(store, story, all_times=True)
    return await store.list_shown([link.story_id for link in found.links[:limit]])


async def find_links(store: Store, story: Story, *, all_times: bool = False) -> Related:
    """Compare a story with the stored ones: those before it, or of all times.

    The closest first, at most KEPT; empty where none is close enough.
    """
    question = await _asked(store, story, earlier=not all_times)
    read = await asyncio.to_thread(wording, story)
    counted, stems = read.counted(), read.stems()
    vocabulary = await store.find_words([*counted, *stems])
    # A stored story is itself one of those that hold its words.
    least = 2 if story.id else 1
    asked = ranking.profile(counted, vocabulary.words, vocabulary.stories, least)
    if not asked.rare:
        return Related()
    candidates = await store.list_heaviest(asked.rare, ranking.CANDIDATES, question)
    near = await asyncio.to_thread(_nearest, asked, candidates, question)
    if not near:
        return Related()
    stories = await store.list_shown([one.indexed.id for one in near])
    pages = await asyncio.to_thread(lambda: {other.id: start_of(other) for other in stories})
    keys = {key for page in pages.values() for key in page.stems}
    held_by = vocabulary.held() | await store.count_holding(keys - stems.keys())
    compared = Compared(start_of(story), pages, held_by, vocabulary.stories)
    return await asyncio.to_thread(_links, compared, near)


@dataclass(frozen=True, slots=True)
class Close:
    """A story that is close enough, with what tells whether another one copies it."""

    link: Link
    closeness: float
    family: int
    stems: Vector
    grams: Mapping[str, int]

    def copies(self, other: Close) -> bool:
        """Whether both are one wire story."""
        return self.family == other.family or ranking.is_copy(
            ranking.dot(self.stems, other.stems), ranking.likeness(self.grams, other.grams)
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """A story and those near it, read; `held` says how many of all stories hold each stem."""

    asked: Start
    pages: Mapping[int, Start]
    held: Mapping[str, int]
    stories: int


async def _asked(store: Store, story: Story, *, earlier: bool) -> Asked:
    stored = await store.find_moment(story.id) if story.id else None
    return Asked(story.id, stored or story.published_at, earlier)


def _nearest(asked: Profile, candidates: Sequence[Indexed], question: Asked) -> list[Near]:
    near = []
    for one in candidates:
        whole, title = ranking.similarity(asked, one.counts, one.norms)
        near.append(Near(one, whole, title, question.recency(one.shown_at)))
    near.sort(key=lambda one: -one.whole * one.recency)
    return near[: ranking.COMPARED_CLOSELY]


def _links(compared: Compared, near: Sequence[Near]) -> Related:
    asked = compared.asked
    stems = ranking.vector(asked.stems, compared.held, compared.stories)
    family: int | None = None
    found: list[Close] = []
    for one in near:
        page = compared.pages.get(one.indexed.id)
        if page is None:
            continue
        its_stems = ranking.vector(page.stems, compared.held, compared.stories)
        letters = ranking.likeness(asked.grams, page.grams)
        if ranking.is_copy(one.whole, letters):
            family = min(one.indexed.family, family or one.indexed.family)
            continue
        alike = ranking.dot(stems, its_stems)
        close = ranking.closeness(one.whole, one.title, alike, letters)
        if ranking.is_close(close, compared.stories):
            link = Link(one.indexed.id, close * one.recency)
            found.append(Close(link, close, one.indexed.family, its_stems, page.grams))
    best = max((one.closeness for one in found if one.family != family), default=0.0)
    if not ranking.is_close(best, compared.stories, best=True):
        return Related((), family)
    found.sort(key=lambda close: (-close.link.strength, -close.link.story_id))
    return Related(tuple(_without_copies(found, family)), family)


def _without_copies(found: Sequence[Close], family: int | None) -> list[Link]:
    chosen: list[Close] = []
    for one in found:
        if len(chosen) == KEPT:
            break
        if one.family != family and not any(one.copies(other) for other in chosen):
            chosen.append(one)
    return [one.link for one in chosen]
