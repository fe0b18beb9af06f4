"""Whom a broadcast is for: a menu below its question."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from telegram.error import BadRequest

from bot.editing import Decision
from bot.text import shorten
from bot.transport import ANSWER_RETRIES, keyboard
from bot.types import Audience, Button, Reach

if TYPE_CHECKING:
    from bot.chat.answers import Ask
    from bot.editing import Draft

TAGS: Final = 12
PLACES: Final = 8
LONGEST_DATA_BYTES: Final = 64
LONGEST_LABEL_CHARS: Final = 40
_CHOSEN: Final = re.compile(r"x(\d{1,12})\.(\d{1,6})", re.ASCII)


async def change_audience(ask: Ask, editor: int, broadcast_id: int) -> str:
    """Turn to a page of the menu, or choose; gives the name of the toast."""
    draft = await ask.desk.editing.find_draft(broadcast_id)
    if draft is None:
        return "toast_expired"
    if ask.words == "b":
        return await _leave(ask)
    wanted = _wanted(ask.words, draft.broadcast.audience)
    if wanted is None:
        await _show(ask, draft, ask.words)
        return ""
    now = ask.desk.clock()
    decision = await ask.desk.editing.choose_audience(editor, broadcast_id, wanted, now)
    if decision is not Decision.DONE:
        await _leave(ask)
        return "toast_decided"
    if wanted.reach in {Reach.WISHING, Reach.EVERYONE}:
        await _leave(ask)
        return "toast_saved"
    changed = await ask.desk.editing.find_draft(broadcast_id)
    assert changed is not None
    page = "t" if wanted.reach is Reach.TAGS else f"c{_page_of(ask.words)}"
    await _show(ask, changed, page)
    return "toast_saved"


def _wanted(words: str, now: Audience) -> Audience | None:
    """The audience that a press chooses; None where it turns a page."""
    if words == "w":
        return Audience()
    if words == "e":
        return Audience(Reach.EVERYONE)
    if words.startswith("t+"):
        tag = words[2:]
        had = now.tags if now.reach is Reach.TAGS else ()
        tags = tuple(one for one in had if one != tag) if tag in had else (*had, tag)
        return Audience(Reach.TAGS, tags=tags) if tags else Audience()
    if chosen := _CHOSEN.fullmatch(words):
        chat = int(chosen[1])
        held = now.chats if now.reach is Reach.CHATS else ()
        chats = tuple(one for one in held if one != chat) if chat in held else (*held, chat)
        return Audience(Reach.CHATS, chats=chats) if chats else Audience()
    return None


async def _leave(ask: Ask) -> str:
    """Let the question show its decisions again."""
    now = ask.desk.clock()
    await ask.desk.store.unshow_notice(ask.telegram_id, ask.message_id, now)
    await ask.desk.notices.refresh(now)
    return ""


async def _show(ask: Ask, draft: Draft, page: str) -> None:
    if page == "t":
        rows = await _tag_rows(ask, draft)
    elif page.startswith("c"):
        rows = await _place_rows(ask, draft, _page_of(page))
    else:
        rows = await _reach_rows(ask, draft)
    back = Button(ask.label("label_back"), callback_data=f"audience:{draft.broadcast.id}:b")
    own = draft.broadcast.message.buttons if draft.broadcast.message else ()
    try:
        await ask.bot.edit_message_reply_markup(
            chat_id=ask.telegram_id,
            message_id=ask.message_id,
            reply_markup=keyboard((*own, *rows, (back,))),
            rate_limit_args=ANSWER_RETRIES,
        )
    except BadRequest as error:
        if "not modified" not in str(error).lower():
            raise


async def _reach_rows(ask: Ask, draft: Draft) -> tuple[tuple[Button, ...], ...]:
    number, store = draft.broadcast.id, ask.desk.store
    wishing = await store.count_audience(draft.story.id)
    everyone = await store.count_audience(draft.story.id, Audience(Reach.EVERYONE))
    reach = draft.broadcast.audience.reach

    def row(name: str, what: Reach, data: str, count: int | None = None) -> Button:
        label = ("✓ " if reach is what else "") + ask.label(name)
        label += "" if count is None else f" ({count})"
        return Button(label, callback_data=f"audience:{number}:{data}")

    return (
        (row("label_reach_wishing", Reach.WISHING, "w", wishing),),
        (row("label_reach_everyone", Reach.EVERYONE, "e", everyone),),
        (
            row("label_reach_tags", Reach.TAGS, "t"),
            row("label_reach_chats", Reach.CHATS, "c0"),
        ),
    )


async def _tag_rows(ask: Ask, draft: Draft) -> tuple[tuple[Button, ...], ...]:
    audience = draft.broadcast.audience
    chosen = audience.tags if audience.reach is Reach.TAGS else ()
    offered = list(
        dict.fromkeys([*chosen, *draft.story.tags, *await ask.desk.store.list_sections(TAGS)])
    )
    buttons = []
    for tag in offered[: TAGS + len(chosen)]:
        data = f"audience:{draft.broadcast.id}:t+{tag}"
        if len(data.encode()) <= LONGEST_DATA_BYTES:
            label = ("✓ " if tag in chosen else "") + shorten(tag, LONGEST_LABEL_CHARS)
            buttons.append(Button(label, callback_data=data))
    return tuple(tuple(buttons[at : at + 3]) for at in range(0, len(buttons), 3))


async def _place_rows(ask: Ask, draft: Draft, page: int) -> tuple[tuple[Button, ...], ...]:
    audience = draft.broadcast.audience
    chosen = audience.chats if audience.reach is Reach.CHATS else ()
    places = await ask.desk.store.list_places(PLACES + 1, page * PLACES)
    rows: list[tuple[Button, ...]] = [
        (
            Button(
                ("✓ " if place.id in chosen else "")
                + shorten(place.title or place.username or "?", LONGEST_LABEL_CHARS),
                callback_data=f"audience:{draft.broadcast.id}:x{place.id}.{page}",
            ),
        )
        for place in places[:PLACES]
    ]
    turns = [("label_previous", page - 1)] if page else []
    if len(places) > PLACES:
        turns.append(("label_next", page + 1))
    if turns:
        rows.append(
            tuple(
                Button(ask.label(name), callback_data=f"audience:{draft.broadcast.id}:c{to}")
                for name, to in turns
            )
        )
    return tuple(rows)


def _page_of(words: str) -> int:
    if chosen := _CHOSEN.fullmatch(words):
        return int(chosen[2])
    digits = words[1:7]
    return int(digits) if digits.isascii() and digits.isdecimal() else 0
