"""What editors get to see of their acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime

    from bot.types import Broadcast, Platform, Story


class Decision(StrEnum):
    """What became of an editor's decision.

    DECIDED: somebody has decided before. CHANGED: what it was about has changed since it was shown.
    MISSING: there is nothing of that number.
    """

    DONE = "done"
    DECIDED = "decided"
    CHANGED = "changed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Draft:
    """A broadcast that waits for its decision or its moment, with what a decision needs to know.

    `audience` is how many destinations it would reach now, `takes_s` the seconds that it would
    take; `reached` how many this story has reached before.
    """

    broadcast: Broadcast
    story: Story
    audience: int
    takes_s: float
    reached: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How a broadcast does: numbers of destinations, and the seconds until all are served.

    `left_s` is None while nobody can tell: before it opens, while it is paused, when it is done.
    """

    broadcast: Broadcast
    story: Story
    sent: int = 0
    waiting: int = 0
    unknown: int = 0
    refused: int = 0
    stopped: int = 0
    left_s: float | None = None

    @property
    def total(self) -> int:
        """All destinations."""
        return self.sent + self.waiting + self.unknown + self.refused + self.stopped

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        ended = self.broadcast.state not in {"draft", "scheduled"} and not self.broadcast.fanning
        return ended and not self.waiting and not self.unknown


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a correction or a retraction, in numbers of messages."""

    edited: int = 0
    deleted: int = 0
    replaced: int = 0
    refused: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class DayStats:
    """One day of the newsroom: what was sent and opened, and how chats came and went."""

    day: date
    broadcasts: int = 0
    delivered: int = 0
    refused: int = 0
    opened: int = 0
    joined: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class StoryStats:
    """One story: destinations, clicks on its short links by platform."""

    story: Story
    delivered: int
    refused: int
    opened: int
    shares: dict[Platform, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stats:
    """The last days, the newest first, their stories (the most opened first), and all chats."""

    days: tuple[DayStats, ...]
    stories: tuple[StoryStats, ...]
    shares: dict[Platform, int]
    chats: dict[str, int]
    made_at: datetime
