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

# A redirect for good is remembered after so many polls in a row.
MOVES_BELIEVED = 3
# So many failures in a row are worth telling.
FAILURES_BORNE = 3


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How a feed does: for readiness, metrics and checks.

    `found_url` is where it is polled where that is not its own address.
    """

    url: str
    polled_at: datetime | None
    failures: int
    error: str | None
    found_url: str | None = None
    failing_at: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeedAlert:
    """What editors are to know of a feed: `error` says why it fails, None says that it is back."""

    url: str
    title: str | None
    error: str | None
    failing_at: datetime | None


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
        """Take feeds that are due until `lease_until`: hastened ones, then the longest due."""
        rows = tx.fetch(
            "UPDATE feeds SET lease_until = :lease_until, attempt = attempt + 1,"
            " hasten_at = CASE WHEN hasten_at > :now THEN hasten_at END WHERE id IN ("
            " SELECT id FROM feeds WHERE retired_at IS NULL"
            " AND (due_at <= :now OR hasten_at <= :now)"
            " AND (lease_until IS NULL OR lease_until <= :now)"
            " ORDER BY CASE WHEN hasten_at <= :now THEN 0 ELSE 1 END, due_at"
            " LIMIT :limit {skip_locked}) RETURNING *",
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
        if recorded.new or recorded.revised:
            _note_change(tx, feed.id, plan.now)
        missed = len(recorded.new) > len(plan.unsent)
        note_polled(tx, feed.id, page, missed=missed, now=plan.now)
        return recorded

    @transactional
    def record_poll_failure(
        self, tx: Transaction, feed: FeedForPoll, reason: str, due_at: datetime, now: datetime
    ) -> None:
        """Note why a poll failed and when to try again."""
        tx.execute(
            "UPDATE feeds SET lease_until = NULL, due_at = :due_at, polled_at = :now,"
            " failures = failures + 1, error = :error, moves = 0, moved_to = NULL,"
            " failing_at = COALESCE(failing_at, :now) WHERE id = :id AND attempt = :attempt",
            due_at=ms(due_at),
            now=ms(now),
            error=reason,
            id=feed.id,
            attempt=feed.attempt,
        )

    @transactional
    def mark_lost(self, tx: Transaction, feed: FeedForPoll) -> None:
        """Forget where a feed was found: the address that the operator named counts again."""
        tx.execute(
            "UPDATE feeds SET found_url = NULL, etag = NULL, last_modified = NULL,"
            " body_hash = NULL WHERE id = :id AND found_url = :url",
            id=feed.id,
            url=feed.url,
        )

    @transactional
    def postpone_feed(self, tx: Transaction, feed: FeedForPoll, due_at: datetime) -> None:
        """Give a claim back unused until a moment."""
        tx.execute(
            "UPDATE feeds SET lease_until = NULL, due_at = :due_at"
            " WHERE id = :id AND attempt = :attempt",
            due_at=ms(due_at),
            id=feed.id,
            attempt=feed.attempt,
        )

    @reading
    def find_newest(self, tx: Transaction, feed_id: int) -> tuple[int, str] | None:
        """The id and the URL of the last story that a feed brought; None where it brought none."""
        rows = tx.fetch(
            "SELECT id, url FROM stories WHERE feed_id = :id"
            " ORDER BY seen_at DESC, id DESC LIMIT 1",
            id=feed_id,
        )
        return (rows[0]["id"], rows[0]["url"]) if rows else None

    @transactional
    def claim_alerts(self, tx: Transaction, now: datetime, since: datetime) -> list[FeedAlert]:
        """Take what editors are to be told of feeds, each once.

        A feed is told of that has failed at least FAILURES_BORNE times in a row since a moment or
        longer, and again when it works.
        """
        failing = tx.fetch(
            "UPDATE feeds SET alerted_at = :now WHERE retired_at IS NULL AND alerted_at IS NULL"
            " AND failures >= :failures AND failing_at <= :since RETURNING url, title, error,"
            " failing_at",
            now=ms(now),
            failures=FAILURES_BORNE,
            since=ms(since),
        )
        back = tx.fetch(
            "UPDATE feeds SET alerted_at = NULL WHERE alerted_at IS NOT NULL AND failures = 0"
            " AND retired_at IS NULL RETURNING url, title, error, failing_at"
        )
        return [
            FeedAlert(row["url"], row["title"], row["error"], to_moment(row["failing_at"]))
            for row in [*failing, *back]
        ]

    @reading
    def list_feed_health(self, tx: Transaction) -> list[FeedHealth]:
        """Health of every live feed."""
        rows = tx.fetch("SELECT * FROM feeds WHERE retired_at IS NULL ORDER BY id")
        return [
            FeedHealth(
                url=row["url"],
                polled_at=to_moment(row["polled_at"]),
                failures=row["failures"],
                error=row["error"],
                found_url=row["found_url"],
                failing_at=to_moment(row["failing_at"]),
                changed_at=to_moment(row["changed_at"]),
            )
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
        recorded = record_sightings(tx, feed.id, new, revised, plan)
        if recorded.new or recorded.revised:
            _note_change(tx, feed.id, plan.now)
        return recorded


def _note_change(tx: Transaction, feed_id: int, now: datetime) -> None:
    tx.execute("UPDATE feeds SET changed_at = :now WHERE id = :id", now=ms(now), id=feed_id)


def _release_feed(tx: Transaction, feed: FeedForPoll, page: FeedPage, plan: PollPlan) -> bool:
    again = page.moved_to is not None and page.moved_to == feed.moved_to
    moves = feed.moves + 1 if again else int(page.moved_to is not None)
    changed = tx.execute(
        "UPDATE feeds SET title = COALESCE(:title, title), etag = :etag,"
        " last_modified = :last_modified, body_hash = :body_hash, lease_until = NULL,"
        " due_at = :due_at, polled_at = :now, failures = 0, error = NULL, failing_at = NULL,"
        " changed_at = CASE WHEN baseline_at IS NULL THEN :now ELSE changed_at END,"
        " baseline_at = COALESCE(baseline_at, :now), found_url = COALESCE(:found_url, found_url),"
        " site_at = CASE WHEN :is_site = 1 THEN :now ELSE site_at END,"
        " moved_to = :moved_to, moves = :moves, repeats = :repeats, pace_ms = :pace_ms,"
        " gap_after = :gap_after, gap_polls = :gap_polls"
        " WHERE id = :id AND attempt = :attempt",
        found_url=page.found_url or (page.moved_to if moves >= MOVES_BELIEVED else None),
        is_site=int(page.found_url is not None),
        moved_to=page.moved_to,
        moves=moves,
        repeats=page.repeats,
        pace_ms=None if page.pace_s is None else round(page.pace_s * 1000),
        gap_after=plan.gap_after,
        gap_polls=0 if plan.gap_after is None else feed.gap_polls + 1,
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
