"""What a feed leaves out, filled in before a story is recorded: in bounded time, never worse.

A WordPress site is asked for all stories at once over its archive, any other page by page. The
digest stays that of the feed's own entry, so that what is filled in is no revision.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.errors import SourceError
from bot.identity import carried, completed, is_cut, is_same_story, sight_entry, told_by_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bot.ports import Archive, FeedSource
    from bot.store import Store
    from bot.types import KnownStory, Post, Sighting, Story

AT_ONCE = 20
NEW_WITHIN_S = 2.8
ARCHIVE_SHARE = 0.6
# A correction is promised within two seconds of its poll.
REVISED_WITHIN_S = 1.0

_log = logging.getLogger(__name__)


class PageEnricher:
    """Fills in image, author, editor, tags and a whole summary; implements `ports.Enricher`.

    `new_within_s` is the longest that a new story waits for it, in seconds.
    """

    def __init__(
        self,
        store: Store,
        source: FeedSource,
        archive: Archive,
        new_within_s: float = NEW_WITHIN_S,
        revised_within_s: float = REVISED_WITHIN_S,
    ) -> None:
        self._store = store
        self._source = source
        self._archive = archive
        self._new_within_s = new_within_s
        self._revised_within_s = revised_within_s

    async def enrich(self, feed_id: int, sightings: Sequence[Sighting]) -> list[Sighting]:
        """The sightings, in their order, with what their pages say besides.

        At most AT_ONCE are looked up; what is not there in time stays as the feed states it.
        """
        told = [replace(one, story=told_by_body(one.story)) for one in sightings]
        return await self._look_up(feed_id, told, self._new_within_s)

    async def enrich_revised(
        self, feed_id: int, revised: Sequence[tuple[KnownStory, Sighting]]
    ) -> list[tuple[KnownStory, Sighting]]:
        """Revisions with what was known before, and looked up anew only where that is not whole."""
        stories = await self._store.list_stories([known.id for known, _ in revised])
        before = {story.id: story for story in stories}
        told = [
            replace(one, story=_kept(told_by_body(one.story), before.get(known.id)))
            for known, one in revised
        ]
        cut = [one for one in told if is_cut(one.story.summary)]
        found = await self._look_up(feed_id, cut, self._revised_within_s) if cut else []
        whole = dict(zip(map(id, cut), found, strict=True))
        return [
            (known, whole.get(id(one), one)) for (known, _), one in zip(revised, told, strict=True)
        ]

    async def _look_up(
        self, feed_id: int, sightings: Sequence[Sighting], within_s: float
    ) -> list[Sighting]:
        result = list(sightings)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                asked = await self._ask_archive(feed_id, result, within_s * ARCHIVE_SHARE)
                lacking = [n for n, one in enumerate(result) if _lacks(one, asked=asked)]
                async with asyncio.TaskGroup() as tasks:
                    for number in lacking[:AT_ONCE]:
                        tasks.create_task(self._read_page(result, number))
        return result

    async def _ask_archive(self, feed_id: int, result: list[Sighting], within_s: float) -> bool:
        """Fill in what the site's archive says; False where it says nothing."""
        api_url = await self._store.find_archive_url(feed_id)
        if api_url is None:
            return False
        try:
            async with asyncio.timeout(within_s):
                wanted = [one.story for one in result[:AT_ONCE]]
                posts = await self._archive.list_posts(api_url, wanted)
        except (SourceError, TimeoutError) as error:
            _log.info("archive not read", extra={"feed": feed_id, "reason": str(error)})
            return False
        for number, sighting in enumerate(result):
            post = post_of(sighting, posts)
            if post is not None and not post.protected:
                result[number] = replace(sighting, story=_with_post(sighting.story, post))
        return bool(posts)

    async def _read_page(self, result: list[Sighting], number: int) -> None:
        sighting = result[number]
        try:
            found = sight_entry(await self._source.read_article(sighting.story.url))
        except SourceError as error:
            _log.debug("page not read", extra={"url": sighting.story.url, "reason": str(error)})
        except Exception:
            # A page that breaks its reader must not cost the story.
            _log.exception("page not read", extra={"url": sighting.story.url})
        else:
            if is_same_story(sighting, found):
                whole = completed(sighting.story, told_by_body(found.story))
                result[number] = replace(sighting, story=whole)


def post_of(sighting: Sighting, posts: Iterable[Post]) -> Post | None:
    """The post that a sighting is of: by guid, else by the key of its link."""
    posts = list(posts)
    for post in posts:
        if sighting.story.guid and post.entry.guid == sighting.story.guid:
            return post
    for post in posts:
        if sighting.key and sight_entry(post.entry).key == sighting.key:
            return post
    return None


def _kept(story: Story, before: Story | None) -> Story:
    return story if before is None else carried(story, before)


def _lacks(sighting: Sighting, *, asked: bool) -> bool:
    story = sighting.story
    missing = is_cut(story.summary) or story.image_url is None or story.author is None
    return bool(story.url) and (missing or (story.editor is None and not asked))


def _with_post(story: Story, post: Post) -> Story:
    """A story with what its post says: the featured image, and categories before tags."""
    found = told_by_body(sight_entry(post.entry).story)
    whole = completed(story, found)
    return replace(
        whole,
        image_url=found.image_url or story.image_url,
        tags=_joined(found.tags, story.tags),
    )


def _joined(*tags: Iterable[str]) -> tuple[str, ...]:
    stated = [tag for some in tags for tag in some]
    return tuple({tag.casefold(): tag for tag in reversed(stated)}.values())[::-1]
