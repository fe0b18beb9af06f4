"""lemon24/reader's own update of all feeds, one worker."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from reader import make_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from feed_passes import Update


@asynccontextmanager
async def updater(file: Path, urls: list[str]) -> AsyncIterator[Update]:
    """A pass over all feeds; nothing else runs on the loop."""
    with make_reader(str(file)) as reader:
        for url in urls:
            reader.add_feed(url)

        async def update() -> None:
            reader.update_feeds(scheduled=False)

        yield update
        failed = [feed.last_exception for feed in reader.get_feeds() if feed.last_exception]
        assert not failed, failed[0]
        assert reader.get_entry_counts().total == len(urls) * 11
