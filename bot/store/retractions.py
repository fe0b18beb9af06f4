"""Retractions: a story is withdrawn, and what was sent of it is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.store.broadcasts import RETRACT_LANE, keep_message
from bot.store.notices import touch_story
from bot.store.rows import MAKE_STALE, dump_message, ms
from bot.store.transactional import Verbs, transactional

if TYPE_CHECKING:
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Message

# Broadcasts `b` of nothing but the story :id and others that are withdrawn.
NOTHING_LEFT = (
    "b.story_id = :id"
    " AND NOT EXISTS (SELECT 1 FROM broadcast_stories l WHERE l.broadcast_id = b.id)"
    " OR b.id IN (SELECT broadcast_id FROM broadcast_stories WHERE story_id = :id)"
    " AND NOT EXISTS (SELECT 1 FROM broadcast_stories l JOIN stories s ON s.id = l.story_id"
    " WHERE l.broadcast_id = b.id AND s.withdrawn_at IS NULL)"
)


class RetractionVerbs(Verbs):
    """Single-step writes that take a story back."""

    @transactional
    def retract_story(
        self, tx: Transaction, story_id: int, note: Message, now: datetime
    ) -> int | None:
        """Withdraw a story: what waits of it is called off, what went out is taken back.

        A message that can no longer be deleted will show `note` instead. A list message that
        other stories share becomes stale, so that it is made anew without this one. Gives the
        number of messages to take back, None where the story was withdrawn before.
        """
        return retract_story(tx, story_id, note, now)


def retract_story(tx: Transaction, story_id: int, note: Message, now: datetime) -> int | None:
    """Withdraw a story and take back what was sent; None where that was done before."""
    withdrawn = tx.execute(
        "UPDATE stories SET withdrawn_at = :now WHERE id = :id AND withdrawn_at IS NULL",
        now=ms(now),
        id=story_id,
    )
    if not withdrawn:
        return None
    tx.execute(
        "UPDATE broadcasts SET state = 'cancelled' WHERE story_id = :id"
        " AND state IN ('draft', 'scheduled')",
        id=story_id,
    )
    rows = tx.fetch(
        f"SELECT b.id FROM broadcasts b WHERE b.state = 'open' AND ({NOTHING_LEFT})",
        id=story_id,
    )
    tx.execute(
        f"UPDATE broadcasts SET {MAKE_STALE}, edit_due_at = NULL"
        " WHERE state = 'open'"
        " AND id IN (SELECT broadcast_id FROM broadcast_stories WHERE story_id = :id)",
        now=ms(now),
        id=story_id,
    )
    touch_story(tx, story_id, now)
    return sum(_retract(tx, row["id"], note, now) for row in rows)


def _retract(tx: Transaction, broadcast_id: int, note: Message, now: datetime) -> int:
    """End an open broadcast; a send under way is waited for, since its chat is left alone."""
    tx.execute(
        "UPDATE broadcasts SET state = 'retracted', message = :note, revision = revision + 1,"
        " stale_at = NULL, fan_cursor = NULL, halted_at = NULL WHERE id = :id",
        note=dump_message(note),
        id=broadcast_id,
    )
    keep_message(tx, broadcast_id)
    tx.execute(
        "UPDATE deliveries SET state = CASE WHEN state = 'pending' THEN 'cancelled' ELSE state END,"
        " settled_at = COALESCE(settled_at, :now), unconfirmed_at = NULL, parked_at = NULL"
        " WHERE broadcast_id = :id AND (state = 'pending' OR unconfirmed_at IS NOT NULL"
        " OR parked_at IS NOT NULL)",
        now=ms(now),
        id=broadcast_id,
    )
    return tx.execute(
        "INSERT INTO deliveries (broadcast_id, action, lane, chat_id, thread_id, state, due_at,"
        " created_at) SELECT broadcast_id, 'retract', :lane, chat_id, thread_id, 'pending', :now,"
        " :now FROM deliveries WHERE broadcast_id = :id AND action = 'send'"
        " AND state IN ('sending', 'unknown', 'sent')"
        " ON CONFLICT (broadcast_id, action, chat_id, thread_id) DO NOTHING",
        lane=RETRACT_LANE,
        now=ms(now),
        id=broadcast_id,
    )
