"""Addresses that content states, made absolute, or refused."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from bot.markup import attributes, folded, unescape

MAX_URL_CHARS = 8000

_IMG = re.compile(r"<img\b((?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+)>", re.IGNORECASE)
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0]+")
_NO_IMAGE = re.compile(
    r"/~r/|pixel\.|/pixel|s\.w\.org/images/core/emoji|gravatar\.com|feeds\.wordpress\.com|"
    r"/(?:spacer|blank|1x1|icon)s?[./-]|\bstats?\.|doubleclick",
    re.IGNORECASE,
)


def join(base: str, url: str) -> str:
    """Resolve an address against another; one that cannot be resolved stays as it is."""
    try:
        return urljoin(base, url.strip()) if base else url.strip()
    except ValueError:
        return url.strip()


def web_url(link: str, base: str) -> str | None:
    """Give an absolute http(s) address, or None for anything else."""
    link = unescape(_BLANKS.sub(" ", link).strip())
    if not link or len(link) > MAX_URL_CHARS:
        return None
    link = join(base, link.replace(" ", "%20"))
    try:
        parts = urlsplit(link)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    if not valid or "<" in link:
        return None
    return folded(link).replace(" ", "") or None


def first_image(markup: str, base: str) -> str | None:
    """Give the first picture of some HTML that a reader would see; no counters, emoji, icons."""
    if "<img" not in markup and "<IMG" not in markup:
        return None
    for number, tag in enumerate(_IMG.finditer(markup)):
        if number >= 10:
            break
        if found := image_source(attributes(tag[1]), base):
            return found
    return None


def image_source(attrs: dict[str, str], base: str) -> str | None:
    """Give the address that an img element shows, None for what is too small to be a picture."""
    if any(_is_small(attrs.get(side, "")) for side in ("width", "height")):
        return None
    for name in ("data-src", "data-lazy-src", "data-original", "src"):
        found = web_url(attrs.get(name, ""), base)
        if found and not _NO_IMAGE.search(found):
            return found
    return None


def _is_small(size: str) -> bool:
    digits = re.match(r"\d{1,5}", size)
    return bool(digits) and int(digits[0] if digits else 0) < 50
