"""What the console's pages read: stories with their state, ledgers, the audience, feeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.store.rows import STORY_COLUMNS, load_message, to_chat, to_moment, to_story
from bot.store.transactional import Verbs, reading
from bot.store.wishes import live_subscriptions
from bot.types import Action, BroadcastState, DeliveryState, Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Message, Row, Story

MARK = "\\"


@dataclass(frozen=True, slots=True)
class StoryGlance:
    """A story with what became of it.

    `state` is that of its last broadcast, None where it has none; `counts` are its sends by state,
    of all broadcasts.
    """

    story: Story
    withdrawn_at: datetime | None
    broadcast_id: int | None = None
    state: BroadcastState | None = None
    due_at: datetime | None = None
    counts: dict[DeliveryState, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MessageState:
    """One state of a broadcast's message, from 1."""

    broadcast_id: int
    revision: int
    message: Message


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One delivery of a broadcast as it stands, with the name of its chat."""

    id: int
    chat: str
    telegram_id: int | None
    kind: str
    thread_id: int
    action: Action
    state: DeliveryState
    error: str | None
    due_at: datetime | None
    settled_at: datetime | None
    parked: bool


@dataclass(frozen=True, slots=True)
class AudienceGlance:
    """The audience in numbers: open chats by kind, wishes by tag, closed chats by reason."""

    kinds: dict[str, int]
    tags: list[tuple[str, int]]
    reasons: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class FeedGlance:
    """A live feed: when it was and will be polled, how it fails, what it brought."""

    url: str
    title: str | None
    polled_at: datetime | None
    due_at: datetime | None
    changed_at: datetime | None
    failing_at: datetime | None
    failures: int
    error: str | None
    stories: int


class GlanceVerbs(Verbs):
    """Queries of the console's pages."""

    @reading
    def list_glances(
        self, tx: Transaction, limit: int, offset: int, story_ids: Sequence[int] | None = None
    ) -> list[StoryGlance]:
        """Stories with their state, the newest first, withdrawn ones too.

        With `story_ids` these alone, in that order.
        """
        where = "1 = 1" if story_ids is None else f"s.id IN ({_ids(story_ids)})"
        rows = tx.fetch(
            f"SELECT {STORY_COLUMNS}, s.withdrawn_at FROM stories s WHERE {where}"
            " ORDER BY s.shown_at DESC, s.id DESC LIMIT :limit OFFSET :offset",
            limit=limit,
            offset=offset,
        )
        found = _with_states(tx, rows)
        if story_ids is None:
            return found
        places = {story_id: place for place, story_id in enumerate(story_ids)}
        return sorted(found, key=lambda glance: places[glance.story.id])

    @reading
    def list_message_states(self, tx: Transaction, story_id: int) -> list[MessageState]:
        """All states of a story's messages, the newest first."""
        rows = tx.fetch(
            "SELECT m.* FROM broadcast_messages m JOIN broadcasts b ON b.id = m.broadcast_id"
            " WHERE b.story_id = :id AND b.listing IS NULL"
            " ORDER BY m.broadcast_id DESC, m.revision DESC LIMIT 50",
            id=story_id,
        )
        return [
            MessageState(row["broadcast_id"], row["revision"], load_message(row["message"]))
            for row in rows
        ]

    @reading
    def list_ledger(
        self,
        tx: Transaction,
        broadcast_id: int,
        states: Sequence[DeliveryState],
        after_id: int,
        limit: int,
    ) -> list[LedgerLine]:
        """Deliveries of a broadcast in these states, in the order they were made."""
        named = ", ".join(f"'{state.value}'" for state in states)
        rows = tx.fetch(
            "SELECT d.*, c.title, c.username, c.telegram_id, c.type FROM deliveries d"
            " JOIN chats c ON c.id = d.chat_id WHERE d.broadcast_id = :id AND d.id > :after"
            f" AND d.state IN ({named}) ORDER BY d.id LIMIT :limit",
            id=broadcast_id,
            after=after_id,
            limit=limit,
        )
        return [_to_line(row) for row in rows]

    @reading
    def count_audience_parts(self, tx: Transaction) -> AudienceGlance:
        """The audience in numbers."""
        kinds = tx.fetch(
            "SELECT type, COUNT(*) AS number FROM chats WHERE closed_at IS NULL GROUP BY type"
        )
        tags = tx.fetch(
            "SELECT MIN(t.label) AS label, COUNT(*) AS number FROM subscription_tags t"
            " JOIN subscriptions s ON s.id = t.subscription_id JOIN chats c ON c.id = s.chat_id"
            " WHERE s.ended_at IS NULL AND c.closed_at IS NULL"
            " GROUP BY t.tag ORDER BY number DESC, label LIMIT 30"
        )
        reasons = tx.fetch(
            "SELECT closed_reason AS reason, COUNT(*) AS number FROM chats"
            " WHERE closed_at IS NOT NULL GROUP BY closed_reason ORDER BY number DESC LIMIT 30"
        )
        return AudienceGlance(
            kinds={row["type"]: row["number"] for row in kinds},
            tags=[(row["label"], row["number"]) for row in tags],
            reasons=[(row["reason"] or "", row["number"]) for row in reasons],
        )

    @reading
    def list_chats(
        self, tx: Transaction, words: str, *, closed: bool, after_id: int, limit: int
    ) -> list[Member]:
        """Chats with their live wishes, by id: those whose name or number holds `words`."""
        like = words.lower()
        for special in (MARK, "%", "_"):
            like = like.replace(special, MARK + special)
        rows = tx.fetch(
            "SELECT * FROM chats WHERE id > :after"
            f" AND closed_at IS {'NOT NULL' if closed else 'NULL'}"
            " AND (LOWER(COALESCE(title, '')) LIKE :like ESCAPE :mark"
            " OR COALESCE(username, '') LIKE :like ESCAPE :mark"
            " OR CAST(telegram_id AS TEXT) = :words) ORDER BY id LIMIT :limit",
            after=after_id,
            like=f"%{like}%",
            words=words,
            mark=MARK,
            limit=limit,
        )
        return [Member(to_chat(row), live_subscriptions(tx, row["id"])) for row in rows]

    @reading
    def list_feed_glances(self, tx: Transaction) -> list[FeedGlance]:
        """Every live feed, those that fail first."""
        rows = tx.fetch(
            "SELECT f.*, (SELECT COUNT(*) FROM stories s WHERE s.feed_id = f.id) AS stories"
            " FROM feeds f WHERE f.retired_at IS NULL"
            " ORDER BY CASE WHEN f.error IS NULL THEN 1 ELSE 0 END, f.id"
        )
        return [
            FeedGlance(
                url=row["url"],
                title=row["title"],
                polled_at=to_moment(row["polled_at"]),
                due_at=to_moment(row["due_at"]),
                changed_at=to_moment(row["changed_at"]),
                failing_at=to_moment(row["failing_at"]),
                failures=row["failures"],
                error=row["error"],
                stories=row["stories"],
            )
            for row in rows
        ]


def _with_states(tx: Transaction, rows: Sequence[Row]) -> list[StoryGlance]:
    ids = _ids(row["id"] for row in rows)
    last = {
        row["story_id"]: row
        for row in tx.fetch(
            "SELECT id, story_id, state, due_at FROM broadcasts"
            f" WHERE story_id IN ({ids}) AND listing IS NULL ORDER BY id"
        )
    }
    counts: dict[int, dict[DeliveryState, int]] = {}
    for row in tx.fetch(
        "SELECT b.story_id, d.state, COUNT(*) AS number FROM broadcasts b"
        " JOIN deliveries d ON d.broadcast_id = b.id"
        f" WHERE b.story_id IN ({ids}) AND b.listing IS NULL AND d.action = 'send'"
        " GROUP BY b.story_id, d.state"
    ):
        states = counts.setdefault(row["story_id"], {})
        states[DeliveryState(row["state"])] = row["number"]
    return [_to_glance(row, last.get(row["id"]), counts.get(row["id"], {})) for row in rows]


def _to_glance(row: Row, last: Row | None, counts: dict[DeliveryState, int]) -> StoryGlance:
    return StoryGlance(
        story=to_story(row),
        withdrawn_at=to_moment(row["withdrawn_at"]),
        broadcast_id=last["id"] if last else None,
        state=BroadcastState(last["state"]) if last else None,
        due_at=to_moment(last["due_at"]) if last else None,
        counts=counts,
    )


def _to_line(row: Row) -> LedgerLine:
    return LedgerLine(
        id=row["id"],
        chat=row["title"] or row["username"] or "",
        telegram_id=row["telegram_id"],
        kind=row["type"],
        thread_id=row["thread_id"],
        action=Action(row["action"]),
        state=DeliveryState(row["state"]),
        error=row["error"],
        due_at=to_moment(row["due_at"]),
        settled_at=to_moment(row["settled_at"]),
        parked=row["parked_at"] is not None,
    )


def _ids(ids: Iterable[int]) -> str:
    """Row ids as SQL, integers of ours; NULL, which none equals, where there are none."""
    return ", ".join(str(int(one)) for one in ids) or "NULL"
