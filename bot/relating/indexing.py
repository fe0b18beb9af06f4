"""What has come in or was revised is indexed: off the loop, in small steps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.relevance.words import wording

if TYPE_CHECKING:
    from bot.store import Store

INDEXED_AT_ONCE = 8
# A reader's question waits for so many stories that have just come in, but for no whole archive.
CAUGHT_UP_AT_MOST = 24


async def index_due(store: Store, limit: int) -> int:
    """Index stories that are new or revised; gives how many."""
    due = await store.list_unworded(limit)
    if not due:
        return 0
    read = await asyncio.to_thread(lambda: [(story, wording(story)) for story in due])
    return await store.record_wordings(read)
