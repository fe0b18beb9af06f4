"""What every reader may ask for: stories, searches, share texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bot.chat import commands
from bot.chat.pages import (
    MOST,
    Page,
    found_message,
    latest_message,
    tidy_words,
)
from bot.chat.stories import (
    lines,
    named_story,
    reader_of,
    related_stories,
    say_unread,
    shown_story,
    title_of,
)
from bot.chat.subscribing import subscribe
from bot.errors import SourceError
from bot.text import utf16_length
from bot.types import Button

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.chat.answers import Ask, Buttons
    from bot.types import Message, ShareSheet, Story

# What a deep link may carry: `related_CODE`, `share_CODE`, `subscribe`.
STORY_PAYLOADS: Final = frozenset({"related", "share"})
SUBSCRIBE_PAYLOAD: Final = "subscribe"
# A copyable text stands below its platform's name in a message of at most 4,096 units.
COPYABLE_UNITS: Final = 4_000
BUTTONS_BYTES: Final = 8_000
BUTTONS_IN_ROW: Final = 2
HIGHEST_NUMBER_CHARS: Final = 4


async def start(ask: Ask) -> None:
    """Greet, or follow the deep link by which somebody came."""
    await ask.desk.store.open_chat(ask.chat.id)
    if ask.words == SUBSCRIBE_PAYLOAD:
        await subscribe(replace(ask, words=""))
        return
    verb, _, code = ask.words.partition("_")
    story = await ask.desk.store.find_story_by_code(code) if verb in STORY_PAYLOADS else None
    if story is not None:
        await (say_related if verb == "related" else say_share)(ask, story)
    elif ask.is_private:
        await _greet(ask)
    else:
        await ask.say("group_greeting")


async def show_help(ask: Ask) -> None:
    """Say every command in a line; in private also the person's id, which operators ask for."""
    editors = commands.EDITORS if ask.is_editor and ask.is_private else ()
    await ask.say(
        "help",
        commands=[command.line(ask.language) for command in (*commands.READERS, commands.START)],
        editor_commands=[command.line(ask.language) for command in editors],
        person_id=str(ask.user.id) if ask.user and ask.is_private else "",
    )


async def unknown(ask: Ask) -> None:
    """Say where help is; in groups and channels nothing."""
    if ask.is_private:
        await ask.say("unknown")


async def latest(ask: Ask) -> None:
    """Show the latest stories: so many, or those of a tag."""
    await ask.send(await latest_message(ask, await _latest_page(ask)))


async def search(ask: Ask) -> None:
    """Show the stories that hold the words asked for."""
    words = tidy_words(ask.words)
    if not words:
        await ask.say("search_usage")
    else:
        await ask.send(await found_message(ask, Page("search", words)))


async def popular(ask: Ask) -> None:
    """Say that readers are not counted yet, and show the latest stories."""
    stories = await ask.desk.store.list_latest(5)
    if stories:
        await ask.say("popular", items=lines(ask, stories))
    else:
        await ask.say("latest_empty")


async def related(ask: Ask) -> None:
    """Show the stories that are related to the one named or replied to."""
    try:
        story = await named_story(ask, reader_of(ask.desk))
    except SourceError as error:
        await say_unread(ask, error)
        return
    if story is None:
        await ask.say("related_usage")
    else:
        await say_related(ask, story)


async def say_related(ask: Ask, story: Story) -> None:
    """Show the stories that are related to a story."""
    found = await related_stories(ask.desk, story)
    if found:
        await ask.say("related", items=lines(ask, found), title=title_of(story))
    else:
        await ask.say("related_nothing", title=title_of(story))


async def share(ask: Ask) -> None:
    """Give the share texts and links of the story named or replied to."""
    try:
        story = await named_story(ask, reader_of(ask.desk))
    except SourceError as error:
        await say_unread(ask, error)
        return
    if story is None:
        await ask.say("share_usage")
    else:
        await say_share(ask, story)


async def plain_message(ask: Ask) -> None:
    """A story's link without a command is a wish to share it; other words are not understood."""
    if ask.message is None or not ask.is_private:
        return
    try:
        story = await shown_story(ask, ask.message, reader_of(ask.desk))
    except SourceError as error:
        await say_unread(ask, error)
        return
    if story is None:
        await unknown(ask)
    else:
        await say_share(ask, story)


async def say_share(ask: Ask, story: Story) -> None:
    """Give a story's texts, each ready to copy, then its links as buttons."""
    sheet = ask.desk.renderer.share_sheet(story)
    texts = {
        "Telegram": sheet.texts.telegram,
        "WhatsApp": sheet.texts.whatsapp,
        "LINE": sheet.texts.line,
        ask.label("label_plain"): sheet.texts.plain,
    }
    for platform, text in texts.items():
        for part in parts(text, COPYABLE_UNITS):
            await ask.say("copyable", platform=platform, text=part)
    await ask.say("share_links", title=title_of(story), buttons=share_buttons(ask, sheet))


def parts(text: str, limit: int) -> Iterator[str]:
    """Cut a text into parts of at most `limit` UTF-16 units, at line ends or spaces if it can."""
    while utf16_length(text) > limit:
        end = len(text.encode("utf-16-le")[: limit * 2].decode("utf-16-le", "ignore"))
        cut = max(text.rfind("\n", end // 2, end), text.rfind(" ", end // 2, end)) + 1 or end
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    yield text


def share_buttons(ask: Ask, sheet: ShareSheet) -> Buttons:
    """The links of a share sheet as buttons, and the copy button; within Telegram's limits."""
    links = (
        ("Facebook", sheet.links.facebook),
        ("X", sheet.links.x),
        ("WhatsApp", sheet.links.whatsapp),
        ("Telegram", sheet.links.telegram),
        ("LINE", sheet.links.line_desktop),
        ("Threads", sheet.links.threads),
    )
    buttons: list[Button] = []
    room = BUTTONS_BYTES
    for text, url in links:
        if url and len(url.encode()) <= room:
            buttons.append(Button(text, url=url))
            room -= len(url.encode())
    rows = [
        tuple(buttons[start : start + BUTTONS_IN_ROW])
        for start in range(0, len(buttons), BUTTONS_IN_ROW)
    ]
    copy = [button for row in sheet.message.buttons for button in row if button.copy_text]
    rows += [(Button(ask.label("label_copy"), copy_text=button.copy_text),) for button in copy]
    return tuple(rows)


def without_callback(message: Message, bot_name: str, code: str) -> Message:
    """Give a story's message with a link to the bot in the place of its related button."""
    link = start_link(bot_name, code)
    rows = (
        tuple(Button(b.text, url=link) if b.callback_data else b for b in row)
        for row in message.buttons
    )
    return replace(message, buttons=tuple(rows))


def start_link(bot_name: str, code: str) -> str:
    """Give the link that opens the bot and asks for a story's related stories."""
    return f"https://t.me/{bot_name}?start=related_{code}"


async def _greet(ask: Ask) -> None:
    subscribe_button = Button(ask.label("label_subscribe"), callback_data="subscribe:")
    latest_button = Button(ask.label("label_latest"), callback_data="latest:")
    await ask.say("greeting", buttons=((subscribe_button, latest_button),))


async def _latest_page(ask: Ask) -> Page:
    """Read `[n | tag]`: a number up to MOST is a number unless only a tag of that name fits."""
    words = tidy_words(ask.words)
    if not words.isdecimal() or len(words) > HIGHEST_NUMBER_CHARS:
        return Page("latest", words)
    number = int(words)
    if number > MOST and await ask.desk.store.list_latest(1, 0, words):
        return Page("latest", words)
    return Page("latest", count=min(max(number, 1), MOST))
