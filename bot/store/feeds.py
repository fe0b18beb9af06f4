"""Feeds: which are polled when, what their polls led to, how they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.store.hubs import note_polled
from bot.store.newsroom import Recorded, record_sightings
from bot.store.rows import ms, to_feed, to_moment
from bot.store.transactional import Verbs, reading, transactional

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.store.newsroom import PollPlan
    from bot.types import FeedForPoll, FeedPage, KnownStory, Sighting


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How a feed does: for readiness, metrics and checks."""

    url: str
    polled_at: datetime | None
    failures: int
    error: str | None


class FeedVerbs(Verbs):
    """Queries and single-step writes over feeds."""

    @transactional
    def record_feeds(self, tx: Transaction, urls: Sequence[str], now: datetime) -> None:
        """Make the live feeds exactly these; a feed that comes back keeps its stories."""
        tx.execute("UPDATE feeds SET retired_at = :now WHERE retired_at IS NULL", now=ms(now))
        for url in urls:
            tx.execute(
                "INSERT INTO feeds (url, due_at) VALUES (:url, :now)"
                " ON CONFLICT (url) DO UPDATE SET retired_at = NULL",
                url=url,
                now=ms(now),
            )

    @transactional
    def claim_feeds(
        self, tx: Transaction, now: datetime, lease_until: datetime, limit: int
    ) -> list[FeedForPoll]:
        """Take feeds that are due, the longest due first, until `lease_until`."""
        rows = tx.fetch(
            "UPDATE feeds SET lease_until = :lease_until, attempt = attempt + 1,"
            " hasten_at = CASE WHEN hasten_at > :now THEN hasten_at END WHERE id IN ("
            " SELECT id FROM feeds WHERE retired_at IS NULL"
            " AND (due_at <= :now OR hasten_at <= :now)"
            " AND (lease_until IS NULL OR lease_until <= :now)"
            " ORDER BY due_at LIMIT :limit {skip_locked}) RETURNING *",
            now=ms(now),
            lease_until=ms(lease_until),
            limit=limit,
        )
        return [to_feed(row) for row in rows]

    @transactional
    def extend_feed_leases(
        self, tx: Transaction, feeds: Sequence[FeedForPoll], lease_until: datetime
    ) -> None:
        """Keep feeds under claim whose polls are not done yet."""
        tx.execute_many(
            "UPDATE feeds SET lease_until = :lease_until"
            " WHERE id = :id AND attempt = :attempt AND lease_until IS NOT NULL",
            [
                {"id": feed.id, "attempt": feed.attempt, "lease_until": ms(lease_until)}
                for feed in feeds
            ],
        )

    @transactional
    def record_poll(
        self,
        tx: Transaction,
        feed: FeedForPoll,
        page: FeedPage,
        new: Sequence[Sighting],
        revised: Sequence[tuple[KnownStory, Sighting]],
        plan: PollPlan,
    ) -> Recorded:
        """Write a poll's outcome whole: stories, revisions, broadcasts and the feed's state.

        Nothing is written, and nothing returned, where the claim has passed to someone else.
        """
        if not _release_feed(tx, feed, page, plan):
            return Recorded()
        recorded = record_sightings(tx, feed.id, new, revised, plan)
        note_polled(tx, feed.id, page, missed=bool(recorded.new), now=plan.now)
        return recorded

    @transactional
    def record_poll_failure(
        self, tx: Transaction, feed: FeedForPoll, reason: str, due_at: datetime, now: datetime
    ) -> None:
        """Note why a poll failed and when to try again."""
        tx.execute(
            "UPDATE feeds SET lease_until = NULL, due_at = :due_at, polled_at = :now,"
            " failures = failures + 1, error = :error WHERE id = :id AND attempt = :attempt",
            due_at=ms(due_at),
            now=ms(now),
            error=reason,
            id=feed.id,
            attempt=feed.attempt,
        )

    @reading
    def list_feed_health(self, tx: Transaction) -> list[FeedHealth]:
        """Health of every live feed."""
        rows = tx.fetch("SELECT * FROM feeds WHERE retired_at IS NULL ORDER BY id")
        return [
            FeedHealth(row["url"], to_moment(row["polled_at"]), row["failures"], row["error"])
            for row in rows
        ]

    @reading
    def find_feed(self, tx: Transaction, feed_id: int) -> FeedForPoll | None:
        """A live feed by its id, without a claim."""
        rows = tx.fetch("SELECT * FROM feeds WHERE id = :id AND retired_at IS NULL", id=feed_id)
        return to_feed(rows[0]) if rows else None

    @transactional
    def record_pushed(
        self,
        tx: Transaction,
        feed: FeedForPoll,
        new: Sequence[Sighting],
        revised: Sequence[tuple[KnownStory, Sighting]],
        plan: PollPlan,
    ) -> Recorded:
        """Write what came without a poll; the feed's own state is left as it is."""
        return record_sightings(tx, feed.id, new, revised, plan)


def _release_feed(tx: Transaction, feed: FeedForPoll, page: FeedPage, plan: PollPlan) -> bool:
    changed = tx.execute(
        "UPDATE feeds SET title = COALESCE(:title, title), etag = :etag,"
        " last_modified = :last_modified, body_hash = :body_hash, lease_until = NULL,"
        " due_at = :due_at, baseline_at = COALESCE(baseline_at, :now), polled_at = :now,"
        " failures = 0, error = NULL WHERE id = :id AND attempt = :attempt",
        title=page.title,
        etag=page.etag,
        last_modified=page.last_modified,
        body_hash=page.body_hash,
        due_at=ms(plan.due_at),
        now=ms(plan.now),
        id=feed.id,
        attempt=feed.attempt,
    )
    return changed == 1
