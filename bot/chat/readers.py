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
    may_press,
    share_rows,
    tidy_words,
)
from bot.chat.sharing import say_share
from bot.chat.stories import (
    RELATED,
    is_open,
    lines,
    named_story,
    reader_of,
    related_stories,
    say_unread,
    shown_story,
    title_of,
    told_story,
)
from bot.chat.subscribing import subscribe
from bot.errors import SourceError
from bot.types import Button

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.chat.answers import Ask
    from bot.types import Message, Story

    Say = Callable[[Ask, Story], Awaitable[object]]

# What a deep link may carry: `related_CODE`, `share_CODE`, `subscribe`, `latest`.
STORY_PAYLOADS: Final = frozenset({"related", "share"})
SUBSCRIBE_PAYLOAD: Final = "subscribe"
LATEST_PAYLOAD: Final = "latest"
SECTIONS_TRIED: Final = 3
POPULAR: Final = 5
HIGHEST_NUMBER_CHARS: Final = 4
QUOTES: Final = ' "“”«»'


async def start(ask: Ask) -> None:
    """Greet, or follow the deep link by which somebody came."""
    await ask.desk.store.open_chat(ask.chat.id)
    if ask.words == SUBSCRIBE_PAYLOAD:
        await subscribe(replace(ask, words=""))
        return
    verb, _, code = ask.words.partition("_")
    story = await ask.desk.store.find_story_by_code(code) if verb in STORY_PAYLOADS else None
    if story is not None:
        await show(ask, story, say_related if verb == "related" else say_share)
    elif ask.words == LATEST_PAYLOAD:
        await ask.send(await latest_message(ask, Page("latest")))
    elif ask.is_private:
        await _greet(ask)
    else:
        await ask.say("group_greeting")


async def show_help(ask: Ask) -> None:
    """Say every command in a line; in private also the person's id, which operators ask for."""
    editors = commands.EDITORS if ask.is_private and await ask.is_editor() else ()
    await ask.say(
        "help",
        commands=[command.line(ask.language) for command in (*commands.READERS, commands.START)],
        editor_commands=[command.line(ask.language) for command in editors],
        person_id=str(ask.user.id) if ask.user and ask.is_private else "",
        bot_name=ask.bot.username,
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
        return
    found = await found_message(ask, Page("search", words))
    await (ask.send(found) if found else ask.say("found_nothing", words=words))


async def popular(ask: Ask) -> None:
    """Show what readers open now; where nothing is counted, say so and show the latest."""
    store = ask.desk.store
    found = await store.list_popular(ask.desk.clock(), POPULAR)
    stories = found or await store.list_latest(POPULAR)
    if stories:
        await ask.say(
            "popular",
            counted=bool(found),
            items=lines(ask, stories),
            shared=may_press(ask),
            buttons=share_rows(ask, stories),
        )
    else:
        await ask.say("latest_empty")


async def related(ask: Ask) -> None:
    """Show the stories that are related to the one named or replied to, or to plain words."""
    try:
        story = await named_story(ask, reader_of(ask.desk)) or told_story(ask)
    except SourceError as error:
        await say_unread(ask, error)
        return
    if story is None:
        await ask.say("related_usage")
    else:
        await show(ask, story, say_related)


async def say_related(ask: Ask, story: Story) -> None:
    """Show the stories that are related to a story; where none is, the newest of its section."""
    found = await related_stories(ask.desk, story)
    if found:
        await ask.say(
            "related",
            items=lines(ask, found),
            title=title_of(story),
            shared=may_press(ask),
            buttons=share_rows(ask, found),
        )
        return
    tag, newest = await _newest_beside(ask, story)
    await ask.say(
        "related_nothing",
        title=title_of(story),
        tag=tag,
        items=lines(ask, newest),
        shared=may_press(ask),
        buttons=share_rows(ask, newest),
    )


async def share(ask: Ask) -> None:
    """Give the share texts and links of the story named or replied to; words are searched for."""
    try:
        story = await named_story(ask, reader_of(ask.desk))
    except SourceError as error:
        await say_unread(ask, error)
        return
    if story is not None:
        await show(ask, story, say_share)
    elif found := await _found(ask, ask.words):
        await ask.send(found)
    else:
        await ask.say("share_usage")


async def show(ask: Ask, story: Story, say: Say) -> None:
    """Answer about a story, unless it was withdrawn."""
    if await is_open(ask.desk, story):
        await say(ask, story)
    else:
        await ask.say("withdrawn")


async def plain_message(ask: Ask) -> None:
    """A story's link or post is a wish to share it, words are a search; all else gets help."""
    if ask.message is None or not ask.is_private:
        return
    try:
        story = await shown_story(ask, ask.message, reader_of(ask.desk))
    except SourceError as error:
        await say_unread(ask, error)
        return
    if story is not None:
        await show(ask, story, say_share)
    elif found := await _found(ask, ask.words or ask.message.caption or "", asked=False):
        await ask.send(found)
    else:
        await unknown(ask)


async def _found(ask: Ask, words: str, *, asked: bool = True) -> Message | None:
    words = tidy_words(words)
    if not words or words.startswith("/"):
        return None
    return await found_message(ask, Page("search", words), asked=asked)


async def _newest_beside(ask: Ask, story: Story) -> tuple[str, list[Story]]:
    """The newest other stories of a story's section, else of all ("")."""
    for tag in (*story.tags[:SECTIONS_TRIED], ""):
        newest = await ask.desk.store.list_page(RELATED + 1, 0, tag, 0)
        others = [other for other in newest if other.code != story.code][:RELATED]
        if others:
            return tag, others
    return "", []


async def _greet(ask: Ask) -> None:
    subscribe_button = Button(ask.label("label_subscribe"), callback_data="subscribe:")
    latest_button = Button(ask.label("label_latest"), callback_data="latest:")
    await ask.say("greeting", buttons=((subscribe_button, latest_button),))


async def _latest_page(ask: Ask) -> Page:
    """Read `[tag] [n]`: a number at the end is how many, unless it belongs to a tag's name."""
    words = tidy_words(ask.words).lstrip("#")
    tag, number = _counted(words)
    if number is None or (
        (tag or number > MOST) and await ask.desk.store.list_page(1, 0, words, 0)
    ):
        return Page("latest", words.strip(QUOTES))
    return Page("latest", tag.strip(QUOTES), count=min(max(number, 1), MOST))


def _counted(words: str) -> tuple[str, int | None]:
    """Split words into what comes before a number at their end, and the number."""
    head, _, last = words.rpartition(" ")
    if not last.isdecimal() or len(last) > HIGHEST_NUMBER_CHARS:
        return words, None
    return head.strip(), int(last)
