"""Flow 4: a short link is followed → its story's address, and a count.

Nothing of who follows it is kept. Counts gather in memory and are written in groups; what a crash
can lose is what came since the last group.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from bot.errors import DatabaseError
from bot.links import in_ascii, read_short_code, tagged
from bot.types import Click, ClickKind, Platform

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from bot.store import Store
    from bot.types import LinkedStory

T = TypeVar("T")

FRESH_FOR = timedelta(seconds=3)
MOST_KNOWN = 4_096
MOST_UNKNOWN = 1_024
UNTAGGED = frozenset({Platform.OTHER})


@dataclass(frozen=True, slots=True)
class Target:
    """Where a short link leads; `location` is "" where its story is withdrawn."""

    story_id: int
    platform: Platform
    location: str
    fresh_until: datetime


class Clicks:
    """Looks short links up in bounded memory, and counts who follows them."""

    def __init__(self, store: Store, zone: tzinfo, *, utm: bool) -> None:
        self._store = store
        self._zone = zone
        self._utm = utm
        self._known: dict[str, Target] = {}
        self._unknown: dict[str, datetime] = {}
        self._asked: dict[str, asyncio.Lock] = {}
        self._counts: Counter[tuple[int, Platform, ClickKind]] = Counter()

    async def find(self, code: str, now: datetime) -> Target | None:
        """Where a short link's code leads; None where it leads nowhere.

        An answer is up to FRESH_FOR old; while the database is away, older. Raises DatabaseError.
        """
        known = self._known.get(code)
        if known is not None and known.fresh_until > now:
            return known
        read = read_short_code(code)
        if read is None or self._unknown.get(code, now) > now:
            return None
        try:
            return await self._look_up(code, read, now)
        except DatabaseError:
            if known is None:
                raise
            return known

    def count(self, target: Target, kind: ClickKind) -> None:
        """Count one click."""
        self._counts[target.story_id, target.platform, kind] += 1

    def count_press(self, story_id: int) -> None:
        """Count one press of a button of ours below a story in Telegram."""
        self._counts[story_id, Platform.TELEGRAM, ClickKind.PRESS] += 1

    async def flush(self, now: datetime) -> bool:
        """Write what was counted; False where there was nothing.

        What cannot be written is kept for the next time. Raises DatabaseError.
        """
        if not self._counts:
            return False
        counts, self._counts = self._counts, Counter()
        clicks = [Click(*key, number) for key, number in counts.items()]
        day = now.astimezone(self._zone).date()
        try:
            await asyncio.shield(self._store.count_clicks(clicks, day, now))
        except DatabaseError:
            self._counts.update(counts)
            raise
        return True

    async def _look_up(self, code: str, read: tuple[str, Platform], now: datetime) -> Target | None:
        """Ask the database, once for all who ask for the same at the same time."""
        lock = self._asked.setdefault(code, asyncio.Lock())
        async with lock:
            known = self._known.get(code)
            if known is not None and known.fresh_until > now:
                return known
            if self._unknown.get(code, now) > now:
                return None
            try:
                story = await self._store.find_linked_story(read[0])
            finally:
                self._asked.pop(code, None)
            return self._remember(code, read[1], story, now)

    def _remember(
        self, code: str, platform: Platform, story: LinkedStory | None, now: datetime
    ) -> Target | None:
        location = self._location(story, platform) if story else None
        if story is None or location is None:
            self._known.pop(code, None)
            _put(self._unknown, code, now + FRESH_FOR, MOST_UNKNOWN)
            return None
        target = Target(story.id, platform, location, now + FRESH_FOR)
        _put(self._known, code, target, MOST_KNOWN)
        return target

    def _location(self, story: LinkedStory, platform: Platform) -> str | None:
        """The address to lead to, "" for a withdrawn story, None where there is none."""
        if story.withdrawn:
            return ""
        address = in_ascii(story.url)
        if self._utm and platform not in UNTAGGED:
            address = tagged(address, platform)
        return address or None


def _put(memory: dict[str, T], key: str, value: T, most: int) -> None:
    """Remember a value; the one that was learned first makes room."""
    memory.pop(key, None)
    if len(memory) >= most:
        del memory[next(iter(memory))]
    memory[key] = value
