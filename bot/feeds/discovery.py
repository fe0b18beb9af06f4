"""Where a site keeps its feed: what its page and its headers say, then the usual places."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from bot.markup import join, web_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_CANDIDATES: Final = 12
HEAD_CHARS: Final = 500_000
FEED_TYPES: Final = frozenset(
    {
        "application/rss+xml",
        "application/atom+xml",
        "application/rdf+xml",
        "application/feed+json",
        "application/json",
        "application/xml",
        "text/xml",
    }
)
WELL_KNOWN: Final = (
    "/feed/",
    "/feed.xml",
    "/rss",
    "/rss.xml",
    "/atom.xml",
    "/index.xml",
    "/feed.json",
    "/?feed=rss2",
)
_LINK: Final = re.compile(
    r"<(link|base)\b((?:[^<>\"']|\"[^\"<>]*\"|'[^'<>]*'){0,500})>", re.IGNORECASE
)
_HEADER: Final = re.compile(r"<([^<>]{1,2000})>([^<]{0,500})")
_ATTRIBUTE: Final = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_COMMENTS: Final = re.compile(r"comment|komentar|kommentar|commentaire", re.IGNORECASE)
_WORDPRESS_API: Final = re.compile(r"/wp-json/|oembed|\.jsonld\Z", re.IGNORECASE)


def candidates(page: str, links: Sequence[str], url: str) -> list[str]:
    """Addresses at which the feed of a page's site may be, the likeliest first, without repeats.

    `links` are the page's Link headers. Feeds of comments are left out; of several feeds that the
    page names, one below the page's own address comes first. At most MOST_CANDIDATES.
    """
    stated = [*_stated(page, url), *_linked(links, url)]
    below = urlsplit(url).path.rstrip("/") + "/"
    stated.sort(key=lambda found: not urlsplit(found).path.startswith(below))
    usual = [join(url, place) for place in WELL_KNOWN]
    if below != "/":
        usual.insert(0, join(url, f"{below}feed/"))
    return list(dict.fromkeys([*stated, *usual]))[:MOST_CANDIDATES]


def paged_url(url: str, number: int) -> str:
    """The address of an older page of a WordPress feed; the first page is 1."""
    parts = urlsplit(url)
    stated = parse_qsl(parts.query, keep_blank_values=True)
    query = [(name, value) for name, value in stated if name != "paged"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("paged", str(number))])))


def next_paged_url(url: str) -> str:
    """The address of the page after this one in a WordPress feed."""
    stated = dict(parse_qsl(urlsplit(url).query)).get("paged", "1")
    return paged_url(url, int(stated) + 1 if stated.isdecimal() and len(stated) < 6 else 2)


def _linked(links: Sequence[str], url: str) -> Iterator[str]:
    for link in links:
        for target, inside in _HEADER.findall(link[:HEAD_CHARS]):
            if address := _feed_address({**_attributes(inside), "href": target}, url):
                yield address


def _stated(page: str, url: str) -> Iterator[str]:
    base = url
    for name, inside in _LINK.findall(page[:HEAD_CHARS]):
        stated = _attributes(inside)
        if name.lower() == "base":
            base = join(url, stated.get("href", ""))
            continue
        if address := _feed_address(stated, base):
            yield address


def _feed_address(stated: dict[str, str], base: str) -> str | None:
    """The address that a link to a feed names; None for comments and other things."""
    rels = stated.get("rel", "").lower().split()
    kind = stated.get("type", "").lower().partition(";")[0].strip()
    href = stated.get("href", "")
    about_comments = _COMMENTS.search(stated.get("title", "")) or _COMMENTS.search(href)
    if "alternate" not in rels or kind not in FEED_TYPES or about_comments:
        return None
    return None if _WORDPRESS_API.search(href) else web_url(href, base)


def _attributes(inside: str) -> dict[str, str]:
    return {
        match[1].lower(): html.unescape(match[2] or match[3] or match[4] or "").strip()
        for match in _ATTRIBUTE.finditer(inside)
    }
