"""Chats and their subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import NotFoundError
from bot.store.rows import ms, to_chat, to_ms
from bot.store.transactional import Verbs, reading, transactional
from bot.store.wishes import (
    drop_waiting,
    end_subscription,
    ensure_subscription,
    keep_preview,
    keep_rhythm,
    labels_of,
    live_subscription,
    live_subscriptions,
    mark_choosy,
    replace_tags,
    replace_words,
    reschedule,
    tag_labels,
    to_subscription,
)
from bot.types import ChatType, Member, Narrowing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import ChannelSetting, Chat, Row, Subscription


# Why a chat is closed that asked to be forgotten.
STOPPED = "stopped"


class AudienceVerbs(Verbs):
    """Queries and single-step writes over chats and subscriptions."""

    @transactional
    def record_chat(
        self,
        tx: Transaction,
        telegram_id: int,
        chat_type: ChatType,
        now: datetime,
        *,
        title: str | None = None,
        username: str | None = None,
        language: str | None = None,
    ) -> Chat:
        """Note a chat as it is now; what is not said keeps its last known value."""
        return to_chat(
            _upsert_chat(
                tx,
                {
                    "telegram_id": telegram_id,
                    "type": chat_type.value,
                    "title": title,
                    "username": username,
                    "language": language,
                    "now": ms(now),
                },
            )
        )

    @reading
    def find_chat(self, tx: Transaction, telegram_id: int) -> Chat | None:
        """A chat by Telegram's id."""
        rows = tx.fetch("SELECT * FROM chats WHERE telegram_id = :id", id=telegram_id)
        return to_chat(rows[0]) if rows else None

    @reading
    def get_chat(self, tx: Transaction, chat_id: int) -> Chat:
        """A chat by its row id. Raises NotFoundError."""
        rows = tx.fetch("SELECT * FROM chats WHERE id = :id", id=chat_id)
        if not rows:
            raise NotFoundError(f"no chat {chat_id}")
        return to_chat(rows[0])

    @transactional
    def open_chat(self, tx: Transaction, chat_id: int) -> None:
        """Use a chat again; its subscriptions live on."""
        tx.execute(
            "UPDATE chats SET closed_at = NULL, closed_reason = NULL, refusals = 0 WHERE id = :id",
            id=chat_id,
        )

    @transactional
    def close_chat(self, tx: Transaction, chat_id: int, reason: str, now: datetime) -> None:
        """Stop using a chat and drop what still waits for it; it stays on record."""
        close_chat(tx, chat_id, reason, now)

    @transactional
    def move_chat(self, tx: Transaction, chat_id: int, telegram_id: int) -> None:
        """Give a chat its new id (a group became a supergroup), with all that belongs to it."""
        move_chat(tx, chat_id, telegram_id, ChatType.SUPERGROUP)

    @transactional
    def subscribe(
        self,
        tx: Transaction,
        chat_id: int,
        thread_id: int,
        tags: Sequence[str],
        now: datetime,
    ) -> Subscription:
        """Narrow a chat's wish to these tags besides what it has; no tags means every story."""
        subscription_id, live = ensure_subscription(tx, chat_id, thread_id, "chat", now)
        before = labels_of(tx, subscription_id) if live else {}
        replace_tags(tx, subscription_id, {**before, **tag_labels(tags)} if tags else {})
        if not (tags and live):
            replace_words(tx, subscription_id, Narrowing())
        mark_choosy(tx, subscription_id, now)
        row = live_subscription(tx, chat_id, thread_id)
        assert row is not None
        return to_subscription(tx, row)

    @transactional
    def unsubscribe(
        self,
        tx: Transaction,
        chat_id: int,
        thread_id: int,
        tags: Sequence[str],
        now: datetime,
    ) -> Subscription | None:
        """Take tags from a chat's wish; it ends (None) without tags or with the last one."""
        row = live_subscription(tx, chat_id, thread_id)
        if row is None:
            return None
        before = labels_of(tx, row["id"])
        left = {key: label for key, label in before.items() if key not in tag_labels(tags)}
        goes_on = left or not before or to_subscription(tx, row).narrowing.keywords
        if tags and goes_on:
            replace_tags(tx, row["id"], left)
            return to_subscription(tx, row)
        end_subscription(tx, row["id"], now)
        return None

    @reading
    def find_subscription(
        self, tx: Transaction, chat_id: int, thread_id: int
    ) -> Subscription | None:
        """A chat's live wish for a topic (0: none)."""
        row = live_subscription(tx, chat_id, thread_id)
        return None if row is None else to_subscription(tx, row)

    @transactional
    def record_silence(
        self, tx: Transaction, chat_id: int, thread_id: int, *, silent: bool, now: datetime
    ) -> None:
        """Deliver to this subscription without a sound, or with one."""
        tx.execute(
            "UPDATE subscriptions SET silent_at = :silent_at"
            " WHERE chat_id = :chat_id AND thread_id = :thread_id",
            silent_at=ms(now) if silent else None,
            chat_id=chat_id,
            thread_id=thread_id,
        )

    @transactional
    def record_language(self, tx: Transaction, chat_id: int, language: str) -> None:
        """Keep the language that a chat chose."""
        tx.execute(
            "UPDATE chats SET language = :language WHERE id = :id", language=language, id=chat_id
        )

    @transactional
    def forget_chat(self, tx: Transaction, chat_id: int, now: datetime) -> None:
        """Delete what is known of a chat: its wishes, language, zone, title and number.

        That deliveries were made stays on record, with nothing that says to whom; the number of a
        chat in which one is under way goes as soon as that is settled (`forget_stopped`).
        """
        tx.execute(
            "UPDATE deliveries SET state = 'cancelled', settled_at = :now"
            " WHERE chat_id = :id AND state = 'pending'",
            now=ms(now),
            id=chat_id,
        )
        _delete_subscriptions(tx, chat_id)
        tx.execute(
            "UPDATE chats SET title = NULL, username = NULL, language = NULL, zone = NULL,"
            " closed_at = :now, closed_reason = :reason WHERE id = :id",
            now=ms(now),
            reason=STOPPED,
            id=chat_id,
        )
        _forget_numbers(tx, f"c.id = {int(chat_id)}")

    @transactional
    def forget_stopped(self, tx: Transaction) -> None:
        """Delete the numbers of chats that asked to be forgotten and where nothing is under way."""
        _forget_numbers(tx, "c.closed_at IS NOT NULL")

    @transactional
    def record_channels(
        self, tx: Transaction, channels: Sequence[ChannelSetting], now: datetime
    ) -> list[str]:
        """Make the subscriptions of SEBAR_CHANNELS exactly these; give the unresolved @names."""
        tx.execute(
            "UPDATE subscriptions SET ended_at = :now WHERE origin = 'settings'"
            " AND ended_at IS NULL",
            now=ms(now),
        )
        for channel in channels:
            chat_id = _channel_chat(tx, channel.chat, now)
            subscription_id, _ = ensure_subscription(
                tx, chat_id, channel.thread_id, "settings", now
            )
            tx.execute(
                "UPDATE subscriptions SET silent_at = :silent_at WHERE id = :id",
                silent_at=ms(now) if channel.silent else None,
                id=subscription_id,
            )
            replace_tags(tx, subscription_id, tag_labels(channel.tags))
        rows = tx.fetch(
            "SELECT username FROM chats c WHERE telegram_id IS NULL AND EXISTS"
            " (SELECT 1 FROM subscriptions s WHERE s.chat_id = c.id AND s.ended_at IS NULL)"
        )
        return [row["username"] for row in rows]

    @reading
    def list_members(self, tx: Transaction, after_id: int, limit: int) -> list[Member]:
        """Chats with a Telegram id and their live wishes, by id, those above `after_id`."""
        chats = tx.fetch(
            "SELECT * FROM chats WHERE id > :after AND telegram_id IS NOT NULL"
            " ORDER BY id LIMIT :limit",
            after=after_id,
            limit=limit,
        )
        return [Member(to_chat(row), live_subscriptions(tx, row["id"])) for row in chats]

    @transactional
    def record_members(self, tx: Transaction, members: Sequence[Member], now: datetime) -> None:
        """Take chats and their wishes over; what is known of a chat already is replaced."""
        for member in members:
            _take_over(tx, member, now)

    @reading
    def list_group_ids(self, tx: Transaction) -> list[int]:
        """Telegram's ids of the groups and supergroups that are open."""
        rows = tx.fetch(
            "SELECT telegram_id FROM chats WHERE type IN ('group', 'supergroup')"
            " AND closed_at IS NULL AND telegram_id IS NOT NULL"
        )
        return [row["telegram_id"] for row in rows]

    @transactional
    def record_resolved(
        self, tx: Transaction, username: str, telegram_id: int, chat_type: ChatType
    ) -> None:
        """Learn the numeric id of a chat that was named by @name."""
        rows = tx.fetch(
            "SELECT id FROM chats WHERE username = :username AND telegram_id IS NULL",
            username=username.lower(),
        )
        if rows:
            move_chat(tx, rows[0]["id"], telegram_id, chat_type)


def _take_over(tx: Transaction, member: Member, now: datetime) -> None:
    chat = member.chat
    row = _upsert_chat(
        tx,
        {
            "telegram_id": chat.telegram_id,
            "type": chat.type.value,
            "title": chat.title,
            "username": chat.username,
            "language": chat.language,
            "now": ms(now),
        },
    )
    tx.execute(
        "UPDATE chats SET language = :language, zone = :zone, closed_at = :closed_at,"
        " closed_reason = :closed_reason WHERE id = :id",
        language=chat.language,
        zone=chat.zone,
        closed_at=to_ms(chat.closed_at),
        closed_reason=chat.closed_reason,
        id=row["id"],
    )
    for wish in member.subscriptions:
        subscription_id, _ = ensure_subscription(tx, row["id"], wish.thread_id, "chat", now)
        tx.execute(
            "UPDATE subscriptions SET silent_at = :silent_at WHERE id = :id",
            silent_at=ms(now) if wish.silent else None,
            id=subscription_id,
        )
        replace_tags(tx, subscription_id, tag_labels(wish.tags))
        replace_words(tx, subscription_id, wish.narrowing)
        keep_rhythm(tx, subscription_id, wish.rhythm, now)
        keep_preview(tx, subscription_id, wish.preview)
        mark_choosy(tx, subscription_id, now)
        reschedule(tx, [subscription_id], now)


def _upsert_chat(tx: Transaction, values: dict[str, str | int | None]) -> Row:
    rows = tx.fetch(
        "INSERT INTO chats (telegram_id, type, title, username, language, created_at)"
        " VALUES (:telegram_id, :type, :title, :username, :language, :now)"
        " ON CONFLICT (telegram_id) DO UPDATE SET type = excluded.type,"
        " title = COALESCE(excluded.title, chats.title),"
        " username = COALESCE(excluded.username, chats.username),"
        " language = COALESCE(chats.language, excluded.language) RETURNING *",
        **values,
    )
    return rows[0]


def close_chat(tx: Transaction, chat_id: int, reason: str, now: datetime) -> None:
    """Stop using a chat and cancel what still waits for it."""
    tx.execute(
        "UPDATE chats SET closed_at = :now, closed_reason = :reason"
        " WHERE id = :id AND closed_at IS NULL",
        now=ms(now),
        reason=reason,
        id=chat_id,
    )
    tx.execute(
        "UPDATE deliveries SET state = 'failed', error = :reason, settled_at = :now"
        " WHERE chat_id = :id AND state = 'pending'",
        now=ms(now),
        reason=reason,
        id=chat_id,
    )
    drop_waiting(tx, _belongs_to(chat_id))
    tx.execute("UPDATE subscriptions SET digest_at = NULL WHERE chat_id = :id", id=chat_id)


def move_chat(tx: Transaction, chat_id: int, telegram_id: int, chat_type: ChatType) -> None:
    """Give a chat another Telegram id; a chat already known under it is merged into this one."""
    others = tx.fetch(
        "SELECT id FROM chats WHERE telegram_id = :telegram_id AND id <> :id",
        telegram_id=telegram_id,
        id=chat_id,
    )
    for other in others:
        _merge_chat(tx, other["id"], chat_id)
    # What went to the group is out of reach now; its ids would be those of other messages.
    tx.execute(
        "UPDATE deliveries SET message_id = NULL WHERE chat_id = :id AND EXISTS"
        " (SELECT 1 FROM chats c WHERE c.id = :id AND c.type = 'group')",
        id=chat_id,
    )
    tx.execute(
        "UPDATE chats SET telegram_id = :telegram_id, type = :type WHERE id = :id",
        telegram_id=telegram_id,
        type=chat_type.value,
        id=chat_id,
    )
    # Its messages are numbered anew.
    tx.execute(
        "UPDATE deliveries SET floor_id = NULL WHERE chat_id = :id"
        " AND state IN ('sending', 'unknown')",
        id=chat_id,
    )


def _merge_chat(tx: Transaction, source: int, target: int) -> None:
    """Hand over what the target does not have itself, then forget the source."""
    tx.execute(
        "UPDATE subscriptions SET chat_id = :target WHERE chat_id = :source AND thread_id NOT IN"
        " (SELECT thread_id FROM subscriptions WHERE chat_id = :target)",
        source=source,
        target=target,
    )
    tx.execute(
        "UPDATE deliveries SET chat_id = :target WHERE chat_id = :source AND NOT EXISTS"
        " (SELECT 1 FROM deliveries t WHERE t.chat_id = :target"
        " AND t.broadcast_id = deliveries.broadcast_id AND t.action = deliveries.action"
        " AND t.thread_id = deliveries.thread_id)",
        source=source,
        target=target,
    )
    tx.execute("DELETE FROM deliveries WHERE chat_id = :source", source=source)
    _delete_subscriptions(tx, source)
    tx.execute(
        "UPDATE known_messages SET space = :target WHERE space = :source",
        source=source,
        target=target,
    )
    tx.execute("DELETE FROM chats WHERE id = :source", source=source)


def _forget_numbers(tx: Transaction, which: str) -> None:
    """Forget the numbers of stopped chats `c`; `which` is a condition on them, of our own."""
    rows = tx.fetch(
        "SELECT c.id FROM chats c WHERE c.telegram_id IS NOT NULL AND c.closed_reason = :reason"
        f" AND {which} AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.chat_id = c.id"
        " AND d.state IN ('sending', 'unknown'))",
        reason=STOPPED,
    )
    for row in rows:
        # Without its id a message is out of reach, for corrections too.
        tx.execute(
            "UPDATE deliveries SET message_id = NULL, floor_id = NULL"
            " WHERE chat_id = :id AND action = 'send' AND message_id IS NOT NULL",
            id=row["id"],
        )
        tx.execute("UPDATE chats SET telegram_id = NULL WHERE id = :id", id=row["id"])


def _delete_subscriptions(tx: Transaction, chat_id: int) -> None:
    for table in ("subscription_tags", "subscription_words", "digest_stories"):
        tx.execute(f"DELETE FROM {table} WHERE {_belongs_to(chat_id)}")
    tx.execute("DELETE FROM subscriptions WHERE chat_id = :id", id=chat_id)


def _belongs_to(chat_id: int) -> str:
    """A condition on rows of a chat's subscriptions."""
    return f"subscription_id IN (SELECT id FROM subscriptions WHERE chat_id = {int(chat_id)})"


def _channel_chat(tx: Transaction, chat: str | int, now: datetime) -> int:
    """The row of a chat named in the settings; its type is a guess until Telegram tells."""
    if isinstance(chat, int):
        guess = ChatType.PRIVATE if chat > 0 else ChatType.SUPERGROUP
        tx.execute(
            "INSERT INTO chats (telegram_id, type, created_at) VALUES (:id, :type, :now)"
            " ON CONFLICT (telegram_id) DO NOTHING",
            id=chat,
            type=guess.value,
            now=ms(now),
        )
        rows = tx.fetch("SELECT id FROM chats WHERE telegram_id = :id", id=chat)
    else:
        username = chat.lower()
        rows = tx.fetch("SELECT id FROM chats WHERE username = :username", username=username)
        rows = rows or tx.fetch(
            "INSERT INTO chats (username, type, created_at) VALUES (:username, 'channel', :now)"
            " RETURNING id",
            username=username,
            now=ms(now),
        )
    chat_id: int = rows[0]["id"]
    return chat_id
