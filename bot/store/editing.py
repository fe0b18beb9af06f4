"""Editors' deeds on broadcasts and stories: the right, the deed and the trail in one transaction.

Every verb that takes a Warrant raises NotAllowedError where it gives no right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.store.broadcasts import (
    StoryBroadcast,
    keep_message,
    note_edit,
    queue_edits,
    report_broadcast,
    with_stories,
)
from bot.store.deliveries import AGAIN
from bot.store.newsroom import record_own_story
from bot.store.notices import touch_broadcast, touch_story
from bot.store.retractions import retract_story
from bot.store.rows import MAKE_STALE, dump_audience, dump_message, ms, to_broadcast, to_chat
from bot.store.trail import allow, note
from bot.store.transactional import Verbs, reading, transactional
from bot.types import ActKind, DeliveryState

if TYPE_CHECKING:
    from datetime import datetime

    from bot.ports import Transaction
    from bot.store.trail import Warrant
    from bot.types import (
        Action,
        Audience,
        Broadcast,
        BroadcastReport,
        Chat,
        Message,
        Sighting,
        Story,
    )

STOPPED = "stopped"
PENDING = "state = 'pending'"
WAITING = f"({PENDING} OR parked_at IS NOT NULL)"
UNDECIDED = "(state = 'draft' OR state = 'scheduled' AND due_at > :now)"
UNCHANGED = (
    "(written_at IS NOT NULL OR story_revision IS NULL"
    " OR story_revision = (SELECT s.revision FROM stories s WHERE s.id = story_id))"
)


@dataclass(frozen=True, slots=True)
class Sending:
    """How a broadcast goes out: when, urgent or not, and in which state of its message.

    `revision` is None where nobody says which was shown.
    """

    due_at: datetime
    urgent: bool = False
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """New words or a new address for a story, waiting for an editor's second look.

    `html` is "" where the words stay, `url` "" where the address stays; `marked` asks for a
    visible line. `made` says that it was applied.
    """

    story_id: int
    html: str
    url: str
    marked: bool = False
    made: bool = False
    id: int = 0

    def with_line(self, *, marked: bool) -> Correction:
        """Give the correction with a visible line, or without one."""
        return replace(self, marked=marked)


class EditingVerbs(Verbs):
    """Queries and single-step writes for editors."""

    @transactional
    def record_own_draft(
        self,
        tx: Transaction,
        warrant: Warrant,
        story_id: int,
        message: Message,
    ) -> Broadcast:
        """Queue a broadcast that waits for its editor, with the message that is shown."""
        allow(tx, warrant)
        rows = tx.fetch(
            "INSERT INTO broadcasts (story_id, state, message, created_by, created_at, offered_at,"
            " story_revision) VALUES (:story_id, 'draft', :message, :editor, :now, :now,"
            " (SELECT revision FROM stories WHERE id = :story_id)) RETURNING *",
            story_id=story_id,
            message=dump_message(message),
            editor=warrant.editor,
            now=ms(warrant.now),
        )
        note(tx, warrant, ActKind.DRAFT, broadcast_id=rows[0]["id"])
        return to_broadcast(rows[0])

    @transactional
    def record_written_draft(
        self, tx: Transaction, warrant: Warrant, sighting: Sighting, feed_url: str, message: Message
    ) -> tuple[Broadcast, Story]:
        """Store an editor's own text as a story and queue its broadcast, both or neither."""
        allow(tx, warrant)
        story = record_own_story(tx, sighting, feed_url, warrant.now)
        rows = tx.fetch(
            "INSERT INTO broadcasts (story_id, state, message, created_by, created_at, offered_at,"
            " written_at, story_revision) VALUES (:story_id, 'draft', :message, :editor, :now,"
            " :now, :now, 1) RETURNING *",
            story_id=story.id,
            message=dump_message(message),
            editor=warrant.editor,
            now=ms(warrant.now),
        )
        note(tx, warrant, ActKind.DRAFT, broadcast_id=rows[0]["id"])
        return to_broadcast(rows[0]), story

    @transactional
    def rewrite_broadcast(
        self, tx: Transaction, warrant: Warrant, broadcast_id: int, message: Message
    ) -> bool:
        """Give what has not gone out an editor's words; False where it has."""
        allow(tx, warrant)
        changed = tx.execute(
            "UPDATE broadcasts SET message = :message, revision = revision + 1,"
            f" written_at = :now WHERE id = :id AND {UNDECIDED}",
            message=dump_message(message),
            now=ms(warrant.now),
            id=broadcast_id,
        )
        return self._noted(tx, warrant, ActKind.EDIT, broadcast_id, changed, message.text)

    @transactional
    def aim_broadcast(
        self, tx: Transaction, warrant: Warrant, broadcast_id: int, audience: Audience
    ) -> bool:
        """Say whom a broadcast that has not gone out is for; False where it has."""
        allow(tx, warrant)
        changed = tx.execute(
            f"UPDATE broadcasts SET audience = :audience WHERE id = :id AND {UNDECIDED}",
            audience=dump_audience(audience),
            now=ms(warrant.now),
            id=broadcast_id,
        )
        told = " ".join([audience.reach, *audience.tags, *map(str, audience.chats)])
        return self._noted(tx, warrant, ActKind.AUDIENCE, broadcast_id, changed, told)

    @transactional
    def release_broadcast(
        self, tx: Transaction, warrant: Warrant, broadcast_id: int, sending: Sending, kind: ActKind
    ) -> bool:
        """Let what has not gone out go, now or at a moment.

        False where it is decided already, and where it is not what was shown any more.
        """
        allow(tx, warrant)
        changed = tx.execute(
            "UPDATE broadcasts SET state = 'scheduled', due_at = :due_at, urgent_at = :urgent_at,"
            " decided_by = :editor, decided_at = :now"
            f" WHERE id = :id AND {UNDECIDED} AND {UNCHANGED}"
            " AND (:revision = 0 OR revision = :revision)",
            due_at=ms(sending.due_at),
            urgent_at=ms(warrant.now) if sending.urgent else None,
            editor=warrant.editor,
            now=ms(warrant.now),
            revision=sending.revision or 0,
            id=broadcast_id,
        )
        told = sending.due_at.isoformat() if kind is ActKind.SCHEDULE else ""
        return self._noted(tx, warrant, kind, broadcast_id, changed, told)

    @transactional
    def call_off(self, tx: Transaction, warrant: Warrant, broadcast_id: int, kind: ActKind) -> bool:
        """Let a broadcast not go out; False where it has, or was called off before."""
        allow(tx, warrant)
        changed = tx.execute(
            "UPDATE broadcasts SET state = 'cancelled', decided_by = :editor, decided_at = :now"
            " WHERE id = :id AND state IN ('draft', 'scheduled')",
            editor=warrant.editor,
            now=ms(warrant.now),
            id=broadcast_id,
        )
        return self._noted(tx, warrant, kind, broadcast_id, changed, "")

    @transactional
    def halt(self, tx: Transaction, warrant: Warrant, broadcast_id: int, kind: ActKind) -> bool:
        """Pause, resume or stop a broadcast that has opened; False where that changes nothing."""
        allow(tx, warrant)
        sets, where = {
            ActKind.PAUSE: ("paused_at = :now", "paused_at IS NULL AND stopped_at IS NULL"),
            ActKind.RESUME: ("paused_at = NULL", "paused_at IS NOT NULL AND stopped_at IS NULL"),
            ActKind.STOP: (
                "stopped_at = :now, paused_at = NULL, fan_cursor = NULL",
                "stopped_at IS NULL",
            ),
        }[kind]
        changed = tx.execute(
            f"UPDATE broadcasts SET {sets}, halted_at = :now"
            f" WHERE id = :id AND state = 'open' AND {where}",
            now=ms(warrant.now),
            id=broadcast_id,
        )
        return self._noted(tx, warrant, kind, broadcast_id, changed, "")

    @transactional
    def settle_halts(self, tx: Transaction, now: datetime, most: int) -> bool:
        """Park, release or drop deliveries of broadcasts that were halted, at most so many each.

        False where nothing changed. A paused broadcast is looked at again and again, since what
        was under way may come back.
        """
        rows = tx.fetch(
            "SELECT id, paused_at, stopped_at FROM broadcasts WHERE halted_at IS NOT NULL"
        )
        moved = 0
        for row in rows:
            if row["stopped_at"] is not None:
                number = _drop(tx, row["id"], most, now)
            elif row["paused_at"] is not None:
                number = _park(tx, row["id"], most, now)
            else:
                number = _release(tx, row["id"], most, now)
            if number:
                touch_broadcast(tx, row["id"], now)
            elif row["paused_at"] is None:
                tx.execute(
                    "UPDATE broadcasts SET halted_at = NULL WHERE id = :id AND paused_at IS NULL",
                    id=row["id"],
                )
            moved += number
        return moved > 0

    @transactional
    def resend_failed(self, tx: Transaction, warrant: Warrant, broadcast_id: int) -> int:
        """Try again where an open broadcast was refused and the chat is open; gives the number.

        What may have arrived is not sent again.
        """
        allow(tx, warrant)
        number = tx.execute(
            "UPDATE deliveries SET state = 'pending', due_at = :now, failures = 0, error = NULL,"
            " settled_at = NULL WHERE broadcast_id = :id AND action = 'send' AND state = 'failed'"
            " AND unconfirmed_at IS NULL AND asked_at IS NULL AND probes = 0"
            " AND EXISTS (SELECT 1 FROM broadcasts b WHERE b.id = :id AND b.state = 'open'"
            " AND b.stopped_at IS NULL) AND EXISTS (SELECT 1 FROM chats c"
            " WHERE c.id = deliveries.chat_id AND c.closed_at IS NULL)",
            now=ms(warrant.now),
            id=broadcast_id,
        )
        self._noted(tx, warrant, ActKind.RESEND, broadcast_id, number, str(number))
        return number

    @transactional
    def retract_by(
        self, tx: Transaction, warrant: Warrant, story_id: int, message: Message
    ) -> int | None:
        """Withdraw a story; gives the number of messages to take back, None where it is done.

        `message` is shown where one cannot be deleted.
        """
        allow(tx, warrant)
        number = retract_story(tx, story_id, message, warrant.now)
        if number is not None:
            note(tx, warrant, ActKind.RETRACT, story_id=story_id, detail=str(number))
        return number

    @transactional
    def record_correction(self, tx: Transaction, warrant: Warrant, correction: Correction) -> int:
        """Keep a correction that waits for its second look; gives its id."""
        allow(tx, warrant)
        rows = tx.fetch(
            "INSERT INTO corrections (story_id, html, url, created_by, created_at)"
            " VALUES (:story_id, :html, :url, :editor, :now) RETURNING id",
            story_id=correction.story_id,
            html=correction.html,
            url=correction.url,
            editor=warrant.editor,
            now=ms(warrant.now),
        )
        number: int = rows[0]["id"]
        return number

    @reading
    def find_correction(self, tx: Transaction, correction_id: int) -> Correction | None:
        """A correction by its id."""
        rows = tx.fetch("SELECT * FROM corrections WHERE id = :id", id=correction_id)
        if not rows:
            return None
        row = rows[0]
        return Correction(
            story_id=row["story_id"],
            html=row["html"],
            url=row["url"],
            marked=row["marked_at"] is not None,
            made=row["made_at"] is not None,
            id=row["id"],
        )

    @transactional
    def correct_by(
        self,
        tx: Transaction,
        warrant: Warrant,
        correction: Correction,
        story: Story,
        message: Message,
    ) -> int | None:
        """Let a story and all that was sent of it say this; gives the number of edits.

        None where the correction was made before, or the story is withdrawn. List messages that
        hold the story become stale.
        """
        allow(tx, warrant)
        if correction.id and not tx.execute(
            "UPDATE corrections SET made_at = :now, marked_at = :marked_at"
            " WHERE id = :id AND made_at IS NULL",
            now=ms(warrant.now),
            marked_at=ms(warrant.now) if correction.marked else None,
            id=correction.id,
        ):
            return None
        if not _keep_story(tx, story):
            return None
        number = _correct_open(tx, story.id, message, warrant.now)
        _correct_waiting(tx, story.id, message, warrant.now)
        touch_story(tx, story.id, warrant.now)
        note(tx, warrant, ActKind.CORRECT, story_id=story.id, detail=message.text)
        return number

    @reading
    def list_broadcasts(self, tx: Transaction, which: str, limit: int) -> list[StoryBroadcast]:
        """Broadcasts: "draft" (the newest first), "scheduled" (the next first) or "running".

        Running are those that have something left to send, the newest first.
        """
        where = {
            "draft": "state = 'draft' ORDER BY id DESC",
            "scheduled": "state = 'scheduled' ORDER BY due_at, id",
            "running": "state = 'open' AND (paused_at IS NOT NULL OR fan_cursor IS NOT NULL OR id"
            " IN (SELECT broadcast_id FROM deliveries WHERE state = 'pending')"
            " OR id IN (SELECT broadcast_id FROM deliveries WHERE state IN"
            " ('sending', 'unknown'))) ORDER BY id DESC",
        }[which]
        rows = tx.fetch(f"SELECT * FROM broadcasts WHERE {where} LIMIT :limit", limit=limit)
        return with_stories(tx, rows)

    @reading
    def list_places(self, tx: Transaction, limit: int, offset: int) -> list[Chat]:
        """Open groups and channels, by title."""
        rows = tx.fetch(
            "SELECT * FROM chats WHERE type <> 'private' AND closed_at IS NULL"
            " ORDER BY COALESCE(title, username, ''), id LIMIT :limit OFFSET :offset",
            limit=limit,
            offset=offset,
        )
        return [to_chat(row) for row in rows]

    @reading
    def list_story_broadcasts(self, tx: Transaction, story_id: int) -> list[Broadcast]:
        """All broadcasts of a story, the newest first."""
        rows = tx.fetch(
            "SELECT * FROM broadcasts WHERE story_id = :id ORDER BY id DESC", id=story_id
        )
        return [to_broadcast(row) for row in rows]

    @reading
    def list_outdated(self, tx: Transaction, limit: int) -> list[StoryBroadcast]:
        """What editors were shown, have not decided, and whose story has changed since."""
        rows = tx.fetch(
            "SELECT * FROM broadcasts WHERE state IN ('draft', 'scheduled')"
            " AND decided_by IS NULL AND offered_at IS NOT NULL AND written_at IS NULL"
            " AND story_revision < (SELECT s.revision FROM stories s WHERE s.id = story_id)"
            " ORDER BY id LIMIT :limit",
            limit=limit,
        )
        return with_stories(tx, rows)

    @transactional
    def refreeze(
        self, tx: Transaction, item: StoryBroadcast, message: Message, now: datetime
    ) -> bool:
        """Keep a new state of a message that waits for a decision, for its notices to show."""
        changed = tx.execute(
            "UPDATE broadcasts SET message = :message, story_revision = :story_revision,"
            " revision = revision + 1 WHERE id = :id AND decided_by IS NULL"
            " AND written_at IS NULL AND state IN ('draft', 'scheduled')",
            message=dump_message(message),
            story_revision=item.story.revision,
            id=item.broadcast.id,
        )
        touch_broadcast(tx, item.broadcast.id, now)
        return changed == 1

    @transactional
    def claim_held(self, tx: Transaction, now: datetime, limit: int) -> list[StoryBroadcast]:
        """Take broadcasts that are held before they go out and that nobody has been shown."""
        rows = tx.fetch(
            "UPDATE broadcasts SET offered_at = :now WHERE id IN (SELECT id FROM broadcasts"
            " WHERE state = 'scheduled' AND offered_at IS NULL AND due_at > :now"
            " ORDER BY id LIMIT :limit {skip_locked}) RETURNING *",
            now=ms(now),
            limit=limit,
        )
        return with_stories(tx, sorted(rows, key=lambda row: row["id"]))

    @transactional
    def freeze_held(self, tx: Transaction, item: StoryBroadcast, message: Message) -> bool:
        """Keep the message of a held broadcast as editors will be shown it."""
        changed = tx.execute(
            "UPDATE broadcasts SET message = :message, story_revision = :revision"
            " WHERE id = :id AND state IN ('draft', 'scheduled') AND decided_by IS NULL"
            " AND written_at IS NULL",
            message=dump_message(message),
            revision=item.story.revision,
            id=item.broadcast.id,
        )
        return changed == 1

    @reading
    def report_progress(
        self, tx: Transaction, broadcast_id: int
    ) -> tuple[StoryBroadcast, BroadcastReport, int] | None:
        """A broadcast, its report, and how many of its cancelled sends an editor stopped.

        What became part of a list message is not counted.
        """
        rows = tx.fetch("SELECT * FROM broadcasts WHERE id = :id", id=broadcast_id)
        if not rows:
            return None
        cancelled = (
            "SELECT COUNT(*) AS number FROM deliveries WHERE broadcast_id = :id"
            " AND action = 'send' AND state = 'cancelled'"
        )
        stopped = tx.fetch(f"{cancelled} AND error = '{STOPPED}'", id=broadcast_id)[0]["number"]
        folded = tx.fetch(f"{cancelled} AND list_id IS NOT NULL", id=broadcast_id)[0]["number"]
        report = report_broadcast(tx, broadcast_id)
        left = report.counts.get(DeliveryState.CANCELLED, 0) - stopped - folded
        counts = report.counts | {DeliveryState.CANCELLED: left}
        return with_stories(tx, rows)[0], replace(report, counts=counts), stopped

    @reading
    def count_outcomes(
        self, tx: Transaction, story_id: int, action: Action
    ) -> list[tuple[DeliveryState, str, int]]:
        """What became of the edits or retractions of a story: state, what was said, number."""
        rows = tx.fetch(
            "SELECT d.state, COALESCE(d.error, '') AS said, COUNT(*) AS number"
            " FROM deliveries d WHERE d.action = :action AND d.broadcast_id IN"
            " (SELECT id FROM broadcasts WHERE story_id = :id UNION"
            " SELECT broadcast_id FROM broadcast_stories WHERE story_id = :id)"
            " GROUP BY d.state, COALESCE(d.error, '')",
            action=action.value,
            id=story_id,
        )
        return [(DeliveryState(row["state"]), row["said"], row["number"]) for row in rows]

    def _noted(
        self,
        tx: Transaction,
        warrant: Warrant,
        kind: ActKind,
        broadcast_id: int,
        changed: int,
        detail: str,
    ) -> bool:
        if not changed:
            return False
        note(tx, warrant, kind, broadcast_id=broadcast_id, detail=detail)
        touch_broadcast(tx, broadcast_id, warrant.now)
        return True


def _part(which: str) -> str:
    return (
        "id IN (SELECT id FROM deliveries WHERE broadcast_id = :id AND action = 'send'"
        f" AND {which} LIMIT :most)"
    )


def _park(tx: Transaction, broadcast_id: int, most: int, now: datetime) -> int:
    return tx.execute(
        f"UPDATE deliveries SET state = 'cancelled', parked_at = :now WHERE {_part(PENDING)}",
        now=ms(now),
        most=most,
        id=broadcast_id,
    )


def _release(tx: Transaction, broadcast_id: int, most: int, now: datetime) -> int:
    return tx.execute(
        f"UPDATE deliveries SET state = {AGAIN}, due_at = :now, parked_at = NULL"
        f" WHERE {_part('parked_at IS NOT NULL')}",
        now=ms(now),
        most=most,
        id=broadcast_id,
    )


def _drop(tx: Transaction, broadcast_id: int, most: int, now: datetime) -> int:
    return tx.execute(
        "UPDATE deliveries SET state = 'cancelled', parked_at = NULL, error = :reason,"
        " settled_at = :now"
        f" WHERE {_part(WAITING)}",
        reason=STOPPED,
        now=ms(now),
        most=most,
        id=broadcast_id,
    )


def _keep_story(tx: Transaction, story: Story) -> bool:
    """Write what an editor says of a story; what identifies it stays."""
    changed = tx.execute(
        "UPDATE stories SET title = :title, summary = :summary, url = :url,"
        " short_url = CASE WHEN url = :url THEN short_url END, revision = revision + 1"
        " WHERE id = :id AND withdrawn_at IS NULL",
        title=story.title,
        summary=story.summary,
        url=story.url,
        id=story.id,
    )
    return changed == 1


def _correct_open(tx: Transaction, story_id: int, message: Message, now: datetime) -> int:
    rows = tx.fetch(
        "SELECT id FROM broadcasts WHERE story_id = :id AND state = 'open'"
        " AND NOT EXISTS (SELECT 1 FROM broadcast_stories l WHERE l.broadcast_id = broadcasts.id)",
        id=story_id,
    )
    tx.execute(
        f"UPDATE broadcasts SET {MAKE_STALE} WHERE state = 'open'"
        " AND id IN (SELECT broadcast_id FROM broadcast_stories WHERE story_id = :id)",
        now=ms(now),
        id=story_id,
    )
    number = 0
    for row in rows:
        _rewrite(tx, row["id"], message, now)
        keep_message(tx, row["id"])
        note_edit(tx, row["id"], now)
        number += queue_edits(tx, row["id"], now)
    return number


def _correct_waiting(tx: Transaction, story_id: int, message: Message, now: datetime) -> None:
    """What has not gone out says it too, with the right words from the start."""
    rows = tx.fetch(
        "SELECT id FROM broadcasts WHERE story_id = :id AND state IN ('draft', 'scheduled')",
        id=story_id,
    )
    for row in rows:
        _rewrite(tx, row["id"], message, now)


def _rewrite(tx: Transaction, broadcast_id: int, message: Message, now: datetime) -> None:
    tx.execute(
        "UPDATE broadcasts SET message = :message, revision = revision + 1, written_at = :now,"
        " stale_at = NULL WHERE id = :id",
        message=dump_message(message),
        now=ms(now),
        id=broadcast_id,
    )
