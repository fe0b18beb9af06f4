"""Editors' commands in the chat: what to send, what waits, when it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bot.chat.answers import private_of
from bot.chat.prompts import ask_words, typed, typed_in
from bot.chat.readers import unknown
from bot.chat.stories import address_in, named_story, say_unread
from bot.editing import QUESTION, Decision, read_moment
from bot.errors import SourceError
from bot.store import Notice
from bot.telegram_html import MarkupError
from bot.text import one_line, shorten
from bot.types import ActKind, BroadcastState, Button

if TYPE_CHECKING:
    from datetime import datetime

    from bot.chat.answers import Ask
    from bot.editing import Draft
    from bot.types import Story

LONGEST_NUMBER_CHARS: Final = 15
LONGEST_LABEL_CHARS: Final = 40
URGENT_WORDS: Final = frozenset({"mendesak", "urgent", "penting"})


async def admitted(ask: Ask, kind: ActKind) -> int | None:
    """Give the editor who asks in private, else None after an answer.

    To everybody else the command is an unknown one, and the attempt is kept; in a group the editor
    is led to a private chat.
    """
    if ask.user is None or not await ask.is_editor():
        if ask.user is not None:
            await ask.desk.editing.note_refused(ask.user.id, kind, ask.desk.clock())
        await unknown(ask)
        return None
    if not ask.is_private:
        await ask.say("broadcast_private")
        return None
    await ask.desk.editing.note_name(ask.user.id, one_line(ask.user.full_name))
    await ask.desk.store.end_prompts(ask.telegram_id)
    return ask.user.id


async def broadcast(ask: Ask) -> None:
    """Show an editor the exact message of a story or of own words, with what can be decided."""
    editor = await admitted(ask, ActKind.DRAFT)
    if editor is None:
        return
    draft = await _drafted(ask, editor)
    if draft is not None:
        await show(ask, draft)


async def show(ask: Ask, draft: Draft) -> None:
    """Show a broadcast as a question in the editor's chat."""
    if draft.reached and draft.broadcast.state is BroadcastState.DRAFT:
        await ask.say("broadcast_before", reached=draft.reached)
    notice = Notice(QUESTION, private_of(ask), 0, ask.language, broadcast_id=draft.broadcast.id)
    await ask.desk.notices.send(notice, ask.desk.clock())


async def drafts(ask: Ask) -> None:
    """List what waits for a decision or its moment, and what is under way."""
    editor = await admitted(ask, ActKind.LOOK)
    if editor is not None:
        await _list(ask, editor)


async def schedule(ask: Ask) -> None:
    """Let a story, a draft or the last question go out at a moment."""
    editor = await admitted(ask, ActKind.SCHEDULE)
    if editor is None:
        return
    if not ask.words and not (ask.message and ask.message.reply_to_message):
        await _list(ask, editor)
        return
    found = await _appointed(ask, editor)
    if found is None:
        return
    draft, words = found
    if words:
        await schedule_at(ask, editor, draft.broadcast.id, words)
    else:
        await ask_moment(ask, draft.broadcast.id)


async def ask_moment(ask: Ask, broadcast_id: int) -> None:
    """Ask an editor when something is to go out."""
    choices = ("in 1 hour", "20:00", "besok 06:00")
    tomorrow = ask.label("label_tomorrow")
    labels = (ask.label("label_in_an_hour"), "20:00", f"{tomorrow} 06:00")
    row = tuple(
        Button(label, callback_data=f"schedule:{broadcast_id}:{words}")
        for label, words in zip(labels, choices, strict=True)
    )
    await ask_words(ask, "time", "ask_moment", broadcast_id=broadcast_id, buttons=(row,))


async def schedule_at(ask: Ask, editor: int, broadcast_id: int, words: str) -> bool:
    """Let a broadcast go out at a moment in words; False where these are none, after an answer."""
    now = ask.desk.clock()
    due_at, urgent = moment_of(ask, words, now)
    if due_at is None:
        await ask.say("moment_unread", words=shorten(words, LONGEST_LABEL_CHARS))
        return False
    decision = await ask.desk.editing.schedule(editor, broadcast_id, due_at, now, urgent=urgent)
    if decision is Decision.DONE:
        await ask.say("scheduled", at=due_at.astimezone(ask.desk.zone), urgent=urgent)
        await ask.desk.notices.refresh(now)
    else:
        await ask.say("not_waiting" if decision is not Decision.CHANGED else "has_changed")
    return True


def moment_of(ask: Ask, words: str, now: datetime) -> tuple[datetime | None, bool]:
    """Read a moment, and whether a word beside it says that it is urgent."""
    kept = [word for word in words.split() if word.lower() not in URGENT_WORDS]
    urgent = len(kept) < len(words.split())
    return read_moment(" ".join(kept), now, ask.desk.zone), urgent


async def wanted_story(ask: Ask, editor: int) -> Story | None:
    """The story by its number, else as any story is named; a new page is stored.

    Raises SourceError.
    """
    if number := number_in(ask.words):
        return await ask.desk.store.find_story(number)

    async def read(address: str) -> Story:
        return await ask.desk.editing.find_or_read(editor, address, ask.desk.clock())

    return await named_story(ask, read)


def number_in(words: str) -> int:
    """A number of ours; 0, which nothing has, for anything else."""
    sane = words.isascii() and words.isdecimal() and len(words) <= LONGEST_NUMBER_CHARS
    return int(words) if sane else 0


async def _drafted(ask: Ask, editor: int) -> Draft | None:
    """The broadcast that a command asks for, new; None after an answer that says why not."""
    own = _own_words(ask, editor)
    editing, now = ask.desk.editing, ask.desk.clock()
    try:
        if own:
            return await editing.draft_text(editor, own, now)
        story = await wanted_story(ask, editor)
    except SourceError as error:
        await say_unread(ask, error)
        return None
    except MarkupError as error:
        await ask.say("text_unusable", reason=str(error))
        return None
    if story is None:
        await ask.say("broadcast_usage")
        return None
    return await editing.draft(editor, story, now)


def _own_words(ask: Ask, editor: int) -> str:
    """What an editor wrote to be sent as it is; empty where a story is meant."""
    if len(ask.words.split()) > 1:
        return typed(ask)
    replied = ask.message.reply_to_message if ask.message and not ask.words else None
    if replied is None or replied.from_user is None or replied.from_user.id != editor:
        return ""
    text = replied.text or ""
    is_link = address_in(text) and len(text.split()) == 1
    return "" if is_link or replied.forward_origin or text.startswith("/") else typed_in(replied)


async def _appointed(ask: Ask, editor: int) -> tuple[Draft, str] | None:
    """What /schedule is about, and the words of the moment; None after an answer."""
    editing, store = ask.desk.editing, ask.desk.store
    replied = ask.message.reply_to_message if ask.message else None
    if replied is not None:
        notice = await store.find_notice(ask.telegram_id, replied.message_id)
        if notice is not None and notice.broadcast_id is not None:
            draft = await editing.find_draft(notice.broadcast_id)
            return None if draft is None else (draft, ask.words)
    elif moment_of(ask, ask.words, ask.desk.clock())[0] is not None:
        last = await store.find_last_question(ask.telegram_id)
        draft = await editing.find_draft(last) if last else None
        if draft is None:
            await ask.say("schedule_usage")
            return None
        return draft, ask.words
    return await _newly_appointed(ask, editor)


async def _newly_appointed(ask: Ask, editor: int) -> tuple[Draft, str] | None:
    """A draft by its number, or a new one of the story named first."""
    replied = ask.message.reply_to_message if ask.message else None
    first, _, rest = ask.words.partition(" ")
    if replied is not None:
        first, rest = "", ask.words
    elif number := number_in(first.lstrip("#")):
        draft = await ask.desk.editing.find_draft(number)
        if draft is not None:
            return draft, rest.strip()
    try:
        story = await wanted_story(ask.about(first), editor)
    except SourceError as error:
        await say_unread(ask, error)
        return None
    if story is None:
        await ask.say("schedule_usage")
        return None
    draft = await ask.desk.editing.draft(editor, story, ask.desk.clock())
    await show(ask, draft)
    return draft, rest.strip()


async def _list(ask: Ask, editor: int) -> None:
    editing, now = ask.desk.editing, ask.desk.clock()
    waiting = await editing.list_drafts(editor, now)
    scheduled = await editing.list_scheduled(editor, now)
    running = await editing.list_running(editor, now)
    shown = [*waiting, *scheduled]
    buttons = tuple(
        (
            Button(
                shorten(f"#{one.broadcast.id} {one.story.title}", LONGEST_LABEL_CHARS),
                callback_data=f"draft:{one.broadcast.id}",
            ),
        )
        for one in shown[:20]
    ) + tuple(
        (
            Button(
                shorten(f"▶ #{one.broadcast.id} {one.story.title}", LONGEST_LABEL_CHARS),
                callback_data=f"draft:{one.broadcast.id}",
            ),
        )
        for one in running[:10]
    )
    await ask.say(
        "drafts",
        waiting=[(one.broadcast.id, _title(one.story)) for one in waiting[:20]],
        scheduled=[
            (one.broadcast.id, _title(one.story), _local(ask, one.broadcast.due_at))
            for one in scheduled[:20]
        ],
        running=[(one.broadcast.id, _title(one.story), one.sent, one.total) for one in running],
        buttons=buttons,
    )


def _title(story: Story) -> str:
    return shorten(one_line(story.title), 80)


def _local(ask: Ask, moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(ask.desk.zone)
