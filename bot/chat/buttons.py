"""Pressed buttons: each is answered exactly once, also one that means nothing any more."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from telegram.error import BadRequest

from bot.chat import deciding, subscribing
from bot.chat.answers import pressed
from bot.chat.pages import SHARE, TEXTS, Page, found_message, latest_message, read_page
from bot.chat.readers import say_related
from bot.chat.sharing import say_card, say_share, start_link
from bot.chat.stories import is_open
from bot.chat.wishes import change_setting, settings_page
from bot.text import language_of
from bot.types import ChatType, Message

if TYPE_CHECKING:
    from telegram import CallbackQuery, Update

    from bot.chat.answers import AnyContext, Ask
    from bot.chat.desk import Desk
    from bot.types import Story

LATE = "query is too old"

_CHOSEN: Final = re.compile(f"({SHARE}|{TEXTS})([a-z2-7]{{12}})")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Toast:
    """The answer to a press: the macro of its words, or a link to open; neither is silence."""

    name: str = ""
    alert: bool = False
    url: str | None = None


EXPIRED = Toast("toast_expired", alert=True)
WITHDRAWN = Toast("toast_withdrawn", alert=True)
FAILED = Toast("toast_failed", alert=True)
NOT_YOURS = Toast("toast_only_administrators", alert=True)


async def button_pressed(update: Update, context: AnyContext, desk: Desk) -> None:
    """Do what the button says and answer the press."""
    query = update.callback_query
    assert query is not None
    language = language_of(query.from_user.language_code) or desk.locale
    try:
        ask = await pressed(update, context, desk, "")
        if ask is None:
            toast = await _in_no_chat(query, context.bot.username, desk)
        else:
            language = ask.language
            toast = await _act(ask, query.data or "")
    except Exception:
        await _answer(query, FAILED, desk, language)
        raise
    await _answer(query, toast, desk, language)


async def _answer(query: CallbackQuery, toast: Toast, desk: Desk, language: str) -> None:
    text = desk.renderer.chat(language, toast.name) if toast.name else None
    try:
        await query.answer(text=text, show_alert=toast.alert or None, url=toast.url)
    except BadRequest as error:
        if LATE not in str(error).lower():
            raise
        _log.info("press answered too late")


async def _in_no_chat(query: CallbackQuery, bot_name: str, desk: Desk) -> Toast:
    """A message that was sent by inline mode: its only button of ours leads to the bot."""
    verb, _, code = (query.data or "").partition(":")
    story = await desk.store.find_story_by_code(code) if verb == "related" else None
    if story is None:
        return EXPIRED
    _note_press(desk, story)
    return Toast(url=start_link(bot_name, "related", code))


async def _act(ask: Ask, data: str) -> Toast:
    verb, _, words = data.partition(":")
    ask = replace(ask, words=words)
    match verb:
        case "related":
            return await _related(ask)
        case "latest" | "search" if ask.chat.type is not ChatType.CHANNEL:
            return await _turn(ask, verb)
        case "settings":
            return await _set(ask)
        case "subscribe" | "unsubscribe":
            if not await subscribing.may_manage(ask):
                return NOT_YOURS
            return await _manage(ask, verb)
        case _ if verb in deciding.VERBS:
            return _spoken(await deciding.decide(ask, verb))
        case _:
            return EXPIRED


async def _related(ask: Ask) -> Toast:
    """In a channel a press must not post, so it leads the reader to the bot."""
    story = await ask.desk.store.find_story_by_code(ask.words)
    if story is None:
        return EXPIRED
    if not await is_open(ask.desk, story):
        return WITHDRAWN
    _note_press(ask.desk, story)
    if ask.chat.type is ChatType.CHANNEL:
        return Toast(url=start_link(ask.bot.username, "related", story.code))
    await say_related(replace(ask, replies=True), story)
    return Toast()


def _note_press(desk: Desk, story: Story) -> None:
    if desk.note_press is not None:
        desk.note_press(story.id)


async def _turn(ask: Ask, verb: str) -> Toast:
    if verb == "latest" and not ask.words:
        await ask.send(await latest_message(ask, Page(verb)))
        return Toast()
    if verb == "latest" and (chosen := _CHOSEN.fullmatch(ask.words)):
        return await _share(ask, chosen[1], chosen[2])
    page = read_page(verb, ask.words, ask.message)
    if page is None:
        return EXPIRED
    if verb == "latest":
        return await _revise(ask, await latest_message(ask, page))
    nothing = Message(ask.render("found_nothing", words=page.words), "")
    return await _revise(ask, await found_message(ask, page) or nothing)


async def _share(ask: Ask, how: str, code: str) -> Toast:
    """Show the story chosen from a list, or its texts; a group's member gets them in private."""
    story = await ask.desk.store.find_story_by_code(code)
    if story is None:
        return EXPIRED
    if not await is_open(ask.desk, story):
        return WITHDRAWN
    _note_press(ask.desk, story)
    if not ask.is_private:
        return Toast(url=start_link(ask.bot.username, "share", code))
    await (say_card if how == SHARE else say_share)(replace(ask, replies=True), story)
    return Toast()


async def _manage(ask: Ask, verb: str) -> Toast:
    target = subscribing.Target(ask.chat.id, ask.thread_id, "")
    if verb == "subscribe":
        await subscribing.say_subscribed(ask, target, ())
    else:
        await subscribing.say_unsubscribed(ask, target, ())
    return Toast("toast_saved")


async def _set(ask: Ask) -> Toast:
    """Turn a page of the settings, or change one; the page says the rest."""
    found = await subscribing.pressed_place(ask)
    if found is None:
        return NOT_YOURS
    changed = await change_setting(*found)
    if changed is None:
        return EXPIRED
    place, page = changed
    toast = await _revise(place.ask, await settings_page(place, page))
    turned = found[1] == page
    return toast if toast.name or turned else Toast("toast_saved")


def _spoken(name: str) -> Toast:
    return EXPIRED if name == EXPIRED.name else Toast(name)


async def _revise(ask: Ask, message: Message) -> Toast:
    """Edit the message below which the button was pressed; it may be gone."""
    try:
        await ask.revise(message)
    except BadRequest as error:
        _log.info("message not edited", extra={"chat": ask.chat.id, "reason": str(error)})
        return EXPIRED
    return Toast()
