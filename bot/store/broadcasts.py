"""Broadcasts: drafts, decisions, opening, fan-out, revisions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.store.changes import restrained
from bot.store.notices import touch_broadcast
from bot.store.rows import (
    STORY_COLUMNS,
    dump_message,
    id_list,
    load_audience,
    ms,
    tag_key,
    to_broadcast,
    to_moment,
    to_story,
)
from bot.store.transactional import Verbs, reading, transactional
from bot.store.wishes import EVERYBODY_WISHING, FanPart, fan_out_choosy, silence, wanting_choosy
from bot.types import BroadcastReport, DeliveryState, Listing, Reach

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Audience, Broadcast, Message, Row, Story

RETRACT_LANE, EDIT_LANE, URGENT_LANE, ROUTINE_LANE = range(4)
ENDLESS = 2**62
# The live subscriptions without those that choose by more than tags.
PLAIN = (
    "FROM subscriptions s JOIN chats c ON c.id = s.chat_id"
    " WHERE s.ended_at IS NULL AND c.closed_at IS NULL AND s.choosy_at IS NULL"
)
UNNARROWED = "NOT EXISTS (SELECT 1 FROM subscription_tags t WHERE t.subscription_id = s.id)"
# Of these, those that want the story :story_id.
WANTING = (
    f"{PLAIN} AND ({UNNARROWED}"
    " OR EXISTS (SELECT 1 FROM subscription_tags t JOIN story_tags g ON g.tag = t.tag"
    " WHERE t.subscription_id = s.id AND g.story_id = :story_id))"
)


@dataclass(frozen=True, slots=True)
class StoryBroadcast:
    """A broadcast with the story that it sends; `listed` are the stories of a list message.

    `stale_mark` changes with each change of a story that the message does not show yet. `listing`
    is why a digest was made, None for any other message.
    """

    broadcast: Broadcast
    story: Story
    listed: tuple[Story, ...] = ()
    stale_mark: int | None = None
    listing: Listing | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """Destinations for which the same broadcasts wait at once, oldest first.

    `destinations` are (chat, thread), None for all for which exactly these wait.
    """

    broadcast_ids: tuple[int, ...]
    destinations: tuple[tuple[int, int], ...] | None


class BroadcastVerbs(Verbs):
    """Queries and single-step writes over broadcasts."""

    @transactional
    def record_draft(
        self, tx: Transaction, story_id: int, message: Message, editor: int, now: datetime
    ) -> Broadcast:
        """Queue a broadcast that waits for its editor, with the message that was shown."""
        rows = tx.fetch(
            "INSERT INTO broadcasts (story_id, state, message, created_by, created_at, offered_at,"
            " story_revision) VALUES (:story_id, 'draft', :message, :editor, :now, :now,"
            " (SELECT revision FROM stories WHERE id = :story_id)) RETURNING *",
            story_id=story_id,
            message=dump_message(message),
            editor=editor,
            now=ms(now),
        )
        return to_broadcast(rows[0])

    @transactional
    def claim_unoffered(self, tx: Transaction, now: datetime, limit: int) -> list[StoryBroadcast]:
        """Take drafts that no editor has been shown yet, oldest first, marking them as shown."""
        rows = tx.fetch(
            "UPDATE broadcasts SET offered_at = :now WHERE id IN (SELECT id FROM broadcasts"
            " WHERE state = 'draft' AND offered_at IS NULL ORDER BY id LIMIT :limit {skip_locked})"
            " RETURNING *",
            now=ms(now),
            limit=limit,
        )
        return with_stories(tx, sorted(rows, key=lambda row: row["id"]))

    @transactional
    def schedule_broadcast(
        self, tx: Transaction, broadcast_id: int, due_at: datetime, *, urgent: bool = False
    ) -> bool:
        """Let a draft go out at `due_at`, before all routine ones where it is urgent.

        False where it is decided already, or where the story has changed since it was shown.
        """
        changed = tx.execute(
            "UPDATE broadcasts SET state = 'scheduled', due_at = :due_at, urgent_at = :urgent_at"
            " WHERE id = :id AND state = 'draft' AND story_revision ="
            " (SELECT s.revision FROM stories s WHERE s.id = story_id)",
            due_at=ms(due_at),
            urgent_at=ms(due_at) if urgent else None,
            id=broadcast_id,
        )
        return changed == 1

    @transactional
    def cancel_broadcast(self, tx: Transaction, broadcast_id: int) -> bool:
        """Call off a broadcast before it opens; False where it is too late."""
        changed = tx.execute(
            "UPDATE broadcasts SET state = 'cancelled'"
            " WHERE id = :id AND state IN ('draft', 'scheduled')",
            id=broadcast_id,
        )
        return changed == 1

    @reading
    def find_broadcast(self, tx: Transaction, broadcast_id: int) -> StoryBroadcast | None:
        """A broadcast with its story."""
        rows = tx.fetch("SELECT * FROM broadcasts WHERE id = :id", id=broadcast_id)
        return with_stories(tx, rows)[0] if rows else None

    @reading
    def list_due_broadcasts(
        self, tx: Transaction, now: datetime, limit: int
    ) -> list[StoryBroadcast]:
        """Scheduled broadcasts whose time has come, oldest first."""
        rows = tx.fetch(
            "SELECT * FROM broadcasts WHERE state = 'scheduled' AND due_at <= :now"
            " ORDER BY due_at, id LIMIT :limit",
            now=ms(now),
            limit=limit,
        )
        return with_stories(tx, rows)

    @transactional
    def open_broadcast(
        self, tx: Transaction, broadcast_id: int, message: Message, now: datetime
    ) -> bool:
        """Open a scheduled broadcast; False where it no longer is one.

        A message that was frozen before stays what it was. `fan_out` makes the deliveries.
        """
        opened = tx.execute(
            "UPDATE broadcasts SET state = 'open', opened_at = :now, fan_cursor = 0,"
            " message = COALESCE(message, :message) WHERE id = :id AND state = 'scheduled'",
            now=ms(now),
            message=dump_message(message),
            id=broadcast_id,
        )
        if opened:
            keep_message(tx, broadcast_id)
            _correct_late(tx, broadcast_id, now)
            touch_broadcast(tx, broadcast_id, now)
        return opened == 1

    @reading
    def list_fanning(self, tx: Transaction) -> list[int]:
        """Open broadcasts whose fan-out is not complete or paused, oldest first."""
        rows = tx.fetch(
            "SELECT id FROM broadcasts WHERE fan_cursor IS NOT NULL AND paused_at IS NULL"
            " ORDER BY id"
        )
        return [row["id"] for row in rows]

    @transactional
    def fan_out(
        self,
        tx: Transaction,
        broadcast_id: int,
        most: int,
        now: datetime,
        due_at: datetime | None = None,
    ) -> int | None:
        """Make the next deliveries of a broadcast: one a live subscription that wants the story.

        At most `most` subscriptions are looked at, so that nobody else waits long. They are due
        at once, or at `due_at`; for those that want it later the story is held. Gives the number
        made, or None where the fan-out is complete or paused. It may be repeated.
        """
        rows = tx.fetch(
            "SELECT story_id, fan_cursor, urgent_at, opened_at, audience FROM broadcasts"
            " WHERE id = :id AND fan_cursor IS NOT NULL AND paused_at IS NULL",
            id=broadcast_id,
        )
        if not rows:
            return None
        cursor = rows[0]["fan_cursor"]
        audience = load_audience(rows[0]["audience"])
        urgent, story_id = rows[0]["urgent_at"] is not None, rows[0]["story_id"]
        lane = URGENT_LANE if urgent else ROUTINE_LANE
        if cursor == 0 and audience.reach is Reach.CHATS:
            _fan_out_strangers(
                tx,
                FanPart(broadcast_id, story_id, 0, 0, lane, audience=audience),
                due_at or now,
                now,
            )
        looked_at = tx.fetch(
            "SELECT MAX(id) AS last FROM (SELECT id FROM subscriptions WHERE id > :cursor"
            " ORDER BY id LIMIT :most) part",
            cursor=cursor,
            most=most,
        )
        last = looked_at[0]["last"]
        tx.execute(
            "UPDATE broadcasts SET fan_cursor = :last WHERE id = :id", last=last, id=broadcast_id
        )
        if last is None:
            return None
        part = FanPart(
            broadcast_id,
            story_id,
            cursor,
            last,
            lane,
            urgent,
            # A tag that comes later fans out anew, but not to those who came later.
            f"{_not_reached(tx, story_id, broadcast_id)}"
            f" AND s.created_at <= {rows[0]['opened_at']}",
            audience,
        )
        return _fan_out_plain(tx, part, due_at or now, now) + fan_out_choosy(
            tx, part, due_at or now, now
        )

    @reading
    def list_crowds(self, tx: Transaction, broadcast_ids: Sequence[int], burst: int) -> list[Crowd]:
        """Destinations for which more than `burst` of these broadcasts wait."""
        ids, number = id_list(broadcast_ids), len(broadcast_ids)
        waiting = f"FROM deliveries WHERE broadcast_id IN ({ids}) AND state = 'pending'"
        grouped = "GROUP BY chat_id, thread_id HAVING COUNT(*)"
        crowds = []
        whole = tx.fetch(f"SELECT chat_id {waiting} {grouped} = :number LIMIT 1", number=number)
        if whole and number > burst:
            crowds.append(Crowd(tuple(broadcast_ids), None))
        rows = tx.fetch(
            f"SELECT chat_id, thread_id, broadcast_id {waiting} AND (chat_id, thread_id) IN"
            f" (SELECT chat_id, thread_id {waiting} {grouped} > :burst AND COUNT(*) < :number)"
            " ORDER BY chat_id, thread_id, broadcast_id",
            burst=burst,
            number=number,
        )
        wanted: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row in rows:
            wanted[row["chat_id"], row["thread_id"]].append(row["broadcast_id"])
        alike: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
        for destination, waits in wanted.items():
            alike[tuple(waits)].append(destination)
        return crowds + [Crowd(waits, tuple(found)) for waits, found in alike.items()]

    @transactional
    def record_list(
        self,
        tx: Transaction,
        crowd: Crowd,
        listed: Sequence[StoryBroadcast],
        message: Message,
        now: datetime,
    ) -> int:
        """Let one list message take the place of some broadcasts of a crowd.

        Gives the number of destinations. Only what still waits is listed.
        """
        list_id = insert_list(tx, [item.story for item in listed], message, now)
        folded = id_list(item.broadcast.id for item in listed)
        first = id_list([listed[0].broadcast.id])
        made = tx.execute(
            "INSERT INTO deliveries (broadcast_id, action, lane, chat_id, thread_id, silent_at,"
            " state, due_at, created_at)"
            " SELECT :list_id, 'send', d.lane, d.chat_id, d.thread_id, d.silent_at, 'pending',"
            f" :now, :now FROM deliveries d WHERE d.broadcast_id IN ({first})"
            f" AND d.state = 'pending' AND {_within(crowd)} ORDER BY d.id",
            list_id=list_id,
            now=ms(now),
        )
        tx.execute(
            "UPDATE deliveries SET state = 'cancelled', list_id = :list_id, settled_at = :now"
            f" WHERE broadcast_id IN ({folded}) AND state = 'pending' AND EXISTS"
            " (SELECT 1 FROM deliveries l WHERE l.broadcast_id = :list_id AND l.action = 'send'"
            " AND l.chat_id = deliveries.chat_id AND l.thread_id = deliveries.thread_id)",
            list_id=list_id,
            now=ms(now),
        )
        return made

    @transactional
    def release_broadcasts(
        self, tx: Transaction, broadcast_ids: Sequence[int], now: datetime
    ) -> None:
        """Let what waits of these broadcasts go at once."""
        tx.execute(
            "UPDATE deliveries SET due_at = :now WHERE state = 'pending' AND due_at > :now"
            f" AND broadcast_id IN ({id_list(broadcast_ids)})",
            now=ms(now),
        )

    @reading
    def list_stale(self, tx: Transaction, limit: int, now: datetime) -> list[StoryBroadcast]:
        """Open broadcasts whose story has a newer revision than their message shows.

        One that was edited again and again waits until its next edit may come.
        """
        rows = tx.fetch(
            "SELECT * FROM broadcasts WHERE state = 'open' AND stale_at IS NOT NULL"
            " AND COALESCE(edit_due_at, 0) <= :now ORDER BY id LIMIT :limit",
            limit=limit,
            now=ms(now),
        )
        return with_stories(tx, rows)

    @transactional
    def record_revision(
        self, tx: Transaction, stale: StoryBroadcast, message: Message, now: datetime
    ) -> int:
        """Replace an open broadcast's message and queue an edit of each that went out.

        What still waits will carry the new message, and an edit that is under way is repeated when
        it ends. Where a story has changed again meanwhile, the broadcast stays stale. Gives the
        number of edits queued; none where the broadcast was retracted.
        """
        broadcast_id = stale.broadcast.id
        is_open = tx.execute(
            "UPDATE broadcasts SET message = :message, revision = revision + 1, stale_at ="
            " CASE WHEN stale_at = :mark THEN NULL ELSE stale_at END"
            " WHERE id = :id AND state = 'open'",
            message=dump_message(message),
            mark=stale.stale_mark,
            id=broadcast_id,
        )
        if not is_open:
            return 0
        keep_message(tx, broadcast_id)
        if message == stale.broadcast.message:
            return 0
        note_edit(tx, broadcast_id, now)
        return queue_edits(tx, broadcast_id, now)

    @reading
    def report_broadcast(self, tx: Transaction, broadcast_id: int) -> BroadcastReport:
        """How many sends of a broadcast stand in each state; what is parked counts as pending."""
        return report_broadcast(tx, broadcast_id)

    @reading
    def count_audience(
        self, tx: Transaction, story_id: int, audience: Audience = EVERYBODY_WISHING
    ) -> int:
        """How many destinations a broadcast of this story would reach now."""
        where, tags = wanting(audience)
        rows = tx.fetch(f"SELECT COUNT(*) AS number {where}", story_id=story_id, **tags)
        number: int = rows[0]["number"]
        everyone = FanPart(0, story_id, 0, ENDLESS, ROUTINE_LANE, audience=audience)
        number += len(wanting_choosy(tx, everyone))
        if audience.reach is Reach.CHATS:
            chosen = f"c.id IN ({id_list(audience.chats) or 0})"
            rows = tx.fetch(f"SELECT COUNT(*) AS number {STRANGERS} AND {chosen}")
            number += rows[0]["number"]
        return number

    @reading
    def count_reached(self, tx: Transaction, story_id: int) -> int:
        """How many destinations broadcasts of this story have reached or are about to."""
        rows = tx.fetch(
            "SELECT COUNT(*) AS number FROM deliveries d JOIN broadcasts b ON b.id = d.broadcast_id"
            " WHERE b.story_id = :story_id AND b.state <> 'retracted' AND d.action = 'send'"
            " AND d.state IN ('pending', 'sending', 'unknown', 'sent')",
            story_id=story_id,
        )
        number: int = rows[0]["number"]
        return number


def report_broadcast(tx: Transaction, broadcast_id: int) -> BroadcastReport:
    """How many sends of a broadcast stand in each state; what is parked counts as pending."""
    rows = tx.fetch(
        "SELECT CASE WHEN parked_at IS NOT NULL THEN 'pending' ELSE state END AS stage,"
        " COUNT(*) AS number FROM deliveries WHERE broadcast_id = :id AND action = 'send'"
        " GROUP BY CASE WHEN parked_at IS NOT NULL THEN 'pending' ELSE state END",
        id=broadcast_id,
    )
    counts = {DeliveryState(row["stage"]): row["number"] for row in rows}
    return BroadcastReport(broadcast_id, counts)


def _not_reached(tx: Transaction, story_id: int, broadcast_id: int) -> str:
    """A condition that leaves out destinations which the story reached by other messages."""
    by_digest = (
        "AND NOT EXISTS (SELECT 1 FROM digest_stories h WHERE h.subscription_id = s.id"
        " AND h.story_id = :story_id)"
    )
    others = tx.fetch(
        "SELECT id FROM broadcasts WHERE story_id = :story_id AND id <> :id"
        " AND state <> 'retracted'",
        story_id=story_id,
        id=broadcast_id,
    )
    if not others:
        return by_digest
    ids = id_list(row["id"] for row in others)
    return (
        f"{by_digest} AND NOT EXISTS (SELECT 1 FROM deliveries r WHERE r.broadcast_id IN ({ids})"
        " AND r.action = 'send' AND r.chat_id = s.chat_id AND r.thread_id = s.thread_id"
        " AND (r.list_id IS NOT NULL OR r.parked_at IS NOT NULL"
        " OR r.state IN ('pending', 'sending', 'unknown', 'sent')))"
    )


def wanting(audience: Audience) -> tuple[str, dict[str, str]]:
    """The subscriptions `s` of an audience that choose by no more than tags, and parameters."""
    match audience.reach:
        case Reach.WISHING:
            return WANTING, {}
        case Reach.EVERYONE:
            return PLAIN, {}
        case Reach.CHATS:
            return f"{PLAIN} AND s.chat_id IN ({id_list(audience.chats) or 0})", {}
        case Reach.TAGS:
            # Parameters' names are of letters.
            tags = {f"tag{'x' * at}": tag_key(tag) for at, tag in enumerate(audience.tags)}
            named = ", ".join(f":{name}" for name in tags) or "NULL"
            condition = (
                f"({UNNARROWED} OR EXISTS (SELECT 1 FROM subscription_tags t"
                f" WHERE t.subscription_id = s.id AND t.tag IN ({named})))"
            )
            return f"{PLAIN} AND {condition}", tags


STRANGERS = (
    "FROM chats c WHERE c.closed_at IS NULL AND NOT EXISTS (SELECT 1 FROM subscriptions s"
    " WHERE s.chat_id = c.id AND s.ended_at IS NULL)"
)


def _fan_out_strangers(tx: Transaction, part: FanPart, due_at: datetime, now: datetime) -> int:
    """Deliver to the chosen chats that do not subscribe."""
    return tx.execute(
        "INSERT INTO deliveries (broadcast_id, action, lane, chat_id, thread_id, state, due_at,"
        " created_at) SELECT :broadcast_id, 'send', :lane, c.id, 0, 'pending', :due_at, :now"
        f" {STRANGERS} AND c.id IN ({id_list(part.audience.chats) or 0}) ORDER BY c.id"
        " ON CONFLICT (broadcast_id, action, chat_id, thread_id) DO NOTHING",
        broadcast_id=part.broadcast_id,
        lane=part.lane,
        due_at=ms(due_at),
        now=ms(now),
    )


def _fan_out_plain(tx: Transaction, part: FanPart, due_at: datetime, now: datetime) -> int:
    where, tags = wanting(part.audience)
    return tx.execute(
        "INSERT INTO deliveries (broadcast_id, action, lane, chat_id, thread_id, silent_at,"
        " preview, state, due_at, created_at)"
        f" SELECT :broadcast_id, 'send', :lane, s.chat_id, s.thread_id, {silence(part)}, s.preview,"
        f" 'pending', :due_at, :now {where} AND s.id > :after AND s.id <= :last"
        f" {part.unless} ORDER BY s.id"
        " ON CONFLICT (broadcast_id, action, chat_id, thread_id) DO NOTHING",
        **tags,
        broadcast_id=part.broadcast_id,
        lane=part.lane,
        story_id=part.story_id,
        after=part.after_id,
        last=part.last_id,
        due_at=ms(due_at),
        now=ms(now),
    )


def _correct_late(tx: Transaction, broadcast_id: int, now: datetime) -> None:
    """What was approved goes out as it is, and is corrected where its story has changed since."""
    tx.execute(
        "UPDATE broadcasts SET stale_at = :now WHERE id = :id AND written_at IS NULL"
        " AND story_revision < (SELECT s.revision FROM stories s WHERE s.id = story_id)",
        now=ms(now),
        id=broadcast_id,
    )


def queue_edits(tx: Transaction, broadcast_id: int, now: datetime) -> int:
    """Queue an edit of each message of a broadcast that went out; gives their number."""
    return tx.execute(
        "INSERT INTO deliveries (broadcast_id, action, lane, chat_id, thread_id, preview,"
        " state, due_at, created_at) SELECT broadcast_id, 'edit', :lane, chat_id, thread_id,"
        " preview, 'pending', :now, :now FROM deliveries WHERE broadcast_id = :id"
        " AND action = 'send' AND state IN ('sending', 'unknown', 'sent')"
        " ON CONFLICT (broadcast_id, action, chat_id, thread_id) DO UPDATE SET"
        " state = 'pending', due_at = :now, attempt = deliveries.attempt + 1, failures = 0,"
        " lease_until = NULL, error = NULL, settled_at = NULL"
        " WHERE deliveries.state NOT IN ('pending', 'sending')",
        lane=EDIT_LANE,
        now=ms(now),
        id=broadcast_id,
    )


def note_edit(tx: Transaction, broadcast_id: int, now: datetime) -> None:
    """Count an edit of a broadcast, and say when the next one may come."""
    row = tx.fetch("SELECT edits, edited_at FROM broadcasts WHERE id = :id", id=broadcast_id)[0]
    edits, next_at = restrained(row["edits"], to_moment(row["edited_at"]), now)
    tx.execute(
        "UPDATE broadcasts SET edits = :edits, edited_at = :now, edit_due_at = :next_at"
        " WHERE id = :id",
        id=broadcast_id,
        edits=edits,
        now=ms(now),
        next_at=ms(next_at),
    )


def keep_message(tx: Transaction, broadcast_id: int) -> None:
    """Keep the message of each revision: a send under way carries the one that it began with."""
    tx.execute(
        "INSERT INTO broadcast_messages (broadcast_id, revision, message)"
        " SELECT id, revision, message FROM broadcasts WHERE id = :id ON CONFLICT DO NOTHING",
        id=broadcast_id,
    )


def with_stories(tx: Transaction, rows: list[Row]) -> list[StoryBroadcast]:
    """Rows of broadcasts with their stories."""
    return [
        StoryBroadcast(
            to_broadcast(row),
            to_story(
                tx.fetch(
                    f"SELECT {STORY_COLUMNS} FROM stories s WHERE s.id = :id", id=row["story_id"]
                )[0]
            ),
            tuple(to_story(listed) for listed in _listed_stories(tx, row["id"])),
            row["stale_at"],
            None if row["listing"] is None else Listing(row["listing"]),
        )
        for row in rows
    ]


def _listed_stories(tx: Transaction, broadcast_id: int) -> list[Row]:
    return tx.fetch(
        f"SELECT {STORY_COLUMNS} FROM broadcast_stories l JOIN stories s ON s.id = l.story_id"
        " WHERE l.broadcast_id = :id AND s.withdrawn_at IS NULL ORDER BY l.position",
        id=broadcast_id,
    )


def insert_list(
    tx: Transaction,
    stories: Sequence[Story],
    message: Message,
    now: datetime,
    listing: Listing | None = None,
) -> int:
    """Open a broadcast of a list message; gives its id."""
    rows = tx.fetch(
        "INSERT INTO broadcasts (story_id, state, message, created_at, opened_at, due_at, listing)"
        " VALUES (:story_id, 'open', :message, :now, :now, :now, :listing) RETURNING id",
        story_id=stories[0].id,
        message=dump_message(message),
        now=ms(now),
        listing=None if listing is None else listing.value,
    )
    list_id: int = rows[0]["id"]
    keep_message(tx, list_id)
    tx.execute_many(
        "INSERT INTO broadcast_stories (broadcast_id, story_id, position)"
        " VALUES (:list_id, :story_id, :position)",
        [
            {"list_id": list_id, "story_id": story.id, "position": position}
            for position, story in enumerate(stories)
        ],
    )
    tx.execute(
        "UPDATE broadcasts SET stale_at = :now WHERE id = :list_id AND EXISTS (SELECT 1"
        " FROM broadcast_stories l JOIN stories s ON s.id = l.story_id"
        " WHERE l.broadcast_id = :list_id AND s.withdrawn_at IS NOT NULL)",
        now=ms(now),
        list_id=list_id,
    )
    return list_id


def _within(crowd: Crowd) -> str:
    """A condition on deliveries `d` for the destinations of a crowd; its values are row ids."""
    if crowd.destinations is not None:
        pairs = ", ".join(f"({chat}, {thread})" for chat, thread in crowd.destinations)
        return f"(d.chat_id, d.thread_id) IN (VALUES {pairs})"
    ids, number = id_list(crowd.broadcast_ids), len(crowd.broadcast_ids)
    return (
        "(d.chat_id, d.thread_id) IN (SELECT w.chat_id, w.thread_id FROM deliveries w"
        f" WHERE w.broadcast_id IN ({ids}) AND w.state = 'pending'"
        f" GROUP BY w.chat_id, w.thread_id HAVING COUNT(*) = {number})"
    )
