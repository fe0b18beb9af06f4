"""Sebar's own related lists for a judge that knows `index(stories)` and `related(story, k)`.

The stories go through the Store of a real temporary database: SQLite, or the one that
RELATED_DATABASE_URL names, whose `public` schema is emptied. Its judge is no part of this project.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from bot.db import open_database
from bot.identity import sight_entry
from bot.relating import relate_due
from bot.store import PollPlan, Store
from bot.types import Entry, FeedPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.types import Sighting

FEED_URL = "https://kabar.example/feed/"
AT_ONCE = 500


class Shelf:
    """A store of labelled stories with a loop of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="sebar-related-"))
        self.store: Store | None = None
        self.ids: dict[str, int] = {}

    def fill(self, stories: Sequence[dict[str, Any]]) -> None:
        """Store, index and relate stories."""
        self.loop.run_until_complete(self._fill(stories))

    def related(self, story_id: str, limit: int) -> list[str]:
        """Look up what is kept for a story, without what came after it."""
        assert self.store is not None
        found = self.loop.run_until_complete(
            self.store.find_related(self.ids[story_id], limit, later=False)
        )
        return [story.guid or "" for story in found or []]

    def empty(self) -> None:
        """Let go of the database."""
        if self.store is not None:
            self.loop.run_until_complete(self.store._database.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    async def _fill(self, stories: Sequence[dict[str, Any]]) -> None:
        database = await open_database(_url(self.folder))
        self.store = Store(database)
        ordered = sorted(stories, key=lambda story: story["at"])
        now = moment(ordered[-1]["at"]) + timedelta(days=1)
        await record(self.store, [sighting(story) for story in ordered], now)
        while await relate_due(self.store, now):
            pass
        rows = await database.read(lambda tx: tx.fetch("SELECT id, guid FROM stories"))
        self.ids = {row["guid"]: row["id"] for row in rows}


async def record(store: Store, sightings: Sequence[Sighting], now: datetime) -> None:
    """Store stories as a feed's first polls do."""
    await store.record_feeds([FEED_URL], now)
    for start in range(0, len(sightings), AT_ONCE):
        (feed,) = await store.claim_feeds(now, now, 1)
        page, plan = FeedPage(url=FEED_URL, entries=()), PollPlan(now, now, broadcast_state=None)
        await store.record_poll(feed, page, sightings[start : start + AT_ONCE], [], plan)


def sighting(story: dict[str, Any]) -> Sighting:
    """A labelled story as a poll would see it; its section is no tag, as the labels know none."""
    return sight_entry(
        Entry(
            title=story["title"],
            url=f"https://kabar.example/{story['id']}",
            guid=story["id"],
            body=story["body"],
            tags=tuple(story.get("tags") or ()),
            published_at=moment(story["at"]),
        )
    )


def moment(stated: str) -> datetime:
    """An ISO time; one without a zone is UTC."""
    read = datetime.fromisoformat(stated)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _url(folder: Path) -> str:
    url = os.environ.get("RELATED_DATABASE_URL")
    if not url:
        return f"sqlite:///{folder / 'related.db'}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


SHELVES: list[Shelf] = []


def index(stories: Sequence[dict[str, Any]]) -> None:
    """Take stories in place of those taken before."""
    while SHELVES:
        SHELVES.pop().empty()
    SHELVES.append(Shelf())
    SHELVES[-1].fill(stories)


def related(story: dict[str, Any], k: int) -> list[str]:
    """Ids of the stories related to one that was taken, the closest first, at most `k`."""
    return SHELVES[-1].related(story["id"], k)
