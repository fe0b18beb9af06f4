"""Which story is meant, and stories as lists of lines."""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from telegram import MessageEntity, MessageOriginChannel

from bot.dates import ago
from bot.errors import FetchError, SourceError
from bot.identity import sight_entry
from bot.links import canonical, story_key
from bot.related import closest, telling_terms
from bot.text import for_telegram, is_blank, one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from telegram import Message as TelegramMessage

    from bot.chat.answers import Ask
    from bot.chat.desk import Desk
    from bot.types import Story

    ReadPage = Callable[[str], Awaitable[Story]]

RELATED: Final = 5
READ_WITHIN_S: Final = 12.0
CANDIDATES: Final = 60
LONGEST_LINE_CHARS: Final = 160
LONGEST_SECTION_CHARS: Final = 40
# Ten links of this size leave room for their lines in Telegram's 32,768 bytes of markup.
LONGEST_LINK_BYTES: Final = 1_500

_ADDRESS: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_BARE_ADDRESS: Final = re.compile(r"[^\s/@:]+\.[^\W\d_][^\s/@:.]+(?:/\S*)?")
_SENTENCE_END: Final = ".,;:!?…\"'”’»>"
_CODE: Final = re.compile(r"[a-z2-7]{12}")
_OUR_LINK: Final = re.compile(r"https?://[^/\s]+/(?:s|share)/([a-z2-7]{12})/?")
_START_LINK: Final = re.compile(r"https://t\.me/\w+\?start=(?:related|share)_([a-z2-7]{12})")
_RELATED_DATA: Final = re.compile(r"related:([a-z2-7]{12})")
_LINKS: Final = (MessageEntity.URL, MessageEntity.TEXT_LINK)


@dataclass(frozen=True, slots=True)
class Line:
    """A story in a list: `url` is empty where a link would be too long, `note` when and where."""

    title: str
    url: str
    note: str


def line(story: Story, now: datetime, desk: Desk, language: str) -> Line:
    """Give a story's line."""
    fits = len(html.escape(story.url).encode()) <= LONGEST_LINK_BYTES
    return Line(title_of(story), story.url if fits else "", note(story, now, desk, language))


def lines(ask: Ask, stories: Iterable[Story]) -> list[Line]:
    """Give the lines of stories in the language of the question."""
    now = ask.desk.clock()
    return [line(story, now, ask.desk, ask.language) for story in stories]


def title_of(story: Story) -> str:
    """Give a story's title for a line; its address or code where a reader would see none."""
    title = shorten(for_telegram(one_line(story.title)), LONGEST_LINE_CHARS)
    if not is_blank(title):
        return title
    return shorten(story.url, LONGEST_LINE_CHARS) or story.code


def note(story: Story, now: datetime, desk: Desk, language: str) -> str:
    """Say when a story appeared and in which section."""
    moment = story.published_at or story.seen_at
    when = ago(moment, now, desk.zone, language) if moment else ""
    section = for_telegram(one_line(story.tags[0])) if story.tags else ""
    return " · ".join(filter(None, (when, shorten(section, LONGEST_SECTION_CHARS))))


async def related_stories(desk: Desk, story: Story) -> list[Story]:
    """Give the stories that are about the same matter, the closest first; none rather than junk."""
    terms = telling_terms(story)
    if not terms:
        return []
    found = await desk.store.list_matching(terms, every=False, limit=CANDIDATES)
    return closest(story, found, RELATED)


async def named_story(ask: Ask, read: ReadPage) -> Story | None:
    """Give the story that a question names: by address or code, else by the message replied to.

    None where it names none. `read` gives the story of a page that is not known yet.
    Raises SourceError.
    """
    if ask.words:
        return await _story_in_words(ask, read)
    replied = ask.message.reply_to_message if ask.message else None
    return await shown_story(ask, replied, read) if replied else None


async def shown_story(ask: Ask, message: TelegramMessage, read: ReadPage) -> Story | None:
    """Give the story that a message shows: by its buttons, by what we sent, by its links.

    None where it shows none. Raises SourceError.
    """
    store = ask.desk.store
    for code in _codes(message):
        if story := await store.find_story_by_code(code):
            return story
    for chat_id, message_id in _places(message):
        if story := await store.find_story_by_message(chat_id, message_id):
            return story
    addresses = list(dict.fromkeys(filter(canonical, links_in(message))))
    for address in addresses:
        if story := await find_by_address(ask.desk, address):
            return story
    return await read(addresses[0]) if addresses else None


async def find_by_address(desk: Desk, address: str) -> Story | None:
    """Give the stored story at an address, a short link or share page of ours among them."""
    ours = _OUR_LINK.fullmatch(address)
    if ours and (story := await desk.store.find_story_by_code(ours[1])):
        return story
    return await desk.store.find_story_by_key(story_key(canonical(address)))


def reader_of(desk: Desk) -> ReadPage:
    """Give the way in which a reader's page is read: it is not stored."""

    async def read(address: str) -> Story:
        try:
            entry = await asyncio.wait_for(desk.source.read_article(address), READ_WITHIN_S)
        except TimeoutError as error:
            raise FetchError("the page takes too long") from error
        sighting = sight_entry(replace(entry, url=entry.url or address))
        known = await desk.store.find_story_by_key(sighting.key) if sighting.key else None
        return known or sighting.story

    return read


def links_in(message: TelegramMessage) -> Iterator[str]:
    """Give the addresses in a message, in their order."""
    text = message.text or message.caption or ""
    if not text:
        return
    if message.text:
        found = message.parse_entities(list(_LINKS))
    else:
        found = message.parse_caption_entities(list(_LINKS))
    for entity, part in sorted(found.items(), key=lambda item: item[0].offset):
        address = entity.url or part
        yield address if "://" in address else f"https://{address}"


async def say_unread(ask: Ask, error: SourceError) -> None:
    """Say in words why a page could not be read."""
    if not isinstance(error, FetchError):
        await ask.say("not_article")
    elif error.status is not None and error.status >= 400:
        await ask.say("page_refused", status=error.status)
    else:
        await ask.say("page_unreachable")


async def _story_in_words(ask: Ask, read: ReadPage) -> Story | None:
    address = address_in(ask.words)
    if address:
        return await find_by_address(ask.desk, address) or await read(address)
    words = ask.words.split()
    if len(words) == 1 and _CODE.fullmatch(words[0].lower()):
        return await ask.desk.store.find_story_by_code(words[0].lower())
    return None


def address_in(words: str) -> str:
    """Give the first address in words, also one without its scheme; empty for none."""
    if found := _ADDRESS.search(words):
        address = without_sentence_end(found[0])
        return address if canonical(address) else ""
    first = words.split(maxsplit=1)[0] if words.strip() else ""
    bare = f"https://{first}"
    return bare if _BARE_ADDRESS.fullmatch(first) and canonical(bare) else ""


def without_sentence_end(address: str) -> str:
    """Leave out what ends a sentence behind an address; a closing bracket if none was opened."""
    address = address.rstrip(_SENTENCE_END)
    if address.endswith(")") and "(" not in address:
        return address.rstrip(")" + _SENTENCE_END)
    return address


def _codes(message: TelegramMessage) -> Iterator[str]:
    rows: Sequence[Sequence[object]] = ()
    if message.reply_markup:
        rows = message.reply_markup.inline_keyboard
    for row in rows:
        for button in row:
            data = _RELATED_DATA.fullmatch(str(getattr(button, "callback_data", "") or ""))
            link = _START_LINK.fullmatch(getattr(button, "url", "") or "")
            if found := data or link:
                yield found[1]


def _places(message: TelegramMessage) -> Iterator[tuple[int, int]]:
    """Where the message stands, and where it was forwarded from."""
    yield message.chat.id, message.message_id
    origin = message.forward_origin
    if isinstance(origin, MessageOriginChannel):
        yield origin.chat.id, origin.message_id
