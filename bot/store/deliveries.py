"""The outbox: claims under a lease, outcomes behind an attempt's fence, known message ids.

Message ids are noted by *space*: channels and supergroups number their own messages one by one, so
each is a space of its own (its row's id); private chats and basic groups share one counter for the
whole bot account, which is space 0. Source: Bot API server and TDLib; the issue of unknown
outcomes rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.store.audience import close_chat, move_chat
from bot.store.rows import id_list, load_message, ms, to_delivery, to_moment
from bot.store.transactional import Verbs, reading, transactional
from bot.types import Action, ChatType, DeliveryState, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Delivery, Message, Outcome, Verdict

SHARED_SPACE = 0
CHAT_INTERVAL_MS = 1005
# 20 a minute, with room for the clocks' difference.
GROUP_INTERVAL_MS = 3050
LONGEST_INTERVAL_MS = 60_000
REFUSALS_BEFORE_CLOSING = 5
KEEP_KNOWN = timedelta(days=1)
# How far neighbours in the order of the deliveries may be apart.
NEIGHBOURHOOD = 500
ENDLESS = 2**62

READY = (
    "d.state = 'pending' AND d.due_at <= :now AND c.next_at <= :now"
    " AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.chat_id = d.chat_id"
    " AND o.state IN ('sending', 'unknown'))"
    " AND NOT EXISTS (SELECT 1 FROM deliveries p WHERE p.chat_id = d.chat_id"
    " AND p.state = 'pending' AND (p.lane, p.id) < (d.lane, d.id))"
)
# The words of a partial index's condition: SQLite uses it only where it reads them.
UNDER_WAY = "state IN ('sending', 'unknown')"
IS_RETRACTED = (
    "deliveries.action <> 'retract' AND EXISTS (SELECT 1 FROM broadcasts b"
    " WHERE b.id = deliveries.broadcast_id AND (b.state = 'retracted'"
    " OR b.stopped_at IS NOT NULL AND deliveries.action = 'send'))"
)
# What becomes of a delivery that had no effect.
AGAIN = (
    f"CASE WHEN {IS_RETRACTED} THEN 'cancelled' WHEN EXISTS (SELECT 1 FROM chats c"
    " WHERE c.id = deliveries.chat_id AND c.closed_at IS NOT NULL)"
    " THEN 'failed' ELSE 'pending' END"
)
# The message that an edit or a retraction is about; a send has none.
SENT_MESSAGE = (
    "(SELECT o.message_id FROM deliveries o WHERE d.action <> 'send'"
    " AND o.broadcast_id = d.broadcast_id AND o.action = 'send' AND o.chat_id = d.chat_id"
    " AND o.thread_id = d.thread_id AND o.state = 'sent')"
)


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """Who claims, how many at most, and until when."""

    worker: str
    limit: int
    now: datetime
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class NotedMessage:
    """A message id that the bot has learned in a chat."""

    telegram_id: int
    type: ChatType
    message_id: int


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A delivery of which nobody knows whether it arrived, for an editor to look at."""

    id: int
    story: str
    chat: str


@dataclass(frozen=True, slots=True)
class KnownIds:
    """What is known of the ids in a delivery's space since its floor.

    `known` are ids above the floor, `unknown_deliveries` how many sends in that space are not
    settled.
    """

    known: frozenset[int]
    unknown_deliveries: int


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A send whose message id is known, claimed shortly before or after an unknown one."""

    id: int
    floor_id: int | None
    message_id: int


@dataclass(frozen=True, slots=True)
class OutboxHealth:
    """How the outbox does: deliveries by state, and since when the oldest due one waits."""

    counts: dict[DeliveryState, int]
    oldest_due_at: datetime | None


class DeliveryVerbs(Verbs):
    """Queries and single-step writes over deliveries and known messages."""

    @transactional
    def exchange(
        self, tx: Transaction, outcomes: Sequence[Outcome], plan: ClaimPlan
    ) -> list[Delivery]:
        """Record what became of deliveries and claim the next, in one commit.

        At most one delivery a chat is claimed, retractions first, then corrections, urgent and
        routine stories, oldest first. A chat in which something is under way or unknown is left
        alone, and so is one whose pace or server asks to wait. Each claimed row says *sending*.
        """
        _record(tx, outcomes, plan.now)
        return _claim(tx, plan) if plan.limit > 0 else []

    @transactional
    def extend_leases(self, tx: Transaction, worker: str, lease_until: datetime) -> int:
        """Keep what a worker has under way; others see by it that the worker lives."""
        return tx.execute(
            "UPDATE deliveries SET lease_until = :lease_until"
            " WHERE state IN ('sending', 'unknown') AND worker = :worker",
            lease_until=ms(lease_until),
            worker=worker,
        )

    @transactional
    def release_lapsed(self, tx: Transaction, now: datetime) -> int:
        """Deliveries whose worker died: sends become unknown, what can be repeated is due again."""
        reason = "the process ended while sending"
        lapsed = tx.execute(
            "UPDATE deliveries SET state = 'unknown', error = :reason, lease_until = :now,"
            f" worker = NULL WHERE {UNDER_WAY} AND state = 'sending' AND lease_until <= :now"
            " AND action = 'send'",
            reason=reason,
            now=ms(now),
        )
        return lapsed + tx.execute(
            f"UPDATE deliveries SET state = {AGAIN}, error = :reason, lease_until = NULL,"
            f" worker = NULL WHERE {UNDER_WAY} AND state = 'sending' AND lease_until <= :now"
            " AND action <> 'send'",
            reason=reason,
            now=ms(now),
        )

    @transactional
    def claim_unknown(self, tx: Transaction, plan: ClaimPlan) -> list[Delivery]:
        """Take unknown deliveries whose time to be probed has come, oldest first."""
        rows = tx.fetch(
            "UPDATE deliveries SET attempt = attempt + 1, worker = :worker,"
            " lease_until = :lease_until WHERE id IN (SELECT id FROM deliveries"
            " WHERE state = 'unknown' AND lease_until <= :now ORDER BY id LIMIT :limit"
            " {skip_locked}) RETURNING id",
            worker=plan.worker,
            lease_until=ms(plan.lease_until),
            now=ms(plan.now),
            limit=plan.limit,
        )
        return _load(tx, [row["id"] for row in rows])

    @reading
    def find_known_ids(
        self, tx: Transaction, delivery: Delivery, last: int | None = None
    ) -> KnownIds:
        """What is known of the ids among which an unknown send may have got its own.

        Unsettled sends that began above `last` are not counted.
        """
        space = space_of(delivery.chat_type, delivery.chat_id)
        known = tx.fetch(
            "SELECT message_id FROM known_messages WHERE space = :space AND message_id > :floor",
            space=space,
            floor=delivery.floor_id or 0,
        )
        unknown = tx.fetch(
            "SELECT COUNT(*) AS number FROM deliveries d JOIN chats c ON c.id = d.chat_id"
            " WHERE d.state IN ('sending', 'unknown') AND d.action = 'send'"
            " AND (d.chat_id = :space OR (:space = 0 AND c.type IN ('private', 'group')))"
            " AND COALESCE(d.floor_id, 0) <= :last",
            space=space,
            last=ENDLESS if last is None else last,
        )
        return KnownIds(frozenset(row["message_id"] for row in known), unknown[0]["number"])

    @reading
    def list_neighbours(self, tx: Transaction, delivery: Delivery) -> list[Neighbour]:
        """The nearest sends before and after an unknown one whose ids are of its space.

        Only sends to private chats and groups, whose ids are counted together.
        """
        found = []
        for side, order in (("<", "DESC"), (">", "ASC")):
            found += tx.fetch(
                "SELECT d.id, d.floor_id, d.message_id FROM deliveries d"
                " JOIN chats c ON c.id = d.chat_id WHERE d.state = 'sent' AND d.action = 'send'"
                " AND c.type IN ('private', 'group') AND d.message_id > :floor"
                f" AND d.id {side} :id AND d.id BETWEEN :id - {NEIGHBOURHOOD}"
                f" AND :id + {NEIGHBOURHOOD} ORDER BY d.id {order} LIMIT 1",
                id=delivery.id,
                floor=delivery.floor_id or 0,
            )
        return [Neighbour(row["id"], row["floor_id"], row["message_id"]) for row in found]

    @transactional
    def settle_unknown(
        self, tx: Transaction, delivery: Delivery, verdict: Verdict, probes: int, now: datetime
    ) -> bool:
        """Record how an unknown delivery was settled, or stays unknown, and by how many probes."""
        tx.execute(
            "UPDATE deliveries SET probes = probes + :probes WHERE id = :id",
            probes=probes,
            id=delivery.id,
        )
        return _settle(tx, delivery, verdict, now)

    @transactional
    def claim_unconfirmed(self, tx: Transaction, now: datetime, limit: int) -> list[Unconfirmed]:
        """Take deliveries that no probe could settle and no editor has been asked about."""
        rows = tx.fetch(
            "UPDATE deliveries SET asked_at = :now WHERE id IN (SELECT id FROM deliveries"
            " WHERE unconfirmed_at IS NOT NULL AND asked_at IS NULL ORDER BY id LIMIT :limit"
            " {skip_locked}) RETURNING id",
            now=ms(now),
            limit=limit,
        )
        if not rows:
            return []
        found = tx.fetch(
            "SELECT d.id, s.title AS story, c.title, c.username FROM deliveries d"
            " JOIN chats c ON c.id = d.chat_id JOIN broadcasts b ON b.id = d.broadcast_id"
            " JOIN stories s ON s.id = b.story_id"
            f" WHERE d.id IN ({id_list(row['id'] for row in rows)}) ORDER BY d.id"
        )
        return [
            Unconfirmed(row["id"], row["story"], row["title"] or row["username"] or "?")
            for row in found
        ]

    @transactional
    def decide_unconfirmed(
        self, tx: Transaction, delivery_id: int, *, again: bool, now: datetime
    ) -> bool:
        """Send an unconfirmed delivery again or leave it; False where somebody has decided."""
        changed = tx.execute(
            "UPDATE deliveries SET unconfirmed_at = NULL,"
            f" state = '{'pending' if again else 'failed'}', due_at = :now"
            " WHERE id = :id AND unconfirmed_at IS NOT NULL AND state = 'failed'"
            f" AND NOT ({IS_RETRACTED})",
            now=ms(now),
            id=delivery_id,
        )
        return changed == 1

    @transactional
    def note_messages(
        self, tx: Transaction, messages: Sequence[NotedMessage], now: datetime
    ) -> None:
        """Note message ids that the bot has learned: of answers and of incoming messages."""
        note_messages(tx, messages, now)

    @transactional
    def forget_known(self, tx: Transaction, now: datetime) -> int:
        """Forget old ids, but none that an unsettled send may need and never a space's newest."""
        return tx.execute(
            "DELETE FROM known_messages WHERE noted_at < :before AND NOT EXISTS"
            " (SELECT 1 FROM deliveries WHERE state IN ('sending', 'unknown'))"
            " AND message_id < (SELECT MAX(k.message_id) FROM known_messages k"
            " WHERE k.space = known_messages.space)",
            before=ms(now - KEEP_KNOWN),
        )

    @reading
    def find_message(self, tx: Transaction, broadcast_id: int, revision: int) -> Message | None:
        """The message of a broadcast as it was at a revision."""
        rows = tx.fetch(
            "SELECT message FROM broadcast_messages"
            " WHERE broadcast_id = :broadcast_id AND revision = :revision",
            broadcast_id=broadcast_id,
            revision=revision,
        )
        return load_message(rows[0]["message"]) if rows else None

    @reading
    def outbox_health(self, tx: Transaction) -> OutboxHealth:
        """Deliveries by state and the oldest one that waits."""
        rows = tx.fetch("SELECT state, COUNT(*) AS number FROM deliveries GROUP BY state")
        oldest = tx.fetch("SELECT MIN(due_at) AS due_at FROM deliveries WHERE state = 'pending'")
        return OutboxHealth(
            {DeliveryState(row["state"]): row["number"] for row in rows},
            to_moment(oldest[0]["due_at"]),
        )


def note_messages(tx: Transaction, messages: Sequence[NotedMessage], now: datetime) -> None:
    """Note message ids in their spaces; a chat that is not on record has none yet."""
    noted = []
    for message in messages:
        if message.type in {ChatType.PRIVATE, ChatType.GROUP}:
            noted.append((SHARED_SPACE, message.message_id))
            continue
        rows = tx.fetch("SELECT id FROM chats WHERE telegram_id = :id", id=message.telegram_id)
        noted += [(row["id"], message.message_id) for row in rows]
    _note(tx, noted, now)


def space_of(chat_type: ChatType, chat_id: int) -> int:
    """Where a chat's message ids are counted."""
    return SHARED_SPACE if chat_type in {ChatType.PRIVATE, ChatType.GROUP} else chat_id


def _claim(tx: Transaction, plan: ClaimPlan) -> list[Delivery]:
    rows = tx.fetch(
        "SELECT d.id, d.broadcast_id, b.revision, d.action, d.chat_id, d.thread_id, d.silent_at,"
        " d.preview, d.attempt + 1 AS attempt, d.failures, d.probes, c.telegram_id, c.username,"
        f" c.type, {SENT_MESSAGE} AS message_id, (SELECT MAX(k.message_id) FROM known_messages k"
        " WHERE k.space = CASE WHEN c.type IN ('private', 'group') THEN 0 ELSE d.chat_id END)"
        " AS floor_id FROM deliveries d JOIN chats c ON c.id = d.chat_id"
        f" JOIN broadcasts b ON b.id = d.broadcast_id WHERE {READY}"
        " ORDER BY d.lane, d.id LIMIT :limit {skip_locked_d}",
        now=ms(plan.now),
        limit=plan.limit,
    )
    if not rows:
        return []
    claimed = ", ".join(f"({row['id']}, {row['revision']}, {row['floor_id'] or 0})" for row in rows)
    tx.execute(
        f"WITH claimed (id, revision, floor_id) AS (VALUES {claimed})"
        " UPDATE deliveries SET state = 'sending', attempt = attempt + 1, worker = :worker,"
        " lease_until = :lease_until, revision = claimed.revision,"
        " floor_id = NULLIF(claimed.floor_id, 0) FROM claimed WHERE deliveries.id = claimed.id",
        worker=plan.worker,
        lease_until=ms(plan.lease_until),
    )
    tx.execute(
        "UPDATE chats SET next_at = :now + COALESCE(interval_ms, CASE"
        f" WHEN type IN ('group', 'supergroup') THEN {GROUP_INTERVAL_MS}"
        f" ELSE {CHAT_INTERVAL_MS} END) WHERE id IN ({id_list(row['chat_id'] for row in rows)})",
        now=ms(plan.now),
    )
    return [to_delivery(row) for row in rows]


def _load(tx: Transaction, ids: Sequence[int]) -> list[Delivery]:
    if not ids:
        return []
    rows = tx.fetch(
        "SELECT d.id, d.broadcast_id, d.revision, d.action, d.chat_id, d.thread_id, d.silent_at,"
        " d.preview, d.attempt, d.failures, d.probes, d.floor_id, c.telegram_id, c.username,"
        f" c.type, {SENT_MESSAGE} AS message_id FROM deliveries d JOIN chats c ON c.id = d.chat_id"
        f" WHERE d.id IN ({id_list(ids)}) ORDER BY d.lane, d.id"
    )
    return [to_delivery(row) for row in rows]


def _record(tx: Transaction, outcomes: Sequence[Outcome], now: datetime) -> None:
    sent = [outcome for outcome in outcomes if _is_plain(outcome.verdict)]
    if sent:
        _end_sent(tx, sent, now)
    for outcome in outcomes:
        if not _is_plain(outcome.verdict):
            _settle(tx, outcome.delivery, outcome.verdict, now)
    _repeat_outdated(tx, outcomes, now)


def _is_plain(verdict: Verdict) -> bool:
    return verdict.step is Step.SENT and not verdict.reason


def _end_sent(tx: Transaction, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Record plain successes; few statements, since each one costs as much as many rows.

    A receipt that comes after its lease lapsed still proves that the message is there.
    """
    done = ", ".join(
        f"({one.delivery.id}, {one.delivery.attempt}, {one.verdict.message_id or 0})"
        for one in outcomes
    )
    tx.execute(
        f"WITH done (id, attempt, message_id) AS (VALUES {done})"
        " UPDATE deliveries SET state = 'sent', error = NULL, settled_at = :now,"
        " lease_until = NULL, message_id = COALESCE(NULLIF(done.message_id, 0),"
        " deliveries.message_id) FROM done WHERE deliveries.id = done.id"
        " AND (deliveries.attempt = done.attempt AND state IN ('sending', 'unknown')"
        " OR done.message_id > 0 AND state IN ('pending', 'unknown'))",
        now=ms(now),
    )
    _forget_old_ids(tx, outcomes)
    _note(tx, [found for outcome in outcomes if (found := _learned(outcome))], now)
    tx.execute(
        "UPDATE chats SET refusals = 0 WHERE refusals > 0"
        f" AND id IN ({id_list(outcome.delivery.chat_id for outcome in outcomes)})"
    )


def _forget_old_ids(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    """A message that went to a group is out of reach once the group has become a supergroup."""
    groups = [one.delivery.id for one in outcomes if one.delivery.chat_type is ChatType.GROUP]
    if groups:
        tx.execute(
            f"UPDATE deliveries SET message_id = NULL WHERE id IN ({id_list(groups)}) AND EXISTS"
            " (SELECT 1 FROM chats c WHERE c.id = deliveries.chat_id AND c.type = 'supergroup')"
        )


def _repeat_outdated(tx: Transaction, outcomes: Sequence[Outcome], now: datetime) -> None:
    """An edit whose broadcast was revised while it was under way is due again."""
    edits = [one.delivery.id for one in outcomes if one.delivery.action is Action.EDIT]
    if edits:
        tx.execute(
            "UPDATE deliveries SET state = 'pending', due_at = :now, settled_at = NULL,"
            f" failures = 0 WHERE id IN ({id_list(edits)})"
            " AND state IN ('sent', 'failed') AND revision <"
            " (SELECT b.revision FROM broadcasts b WHERE b.id = deliveries.broadcast_id"
            " AND b.state = 'open')",
            now=ms(now),
        )


def _learned(outcome: Outcome) -> tuple[int, int] | None:
    message_id, delivery = outcome.verdict.message_id, outcome.delivery
    if message_id is None:
        return None
    return space_of(delivery.chat_type, delivery.chat_id), message_id


def _note(tx: Transaction, ids: Iterable[tuple[int, int]], now: datetime) -> None:
    rows = ", ".join(f"({space}, {message_id}, :now)" for space, message_id in ids)
    if rows:
        tx.execute(
            "INSERT INTO known_messages (space, message_id, noted_at)"
            f" VALUES {rows} ON CONFLICT DO NOTHING",
            now=ms(now),
        )


def _settle(tx: Transaction, delivery: Delivery, verdict: Verdict, now: datetime) -> bool:
    """Record one outcome that is no plain success, with its consequences for the chat."""
    reason = verdict.reason
    match verdict.step:
        case Step.SENT:
            if verdict.message_id is not None:
                space = space_of(delivery.chat_type, delivery.chat_id)
                _note(tx, [(space, verdict.message_id)], now)
            return _end(tx, delivery, DeliveryState.SENT, verdict, now)
        case Step.FAILED:
            return _end(tx, delivery, DeliveryState.FAILED, verdict, now)
        case Step.UNCONFIRMED:
            tx.execute(
                "UPDATE deliveries SET unconfirmed_at = :now WHERE id = :id"
                f" AND NOT ({IS_RETRACTED})",
                now=ms(now),
                id=delivery.id,
            )
            return _end(tx, delivery, DeliveryState.FAILED, verdict, now)
        case Step.GONE:
            ended = _end(tx, delivery, DeliveryState.FAILED, verdict, now)
            close_chat(tx, delivery.chat_id, reason, now)
            return ended
        case Step.REFUSED:
            return _refuse(tx, delivery, verdict, now)
        case Step.MOVED:
            assert verdict.telegram_id is not None
            move_chat(tx, delivery.chat_id, verdict.telegram_id, ChatType.SUPERGROUP)
            return _postpone(tx, delivery, reason, now)
        case Step.UNKNOWN:
            return _doubt(tx, delivery, reason, verdict.at or now)
        case Step.HOLD_CHAT:
            _hold_chat(tx, delivery.chat_id, verdict.at or now)
            return _postpone(tx, delivery, reason, now)
        case Step.RETRY:
            return _postpone(tx, delivery, reason, verdict.at or now)


def _end(
    tx: Transaction,
    delivery: Delivery,
    state: DeliveryState,
    verdict: Verdict,
    now: datetime,
) -> bool:
    changed = tx.execute(
        "UPDATE deliveries SET state = :state, error = :reason, settled_at = :now,"
        " lease_until = NULL, message_id = COALESCE(:message_id, message_id)"
        " WHERE id = :id AND attempt = :attempt AND state IN ('sending', 'unknown')",
        state=state.value,
        reason=verdict.reason or None,
        now=ms(now),
        message_id=verdict.message_id,
        id=delivery.id,
        attempt=delivery.attempt,
    )
    return changed == 1


def _refuse(tx: Transaction, delivery: Delivery, verdict: Verdict, now: datetime) -> bool:
    """A refusal for now; a chat that refuses often in a row is closed."""
    if not _end(tx, delivery, DeliveryState.FAILED, verdict, now):
        return False
    rows = tx.fetch(
        "UPDATE chats SET refusals = refusals + 1 WHERE id = :id RETURNING refusals",
        id=delivery.chat_id,
    )
    if rows[0]["refusals"] >= REFUSALS_BEFORE_CLOSING:
        close_chat(tx, delivery.chat_id, verdict.reason, now)
    return True


def _doubt(tx: Transaction, delivery: Delivery, reason: str, probe_at: datetime) -> bool:
    """Nobody knows whether a send took effect; an edit or a retraction is simply repeated."""
    if delivery.action is not Action.SEND:
        return _postpone(tx, delivery, reason, probe_at)
    changed = tx.execute(
        "UPDATE deliveries SET state = 'unknown', error = :reason, lease_until = :probe_at,"
        " worker = NULL WHERE id = :id AND attempt = :attempt AND state IN ('sending', 'unknown')",
        reason=reason,
        probe_at=ms(probe_at),
        id=delivery.id,
        attempt=delivery.attempt,
    )
    return changed == 1


def _hold_chat(tx: Transaction, chat_id: int, until: datetime) -> None:
    """Leave a chat alone as long as its server asks, and go slower there from now on."""
    tx.execute(
        "UPDATE chats SET next_at = CASE WHEN next_at < :until THEN :until ELSE next_at END,"
        f" interval_ms = CASE WHEN interval_ms IS NULL THEN 2 * {CHAT_INTERVAL_MS}"
        f" WHEN interval_ms < {LONGEST_INTERVAL_MS} THEN 2 * interval_ms ELSE interval_ms END"
        " WHERE id = :id",
        until=ms(until),
        id=chat_id,
    )


def _postpone(tx: Transaction, delivery: Delivery, reason: str, due_at: datetime) -> bool:
    """Put a delivery back that certainly had no effect.

    A closed chat's is ended instead, and so is one of a broadcast that was retracted meanwhile.
    """
    changed = tx.execute(
        f"UPDATE deliveries SET state = {AGAIN}, error = :reason, due_at = :due_at,"
        " lease_until = NULL, failures = failures + 1"
        " WHERE id = :id AND attempt = :attempt AND state IN ('sending', 'unknown')",
        reason=reason or None,
        due_at=ms(due_at),
        id=delivery.id,
        attempt=delivery.attempt,
    )
    return changed == 1
