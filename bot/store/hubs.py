"""WebSub hubs: what we asked of them, what they pushed; and feeds that are to be polled at once."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.store.rows import ms, to_moment
from bot.store.transactional import Verbs, reading, transactional
from bot.types import Hub, Push, PushBody

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import FeedPage, Row

LONGEST_URL_CHARS = 2000
MOST_WAITING_PUSHES = 20
# How much less often a feed is polled, as a net, while its hub tells of each story.
TRUSTING_TIMES = 10
SLOWEST_TRUSTING_MS = 600_000
DENIED_FOR = timedelta(days=1)
# A site behind several caches may name one hub now and another one then.
NAMED_AGAIN_AFTER_MS = 600_000
# A hub whose request was answered, but did not hear so, asks once more.
CONFIRMED_AGAIN_WITHIN_MS = 60_000
ASKED_AGAIN_AFTER_MS = 3_600_000
HASTENED_AGAIN_AFTER_MS = 1_000
FAILING_HASTENED_AGAIN_AFTER_MS = 10_000

_LIVE = (
    "(h.dropped_at IS NULL AND EXISTS"
    " (SELECT 1 FROM feeds f WHERE f.id = h.feed_id AND f.retired_at IS NULL))"
)
_DUE = (
    "(h.lease_until IS NULL OR h.lease_until <= :now) AND"
    f" ({_LIVE} AND (h.due_at <= :now OR h.asked = 'unsubscribe' OR h.public_url <> :public_url)"
    f" OR NOT {_LIVE} AND h.state = 'verified' AND (h.due_at <= :now OR h.asked = 'subscribe'))"
)
_ANSWERED = "(state = 'denied' OR (confirmed_at IS NOT NULL AND confirmed_at >= asked_at))"
_LAPSED = "state = 'verified' AND ends_at <= :now"


@dataclass(frozen=True, slots=True)
class HubDoor:
    """What a hub's call is judged by; `wanted` says that we still want its pushes."""

    id: int
    feed_id: int
    secret: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class HubHealth:
    """A live feed's hub: `state` is idle, verified or denied; `trusted` slows the polling down."""

    feed_url: str
    hub_url: str
    state: str
    ends_at: datetime | None
    delivered_at: datetime | None
    trusted: bool
    error: str | None


class HubVerbs(Verbs):
    """Queries and single-step writes over hubs and their pushes."""

    @reading
    def has_hub_work(self, tx: Transaction, now: datetime, public_url: str) -> bool:
        """Whether a hub is to be asked, or a lease has ended."""
        sql = f"SELECT 1 FROM hubs h WHERE ({_DUE}) OR ({_LAPSED}) LIMIT 1"
        return bool(tx.fetch(sql, now=ms(now), public_url=public_url))

    @transactional
    def claim_hubs(
        self, tx: Transaction, now: datetime, lease_until: datetime, public_url: str, limit: int
    ) -> list[Hub]:
        """Take hubs that are to be asked, the longest due first; what is asked is then pending.

        A lease that has ended without renewal is noted first: its feed is polled at full pace.
        """
        lapsed = tx.fetch(
            f"UPDATE hubs SET state = 'idle' WHERE {_LAPSED} RETURNING feed_id", now=ms(now)
        )
        for row in lapsed:
            _distrust(tx, row["feed_id"], now)
        rows = tx.fetch(
            "UPDATE hubs AS h SET lease_until = :lease_until, attempt = attempt + 1,"
            " failures = failures + 1, asked_at = :now, public_url = :public_url,"
            " state = CASE WHEN state = 'denied' THEN 'idle' ELSE state END,"
            f" asked = CASE WHEN {_LIVE} THEN 'subscribe' ELSE 'unsubscribe' END"
            f" WHERE id IN (SELECT h.id FROM hubs h WHERE {_DUE}"
            " ORDER BY h.due_at LIMIT :limit {skip_locked}) RETURNING *",
            now=ms(now),
            lease_until=ms(lease_until),
            public_url=public_url,
            limit=limit,
        )
        return [_to_hub(row) for row in rows]

    @transactional
    def record_asked(self, tx: Transaction, hub: Hub, error: str | None, due_at: datetime) -> None:
        """Note how a request went, and when it is made again unless the hub has answered it."""
        tx.execute(
            f"UPDATE hubs SET lease_until = NULL,"
            f" error = CASE WHEN {_ANSWERED} THEN error ELSE :error END,"
            f" due_at = CASE WHEN {_ANSWERED} THEN due_at ELSE :due_at END"
            " WHERE id = :id AND attempt = :attempt",
            error=error,
            due_at=ms(due_at),
            id=hub.id,
            attempt=hub.attempt,
        )

    @reading
    def find_hub_door(self, tx: Transaction, token: str) -> HubDoor | None:
        """The hub that knows a callback."""
        rows = tx.fetch(
            f"SELECT h.id, h.feed_id, h.secret, CASE WHEN {_LIVE} THEN 1 ELSE 0 END AS wanted"
            " FROM hubs h WHERE h.token = :token",
            token=token,
        )
        return next(
            (
                HubDoor(row["id"], row["feed_id"], row["secret"], bool(row["wanted"]))
                for row in rows
            ),
            None,
        )

    @transactional
    def confirm_subscription(
        self, tx: Transaction, token: str, topic_url: str, lease: timedelta, now: datetime
    ) -> bool:
        """Begin a lease that we asked for; false where we did not. Renewed after two thirds."""
        changed = tx.execute(
            "UPDATE hubs AS h SET state = 'verified', confirmed_at = :now, ends_at = :ends_at,"
            " due_at = :due_at, failures = 0, error = NULL"
            f" WHERE token = :token AND topic_url = :topic_url AND asked = 'subscribe' AND {_LIVE}"
            " AND (confirmed_at IS NULL OR confirmed_at < asked_at OR confirmed_at > :recently)",
            token=token,
            topic_url=topic_url,
            now=ms(now),
            ends_at=ms(now + lease),
            due_at=ms(now + lease * 2 / 3),
            recently=ms(now) - CONFIRMED_AGAIN_WITHIN_MS,
        )
        if changed:
            tx.execute(
                "UPDATE feeds SET hub_until = :ends_at WHERE hub_until IS NOT NULL"
                " AND id = (SELECT feed_id FROM hubs WHERE token = :token)",
                ends_at=ms(now + lease),
                token=token,
            )
        return changed == 1

    @transactional
    def confirm_end(self, tx: Transaction, token: str, topic_url: str, now: datetime) -> bool:
        """End a lease that we asked to end; false where we did not."""
        changed = tx.execute(
            "UPDATE hubs AS h SET state = 'idle', confirmed_at = :now, ends_at = NULL,"
            " failures = 0, error = NULL WHERE token = :token AND topic_url = :topic_url"
            f" AND asked = 'unsubscribe' AND NOT {_LIVE}",
            token=token,
            topic_url=topic_url,
            now=ms(now),
        )
        if changed:
            tx.execute(
                "UPDATE feeds SET hub_until = NULL"
                " WHERE id = (SELECT feed_id FROM hubs WHERE token = :token)",
                token=token,
            )
        return changed == 1

    @transactional
    def record_denial(
        self,
        tx: Transaction,
        token: str,
        topic_url: str,
        reason: str,
        now: datetime,
    ) -> bool:
        """Note that a hub denies us a topic: asked again after a day; false for another topic."""
        rows = tx.fetch(
            "UPDATE hubs SET state = 'denied', error = :reason, due_at = :until, ends_at = NULL,"
            " lease_until = NULL WHERE token = :token AND topic_url = :topic_url"
            " RETURNING feed_id",
            token=token,
            topic_url=topic_url,
            reason=reason,
            until=ms(now + DENIED_FOR),
        )
        for row in rows:
            _distrust(tx, row["feed_id"], now)
        return bool(rows)

    @transactional
    def record_push(self, tx: Transaction, door: HubDoor, sent: PushBody, now: datetime) -> bool:
        """Keep a push for later; where too many wait already, its feed is polled instead."""
        waiting = tx.fetch("SELECT COUNT(*) AS n FROM hub_pushes WHERE hub_id = :id", id=door.id)
        if waiting[0]["n"] >= MOST_WAITING_PUSHES:
            hasten(tx, door.feed_id, now)
            return False
        tx.execute(
            "INSERT INTO hub_pushes (hub_id, body, content_type, encoding, links, received_at)"
            " VALUES (:hub_id, :body, :content_type, :encoding, :links, :now)",
            hub_id=door.id,
            body=base64.b64encode(sent.body).decode(),
            content_type=sent.content_type,
            encoding=sent.encoding,
            links=sent.links,
            now=ms(now),
        )
        return True

    @transactional
    def count_push(self, tx: Transaction, outcome: str) -> None:
        """Count what became of a push."""
        _count(tx, outcome)

    @reading
    def has_pushes(self, tx: Transaction) -> bool:
        """Whether a push waits."""
        return bool(tx.fetch("SELECT 1 FROM hub_pushes LIMIT 1"))

    @transactional
    def claim_push(self, tx: Transaction, now: datetime, lease_until: datetime) -> Push | None:
        """Take the oldest push that waits; those of one hub are taken one after the other."""
        rows = tx.fetch(
            "UPDATE hub_pushes SET lease_until = :lease_until, attempt = attempt + 1"
            " WHERE id = (SELECT p.id FROM hub_pushes p"
            " WHERE (p.lease_until IS NULL OR p.lease_until <= :now) AND NOT EXISTS"
            " (SELECT 1 FROM hub_pushes e WHERE e.hub_id = p.hub_id AND e.id < p.id)"
            " ORDER BY p.id LIMIT 1 {skip_locked}) RETURNING *",
            now=ms(now),
            lease_until=ms(lease_until),
        )
        if not rows:
            return None
        hub = tx.fetch(
            "SELECT h.feed_id, h.topic_url, f.url FROM hubs h JOIN feeds f ON f.id = h.feed_id"
            " WHERE h.id = :id",
            id=rows[0]["hub_id"],
        )[0]
        return _to_push(rows[0], hub)

    @transactional
    def record_push_taken(
        self,
        tx: Transaction,
        push: Push,
        new: Sequence[int],
        known: Sequence[int],
        now: datetime,
    ) -> None:
        """A push is done: what stories it brought, and which it told that were there already.

        It proves the hub alive if the feed's latest story is among them, and is none that was there
        before the hub: then polling may be slow until its lease ends.
        """
        if not _settle(tx, push, "taken"):
            return
        tx.execute(
            "UPDATE hubs SET delivered_at = :now WHERE id = :id", now=ms(now), id=push.hub_id
        )
        latest = tx.fetch(
            "SELECT s.id, s.seen_at > h.named_at AS later FROM stories s"
            " JOIN hubs h ON h.id = :hub_id WHERE s.feed_id = :id"
            " ORDER BY s.seen_at DESC, s.id DESC LIMIT 1",
            hub_id=push.hub_id,
            id=push.feed_id,
        )
        if latest and latest[0]["id"] in (*new, *(known if latest[0]["later"] else ())):
            tx.execute(
                "UPDATE feeds SET hub_until = (SELECT ends_at FROM hubs WHERE id = :hub_id"
                " AND state = 'verified' AND dropped_at IS NULL) WHERE id = :id",
                hub_id=push.hub_id,
                id=push.feed_id,
            )

    @transactional
    def record_push_ignored(self, tx: Transaction, push: Push, reason: str, now: datetime) -> None:
        """A push is done, without effect but that its feed is polled."""
        if _settle(tx, push, reason):
            hasten(tx, push.feed_id, now)

    @transactional
    def hasten_feeds(self, tx: Transaction, feed_ids: Sequence[int], now: datetime) -> None:
        """Have feeds polled at once, or once more after a poll that is under way.

        Not twice within a second, nor within ten where the feed fails: then when that is over.
        """
        for feed_id in feed_ids:
            hasten(tx, feed_id, now)

    @transactional
    def hasten_trusting_feeds(self, tx: Transaction, now: datetime) -> None:
        """Have the feeds polled whose hubs may have pushed while nobody listened."""
        rows = tx.fetch("SELECT id FROM feeds WHERE hub_until IS NOT NULL AND retired_at IS NULL")
        for row in rows:
            hasten(tx, row["id"], now)

    @transactional
    def forget_hubs(self, tx: Transaction, before: datetime) -> None:
        """Forget hubs that their feeds have not named since a moment."""
        tx.execute(
            "DELETE FROM hubs WHERE dropped_at < :before AND state <> 'verified' AND NOT EXISTS"
            " (SELECT 1 FROM hub_pushes p WHERE p.hub_id = hubs.id)",
            before=ms(before),
        )

    @reading
    def list_feed_places(self, tx: Transaction) -> list[tuple[int, str]]:
        """Id and address of every live feed."""
        rows = tx.fetch("SELECT id, url FROM feeds WHERE retired_at IS NULL ORDER BY id")
        return [(row["id"], row["url"]) for row in rows]

    @reading
    def list_hub_health(self, tx: Transaction, now: datetime) -> list[HubHealth]:
        """The hub of every live feed that has one."""
        rows = tx.fetch(
            "SELECT h.*, f.url, f.hub_until FROM hubs h JOIN feeds f ON f.id = h.feed_id"
            " WHERE h.dropped_at IS NULL AND f.retired_at IS NULL ORDER BY h.id"
        )
        return [
            HubHealth(
                feed_url=row["url"],
                hub_url=row["hub_url"],
                state=row["state"],
                ends_at=to_moment(row["ends_at"]),
                delivered_at=to_moment(row["delivered_at"]),
                trusted=(row["hub_until"] or 0) > ms(now),
                error=row["error"],
            )
            for row in rows
        ]

    @reading
    def count_pushes(self, tx: Transaction) -> dict[str, int]:
        """How many pushes came to each outcome."""
        rows = tx.fetch("SELECT outcome, count FROM hub_counts ORDER BY outcome")
        return {row["outcome"]: row["count"] for row in rows}


def note_polled(
    tx: Transaction, feed_id: int, page: FeedPage, *, missed: bool, now: datetime
) -> None:
    """Draw from a poll what it says of the feed's hub.

    A poll that found a story which the hub had not pushed (`missed`) ends the trust in it; while
    that lasts, the next poll is put off. The hub that the feed names is kept.
    """
    if missed:
        _note_missed(tx, feed_id, now)
    slow_ms = f"(due_at - :now) * {TRUSTING_TIMES}"
    tx.execute(
        f"UPDATE feeds SET due_at = :now + CASE WHEN {slow_ms} > :slowest THEN :slowest"
        f" ELSE {slow_ms} END WHERE id = :id AND hub_until > :now AND due_at < :now + :slowest",
        slowest=SLOWEST_TRUSTING_MS,
        now=ms(now),
        id=feed_id,
    )
    if page.entries is not None:
        _note_hub(tx, feed_id, page, now)


def hasten(tx: Transaction, feed_id: int, now: datetime) -> None:
    """Have one feed polled at once; see `HubVerbs.hasten_feeds`."""
    again_at = (
        "CASE WHEN hastened_at + (CASE WHEN failures > 0 THEN :long ELSE :short END) > :now"
        " THEN hastened_at + (CASE WHEN failures > 0 THEN :long ELSE :short END) ELSE :now END"
    )
    tx.execute(
        f"UPDATE feeds SET hasten_at = {again_at}, hastened_at = {again_at}"
        " WHERE id = :id AND retired_at IS NULL AND hasten_at IS NULL",
        now=ms(now),
        long=FAILING_HASTENED_AGAIN_AFTER_MS,
        short=HASTENED_AGAIN_AFTER_MS,
        id=feed_id,
    )


def _note_missed(tx: Transaction, feed_id: int, now: datetime) -> None:
    """End the trust in a hub, and ask it soon again: it may have forgotten us."""
    tx.execute("UPDATE feeds SET hub_until = NULL WHERE id = :id", id=feed_id)
    again_at = "CASE WHEN asked_at + :pause > :now THEN asked_at + :pause ELSE :now END"
    tx.execute(
        f"UPDATE hubs SET due_at = {again_at} WHERE feed_id = :feed_id"
        f" AND dropped_at IS NULL AND state = 'verified' AND due_at > {again_at}",
        now=ms(now),
        pause=ASKED_AGAIN_AFTER_MS,
        feed_id=feed_id,
    )


def _note_hub(tx: Transaction, feed_id: int, page: FeedPage, now: datetime) -> None:
    """Keep which hub a feed names; one that it no longer names is to be left."""
    hub_url, topic_url = page.hub_url, page.self_url or page.url
    if hub_url and max(len(hub_url), len(topic_url)) > LONGEST_URL_CHARS:
        hub_url = None
    held = tx.fetch(
        "SELECT id, hub_url, topic_url, named_at FROM hubs"
        " WHERE feed_id = :feed_id AND dropped_at IS NULL",
        feed_id=feed_id,
    )
    if held:
        if (held[0]["hub_url"], held[0]["topic_url"]) == (hub_url, topic_url):
            return
        if ms(now) - held[0]["named_at"] < NAMED_AGAIN_AFTER_MS:
            return
        tx.execute(
            "UPDATE hubs SET dropped_at = :now WHERE id = :id", now=ms(now), id=held[0]["id"]
        )
        tx.execute("UPDATE feeds SET hub_until = NULL WHERE id = :id", id=feed_id)
    if hub_url:
        _name_hub(tx, feed_id, hub_url, topic_url, now)


def _name_hub(tx: Transaction, feed_id: int, hub_url: str, topic_url: str, now: datetime) -> None:
    tx.execute(
        "INSERT INTO hubs (feed_id, hub_url, topic_url, token, secret, state, due_at, named_at)"
        " VALUES (:feed_id, :hub_url, :topic_url, :token, :secret, 'idle', :now, :now)"
        " ON CONFLICT (feed_id, hub_url, topic_url) DO UPDATE SET dropped_at = NULL,"
        " named_at = :now,"
        " due_at = CASE WHEN hubs.state = 'idle' THEN :now ELSE hubs.due_at END",
        feed_id=feed_id,
        hub_url=hub_url,
        topic_url=topic_url,
        token=secrets.token_urlsafe(24),
        secret=secrets.token_urlsafe(48),
        now=ms(now),
    )


def _distrust(tx: Transaction, feed_id: int, now: datetime) -> None:
    """Poll a feed at full pace, and at once if it was polled slowly."""
    changed = tx.execute(
        "UPDATE feeds SET hub_until = NULL WHERE id = :id AND hub_until IS NOT NULL", id=feed_id
    )
    if changed:
        hasten(tx, feed_id, now)


def _settle(tx: Transaction, push: Push, outcome: str) -> bool:
    """Take a push off the table; false where another worker has it by now."""
    changed = tx.execute(
        "DELETE FROM hub_pushes WHERE id = :id AND attempt = :attempt",
        id=push.id,
        attempt=push.attempt,
    )
    if changed:
        _count(tx, outcome)
    return changed == 1


def _count(tx: Transaction, outcome: str) -> None:
    tx.execute(
        "INSERT INTO hub_counts (outcome, count) VALUES (:outcome, 1)"
        " ON CONFLICT (outcome) DO UPDATE SET count = hub_counts.count + 1",
        outcome=outcome,
    )


def _to_hub(row: Row) -> Hub:
    return Hub(
        id=row["id"],
        hub_url=row["hub_url"],
        topic_url=row["topic_url"],
        token=row["token"],
        secret=row["secret"],
        mode=row["asked"],
        attempt=row["attempt"],
        failures=row["failures"],
        ends_at=to_moment(row["ends_at"]) if row["state"] == "verified" else None,
    )


def _to_push(row: Row, hub: Row) -> Push:
    return Push(
        id=row["id"],
        hub_id=row["hub_id"],
        feed_id=hub["feed_id"],
        feed_url=hub["url"],
        topic_url=hub["topic_url"],
        attempt=row["attempt"],
        sent=PushBody(
            body=base64.b64decode(row["body"]),
            content_type=row["content_type"],
            encoding=row["encoding"],
            links=row["links"],
        ),
    )
