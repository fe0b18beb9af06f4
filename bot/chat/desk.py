"""What the chat's handlers need of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from bot.broadcasts import Broadcasts
    from bot.ports import FeedSource
    from bot.render import Renderer
    from bot.store import Store


@dataclass(frozen=True, slots=True)
class Desk:
    """The newsroom as the chat sees it.

    `editors` are Telegram user ids. `note_group` is told the Telegram id of every group that is
    met, `note_press` the id of every story below which a button is pressed.
    A broadcast's report is looked at every `report_every_s` seconds.
    """

    store: Store
    broadcasts: Broadcasts
    source: FeedSource
    renderer: Renderer
    editors: frozenset[int]
    locale: str
    zone: ZoneInfo
    clock: Callable[[], datetime]
    note_group: Callable[[int], None] | None = None
    note_press: Callable[[int], None] | None = None
    report_every_s: float = 1.0
