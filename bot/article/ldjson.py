"""Structured data about an article: schema.org in JSON-LD."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bot.markup import folded, text_lines, title_text

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NODES: Final = 5_000
MAX_VALUES: Final = 100

_ARTICLES = frozenset(
    (
        "article", "newsarticle", "blogposting", "reportagenewsarticle", "analysisnewsarticle",
        "opinionnewsarticle", "backgroundnewsarticle", "reviewnewsarticle", "liveblogposting",
        "advertisercontentarticle", "askpublicnewsarticle", "socialmediaposting", "techarticle",
        "scholarlyarticle", "report",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatedArticle:
    """What JSON-LD says of an article; "" and () where it says nothing. Texts are plain."""

    headline: str = ""
    description: str = ""
    published: str = ""
    modified: str = ""
    authors: tuple[str, ...] = ()
    editors: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


def stated_articles(blocks: Iterable[str]) -> list[StatedArticle]:
    """Read the articles of a page's JSON-LD blocks, in order; broken blocks are passed over.

    Looks into lists, `@graph` and every property; at most `MAX_NODES` objects.
    Source: schema.org/Article, JSON-LD 1.1 (node references by `@id`).
    """
    nodes = _nodes([parsed for block in blocks if (parsed := _parsed(block)) is not None])
    known = {node["@id"]: node for node in reversed(nodes) if _is_named(node)}
    return [_read(node, known) for node in nodes if _is_article(node)]


def _parsed(block: str) -> Any:
    trimmed = block.strip().removeprefix("<!--").removesuffix("-->").strip().rstrip(";")
    try:
        return json.loads(trimmed, strict=False)
    except (ValueError, RecursionError):
        return None


def _nodes(roots: list[Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    waiting = list(reversed(roots))
    while waiting and len(found) < MAX_NODES:
        value = waiting.pop()
        if isinstance(value, dict):
            found.append(value)
            waiting.extend(
                reversed([one for one in value.values() if isinstance(one, dict | list)])
            )
        elif isinstance(value, list):
            waiting.extend(reversed(value[:MAX_NODES]))
    return found


def _is_named(node: dict[str, Any]) -> bool:
    return isinstance(node.get("@id"), str) and len(node) > 1


def _is_article(node: dict[str, Any]) -> bool:
    names = {name.rpartition("/")[2].lower() for name in _strings(node.get("@type"))}
    return bool(names & _ARTICLES) and bool(node.get("headline") or node.get("name"))


def _read(node: dict[str, Any], known: dict[str, dict[str, Any]]) -> StatedArticle:
    def names(key: str) -> tuple[str, ...]:
        found = (title_text(name) for name in _values(node.get(key), known, ("name",)))
        return tuple(dict.fromkeys(name for name in found if name and "://" not in name))

    tags = [*_strings(node.get("articleSection")), *_keywords(node.get("keywords"))]
    page = node.get("mainEntityOfPage")
    return StatedArticle(
        headline=title_text(_first(node.get("headline")) or _first(node.get("name"))),
        description=" ".join(text_lines(_first(node.get("description")))),
        published=folded(_first(node.get("datePublished")) or _first(node.get("dateCreated"))),
        modified=folded(_first(node.get("dateModified"))),
        authors=names("author") or names("creator"),
        editors=names("editor"),
        images=(
            *_values(node.get("image"), known, ("url", "contentUrl")),
            *_values(node.get("thumbnailUrl"), known, ("url",)),
        ),
        tags=tuple(title_text(tag) for tag in tags[:MAX_VALUES]),
        urls=(*_values(node.get("url"), known, ()), *_values(page, {}, ("@id", "url"))),
    )


def _keywords(value: Any) -> list[str]:
    """Give keywords: a list, or one text in which commas part them."""
    words = _strings(value)
    return [word for part in words for word in part.split(",")] if len(words) == 1 else words


def _values(value: Any, known: dict[str, dict[str, Any]], keys: tuple[str, ...]) -> list[str]:
    """Give the texts of a property: a text, an object, a reference, or a list of them."""
    found: list[str] = []
    for one in (value if isinstance(value, list) else [value])[:MAX_VALUES]:
        node = one
        if isinstance(one, dict) and not any(one.get(key) for key in keys):
            node = known.get(str(one.get("@id")), one)
        if isinstance(node, dict):
            found += next((texts for key in keys if (texts := _strings(node.get(key)))), [])
        else:
            found += _strings(node)
    return found


def _strings(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values[:MAX_VALUES] if isinstance(one, str) and one.strip()]


def _first(value: Any) -> str:
    return next(iter(_strings(value)), "")
