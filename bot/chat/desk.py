"""What the chat's handlers need of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from bot.broadcasts import Broadcasts
    from bot.editing import Editing, Notices
    from bot.ports import FeedSource
    from bot.render import Renderer
    from bot.store import Store


@dataclass(frozen=True, slots=True)
class Desk:
    """The newsroom as the chat sees it.

    `note_group` is told the Telegram id of every group that is
    met, `note_press` the id of every story below which a button is pressed. The console is served
    at `console_url`.
    """

    store: Store
    broadcasts: Broadcasts
    editing: Editing
    notices: Notices
    source: FeedSource
    renderer: Renderer
    locale: str
    zone: ZoneInfo
    clock: Callable[[], datetime]
    note_group: Callable[[int], None] | None = None
    note_press: Callable[[int], None] | None = None
    console_url: str = "http://127.0.0.1:8080"
