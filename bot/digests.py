"""Flow 4: what has waited for a chat's digest, or for the end of its quiet hours, leaves."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from bot.render import MAX_LISTED
from bot.store import DueDigest, ListPart
from bot.types import Listing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.render import Renderer
    from bot.store import Store
    from bot.types import Story

AT_ONCE = 500
# So many stories of a night come singly; more come as a list.
BURST = 5

_log = logging.getLogger(__name__)


class Digests:
    """Sends each chat the digests that it wishes."""

    def __init__(self, store: Store, renderer: Renderer, *, burst: int = BURST) -> None:
        self._store = store
        self._renderer = renderer
        self._burst = burst

    async def send_due(self, now: datetime) -> bool:
        """Queue what is due, one list for all that get the same; False where nothing was.

        A digest without a story is never sent.
        """
        due = await self._store.list_due_digests(now, AT_ONCE)
        alike: dict[tuple[Listing, tuple[int, ...]], list[DueDigest]] = defaultdict(list)
        for one in due:
            if one.quiet_until is not None:
                await self._store.postpone_digest(one, one.quiet_until)
                continue
            alike[one.listing, tuple(story.id for story in one.stories)].append(one)
        for (listing, story_ids), group in alike.items():
            if listing is Listing.QUIET and 0 < len(story_ids) <= self._burst:
                await self._send_singly(group, now)
            else:
                await self._send_list(group, now)
        return bool(due)

    async def _send_singly(self, group: Sequence[DueDigest], now: datetime) -> None:
        number = await self._store.record_singles(group, now)
        _log.info("quiet hours ended", extra={"deliveries": number})

    async def _send_list(self, group: Sequence[DueDigest], now: datetime) -> None:
        listing, stories = group[0].listing, group[0].stories
        parts = [
            ListPart(part, self._renderer.list_message(part, listing)) for part in _parts(stories)
        ]
        number = await self._store.record_digest(group, parts, now)
        fields = {"stories": len(stories), "messages": len(parts), "subscriptions": number}
        _log.info("digest queued", extra=fields)


def _parts(stories: tuple[Story, ...]) -> list[tuple[Story, ...]]:
    """As few parts as a message's limit allows, of about the same length."""
    if not stories:
        return []
    number = -(-len(stories) // MAX_LISTED)
    size = -(-len(stories) // number)
    return [stories[start : start + size] for start in range(0, len(stories), size)]
