"""A feed's bytes to entries: RSS, Atom and JSON Feed in one plain form."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.article.prose import story_lines
from bot.dates import parse_date
from bot.errors import ParseError
from bot.feeds.xml import MAX_ENTRIES, RawFeed, RawItem, read_xml
from bot.markup import (
    decode,
    first_image,
    folded,
    is_challenge,
    join,
    text_lines,
    title_text,
    web_url,
)
from bot.types import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from zoneinfo import ZoneInfo

MAX_BODY_BYTES = 5_000_000
MAX_AUTHOR_CHARS = 1_000

_EMAIL = re.compile(r"[^\s@<>()]{1,64}@[^\s@<>()]{1,200}")
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_FEED_ROOT = re.compile(
    r"(?:\s|<\?[^>]*>|<!--(?:(?!-->).)*-->|<!doctype[^>\[]*(?:\[[^\]]*\]\s*)?>)*<(?:\w+:)?(?:rss|rdf|feed|channel)\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed that was read: entries in its own order, newest as it lists them, at most 1,000.

    `hub_url` and `self_url` are what it says for WebSub, None where it says nothing.
    """

    title: str | None
    entries: tuple[Entry, ...]
    hub_url: str | None = None
    self_url: str | None = None


def parse_feed(body: bytes, *, content_type: str | None, url: str, zone: ZoneInfo) -> ParsedFeed:
    """Read RSS 0.9x to 2.0, Atom 0.3 and 1.0, JSON Feed 1.0 and 1.1, well-formed or not.

    One expat pass reads what is well-formed, exactly and at once; everything else goes through a
    tolerant scanner into the same builder, so that a fault costs no other story, and both are
    linear. Links are absolute http(s) or None; dates without a zone are in `zone`; a title that is
    not stated is ""; entries with neither title nor text nor link are left out, and so is one that
    the document breaks off in. At most `MAX_BODY_BYTES`.
    Raises: ParseError with a reason that an editor understands.
    Source: RSS 2.0, RFC 4287, RSS 1.0, jsonfeed.org/version/1.1.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ParseError(f"the feed is larger than {MAX_BODY_BYTES // 1_000_000} MB")
    text = decode(body, content_type).lstrip("\ufeff \t\r\n\0")
    if text[:1] in ("{", "["):
        return _from_json(text, url, zone)
    start = text.find("<")
    raw = read_xml(text[start:]) if start >= 0 else RawFeed()
    if not raw.is_feed:
        raise ParseError(_what_it_is(text))
    entries = [_entry(item, url, zone) for item in raw.items]
    head = raw.head
    return ParsedFeed(
        title=title_text(head.get("title")) or None,
        entries=tuple(entry for entry in entries if entry is not None),
        hub_url=next((web_url(href, url) for rel, href in head.links if rel == "hub"), None),
        self_url=next((web_url(href, url) for rel, href in head.links if rel == "self"), None),
    )


def looks_like_feed(text: str) -> bool:
    """Say whether a document is a feed, by its first element or its JSON."""
    return bool(_FEED_ROOT.match(text[:20_000])) or text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def _what_it_is(text: str) -> str:
    """Say in words what a document is that is no feed."""
    if not text.strip():
        return "the answer is empty, not a feed"
    if is_challenge(text):
        return "this is a challenge page (Cloudflare or the like), not a feed: the site blocks bots"
    if _HTML.search(text[:5_000]):
        return "this is a web page, not a feed"
    return "this is not a feed (neither RSS, Atom nor JSON Feed)"


def _entry(item: RawItem, url: str, zone: ZoneInfo) -> Entry | None:
    base = join(url, item.base)
    body_html, summary_html = item.get("body"), item.get("summary")
    body = story_lines(text_lines(body_html))
    summary = story_lines(text_lines(summary_html)) if summary_html else body
    return _stated(
        Entry(
            title=title_text(item.get("title")),
            url=_link(item, url),
            guid=folded(item.get("guid")) or None,
            summary=" ".join(summary),
            body="\n".join(body),
            author=_author(item.get("author")),
            image_url=_image(item.images, body_html or summary_html, base),
            tags=_tags(item.tags),
            published_at=_date(item.get("published"), zone),
            updated_at=_date(item.get("updated"), zone),
        )
    )


def _stated(entry: Entry) -> Entry | None:
    """Give an entry back, None where it has neither title nor text nor link."""
    return entry if entry.title or entry.summary or entry.body or entry.url else None


def _link(item: RawItem, url: str) -> str | None:
    """Choose an item's address: its link, its alternate link, a guid that is an address."""
    candidates = [item.get("link")] if item.texts.get("link", (9,))[0] == 0 else []
    candidates += [href for rel, href in item.links if rel == "alternate"]
    candidates.append(item.get("link"))
    candidates += [href for rel, href in item.links if rel == "other"]
    guid = item.get("guid")
    if item.permalink and guid.strip().lower().startswith(("http://", "https://")):
        candidates.append(guid)
    return next((found for link in candidates if (found := web_url(link, url))), None)


def _author(written: str) -> str | None:
    """Give a name, without the e-mail address that RSS puts beside it."""
    name = title_text(written[:MAX_AUTHOR_CHARS])
    if "@" in name:
        name = _EMAIL.sub(" ", name)
    name = name.replace("mailto:", "").strip(" ()<>[],;-")
    return " ".join(name.split()) or None


def _tags(written: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for tag in written:
        name = title_text(tag)
        if name:
            found.setdefault(name.casefold(), name)
    return tuple(found.values())


def _date(written: str, zone: ZoneInfo) -> datetime | None:
    return parse_date(title_text(written), zone) if written else None


def _image(images: list[tuple[int, str]], markup: str, base: str) -> str | None:
    ranked = sorted(images, key=lambda image: image[0])
    for _, address in ranked:
        if found := web_url(address, base):
            return found
    return first_image(markup, base)


def _from_json(text: str, url: str, zone: ZoneInfo) -> ParsedFeed:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParseError("this is JSON, but it is broken") from error
    if not isinstance(data, dict) or not isinstance(data.get("items"), list):
        raise ParseError("this is JSON, but not a JSON Feed")
    entries = [_json_entry(item, url, zone) for item in data["items"][:MAX_ENTRIES]]
    hubs = data.get("hubs")
    hub = (
        next((h.get("url") for h in hubs if isinstance(h, dict)), None)
        if isinstance(hubs, list)
        else None
    )
    return ParsedFeed(
        title=folded(_string(data.get("title"))) or None,
        entries=tuple(entry for entry in entries if entry is not None),
        hub_url=web_url(_string(hub), url),
        self_url=web_url(_string(data.get("feed_url")), url),
    )


def _json_entry(item: Any, url: str, zone: ZoneInfo) -> Entry | None:
    if not isinstance(item, dict):
        return None
    markup, plain = _string(item.get("content_html")), _string(item.get("content_text"))
    body = story_lines(text_lines(markup) if markup else _plain_lines(plain))
    summary = story_lines(_plain_lines(_string(item.get("summary")))) or body
    link = web_url(_string(item.get("url")), url) or web_url(_string(item.get("external_url")), url)
    guid = folded(_string(item.get("id")))
    if link is None and guid.lower().startswith(("http://", "https://")):
        link = web_url(guid, url)
    images = [(0, _string(item.get(key))) for key in ("image", "banner_image") if item.get(key)]
    return _stated(
        Entry(
            title=title_text(_string(item.get("title"))),
            url=link,
            guid=guid or None,
            summary=" ".join(summary),
            body="\n".join(body),
            author=_json_author(item),
            image_url=_image(images + _json_attachments(item), markup, url),
            tags=_tags(_string(tag) for tag in _list(item.get("tags"))[:100]),
            published_at=_date(_string(item.get("date_published")), zone),
            updated_at=_date(_string(item.get("date_modified")), zone),
        )
    )


def _json_author(item: dict[str, Any]) -> str | None:
    authors = [*_list(item.get("authors")), item.get("author")]
    names = [_author(_string(who.get("name"))) for who in authors if isinstance(who, dict)]
    return ", ".join(dict.fromkeys(name for name in names[:10] if name)) or None


def _json_attachments(item: dict[str, Any]) -> list[tuple[int, str]]:
    return [
        (1, _string(one.get("url")))
        for one in _list(item.get("attachments"))[:20]
        if isinstance(one, dict) and _string(one.get("mime_type")).startswith("image/")
    ]


def _plain_lines(text: str) -> list[str]:
    return [line for part in text.splitlines() if (line := folded(part))]


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
