"""The index of words: which stories hold them, and which stories are related."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bot.relevance import ranking
from bot.relevance.ranking import KnownWord, Norms
from bot.relevance.words import EVERY_STORY, stem
from bot.store.rows import STORY_COLUMNS, to_moment, to_ms, to_story
from bot.store.transactional import Verbs, reading, transactional

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.relevance.words import Wording
    from bot.types import Row, Story

AT_ONCE = 250
LENGTHS = (1, 10, 25, 50, 100, AT_ONCE)
LATER_KEPT = 10
# Rarities drift as stories come in; a story's norms are made anew when there are twice as many.
STALE_TIMES = 2
DUE = "(worded_revision IS NULL OR worded_revision <> revision)"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words asked for that the index holds, and the number of all stories."""

    words: dict[str, KnownWord]
    stories: int

    def held(self) -> dict[str, int]:
        """How many stories hold each word."""
        return {word: known.stories for word, known in self.words.items()}


@dataclass(frozen=True, slots=True)
class Indexed:
    """A story as the index knows it; `counts` as ranking packs them.

    `family` is alike for all copies of one story: the id of the first.
    """

    id: int
    shown_at: datetime
    counts: bytes
    norms: Norms
    family: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The story or text that others are compared with: `id` is 0 for one that is not stored.

    `earlier` asks for stories before it alone.
    """

    id: int
    shown_at: datetime | None
    earlier: bool

    def recency(self, shown_at: datetime) -> float:
        """What the time between both leaves of a likeness."""
        if self.shown_at is None:
            return 1.0
        return ranking.recency((self.shown_at - shown_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Link:
    """A related story by its id, and how strongly it is related, recency included."""

    story_id: int
    strength: float


@dataclass(frozen=True, slots=True)
class Related:
    """The stories related to one, the closest first; `copy_of` is the family that it copies."""

    links: tuple[Link, ...] = ()
    copy_of: int | None = None


class RelevanceVerbs(Verbs):
    """Queries and writes over words and related lists."""

    @reading
    def list_unworded(self, tx: Transaction, limit: int) -> list[Story]:
        """Stories whose present revision the index has not read, the last stored first."""
        columns = STORY_COLUMNS.replace("s.", "")
        rows = tx.fetch(
            f"SELECT {columns} FROM stories WHERE {DUE} ORDER BY id DESC LIMIT :limit",
            limit=limit,
        )
        return [to_story(row) for row in rows]

    @transactional
    def record_wordings(self, tx: Transaction, read: Sequence[tuple[Story, Wording]]) -> int:
        """Index stories as they were read; one that changed meanwhile stays due.

        Gives how many were indexed. Their words are counted together, each row once.
        """
        claimed: list[tuple[Story, Wording]] = []
        for story, wording in sorted(read, key=lambda item: item[0].id):
            rows = tx.fetch(
                f"SELECT id FROM stories WHERE id = :id AND revision = :revision AND {DUE}"
                " {skip_locked}",
                id=story.id,
                revision=story.revision,
            )
            if rows:
                _forget_words(tx, story.id)
                claimed.append((story, wording))
        words = Counter({EVERY_STORY: len(claimed)})
        for _, wording in claimed:
            words.update([*wording.counted(), *wording.stems()])
        known = _count_up(tx, words) if claimed else {}
        for story, wording in claimed:
            _record_words(tx, story, wording, known)
        return len(claimed)

    @reading
    def find_words(self, tx: Transaction, words: Iterable[str]) -> Vocabulary:
        """Look words up; those that no story holds are left out."""
        return _vocabulary(tx, words)

    @reading
    def count_holding(self, tx: Transaction, words: Iterable[str]) -> dict[str, int]:
        """How many stories hold each of the words; those that none holds are left out."""
        held: dict[str, int] = {}
        for part in _parts(words):
            marks, params = _listed(part)
            rows = tx.fetch(
                f"SELECT word, stories FROM words WHERE word IN ({marks}) AND stories > 0", **params
            )
            held.update((row["word"], row["stories"]) for row in rows)
        return held

    @reading
    def list_words_from(self, tx: Transaction, beginning: str, limit: int) -> list[str]:
        """Words that begin so, those of the most stories first."""
        rows = tx.fetch(
            "SELECT word FROM words WHERE word > :low AND word < :high AND stories > 0"
            " AND word NOT LIKE '%*' ORDER BY stories DESC, word LIMIT :limit",
            low=beginning,
            high=beginning + "\U0010ffff",
            limit=limit,
        )
        return [row["word"] for row in rows]

    @reading
    def list_holding(
        self,
        tx: Transaction,
        groups: Sequence[Sequence[int]],
        without: Sequence[int],
        limit: int,
    ) -> list[Indexed]:
        """Stories that hold a term of each group and none of `without`, the last stored first."""
        return _indexed(tx, tx.holding(groups, without, limit) if groups else [])

    @reading
    def list_heaviest(
        self,
        tx: Transaction,
        weights: Mapping[int, float],
        limit: int,
        asked: Asked | None = None,
    ) -> list[Indexed]:
        """Stories whose terms weigh most, the heaviest first; time apart from `asked` counts."""
        tallied = tx.tally(weights, limit if asked is None else limit * ranking.TALLIED_TIMES)
        if asked is not None:
            tallied = _near_in_time(tx, tallied, asked)[:limit]
        return _indexed(tx, [story_id for story_id, _ in tallied])

    @reading
    def list_shown(self, tx: Transaction, ids: Sequence[int]) -> list[Story]:
        """Stories by their ids, in that order; unknown and withdrawn ones are left out."""
        return _shown(tx, ids)

    @reading
    def find_moment(self, tx: Transaction, story_id: int) -> datetime | None:
        """When a stored story was shown first."""
        rows = tx.fetch("SELECT shown_at FROM stories WHERE id = :id", id=story_id)
        return to_moment(rows[0]["shown_at"]) if rows else None

    @reading
    def list_unrelated(self, tx: Transaction, limit: int) -> list[Story]:
        """Indexed stories without a list of related ones, the first stored first."""
        rows = tx.fetch(
            f"SELECT {STORY_COLUMNS} FROM story_lists l JOIN stories s ON s.id = l.story_id"
            " WHERE l.earlier IS NULL ORDER BY l.story_id LIMIT :limit",
            limit=limit,
        )
        return [to_story(row) for row in rows]

    @transactional
    def record_related(self, tx: Transaction, story: Story, related: Related) -> None:
        """Keep a story's list, and the story in the lists of those in it.

        Nothing is written where the story has changed since it was read.
        """
        changed = tx.execute(
            "UPDATE story_lists SET earlier = :earlier, copy_of = :copy_of"
            " WHERE story_id = :id AND EXISTS (SELECT 1 FROM stories"
            " WHERE id = :id AND worded_revision = :revision AND revision = :revision)",
            earlier=_dump(related.links),
            copy_of=related.copy_of,
            id=story.id,
            revision=story.revision,
        )
        if changed:
            _follow(tx, story.id, related.links)

    @reading
    def find_related(
        self, tx: Transaction, story_id: int, limit: int, *, later: bool = True
    ) -> list[Story] | None:
        """The stories related to one, the closest first; None where no list is kept yet.

        Withdrawn ones are left out, and all but one of copies. `later` adds those after it.
        """
        rows = tx.fetch(
            "SELECT l.earlier, l.later, COALESCE(l.copy_of, l.story_id) AS family"
            " FROM story_lists l JOIN stories s ON s.id = l.story_id"
            " WHERE l.story_id = :id AND s.worded_revision = s.revision",
            id=story_id,
        )
        if not rows or rows[0]["earlier"] is None:
            return None
        links = _load(rows[0]["earlier"]) + (_load(rows[0]["later"]) if later else [])
        links.sort(key=lambda link: (-link.strength, -link.story_id))
        ids = _one_a_family(tx, [link.story_id for link in links], rows[0]["family"])
        return _shown(tx, ids[:limit])

    @transactional
    def refresh_norms(self, tx: Transaction, limit: int) -> int:
        """Make stale norms anew; gives how many were."""
        stories = _vocabulary(tx, ()).stories
        rows = tx.fetch(
            "SELECT story_id FROM story_lists WHERE normed_at_stories < :least"
            " ORDER BY normed_at_stories LIMIT :limit {skip_locked}",
            least=stories // STALE_TIMES,
            limit=limit,
        )
        rows = _counts_of(tx, [row["story_id"] for row in rows])
        counts = {row["story_id"]: ranking.unpacked(bytes(row["counts"])) for row in rows}
        held = _held(tx, {word for pairs in counts.values() for word, _ in pairs})
        for story_id, pairs in counts.items():
            _write_norms(tx, story_id, ranking.norms(pairs, held, stories))
        return len(rows)


def _record_words(
    tx: Transaction, story: Story, wording: Wording, known: Mapping[str, KnownWord]
) -> None:
    counted = wording.counted()
    stories = known[EVERY_STORY].stories
    flagged = {known[word].id: ranking.flagged_count(*counts) for word, counts in counted.items()}
    held = {known[word].id: known[word].stories for word in counted}
    made = ranking.norms(flagged.items(), held, stories)
    tx.execute(
        "INSERT INTO story_words (story_id, counts, norm, title_norm, normed_at_stories)"
        " VALUES (:id, :counts, :norm, :title_norm, :stories) ON CONFLICT (story_id) DO UPDATE"
        " SET counts = excluded.counts",
        id=story.id,
        counts=ranking.packed(flagged),
        norm=made.whole,
        title_norm=made.title,
        stories=made.stories,
    )
    tx.execute(
        "INSERT INTO story_lists (story_id, norm, title_norm, normed_at_stories)"
        " VALUES (:id, :norm, :title_norm, :stories) ON CONFLICT (story_id) DO UPDATE"
        " SET norm = excluded.norm, title_norm = excluded.title_norm,"
        " normed_at_stories = excluded.normed_at_stories, earlier = NULL, copy_of = NULL",
        id=story.id,
        norm=made.whole,
        title_norm=made.title,
        stories=made.stories,
    )
    tx.post(story.id, ranking.terms(flagged.items()))
    tx.execute(
        "UPDATE stories SET worded_revision = :revision WHERE id = :id",
        revision=story.revision,
        id=story.id,
    )


def _forget_words(tx: Transaction, story_id: int) -> None:
    rows = tx.fetch(
        "SELECT w.counts, l.earlier FROM story_words w"
        " LEFT JOIN story_lists l ON l.story_id = w.story_id WHERE w.story_id = :id",
        id=story_id,
    )
    if not rows:
        return
    counts = ranking.unpacked(bytes(rows[0]["counts"]))
    tx.unpost(story_id, ranking.terms(counts))
    words = _words_by_id(tx, [word_id for word_id, _ in counts])
    stems = {stem(words[word_id]) for word_id, flagged in counts if flagged and word_id in words}
    for names in ([EVERY_STORY], *_parts(sorted({*words.values(), *stems}))):
        marks, params = _listed(names)
        tx.execute(f"UPDATE words SET stories = stories - 1 WHERE word IN ({marks})", **params)
    _unfollow(tx, story_id, _load(rows[0]["earlier"] or "[]"))


def _count_up(tx: Transaction, words: Mapping[str, int]) -> dict[str, KnownWord]:
    """Count more stories for each word, in an order that lets no two writers block each other."""
    known: dict[str, KnownWord] = {}
    for part in _parts(sorted(words)):
        names = _names(len(part))
        values = ", ".join(f"(:{name}, :n{name})" for name in names)
        more = {f"n{name}": words[word] for name, word in zip(names, part, strict=True)}
        rows = tx.fetch(
            f"INSERT INTO words (word, stories) VALUES {values}"
            " ON CONFLICT (word) DO UPDATE SET stories = words.stories + excluded.stories"
            " RETURNING id, word, stories",
            **dict(zip(names, part, strict=True)),
            **more,
        )
        known.update((row["word"], KnownWord(row["id"], row["stories"])) for row in rows)
    return known


def _vocabulary(tx: Transaction, words: Iterable[str]) -> Vocabulary:
    known: dict[str, KnownWord] = {}
    for names in _parts([EVERY_STORY, *dict.fromkeys(words)]):
        marks, params = _listed(names)
        rows = tx.fetch(
            f"SELECT id, word, stories FROM words WHERE word IN ({marks}) AND stories > 0",
            **params,
        )
        known.update((row["word"], KnownWord(row["id"], row["stories"])) for row in rows)
    every = known.pop(EVERY_STORY, None)
    return Vocabulary(known, every.stories if every else 0)


def _held(tx: Transaction, ids: Iterable[int]) -> dict[int, int]:
    held: dict[int, int] = {}
    for part in _parts(sorted(ids)):
        marks, params = _listed(part)
        rows = tx.fetch(f"SELECT id, stories FROM words WHERE id IN ({marks})", **params)
        held.update((row["id"], row["stories"]) for row in rows)
    return held


def _words_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, str]:
    words: dict[int, str] = {}
    for part in _parts(sorted(ids)):
        marks, params = _listed(part)
        rows = tx.fetch(f"SELECT id, word FROM words WHERE id IN ({marks})", **params)
        words.update((row["id"], row["word"]) for row in rows)
    return words


def _near_in_time(
    tx: Transaction, tallied: Sequence[tuple[int, float]], asked: Asked
) -> list[tuple[int, float]]:
    moments: dict[int, int] = {}
    for part in _parts(story_id for story_id, _ in tallied):
        marks, params = _listed(part)
        rows = tx.fetch(
            f"SELECT id, shown_at FROM stories WHERE id IN ({marks}) AND withdrawn_at IS NULL",
            **params,
        )
        moments.update((row["id"], row["shown_at"]) for row in rows)
    moments.pop(asked.id, None)
    asked_ms = to_ms(asked.shown_at)
    if asked_ms is None:
        return [pair for pair in tallied if pair[0] in moments]
    weighed = [
        (story_id, total * ranking.recency((asked_ms - moments[story_id]) / 1e3))
        for story_id, total in tallied
        if story_id in moments
        and (not asked.earlier or (moments[story_id], story_id) < (asked_ms, asked.id))
    ]
    return sorted(weighed, key=lambda pair: -pair[1])


def _indexed(tx: Transaction, ids: Sequence[int]) -> list[Indexed]:
    found: dict[int, Indexed] = {}
    for part in _parts(ids):
        marks, params = _listed(part)
        rows = tx.fetch(
            "SELECT w.story_id, w.counts, COALESCE(l.norm, w.norm) AS norm,"
            " COALESCE(l.title_norm, w.title_norm) AS title_norm,"
            " COALESCE(l.normed_at_stories, w.normed_at_stories) AS normed_at_stories,"
            " s.shown_at, COALESCE(l.copy_of, w.story_id) AS family"
            " FROM story_words w JOIN stories s ON s.id = w.story_id"
            " LEFT JOIN story_lists l ON l.story_id = w.story_id"
            f" WHERE w.story_id IN ({marks}) AND s.withdrawn_at IS NULL",
            **params,
        )
        found.update((row["story_id"], _to_indexed(row)) for row in rows)
    return [found[story_id] for story_id in ids if story_id in found]


def _to_indexed(row: Row) -> Indexed:
    shown_at = to_moment(row["shown_at"])
    assert shown_at is not None
    made = Norms(row["norm"], row["title_norm"], row["normed_at_stories"])
    return Indexed(row["story_id"], shown_at, bytes(row["counts"]), made, row["family"])


def _one_a_family(tx: Transaction, ids: Sequence[int], own: int) -> list[int]:
    families: dict[int, int] = {}
    for part in _parts(ids):
        marks, params = _listed(part)
        rows = tx.fetch(
            "SELECT l.story_id, COALESCE(l.copy_of, l.story_id) AS family FROM story_lists l"
            f" JOIN stories s ON s.id = l.story_id WHERE l.story_id IN ({marks})"
            " AND s.withdrawn_at IS NULL",
            **params,
        )
        families.update((row["story_id"], row["family"]) for row in rows)
    first = {families[one]: one for one in reversed(ids) if one in families}
    first.pop(own, None)
    return [one for one in dict.fromkeys(ids) if first.get(families.get(one, 0)) == one]


def _shown(tx: Transaction, ids: Sequence[int]) -> list[Story]:
    found: dict[int, Story] = {}
    for part in _parts(ids):
        marks, params = _listed(part)
        rows = tx.fetch(
            f"SELECT {STORY_COLUMNS} FROM stories s"
            f" WHERE s.id IN ({marks}) AND s.withdrawn_at IS NULL",
            **params,
        )
        found.update((row["id"], to_story(row)) for row in rows)
    return [found[story_id] for story_id in ids if story_id in found]


def _follow(tx: Transaction, story_id: int, links: Sequence[Link]) -> None:
    """Add a story to the lists of those that it is related to."""
    strengths = {link.story_id: link.strength for link in links}
    lists = _claim_later(tx, strengths)
    for other, kept in lists.items():
        rest = [one for one in kept if one.story_id != story_id]
        best = sorted([*rest, Link(story_id, strengths[other])], key=lambda one: -one.strength)
        lists[other] = best[:LATER_KEPT]
    _write_later(tx, lists)


def _unfollow(tx: Transaction, gone: int, links: Sequence[Link]) -> None:
    lists = _claim_later(tx, [link.story_id for link in links])
    _write_later(
        tx,
        {
            other: [one for one in kept if one.story_id != gone]
            for other, kept in lists.items()
            if any(one.story_id == gone for one in kept)
        },
    )


def _claim_later(tx: Transaction, ids: Iterable[int]) -> dict[int, list[Link]]:
    """What follows each story; no other writer changes it before this transaction ends."""
    lists: dict[int, list[Link]] = {}
    for part in _parts(sorted(ids)):
        marks, params = _listed(part)
        rows = tx.fetch(
            f"UPDATE story_lists SET later = later WHERE story_id IN ({marks})"
            " RETURNING story_id, later",
            **params,
        )
        lists.update((row["story_id"], _load(row["later"])) for row in rows)
    return lists


def _write_later(tx: Transaction, lists: Mapping[int, Sequence[Link]]) -> None:
    tx.execute_many(
        "UPDATE story_lists SET later = :later WHERE story_id = :id",
        [{"id": story_id, "later": _dump(links)} for story_id, links in lists.items()],
    )


def _counts_of(tx: Transaction, ids: Iterable[int]) -> list[Row]:
    found: list[Row] = []
    for part in _parts(ids):
        marks, params = _listed(part)
        found += tx.fetch(
            f"SELECT story_id, counts FROM story_words WHERE story_id IN ({marks})", **params
        )
    return found


def _write_norms(tx: Transaction, story_id: int, made: Norms) -> None:
    tx.execute(
        "UPDATE story_lists SET norm = :norm, title_norm = :title_norm,"
        " normed_at_stories = :stories WHERE story_id = :id",
        norm=made.whole,
        title_norm=made.title,
        stories=made.stories,
        id=story_id,
    )


def _dump(links: Iterable[Link]) -> str:
    return json.dumps([[link.story_id, round(link.strength, 3)] for link in links])


def _load(text: str) -> list[Link]:
    return [Link(*pair) for pair in json.loads(text)]


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    listed = list(values)
    for start in range(0, len(listed), AT_ONCE):
        yield listed[start : start + AT_ONCE]


def _listed(values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Marks for a list of values and the values by their names.

    The last is repeated up to one of LENGTHS, so that few statements are prepared, and often used.
    """
    length = next(length for length in LENGTHS if length >= len(values))
    names = _names(length)
    filled = [*values, *[values[-1]] * (length - len(values))]
    return _marks(length), dict(zip(names, filled, strict=True))


@lru_cache(maxsize=AT_ONCE)
def _names(number: int) -> list[str]:
    """So many names; in letters, for the neutral SQL knows no others."""
    return [f"v_{chr(97 + place // 26)}{chr(97 + place % 26)}" for place in range(number)]


@lru_cache(maxsize=AT_ONCE)
def _marks(number: int) -> str:
    return ", ".join(f":{name}" for name in _names(number))
