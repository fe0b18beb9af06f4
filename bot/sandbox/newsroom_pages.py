"""The sample newsroom's HTML pages, in the shape of the seed page's theme."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import quote

from bot.sandbox.newsroom_stories import DAYS, WIB, slugify

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from bot.sandbox.newsroom_stories import Article, Newsroom

MONTHS = (
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
)
PAGE_STORIES = 10
ASSET_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}
SHARES = {
    "facebook": "https://www.facebook.com/sharer/sharer.php?u={url}",
    "twitter": "https://x.com/intent/tweet?text={title}&url={url}",
    "whatsapp": "https://wa.me/?text={title}%0A{url}",
    "telegram": "https://t.me/share/url?url={url}&text={title}",
    "line": "https://line.me/R/share?text={title}%0A{url}",
}


def long_date(moment: datetime) -> str:
    """Write a date as the theme's article pages do: "Rabu, 11 Oktober 2023"."""
    local = moment.astimezone(WIB)
    return f"{DAYS[local.weekday()]}, {local.day} {MONTHS[local.month - 1]} {local.year}"


def dated_time(moment: datetime, *, short_month: bool = False) -> str:
    """Write a time as the theme's lists do: "Rabu, 12 Februari 2025 - 15:31 WIB"."""
    local = moment.astimezone(WIB)
    month = MONTHS[local.month - 1]
    month = month[:3] if short_month else month
    return f"{DAYS[local.weekday()]}, {local.day} {month} {local.year} - {local:%H:%M} WIB"


@dataclass(frozen=True, slots=True)
class Theme:
    """The files that give the site its face; `assets` maps a file's name to its bytes."""

    page: Template
    article: Template
    listing: Template
    assets: dict[str, bytes]


def load_theme(folder: Path) -> Theme:
    """Read the theme's files. Raises OSError where one is missing."""
    page, article, listing = (
        Template((folder / f"{name}.html").read_text(encoding="utf-8"))
        for name in ("page", "article", "list")
    )
    assets = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in ASSET_TYPES
    }
    return Theme(page, article, listing, assets)


def story_url(base: str, article: Article) -> str:
    """Give a story's permalink."""
    return f"{base}/{article.slug}/"


def _category_url(base: str, kind: str, name: str) -> str:
    return f"{base}/{kind}/{slugify(name) or '-'}/"


def image_url(base: str, article: Article) -> str:
    """Give the address of a story's lead image."""
    return f"{base}/assets/{quote(article.image)}"


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url)}">{escape(text)}</a>'


def _baca_juga(base: str, article: Article) -> str:
    link = _link(story_url(base, article), article.title)
    return f'<p class="baca-juga">Baca Juga :&nbsp; {link}</p>'


def _share_row(base: str, article: Article, *, icons: bool) -> str:
    url = story_url(base, article)
    values = {"url": quote(url, safe=""), "title": quote(article.title, safe="")}
    word = "{} icon" if icons else "{}"
    links = " ".join(
        f'<a class="{name}" href="{escape(form.format(**values))}" target="_blank" rel="noopener">'
        f"{word.format(name)}</a>"
        for name, form in SHARES.items()
    )
    return (
        f'<div class="share{" icons" if icons else ""}">{links} '
        f'<button type="button" class="copy" data-url="{escape(url)}">copy</button>\n'
        '<span class="copied" role="status">URL berhasil dicopy</span></div>'
    )


class Pages:
    """Writes the site's HTML pages."""

    def __init__(self, newsroom: Newsroom, theme: Theme, base: str) -> None:
        self._newsroom = newsroom
        self._theme = theme
        self._base = base

    def article(self, article: Article) -> str:
        """Write a story's page."""
        base, site = self._base, self._newsroom.site
        related = self._newsroom.related(article, 8)
        latest = [other for other in self._newsroom.newest() if other.slug != article.slug][:5]
        main = self._theme.article.substitute(
            base=escape(base),
            id=article.id,
            title=escape(article.title),
            date=long_date(article.published_at),
            published_iso=article.published_at.astimezone(WIB).isoformat(),
            section=escape(article.section),
            section_url=escape(_category_url(base, "category", article.section)),
            share_top=_share_row(base, article, icons=False),
            share_icons=_share_row(base, article, icons=True),
            image=escape(image_url(base, article)),
            caption=escape(article.caption),
            subtitle=escape(article.subtitle),
            domain=escape(site.domain),
            place=escape(article.place),
            body=self._body(article, related[:2]),
            author=escape(article.author),
            editor=escape(article.editor),
            tags=" ".join(_link(_category_url(base, "tag", tag), tag) for tag in article.tags),
            related_titles="\n".join(
                f"<li>{_link(story_url(base, other), other.title)}</li>" for other in related
            ),
            related="\n".join(self._dated_card(other) for other in related[:5]),
            latest="\n".join(self._section_card(other) for other in latest),
            reads=article.reads,
        )
        return self._page(f"{article.title} - {site.name}", self._article_head(article), main)

    def listing(
        self,
        heading: str,
        articles: list[Article],
        *,
        path: str,
        newer: int | None,
        older: int | None,
    ) -> str:
        """Write one page of a list that lives at `path`, with links to its neighbours' numbers."""
        neighbours = ((newer, "Lebih baru"), (older, "Lebih lama"))
        links = [
            _link(f"{self._base}{path}?paged={number}", text)
            for number, text in neighbours
            if number
        ]
        main = self._theme.listing.substitute(
            heading=escape(heading),
            cards="\n".join(self._front_card(article) for article in articles),
            pages=f'<p class="pages">{" ".join(links)}</p>' if links else "",
        )
        return self._page(f"{heading} - {self._newsroom.site.name}", "", main)

    def _page(self, title: str, head: str, main: str) -> str:
        site = self._newsroom.site
        sections = dict.fromkeys(article.section for article in self._newsroom.newest())
        links = (_link(_category_url(self._base, "category", name), name) for name in sections)
        return self._theme.page.substitute(
            title=escape(title),
            head=head,
            base=escape(self._base),
            site=escape(site.name),
            tagline=escape(site.tagline),
            sections="\n".join(links),
            main=main,
        )

    def _article_head(self, article: Article) -> str:
        url, lead = story_url(self._base, article), article.lead
        published, modified = (
            moment.astimezone(WIB).isoformat()
            for moment in (article.published_at, article.modified_at)
        )
        properties = [
            ("og:locale", "id_ID"),
            ("og:type", "article"),
            ("og:title", article.title),
            ("og:description", lead),
            ("og:url", url),
            ("og:site_name", self._newsroom.site.name),
            ("og:image", image_url(self._base, article)),
            ("og:image:width", "960"),
            ("og:image:height", "504"),
            ("og:image:alt", article.caption),
            ("article:published_time", published),
            ("article:modified_time", modified),
            ("article:section", article.section),
            *(("article:tag", tag) for tag in article.tags),
        ]
        lines = [
            f'<link rel="canonical" href="{escape(url)}">',
            f'<meta name="description" content="{escape(lead)}">',
            '<meta name="twitter:card" content="summary_large_image">',
        ]
        lines += [f'<meta property="{key}" content="{escape(value)}">' for key, value in properties]
        return "\n".join(lines)

    def _body(self, article: Article, also: list[Article]) -> str:
        parts = [f"<p>{escape(text)}</p>" for text in article.paragraphs]
        advertisement = (
            '<div class="advertisement"><p>ADVERTISEMENT</p><p>ads</p>'
            "<p>SCROLL TO RESUME CONTENT</p></div>"
        )
        inserts = [(2, advertisement)]
        inserts += [
            (3 + number, _baca_juga(self._base, other)) for number, other in enumerate(also)
        ]
        for place, part in sorted(inserts, reverse=True):
            parts.insert(min(place, len(article.paragraphs)), part)
        return "\n".join(parts)

    def _dated_card(self, article: Article) -> str:
        return (
            f'<div class="card"><time datetime="{article.published_at.isoformat()}">'
            f"{dated_time(article.published_at)}</time>"
            f"<h3>{_link(story_url(self._base, article), article.title)}</h3></div>"
        )

    def _section_card(self, article: Article) -> str:
        return (
            f'<div class="card"><p class="kicker">{escape(article.section)}</p>'
            f"<h3>{_link(story_url(self._base, article), article.title)}</h3>"
            f'<time datetime="{article.published_at.isoformat()}">'
            f"{dated_time(article.published_at, short_month=True)}</time></div>"
        )

    def _front_card(self, article: Article) -> str:
        return (
            f'<div class="card"><img src="{escape(image_url(self._base, article))}" alt=""'
            f' loading="lazy" width="960" height="504"><p class="kicker">{escape(article.section)}'
            f"</p><h3>{_link(story_url(self._base, article), article.title)}</h3>"
            f'<time datetime="{article.published_at.isoformat()}">'
            f"{dated_time(article.published_at)}</time>"
            f'<p class="lead">{escape(article.lead)}</p></div>'
        )
