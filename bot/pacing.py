"""When a feed is polled next: pure functions of what it says and how it behaves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import FetchError

if TYPE_CHECKING:
    from bot.errors import SourceError
    from bot.types import FeedForPoll, FeedPage

LONGEST = timedelta(hours=1)
# A newsroom sleeps at night: only a feed that was quiet for longer is polled less often.
LIVE_FOR = timedelta(days=1)
QUIET_PARTS = 24
JITTER_PARTS = 1000
JITTER_SHARE = 0.1


def pause(interval: timedelta, page: FeedPage, quiet: timedelta) -> timedelta:
    """How long to leave a feed alone after a poll that went well, `quiet` after its last change.

    A live feed is polled at the interval, whatever it says of itself (WordPress says "hourly" of
    every feed), but not while its server calls the answer fresh. One that is quiet for long is
    polled as often as it says, less and less. Never more often than the interval, and never less
    than hourly where the interval itself is shorter.
    """
    wished = [interval, timedelta(seconds=page.fresh_s or 0)]
    if quiet >= LIVE_FOR:
        wished += [timedelta(seconds=page.pace_s or 0), (quiet - LIVE_FOR) / QUIET_PARTS]
    return min(max(wished), max(interval, LONGEST))


def back_off(interval: timedelta, failures: int, error: SourceError) -> timedelta:
    """How long to leave a failing feed alone: doubling up to an hour, or as its server asked."""
    longest = max(interval, LONGEST)
    asked_s = error.retry_after_s if isinstance(error, FetchError) else None
    doubled = interval * (1 << min(failures - 1, 10))
    asked = timedelta(seconds=min(asked_s or 0, longest.total_seconds()))
    return min(max(doubled, asked), longest)


def spread(pause: timedelta, interval: timedelta, feed: FeedForPoll) -> timedelta:
    """A pause that is longer than the interval, up to a tenth shorter, differently by each feed.

    Feeds that slowed down together so do not come back together.
    """
    share = (feed.id * 617 + feed.attempt * 271) % JITTER_PARTS / JITTER_PARTS
    return max(interval, pause * (1 - JITTER_SHARE * share))
