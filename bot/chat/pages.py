"""Lists with paging: the latest stories and what a search finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from telegram import MessageEntity

from bot.chat.stories import lines
from bot.relating import search
from bot.store.rows import tag_key
from bot.text import ELLIPSIS, is_blank, one_line, shorten
from bot.types import Button, ChatType, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telegram import Message as TelegramMessage

    from bot.chat.answers import Ask, Buttons
    from bot.relating import Found
    from bot.types import Story

SIZE: Final = 5
MOST: Final = 20
SECTIONS_OFFERED: Final = 6
SECTIONS_IN_ROW: Final = 3
NUMBERS_IN_ROW: Final = 5
MAX_CALLBACK_BYTES: Final = 64
LONGEST_WORDS_CHARS: Final = 200
LONGEST_BUTTON_CHARS: Final = 24
SHARE: Final = "share:"
TEXTS: Final = "texts:"

MOST_REMARKS: Final = 3

_WRITTEN: Final = re.compile(r"\w+")
# Buttons of before said by an "a" that any of the words would do.
_PLACE: Final = re.compile(r"(.*):(\d{1,6})x(\d{1,2})a?(?:@(\d{1,18}))?", re.DOTALL | re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: `words` are a tag or a search.

    `first_id` is the story with which the list began when its reader began to page, 0 for a list
    that begins now.
    """

    verb: str
    words: str = ""
    offset: int = 0
    count: int = SIZE
    first_id: int = 0

    def data(self) -> str:
        """Give it as callback data of at most 64 bytes.

        Words too long for that are replaced by an ellipsis; the message itself shows them. The
        first page of a list always begins anew.
        """
        place = f":{self.offset}x{self.count}"
        if self.first_id and self.offset:
            place += f"@{self.first_id}"
        whole = f"{self.verb}:{self.words}{place}"
        if len(whole.encode()) <= MAX_CALLBACK_BYTES:
            return whole
        return f"{self.verb}:{ELLIPSIS}{place}"


def read_page(verb: str, data: str, message: TelegramMessage | None) -> Page | None:
    """Read what `data` wrote behind the verb; None where it cannot be understood."""
    found = _PLACE.fullmatch(data)
    if not found:
        return None
    words = found[1]
    if words == ELLIPSIS:
        words = emphasised(message)
        if not words:
            return None
    offset, count = int(found[2]), min(max(int(found[3]), 1), MOST)
    return Page(verb, tidy_words(words), offset, count, first_id=int(found[4] or 0))


def emphasised(message: TelegramMessage | None) -> str:
    """Give the first bold part of a message; empty where there is none."""
    if message is None or not message.text:
        return ""
    parts = message.parse_entities([MessageEntity.BOLD])
    first = min(parts, key=lambda entity: entity.offset, default=None)
    return parts[first] if first else ""


def tidy_words(words: str) -> str:
    """Give words as they are searched and shown: one clean line of bounded length."""
    return shorten(one_line(words), LONGEST_WORDS_CHARS, len)


async def latest_message(ask: Ask, page: Page) -> Message:
    """Make the message that shows a page of the latest stories, or says that there are none.

    A page behind the end, since stories were withdrawn meanwhile, becomes the first one.
    """
    store = ask.desk.store
    stories = await store.list_page(page.count + 1, page.offset, page.words, page.first_id)
    if not stories and (page.offset or page.first_id):
        page = replace(page, offset=0, first_id=0)
        stories = await store.list_page(page.count + 1, 0, page.words, 0)
    sections = await store.list_sections(SECTIONS_OFFERED) if may_press(ask) else []
    if not stories:
        return _nothing_latest(ask, page, sections)
    page = replace(page, first_id=page.first_id or stories[0].id)
    buttons = (
        *share_rows(ask, stories[: page.count], page.offset + 1),
        *_turns(ask, page, ("label_newer", "label_older"), more=len(stories) > page.count),
        *_section_rows(ask, page, sections),
    )
    html = ask.render(
        "latest",
        items=lines(ask, stories[: page.count], page.offset + 1),
        tag=_spelling(page.words, stories[0]),
        shared=may_press(ask),
    )
    return Message(html, "", buttons)


async def found_message(ask: Ask, page: Page, *, asked: bool = True) -> Message | None:
    """Make the message that shows what a search finds; None where it finds nothing.

    It says which words were searched for instead, and where not all of them are held. Without
    `asked` it says that plain words were taken for a search. A page behind the end becomes the
    first one.
    """
    store = ask.desk.store
    found = await search(store, page.words, page.count, page.offset)
    if not found.stories and page.offset:
        page = replace(page, offset=0)
        found = await search(store, page.words, page.count)
    if not found.stories:
        return None
    first = page.offset + 1
    html = ask.render(
        "found",
        items=lines(ask, found.stories, first),
        words=page.words,
        search=understood(page, found),
        asked=asked,
        shared=may_press(ask),
    )
    more = found.total > page.offset + page.count
    buttons = (
        *share_rows(ask, found.stories, first),
        *_turns(ask, page, ("label_previous", "label_next"), more=more),
    )
    return Message(html, "", buttons)


@dataclass(frozen=True, slots=True)
class Understood:
    """What a search made of its words: `instead` are pairs of a word and what it stands for.

    `missing` are words that no story holds, `relaxed` says that not all of them are held. `span`
    says which of how many stories a page shows, empty where it shows all.
    """

    instead: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    relaxed: bool
    span: str


def understood(page: Page, found: Found) -> Understood:
    """Say of a search what its reader should know, in words as they were written."""
    written = set(_WRITTEN.findall(page.words.casefold()))
    shown = page.offset + len(found.stories)
    span = f"{page.offset + 1}–{shown} / {found.total}" if found.total > page.count else ""
    instead = (pair for pair in found.corrections if pair[0].lstrip("#") in written)
    missing = (word for word in found.missing if word.lstrip("#") in written)
    return Understood(
        instead=tuple(instead)[:MOST_REMARKS],
        missing=tuple(missing)[:MOST_REMARKS],
        relaxed=found.relaxed,
        span=span,
    )


def share_rows(ask: Ask, stories: Sequence[Story], first: int = 1) -> Buttons:
    """Rows of numbers, each of which asks for the story of that number to share it."""
    if not may_press(ask):
        return ()
    numbers = [
        Button(str(number), callback_data=f"latest:{SHARE}{story.code}")
        for number, story in enumerate(stories, first)
    ]
    return in_rows(numbers, NUMBERS_IN_ROW)


def in_rows(buttons: Sequence[Button], width: int) -> Buttons:
    """Lay buttons out in rows of at most `width`."""
    return tuple(tuple(buttons[start : start + width]) for start in range(0, len(buttons), width))


def _nothing_latest(ask: Ask, page: Page, sections: list[str]) -> Message:
    if not page.words:
        return Message(ask.render("latest_empty"), "")
    rows = _section_rows(ask, page, sections)
    html = ask.render("tag_unknown", tag=page.words, offered=bool(rows))
    wanted = Page("search", page.words)
    if may_press(ask) and _fits(wanted):
        label = shorten(ask.label("label_search_for", words=page.words), LONGEST_BUTTON_CHARS * 2)
        rows = (*rows, (Button(label, callback_data=wanted.data()),))
    return Message(html, "", rows)


def _turns(ask: Ask, page: Page, labels: tuple[str, str], *, more: bool) -> Buttons:
    """The buttons to the pages before and after; none in a channel, where any reader presses."""
    if not may_press(ask):
        return ()
    back, onward = labels
    row = []
    if page.offset:
        before = replace(page, offset=max(page.offset - page.count, 0))
        row.append(Button(ask.label(back), callback_data=before.data()))
    if more:
        after = replace(page, offset=page.offset + page.count)
        row.append(Button(ask.label(onward), callback_data=after.data()))
    return (tuple(row),) if row else ()


def _section_rows(ask: Ask, page: Page, sections: list[str]) -> Buttons:
    """The sections to choose from, the one shown marked, and the way back to all of them."""
    current = tag_key(page.words)
    offered = sections[: SECTIONS_OFFERED - bool(current)]
    pages = [Page("latest", tag, count=page.count) for tag in offered if not is_blank(tag)]
    buttons = [
        Button(_section_label(page.words, current), callback_data=page.data())
        for page in pages
        if _fits(page)
    ]
    if current and may_press(ask):
        every = Page("latest", count=page.count)
        buttons.insert(0, Button(ask.label("label_all_sections"), callback_data=every.data()))
    return in_rows(buttons, SECTIONS_IN_ROW)


def _section_label(tag: str, current: str) -> str:
    label = shorten(one_line(tag), LONGEST_BUTTON_CHARS)
    return f"• {label}" if tag_key(tag) == current else label


def _spelling(words: str, story: Story) -> str:
    """Give a tag as a story that carries it spells it."""
    key = tag_key(words)
    return next((tag for tag in story.tags if key and tag_key(tag) == key), words)


def may_press(ask: Ask) -> bool:
    """Whether a list may have buttons: not in a channel, where any reader would press them."""
    return ask.chat.type is not ChatType.CHANNEL


def _fits(page: Page) -> bool:
    return ELLIPSIS not in page.data()
