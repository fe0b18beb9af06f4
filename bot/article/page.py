"""An HTML page as a reader meets it: lines of text in order, with what stands around them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bot.markup import BLOCK_NAMES, SILENT, attributes, decoded, folded, tokens

if TYPE_CHECKING:
    from bot.markup import Token

MAX_TAGS: Final = 120_000
MAX_BLOCKS: Final = 20_000
MAX_SEARCH: Final = 64
MAX_LIST: Final = 2_000

_VOID = frozenset(
    (
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param",
        "source", "track", "wbr",
    )
)  # fmt: skip
_BOILERPLATE = frozenset(("nav", "footer", "aside", "form", "menu", "dialog"))
_CLOSES = {
    "li": ("li",), "dd": ("dd", "dt"), "dt": ("dd", "dt"), "tr": ("tr", "td", "th"),
    "td": ("td", "th"), "th": ("td", "th"), "option": ("option",),
}  # fmt: skip
_HINT = re.compile(
    r"(?:^|[\s_-])(?:relat\w*|terkait|sidebar|widget\w*|shar(?:e|ing)\w*|sosmed|social\w*|"
    r"breadcrumbs?|comments?|respond|footer|nav\w*|menu\w*|popular\w*|trending|terpopuler|latest|"
    r"terbaru|recommend\w*|rekomendasi|newsletter|subscrib\w*|promo\w*|banner\w*|advert\w*|ads?|"
    r"iklan|cookies?|modal|popup|tagcloud|baca-?juga|inline-related|read-?more|pagination|"
    r"post-views|top-?date|current-?date|date-?now|clock|author-?(?:box|bio)|bio|topbar|top-bar|copyright|jp-relatedposts)(?=$|[\s_-]|\d)",
    re.IGNORECASE,
)
_CAPTION = re.compile(r"caption|keterangan|foto-?text|photo-?desc|credit", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LD_JSON = re.compile(r"application/ld\+json", re.IGNORECASE)


@dataclass(slots=True)
class Node:
    """An element that holds blocks; `aside` where it or an ancestor says that it is no story."""

    name: str
    parent: int
    hint: str
    aside: bool
    caption: bool
    own_aside: bool


@dataclass(slots=True)
class Block:
    """A line of text between two block boundaries.

    `node` is the index of the nearest block element; `link_chars` how much of the text are links'
    words; `dated` a machine-readable date that stands in it.
    """

    text: str
    node: int
    link_chars: int = 0
    bold_chars: int = 0
    dated: str = ""
    links: list[Link] = field(default_factory=list)


@dataclass(slots=True)
class Link:
    """A link in a block, or a name that is marked as the author's."""

    text: str
    href: str
    rel: str


@dataclass(slots=True)
class Picture:
    """An img element; `at` counts the blocks before it."""

    at: int
    node: int
    attrs: dict[str, str]


@dataclass(slots=True)
class Page:
    """What a page says; `metas` by name in lower case, `ld_json` the raw JSON-LD blocks."""

    nodes: list[Node] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    metas: dict[str, list[str]] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    ld_json: list[str] = field(default_factory=list)
    title: str = ""
    base: str = ""

    def meta(self, *names: str) -> str:
        """Give the first value that one of these metas has, or ""."""
        for name in names:
            for value in self.metas.get(name, ()):
                if value:
                    return value
        return ""

    def ancestors(self, node: int) -> list[int]:
        """Give an element's ancestors, itself first, at most 64."""
        found: list[int] = []
        while node >= 0 and len(found) < MAX_SEARCH:
            found.append(node)
            node = self.nodes[node].parent
        return found


def read_page(markup: str) -> Page:
    """Read a page's HTML, well-formed or not, in linear time."""
    reader = _Reader()
    for token in tokens(markup, xml=False, max_tags=MAX_TAGS):
        reader.take(token)
        if len(reader.page.blocks) >= MAX_BLOCKS:
            break
    reader.flush()
    return reader.page


class _Reader:
    def __init__(self) -> None:
        self.page = Page(nodes=[Node("html", -1, "", aside=False, caption=False, own_aside=False)])
        self._open: list[tuple[str, int]] = [("html", 0)]
        self._silent: list[str] = []
        self._raw_use = ""
        self._text: list[str] = []
        self._links: list[Link] = []
        self._link: list[str] | None = None
        self._link_attrs: dict[str, str] = {}
        self._link_name = "a"
        self._link_chars = 0
        self._bold = 0
        self._bold_chars = 0
        self._dated = ""

    def take(self, token: Token) -> None:
        if token.kind == "text":
            if not self._silent:
                self._say(token.text)
        elif token.kind == "raw":
            self._take_raw(token.text)
        elif token.kind == "end":
            self._end(token.text)
        else:
            self._start(token.text, token.attrs, empty=token.kind == "empty")

    def _say(self, characters: str) -> None:
        self._text.append(characters)
        size = len(characters.strip())
        if self._link is not None:
            self._link.append(characters)
            self._link_chars += size
        if self._bold:
            self._bold_chars += size

    def _take_raw(self, characters: str) -> None:
        if self._raw_use == "title" and not self.page.title:
            self.page.title = folded(decoded(characters))
        elif self._raw_use == "json" and len(self.page.ld_json) < 50:
            self.page.ld_json.append(characters)
        self._raw_use = ""

    def _start(self, name: str, written: str, *, empty: bool) -> None:
        if name == "title":
            self._raw_use = "title"
            return
        if name == "script":
            self._raw_use = "json" if _LD_JSON.search(written) else ""
        if self._silent:
            if name == self._silent[-1] and not empty and len(self._silent) < MAX_SEARCH:
                self._silent.append(name)
            elif name in ("meta", "link", "base"):
                self._note(name, attributes(written))
            elif name == "body":
                self._silent.clear()
            return
        if name in SILENT:
            if not empty and name not in ("script", "style", "iframe", "textarea", "title"):
                self._silent.append(name)
            return
        self._open_element(name, attributes(written) if written else {})

    def _open_element(self, name: str, attrs: dict[str, str]) -> None:
        if name in ("meta", "link", "base"):
            self._note(name, attrs)
        elif name == "img":
            if len(self.page.pictures) < MAX_LIST:
                self.page.pictures.append(Picture(len(self.page.blocks), self._open[-1][1], attrs))
        elif name == "br":
            self.flush()
        elif name == "time" and attrs.get("datetime"):
            self._dated = self._dated or attrs["datetime"]
        elif name == "a" or (name in ("span", "cite") and _is_author(attrs)):
            self._open_link(name, attrs)
        elif name in ("b", "strong"):
            self._bold += 1
        elif name in BLOCK_NAMES or name == "body":
            self._open_block(name, attrs)

    def _open_link(self, name: str, attrs: dict[str, str]) -> None:
        in_author = self._link is not None and self._link_name != "a"
        self._end_link()
        if in_author:
            attrs = attrs | {"rel": f"{attrs.get('rel', '')} author"}
        self._link, self._link_attrs, self._link_name = [], attrs, name

    def _open_block(self, name: str, attrs: dict[str, str]) -> None:
        self.flush()
        if name == "hr":
            return
        hidden = "hidden" in attrs or _HIDDEN.search(attrs.get("style", ""))
        if hidden and name not in ("body", "main", "article"):
            self._silent.append(name)
            return
        if self._open[-1][0] == "p" or self._open[-1][0] in _CLOSES.get(name, ()):
            self._open.pop()
        self._bold = 0
        parent = self.page.nodes[self._open[-1][1]]
        hint = f"{attrs.get('class', '')} {attrs.get('id', '')}"[:300]
        own = name in _BOILERPLATE or bool(_HINT.search(hint))
        caption = name == "figcaption" or bool(_CAPTION.search(hint))
        self.page.nodes.append(
            Node(
                name,
                self._open[-1][1],
                hint,
                aside=parent.aside or own,
                caption=parent.caption or caption,
                own_aside=own,
            )
        )
        self._open.append((name, len(self.page.nodes) - 1))

    def _end(self, name: str) -> None:
        if self._silent:
            if name == self._silent[-1]:
                self._silent.pop()
            elif name in ("head", "body", "html"):
                self._silent.clear()
            return
        if name == self._link_name:
            self._end_link()
        elif name in ("b", "strong"):
            self._bold = max(self._bold - 1, 0)
        elif name in BLOCK_NAMES:
            self.flush()
            for depth in range(len(self._open) - 1, max(0, len(self._open) - MAX_SEARCH), -1):
                if self._open[depth][0] == name:
                    del self._open[depth:]
                    return

    def _end_link(self) -> None:
        if self._link is not None:
            text = folded(decoded("".join(self._link)))
            if text and len(self._links) < MAX_LIST:
                attrs = self._link_attrs
                self._links.append(Link(text, attrs.get("href", ""), attrs.get("rel", "").lower()))
        self._link = None

    def flush(self) -> None:
        """End the line."""
        text = folded(decoded("".join(self._text))) if self._text else ""
        link, attrs = self._link, self._link_attrs
        self._end_link()
        if text or self._dated:
            self.page.blocks.append(
                Block(
                    text,
                    self._open[-1][1],
                    self._link_chars,
                    self._bold_chars,
                    self._dated,
                    self._links,
                )
            )
        self._text, self._links, self._dated = [], [], ""
        self._link_chars = self._bold_chars = 0
        if link is not None:
            self._link, self._link_attrs = [], attrs

    def _note(self, name: str, attrs: dict[str, str]) -> None:
        if name == "base":
            self.page.base = self.page.base or attrs.get("href", "")
        elif name == "link":
            if len(self.page.links) < MAX_LIST:
                self.page.links.append((attrs.get("rel", "").lower(), attrs.get("href", "")))
        else:
            self._note_meta(attrs)

    def _note_meta(self, attrs: dict[str, str]) -> None:
        content = folded(decoded(attrs.get("content", "")))
        if not content or len(self.page.metas) >= MAX_LIST:
            return
        for kind in ("property", "name", "itemprop"):
            if key := attrs.get(kind, "").strip().lower():
                values = self.page.metas.setdefault(key, [])
                if len(values) < 100:
                    values.append(content)


def _is_author(attrs: dict[str, str]) -> bool:
    return "author" in attrs.get("rel", "").lower().split()
