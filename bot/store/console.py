"""The console's doors and its templates: sign-in links, sessions, stored share templates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bot.store.rows import EPOCH, ms, to_moment
from bot.store.transactional import Verbs, reading, transactional
from bot.types import Platform

if TYPE_CHECKING:
    from bot.ports import Transaction
    from bot.types import Row

LINK_LIVES: Final = timedelta(minutes=5)
SESSION_IDLES: Final = timedelta(hours=12)
# A session's last sight is written no more often.
SEEN_EVERY: Final = timedelta(minutes=1)
TEMPLATES_KEPT: Final = 50


class LinkState(StrEnum):
    """What a sign-in link is good for; UNKNOWN is also one that was forgotten."""

    OPEN = "open"
    UNKNOWN = "unknown"
    USED = "used"
    LATE = "late"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """One state of a platform's share template; `source` None is the return to the built-in one."""

    id: int
    platform: Platform
    source: str | None
    editor: int
    made_at: datetime


class ConsoleVerbs(Verbs):
    """Queries and single-step writes over sign-in links, sessions and templates.

    Tokens come here as hashes only.
    """

    @transactional
    def record_console_link(
        self, tx: Transaction, token_hash: str, editor: int, now: datetime
    ) -> None:
        """Keep a sign-in link of an editor, and forget those of yesterday."""
        tx.execute("DELETE FROM console_links WHERE ends_at < :old", old=ms(_before(now, 24)))
        tx.execute(
            "INSERT INTO console_links (token_hash, editor, ends_at)"
            " VALUES (:token_hash, :editor, :ends_at)",
            token_hash=token_hash,
            editor=editor,
            ends_at=ms(now + LINK_LIVES),
        )

    @transactional
    def bind_console_link(
        self, tx: Transaction, token_hash: str, browser_hash: str, now: datetime
    ) -> LinkState:
        """Let the browser that opens a link first be the only one that can use it."""
        tx.execute(
            "UPDATE console_links SET browser_hash = :browser WHERE token_hash = :token_hash"
            " AND browser_hash IS NULL AND used_at IS NULL AND ends_at > :now",
            browser=browser_hash,
            token_hash=token_hash,
            now=ms(now),
        )
        return _state(tx, token_hash, browser_hash, now)

    @transactional
    def redeem_console_link(
        self,
        tx: Transaction,
        token_hash: str,
        browser_hash: str,
        session_hash: str,
        now: datetime,
    ) -> tuple[LinkState, int | None]:
        """Turn a link into a session, once; gives what it was good for, and whose session it is."""
        rows = tx.fetch(
            "UPDATE console_links SET used_at = :now WHERE token_hash = :token_hash"
            " AND browser_hash = :browser AND used_at IS NULL AND ends_at > :now RETURNING editor",
            now=ms(now),
            token_hash=token_hash,
            browser=browser_hash,
        )
        if not rows:
            state = _state(tx, token_hash, browser_hash, now)
            return LinkState.ELSEWHERE if state is LinkState.OPEN else state, None
        _open_session(tx, session_hash, rows[0]["editor"], now)
        return LinkState.OPEN, rows[0]["editor"]

    @transactional
    def redeem_console_proof(
        self, tx: Transaction, proof_hash: str, editor: int, session_hash: str, now: datetime
    ) -> bool:
        """Turn Telegram's word for an editor into a session; False where it was used before."""
        made = tx.execute(
            "INSERT INTO console_links (token_hash, editor, browser_hash, ends_at, used_at)"
            " VALUES (:proof, :editor, :proof, :now, :now) ON CONFLICT (token_hash) DO NOTHING",
            proof=proof_hash,
            editor=editor,
            now=ms(now),
        )
        if made:
            _open_session(tx, session_hash, editor, now)
        return made == 1

    @reading
    def find_console_session(
        self, tx: Transaction, session_hash: str, now: datetime
    ) -> tuple[int, bool] | None:
        """Whose live session this is, and whether its sight is due to be noted; None for none."""
        rows = tx.fetch(
            "SELECT editor, seen_at FROM console_sessions"
            " WHERE token_hash = :token_hash AND seen_at > :since",
            token_hash=session_hash,
            since=ms(now - SESSION_IDLES),
        )
        if not rows:
            return None
        return rows[0]["editor"], rows[0]["seen_at"] <= ms(now - SEEN_EVERY)

    @transactional
    def mark_console_session(self, tx: Transaction, session_hash: str, now: datetime) -> None:
        """Note that a live session was used."""
        tx.execute(
            "UPDATE console_sessions SET seen_at = :now WHERE token_hash = :token_hash"
            " AND seen_at > :since",
            now=ms(now),
            token_hash=session_hash,
            since=ms(now - SESSION_IDLES),
        )

    @transactional
    def end_console_sessions(self, tx: Transaction, editor: int) -> int:
        """Sign an editor out everywhere, with the links that are still open; gives the sessions."""
        tx.execute(
            "DELETE FROM console_links WHERE editor = :editor AND used_at IS NULL", editor=editor
        )
        return tx.execute("DELETE FROM console_sessions WHERE editor = :editor", editor=editor)

    @transactional
    def record_template(
        self,
        tx: Transaction,
        platform: Platform,
        source: str | None,
        editor: int,
        now: datetime,
    ) -> None:
        """Let a platform's share template be this from now on; None is the built-in one."""
        tx.execute(
            "INSERT INTO templates (platform, source, editor, made_at)"
            " VALUES (:platform, :source, :editor, :now)",
            platform=platform.value,
            source=source,
            editor=editor,
            now=ms(now),
        )

    @reading
    def list_templates(self, tx: Transaction) -> list[StoredTemplate]:
        """The state of each platform's template that counts; none where nobody has changed it."""
        rows = tx.fetch(
            "SELECT * FROM templates WHERE id IN"
            " (SELECT MAX(id) FROM templates GROUP BY platform) ORDER BY id"
        )
        return [_to_template(row) for row in rows]

    @reading
    def list_template_history(self, tx: Transaction, platform: Platform) -> list[StoredTemplate]:
        """The last states of a platform's template, the newest first."""
        rows = tx.fetch(
            "SELECT * FROM templates WHERE platform = :platform ORDER BY id DESC LIMIT :limit",
            platform=platform.value,
            limit=TEMPLATES_KEPT,
        )
        return [_to_template(row) for row in rows]


def _open_session(tx: Transaction, session_hash: str, editor: int, now: datetime) -> None:
    tx.execute(
        "DELETE FROM console_sessions WHERE seen_at <= :since", since=ms(now - SESSION_IDLES)
    )
    tx.execute(
        "INSERT INTO console_sessions (token_hash, editor, made_at, seen_at)"
        " VALUES (:token_hash, :editor, :now, :now)",
        token_hash=session_hash,
        editor=editor,
        now=ms(now),
    )


def _state(tx: Transaction, token_hash: str, browser_hash: str, now: datetime) -> LinkState:
    rows = tx.fetch("SELECT * FROM console_links WHERE token_hash = :hash", hash=token_hash)
    if not rows:
        return LinkState.UNKNOWN
    link = rows[0]
    if link["used_at"] is not None:
        return LinkState.USED
    if link["ends_at"] <= ms(now):
        return LinkState.LATE
    return LinkState.OPEN if link["browser_hash"] == browser_hash else LinkState.ELSEWHERE


def _to_template(row: Row) -> StoredTemplate:
    return StoredTemplate(
        id=row["id"],
        platform=Platform(row["platform"]),
        source=row["source"],
        editor=row["editor"],
        made_at=to_moment(row["made_at"]) or EPOCH,
    )


def _before(now: datetime, hours: int) -> datetime:
    return now - timedelta(hours=hours)
