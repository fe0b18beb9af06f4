"""Updates from Telegram: each is kept until it is handled, and handled once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.store.deliveries import NotedMessage, note_messages
from bot.store.rows import ms
from bot.store.transactional import Verbs, reading, transactional
from bot.types import ChatType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction


MOST_CLAIMED = 500


@dataclass(frozen=True, slots=True)
class Lease:
    """Who claims, and until when."""

    worker: str
    until: datetime


class InboxVerbs(Verbs):
    """Queries and single-step writes over updates."""

    @transactional
    def record_updates(
        self, tx: Transaction, updates: Sequence[dict[str, Any]], lease: Lease, now: datetime
    ) -> list[dict[str, Any]]:
        """Keep updates under a lease; give those that were not known yet, in order.

        The ids of the messages in them are noted: no probe needs to ask for those.
        """
        note_messages(tx, [found for one in updates if (found := _message_in(one))], now)
        return [
            update
            for update in updates
            if tx.execute(
                "INSERT INTO updates (update_id, body, received_at, worker, lease_until)"
                " VALUES (:id, :body, :now, :worker, :until) ON CONFLICT (update_id) DO NOTHING",
                id=update["update_id"],
                body=json.dumps(update),
                now=ms(now),
                worker=lease.worker,
                until=ms(lease.until),
            )
            == 1
        ]

    @transactional
    def claim_updates(self, tx: Transaction, lease: Lease, now: datetime) -> list[dict[str, Any]]:
        """Take updates that no living process has in hand, oldest first."""
        rows = tx.fetch(
            "UPDATE updates SET worker = :worker, lease_until = :until WHERE update_id IN ("
            " SELECT update_id FROM updates WHERE handled_at IS NULL"
            " AND (lease_until IS NULL OR lease_until <= :now) ORDER BY update_id"
            " LIMIT :most {skip_locked}) RETURNING update_id, body",
            worker=lease.worker,
            until=ms(lease.until),
            now=ms(now),
            most=MOST_CLAIMED,
        )
        return [json.loads(row["body"]) for row in sorted(rows, key=lambda row: row["update_id"])]

    @transactional
    def extend_updates(self, tx: Transaction, lease: Lease) -> int:
        """Keep the updates that a process has in hand."""
        return tx.execute(
            "UPDATE updates SET lease_until = :until WHERE handled_at IS NULL AND worker = :worker",
            worker=lease.worker,
            until=ms(lease.until),
        )

    @transactional
    def release_updates(self, tx: Transaction, worker: str) -> int:
        """Let others have the updates that a process has in hand."""
        return tx.execute(
            "UPDATE updates SET lease_until = NULL, worker = NULL WHERE handled_at IS NULL"
            " AND worker = :worker",
            worker=worker,
        )

    @reading
    def count_waiting_updates(self, tx: Transaction) -> int:
        """How many updates are not handled yet."""
        rows = tx.fetch("SELECT COUNT(*) AS number FROM updates WHERE handled_at IS NULL")
        number: int = rows[0]["number"]
        return number

    @transactional
    def claim_turn(self, tx: Transaction, name: str, lease: Lease, now: datetime) -> bool:
        """Take or keep what one process at a time may do; False while another one has it."""
        changed = tx.execute(
            "INSERT INTO turns (name, worker, lease_until) VALUES (:name, :worker, :until)"
            " ON CONFLICT (name) DO UPDATE SET worker = :worker, lease_until = :until"
            " WHERE turns.worker = :worker OR turns.lease_until <= :now",
            name=name,
            worker=lease.worker,
            until=ms(lease.until),
            now=ms(now),
        )
        return changed == 1

    @transactional
    def release_turn(self, tx: Transaction, name: str, worker: str) -> None:
        """Let another process have a turn."""
        tx.execute(
            "DELETE FROM turns WHERE name = :name AND worker = :worker", name=name, worker=worker
        )

    @transactional
    def mark_update_handled(self, tx: Transaction, update_id: int, now: datetime) -> None:
        """An update needs nothing more; its content is not kept."""
        tx.execute(
            "UPDATE updates SET handled_at = :now, body = '' WHERE update_id = :id",
            now=ms(now),
            id=update_id,
        )

    @transactional
    def forget_updates(self, tx: Transaction, before: datetime) -> int:
        """Forget updates handled before a moment; Telegram repeats none older than 24 hours."""
        return tx.execute(
            "DELETE FROM updates WHERE handled_at IS NOT NULL AND handled_at < :before",
            before=ms(before),
        )


def _message_in(update: dict[str, Any]) -> NotedMessage | None:
    """The message that an update brings, None for other updates."""
    message: Any = update.get("message") or update.get("channel_post")
    try:
        chat = message["chat"]
        return NotedMessage(int(chat["id"]), ChatType(chat["type"]), int(message["message_id"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
