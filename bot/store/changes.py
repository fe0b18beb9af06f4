"""What becomes of stories after they came in: listings, absences, archives, tags of other feeds.

A *listing* is what a feed lists now. An *absence* is a story that its feed or its site's archive no
longer has, under observation until it is seen again or confirmed to be gone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.store.newsroom import revise_story
from bot.store.rows import STORY_COLUMNS, dump_tags, ms, tag_key, to_moment, to_ms, to_story
from bot.store.transactional import Verbs, reading, transactional

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.store.newsroom import PollPlan
    from bot.types import KnownStory, Row, Sighting, Story

# How long after it came in a story is looked after.
WATCHED_FOR = timedelta(hours=48)
# A tag that comes later than this brings a story to nobody any more.
NEWS_FOR = timedelta(hours=24)
# So many edits of one message are made at once; then each waits twice as long as the one before.
QUICK_EDITS = 5
LONGEST_EDIT_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class FeedListing:
    """What a poll found a feed to list: ids of stories; `slid` where a new one pushed others out.

    `shared` are the tags that it states of stories which another feed brought.
    """

    feed_id: int
    story_ids: frozenset[int]
    slid: bool
    shared: tuple[tuple[int, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Absence:
    """A story that went missing: how often its page was looked at, and since when it is gone."""

    story: Story
    looks: int = 0
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ArchiveForVisit:
    """A feed's archive under claim; `api_url` is None until it is found."""

    feed_id: int
    feed_url: str
    api_url: str | None = None
    modified_at: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visit to an archive learned, and when to come again."""

    due_at: datetime
    api_url: str | None = None
    modified_at: datetime | None = None
    error: str | None = None


class ChangeVerbs(Verbs):
    """Queries and single-step writes over what changes after a story came in."""

    @transactional
    def record_listing(self, tx: Transaction, listing: FeedListing, plan: PollPlan) -> list[int]:
        """Note what a feed lists; gives the ids of stories that have come back.

        A recent story that is listed no more, though nothing pushed it out, becomes an absence. One
        that is listed again is absent no longer; if it was withdrawn for its absence it is shown
        again, and its return waits as a broadcast of its own, if it had one before.
        """
        _join_tags(tx, listing, plan.now)
        before = {
            row["story_id"]
            for row in tx.fetch(
                "SELECT story_id FROM listings WHERE feed_id = :id", id=listing.feed_id
            )
        }
        if before != listing.story_ids:
            _replace_listing(tx, listing, before)
            missed = before - listing.story_ids
            if listing.slid and listing.story_ids:
                oldest = min(listing.story_ids)
                missed = {one for one in missed if one > oldest}
            elsewhere = tx.fetch(
                f"SELECT story_id FROM listings WHERE story_id IN ({_ids(missed)})"
            )
            missed -= {row["story_id"] for row in elsewhere}
            _note_absences(tx, missed, plan.now)
        return _take_back(tx, listing, plan)

    @transactional
    def record_absences(self, tx: Transaction, story_ids: Iterable[int], now: datetime) -> None:
        """Note recent stories that an archive no longer has; those noted before are left out.

        The feed may list them still: WordPress calls it not modified when an older post goes.
        """
        _note_absences(tx, story_ids, now)

    @transactional
    def claim_absences(
        self, tx: Transaction, now: datetime, lease_until: datetime, limit: int
    ) -> list[Absence]:
        """Take absences whose time to be looked at has come, the longest due first."""
        rows = tx.fetch(
            "UPDATE absences SET due_at = :lease_until WHERE story_id IN (SELECT story_id"
            " FROM absences WHERE confirmed_at IS NULL AND due_at <= :now ORDER BY due_at"
            " LIMIT :limit {skip_locked}) RETURNING story_id, looks, gone_at",
            now=ms(now),
            lease_until=ms(lease_until),
            limit=limit,
        )
        return [
            Absence(story, row["looks"], to_moment(row["gone_at"]))
            for row in rows
            for story in _stories(tx, f"s.id = {int(row['story_id'])} AND s.withdrawn_at IS NULL")
        ]

    @transactional
    def record_look(
        self, tx: Transaction, absence: Absence, due_at: datetime, gone_at: datetime | None
    ) -> None:
        """Note that an absence was looked at; what is not sent yet waits for the next look."""
        tx.execute(
            "UPDATE absences SET looks = looks + 1, due_at = :due_at, gone_at = :gone_at"
            " WHERE story_id = :id AND confirmed_at IS NULL",
            id=absence.story.id,
            due_at=ms(due_at),
            gone_at=to_ms(gone_at),
        )
        if gone_at is not None:
            tx.execute(
                "UPDATE broadcasts SET due_at = :due_at WHERE story_id = :id"
                " AND state = 'scheduled' AND due_at < :due_at",
                id=absence.story.id,
                due_at=ms(due_at + timedelta(seconds=1)),
            )

    @transactional
    def confirm_absence(self, tx: Transaction, story_id: int, now: datetime) -> bool:
        """Say that a story is gone; False where it has been seen again meanwhile."""
        changed = tx.execute(
            "UPDATE absences SET confirmed_at = :now WHERE story_id = :id AND confirmed_at IS NULL",
            id=story_id,
            now=ms(now),
        )
        return changed == 1

    @transactional
    def claim_unasked(self, tx: Transaction, now: datetime, limit: int) -> list[Story]:
        """Take stories that are gone and about which no editor has been asked."""
        rows = tx.fetch(
            "UPDATE absences SET asked_at = :now WHERE story_id IN (SELECT story_id FROM absences"
            " WHERE confirmed_at IS NOT NULL AND asked_at IS NULL AND decided_at IS NULL"
            " ORDER BY story_id LIMIT :limit {skip_locked}) RETURNING story_id",
            now=ms(now),
            limit=limit,
        )
        ids = _ids(row["story_id"] for row in rows)
        return _stories(tx, f"s.id IN ({ids}) AND s.withdrawn_at IS NULL ORDER BY s.id")

    @reading
    def list_gone(self, tx: Transaction, limit: int) -> list[Story]:
        """Stories that are gone and about which nothing is decided, oldest first."""
        return _stories(
            tx,
            "s.id IN (SELECT story_id FROM absences WHERE confirmed_at IS NOT NULL"
            " AND asked_at IS NULL AND decided_at IS NULL) ORDER BY s.id LIMIT :limit",
            limit=limit,
        )

    @reading
    def find_gone(self, tx: Transaction, story_id: int) -> Story | None:
        """A story that is gone and still waits for a decision."""
        found = _stories(
            tx,
            "s.id = :id AND s.id IN (SELECT story_id FROM absences"
            " WHERE confirmed_at IS NOT NULL AND decided_at IS NULL)",
            id=story_id,
        )
        return found[0] if found else None

    @transactional
    def decide_absence(
        self, tx: Transaction, story_id: int, *, withdrawn: bool, now: datetime
    ) -> bool:
        """Note what was decided about a story that is gone; False where somebody has before."""
        changed = tx.execute(
            "UPDATE absences SET decided_at = :now, withdrawn_at = :withdrawn_at"
            " WHERE story_id = :id AND confirmed_at IS NOT NULL AND decided_at IS NULL",
            id=story_id,
            now=ms(now),
            withdrawn_at=ms(now) if withdrawn else None,
        )
        return changed == 1

    @transactional
    def forget_absences(self, tx: Transaction, now: datetime) -> int:
        """Stop looking after stories that are no longer recent."""
        return tx.execute(
            "DELETE FROM absences WHERE confirmed_at IS NULL AND missed_at < :before",
            before=ms(now - WATCHED_FOR),
        )

    @reading
    def list_present(self, tx: Transaction, feed_id: int, limit: int) -> list[Story]:
        """Stories that a feed lists now and nobody misses, the newest first."""
        return _stories(
            tx,
            "s.id IN (SELECT story_id FROM listings WHERE feed_id = :feed_id)"
            " AND s.withdrawn_at IS NULL AND s.url <> '' AND NOT EXISTS"
            " (SELECT 1 FROM absences a WHERE a.story_id = s.id) ORDER BY s.id DESC LIMIT :limit",
            feed_id=feed_id,
            limit=limit,
        )

    @reading
    def list_watched(self, tx: Transaction, feed_id: int, now: datetime, limit: int) -> list[Story]:
        """Recent stories of a feed that nobody misses yet, the newest first."""
        return _stories(
            tx,
            "s.feed_id = :feed_id AND s.withdrawn_at IS NULL AND s.url <> ''"
            " AND s.seen_at >= :since AND NOT EXISTS"
            " (SELECT 1 FROM absences a WHERE a.story_id = s.id)"
            " ORDER BY s.seen_at DESC, s.id DESC LIMIT :limit",
            feed_id=feed_id,
            since=ms(now - WATCHED_FOR),
            limit=limit,
        )

    @reading
    def list_listed(self, tx: Transaction, feed_id: int) -> frozenset[int]:
        """Ids of the stories that a feed lists now."""
        rows = tx.fetch("SELECT story_id FROM listings WHERE feed_id = :id", id=feed_id)
        return frozenset(row["story_id"] for row in rows)

    @reading
    def find_listing_edge(
        self, tx: Transaction, feed_id: int, still: Sequence[int]
    ) -> datetime | None:
        """When the oldest story was published that a feed listed; None where all are `still`."""
        (row,) = tx.fetch(
            "SELECT MIN(s.published_at) AS edge,"
            f" COUNT(CASE WHEN s.id IN ({_ids(still)}) THEN NULL ELSE 1 END) AS gone"
            " FROM listings l JOIN stories s ON s.id = l.story_id WHERE l.feed_id = :id",
            id=feed_id,
        )
        return to_moment(row["edge"]) if row["gone"] else None

    @reading
    def list_stories(self, tx: Transaction, story_ids: Sequence[int]) -> list[Story]:
        """Stories by their ids, in no order."""
        return _stories(tx, f"s.id IN ({_ids(story_ids)})")

    @transactional
    def claim_archives(
        self, tx: Transaction, now: datetime, lease_until: datetime, limit: int
    ) -> list[ArchiveForVisit]:
        """Take archives of live feeds that are due; a feed is due once its baseline is taken."""
        tx.execute(
            "INSERT INTO archives (feed_id, due_at) SELECT f.id, :now FROM feeds f"
            " WHERE f.baseline_at IS NOT NULL AND f.retired_at IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM archives a WHERE a.feed_id = f.id) ON CONFLICT DO NOTHING",
            now=ms(now),
        )
        rows = tx.fetch(
            "UPDATE archives SET due_at = :lease_until WHERE feed_id IN (SELECT a.feed_id"
            " FROM archives a JOIN feeds f ON f.id = a.feed_id WHERE f.retired_at IS NULL"
            " AND a.due_at <= :now ORDER BY a.due_at LIMIT :limit) AND due_at <= :now"
            " RETURNING *, (SELECT url FROM feeds WHERE id = feed_id) AS feed_url",
            now=ms(now),
            lease_until=ms(lease_until),
            limit=limit,
        )
        return [
            ArchiveForVisit(
                row["feed_id"],
                row["feed_url"],
                row["api_url"],
                to_moment(row["modified_at"]),
                row["failures"],
            )
            for row in rows
        ]

    @transactional
    def record_visit(self, tx: Transaction, archive: ArchiveForVisit, visit: Visit) -> None:
        """Note what a visit to an archive learned."""
        tx.execute(
            "UPDATE archives SET api_url = :api_url, due_at = :due_at, modified_at = :modified_at,"
            f" failures = {'0' if visit.error is None else 'failures + 1'}, error = :error"
            " WHERE feed_id = :id",
            id=archive.feed_id,
            api_url=visit.api_url,
            due_at=ms(visit.due_at),
            modified_at=to_ms(visit.modified_at),
            error=visit.error,
        )

    @reading
    def find_archive_url(self, tx: Transaction, feed_id: int) -> str | None:
        """The address of a feed's archive, where it is known to answer."""
        rows = tx.fetch(
            "SELECT api_url FROM archives WHERE feed_id = :id AND failures = 0", id=feed_id
        )
        return rows[0]["api_url"] if rows else None

    @transactional
    def record_corrections(
        self, tx: Transaction, revised: Sequence[tuple[KnownStory, Sighting]], now: datetime
    ) -> list[int]:
        """Revise stories outside of a poll; gives the ids of those that nobody revised first."""
        return [known.id for known, sighting in revised if revise_story(tx, known, sighting, now)]


def restrained(edits: int, edited_at: datetime | None, now: datetime) -> tuple[int, datetime]:
    """Count an edit made `now`, and say when the next may come: at once, unless there were many.

    An hour without an edit takes one off the count, so a text that changes at each poll is edited
    once an hour in the end, and a correction of a calm one never waits.
    """
    calm_hours = 0 if edited_at is None else (now - edited_at) // timedelta(hours=1)
    counted = max(edits - calm_hours, 0) + 1
    if counted < QUICK_EDITS:
        return counted, now
    pause = timedelta(minutes=1 << min(counted - QUICK_EDITS, 10))
    return counted, now + min(pause, LONGEST_EDIT_PAUSE)


def _replace_listing(tx: Transaction, listing: FeedListing, before: set[int]) -> None:
    left = _ids(before - listing.story_ids)
    tx.execute(
        f"DELETE FROM listings WHERE feed_id = :id AND story_id IN ({left})", id=listing.feed_id
    )
    tx.execute_many(
        "INSERT INTO listings (feed_id, story_id) VALUES (:feed_id, :story_id)"
        " ON CONFLICT DO NOTHING",
        [
            {"feed_id": listing.feed_id, "story_id": one}
            for one in sorted(listing.story_ids - before)
        ],
    )


def _note_absences(tx: Transaction, story_ids: Iterable[int], now: datetime) -> None:
    tx.execute(
        "INSERT INTO absences (story_id, missed_at, due_at) SELECT s.id, :now, :now FROM stories s"
        f" WHERE s.id IN ({_ids(story_ids)}) AND s.withdrawn_at IS NULL AND s.url <> ''"
        " AND s.seen_at >= :since"
        " ON CONFLICT (story_id) DO NOTHING",
        now=ms(now),
        since=ms(now - WATCHED_FOR),
    )


def _take_back(tx: Transaction, listing: FeedListing, plan: PollPlan) -> list[int]:
    ids = _ids(listing.story_ids)
    rows = tx.fetch(f"DELETE FROM absences WHERE story_id IN ({ids}) RETURNING *")
    back: list[int] = [
        row["story_id"] for row in rows if row["withdrawn_at"] and _show_again(tx, row)
    ]
    for story_id in back:
        _queue_return(tx, story_id, plan)
    if back:
        # What changed while it was away is read at the next poll.
        tx.execute(
            "UPDATE feeds SET etag = NULL, last_modified = NULL, body_hash = NULL WHERE id = :id",
            id=listing.feed_id,
        )
    return back


def _show_again(tx: Transaction, absence: Row) -> bool:
    changed = tx.execute(
        "UPDATE stories SET withdrawn_at = NULL WHERE id = :id AND withdrawn_at IS NOT NULL",
        id=absence["story_id"],
    )
    return changed == 1


def _queue_return(tx: Transaction, story_id: int, plan: PollPlan) -> None:
    """Queue the broadcast of a story that had one before: it waits for an editor, or goes out."""
    if plan.return_state is None:
        return
    tx.execute(
        "INSERT INTO broadcasts (story_id, state, due_at, created_at)"
        " SELECT :story_id, :state, CAST(:due_at AS BIGINT), :now WHERE EXISTS"
        " (SELECT 1 FROM broadcasts WHERE story_id = :story_id)",
        story_id=story_id,
        state=plan.return_state,
        due_at=to_ms(plan.broadcast_due_at),
        now=ms(plan.now),
    )


def _join_tags(tx: Transaction, listing: FeedListing, now: datetime) -> None:
    """Give stories the tags that this feed states of them besides those of their own feed."""
    if not listing.shared:
        return
    rows = tx.fetch(
        "SELECT story_id, tags FROM feed_tags WHERE feed_id = :feed_id"
        f" AND story_id IN ({_ids(story_id for story_id, _ in listing.shared)})",
        feed_id=listing.feed_id,
    )
    noted = {row["story_id"]: row["tags"] for row in rows}
    for story_id, tags in listing.shared:
        stated = dump_tags(tags)
        if tags and noted.get(story_id) != stated:
            tx.execute(
                "INSERT INTO feed_tags (story_id, feed_id, tags) VALUES (:story_id, :feed_id,"
                " :tags) ON CONFLICT (story_id, feed_id) DO UPDATE SET tags = :tags",
                story_id=story_id,
                feed_id=listing.feed_id,
                tags=stated,
            )
            _add_tags(tx, story_id, tags, now)


def _add_tags(tx: Transaction, story_id: int, tags: Sequence[str], now: datetime) -> None:
    """Add tags to a story; who wants only those gets it now, but nobody gets it twice."""
    rows = tx.fetch("SELECT tags FROM stories WHERE id = :id", id=story_id)
    held: list[str] = json.loads(rows[0]["tags"])
    keys = {tag_key(tag) for tag in held}
    added = {key: tag for tag in tags if (key := tag_key(tag)) and key not in keys}
    if not added:
        return
    tx.execute(
        "UPDATE stories SET tags = :tags WHERE id = :id",
        tags=dump_tags([*held, *added.values()]),
        id=story_id,
    )
    tx.execute_many(
        "INSERT INTO story_tags (tag, story_id) VALUES (:tag, :story_id) ON CONFLICT DO NOTHING",
        [{"tag": key, "story_id": story_id} for key in added],
    )
    tx.execute(
        "UPDATE broadcasts SET fan_cursor = 0 WHERE story_id = :id AND state = 'open'"
        " AND opened_at >= :since AND NOT EXISTS"
        " (SELECT 1 FROM broadcast_stories l WHERE l.broadcast_id = broadcasts.id)",
        id=story_id,
        since=ms(now - NEWS_FOR),
    )


def _stories(tx: Transaction, where: str, **params: object) -> list[Story]:
    rows = tx.fetch(f"SELECT {STORY_COLUMNS} FROM stories s WHERE {where}", **params)
    return [to_story(row) for row in rows]


def _ids(ids: Iterable[int]) -> str:
    """Row ids as SQL, integers of ours; NULL, which none equals, where there are none."""
    return ", ".join(str(int(one)) for one in sorted(set(ids))) or "NULL"
