"""What went out and was opened, by day and by story, out of the store's numbers."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bot.editing.values import DayStats, Stats, StoryStats
from bot.types import ClickKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from zoneinfo import ZoneInfo

    from bot.store import Store
    from bot.types import Click, Platform, Story

MOST_STORIES = 50


async def gather(store: Store, days: int, now: datetime, zone: ZoneInfo) -> Stats:
    """The last `days` days of the newsroom's zone, today among them."""
    today = now.astimezone(zone).date()
    dates = [today - timedelta(days=back) for back in range(days)]
    told = [await _day(store, one, zone) for one in dates]
    sent = await store.list_sent_stories(_start(dates[-1], zone), MOST_STORIES)
    clicks = await store.list_clicks(dates[-1], today)
    by_story: dict[int, list[Click]] = {}
    for click in clicks:
        by_story.setdefault(click.story_id, []).append(click)
    stories = [
        story_stats(story, delivered, refused, by_story.get(story.id, ()))
        for story, delivered, refused in sent
    ]
    stories.sort(key=lambda one: (-one.opened, -one.delivered, -one.story.id))
    return Stats(tuple(told), tuple(stories), dict(_shares(clicks)), await store.count_chats(), now)


def story_stats(story: Story, delivered: int, refused: int, clicks: Iterable[Click]) -> StoryStats:
    """One story's numbers."""
    clicks = list(clicks)
    return StoryStats(story, delivered, refused, _opened(clicks), dict(_shares(clicks)))


async def _day(store: Store, day: date, zone: ZoneInfo) -> DayStats:
    numbers = await store.count_span(_start(day, zone), _start(day + timedelta(days=1), zone))
    return DayStats(
        day=day,
        broadcasts=numbers.broadcasts,
        delivered=numbers.delivered,
        refused=numbers.refused,
        opened=_opened(await store.list_clicks(day, day)),
        joined=numbers.joined,
        left=numbers.left,
    )


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _opened(clicks: Iterable[Click]) -> int:
    return sum(click.number for click in clicks if click.kind is ClickKind.READER)


def _shares(clicks: Iterable[Click]) -> Counter[Platform]:
    """Readers by the platform through which they came."""
    shares: Counter[Platform] = Counter()
    for click in clicks:
        if click.kind is ClickKind.READER:
            shares[click.platform] += click.number
    return shares
