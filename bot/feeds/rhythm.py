"""How often a feed says that it changes, how long an answer is fresh, where older entries are."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from bot.feeds.discovery import next_paged_url
from bot.markup import web_url

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_BYTES: Final = 20_000
LONGEST_S: Final = 3600.0
_PERIODS_S: Final = {
    b"hourly": 3600.0,
    b"daily": 86_400.0,
    b"weekly": 604_800.0,
    b"monthly": 2_592_000.0,
    b"yearly": 31_536_000.0,
}
_ITEM: Final = re.compile(rb"<(?:\w+:)?(?:item|entry)\b", re.IGNORECASE)
_TTL: Final = re.compile(rb"<ttl>\s*([0-9]{1,6})\s*</ttl>", re.IGNORECASE)
_PERIOD: Final = re.compile(rb"<\w+:updatePeriod>\s*(\w{1,10})\s*<", re.IGNORECASE)
_FREQUENCY: Final = re.compile(rb"<\w+:updateFrequency>\s*([0-9]{1,6})\s*<", re.IGNORECASE)
_GENERATOR: Final = re.compile(rb"<generator\b[^<>]{0,500}>[^<]{0,500}", re.IGNORECASE)
_SOFTWARE: Final = ("WordPress", "Blogger", "Joomla", "Drupal", "Ghost", "Hugo", "Jekyll")
_LINK: Final = re.compile(rb"<(?:\w+:)?link\b([^<>]{1,2000})>", re.IGNORECASE)
_OLDER: Final = re.compile(rb"\brel\s*=\s*[\"'](?:next|prev-archive)[\"']", re.IGNORECASE)
_HREF: Final = re.compile(rb"\bhref\s*=\s*[\"']([^\"'<>]{1,2000})[\"']", re.IGNORECASE)
_NEXT_URL: Final = re.compile(rb"\"next_url\"\s*:\s*(\"(?:[^\"\\]|\\.){1,2000}\")")
_MAX_AGE: Final = re.compile(r"(?:\A|[\s,])max-age\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)
_UNCACHED: Final = re.compile(r"(?:\A|[\s,])no-(?:cache|store)\b", re.IGNORECASE)


def stated_pace_s(body: bytes) -> float | None:
    """How often a feed says that it changes, in seconds, at most LONGEST_S; None if it does not.

    Source: RSS 2.0, ttl (minutes); RSS 1.0 module Syndication, updatePeriod and updateFrequency.
    """
    head = _head(body)
    if match := _TTL.search(head):
        return min(int(match[1]) * 60.0, LONGEST_S) or None
    period = _PERIOD.search(head)
    if period is None:
        return None
    frequency = _FREQUENCY.search(head)
    times = max(int(frequency[1]) if frequency else 1, 1)
    return min(_PERIODS_S.get(period[1].lower(), LONGEST_S) / times, LONGEST_S)


def made_by(body: bytes) -> str | None:
    """The software that a feed names as its maker, if it is one that we know."""
    match = _GENERATOR.search(_head(body))
    stated = match[0].decode("utf-8", "replace").lower() if match else ""
    return next((name for name in _SOFTWARE if name.lower() in stated), None)


def fresh_s(headers: Mapping[str, str]) -> float | None:
    """How much longer an answer is fresh, in seconds, at most LONGEST_S; None if nothing says so.

    Source: RFC 9111, sections 4.2.1 and 5.2.2.1 (max-age, less the Age).
    """
    stated = headers.get("Cache-Control", "")
    match = _MAX_AGE.search(stated)
    if match is None or _UNCACHED.search(stated):
        return None
    age = headers.get("Age", "").strip()
    spent = int(age) if age.isdecimal() and len(age) < 10 else 0
    return min(max(float(int(match[1]) - spent), 0.0), LONGEST_S) or None


def retry_after_s(stated: str | None) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110, section 10.2.3)."""
    if not stated:
        return None
    if stated.strip().isdecimal():
        return float(stated.strip()[:9])
    try:
        moment = parsedate_to_datetime(stated)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def older_url(body: bytes, url: str) -> str:
    """Where the entries before a feed's page may be: as it says, else as WordPress has it.

    Source: RFC 5005, sections 3 and 4; jsonfeed.org/version/1.1, next_url.
    """
    head = _head(body)
    for inside in _LINK.findall(head):
        href = _HREF.search(inside) if _OLDER.search(inside) else None
        stated = href and web_url(html.unescape(href[1].decode("utf-8", "replace")), url)
        if stated and stated != url:
            return stated
    if match := _NEXT_URL.search(body) if body.lstrip()[:1] == b"{" else None:
        return web_url(_unescaped(match[1]), url) or next_paged_url(url)
    return next_paged_url(url)


def _unescaped(written: bytes) -> str:
    try:
        return str(json.loads(written))
    except ValueError:
        return ""


def _head(body: bytes) -> bytes:
    """What stands before the first entry."""
    head = body[:HEAD_BYTES]
    first = _ITEM.search(head)
    return head[: first.start()] if first else head
