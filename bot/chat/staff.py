"""Owners and editors about themselves: who they are, what was done, in what numbers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from telegram import MessageOriginUser

from bot.chat.commands import offer_commands, withdraw_commands
from bot.chat.editors import admitted, wanted_story
from bot.chat.stories import say_unread, title_of
from bot.editing import story_stats
from bot.errors import NotAllowedError, SourceError
from bot.text import one_line, shorten
from bot.types import ActKind, Button, Message

if TYPE_CHECKING:
    from bot.chat.answers import Ask
    from bot.types import Act, Editor

STATS_DAYS: Final = 7
STORIES: Final = 5
ACTS: Final = 15
LONGEST_NAME_CHARS: Final = 60
SURE: Final = ":y"
_PERSON: Final = re.compile(
    r"(?:(?:add|tambah|angkat|appoint)\s+|\+)?(\d{3,15})(?:\s+(.*))?", re.IGNORECASE | re.ASCII
)


async def editors(ask: Ask) -> None:
    """List the editors; an owner names another one by number, or by a forwarded message."""
    editor = await admitted(ask, ActKind.APPOINT)
    if editor is None:
        return
    person = _person(ask)
    if person is None:
        await ask.send(await _editors_message(ask, editor))
        return
    try:
        made = await ask.desk.editing.appoint(editor, *person, ask.desk.clock())
    except NotAllowedError:
        await ask.say("owners_only")
        return
    if made:
        await offer_commands(ask.bot, person[0], ask.desk.locale)
    await ask.say("appointed" if made else "appointed_before", person=person[1] or str(person[0]))


async def dismissed(ask: Ask, editor: int) -> str:
    """Dismiss an editor after a second look; gives the name of the toast."""
    number = ask.words.removesuffix(SURE)
    if not (number.isascii() and number.isdecimal() and len(number) <= 15):
        return "toast_expired"
    if not ask.words.endswith(SURE):
        await ask.revise(await _editors_message(ask, editor, int(number)))
        return ""
    try:
        done = await ask.desk.editing.dismiss(editor, int(number), ask.desk.clock())
    except NotAllowedError:
        return "toast_owners_only"
    if done:
        await withdraw_commands(ask.bot, int(number))
    await ask.revise(await _editors_message(ask, editor))
    return "toast_dismissed" if done else "toast_decided"


async def log(ask: Ask) -> None:
    """Show the last lines of the trail."""
    editor = await admitted(ask, ActKind.LOOK)
    if editor is not None:
        await ask.send(await _acts_message(ask, editor, None))


async def older_acts(ask: Ask, editor: int) -> str:
    """Turn the trail's page."""
    sane = ask.words.isascii() and ask.words.isdecimal() and len(ask.words) <= 15
    await ask.revise(await _acts_message(ask, editor, int(ask.words) if sane else None))
    return ""


async def stats(ask: Ask) -> None:
    """Show the last days in numbers, or one story's."""
    editor = await admitted(ask, ActKind.LOOK)
    if editor is None:
        return
    if ask.words or (ask.message and ask.message.reply_to_message):
        await _story_stats(ask, editor)
        return
    told = await ask.desk.editing.stats(editor, STATS_DAYS, ask.desk.clock())
    await ask.say(
        "stats",
        days=told.days,
        stories=[(title_of(one.story), one) for one in told.stories[:STORIES]],
        shares=sorted(told.shares.items(), key=lambda item: -item[1]),
        chats=told.chats,
    )


async def _story_stats(ask: Ask, editor: int) -> None:
    desk = ask.desk
    try:
        story = await wanted_story(ask, editor)
    except SourceError as error:
        await say_unread(ask, error)
        return
    if story is None:
        await ask.say("stats_usage")
        return
    delivered, refused = await desk.store.count_sends(story.id)
    today = desk.clock().astimezone(desk.zone).date()
    clicks = await desk.store.list_clicks(today.replace(year=2000, day=1), today, story.id)
    told = story_stats(story, delivered, refused, clicks)
    shares = sorted(told.shares.items(), key=lambda item: -item[1])
    await ask.say("stats_story", title=title_of(story), one=told, shares=shares)


def _person(ask: Ask) -> tuple[int, str] | None:
    """Whom an owner wants to appoint: number and name; None for nobody."""
    if found := _PERSON.fullmatch(ask.words):
        return int(found[1]), shorten(one_line(found[2] or ""), LONGEST_NAME_CHARS)
    replied = ask.message.reply_to_message if ask.message else None
    if replied is None:
        return None
    if isinstance(replied.forward_origin, MessageOriginUser):
        person = replied.forward_origin.sender_user
        return person.id, shorten(one_line(person.full_name), LONGEST_NAME_CHARS)
    if replied.contact and replied.contact.user_id:
        name = f"{replied.contact.first_name} {replied.contact.last_name or ''}"
        return replied.contact.user_id, shorten(one_line(name), LONGEST_NAME_CHARS)
    return None


async def _editors_message(ask: Ask, editor: int, sure: int = 0) -> Message:
    found = await ask.desk.editing.list_editors(editor, ask.desk.clock())
    is_owner = ask.desk.editing.is_owner(editor)
    rows = [_dismiss_row(ask, one, sure) for one in found if is_owner and not one.is_owner]
    html = ask.render("editors", editors=found, is_owner=is_owner)
    return Message(html, "", tuple(rows))


def _dismiss_row(ask: Ask, one: Editor, sure: int) -> tuple[Button, ...]:
    name = one.name or str(one.telegram_id)
    if one.telegram_id == sure:
        label = ask.label("label_dismiss_sure", person=name)
        return (Button(label, callback_data=f"dismiss:{one.telegram_id}{SURE}"),)
    return (
        Button(ask.label("label_dismiss", person=name), callback_data=f"dismiss:{one.telegram_id}"),
    )


def _detail(ask: Ask, act: Act) -> str:
    """What an act was about, with a moment in the newsroom's zone."""
    if act.kind is ActKind.SCHEDULE and not act.refused:
        return f"{datetime.fromisoformat(act.detail).astimezone(ask.desk.zone):%d/%m %H:%M}"
    return shorten(one_line(act.detail), LONGEST_NAME_CHARS)


async def _acts_message(ask: Ask, editor: int, before_id: int | None) -> Message:
    acts = await ask.desk.editing.list_acts(editor, ask.desk.clock(), ACTS + 1, before_id)
    shown = [
        {
            "at": one.done_at.astimezone(ask.desk.zone),
            "by": one.name or str(one.editor),
            "kind": one.kind.value,
            "title": shorten(one_line(one.title), 60),
            "detail": _detail(ask, one),
            "refused": one.refused,
        }
        for one in acts[:ACTS]
    ]
    older = (
        Button(ask.label("label_older"), callback_data=f"log:{acts[ACTS - 1].id}")
        if len(acts) > ACTS
        else None
    )
    return Message(ask.render("acts", acts=shown), "", ((older,),) if older else ())
