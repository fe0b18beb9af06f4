"""Corrections and retractions in the chat: a second look, then everywhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from telegram.error import BadRequest

from bot.chat.answers import private_of
from bot.chat.editors import admitted, number_in, wanted_story
from bot.chat.prompts import ask_words, typed
from bot.chat.stories import address_in, say_unread, title_of
from bot.editing import CORRECTION, RETRACTION
from bot.errors import SourceError
from bot.links import canonical
from bot.store import Notice
from bot.telegram_html import MarkupError, parse
from bot.transport import ANSWER_RETRIES
from bot.types import ActKind, Button, Message

if TYPE_CHECKING:
    from bot.chat.answers import Ask
    from bot.types import Story

# In callback data a story to retract bears this mark, a correction that one.
STORY_MARK: Final = "s"
CORRECTION_MARK: Final = "k"
WITH_LINE: Final = ":m"

_log = logging.getLogger(__name__)


async def correct(ask: Ask) -> None:
    """Ask for a story's new words or address, or take those that come with the command."""
    editor = await admitted(ask, ActKind.CORRECT)
    if editor is None:
        return
    replied = ask.message.reply_to_message if ask.message else None
    first, _, rest = ask.words.partition(" ")
    if replied is not None:
        first, rest = "", ask.words
    story = await _named(ask.about(first), editor, "correct_usage")
    if story is None:
        return
    if rest.strip():
        await propose(ask, editor, story, typed(ask, after=first))
    else:
        title = title_of(story)
        await ask_words(ask, "correction", "ask_correction", story_id=story.id, title=title)


async def propose(ask: Ask, editor: int, story: Story, html: str) -> bool:
    """Show what a correction would say, and where; False where the words cannot be used."""
    desk, now = ask.desk, ask.desk.clock()
    text = html_text(html)
    url = canonical(address_in(text)) if len(text.split()) == 1 else ""
    try:
        number = await desk.editing.propose_correction(
            editor, story.id, now, html="" if url else html, url=url
        )
        kept = await desk.store.find_correction(number)
        assert kept is not None
        seen = await desk.editing.preview_correction(kept, now)
    except MarkupError as error:
        await ask.say("text_unusable", reason=str(error))
        return False
    assert seen is not None
    reached = await desk.store.count_reached(story.id)
    here = ask.label("label_correct")
    rows = (
        (Button(f"{here} ({reached})", callback_data=f"correct:{number}"),),
        (
            Button(ask.label("label_correct_marked"), callback_data=f"correct:{number}{WITH_LINE}"),
            Button(ask.label("label_cancel"), callback_data=f"cancel:{CORRECTION_MARK}{number}"),
        ),
    )
    message = seen[1]
    await ask.send(Message(message.html, message.text, rows, message.preview_url))
    return True


async def make(ask: Ask, editor: int) -> str:
    """Carry a correction out, once; gives the name of the toast."""
    marked = ask.words.endswith(WITH_LINE)
    number = number_in(ask.words.removesuffix(WITH_LINE))
    desk, now = ask.desk, ask.desk.clock()
    kept = await desk.store.find_correction(number)
    if kept is None:
        return "toast_expired"
    try:
        made = await desk.editing.make_correction(editor, kept.with_line(marked=marked), now)
    except MarkupError:
        return "toast_too_long"
    await drop_buttons(ask)
    if made is None:
        return "toast_decided"
    await desk.notices.refresh(now)
    await desk.notices.send(
        Notice(CORRECTION, private_of(ask), 0, ask.language, story_id=kept.story_id), now
    )
    return "toast_correcting"


async def drop_correction(ask: Ask) -> str:
    """Leave everything as it is; gives the name of the toast."""
    await drop_buttons(ask)
    return "toast_cancelled"


async def retract(ask: Ask) -> None:
    """Show which story would be taken back, and from how many chats, for a second look."""
    editor = await admitted(ask, ActKind.RETRACT)
    if editor is None:
        return
    story = await _named(ask, editor, "retract_usage")
    if story is None:
        return
    if not await ask.desk.store.is_shown(story.id):
        await ask.say("withdrawn")
        return
    buttons = (
        (
            Button(ask.label("label_retract"), callback_data=f"retract:{STORY_MARK}{story.id}"),
            Button(ask.label("label_cancel"), callback_data=f"cancel:{CORRECTION_MARK}0"),
        ),
    )
    reached = await ask.desk.store.count_reached(story.id)
    await ask.say("retract_sure", title=title_of(story), reached=reached, buttons=buttons)


async def retract_story(ask: Ask, editor: int) -> str:
    """Take a story back, once; gives the name of the toast."""
    story_id = number_in(ask.words.removeprefix(STORY_MARK))
    desk, now = ask.desk, ask.desk.clock()
    if await desk.store.find_story(story_id) is None:
        return "toast_expired"
    number = await desk.editing.retract(editor, story_id, now)
    await drop_buttons(ask)
    if number is None:
        return "toast_decided"
    await desk.notices.refresh(now)
    await desk.notices.send(
        Notice(RETRACTION, private_of(ask), 0, ask.language, story_id=story_id), now
    )
    return "toast_retracted"


async def drop_buttons(ask: Ask) -> None:
    """Take the buttons off the message that was decided."""
    try:
        await ask.bot.edit_message_reply_markup(
            chat_id=ask.telegram_id,
            message_id=ask.message_id,
            reply_markup=None,
            rate_limit_args=ANSWER_RETRIES,
        )
    except BadRequest as error:
        _log.info("decisions not dropped", extra={"reason": str(error)})


def html_text(html: str) -> str:
    """What a reader sees of words; empty where Telegram would refuse them."""
    try:
        return parse(html).text
    except MarkupError:
        return ""


async def _named(ask: Ask, editor: int, usage: str) -> Story | None:
    """The stored story that is meant; None after an answer that says why there is none."""
    try:
        story = await wanted_story(ask, editor)
    except SourceError as error:
        await say_unread(ask, error)
        return None
    if story is None:
        await ask.say(usage)
    return story
