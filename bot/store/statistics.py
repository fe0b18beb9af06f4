"""What went out, was opened and grew, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.store.rows import STORY_COLUMNS, ms, to_story
from bot.store.transactional import Verbs, reading

if TYPE_CHECKING:
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Story

LARGEST = 2**62


@dataclass(frozen=True, slots=True)
class SpanNumbers:
    """What a span of time brought: broadcasts opened in it and their sends; chats come and gone."""

    broadcasts: int
    delivered: int
    refused: int
    joined: int
    left: int


class StatisticsVerbs(Verbs):
    """Queries of numbers for editors."""

    @reading
    def count_span(self, tx: Transaction, since: datetime, until: datetime) -> SpanNumbers:
        """What happened from a moment until before another."""
        span = {"since": ms(since), "until": ms(until)}
        opened = "opened_at >= :since AND opened_at < :until"
        broadcasts = tx.fetch(f"SELECT COUNT(*) AS number FROM broadcasts WHERE {opened}", **span)[
            0
        ]["number"]
        sends = tx.fetch(
            "SELECT d.state, COUNT(*) AS number FROM broadcasts b JOIN deliveries d"
            f" ON d.broadcast_id = b.id AND d.action = 'send' WHERE b.{opened}"
            " GROUP BY d.state",
            **span,
        )
        states = {row["state"]: row["number"] for row in sends}
        joined, left = (
            tx.fetch(
                f"SELECT COUNT(*) AS number FROM chats WHERE {column} >= :since"
                f" AND {column} < :until",
                **span,
            )[0]["number"]
            for column in ("created_at", "closed_at")
        )
        return SpanNumbers(broadcasts, states.get("sent", 0), states.get("failed", 0), joined, left)

    @reading
    def list_sent_stories(
        self, tx: Transaction, since: datetime, limit: int
    ) -> list[tuple[Story, int, int]]:
        """Stories of broadcasts opened since, the last first: delivered and refused of each."""
        rows = tx.fetch(
            f"SELECT {STORY_COLUMNS} FROM stories s WHERE s.id IN (SELECT story_id FROM broadcasts"
            " WHERE opened_at >= :since) ORDER BY s.id DESC LIMIT :limit",
            since=ms(since),
            limit=limit,
        )
        return [(to_story(row), *_sends(tx, row["id"])) for row in rows]

    @reading
    def count_sends(self, tx: Transaction, story_id: int) -> tuple[int, int]:
        """How many destinations a story reached, and how many refused it."""
        return _sends(tx, story_id)

    @reading
    def count_chats(self, tx: Transaction) -> dict[str, int]:
        """Open chats with a live subscription by kind, and "closed"."""
        rows = tx.fetch(
            "SELECT type, COUNT(*) AS number FROM chats c WHERE closed_at IS NULL AND EXISTS"
            " (SELECT 1 FROM subscriptions s WHERE s.chat_id = c.id AND s.ended_at IS NULL)"
            " GROUP BY type"
        )
        closed = tx.fetch("SELECT COUNT(*) AS number FROM chats WHERE closed_at IS NOT NULL")
        return {row["type"]: row["number"] for row in rows} | {"closed": closed[0]["number"]}


def _sends(tx: Transaction, story_id: int) -> tuple[int, int]:
    rows = tx.fetch(
        "SELECT d.state, COUNT(*) AS number FROM broadcasts b JOIN deliveries d"
        " ON d.broadcast_id = b.id AND d.action = 'send' WHERE b.story_id = :id GROUP BY d.state",
        id=story_id,
    )
    states = {row["state"]: row["number"] for row in rows}
    return states.get("sent", 0), states.get("failed", 0)
