"""Flow 2 as editors do it: draft, decide, halt, correct, retract, look; every act in the trail."""

from __future__ import annotations

from bot.editing.acts import Editing, EditingPolicy
from bot.editing.values import Decision, Draft, Outcomes, Progress, Stats

__all__ = ["Decision", "Draft", "Editing", "EditingPolicy", "Outcomes", "Progress", "Stats"]
