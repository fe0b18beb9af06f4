"""Private messages that are no command: an editor's answer to a question, else a reader's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.chat.commands import BROADCAST
from bot.chat.correcting import propose
from bot.chat.editors import schedule_at, show
from bot.chat.prompts import awaited, typed_in
from bot.chat.readers import plain_message
from bot.editing import Decision
from bot.telegram_html import MarkupError

if TYPE_CHECKING:
    from bot.chat.answers import Ask
    from bot.store import Notice

CALLED_OFF = frozenset({"batal", "cancel"})


async def said(ask: Ask) -> None:
    """Take the words that an editor was asked for, or answer a reader."""
    if _is_pictured_broadcast(ask) and await ask.is_editor():
        await ask.say("picture_by_link")
        return
    prompt = await awaited(ask)
    if prompt is None or ask.user is None or not await ask.is_editor():
        await plain_message(ask)
        return
    if ask.words.lower() in CALLED_OFF:
        await ask.desk.store.end_prompts(ask.telegram_id)
        await ask.say("called_off")
    elif await _take(ask, ask.user.id, prompt):
        await ask.desk.store.end_prompts(ask.telegram_id)


def _is_pictured_broadcast(ask: Ask) -> bool:
    """Whether a command to broadcast stands below a picture, which goes with no text message."""
    caption = (ask.message.caption or "") if ask.message and ask.is_private else ""
    word = caption.split(maxsplit=1)[0] if caption.strip() else ""
    return word.partition("@")[0].removeprefix("/") in BROADCAST.names and word.startswith("/")


async def _take(ask: Ask, editor: int, prompt: Notice) -> bool:
    """Use an answer; False where it cannot be, after saying why."""
    assert ask.message is not None
    html = typed_in(ask.message)
    if prompt.purpose == "ask time" and prompt.broadcast_id is not None:
        return await schedule_at(ask, editor, prompt.broadcast_id, ask.words)
    if prompt.purpose == "ask text" and prompt.broadcast_id is not None:
        return await _edit(ask, editor, prompt.broadcast_id, html)
    story = await ask.desk.store.find_story(prompt.story_id or 0)
    if story is None:
        await ask.say("withdrawn")
        return True
    return await propose(ask, editor, story, html)


async def _edit(ask: Ask, editor: int, broadcast_id: int, html: str) -> bool:
    now = ask.desk.clock()
    try:
        decision = await ask.desk.editing.edit_text(editor, broadcast_id, html, now)
    except MarkupError as error:
        await ask.say("text_unusable", reason=str(error))
        return False
    await ask.desk.notices.refresh(now)
    draft = await ask.desk.editing.find_draft(broadcast_id)
    if decision is not Decision.DONE or draft is None:
        await ask.say("not_waiting")
    else:
        await show(ask, draft)
    return True
