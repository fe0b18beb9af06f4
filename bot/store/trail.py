"""Editors and the audit trail: who may act, and who did what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.errors import NotAllowedError
from bot.store.rows import ms, to_moment
from bot.store.transactional import Verbs, reading, transactional
from bot.types import Act, ActKind, Editor

if TYPE_CHECKING:
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Row

LONGEST_DETAIL_CHARS = 500


@dataclass(frozen=True, slots=True)
class Warrant:
    """Who acts and when; `is_owner` where the settings name them."""

    editor: int
    is_owner: bool
    now: datetime


class TrailVerbs(Verbs):
    """Queries and single-step writes over editors and their acts."""

    @reading
    def is_editor(self, tx: Transaction, user_id: int) -> bool:
        """Whether somebody is an appointed editor."""
        return _is_appointed(tx, user_id)

    @reading
    def list_editors(self, tx: Transaction) -> list[Editor]:
        """Appointed editors, the longest first."""
        rows = tx.fetch(
            "SELECT * FROM editors WHERE appointed_at IS NOT NULL AND dismissed_at IS NULL"
            " ORDER BY appointed_at, telegram_id"
        )
        return [_editor(row) for row in rows]

    @reading
    def list_names(self, tx: Transaction) -> dict[int, str]:
        """The names of all who are or were editors, by Telegram's id."""
        rows = tx.fetch("SELECT telegram_id, name FROM editors WHERE name <> ''")
        return {row["telegram_id"]: row["name"] for row in rows}

    @transactional
    def record_name(self, tx: Transaction, user_id: int, name: str) -> None:
        """Keep the name of somebody who acts as an editor; it gives no right."""
        _keep_name(tx, user_id, name)

    @transactional
    def appoint(self, tx: Transaction, warrant: Warrant, user_id: int, name: str) -> bool:
        """Make somebody an editor; False where they are one. Raises NotAllowedError."""
        _allow_owner(warrant)
        if _is_appointed(tx, user_id):
            return False
        _keep_name(tx, user_id, name)
        tx.execute(
            "UPDATE editors SET appointed_by = :by, appointed_at = :now, dismissed_at = NULL"
            " WHERE telegram_id = :id",
            by=warrant.editor,
            now=ms(warrant.now),
            id=user_id,
        )
        note(tx, warrant, ActKind.APPOINT, detail=f"{name} ({user_id})".strip())
        return True

    @transactional
    def dismiss(self, tx: Transaction, warrant: Warrant, user_id: int) -> bool:
        """End somebody's being an editor; False where they are none. Raises NotAllowedError."""
        _allow_owner(warrant)
        rows = tx.fetch(
            "UPDATE editors SET dismissed_at = :now WHERE telegram_id = :id"
            " AND appointed_at IS NOT NULL AND dismissed_at IS NULL RETURNING name",
            now=ms(warrant.now),
            id=user_id,
        )
        if not rows:
            return False
        note(tx, warrant, ActKind.DISMISS, detail=f"{rows[0]['name']} ({user_id})".strip())
        return True

    @transactional
    def note_refused(
        self, tx: Transaction, warrant: Warrant, kind: ActKind, detail: str = ""
    ) -> None:
        """Write an attempt without the right into the trail."""
        _insert(tx, warrant, kind, (None, None), detail, refused=True)

    @transactional
    def note_act(self, tx: Transaction, warrant: Warrant, kind: ActKind, detail: str = "") -> None:
        """Write an act that changes nothing here into the trail. Raises NotAllowedError."""
        allow(tx, warrant)
        note(tx, warrant, kind, detail=detail)

    @reading
    def list_acts(
        self,
        tx: Transaction,
        limit: int,
        before_id: int | None = None,
        story_id: int | None = None,
    ) -> list[Act]:
        """The trail, the newest first: what lies before an act, and of one story, where given."""
        conditions = ["1 = 1"]
        if before_id is not None:
            conditions.append("a.id < :before_id")
        if story_id is not None:
            conditions.append("a.story_id = :story_id")
        rows = tx.fetch(
            "SELECT a.*, e.name, s.title FROM acts a"
            " LEFT JOIN editors e ON e.telegram_id = a.editor"
            " LEFT JOIN stories s ON s.id = a.story_id"
            f" WHERE {' AND '.join(conditions)} ORDER BY a.id DESC LIMIT :limit",
            limit=limit,
            before_id=before_id,
            story_id=story_id,
        )
        return [_act(row) for row in rows]


def allow(tx: Transaction, warrant: Warrant) -> None:
    """Raises NotAllowedError where somebody is no editor."""
    if not (warrant.is_owner or _is_appointed(tx, warrant.editor)):
        raise NotAllowedError(f"{warrant.editor} is no editor")


def note(
    tx: Transaction,
    warrant: Warrant,
    kind: ActKind,
    *,
    story_id: int | None = None,
    broadcast_id: int | None = None,
    detail: str = "",
) -> None:
    """Write an act into the trail; the story is the broadcast's where only that is named."""
    if story_id is None and broadcast_id is not None:
        rows = tx.fetch("SELECT story_id FROM broadcasts WHERE id = :id", id=broadcast_id)
        story_id = rows[0]["story_id"] if rows else None
    _insert(tx, warrant, kind, (story_id, broadcast_id), detail, refused=False)


def _insert(
    tx: Transaction,
    warrant: Warrant,
    kind: ActKind,
    about: tuple[int | None, int | None],
    detail: str,
    *,
    refused: bool,
) -> None:
    tx.execute(
        "INSERT INTO acts (editor, kind, done_at, refused_at, story_id, broadcast_id, detail)"
        " VALUES (:editor, :kind, :now, :refused_at, :story_id, :broadcast_id, :detail)",
        editor=warrant.editor,
        kind=kind.value,
        now=ms(warrant.now),
        refused_at=ms(warrant.now) if refused else None,
        story_id=about[0],
        broadcast_id=about[1],
        detail=detail[:LONGEST_DETAIL_CHARS],
    )


def _allow_owner(warrant: Warrant) -> None:
    if not warrant.is_owner:
        raise NotAllowedError(f"{warrant.editor} is no owner")


def _is_appointed(tx: Transaction, user_id: int) -> bool:
    return bool(
        tx.fetch(
            "SELECT telegram_id FROM editors WHERE telegram_id = :id"
            " AND appointed_at IS NOT NULL AND dismissed_at IS NULL",
            id=user_id,
        )
    )


def _keep_name(tx: Transaction, user_id: int, name: str) -> None:
    tx.execute(
        "INSERT INTO editors (telegram_id, name) VALUES (:id, :name)"
        " ON CONFLICT (telegram_id) DO UPDATE SET name ="
        " CASE WHEN excluded.name = '' THEN editors.name ELSE excluded.name END",
        id=user_id,
        name=name,
    )


def _editor(row: Row) -> Editor:
    return Editor(
        telegram_id=row["telegram_id"],
        name=row["name"],
        is_owner=False,
        appointed_by=row["appointed_by"],
        appointed_at=to_moment(row["appointed_at"]),
    )


def _act(row: Row) -> Act:
    done_at = to_moment(row["done_at"])
    assert done_at is not None
    return Act(
        id=row["id"],
        editor=row["editor"],
        kind=ActKind(row["kind"]),
        done_at=done_at,
        refused=row["refused_at"] is not None,
        story_id=row["story_id"],
        broadcast_id=row["broadcast_id"],
        detail=row["detail"],
        name=row["name"] or "",
        title=row["title"] or "",
    )
