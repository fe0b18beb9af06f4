"""An article's page to the same entry that a feed gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bot.article.ldjson import StatedArticle, stated_articles
from bot.article.page import Page, read_page
from bot.article.prose import story_lines, without_dateline
from bot.article.story import MIN_STORY_CHARS, Story, find_story
from bot.dates import parse_date
from bot.errors import ParseError
from bot.markup import decode, image_source, is_challenge, join, title_text, web_url
from bot.types import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from zoneinfo import ZoneInfo

MAX_BODY_BYTES: Final = 5_000_000
MIN_LEAD_CHARS: Final = 80

_NOBODY = re.compile(
    r"(?:admin\w*|administrator|redaksi\w*|editor\w*|root|user\d*|webmaster|superadmin|tim redaksi|"
    r"news ?room|penulis|author|wp)",
    re.IGNORECASE,
)
_CUT = re.compile(r"(?:…|\.\.\.|\[…\])\W*\Z")
_WORD = re.compile(r"\w{4,}")
_SECOND_LEVEL = frozenset(
    (
        "co",
        "com",
        "or",
        "org",
        "go",
        "gov",
        "ac",
        "edu",
        "sch",
        "net",
        "web",
        "my",
        "desa",
        "mil",
        "ne",
    )
)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Everything that a page says about its article, best source first."""

    stated: StatedArticle
    page: Page
    story: Story
    url: str
    zone: ZoneInfo


def parse_article(
    html: bytes, *, content_type: str | None, url: str | None, zone: ZoneInfo
) -> Entry:
    """Read an article's page: JSON-LD, then its metas, then what a reader sees.

    The summary is the story's own lead: without caption, dateline, advertising, "Baca Juga" and
    lists of other stories. What the page does not say is None or empty. Dates without a zone are
    in `zone`. At most `MAX_BODY_BYTES`; linear in them.
    Raises: ParseError with a reason that an editor understands.
    Source: schema.org/Article, ogp.me.
    """
    if len(html) > MAX_BODY_BYTES:
        raise ParseError(f"the page is larger than {MAX_BODY_BYTES // 1_000_000} MB")
    markup = decode(html, content_type)
    page = read_page(markup)
    stated = _stated_article(stated_articles(page.ld_json), page, url)
    base = join(url or _own_address(page, stated), page.base)
    story = find_story(page, stated.headline or page.meta("og:title"), zone)
    sources = _Sources(stated, page, story, base, zone)
    title = _title(sources)
    _check(sources, title, markup)
    body = _body(sources)
    return Entry(
        title=title,
        url=_canonical(page, stated, url),
        summary=_summary(sources, body),
        body="\n".join(body),
        author=_author(sources),
        editor=", ".join(stated.editors) or story.editor,
        image_url=_image(sources),
        tags=_tags(sources),
        published_at=_published(sources),
        updated_at=_updated(sources),
    )


def _stated_article(articles: list[StatedArticle], page: Page, url: str | None) -> StatedArticle:
    """Choose the article that the page is about; of a page that lists several, none."""
    if len(articles) == 1:
        return articles[0]
    addresses = {_key(address) for address in (url, _canonical_link(page)) if address}
    titles = page.title.casefold(), page.meta("og:title").casefold()
    for article in articles:
        if addresses & {_key(address) for address in article.urls}:
            return article
    for article in articles:
        if article.headline and any(article.headline.casefold() in title for title in titles):
            return article
    same = {article.headline for article in articles}
    return articles[0] if articles and len(same) == 1 else StatedArticle()


def _key(address: str) -> str:
    return address.partition("#")[0].rstrip("/").removeprefix("https:").removeprefix("http:")


def _check(sources: _Sources, title: str, markup: str) -> None:
    page, stated = sources.page, sources.stated
    if is_challenge(markup) and not sources.story.paragraphs:
        raise ParseError("this is a challenge page (Cloudflare or the like): the site blocks bots")
    if not markup.strip():
        raise ParseError("the answer is empty, not an article")
    written = sum(len(paragraph) for paragraph in sources.story.paragraphs)
    claimed = bool(stated.headline) or _is_claimed(page, written)
    if not title or not (claimed or written >= MIN_STORY_CHARS or sources.story.is_marked):
        raise ParseError("no article was found on this page")


def _is_claimed(page: Page, written: int) -> bool:
    """Say whether the page's metas call it an article, by its type or by what only articles have.

    Source: ogp.me, section "No Vertical"; a page without a type has a title and a text at least.
    """
    kind = page.meta("og:type").lower()
    if kind == "article" or not page.meta("og:title"):
        return kind == "article"
    owned = page.meta("article:published_time", "article:section", "article:tag")
    return bool(owned) or (not kind and written > 0)


def _title(sources: _Sources) -> str:
    page = sources.page
    site = page.meta("og:site_name")
    stated = sources.stated.headline
    if not stated and (shared := page.meta("og:title", "twitter:title")):
        stated = without_site(shared, site, sources.story.heading)
    return title_text(stated) if stated else sources.story.heading


def without_site(title: str, site: str, heading: str) -> str:
    """Take the newsroom's name off the end of a title, where heading or site name prove it."""
    if title.casefold().startswith(heading.casefold()) and len(heading) * 2 >= len(title):
        return heading
    for gap in (" - ", " – ", " — ", " | ", " » ", " : "):
        head, found, tail = title.rpartition(gap)
        if found and site and tail.strip().casefold() == site.casefold():
            return head.strip()
    return title


def _body(sources: _Sources) -> list[str]:
    lines = story_lines(sources.story.paragraphs)
    source = sources.page.meta("og:site_name")
    while lines:
        first = without_dateline(lines[0], source)
        if first:
            return [first, *lines[1:]]
        lines.pop(0)
    return lines


def _summary(sources: _Sources, body: list[str]) -> str:
    described = _described(sources, body)
    if described:
        return described
    lead = ""
    for paragraph in body[:3]:
        lead = f"{lead} {paragraph}".strip()
        if len(lead) >= MIN_LEAD_CHARS:
            break
    return lead


def _described(sources: _Sources, body: list[str]) -> str:
    """Give the description that the page states, if it is one of this story and not cut from it."""
    page = sources.page
    title, source = sources.story.heading or sources.stated.headline, page.meta("og:site_name")
    candidates = [
        sources.stated.description,
        page.meta("og:description"),
        page.meta("description", "twitter:description"),
    ]
    text = " ".join(body)
    for candidate in candidates:
        line = without_dateline(" ".join(story_lines([candidate])), source) if candidate else ""
        if not line or (text and not _is_own(line, candidate, title, text, sources.story)):
            continue
        return line
    return ""


def _is_own(line: str, written: str, title: str, text: str, story: Story) -> bool:
    low = line.casefold()
    if _CUT.search(written) or low == title.casefold() or low in story.captions:
        return False
    if low[:40] in text.casefold() or len(line) < 40:
        return False
    if any(low[:60] in caption or caption in low for caption in story.captions if caption):
        return False
    words = set(_WORD.findall(low))
    known = set(_WORD.findall(f"{title} {text}".casefold()))
    return len(words & known) * 2 >= len(words)


def _author(sources: _Sources) -> str | None:
    page, story = sources.page, sources.story
    names = [name for name in sources.stated.authors if not _NOBODY.fullmatch(name)]
    site = page.meta("og:site_name").casefold()
    named = ", ".join(name for name in names if name.casefold() != site)
    metas = [page.meta("author", "article:author", "dc.creator", "parsely-author")]
    shown = [name for name in metas if name and "://" not in name and not _NOBODY.fullmatch(name)]
    general = ", ".join(sources.stated.authors) or next(
        (name for name in metas if name and "://" not in name), ""
    )
    seen = story.author or ""
    if _NOBODY.fullmatch(seen):
        seen, general = "", seen
    return named or seen or next(iter(shown), "") or general or None


def _image(sources: _Sources) -> str | None:
    page = sources.page
    stated = (
        *sources.stated.images,
        *page.metas.get("og:image", ()),
        *page.metas.get("og:image:url", ()),
        *page.metas.get("twitter:image", ()),
        *page.metas.get("twitter:image:src", ()),
    )
    for address in stated:
        if found := web_url(address, sources.url):
            return found
    for picture in sources.story.pictures:
        if found := image_source(picture, sources.url):
            return found
    return None


def _tags(sources: _Sources) -> tuple[str, ...]:
    page = sources.page
    stated = (
        *sources.stated.tags,
        *page.metas.get("article:section", ()),
        *page.metas.get("article:tag", ()),
    )
    if not stated:
        words = page.meta("news_keywords") or page.meta("keywords")
        stated = tuple(words.split(",")) if "," in words else ()
    return _unique((*stated, *sources.story.tags))


def _unique(written: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for one in written:
        name = title_text(one).strip(" #,")
        if name and len(name) <= 80:
            found.setdefault(name.casefold(), name)
    return tuple(found.values())[:50]


def _published(sources: _Sources) -> datetime | None:
    stated = (
        sources.stated.published,
        sources.page.meta(
            "article:published_time", "og:article:published_time", "datepublished", "publishdate",
            "pubdate", "parsely-pub-date", "dc.date.issued", "dc.date", "article:published",
        ),
    )  # fmt: skip
    for text in stated:
        if moment := parse_date(text, sources.zone):
            return moment
    return sources.story.published_at


def _updated(sources: _Sources) -> datetime | None:
    stated = (
        sources.stated.modified,
        sources.page.meta("article:modified_time", "og:updated_time", "datemodified"),
    )
    for text in stated:
        if moment := parse_date(text, sources.zone):
            return moment
    return sources.story.updated_at


def _canonical_link(page: Page) -> str:
    return next((href for rel, href in page.links if "canonical" in rel.split()), "")


def _canonical(page: Page, stated: StatedArticle, url: str | None) -> str | None:
    """Give the address that the page calls its own; not a home page, not another site's."""
    base = join(url or _own_address(page, stated), page.base)
    for written in (_canonical_link(page), page.meta("og:url"), *stated.urls):
        address = web_url(written, base) if written else None
        if address and not _is_home(address) and (not url or _site(address) == _site(url)):
            return address
    return web_url(url, "") if url else None


def _own_address(page: Page, stated: StatedArticle) -> str:
    """Give the absolute address that a page without one states, be it the site's; "" for none."""
    written = (_canonical_link(page), page.meta("og:url"), *stated.urls)
    return next((found for one in written if (found := web_url(one, ""))), "")


def _is_home(address: str) -> bool:
    parts = urlsplit(address)
    return parts.path in ("", "/") and not parts.query


def _site(address: str) -> str:
    """Give the registrable domain, as near as two or three labels come."""
    try:
        host = (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""
    labels = host.split(".")
    if host.replace(".", "").isdigit() or ":" in host or len(labels) < 3:
        return host
    deep = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if deep else labels[-2:])
