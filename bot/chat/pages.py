"""Lists with paging: the latest stories and what a search finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from telegram import MessageEntity

from bot.chat.stories import lines
from bot.text import ELLIPSIS, is_blank, one_line, shorten
from bot.types import Button, ChatType, Message

if TYPE_CHECKING:
    from telegram import Message as TelegramMessage

    from bot.chat.answers import Ask, Buttons
    from bot.store import Store
    from bot.types import Story

SIZE: Final = 5
MOST: Final = 10
TAGS_OFFERED: Final = 8
TAGS_IN_ROW: Final = 2
MAX_CALLBACK_BYTES: Final = 64
LONGEST_WORDS_CHARS: Final = 200
LONGEST_BUTTON_CHARS: Final = 40
MOST_TERMS: Final = 16

_PLACE: Final = re.compile(r"(.*):(\d{1,6})x(\d{1,2})(a?)", re.DOTALL)
_TELLING: Final = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: `words` are a tag or a search, `every` asks for all the words."""

    verb: str
    words: str = ""
    offset: int = 0
    count: int = SIZE
    every: bool = True

    def data(self) -> str:
        """Give it as callback data of at most 64 bytes.

        Words too long for that are replaced by an ellipsis; the message itself shows them.
        """
        place = f":{self.offset}x{self.count}{'' if self.every else 'a'}"
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
    count = min(max(int(found[3]), 1), MOST)
    return Page(verb, tidy_words(words), int(found[2]), count, every=not found[4])


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


def search_terms(words: str) -> list[str]:
    """Give the words that can be searched for; what has neither letter nor digit is none."""
    return [word for word in words.split() if _TELLING.search(word)][:MOST_TERMS]


async def search(store: Store, page: Page) -> tuple[Page, list[Story]]:
    """Find a page of stories and one more: with all the words, else, from the start, with any.

    Gives the page as it was searched in the end.
    """
    terms = search_terms(page.words)
    found = await store.list_matching(
        terms, every=page.every, limit=page.count + 1, offset=page.offset
    )
    if found or not page.every or page.offset or len(terms) < 2:
        return page, found
    either = replace(page, every=False)
    return either, await store.list_matching(terms, every=False, limit=page.count + 1)


async def latest_message(ask: Ask, page: Page) -> Message:
    """Make the message that shows a page of the latest stories, or says that there are none."""
    stories = await ask.desk.store.list_latest(page.count + 1, page.offset, page.words or None)
    if stories:
        html = ask.render("latest", items=lines(ask, stories[: page.count]), tag=page.words)
        return Message(html, "", _turns(ask, page, stories, ("label_newer", "label_older")))
    if page.offset:
        return _no_more(ask, page, "label_newer")
    if not page.words:
        return Message(ask.render("latest_empty"), "")
    known = await ask.desk.store.list_tags(TAGS_OFFERED) if _may_turn(ask) else []
    buttons = _tag_buttons(known)
    html = ask.render("tag_unknown", tag=page.words, offered=bool(buttons))
    return Message(html, "", buttons)


async def found_message(ask: Ask, page: Page) -> Message:
    """Make the message that shows what a search finds, or says that it finds nothing."""
    page, stories = await search(ask.desk.store, page)
    if not stories:
        if page.offset:
            return _no_more(ask, page, "label_previous")
        return Message(ask.render("found_nothing", words=page.words), "")
    html = ask.render(
        "found", items=lines(ask, stories[: page.count]), words=page.words, every=page.every
    )
    return Message(html, "", _turns(ask, page, stories, ("label_previous", "label_next")))


def _no_more(ask: Ask, page: Page, label: str) -> Message:
    """The list became shorter meanwhile; words that only the old message showed are lost."""
    turns = _turns(ask, page, [], (label, "")) if _fits(page) else ()
    return Message(ask.render("no_more"), "", turns)


def _turns(ask: Ask, page: Page, stories: list[Story], labels: tuple[str, str]) -> Buttons:
    """The buttons to the pages before and after; none in a channel, where any reader presses."""
    if not _may_turn(ask):
        return ()
    back, onward = labels
    row = []
    if page.offset:
        before = replace(page, offset=max(page.offset - page.count, 0))
        row.append(Button(ask.label(back), callback_data=before.data()))
    if len(stories) > page.count:
        after = replace(page, offset=page.offset + page.count)
        row.append(Button(ask.label(onward), callback_data=after.data()))
    return (tuple(row),) if row else ()


def _may_turn(ask: Ask) -> bool:
    return ask.chat.type is not ChatType.CHANNEL


def _fits(page: Page) -> bool:
    return ELLIPSIS not in page.data()


def _tag_buttons(tags: list[str]) -> Buttons:
    pages = [Page("latest", tag) for tag in tags if not is_blank(tag)]
    buttons = [
        Button(shorten(page.words, LONGEST_BUTTON_CHARS), callback_data=page.data())
        for page in pages
        if _fits(page)
    ]
    return tuple(
        tuple(buttons[start : start + TAGS_IN_ROW]) for start in range(0, len(buttons), TAGS_IN_ROW)
    )
