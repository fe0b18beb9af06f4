"""Which story is meant, and stories as lists of lines."""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from telegram import MessageEntity, MessageOriginChannel

from bot.dates import ago
from bot.errors import FetchError, SourceError
from bot.identity import sight_entry
from bot.links import canonical, read_short_code, story_key
from bot.relating import related_of
from bot.text import for_telegram, is_blank, one_line, shorten
from bot.types import Story

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from telegram import ExternalReplyInfo, InlineKeyboardButton, LinkPreviewOptions, MessageOrigin
    from telegram import Message as TelegramMessage

    from bot.chat.answers import Ask
    from bot.chat.desk import Desk

    ReadPage = Callable[[str], Awaitable[Story]]

RELATED: Final = 5
MOST_LINKS: Final = 20
LONGEST_TOLD_CHARS: Final = 4_000
READ_WITHIN_S: Final = 12.0
LONGEST_LINE_CHARS: Final = 160
LONGEST_SECTION_CHARS: Final = 40
LONGEST_LINK_BYTES: Final = 1_500
# What a list leaves to its lines of Telegram's 4,096 characters and 32,768 bytes of markup.
LINES_CHARS: Final = 3_600
LINKS_BYTES: Final = 15_000
NOTE_CHARS: Final = 90

_ADDRESS: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_BARE_ADDRESS: Final = re.compile(r"[^\s/@:]+\.[^\W\d_][^\s/@:.]+(?:/\S*)?")
_SENTENCE_END: Final = ".,;:!?…\"'”’»>"
_CODE: Final = re.compile(r"[a-z2-7]{12}")
_OUR_LINK: Final = re.compile(r"https?://[^/\s]+/(?:s|share)/(\w{1,40})/?(?:[?#]\S*)?", re.ASCII)
_START_LINK: Final = re.compile(r"https://t\.me/\w+\?start=(?:related|share)_([a-z2-7]{12})")
_RELATED_DATA: Final = re.compile(r"related:([a-z2-7]{12})")
_APP_LINK: Final = re.compile(r"https?://(?:t\.me|telegram\.me|wa\.me|line\.me)/", re.IGNORECASE)
_LINKS: Final = (MessageEntity.URL, MessageEntity.TEXT_LINK)


@dataclass(frozen=True, slots=True)
class Line:
    """A story in a list: `url` is empty where a link would be too long, `note` when and where."""

    number: int
    title: str
    url: str
    note: str


def lines(ask: Ask, stories: Sequence[Story], first: int = 1) -> list[Line]:
    """Give the lines of stories, numbered from `first`, in the language of the question.

    All of them fit into one message.
    """
    now, room = ask.desk.clock(), max(len(stories), 1)
    title_chars = min(LONGEST_LINE_CHARS, LINES_CHARS // room - NOTE_CHARS)
    link_bytes = min(LONGEST_LINK_BYTES, LINKS_BYTES // room)
    return [
        Line(
            number,
            title_of(story, title_chars),
            story.url if len(html.escape(story.url).encode()) <= link_bytes else "",
            note(story, now, ask.desk, ask.language),
        )
        for number, story in enumerate(stories, first)
    ]


def title_of(story: Story, most_chars: int = LONGEST_LINE_CHARS) -> str:
    """Give a story's title for a line; its address or code where a reader would see none."""
    title = shorten(for_telegram(one_line(story.title)), most_chars)
    if not is_blank(title):
        return title
    return shorten(story.url, most_chars) or story.code


def note(story: Story, now: datetime, desk: Desk, language: str) -> str:
    """Say when a story appeared and in which section."""
    moment = story.published_at or story.seen_at
    when = ago(moment, now, desk.zone, language) if moment else ""
    section = for_telegram(one_line(story.tags[0])) if story.tags else ""
    return " · ".join(filter(None, (when, shorten(section, LONGEST_SECTION_CHARS))))


async def related_stories(desk: Desk, story: Story) -> list[Story]:
    """Give the stories that are about the same matter, the closest first; none rather than junk."""
    return await related_of(desk.store, story, RELATED)


async def is_open(desk: Desk, story: Story) -> bool:
    """Whether readers may see a story: it was not withdrawn."""
    return not story.id or await desk.store.is_shown(story.id)


def told_story(ask: Ask) -> Story | None:
    """Give the words of a question, or of the message replied to, as a story that is not stored.

    None where there are none.
    """
    replied = ask.message.reply_to_message if ask.message else None
    told = ask.words or (replied and (replied.text or replied.caption)) or ""
    title = shorten(one_line(told[:LONGEST_TOLD_CHARS]), LONGEST_LINE_CHARS)
    return None if is_blank(title) else Story(url="", code="", title=title, summary=told)


async def named_story(ask: Ask, read: ReadPage) -> Story | None:
    """Give the story that a question names: by address or code, else by the message replied to.

    None where it names none. `read` gives the story of a page that is not known yet.
    Raises SourceError.
    """
    if ask.words:
        return await _story_in_words(ask, read)
    if ask.message is None:
        return None
    if replied := ask.message.reply_to_message:
        return await shown_story(ask, replied, read)
    elsewhere = ask.message.external_reply
    return await _story_elsewhere(ask, elsewhere, read) if elsewhere else None


async def shown_story(ask: Ask, message: TelegramMessage, read: ReadPage) -> Story | None:
    """Give the story that a message shows: by its buttons, by what we sent, by its links.

    A link may stand in its text, below a word, on a button or behind its preview. None where it
    shows no story. Raises SourceError.
    """
    for code in _codes(message):
        if story := await ask.desk.store.find_story_by_code(code):
            return story
    if story := await _story_at(ask, _places(message)):
        return story
    shown = [*links_in(message), *_copied(message), *_previewed(message.link_preview_options)]
    return await _linked_story(ask, shown, list(_button_links(message)), read)


async def _story_elsewhere(ask: Ask, reply: ExternalReplyInfo, read: ReadPage) -> Story | None:
    """The story of a message in another chat to which the question is a reply."""
    places = list(_origin_places(reply.origin))
    if reply.chat and reply.message_id:
        places.append((reply.chat.id, reply.message_id))
    if story := await _story_at(ask, places):
        return story
    return await _linked_story(ask, list(_previewed(reply.link_preview_options)), [], read)


async def _story_at(ask: Ask, places: Iterable[tuple[int, int]]) -> Story | None:
    for chat_id, message_id in places:
        if story := await ask.desk.store.find_story_by_message(chat_id, message_id):
            return story
    return None


async def _linked_story(
    ask: Ask, shown: list[str], hidden: list[str], read: ReadPage
) -> Story | None:
    """The first known story of links, else what the first link that may be a page leads to.

    `hidden` are the links of buttons, which may carry a story's address inside.
    """
    inner = [found for link in hidden for found in addresses_inside(link)]
    known = list(dict.fromkeys(filter(canonical, [*shown, *hidden, *inner])))[:MOST_LINKS]
    for address in known:
        if story := await find_by_address(ask.desk, address):
            return story
    pages = [link for link in hidden if not _leads_elsewhere(link)]
    unread = list(filter(canonical, [*shown, *pages]))
    return await read(unread[0]) if unread else None


async def find_by_address(desk: Desk, address: str) -> Story | None:
    """Give the stored story at an address, a short link or share page of ours among them."""
    link = _OUR_LINK.fullmatch(address)
    ours = read_short_code(link[1]) if link else None
    if ours and (story := await desk.store.find_story_by_code(ours[0])):
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


def addresses_inside(link: str) -> list[str]:
    """Give the addresses that a link carries in its parameters, as links that share do."""
    try:
        values = [value for _, value in parse_qsl(urlsplit(link).query)]
    except ValueError:
        return []
    return [found[0] for value in values for found in _ADDRESS.finditer(value)]


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
    for button in _buttons(message):
        data = _RELATED_DATA.fullmatch(str(button.callback_data or ""))
        link = _START_LINK.fullmatch(button.url or "")
        if found := data or link:
            yield found[1]


def _buttons(message: TelegramMessage) -> Iterator[InlineKeyboardButton]:
    if message.reply_markup:
        for row in message.reply_markup.inline_keyboard:
            yield from row


def _button_links(message: TelegramMessage) -> Iterator[str]:
    return (button.url for button in _buttons(message) if button.url)


def _copied(message: TelegramMessage) -> Iterator[str]:
    return (button.copy_text.text for button in _buttons(message) if button.copy_text)


def _previewed(options: LinkPreviewOptions | None) -> Iterator[str]:
    if options and isinstance(options.url, str):
        yield options.url


def _leads_elsewhere(link: str) -> bool:
    """Whether a button's link is no page of a story: it shares one, or opens an app."""
    return bool(addresses_inside(link)) or bool(_APP_LINK.match(link))


def _places(message: TelegramMessage) -> Iterator[tuple[int, int]]:
    """Where the message stands, and where it was forwarded from."""
    yield message.chat.id, message.message_id
    yield from _origin_places(message.forward_origin)


def _origin_places(origin: MessageOrigin | None) -> Iterator[tuple[int, int]]:
    if isinstance(origin, MessageOriginChannel):
        yield origin.chat.id, origin.message_id
