"""What makes an entry a story of ours: its cleaned link, its identity, its digest."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeGuard
from urllib.parse import parse_qsl, urlencode, urlsplit

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
LEAST_LEAD_CHARS = 80
LONGEST_BODY_CHARS = 100_000
LONGEST_NAME_CHARS = 200
MOST_TAGS = 50

_CUT_ENDS: Final = ("…", "...", "[...]", "(...)")
_LOCKED_TITLE: Final = re.compile(
    r"(?:protected|terproteksi|dilindungi|diproteksi):", re.IGNORECASE
)
_LOCKED: Final = re.compile(
    r"protected|password|terproteksi|dilindungi|diproteksi|sandi", re.IGNORECASE
)
# What a site writes into a text by itself and changes at each visit.
_COUNTERS: Final = re.compile(
    r"\b(?:dibaca|dilihat|viewed|views?|hits?|pembaca|readers?)\W{0,3}\d[\d.,]*(?:\s*(?:rb|ribu|jt|k|x)\b)?"
    r"(?:\s*(?:kali|times)\b)?"
    r"|\b\d[\d.,]*\s*(?:rb|ribu|jt|k)?\s*(?:x\s*|kali\s+)?"
    r"(?:dibaca|dilihat|views?\b|hits\b|pembaca\b|komentar\b|comments?\b|shares?\b|likes?\b)"
    r"|\b\d+\s*(?:detik|menit|jam|hari|minggu|seconds?|minutes?|hours?|days?|weeks?|mins?|hrs?)"
    r"\s+(?:yang\s+)?(?:lalu|ago)\b",
    re.IGNORECASE,
)
_PICTURE: Final = re.compile(r"\.(?:jpe?g|png|webp|gif|avif|bmp|svg)\Z", re.IGNORECASE)
_SHARD: Final = re.compile(r"\Ai\d\.wp\.com\Z")
_VOLATILE: Final = re.compile(
    r"(?:_|t|ts|time|timestamp|v|ver|version|rev|w|h|width|height|resize|fit|crop|quality|q|dpr|ssl|"
    r"strip|auto|cb|cache|cachebuster|nocache|rand|random|r|expires?|exp|e|signature|sig|s|token|"
    r"hmac|hash|policy|key-pair-id|se|sp|sv|sr|st|oe|oh|x-(?:amz|goog)-.*|googleaccessid)",
    re.IGNORECASE,
)


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


def guid_twin(guid: str | None) -> str | None:
    """The same guid in the other scheme, as a move to https changes it; None for no address."""
    if guid is None:
        return None
    scheme, found, rest = guid.partition("://")
    other = {"http": "https", "https": "http"}.get(scheme.lower())
    return f"{other}://{rest}" if found and other else None


def digest(story: Story) -> str:
    """A hash of what a reader sees of a story as its source states it.

    Counters, clocks ("5 menit lalu") and signed or resized addresses of one picture make no
    difference: what changes by itself is no revision.
    """
    seen = [
        _COUNTERS.sub("#", story.title),
        _COUNTERS.sub("#", story.summary),
        story.url,
        story.image_url and image_key(story.image_url),
    ]
    return hashlib.blake2b(
        json.dumps(seen).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def image_key(url: str) -> str:
    """The form in which addresses of pictures are compared: without scheme, size and signature."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return url
    host = "i.wp.com" if _SHARD.match(host) else host
    if _PICTURE.search(parts.path):
        return f"{host}{parts.path}"
    stated = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in stated if not _VOLATILE.fullmatch(name)]
    return f"{host}{parts.path}?{urlencode(kept)}"


def is_locked(story: Story) -> bool:
    """Whether WordPress shows a story to those alone who have its password.

    Source: wp-includes/post-template.php, "Protected: %s" and its translations.
    """
    said = f"{story.summary[:300]}\n{story.body[:1000]}"
    return bool(_LOCKED_TITLE.match(story.title) and (not said.strip() or _LOCKED.search(said)))


def is_cut(summary: str) -> bool:
    """Whether a summary is missing or breaks off before its end."""
    return not summary or summary.endswith(_CUT_ENDS)


def told_by_body(story: Story) -> Story:
    """A story whose cut summary is completed from its own text, where that begins alike."""
    begins = _uncut(story.summary)
    if not is_cut(story.summary) or not " ".join(story.body.split()).startswith(begins):
        return story
    told = ""
    for line in story.body.split("\n"):
        told = f"{told} {line}".strip()
        if len(told) > max(len(begins), LEAST_LEAD_CHARS):
            break
    enough = len(told) >= len(begins) and told and not is_cut(told)
    return replace(story, summary=told[:LONGEST_SUMMARY_CHARS]) if enough else story


def completed(story: Story, found: Story) -> Story:
    """A story with what it does not say itself taken from another reading of the same story.

    Nothing that it says is replaced, but for a summary that is cut by one that is not.
    """
    return replace(
        story,
        summary=_better_summary(story.summary, found),
        body=story.body or found.body,
        author=story.author or found.author,
        editor=story.editor or found.editor,
        image_url=story.image_url or found.image_url,
        tags=story.tags or found.tags,
        published_at=story.published_at or found.published_at,
        updated_at=story.updated_at or found.updated_at,
    )


def carried(story: Story, before: Story) -> Story:
    """A revision with what an earlier state of the story knew and its source still does not say.

    A summary is carried over only where the source's own, cut one is how it begins.
    """
    begins = _uncut(story.summary)
    same = is_cut(story.summary) and before.summary.startswith(begins)
    return completed(story, before if same else replace(before, summary=""))


def is_same_story(sighting: Sighting, found: Sighting) -> bool:
    """Whether a page that was read where a story's link led is about that very story.

    It is where the page's own address is the story's, or where its host is and the titles agree.
    """
    if sighting.key is None or found.key is None:
        return False
    if sighting.key == found.key:
        return True
    titles = [_plain_title(one.story.title) for one in (sighting, found)]
    agree = bool(min(titles, key=len)) and (titles[0] in titles[1] or titles[1] in titles[0])
    return agree and _host(sighting.story.url) == _host(found.story.url)


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


def _better_summary(stated: str, found: Story) -> str:
    if not is_cut(stated) or is_cut(found.summary):
        return stated or found.summary
    return found.summary if len(found.summary) >= len(_uncut(stated)) // 2 else stated


def _uncut(summary: str) -> str:
    """What stands before the mark that shows where a summary was cut."""
    for end in _CUT_ENDS:
        summary = summary.removesuffix(end)
    return summary.rstrip()


def _plain_title(title: str) -> str:
    return "".join(character for character in title.casefold() if character.isalnum())


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")
