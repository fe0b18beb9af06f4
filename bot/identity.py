"""What makes an entry a story of ours: its cleaned link, its identity, its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

from bot.links import canonical, story_code, story_key
from bot.text import lines, one_line, shorten
from bot.types import Sighting, Story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.types import Entry

LONGEST_URL_CHARS = 2000
LONGEST_TITLE_CHARS = 1000
FIRST_WORDS_CHARS = 80
LONGEST_SUMMARY_CHARS = 5000
LONGEST_BODY_CHARS = 100_000
LONGEST_NAME_CHARS = 200
MOST_TAGS = 50


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
    guid = one_line((entry.guid or "")[:LONGEST_URL_CHARS]) or None
    code = story_code(key or guid or f"{entry.title}\n{entry.summary}")
    story = Story(
        url=url,
        code=code,
        title=_title(entry),
        summary=lines(entry.summary[:LONGEST_SUMMARY_CHARS]),
        body=lines(entry.body[:LONGEST_BODY_CHARS]),
        author=_name(entry.author),
        editor=_name(entry.editor),
        image_url=entry.image_url if _is_web_address(entry.image_url) else None,
        tags=tuple(tag for stated in entry.tags[:MOST_TAGS] if (tag := _name(stated))),
        published_at=entry.published_at,
        updated_at=entry.updated_at,
        guid=guid or (None if key else code),
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
    return next(
        (canonical(stated) for stated in (entry.url, entry.guid) if _is_web_address(stated)), ""
    )


def _is_web_address(stated: str | None) -> TypeGuard[str]:
    return (
        stated is not None
        and len(stated) <= LONGEST_URL_CHARS
        and stated[:8].lower().startswith(("http://", "https://"))
    )


def _title(entry: Entry) -> str:
    """The stated title; where there is none the first words of the text serve."""
    stated = one_line(entry.title[:LONGEST_TITLE_CHARS])
    return stated or shorten(one_line((entry.summary or entry.body)[:1000]), FIRST_WORDS_CHARS)


def _name(stated: str | None) -> str | None:
    return one_line((stated or "")[:LONGEST_NAME_CHARS]) or None


def _shared_guids(entries: Sequence[Entry]) -> set[str]:
    urls: dict[str, set[str | None]] = {}
    for entry in entries:
        if entry.guid:
            urls.setdefault(entry.guid, set()).add(entry.url)
    return {guid for guid, links in urls.items() if len(links) > 1}
