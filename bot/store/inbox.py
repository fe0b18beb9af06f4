"""Updates from Telegram: each is kept until it is handled, and handled once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.store.deliveries import NotedMessage, note_messages
from bot.store.rows import ms
from bot.store.transactional import Verbs, reading, transactional
from bot.types import ChatType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction


class InboxVerbs(Verbs):
    """Queries and single-step writes over updates."""

    @transactional
    def record_updates(
        self, tx: Transaction, updates: Sequence[dict[str, Any]], now: datetime
    ) -> list[dict[str, Any]]:
        """Keep updates; give those that were not known yet, in order.

        The ids of the messages in them are noted: no probe needs to ask for those.
        """
        note_messages(tx, [found for one in updates if (found := _message_in(one))], now)
        return [
            update
            for update in updates
            if tx.execute(
                "INSERT INTO updates (update_id, body, received_at) VALUES (:id, :body, :now)"
                " ON CONFLICT (update_id) DO NOTHING",
                id=update["update_id"],
                body=json.dumps(update),
                now=ms(now),
            )
            == 1
        ]

    @reading
    def list_waiting_updates(self, tx: Transaction) -> list[dict[str, Any]]:
        """Updates that a process took and did not finish, oldest first."""
        rows = tx.fetch("SELECT body FROM updates WHERE handled_at IS NULL ORDER BY update_id")
        return [json.loads(row["body"]) for row in rows]

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
