"""Notices: messages in editors' chats that keep themselves true, and when to look at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.store.rows import ms
from bot.store.transactional import Verbs, reading, transactional

if TYPE_CHECKING:
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Row


@dataclass(frozen=True, slots=True)
class Notice:
    """A message in an editor's chat: what it is for, about what, and a digest of what it shows.

    `chat` is Telegram's id, `message_id` negative before it is sent. `shown` is empty where nothing
    is known of what it shows.
    """

    purpose: str
    chat: int
    message_id: int
    language: str
    story_id: int | None = None
    broadcast_id: int | None = None
    shown: str = ""
    id: int = 0


class NoticeVerbs(Verbs):
    """Queries and single-step writes over notices."""

    @transactional
    def record_notice(
        self, tx: Transaction, notice: Notice, now: datetime, due_at: datetime | None
    ) -> None:
        """Keep a message that was sent to an editor; it is looked at when due, if ever."""
        tx.execute(
            "INSERT INTO notices (purpose, story_id, broadcast_id, chat, message_id, language,"
            " shown, made_at, due_at) VALUES (:purpose, :story_id, :broadcast_id, :chat,"
            " :message_id, :language, :shown, :now, :due_at)"
            " ON CONFLICT (chat, message_id) DO UPDATE SET purpose = excluded.purpose,"
            " story_id = excluded.story_id, broadcast_id = excluded.broadcast_id,"
            " shown = excluded.shown, made_at = excluded.made_at, due_at = excluded.due_at",
            purpose=notice.purpose,
            story_id=notice.story_id,
            broadcast_id=notice.broadcast_id,
            chat=notice.chat,
            message_id=notice.message_id,
            language=notice.language,
            shown=notice.shown,
            now=ms(now),
            due_at=None if due_at is None else ms(due_at),
        )

    @transactional
    def claim_notices(
        self, tx: Transaction, now: datetime, lease_until: datetime, limit: int
    ) -> list[Notice]:
        """Take notices whose time to be looked at has come, the longest due first."""
        rows = tx.fetch(
            "UPDATE notices SET due_at = :lease_until WHERE id IN (SELECT id FROM notices"
            " WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit {skip_locked}) RETURNING *",
            now=ms(now),
            lease_until=ms(lease_until),
            limit=limit,
        )
        return [_notice(row) for row in sorted(rows, key=lambda row: row["id"])]

    @transactional
    def settle_notice(
        self,
        tx: Transaction,
        notice: Notice,
        shown: str,
        lease_until: datetime,
        due_at: datetime | None,
    ) -> None:
        """Note what a notice shows now, and when to look next; None for not until it is touched.

        Where it was touched since it was taken, that stands.
        """
        tx.execute(
            "UPDATE notices SET shown = :shown, due_at ="
            " CASE WHEN due_at = :lease_until THEN :due_at ELSE due_at END WHERE id = :id",
            id=notice.id,
            shown=shown,
            lease_until=ms(lease_until),
            due_at=None if due_at is None else ms(due_at),
        )

    @transactional
    def record_sent(
        self,
        tx: Transaction,
        notice: Notice,
        message_id: int,
        shown: str,
        due_at: datetime | None,
    ) -> None:
        """Note that a notice was sent, as which message, and when to look at it next."""
        tx.execute(
            "UPDATE notices SET message_id = :message_id, shown = :shown, due_at = :due_at"
            " WHERE id = :id",
            message_id=message_id,
            shown=shown,
            due_at=None if due_at is None else ms(due_at),
            id=notice.id,
        )

    @reading
    def has_notice(self, tx: Transaction, notice: Notice) -> bool:
        """Whether there is a notice of this purpose about this broadcast in this chat."""
        rows = tx.fetch(
            "SELECT id FROM notices WHERE broadcast_id = :id AND purpose = :purpose"
            " AND chat = :chat LIMIT 1",
            id=notice.broadcast_id,
            purpose=notice.purpose,
            chat=notice.chat,
        )
        return bool(rows)

    @transactional
    def touch_broadcast(self, tx: Transaction, broadcast_id: int, now: datetime) -> None:
        """Let the notices of a broadcast be looked at."""
        touch_broadcast(tx, broadcast_id, now)

    @reading
    def find_notice(self, tx: Transaction, chat: int, message_id: int) -> Notice | None:
        """The notice that a message is."""
        rows = tx.fetch(
            "SELECT * FROM notices WHERE chat = :chat AND message_id = :message_id",
            chat=chat,
            message_id=message_id,
        )
        return _notice(rows[0]) if rows else None

    @reading
    def find_prompt(self, tx: Transaction, chat: int, since: datetime) -> Notice | None:
        """The last thing that an editor was asked for words about and has not answered."""
        rows = tx.fetch(
            "SELECT * FROM notices WHERE chat = :chat AND made_at >= :since"
            " AND purpose LIKE 'ask %' ORDER BY id DESC LIMIT 1",
            chat=chat,
            since=ms(since),
        )
        return _notice(rows[0]) if rows else None

    @reading
    def find_last_question(self, tx: Transaction, chat: int) -> int | None:
        """The broadcast of the last question in a chat that still waits."""
        rows = tx.fetch(
            "SELECT n.broadcast_id FROM notices n JOIN broadcasts b ON b.id = n.broadcast_id"
            " WHERE n.chat = :chat AND n.purpose = 'question'"
            " AND b.state IN ('draft', 'scheduled') ORDER BY n.id DESC LIMIT 1",
            chat=chat,
        )
        return rows[0]["broadcast_id"] if rows else None

    @transactional
    def unshow_notice(self, tx: Transaction, chat: int, message_id: int, now: datetime) -> None:
        """Let a notice be made anew whose message shows something else meanwhile."""
        tx.execute(
            "UPDATE notices SET shown = '', due_at = :now"
            " WHERE chat = :chat AND message_id = :message_id AND purpose NOT LIKE 'ask %'",
            now=ms(now),
            chat=chat,
            message_id=message_id,
        )

    @transactional
    def end_prompts(self, tx: Transaction, chat: int) -> None:
        """Ask an editor for nothing any more."""
        tx.execute("DELETE FROM notices WHERE chat = :chat AND purpose LIKE 'ask %'", chat=chat)

    @transactional
    def forget_notices(self, tx: Transaction, before: datetime) -> int:
        """Forget old messages that need not be looked at."""
        return tx.execute(
            "DELETE FROM notices WHERE made_at < :before AND due_at IS NULL", before=ms(before)
        )


def touch_broadcast(tx: Transaction, broadcast_id: int, now: datetime) -> None:
    """Let the notices of a broadcast be looked at."""
    tx.execute(
        "UPDATE notices SET due_at = :now WHERE broadcast_id = :id AND purpose NOT LIKE 'ask %'",
        now=ms(now),
        id=broadcast_id,
    )


def touch_story(tx: Transaction, story_id: int, now: datetime) -> None:
    """Let the notices of a story and of its broadcasts be looked at."""
    tx.execute(
        "UPDATE notices SET due_at = :now WHERE purpose NOT LIKE 'ask %' AND (story_id = :id"
        " OR broadcast_id IN (SELECT id FROM broadcasts WHERE story_id = :id))",
        now=ms(now),
        id=story_id,
    )


def _notice(row: Row) -> Notice:
    return Notice(
        purpose=row["purpose"],
        chat=row["chat"],
        message_id=row["message_id"],
        language=row["language"],
        story_id=row["story_id"],
        broadcast_id=row["broadcast_id"],
        shown=row["shown"],
        id=row["id"],
    )
