"""Digests: stories that wait for a chat's moment, and how they leave in one list."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.store.broadcasts import ROUTINE_LANE, insert_list
from bot.store.rows import STORY_COLUMNS, id_list, ms, to_moment, to_story
from bot.store.transactional import Verbs, reading, transactional
from bot.store.wishes import FanPart, deliver_to, to_rhythm
from bot.types import Listing, Pace
from bot.wishes import held_until, is_quiet, quiet_end, zone_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Message, Row, Story

# Stories `st` of digest rows `h` that may still be sent.
SENDABLE = (
    "h.settled_at IS NULL AND EXISTS (SELECT 1 FROM broadcasts b"
    " WHERE b.id = h.broadcast_id AND b.state = 'open')"
    " AND EXISTS (SELECT 1 FROM stories st"
    " WHERE st.id = h.story_id AND st.withdrawn_at IS NULL)"
)


@dataclass(frozen=True, slots=True)
class DueDigest:
    """What waits for one subscription whose moment has come.

    `due_at` is that moment, which is the fence: who takes it off first sends the digest. `stories`
    are newest first, none where all were withdrawn. What comes in meanwhile waits until `again_at`;
    `quiet_until` is the end of quiet hours into which a late digest has fallen.
    """

    subscription_id: int
    due_at: datetime
    listing: Listing
    stories: tuple[Story, ...]
    again_at: datetime
    quiet_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListPart:
    """One list message and the stories in it."""

    stories: tuple[Story, ...]
    message: Message


class DigestVerbs(Verbs):
    """Queries and single-step writes over digests."""

    @reading
    def list_due_digests(self, tx: Transaction, now: datetime, limit: int) -> list[DueDigest]:
        """Subscriptions whose digest, or whose quiet hours' end, has come; the longest due first.

        Those of ended subscriptions and closed chats are left out.
        """
        rows = tx.fetch(
            "SELECT s.*, c.zone FROM subscriptions s JOIN chats c ON c.id = s.chat_id"
            " WHERE s.digest_at IS NOT NULL AND s.digest_at <= :now AND s.ended_at IS NULL"
            " AND c.closed_at IS NULL ORDER BY s.digest_at, s.id LIMIT :limit",
            now=ms(now),
            limit=limit,
        )
        waiting = _waiting(tx, [row["id"] for row in rows])
        return [_to_digest(row, waiting[row["id"]], now) for row in rows]

    @transactional
    def postpone_digest(self, tx: Transaction, due: DueDigest, until: datetime) -> None:
        """Let a digest come later, unless somebody else has taken or moved its moment."""
        tx.execute(
            "UPDATE subscriptions SET digest_at = :until WHERE id = :id AND digest_at = :due_at",
            until=ms(until),
            id=due.subscription_id,
            due_at=ms(due.due_at),
        )

    @transactional
    def record_digest(
        self, tx: Transaction, due: Sequence[DueDigest], parts: Sequence[ListPart], now: datetime
    ) -> int:
        """Queue lists that bring the same stories to several subscriptions.

        A subscription whose moment somebody else has taken, or has moved, is left alone. Nothing
        happens where a story was withdrawn meanwhile. Gives the number of subscriptions served.
        """
        if any(_is_withdrawn(tx, part.stories) for part in parts):
            return 0
        taken = _take(tx, due)
        ids = [one.subscription_id for one in taken]
        for part in parts if taken else ():
            list_id = insert_list(tx, part.stories, part.message, now, due[0].listing)
            deliver_to(tx, FanPart(list_id, 0, 0, 0, ROUTINE_LANE), ids, now, now)
        _settle(tx, taken, [story.id for part in parts for story in part.stories], now)
        return len(taken)

    @transactional
    def record_singles(self, tx: Transaction, due: Sequence[DueDigest], now: datetime) -> int:
        """Queue the same stories that waited through quiet hours, each with its own message.

        A subscription whose moment somebody else has taken, or has moved, is left alone. Gives the
        number queued.
        """
        taken = _take(tx, due)
        if not taken:
            return 0
        ids = [story.id for story in due[0].stories]
        rows = tx.fetch(
            "SELECT h.subscription_id, h.broadcast_id FROM digest_stories h"
            f" WHERE h.subscription_id IN ({id_list(one.subscription_id for one in taken)})"
            f" AND {SENDABLE} AND h.story_id IN ({id_list(ids)}) ORDER BY h.broadcast_id"
        )
        wanting: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            wanting[row["broadcast_id"]].append(row["subscription_id"])
        number = sum(
            deliver_to(tx, FanPart(one, 0, 0, 0, ROUTINE_LANE), subscription_ids, now, now)
            for one, subscription_ids in wanting.items()
        )
        _settle(tx, taken, ids, now)
        return number


def _waiting(tx: Transaction, subscription_ids: Sequence[int]) -> dict[int, tuple[Story, ...]]:
    """The stories that wait for subscriptions, newest first."""
    found: dict[int, tuple[Story, ...]] = defaultdict(tuple)
    if not subscription_ids:
        return found
    rows = tx.fetch(
        "SELECT h.subscription_id, h.story_id FROM digest_stories h"
        f" WHERE h.subscription_id IN ({id_list(subscription_ids)}) AND {SENDABLE}"
        " ORDER BY h.story_id DESC"
    )
    if not rows:
        return found
    stories = tx.fetch(
        f"SELECT {STORY_COLUMNS} FROM stories s"
        f" WHERE s.id IN ({id_list({row['story_id'] for row in rows})})"
    )
    by_id = {row["id"]: to_story(row) for row in stories}
    ids: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        ids[row["subscription_id"]].append(row["story_id"])
    alike: dict[tuple[int, ...], tuple[Story, ...]] = {}
    for subscription_id, own in ids.items():
        key = tuple(own)
        alike.setdefault(key, tuple(by_id[one] for one in own))
        found[subscription_id] = alike[key]
    return found


def _to_digest(row: Row, stories: tuple[Story, ...], now: datetime) -> DueDigest:
    rhythm, zone, due_at = to_rhythm(row), zone_of(row["zone"]), to_moment(row["digest_at"])
    assert due_at is not None
    return DueDigest(
        subscription_id=row["id"],
        due_at=due_at,
        listing=Listing.QUIET if rhythm.pace is Pace.ONCE else Listing(rhythm.pace.value),
        stories=stories,
        again_at=held_until(rhythm, zone, now, urgent=False) or now,
        quiet_until=quiet_end(rhythm, zone, now) if is_quiet(rhythm, zone, now) else None,
    )


def _is_withdrawn(tx: Transaction, stories: Sequence[Story]) -> bool:
    rows = tx.fetch(
        f"SELECT 1 FROM stories WHERE id IN ({id_list(story.id for story in stories)})"
        " AND withdrawn_at IS NOT NULL LIMIT 1"
    )
    return bool(rows)


def _take(tx: Transaction, due: Sequence[DueDigest]) -> list[DueDigest]:
    """Take the moments off, in the order of the rows; those that were still there."""
    return [
        one
        for one in sorted(due, key=lambda one: one.subscription_id)
        if tx.execute(
            "UPDATE subscriptions SET digest_at = NULL"
            " WHERE id = :id AND digest_at = :due_at AND ended_at IS NULL",
            id=one.subscription_id,
            due_at=ms(one.due_at),
        )
    ]


def _settle(
    tx: Transaction, taken: Sequence[DueDigest], story_ids: Sequence[int], now: datetime
) -> None:
    """Note what leaves, forget what was withdrawn, and let what came in meanwhile wait on."""
    if not taken:
        return
    ids = id_list(one.subscription_id for one in taken)
    tx.execute(
        f"UPDATE digest_stories SET settled_at = :now WHERE subscription_id IN ({ids})"
        f" AND settled_at IS NULL AND story_id IN ({id_list(story_ids) or 'NULL'})",
        now=ms(now),
    )
    tx.execute(
        f"UPDATE digest_stories AS h SET settled_at = :now WHERE h.subscription_id IN ({ids})"
        f" AND h.settled_at IS NULL AND NOT ({SENDABLE})",
        now=ms(now),
    )
    left = tx.fetch(
        f"SELECT DISTINCT subscription_id FROM digest_stories WHERE subscription_id IN ({ids})"
        " AND settled_at IS NULL"
    )
    waits = {row["subscription_id"] for row in left}
    for one in taken:
        if one.subscription_id in waits:
            tx.execute(
                "UPDATE subscriptions SET digest_at = :at WHERE id = :id",
                at=ms(one.again_at),
                id=one.subscription_id,
            )
