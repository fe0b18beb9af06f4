"""Flow 2 as editors do it: draft, decide, halt, correct, retract, look; every act in the trail."""

from __future__ import annotations

from bot.editing.acts import Editing, EditingPolicy
from bot.editing.notices import CORRECTION, PROGRESS, QUESTION, RETRACTION, Notices
from bot.editing.stats import story_stats
from bot.editing.times import read_moment
from bot.editing.values import DayStats, Decision, Draft, Outcomes, Progress, Stats, StoryStats

__all__ = [
    "CORRECTION",
    "PROGRESS",
    "QUESTION",
    "RETRACTION",
    "DayStats",
    "Decision",
    "Draft",
    "Editing",
    "EditingPolicy",
    "Notices",
    "Outcomes",
    "Progress",
    "Stats",
    "StoryStats",
    "read_moment",
    "story_stats",
]
