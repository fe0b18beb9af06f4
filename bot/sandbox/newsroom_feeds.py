"""The sample newsroom's feeds: RSS 2.0 and Atom as WordPress writes them, and JSON Feed 1.1."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import format_datetime
from html import escape
from typing import TYPE_CHECKING, Any

from bot.sandbox.newsroom_pages import image_url, story_url

if TYPE_CHECKING:
    from datetime import datetime

    from bot.sandbox.newsroom_stories import Article, Site

EXCERPT_WORDS = 55
RSS_NAMESPACES = " ".join(
    f'xmlns:{prefix}="{address}"'
    for prefix, address in {
        "content": "http://purl.org/rss/1.0/modules/content/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "atom": "http://www.w3.org/2005/Atom",
        "sy": "http://purl.org/rss/1.0/modules/syndication/",
    }.items()
)


@dataclass(frozen=True, slots=True)
class FeedView:
    """One page of a feed: what a writer of any format needs.

    `url` is the feed's own address, `home_url` that of the page it mirrors, `next_url` that of the
    feed's next page or None; `articles` come newest first.
    """

    site: Site
    base: str
    url: str
    home_url: str
    articles: list[Article]
    changed_at: datetime
    next_url: str | None = None


def write_rss(view: FeedView) -> str:
    """Write RSS 2.0. Source: the RSS 2.0 specification, as WordPress applies it."""
    items = "".join(_rss_item(view, article) for article in view.articles)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<rss version="2.0" {RSS_NAMESPACES}>\n\n<channel>\n'
        f"\t<title>{_text(view.site.name)}</title>\n"
        f'\t<atom:link href="{escape(view.url)}" rel="self" type="application/rss+xml" />\n'
        f"\t<link>{_text(view.home_url)}</link>\n"
        f"\t<description>{_text(view.site.tagline)}</description>\n"
        f"\t<lastBuildDate>{_rfc_822(view.changed_at)}</lastBuildDate>\n"
        "\t<language>id</language>\n"
        "\t<sy:updatePeriod>hourly</sy:updatePeriod>\n"
        "\t<sy:updateFrequency>1</sy:updateFrequency>\n"
        f"{items}</channel>\n</rss>\n"
    )


def write_atom(view: FeedView) -> str:
    """Write Atom. Source: RFC 4287, as WordPress applies it."""
    entries = "".join(_atom_entry(view, article) for article in view.articles)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="id">\n'
        f'\t<title type="text">{_text(view.site.name)}</title>\n'
        f'\t<subtitle type="text">{_text(view.site.tagline)}</subtitle>\n'
        f"\t<updated>{_rfc_3339(view.changed_at)}</updated>\n"
        f'\t<link rel="alternate" type="text/html" href="{escape(view.home_url)}" />\n'
        f"\t<id>{_text(view.url)}</id>\n"
        f'\t<link rel="self" type="application/atom+xml" href="{escape(view.url)}" />\n'
        f"{entries}</feed>\n"
    )


def write_json_feed(view: FeedView) -> str:
    """Write JSON Feed 1.1. Source: jsonfeed.org/version/1.1."""
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": view.site.name,
        "home_page_url": view.home_url,
        "feed_url": view.url,
        "description": view.site.tagline,
        "language": "id",
        "items": [_json_item(view, article) for article in view.articles],
    }
    if view.next_url:
        feed["next_url"] = view.next_url
    return json.dumps(feed, ensure_ascii=False, indent=1)


def _rss_item(view: FeedView, article: Article) -> str:
    url = escape(story_url(view.base, article))
    categories = "".join(
        f"\t\t<category>{_cdata(name)}</category>\n" for name in _category_names(article)
    )
    return (
        "\t<item>\n"
        f"\t\t<title>{_text(article.title)}</title>\n"
        f"\t\t<link>{url}</link>\n"
        f"\t\t<dc:creator>{_cdata(article.author)}</dc:creator>\n"
        f"\t\t<pubDate>{_rfc_822(article.published_at)}</pubDate>\n"
        f"{categories}"
        f'\t\t<guid isPermaLink="false">{_text(_guid(view, article))}</guid>\n\n'
        f"\t\t<description>{_cdata(_excerpt_html(article))}</description>\n"
        f"\t\t<content:encoded>{_cdata(_content_html(view, article))}</content:encoded>\n"
        "\t</item>\n"
    )


def _atom_entry(view: FeedView, article: Article) -> str:
    url = escape(story_url(view.base, article))
    categories = "".join(
        f'\t\t<category scheme="{escape(view.base)}" term="{escape(name)}" />\n'
        for name in _category_names(article)
    )
    return (
        "\t<entry>\n"
        f"\t\t<author><name>{_text(article.author)}</name></author>\n"
        f'\t\t<title type="html">{_cdata(_text(article.title))}</title>\n'
        f'\t\t<link rel="alternate" type="text/html" href="{url}" />\n'
        f"\t\t<id>{_text(_guid(view, article))}</id>\n"
        f"\t\t<updated>{_rfc_3339(article.modified_at)}</updated>\n"
        f"\t\t<published>{_rfc_3339(article.published_at)}</published>\n"
        f"{categories}"
        f'\t\t<summary type="html">{_cdata(_excerpt_html(article))}</summary>\n'
        f'\t\t<content type="html">{_cdata(_content_html(view, article))}</content>\n'
        "\t</entry>\n"
    )


def _json_item(view: FeedView, article: Article) -> dict[str, Any]:
    return {
        "id": _guid(view, article),
        "url": story_url(view.base, article),
        "title": article.title,
        "summary": article.lead,
        "content_html": _content_html(view, article),
        "image": image_url(view.base, article),
        "date_published": _rfc_3339(article.published_at),
        "date_modified": _rfc_3339(article.modified_at),
        "authors": [{"name": article.author}],
        "tags": _category_names(article),
        "language": "id",
    }


def _category_names(article: Article) -> list[str]:
    return list(dict.fromkeys((article.section, *article.tags)))


def _guid(view: FeedView, article: Article) -> str:
    return f"{view.base}/?p={article.id}"


def _text(text: str) -> str:
    return escape(text, quote=False)


def _cdata(text: str) -> str:
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"


def _rfc_822(moment: datetime) -> str:
    return format_datetime(moment)


def _rfc_3339(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _excerpt_html(article: Article) -> str:
    if article.summary:
        return escape(article.summary, quote=False)
    words = " ".join(article.paragraphs).split()
    more = " [&hellip;]" if len(words) > EXCERPT_WORDS else ""
    return escape(" ".join(words[:EXCERPT_WORDS]), quote=False) + more


def _content_html(view: FeedView, article: Article) -> str:
    source, caption = escape(image_url(view.base, article)), escape(article.caption)
    parts = [f'<p><img src="{source}" alt="{caption}" width="960" height="504" /></p>']
    if article.subtitle:
        parts.append(f"<h2>{escape(article.subtitle)}</h2>")
    parts.append(f"<p><strong>{escape(view.site.domain)} | {escape(article.place)}</strong></p>")
    parts += [f"<p>{escape(text)}</p>" for text in article.paragraphs]
    return "\n".join(parts)
