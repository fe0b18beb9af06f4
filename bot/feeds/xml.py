"""Feed XML of any quality to raw items: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0.

One builder, two tokenizers. expat walks what is well-formed XML, which is exact and quick; what it
refuses is walked by the tolerant scanner of `markup`, which takes any text for some sequence of
tags, so that no story is lost to a fault elsewhere. Both are linear and stop at the limits below.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from bot.markup import Token, attributes, escaped, join, tokens, unescape

MAX_ENTRIES: Final = 1000
MAX_TAGS: Final = 150_000  # with their attributes
MAX_ENTITY_CHARS: Final = 32
MAX_LIST: Final = 100
MAX_UNCLOSED: Final = 64
MAX_TEXT_CHARS: Final = 2_000_000
# expat builds all attributes of a tag before anyone can stop it.
_LARGE_CHARS: Final = 500_000
_HUGE_TAG = re.compile(r"<[^<]{200000}")

_PREFIXES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/elements/1.0/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://purl.org/rss/1.0/modules/content/": "content",
    "http://search.yahoo.com/mrss": "media",
    "http://search.yahoo.com/mrss/": "media",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "http://www.w3.org/1999/xhtml": "xhtml",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://www.w3.org/xml/1998/namespace": "xml",
}
_PLAIN = re.compile(
    r"https?://(?:backend\.userland\.com/rss|blogs\.law\.harvard\.edu/tech/rss|"
    r"my\.netscape\.com/|purl\.org/(?:rss/1\.0/\Z|rss/1\.0/modules/rss|net/rss|atom/|echo|pie)|"
    r"www\.w3\.org/2005/atom|example\.com/n)|uri/of/echo",
    re.IGNORECASE,
)

# Element of an item -> (field, rank); of several elements for a field the lowest rank wins.
_FIELDS = {
    "title": ("title", 0),
    "dc:title": ("title", 1),
    "media:title": ("title", 3),
    "itunes:title": ("title", 2),
    "description": ("summary", 0),
    "summary": ("summary", 0),
    "dc:description": ("summary", 1),
    "dcterms:abstract": ("summary", 1),
    "abstract": ("summary", 1),
    "itunes:summary": ("summary", 2),
    "media:description": ("summary", 3),
    "content:encoded": ("body", 0),
    "content": ("body", 1),
    "xhtml:body": ("body", 1),
    "body": ("body", 2),
    "fullitem": ("body", 2),
    "link": ("link", 1),
    "feedburner:origlink": ("link", 0),
    "guid": ("guid", 0),
    "id": ("guid", 0),
    "dc:identifier": ("guid", 2),
    "pubdate": ("published", 0),
    "published": ("published", 0),
    "issued": ("published", 1),
    "dcterms:issued": ("published", 1),
    "dc:date": ("published", 2),
    "dcterms:created": ("published", 3),
    "created": ("published", 3),
    "updated": ("updated", 0),
    "modified": ("updated", 0),
    "dcterms:modified": ("updated", 1),
    "dc:creator": ("author", 0),
    "author": ("author", 1),
    "itunes:author": ("author", 2),
    "creator": ("author", 2),
    "category": ("tag", 0),
    "dc:subject": ("tag", 0),
    "image": ("image", 3),
}
_ITEMS = frozenset(("item", "entry"))
_ROOTS = frozenset(("rss", "rdf:rdf", "rdf", "feed", "channel"))
_FOREIGN = frozenset(("source", "textinput", "cloud"))
# Names of fields that HTML has too: inside a field they end nothing.
_ALSO_HTML = frozenset(("title", "summary", "body", "content", "image"))
_IMAGE_NAME = re.compile(r"\.(?:jpe?g|png|webp|gif|avif)\b", re.IGNORECASE)
_MEDIA_RANKS = {"media:content": 0, "media:thumbnail": 1, "enclosure": 2, "itunes:image": 3}


@dataclass(slots=True)
class RawItem:
    """An item as written: each field's HTML with its rank, links (rel, URL), images, tags.

    URLs are resolved against xml:base only; `base` is that of the item's text.
    """

    texts: dict[str, tuple[int, str]] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    images: list[tuple[int, str]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    permalink: bool = True
    base: str = ""

    def get(self, name: str) -> str:
        """Give a field's HTML, or ""."""
        return self.texts.get(name, (0, ""))[1]


@dataclass(slots=True)
class RawFeed:
    """A feed as written; `items` in its own order, at most `MAX_ENTRIES`."""

    head: RawItem = field(default_factory=RawItem)
    items: list[RawItem] = field(default_factory=list)
    root: str = ""

    @property
    def is_feed(self) -> bool:
        """Whether its elements are those of a feed."""
        return self.root in _ROOTS or (bool(self.items) and self.root != "html")


class _FeedFullError(Exception):
    """A limit is reached: what was read until here is the feed."""


class _UnsafeXmlError(Exception):
    """The document declares entities that could grow."""


@dataclass(slots=True)
class _Capture:
    """A field whose content is being gathered as HTML; `depth` counts the open elements in it."""

    element: str
    slot: str
    rank: int
    mode: str
    parts: list[str] = field(default_factory=list)
    depth: int = 0


def read_xml(text: str) -> RawFeed:
    """Read a feed's XML; `is_feed` is false where its elements are not those of a feed."""
    if len(text) > _LARGE_CHARS and _HUGE_TAG.search(text):
        return _read_tolerantly(text)
    strict = _Builder()
    try:
        _walk_strictly(text, strict)
    except _FeedFullError:
        strict.close()
    except (expat.ExpatError, _UnsafeXmlError):
        return _read_tolerantly(text)
    return strict.feed


def _walk_strictly(text: str, builder: _Builder) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 1 << 16
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.EntityDeclHandler = _check_entity
    parser.SkippedEntityHandler = builder.skipped_entity
    parser.Parse(text, True)  # noqa: FBT003 (the only signature)


def _check_entity(_name: str, _parameter: int, value: str | None, *_: str | None) -> None:
    """Refuse what could grow: external, nested or long entities. They stay text."""
    if value is None or len(value) > MAX_ENTITY_CHARS or "&" in value or "%" in value:
        raise _UnsafeXmlError


def _read_tolerantly(text: str) -> RawFeed:
    builder = _TolerantBuilder()
    try:
        for token in tokens(text, xml=True, max_tags=MAX_TAGS):
            builder.take(token)
    except _FeedFullError:
        pass
    builder.close()
    return builder.feed


class _Builder:
    """Builds a feed from the start, end and text events of well-formed XML."""

    def __init__(self) -> None:
        self.feed = RawFeed()
        self._path: list[str] = []
        self._item: RawItem | None = None
        self._item_depth = 0
        self._foreign_depth = 0
        self._capture: _Capture | None = None
        self._scopes: list[tuple[int, dict[str, str], dict[str, str], str]] = []
        self._prefixes: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._base = ""
        self._tags = 0

    def start(self, raw: str, attrs: dict[str, str]) -> None:
        self._tags += 1 + len(attrs)
        if self._tags > MAX_TAGS:
            raise _FeedFullError
        capture = self._capture
        if capture is not None:
            capture.depth += 1
            capture.parts.append(_start_tag(raw, attrs))
            return
        if attrs:
            self._note_scopes(attrs)
        name = self._names.get(raw) or self._resolve(raw)
        self._path.append(name)
        if not self._foreign_depth:
            self._open(name, attrs)

    def end(self, raw: str) -> None:
        capture = self._capture
        if capture is not None:
            if capture.depth:
                capture.depth -= 1
                capture.parts.append(f"</{_local(raw)}>")
                return
            self._finish(capture)
        self._pop()

    def text(self, characters: str) -> None:
        capture = self._capture
        if capture is not None:
            plain = capture.depth or capture.mode == "literal"
            capture.parts.append(escaped(characters) if plain else characters)

    def close(self) -> None:
        """Leave out the item that the end of the text left open.

        Half a story has a wrong address or none; the whole one comes with the next poll.
        """
        if self._item is not None:
            self.feed.items.pop()

    def skipped_entity(self, name: str, _parameter: int) -> None:
        """Take an entity that only an external DTD declares: HTML's, where it has one."""
        self.text(unescape(f"&{name};"))

    def _pop(self) -> None:
        self._path.pop()
        depth = len(self._path)
        if depth < self._foreign_depth:
            self._foreign_depth = 0
        if self._item is not None and depth < self._item_depth:
            self._item = None
        while self._scopes and self._scopes[-1][0] > depth:
            _, self._prefixes, self._names, self._base = self._scopes.pop()

    def _note_scopes(self, attrs: dict[str, str]) -> None:
        if len(self._scopes) >= MAX_UNCLOSED:
            return
        declared = [name for name in attrs if name.startswith("xmlns")]
        base = attrs.get("xml:base")
        if not (declared or base):
            return
        self._scopes.append((len(self._path) + 1, self._prefixes, self._names, self._base))
        if base:
            self._base = join(self._base, base)
        if declared:
            self._prefixes = self._prefixes | {
                name[6:]: _canonical(name[6:], attrs[name]) for name in declared[:MAX_LIST]
            }
            self._names = {}

    def _resolve(self, raw: str) -> str:
        prefix, _, local = raw.rpartition(":")
        known = self._prefixes.get(prefix)
        if known is None:
            known = _canonical(prefix, "")
        name = f"{known}:{local}".lower() if known else local.lower()
        if len(self._names) < 1000:
            self._names[raw] = name
        return name

    def _open(self, name: str, attrs: dict[str, str]) -> None:
        if not self.feed.root:
            self.feed.root = name
        if name in _ITEMS:
            self._open_item(attrs)
        elif name in _FOREIGN or (name == "image" and self._item is None):
            self._foreign_depth = len(self._path)
        elif name in _FIELDS:
            self._open_field(name, attrs)
        elif name in _MEDIA_RANKS:
            self._note_media(name, attrs)

    def _open_item(self, attrs: dict[str, str]) -> None:
        if self._item is not None:
            return
        if len(self.feed.items) >= MAX_ENTRIES:
            raise _FeedFullError
        self._item = RawItem(base=self._base)
        self._item_depth = len(self._path)
        self.feed.items.append(self._item)
        if about := attrs.get("rdf:about", "").strip():
            self._item.texts["guid"] = (1, about)
        if href := attrs.get("href") or attrs.get("HREF"):
            self._item.links.append(("alternate", join(self._base, href)))

    def _is_field(self) -> bool:
        """Say whether an element here describes the item or the feed, not something in it."""
        parent = self._path[-2] if len(self._path) > 1 else ""
        return parent in _ITEMS or parent in _ROOTS or parent.startswith("media:")

    def _open_field(self, name: str, attrs: dict[str, str]) -> None:
        if not self._is_field():
            return
        target = self._target()
        if name == "link":
            self._note_link(attrs)
        elif name == "guid":
            stated = next((attrs[key] for key in attrs if key.lower() == "ispermalink"), "true")
            target.permalink = stated.strip().lower() != "false"
        elif name == "category" and len(target.tags) < MAX_LIST:
            target.tags.append(attrs.get("label") or attrs.get("term") or "")
        slot, rank = _FIELDS[name]
        self._capture = _Capture(name, slot, rank, _mode(name, attrs))

    def _target(self) -> RawItem:
        return self.feed.head if self._item is None else self._item

    def _note_link(self, attrs: dict[str, str]) -> None:
        href, links = attrs.get("href"), self._target().links
        if href is None or len(links) >= MAX_LIST:
            return
        kind = attrs.get("type", "").lower()
        rel = attrs.get("rel", "").strip().lower() or "alternate"
        url = join(self._base, href)
        if rel == "enclosure" and kind.startswith("image/"):
            self._target().images.append((2, url))
        elif rel == "alternate" and kind and "html" not in kind:
            rel = "other"
        links.append((rel, url))

    def _note_media(self, name: str, attrs: dict[str, str]) -> None:
        url = attrs.get("url") or attrs.get("href") or ""
        images = self._target().images
        width = attrs.get("width", "")
        is_small = len(width) < 3 and width.isdecimal()
        if not url.strip() or is_small or len(images) >= MAX_LIST:
            return
        kind = (attrs.get("medium") or attrs.get("type") or "").lower()
        always = name in ("media:thumbnail", "itunes:image")
        if always or kind.startswith("image") or (not kind and _IMAGE_NAME.search(url)):
            images.append((_MEDIA_RANKS[name], join(self._base, url)))

    def _finish(self, capture: _Capture) -> None:
        self._capture = None
        value = "".join(capture.parts).strip()
        target = self._target()
        if capture.mode == "base64":
            value = _from_base64(value)
        if not value or capture.mode == "skip":
            return
        if capture.slot == "tag":
            if len(target.tags) < MAX_LIST:
                target.tags.append(value)
        elif capture.slot == "image":
            target.images.append((capture.rank, join(self._base, _inner("url", value))))
        else:
            self._keep(target, capture, value)

    def _keep(self, target: RawItem, capture: _Capture, value: str) -> None:
        if capture.slot == "author":
            value = _inner("name", value)
        elif capture.slot == "link":
            value = join(self._base, value)
        elif capture.slot in ("body", "summary") and self._base:
            target.base = self._base
        held = target.texts.get(capture.slot)
        if value and (held is None or capture.rank < held[0]):
            target.texts[capture.slot] = (capture.rank, value)


class _TolerantBuilder(_Builder):
    """Builds a feed from the tokens of anything: a new item or field ends what was left open."""

    def take(self, token: Token) -> None:
        if token.kind == "text":
            self.text(unescape(token.text[:MAX_TEXT_CHARS]))
        elif token.kind == "cdata":
            self.text(token.text)
        elif token.kind == "end":
            self._take_end(token.text)
        else:
            self._take_start(token)

    def _take_start(self, token: Token) -> None:
        name = self._resolve(token.text)
        capture = self._capture
        if capture is not None:
            if not _ends(capture, name):
                self._tags += 1
                capture.parts.append(f"<{_local(token.text)}{token.attrs}>")
                return
            self._finish(capture)
            self._pop()
        if name in _ITEMS or name == "channel":
            while self._item is not None:
                self._pop()
        self.start(token.text, attributes(token.attrs))
        if token.kind == "empty":
            self.end(token.text)

    def _take_end(self, raw: str) -> None:
        name = self._resolve(raw)
        capture = self._capture
        if capture is not None:
            if name != capture.element and name not in _ITEMS and name not in _ROOTS:
                if capture.slot != "title":
                    capture.parts.append(f"</{_local(raw)}>")
                return
            self._finish(capture)
            if name == capture.element:
                self._pop()
                return
            self._pop()
        if name in _ITEMS or name in _ROOTS:
            self._end_item(name)
        if name in self._path[-MAX_UNCLOSED:]:
            while self._path[-1] != name:
                self._pop()
            self._pop()

    def _end_item(self, name: str) -> None:
        """End what an item left open, at its own end tag or at one of the feed around it."""
        depth = self._item_depth
        around = self._path[max(depth - MAX_UNCLOSED, 0) : depth]
        if self._item is not None and name in around:
            while len(self._path) > depth:
                self._pop()

    def _is_field(self) -> bool:
        return self._item is not None or super()._is_field()


def _ends(capture: _Capture, name: str) -> bool:
    if name in _ITEMS or name == "channel":
        return True
    return name in _FIELDS and not (capture.mode == "xhtml" or name in _ALSO_HTML)


def _local(raw: str) -> str:
    return raw.rpartition(":")[2]


def _start_tag(raw: str, attrs: dict[str, str]) -> str:
    written = "".join(
        f' {name}="{escaped(value).replace(chr(34), "&quot;")}"' for name, value in attrs.items()
    )
    return f"<{_local(raw)}{written}>"


def _canonical(prefix: str, uri: str) -> str:
    """Give our name for a namespace, "" for those of the feeds themselves.

    A well-known prefix means what it always means, whatever address it was declared with.
    """
    low = uri.strip().lower()
    if known := _PREFIXES.get(low):
        return known
    prefix = prefix.lower()
    return "" if prefix in ("", "rss", "atom") or _PLAIN.match(low) else prefix


def _mode(name: str, attrs: dict[str, str]) -> str:
    """Say how an element's text is to be read: html, xhtml, literal, base64 or skip.

    Source: RFC 4287, section 4.1.3.3; Atom 0.3 for `mode`.
    """
    kind = attrs.get("type", "").strip().lower()
    mode = attrs.get("mode", "").strip().lower()
    if mode == "base64":
        return "base64"
    if name == "content" and "src" in attrs:
        return "skip"
    if name not in ("content", "summary", "title"):
        return "html"
    if kind in ("text", "text/plain"):
        return "literal"
    if "/" in kind and not kind.startswith("text/") and "xml" not in kind and not mode:
        return "base64"
    return "xhtml" if "xml" in kind or mode == "xml" else "html"


def _inner(element: str, value: str) -> str:
    """Give what stands in a child element, or the value itself where it has no children."""
    found = re.search(rf"<{element}\b[^<>]*>([^<]*)", value)
    return found[1].strip() if found else "" if "<" in value else value


def _from_base64(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, ValueError):
        return ""
