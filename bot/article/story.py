"""The story on a visible page: its heading, its paragraphs, and what is written beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bot.article.prose import is_dateline, is_noise
from bot.dates import find_date, parse_date

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from bot.article.page import Block, Link, Page

MIN_PARAGRAPH_CHARS: Final = 40
MIN_LEAD_CHARS: Final = 80
MIN_STORY_CHARS: Final = 100
NEAR_BLOCKS: Final = 12
MAX_LABEL_CHARS: Final = 160
MAX_NAME_CHARS: Final = 60
MAX_CAPTION_CHARS: Final = 250
MAX_TAG_BLOCKS: Final = 20

_LISTS = re.compile(
    r"(?:(?:berita|artikel|baca|kabar|posts?|articles?|stories|news|related|more|you)\b.{0,20})?"
    r"(?:terkait|terbaru|terkini|terpopuler|populer|lainnya|rekomendasi|pilihan|related"
    r"|related (?:posts?|articles?|stories|news|reading)|recommended(?: for you)?"
    r"|latest(?: news| posts)?"
    r"|popular(?: posts)?|trending|(?:may|might) also like"
    r"|more (?:from|in|on|stories)\b.{0,40}|read next|up next|most read|juga)\W*",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"(?:\d+\s+)?(?:komentar|comments?|responses?|diskusi)\W*\d*|leave a (?:reply|comment)\b.*"
    r"|tinggalkan (?:balasan|komentar)\b.*|tulis komentar\b.*"
    r"|join the (?:discussion|conversation)\W*"
    r"|about the author\W*|tentang penulis\W*",
    re.IGNORECASE,
)
_WRITER = r"penulis|reporter|wartawan|pewarta|jurnalis|kontributor|author|writer|written by|laporan"
_EDITOR = r"editor|penyunting|redaktur|edited by"
_LABEL = re.compile(
    rf"(?<![^\W_])(?P<who>{_WRITER}|{_EDITOR}|oleh|by|sumber|source|foto|photo|fotografer|penerjemah)"
    r"\s*[:：]\s*",
    re.IGNORECASE,
)
_BARE_LABEL = re.compile(rf"(?P<who>{_WRITER}|{_EDITOR}|oleh|by)\s*[:：]?", re.IGNORECASE)
_BY = re.compile(
    r"(?:by|oleh|written by|ditulis oleh|reported by)\s+(?P<name>[^\d\W].*)", re.IGNORECASE
)
_ALL_POSTS = re.compile(
    r"\b(?:view|see|more|all|posts?|articles|lihat|semua|artikel|tulisan|profil)\b", re.IGNORECASE
)
_NAME_END = re.compile(
    r"\s+[-–—|•·/]\s+|\s*[|•·;\n]\s*|\s*,?\s*(?=(?:senin|selasa|rabu|kamis|jum'?at|sabtu|minggu|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b)|\s*,?\s+(?=\d)|"
    r"\s+(?:on|pada|updated|published)\s",
    re.IGNORECASE,
)
_IS_WRITER = re.compile(rf"(?:{_WRITER}|oleh|by)\Z", re.IGNORECASE)
_IS_EDITOR = re.compile(rf"(?:{_EDITOR})\Z", re.IGNORECASE)
_PUBLISHED = re.compile(
    r"\b(?:di(?:terbitkan|publikasikan|posting|unggah|tayangkan)|terbit|tayang|publish(?:ed)?|posted)\b",
    re.IGNORECASE,
)
_UPDATED = re.compile(
    r"\b(?:di(?:perbarui|perbaharui|ubah|update|mutakhirkan)|(?:last\s+)?(?:updated?|modified))\b",
    re.IGNORECASE,
)
_SITE_GAP = re.compile(r"\s+[-–—|»:]\s+")
_TAG_LINK = re.compile(
    r"/(?:tags?|topics?|topik|label|category|kategori|rubrik)/[^/]+/?", re.IGNORECASE
)
_TAGS_LABEL = re.compile(
    r"(?:tags?(?: terkait| berita)?|topik(?: terkait)?|topics?|label|kata kunci|keywords?)"
    r"\s*[:：]",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…:][\"'”’»)\]*\s]*\Z")
_CREDIT = re.compile(
    r"\(\s*(?:foto|photo|dok(?:umentasi)?|ist(?:imewa)?|sumber|source|image)\b[^()]{0,80}\)\W*\Z"
    r"|\b(?:foto|photo)\s*:\s*[^.]{2,60}\Z",
    re.IGNORECASE,
)
_ENDNOTE = re.compile(r"\s*\((?:\*+|red|ant(?:ara)?|adv)\)\s*\Z", re.IGNORECASE)
_CONTAINED = frozenset(
    ("p", "li", "blockquote", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "figcaption")
)


@dataclass(frozen=True, slots=True)
class Story:
    """What a reader sees of an article; None and () for what the page does not show.

    `captions` are in lower case; `pictures` the attributes of img elements, in order. `is_marked`
    says that heading and text stand in an article element, which no other of the page's is like.
    """

    heading: str = ""
    paragraphs: tuple[str, ...] = ()
    captions: frozenset[str] = frozenset()
    author: str | None = None
    editor: str | None = None
    pictures: tuple[dict[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    published_at: datetime | None = None
    updated_at: datetime | None = None
    is_marked: bool = False


@dataclass(slots=True)
class _Reading:
    """A page under reading: where its heading stands and which blocks are the story's."""

    page: Page
    zone: ZoneInfo
    heading: int = -1
    heading_text: str = ""
    chosen: list[int] = field(default_factory=list)
    captions: frozenset[str] = frozenset()
    aside: list[bool] = field(default_factory=list)

    @property
    def first(self) -> int:
        """Where the story's text begins."""
        return self.chosen[0] if self.chosen else min(self.heading + 30, len(self.page.blocks))

    @property
    def last(self) -> int:
        return self.chosen[-1] if self.chosen else self.heading


def find_story(page: Page, stated_title: str, zone: ZoneInfo) -> Story:
    """Find the story by structure: the heading, then the element that holds most of the prose.

    Dates count only beside the heading, or with a label that says "published"; names only with
    their label or beside the heading.
    """
    reading = _Reading(page, zone)
    reading.heading, reading.heading_text = _heading(page, stated_title)
    reading.aside = _asides(page, reading.heading)
    reading.captions = _captions(page)
    reading.chosen = _choose(reading)
    author, editor = _names(reading)
    published, updated = _dates(reading)
    paragraphs = _paragraphs(reading)
    article = _article(reading)
    return Story(
        heading=reading.heading_text,
        paragraphs=paragraphs,
        captions=reading.captions,
        author=author,
        editor=editor,
        pictures=_pictures(reading),
        tags=_tags(reading),
        published_at=published,
        updated_at=updated,
        is_marked=bool(paragraphs)
        and article is not None
        and article in page.ancestors(page.blocks[reading.first].node),
    )


def _heading(page: Page, stated: str) -> tuple[int, str]:
    """Find the block that is the article's heading: an h1, best one that the title repeats."""
    title = (stated or page.title).casefold()
    levels = ("h1", "h2")
    for level in levels:
        found = [
            (at, block.text)
            for at, block in enumerate(page.blocks)
            if block.text
            and _within(page, block, level)
            and (level == "h1" or _is_in(block, title))
        ]
        matching = [one for one in found if one[1].casefold() in title]
        if matching:
            return max(matching, key=lambda one: len(one[1]))
        if found:
            return max(found, key=lambda one: min(len(one[1]), 60))
    for at, block in enumerate(page.blocks):
        if _is_in(block, title):
            return at, block.text
    return -1, stated or _without_site(page.title)


def _within(page: Page, block: Block, name: str) -> bool:
    node = page.nodes[block.node]
    return node.name == name or (node.parent >= 0 and page.nodes[node.parent].name == name)


def _is_in(block: Block, title: str) -> bool:
    return len(block.text) >= 15 and block.text.casefold() in title


def _without_site(title: str) -> str:
    """Take what follows the last dash off a page's title: the newsroom's name stands there."""
    gaps = list(_SITE_GAP.finditer(title))
    if gaps and gaps[-1].start() >= len(title) - gaps[-1].end():
        return title[: gaps[-1].start()].strip()
    return title


def _asides(page: Page, heading: int) -> list[bool]:
    """Say of each element whether it is no story.

    A class name is believed only where neither the heading nor half of the page's text is inside.
    """
    own = [0] * len(page.nodes)
    for block in page.blocks:
        own[block.node] += max(len(block.text) - block.link_chars, 0)
    for at in range(len(own) - 1, 0, -1):
        own[page.nodes[at].parent] += own[at]
    around = set(page.ancestors(page.blocks[heading].node)) if heading >= 0 else set()
    aside = [False] * len(page.nodes)
    for at, node in enumerate(page.nodes):
        believed = node.own_aside and at not in around and own[at] * 2 < own[0]
        aside[at] = believed or (node.parent >= 0 and aside[node.parent] and at not in around)
    return aside


def _captions(page: Page) -> frozenset[str]:
    texts = [block.text for block in page.blocks if page.nodes[block.node].caption]
    texts += [picture.attrs.get(key, "") for picture in page.pictures for key in ("alt", "title")]
    return frozenset(" ".join(text.casefold().split()) for text in texts if len(text) >= 15)


def _choose(reading: _Reading) -> list[int]:
    """Give the blocks of the element that holds most of the prose, up to the lists that follow."""
    prose = [at for at in range(len(reading.page.blocks)) if _is_prose(reading, at)]
    after = [at for at in prose if at > reading.heading]
    prose = after or prose
    if short := _short_story(reading, prose):
        return short
    if not prose or _is_listing(reading.page, prose):
        return []
    holder = _holder(reading, prose)
    if holder is None:
        return []
    inside = [
        at
        for at in range(max(reading.heading + 1, 0) if after else 0, prose[-1] + NEAR_BLOCKS)
        if at < len(reading.page.blocks)
        and holder in reading.page.ancestors(reading.page.blocks[at].node)
    ]
    return _until_lists(reading, inside, set(prose))


def _article(reading: _Reading) -> int | None:
    """Find the article element that holds the heading, an h1; None where another has one too."""
    page, heading = reading.page, reading.heading
    if heading < 0 or page.blocks[heading].link_chars * 2 > len(page.blocks[heading].text):
        return None
    holders: dict[int, int] = {}
    for at, block in enumerate(page.blocks):
        if block.text and _within(page, block, "h1") and not reading.aside[block.node]:
            article = _holding(page, block, "article")
            if article is not None:
                holders[article] = at
    return _holding(page, page.blocks[heading], "article") if len(holders) == 1 else None


def _holding(page: Page, block: Block, name: str) -> int | None:
    return next(
        (node for node in page.ancestors(block.node) if page.nodes[node].name == name), None
    )


def _short_story(reading: _Reading, prose: list[int]) -> list[int]:
    """Give the paragraphs of a marked article that has too little text to be known by it."""
    page, article = reading.page, _article(reading)
    if article is None or sum(len(page.blocks[at].text) for at in prose) >= MIN_STORY_CHARS:
        return []
    chosen: list[int] = []
    for at in range(reading.heading + 1, len(page.blocks)):
        block = page.blocks[at]
        if article not in page.ancestors(block.node):
            continue
        if _LISTS.fullmatch(block.text[:60]) or _TALK.fullmatch(block.text[:60]):
            break
        if at in prose or _is_short_paragraph(reading, block):
            chosen.append(at)
    return chosen


def _is_short_paragraph(reading: _Reading, block: Block) -> bool:
    text = block.text
    if not text or reading.page.nodes[block.node].name != "p" or reading.aside[block.node]:
        return False
    if is_noise(text) or is_dateline(text) or _is_caption(reading, block):
        return False
    if _is_byline(text) or _BY.match(text) or block.link_chars * 2 > len(text):
        return False
    return not block.dated and (text[-1] in ".!?…" or not find_date(text, reading.zone))


def _is_listing(page: Page, prose: list[int]) -> bool:
    """Say whether the page lists stories: each text stands below a heading that is a link."""
    linked = [
        at > 0 and 0 < len(page.blocks[at - 1].text) <= page.blocks[at - 1].link_chars + 3
        for at in prose
    ]
    return linked[0] and linked.count(True) >= 3


def _is_prose(reading: _Reading, at: int) -> bool:
    block = reading.page.blocks[at]
    text = block.text
    if len(text) < MIN_PARAGRAPH_CHARS or reading.aside[block.node] or _is_caption(reading, block):
        return False
    if block.link_chars * 2 > len(text) or at == reading.heading or is_noise(text):
        return False
    return len(text) >= MIN_LEAD_CHARS or bool(_SENTENCE_END.search(text))


def _is_caption(reading: _Reading, block: Block) -> bool:
    if reading.page.nodes[block.node].caption or block.text.casefold() in reading.captions:
        return True
    return len(block.text) <= MAX_CAPTION_CHARS and bool(_CREDIT.search(block.text))


def _holder(reading: _Reading, prose: list[int]) -> int | None:
    """Find the element: the deepest that most prose shares, widened where its parent has more."""
    page = reading.page
    scores: dict[int, float] = {}
    weights: dict[int, int] = {}
    for at in prose:
        block = page.blocks[at]
        size = len(block.text)
        chain = page.ancestors(block.node)
        for node in chain:
            weights[node] = weights.get(node, 0) + size
        start = 1 if page.nodes[block.node].name in _CONTAINED else 0
        for depth, node in enumerate(chain[start : start + 3]):
            scores[node] = scores.get(node, 0) + min(size, 600) / (depth + 1)
    if not scores:
        return None
    best = max(scores, key=lambda node: scores[node])
    for _ in range(4):
        parent = page.nodes[best].parent
        if parent < 0 or page.nodes[parent].name == "html":
            break
        if weights[parent] < weights[best] * 1.35:
            break
        best = parent
    return best


def _until_lists(reading: _Reading, inside: list[int], prose: set[int]) -> list[int]:
    """Stop at the lists of other stories and at readers' talk, once the story has begun."""
    page = reading.page
    chosen: list[int] = []
    written = 0
    remaining = sum(len(page.blocks[at].text) for at in inside if at in prose)
    for at in inside:
        block = page.blocks[at]
        text = block.text
        heads_list = len(text) < 60 and bool(_LISTS.fullmatch(text) or _TALK.fullmatch(text))
        if heads_list and written and remaining <= written * (9 if _TALK.fullmatch(text) else 0.6):
            break
        if at in prose:
            written += len(text)
            remaining -= len(text)
        if (
            reading.aside[block.node]
            or heads_list
            or (text and block.link_chars * 10 > len(text) * 7)
        ):
            continue
        chosen.append(at)
    while chosen and chosen[-1] not in prose:
        chosen.pop()
    return _from_lead(reading, chosen, prose)


def _from_lead(reading: _Reading, chosen: list[int], prose: set[int]) -> list[int]:
    """Drop what stands above the lead: captions said twice, a subtitle, a dateline of its own."""
    page = reading.page
    texts = [page.blocks[at].text for at in chosen]
    lead = next((i for i, at in enumerate(chosen) if at in prose), 0)
    for i in range(min(NEAR_BLOCKS, len(chosen) - 1)):
        if is_dateline(texts[i]) and any(at in prose for at in chosen[i + 1 :]):
            lead = max(lead, i + 1)
    stop = min(lead + NEAR_BLOCKS, len(chosen) - 1)
    while lead < stop and texts[lead] in texts[:lead] + texts[lead + 1 : lead + 3]:
        lead += 1
    start = lead = next((i for i in range(lead, len(chosen)) if chosen[i] in prose), lead)
    while (
        start > lead - NEAR_BLOCKS
        and start
        and _is_sentence_beside(reading, chosen[start - 1], chosen[lead])
    ):
        start -= 1
    return chosen[start:]


def _is_sentence_beside(reading: _Reading, at: int, lead: int) -> bool:
    """Say whether a short paragraph above the lead belongs to the same text."""
    page = reading.page
    block, other = page.blocks[at], page.blocks[lead]
    if page.nodes[block.node].name != "p" or page.nodes[other.node].name != "p":
        return False
    if page.nodes[block.node].parent != page.nodes[other.node].parent:
        return False
    text = block.text
    if is_noise(text) or is_dateline(text) or _is_byline(text) or _is_caption(reading, block):
        return False
    return bool(_SENTENCE_END.search(text)) and not block.dated and text[-1] != ":"


def _paragraphs(reading: _Reading) -> tuple[str, ...]:
    page = reading.page
    kept: list[str] = []
    for at in reading.chosen:
        block = page.blocks[at]
        name = page.nodes[block.node].name
        if not block.text or name in ("h1", "h2", "h3", "h4", "h5", "h6"):
            continue
        if name in ("th", "td") and not _is_prose(reading, at):
            continue
        if _is_caption(reading, block) or is_noise(block.text) or _is_byline(block.text):
            continue
        kept.append(block.text)
    if kept:
        kept[-1] = _ENDNOTE.sub("", kept[-1])
    return tuple(kept)


def _is_byline(text: str) -> bool:
    if len(text) > MAX_LABEL_CHARS:
        return False
    if label := _LABEL.match(text):
        return not _SENTENCE_END.search(text) or len(text) - label.end() <= MAX_NAME_CHARS
    return bool(_BARE_LABEL.fullmatch(text))


def _names(reading: _Reading) -> tuple[str | None, str | None]:
    """Find author and editor by their labels, first in and about the story."""
    blocks = reading.page.blocks
    found: dict[str, str] = {}
    for at in _about(reading):
        text = blocks[at].text
        if len(text) > MAX_LABEL_CHARS:
            continue
        for who, name in _labelled(text) or _labelled_apart(blocks, at):
            role = "author" if _IS_WRITER.match(who) else "editor" if _IS_EDITOR.match(who) else ""
            if role and name:
                found.setdefault(role, name)
    author = found.get("author") or _beside_heading(reading) or _marked_author(reading)
    return author, found.get("editor")


def _about(reading: _Reading) -> Iterable[int]:
    """Give the blocks near the story, in order: from above its heading to below its end."""
    start = max(min(reading.heading, reading.first) - 6, 0)
    stop = min(reading.last + NEAR_BLOCKS * 2, len(reading.page.blocks))
    for at in range(start, stop):
        block = reading.page.blocks[at]
        if at > reading.last and len(block.text) < 60 and _LISTS.fullmatch(block.text):
            return
        if not _is_far(reading, block):
            yield at


def _is_far(reading: _Reading, block: Block) -> bool:
    node = reading.page.nodes[block.node]
    return reading.aside[block.node] and not re.search(
        r"author|penulis|byline", node.hint, re.IGNORECASE
    )


def _labelled(text: str) -> list[tuple[str, str]]:
    labels = list(_LABEL.finditer(text))
    if not labels or labels[0].start() > MAX_NAME_CHARS:
        return []
    ends = [label.start() for label in labels[1:]] + [len(text)]
    return [
        (label["who"], _name(text[label.end() : end]))
        for label, end in zip(labels, ends, strict=True)
    ]


def _labelled_apart(blocks: list[Block], at: int) -> list[tuple[str, str]]:
    """Read a label that stands alone, with the name in the next line."""
    label = _BARE_LABEL.fullmatch(blocks[at].text)
    if not label or at + 1 >= len(blocks):
        return []
    return [(label["who"], _name(blocks[at + 1].text.lstrip(":： ")))]


def _name(written: str) -> str:
    name = _NAME_END.split(written.strip(), maxsplit=1)[0]
    name = re.sub(r"\s*\([^()]*\)\s*\Z", "", name).strip(" ,.;:|-–—/()[]")
    return name if len(name) <= MAX_NAME_CHARS else ""


def _beside_heading(reading: _Reading) -> str | None:
    """Find "By John Smith" between heading and story, or a link that says rel=author."""
    blocks = reading.page.blocks
    for at in range(max(reading.heading - 2, 0), min(reading.first, len(blocks))):
        block = blocks[at]
        if _is_far(reading, block):
            continue
        if name := _author_link(block):
            return name
        by = _BY.match(block.text) if len(block.text) <= MAX_LABEL_CHARS else None
        if by and (name := _name(by["name"])):
            return name
    return None


def _marked_author(reading: _Reading) -> str | None:
    """Find a link that says rel=author anywhere about the story."""
    named = (_author_link(reading.page.blocks[at]) for at in _about(reading))
    return next((name for name in named if name), None)


def _author_link(block: Block) -> str:
    texts = [link.text for link in block.links if "author" in link.rel.split()]
    named = (_name(by["name"] if (by := _BY.fullmatch(text)) else text) for text in texts)
    return next((name for name in named if name and not _ALL_POSTS.search(name)), "")


def _dates(reading: _Reading) -> tuple[datetime | None, datetime | None]:
    """Find when the story was published and updated: below its heading, above it, by label."""
    blocks = reading.page.blocks
    published = updated = None
    above = [at for at in range(reading.heading - 1, reading.heading - 5, -1) if at >= 0]
    near = [at for at in above if _shares_box(reading, at)]
    beside = [*range(max(reading.heading, 0), min(reading.first + 1, len(blocks))), *near]
    for at in beside:
        if _is_far(reading, blocks[at]) or (at in reading.chosen and at != reading.heading):
            continue
        stated, changed = _dates_in(blocks[at], reading.zone)
        published, updated = published or stated, updated or changed
    for at in _about(reading):
        if published is not None:
            break
        text = blocks[at].text
        if len(text) <= MAX_LABEL_CHARS and (label := _PUBLISHED.search(text[:40])):
            published = find_date(text[label.end() :], reading.zone)
    return published, updated


def _shares_box(reading: _Reading, at: int) -> bool:
    """Say whether a block above the heading stands in the heading's own box, not in the page's."""
    page = reading.page
    own, *boxes = page.ancestors(page.blocks[reading.heading].node)
    if boxes and page.nodes[boxes[0]].name != "body" and _holds_only(page, boxes[0], own):
        boxes = boxes[1:]
    return bool(boxes) and boxes[0] in page.ancestors(page.blocks[at].node)[:4]


def _holds_only(page: Page, box: int, node: int) -> bool:
    return all(block.node == node for block in page.blocks if box in page.ancestors(block.node)[:4])


def _dates_in(block: Block, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    text = block.text
    if len(text) > MAX_LABEL_CHARS:
        return None, None
    label = _UPDATED.search(text)
    machine = parse_date(block.dated, zone)
    if label is None:
        return machine or find_date(text, zone), None
    stated = find_date(text[: label.start()], zone)
    changed = find_date(text[label.end() :], zone)
    if stated is None:
        return None, machine or changed
    return machine or stated, changed


def _pictures(reading: _Reading) -> tuple[dict[str, str], ...]:
    page = reading.page
    start = reading.heading - 3 if reading.heading >= 0 else reading.first - NEAR_BLOCKS
    return tuple(
        picture.attrs
        for picture in page.pictures
        if start <= picture.at <= reading.last
        and not reading.aside[picture.node]
        and not re.search(
            r"icon|logo|avatar|banner|iklan|\bads?\b",
            f"{picture.attrs.get('alt', '')} {picture.attrs.get('class', '')} "
            f"{picture.attrs.get('src', '')}",
            re.IGNORECASE,
        )
    )[:10]


def _tags(reading: _Reading) -> tuple[str, ...]:
    page = reading.page
    found: list[str] = []
    for at in _about(reading):
        if at < reading.heading - 3:
            continue
        for link in page.blocks[at].links:
            in_story = reading.first <= at <= reading.last
            tagged = "tag" in link.rel.split() if in_story else _is_tag(link)
            if tagged and len(link.text) <= MAX_NAME_CHARS:
                found.append(link.text)
    return tuple(found) or _labelled_tags(reading)


def _labelled_tags(reading: _Reading) -> tuple[str, ...]:
    """Read the "Tags:" block that follows the lists of other stories.

    Where several stand there they are the other stories' own, and none counts.
    """
    blocks = reading.page.blocks
    labels = [
        at
        for at in range(reading.last + 1, len(blocks))
        if _TAGS_LABEL.match(blocks[at].text[:MAX_LABEL_CHARS])
        and not reading.aside[blocks[at].node]
    ]
    if len(labels) != 1:
        return ()
    found: list[str] = []
    for at in range(labels[0], min(labels[0] + MAX_TAG_BLOCKS, len(blocks))):
        links = [link.text for link in blocks[at].links if _is_tag(link)]
        if at > labels[0] and (not links or len(links) < len(blocks[at].links)):
            break
        found += links
    return tuple(name for name in found if len(name) <= MAX_NAME_CHARS)


def _is_tag(link: Link) -> bool:
    return "tag" in link.rel.split() or bool(_TAG_LINK.search(link.href))
