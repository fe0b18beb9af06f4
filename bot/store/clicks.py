"""Clicks on short links, and what readers open now."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.store.rows import EPOCH, STORY_COLUMNS, to_story
from bot.store.transactional import Verbs, reading, transactional
from bot.types import Click, ClickKind, LinkedStory, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from bot.ports import Transaction
    from bot.types import Story

HALF_LIFE = timedelta(hours=24)
# One reader of three days ago: less than that is nobody's favourite.
LEAST_HITS = 1 / 8
# Beyond so many half-lives what is left does not count, and powers of two stay numbers.
FORGOTTEN = 64.0


class ClickVerbs(Verbs):
    """Counts of clicks, never of people: no row says who or when in the day."""

    @reading
    def find_linked_story(self, tx: Transaction, code: str) -> LinkedStory | None:
        """Where the short links of a story's code lead."""
        rows = tx.fetch("SELECT id, url, withdrawn_at FROM stories WHERE code = :code", code=code)
        return (
            LinkedStory(rows[0]["id"], rows[0]["url"], rows[0]["withdrawn_at"] is not None)
            if rows
            else None
        )

    @transactional
    def forget_short_urls(self, tx: Transaction) -> None:
        """Let go of the short URLs that a shortener gave which is no longer used."""
        tx.execute("UPDATE stories SET short_url = NULL WHERE short_url IS NOT NULL")

    @transactional
    def count_clicks(
        self, tx: Transaction, clicks: Sequence[Click], day: date, now: datetime
    ) -> None:
        """Add clicks to what is counted; `day` is the newsroom's date."""
        tx.execute_many(
            "INSERT INTO clicks (story_id, platform, kind, day, number)"
            " VALUES (:story_id, :platform, :kind, :day, :number)"
            " ON CONFLICT (story_id, platform, kind, day)"
            " DO UPDATE SET number = clicks.number + excluded.number",
            _ordered((c.story_id, c.platform, c.kind, c.number, day.isoformat()) for c in clicks),
        )
        totals: Counter[tuple[Platform, ClickKind]] = Counter()
        hits: Counter[int] = Counter()
        for click in clicks:
            totals[click.platform, click.kind] += click.number
            if click.kind is not ClickKind.PREVIEW:
                hits[click.story_id] += click.number
        _add_totals(tx, totals)
        for story_id, number in sorted(hits.items()):
            _warm(tx, story_id, number, now)

    @reading
    def list_popular(self, tx: Transaction, now: datetime, limit: int) -> list[Story]:
        """What readers open and press now, the most first; empty where nothing is counted.

        A click counts half after HALF_LIFE, a quarter after two; previews by machines and
        withdrawn stories are left out.
        """
        rows = tx.fetch(
            f"SELECT {STORY_COLUMNS} FROM story_heats h JOIN stories s ON s.id = h.story_id"
            " WHERE h.heat >= :least AND s.withdrawn_at IS NULL"
            " ORDER BY h.heat DESC, s.id DESC LIMIT :limit",
            least=half_lives(now) + math.log2(LEAST_HITS),
            limit=limit,
        )
        return [to_story(row) for row in rows]

    @reading
    def list_clicks(
        self, tx: Transaction, first: date, last: date, story_id: int | None = None
    ) -> list[Click]:
        """Clicks of the newsroom's days from `first` to `last`, both included.

        Summed by story, platform and kind, in that order; of one story where it is given.
        """
        one = "" if story_id is None else " AND story_id = :story_id"
        rows = tx.fetch(
            "SELECT story_id, platform, kind, CAST(SUM(number) AS BIGINT) AS number FROM clicks"
            f" WHERE day BETWEEN :first AND :last{one}"
            " GROUP BY story_id, platform, kind ORDER BY story_id, platform, kind",
            first=first.isoformat(),
            last=last.isoformat(),
            story_id=story_id,
        )
        return [
            Click(row["story_id"], Platform(row["platform"]), ClickKind(row["kind"]), row["number"])
            for row in rows
        ]

    @reading
    def count_all_clicks(self, tx: Transaction) -> dict[tuple[Platform, ClickKind], int]:
        """All clicks ever counted, by platform and kind."""
        rows = tx.fetch("SELECT platform, kind, number FROM click_totals ORDER BY platform, kind")
        return {(Platform(row["platform"]), ClickKind(row["kind"])): row["number"] for row in rows}


def half_lives(now: datetime) -> float:
    """A moment as half-lives since 1970: the scale of heat."""
    return (now - EPOCH) / HALF_LIFE


def warmed(heat: float, hits: int, now: datetime) -> float:
    """A story's heat after `hits` more.

    Heat is the moment, in half-lives, at which what is left of a story's hits was or will be one:
    the hits now are 2 ** (heat - half_lives(now)). Stories compare by it at any time, so that
    nothing ever needs cooling.
    """
    moment = half_lives(now)
    left = min(heat - moment, FORGOTTEN)
    before = 0.0 if left < -FORGOTTEN else math.pow(2.0, left)
    return moment + math.log2(before + hits)


def _warm(tx: Transaction, story_id: int, hits: int, now: datetime) -> None:
    tx.execute(
        "INSERT INTO story_heats (story_id, heat) VALUES (:id, 0) ON CONFLICT DO NOTHING",
        id=story_id,
    )
    # An UPDATE that changes nothing holds the row: another process's count waits for this one.
    rows = tx.fetch(
        "UPDATE story_heats SET heat = heat WHERE story_id = :id RETURNING heat", id=story_id
    )
    tx.execute(
        "UPDATE story_heats SET heat = :heat WHERE story_id = :id",
        id=story_id,
        heat=warmed(rows[0]["heat"], hits, now),
    )


def _add_totals(tx: Transaction, totals: Counter[tuple[Platform, ClickKind]]) -> None:
    tx.execute_many(
        "INSERT INTO click_totals (platform, kind, number) VALUES (:platform, :kind, :number)"
        " ON CONFLICT (platform, kind)"
        " DO UPDATE SET number = click_totals.number + excluded.number",
        [
            {"platform": platform, "kind": kind, "number": number}
            for (platform, kind), number in sorted(totals.items())
        ],
    )


def _ordered(
    rows: Iterable[tuple[int, Platform, ClickKind, int, str]],
) -> list[dict[str, str | int]]:
    """Rows in one order for all processes, so that none waits for another in a circle."""
    names = ("story_id", "platform", "kind", "number", "day")
    return [dict(zip(names, row, strict=True)) for row in sorted(rows)]
