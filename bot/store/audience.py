"""Chats and their subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.store.rows import ms, tag_key, to_chat, to_ms
from bot.store.transactional import Verbs, reading, transactional
from bot.types import ChatType, Member, Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import ChannelSetting, Chat, Row


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
        """Narrow a chat's wish to these tags besides those it has; no tags means every story."""
        subscription_id, live = _ensure_subscription(tx, chat_id, thread_id, "chat", now)
        before = _tag_labels(tx, subscription_id) if live else {}
        wanted = {**before, **_labels(tags)} if tags else {}
        _replace_tags(tx, subscription_id, wanted)
        return Subscription(chat_id, thread_id, tuple(wanted.values()))

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
        row = _live_subscription(tx, chat_id, thread_id)
        if row is None:
            return None
        before = _tag_labels(tx, row["id"])
        left = {key: label for key, label in before.items() if key not in _labels(tags)}
        if tags and (left or not before):
            _replace_tags(tx, row["id"], left)
            return Subscription(chat_id, thread_id, tuple(left.values()))
        tx.execute(
            "UPDATE subscriptions SET ended_at = :now WHERE id = :id", now=ms(now), id=row["id"]
        )
        return None

    @reading
    def find_subscription(
        self, tx: Transaction, chat_id: int, thread_id: int
    ) -> Subscription | None:
        """A chat's live wish for a topic (0: none)."""
        row = _live_subscription(tx, chat_id, thread_id)
        return None if row is None else _to_subscription(tx, row)

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
            subscription_id, _ = _ensure_subscription(
                tx, chat_id, channel.thread_id, "settings", now
            )
            tx.execute(
                "UPDATE subscriptions SET silent_at = :silent_at WHERE id = :id",
                silent_at=ms(now) if channel.silent else None,
                id=subscription_id,
            )
            _replace_tags(tx, subscription_id, _labels(channel.tags))
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
        return [Member(to_chat(row), _live_subscriptions(tx, row["id"])) for row in chats]

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
        "UPDATE chats SET language = :language, closed_at = :closed_at,"
        " closed_reason = :closed_reason WHERE id = :id",
        language=chat.language,
        closed_at=to_ms(chat.closed_at),
        closed_reason=chat.closed_reason,
        id=row["id"],
    )
    for wish in member.subscriptions:
        subscription_id, _ = _ensure_subscription(tx, row["id"], wish.thread_id, "chat", now)
        tx.execute(
            "UPDATE subscriptions SET silent_at = :silent_at WHERE id = :id",
            silent_at=ms(now) if wish.silent else None,
            id=subscription_id,
        )
        _replace_tags(tx, subscription_id, _labels(wish.tags))


def _live_subscriptions(tx: Transaction, chat_id: int) -> tuple[Subscription, ...]:
    rows = tx.fetch(
        "SELECT * FROM subscriptions WHERE chat_id = :id AND ended_at IS NULL ORDER BY thread_id",
        id=chat_id,
    )
    return tuple(_to_subscription(tx, row) for row in rows)


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
    tx.execute(
        "DELETE FROM subscription_tags WHERE subscription_id IN"
        " (SELECT id FROM subscriptions WHERE chat_id = :source)",
        source=source,
    )
    tx.execute("DELETE FROM subscriptions WHERE chat_id = :source", source=source)
    tx.execute(
        "UPDATE known_messages SET space = :target WHERE space = :source",
        source=source,
        target=target,
    )
    tx.execute("DELETE FROM chats WHERE id = :source", source=source)


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


def _ensure_subscription(
    tx: Transaction, chat_id: int, thread_id: int, origin: str, now: datetime
) -> tuple[int, bool]:
    """The subscription's id, live from now on, and whether it was live before."""
    live = _live_subscription(tx, chat_id, thread_id) is not None
    rows = tx.fetch(
        "INSERT INTO subscriptions (chat_id, thread_id, origin, created_at)"
        " VALUES (:chat_id, :thread_id, :origin, :now)"
        " ON CONFLICT (chat_id, thread_id) DO UPDATE SET ended_at = NULL,"
        " origin = excluded.origin RETURNING id",
        chat_id=chat_id,
        thread_id=thread_id,
        origin=origin,
        now=ms(now),
    )
    return rows[0]["id"], live


def _live_subscription(tx: Transaction, chat_id: int, thread_id: int) -> Row | None:
    rows = tx.fetch(
        "SELECT * FROM subscriptions WHERE chat_id = :chat_id AND thread_id = :thread_id"
        " AND ended_at IS NULL",
        chat_id=chat_id,
        thread_id=thread_id,
    )
    return rows[0] if rows else None


def _to_subscription(tx: Transaction, row: Row) -> Subscription:
    return Subscription(
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        tags=tuple(_tag_labels(tx, row["id"]).values()),
        silent=row["silent_at"] is not None,
    )


def _labels(tags: Sequence[str]) -> dict[str, str]:
    return {key: tag.lstrip("#").strip() for tag in tags if (key := tag_key(tag))}


def _tag_labels(tx: Transaction, subscription_id: int) -> dict[str, str]:
    rows = tx.fetch(
        "SELECT tag, label FROM subscription_tags WHERE subscription_id = :id ORDER BY tag",
        id=subscription_id,
    )
    return {row["tag"]: row["label"] for row in rows}


def _replace_tags(tx: Transaction, subscription_id: int, labels: dict[str, str]) -> None:
    tx.execute("DELETE FROM subscription_tags WHERE subscription_id = :id", id=subscription_id)
    tx.execute_many(
        "INSERT INTO subscription_tags (subscription_id, tag, label) VALUES (:id, :tag, :label)",
        [{"id": subscription_id, "tag": tag, "label": label} for tag, label in labels.items()],
    )
