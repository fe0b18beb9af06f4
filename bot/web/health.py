"""Readiness, from what the database says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import DatabaseError
from bot.links import shown

if TYPE_CHECKING:
    from bot.store import Store


async def find_faults(store: Store) -> list[str]:
    """Every reason why the service is not ready, in words."""
    try:
        feeds = await store.list_feed_health()
    except DatabaseError as error:
        return [f"database: {error}"]
    faults = [f"feed {shown(feed.url)}: {feed.error}" for feed in feeds if feed.error]
    faults += [
        f"feed {shown(feed.url)}: not polled yet" for feed in feeds if feed.polled_at is None
    ]
    return faults
