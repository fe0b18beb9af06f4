"""What makes an entry a story of ours: its cleaned link, its identity, its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.links import canonical, story_code, story_key
from bot.types import Sighting, Story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.types import Entry

LONGEST_URL_CHARS = 2000
LONGEST_TITLE_CHARS = 1000
LONGEST_SUMMARY_CHARS = 5000
LONGEST_BODY_CHARS = 100_000


def sight(entries: Sequence[Entry]) -> list[Sighting]:
    """Entries as stories with their identity, newest first as the feed lists them.

    Two entries of one identity are one: the first counts. A guid that several entries with
    different links share identifies none of them.
    """
    shared = _shared_guids(entries)
    sightings: dict[str, Sighting] = {}
    for entry in entries:
        stated = replace(entry, guid=None) if entry.guid in shared else entry
        sighting = sight_entry(stated)
        sightings.setdefault(sighting.key or sighting.story.code, sighting)
    return list(sightings.values())


def sight_entry(entry: Entry) -> Sighting:
    """One entry as a story: its link cleaned, its identity and digest made."""
    url = _usable_url(entry)
    key = story_key(url) if url else None
    identity = key or entry.guid or f"{entry.title}\n{entry.summary}"
    story = Story(
        url=url,
        code=story_code(identity),
        title=entry.title[:LONGEST_TITLE_CHARS],
        summary=entry.summary[:LONGEST_SUMMARY_CHARS],
        body=entry.body[:LONGEST_BODY_CHARS],
        author=entry.author,
        editor=entry.editor,
        image_url=entry.image_url,
        tags=entry.tags,
        published_at=entry.published_at,
        updated_at=entry.updated_at,
        guid=entry.guid or (None if key else story_code(identity)),
    )
    return Sighting(story, key, digest(story))


def digest(story: Story) -> str:
    """A hash of what a reader sees of a story."""
    seen = [story.title, story.summary, story.url, story.image_url]
    return hashlib.blake2b(
        json.dumps(seen).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def _usable_url(entry: Entry) -> str:
    """The cleaned link; a guid that is a link serves where there is none, "" where neither is."""
    for stated in (entry.url, entry.guid):
        if (
            stated
            and stated.startswith(("http://", "https://"))
            and len(stated) <= LONGEST_URL_CHARS
        ):
            return canonical(stated)
    return ""


def _shared_guids(entries: Sequence[Entry]) -> set[str]:
    urls: dict[str, set[str | None]] = {}
    for entry in entries:
        if entry.guid:
            urls.setdefault(entry.guid, set()).add(entry.url)
    return {guid for guid, links in urls.items() if len(links) > 1}
