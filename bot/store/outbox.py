"""Broadcasts and deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.store.audience import close_chat, move_chat
from bot.store.rows import (
    STORY_COLUMNS,
    dump_message,
    ms,
    to_broadcast,
    to_delivery,
    to_moment,
    to_ms,
    to_story,
)
from bot.store.transactional import Verbs, transactional
from bot.types import BroadcastReport, ChatType, DeliveryState

if TYPE_CHECKING:
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Broadcast, Delivery, Message, Row, Story

OTHER_IN_FLIGHT = (
    "EXISTS (SELECT 1 FROM deliveries o WHERE o.chat_id = d.chat_id"
    " AND o.state IN ('sending', 'unknown'))"
)
FIRST_OF_CHAT = (
    "d.id = (SELECT MIN(p.id) FROM deliveries p WHERE p.chat_id = d.chat_id"
    " AND p.state = 'pending')"
)


@dataclass(frozen=True, slots=True)
class StoryBroadcast:
    """A broadcast with the story that it sends."""

    broadcast: Broadcast
    story: Story


@dataclass(frozen=True, slots=True)
class OutboxHealth:
    """How the outbox does: deliveries by state, and since when the oldest due one waits."""

    counts: dict[DeliveryState, int]
    oldest_due_at: datetime | None


class OutboxVerbs(Verbs):
    """Queries and single-step writes over broadcasts and deliveries."""

    @transactional
    def record_draft(
        self, tx: Transaction, story_id: int, message: Message, editor: int, now: datetime
    ) -> Broadcast:
        """Queue a broadcast that waits for its editor, with the message that was shown."""
        rows = tx.fetch(
            "INSERT INTO broadcasts (story_id, state, message, created_by, created_at, offered_at)"
            " VALUES (:story_id, 'draft', :message, :editor, :now, :now) RETURNING *",
            story_id=story_id,
            message=dump_message(message),
            editor=editor,
            now=ms(now),
        )
        return to_broadcast(rows[0])

    @transactional
    def claim_unoffered(self, tx: Transaction, now: datetime, limit: int) -> list[StoryBroadcast]:
        """Take drafts that no editor has been shown yet, oldest first, marking them as shown."""
        rows = tx.fetch(
            "UPDATE broadcasts SET offered_at = :now WHERE id IN (SELECT id FROM broadcasts"
            " WHERE state = 'draft' AND offered_at IS NULL ORDER BY id LIMIT :limit {skip_locked})"
            " RETURNING *",
            now=ms(now),
            limit=limit,
        )
        return _with_stories(tx, sorted(rows, key=lambda row: row["id"]))

    @transactional
    def freeze_message(self, tx: Transaction, broadcast_id: int, message: Message) -> bool:
        """Keep the message that editors were shown; False where it is decided already."""
        changed = tx.execute(
            "UPDATE broadcasts SET message = :message WHERE id = :id AND state = 'draft'",
            message=dump_message(message),
            id=broadcast_id,
        )
        return changed == 1

    @transactional
    def schedule_broadcast(self, tx: Transaction, broadcast_id: int, due_at: datetime) -> bool:
        """Let a draft go out at `due_at`; False where it is decided already."""
        changed = tx.execute(
            "UPDATE broadcasts SET state = 'scheduled', due_at = :due_at"
            " WHERE id = :id AND state = 'draft'",
            due_at=ms(due_at),
            id=broadcast_id,
        )
        return changed == 1

    @transactional
    def cancel_broadcast(self, tx: Transaction, broadcast_id: int) -> bool:
        """Call off a broadcast before it opens; False where it is too late."""
        changed = tx.execute(
            "UPDATE broadcasts SET state = 'cancelled'"
            " WHERE id = :id AND state IN ('draft', 'scheduled')",
            id=broadcast_id,
        )
        return changed == 1

    @transactional
    def find_broadcast(self, tx: Transaction, broadcast_id: int) -> StoryBroadcast | None:
        """A broadcast with its story."""
        rows = tx.fetch("SELECT * FROM broadcasts WHERE id = :id", id=broadcast_id)
        return _with_stories(tx, rows)[0] if rows else None

    @transactional
    def list_due_broadcasts(
        self, tx: Transaction, now: datetime, limit: int
    ) -> list[StoryBroadcast]:
        """Scheduled broadcasts whose time has come, oldest first."""
        rows = tx.fetch(
            "SELECT * FROM broadcasts WHERE state = 'scheduled' AND due_at <= :now"
            " ORDER BY due_at, id LIMIT :limit",
            now=ms(now),
            limit=limit,
        )
        return _with_stories(tx, rows)

    @transactional
    def fan_out(
        self, tx: Transaction, broadcast_id: int, message: Message, now: datetime
    ) -> int | None:
        """Open a broadcast: one delivery for each live subscription that wants the story.

        Gives their number, or None where the broadcast is no longer scheduled. An own message,
        frozen before, stays what it was.
        """
        opened = tx.fetch(
            "UPDATE broadcasts SET state = 'open', opened_at = :now,"
            " message = COALESCE(message, :message) WHERE id = :id AND state = 'scheduled'"
            " RETURNING story_id",
            now=ms(now),
            message=dump_message(message),
            id=broadcast_id,
        )
        if not opened:
            return None
        return tx.execute(
            "INSERT INTO deliveries (broadcast_id, action, chat_id, thread_id, silent_at, state,"
            " due_at, created_at)"
            " SELECT :broadcast_id, 'send', s.chat_id, s.thread_id, s.silent_at, 'pending',"
            " :now, :now FROM subscriptions s JOIN chats c ON c.id = s.chat_id"
            " WHERE s.ended_at IS NULL AND c.closed_at IS NULL AND ("
            " NOT EXISTS (SELECT 1 FROM subscription_tags t WHERE t.subscription_id = s.id)"
            " OR EXISTS (SELECT 1 FROM subscription_tags t JOIN story_tags g ON g.tag = t.tag"
            " WHERE t.subscription_id = s.id AND g.story_id = :story_id))"
            " ORDER BY s.id"
            " ON CONFLICT (broadcast_id, action, chat_id, thread_id) DO NOTHING",
            broadcast_id=broadcast_id,
            story_id=opened[0]["story_id"],
            now=ms(now),
        )

    @transactional
    def list_stale(self, tx: Transaction, limit: int) -> list[StoryBroadcast]:
        """Open broadcasts whose story has a newer revision than their message shows."""
        rows = tx.fetch(
            "SELECT * FROM broadcasts WHERE state = 'open' AND stale_at IS NOT NULL"
            " ORDER BY id LIMIT :limit",
            limit=limit,
        )
        return _with_stories(tx, rows)

    @transactional
    def record_revision(
        self, tx: Transaction, stale: StoryBroadcast, message: Message, now: datetime
    ) -> int:
        """Replace an open broadcast's message and queue an edit of each that went out.

        Sends that still wait will carry the new message. Where the story has changed again
        meanwhile, the broadcast stays stale. Gives the number of edits queued.
        """
        broadcast_id = stale.broadcast.id
        tx.execute(
            "UPDATE broadcasts SET message = :message, revision = revision + 1, stale_at ="
            " CASE WHEN (SELECT s.revision FROM stories s WHERE s.id = story_id) = :revision"
            " THEN NULL ELSE stale_at END WHERE id = :id AND state = 'open'",
            message=dump_message(message),
            revision=stale.story.revision,
            id=broadcast_id,
        )
        if message == stale.broadcast.message:
            return 0
        return tx.execute(
            "INSERT INTO deliveries (broadcast_id, action, chat_id, thread_id, state, due_at,"
            " created_at) SELECT broadcast_id, 'edit', chat_id, thread_id, 'pending', :now, :now"
            " FROM deliveries WHERE broadcast_id = :id AND action = 'send'"
            " AND state IN ('sending', 'unknown', 'sent')"
            " ON CONFLICT (broadcast_id, action, chat_id, thread_id) DO UPDATE SET"
            " state = 'pending', due_at = :now, attempt = deliveries.attempt + 1, failures = 0,"
            " lease_until = NULL, error = NULL, settled_at = NULL",
            now=ms(now),
            id=broadcast_id,
        )

    @transactional
    def claim_deliveries(
        self, tx: Transaction, now: datetime, lease_until: datetime, limit: int
    ) -> list[Delivery]:
        """Take due deliveries, at most one a chat, oldest first; each says *sending* from now on.

        A chat in which something is under way or unknown is left alone.
        """
        rows = tx.fetch(
            "UPDATE deliveries SET state = 'sending', attempt = attempt + 1,"
            " lease_until = :lease_until WHERE id IN (SELECT d.id FROM deliveries d"
            f" WHERE d.state = 'pending' AND d.due_at <= :now AND {FIRST_OF_CHAT}"
            f" AND NOT {OTHER_IN_FLIGHT} ORDER BY d.due_at, d.id LIMIT :limit {{skip_locked}})"
            " RETURNING id",
            now=ms(now),
            lease_until=ms(lease_until),
            limit=limit,
        )
        return [_load_delivery(tx, row["id"]) for row in sorted(rows, key=lambda row: row["id"])]

    @transactional
    def mark_sent(
        self, tx: Transaction, delivery: Delivery, message_id: int | None, now: datetime
    ) -> bool:
        """Record that a delivery took effect; False where its attempt has passed."""
        sent = _settle(tx, delivery, DeliveryState.SENT, None, now, message_id)
        if sent:
            tx.execute(
                "UPDATE chats SET refusals = 0 WHERE id = :id AND refusals > 0",
                id=delivery.chat_id,
            )
        return sent

    @transactional
    def mark_failed(self, tx: Transaction, delivery: Delivery, reason: str, now: datetime) -> bool:
        """Record a refusal of this delivery for good."""
        return _settle(tx, delivery, DeliveryState.FAILED, reason, now)

    @transactional
    def mark_refused(
        self, tx: Transaction, delivery: Delivery, reason: str, close_after: int, now: datetime
    ) -> bool:
        """Record a refusal; a chat that refuses `close_after` times in a row is closed."""
        if not _settle(tx, delivery, DeliveryState.FAILED, reason, now):
            return False
        rows = tx.fetch(
            "UPDATE chats SET refusals = refusals + 1 WHERE id = :id RETURNING refusals",
            id=delivery.chat_id,
        )
        if rows[0]["refusals"] >= close_after:
            close_chat(tx, delivery.chat_id, reason, now)
        return True

    @transactional
    def mark_gone(self, tx: Transaction, delivery: Delivery, reason: str, now: datetime) -> bool:
        """Record that the chat refuses the bot for good, and close it."""
        settled = _settle(tx, delivery, DeliveryState.FAILED, reason, now)
        close_chat(tx, delivery.chat_id, reason, now)
        return settled

    @transactional
    def mark_moved(self, tx: Transaction, delivery: Delivery, telegram_id: int) -> None:
        """Follow a chat to its new id and let the delivery go on at once."""
        move_chat(tx, delivery.chat_id, telegram_id, ChatType.SUPERGROUP)
        _postpone(tx, delivery, None, None)

    @transactional
    def mark_pending(
        self, tx: Transaction, delivery: Delivery, reason: str, due_at: datetime
    ) -> bool:
        """Put a delivery back that certainly had no effect, for another try at `due_at`."""
        return _postpone(tx, delivery, reason, due_at)

    @transactional
    def mark_unknown(
        self, tx: Transaction, delivery: Delivery, reason: str, settle_at: datetime
    ) -> bool:
        """Record that nobody knows whether a delivery took effect, to be settled at `settle_at`."""
        changed = tx.execute(
            "UPDATE deliveries SET state = 'unknown', error = :reason, lease_until = :settle_at"
            " WHERE id = :id AND attempt = :attempt AND state = 'sending'",
            reason=reason,
            settle_at=ms(settle_at),
            id=delivery.id,
            attempt=delivery.attempt,
        )
        return changed == 1

    @transactional
    def release_lapsed(self, tx: Transaction, now: datetime) -> int:
        """Deliveries whose process died while sending become unknown, to be settled now."""
        return tx.execute(
            "UPDATE deliveries SET state = 'unknown', error = 'process ended while sending'"
            " WHERE state = 'sending' AND lease_until <= :now",
            now=ms(now),
        )

    @transactional
    def release_unknown(self, tx: Transaction, now: datetime) -> int:
        """Unknown deliveries whose time has come are tried again."""
        return tx.execute(
            "UPDATE deliveries SET state = 'pending', due_at = :now, lease_until = NULL"
            " WHERE state = 'unknown' AND lease_until <= :now",
            now=ms(now),
        )

    @transactional
    def report_broadcast(self, tx: Transaction, broadcast_id: int) -> BroadcastReport:
        """How many sends of a broadcast stand in each state."""
        rows = tx.fetch(
            "SELECT state, COUNT(*) AS number FROM deliveries"
            " WHERE broadcast_id = :id AND action = 'send' GROUP BY state",
            id=broadcast_id,
        )
        return BroadcastReport(
            broadcast_id, {DeliveryState(row["state"]): row["number"] for row in rows}
        )

    @transactional
    def count_audience(self, tx: Transaction, story_id: int) -> int:
        """How many destinations a broadcast of this story would reach now."""
        rows = tx.fetch(
            "SELECT COUNT(*) AS number FROM subscriptions s JOIN chats c ON c.id = s.chat_id"
            " WHERE s.ended_at IS NULL AND c.closed_at IS NULL AND ("
            " NOT EXISTS (SELECT 1 FROM subscription_tags t WHERE t.subscription_id = s.id)"
            " OR EXISTS (SELECT 1 FROM subscription_tags t JOIN story_tags g ON g.tag = t.tag"
            " WHERE t.subscription_id = s.id AND g.story_id = :story_id))",
            story_id=story_id,
        )
        number: int = rows[0]["number"]
        return number

    @transactional
    def count_reached(self, tx: Transaction, story_id: int) -> int:
        """How many destinations broadcasts of this story have reached or are about to."""
        rows = tx.fetch(
            "SELECT COUNT(*) AS number FROM deliveries d JOIN broadcasts b ON b.id = d.broadcast_id"
            " WHERE b.story_id = :story_id AND d.action = 'send'"
            " AND d.state IN ('pending', 'sending', 'unknown', 'sent')",
            story_id=story_id,
        )
        number: int = rows[0]["number"]
        return number

    @transactional
    def outbox_health(self, tx: Transaction) -> OutboxHealth:
        """Deliveries by state and the oldest one that waits."""
        rows = tx.fetch("SELECT state, COUNT(*) AS number FROM deliveries GROUP BY state")
        oldest = tx.fetch("SELECT MIN(due_at) AS due_at FROM deliveries WHERE state = 'pending'")
        return OutboxHealth(
            {DeliveryState(row["state"]): row["number"] for row in rows},
            to_moment(oldest[0]["due_at"]),
        )


def _with_stories(tx: Transaction, rows: list[Row]) -> list[StoryBroadcast]:
    return [
        StoryBroadcast(
            to_broadcast(row),
            to_story(
                tx.fetch(
                    f"SELECT {STORY_COLUMNS} FROM stories s WHERE s.id = :id", id=row["story_id"]
                )[0]
            ),
        )
        for row in rows
    ]


def _load_delivery(tx: Transaction, delivery_id: int) -> Delivery:
    rows = tx.fetch(
        "SELECT d.id, d.broadcast_id, d.action, d.chat_id, d.thread_id, d.silent_at, d.attempt,"
        " d.failures, c.telegram_id, c.username, b.message, o.message_id"
        " FROM deliveries d JOIN chats c ON c.id = d.chat_id"
        " JOIN broadcasts b ON b.id = d.broadcast_id"
        " LEFT JOIN deliveries o ON o.broadcast_id = d.broadcast_id AND o.action = 'send'"
        " AND o.chat_id = d.chat_id AND o.thread_id = d.thread_id AND o.state = 'sent'"
        " WHERE d.id = :id",
        id=delivery_id,
    )
    return to_delivery(rows[0])


def _settle(
    tx: Transaction,
    delivery: Delivery,
    state: DeliveryState,
    reason: str | None,
    now: datetime,
    message_id: int | None = None,
) -> bool:
    changed = tx.execute(
        "UPDATE deliveries SET state = :state, error = :reason, settled_at = :now,"
        " lease_until = NULL, message_id = COALESCE(:message_id, message_id)"
        " WHERE id = :id AND attempt = :attempt AND state IN ('sending', 'unknown')",
        state=state.value,
        reason=reason,
        now=ms(now),
        message_id=message_id,
        id=delivery.id,
        attempt=delivery.attempt,
    )
    return changed == 1


def _postpone(
    tx: Transaction, delivery: Delivery, reason: str | None, due_at: datetime | None
) -> bool:
    changed = tx.execute(
        "UPDATE deliveries SET state = 'pending', error = :reason,"
        " due_at = COALESCE(:due_at, due_at), lease_until = NULL, failures = failures + 1"
        " WHERE id = :id AND attempt = :attempt AND state IN ('sending', 'unknown')",
        reason=reason,
        due_at=to_ms(due_at),
        id=delivery.id,
        attempt=delivery.attempt,
    )
    return changed == 1
