"""Editors' buttons: send, schedule, edit, call off, halt, aim; each gives the name of a toast."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bot.broadcasts import UNCONFIRMED_MARK
from bot.chat.aiming import change_audience
from bot.chat.answers import private_of
from bot.chat.correcting import CORRECTION_MARK, STORY_MARK, drop_correction, make, retract_story
from bot.chat.editors import ask_moment, schedule_at, show
from bot.chat.prompts import ask_words
from bot.chat.staff import dismissed, older_acts
from bot.chat.withdrawing import decide as decide_gone
from bot.editing import PROGRESS, Decision
from bot.errors import NotAllowedError
from bot.revisiting import GONE_MARK
from bot.store import Notice
from bot.text import one_line
from bot.types import ActKind, BroadcastState

if TYPE_CHECKING:
    from bot.chat.answers import Ask

VERBS: Final = frozenset(
    {
        "send", "schedule", "skip", "cancel", "edit", "audience", "pause", "resume", "stop",
        "draft", "retract", "correct", "dismiss", "log",
    }
)  # fmt: skip
_KINDS: Final = {
    "send": ActKind.SEND,
    "schedule": ActKind.SCHEDULE,
    "skip": ActKind.SKIP,
    "cancel": ActKind.CANCEL,
    "edit": ActKind.EDIT,
    "audience": ActKind.AUDIENCE,
    "pause": ActKind.PAUSE,
    "resume": ActKind.RESUME,
    "stop": ActKind.STOP,
    "retract": ActKind.RETRACT,
    "correct": ActKind.CORRECT,
    "dismiss": ActKind.DISMISS,
}
_MARKED: Final = re.compile(r"(\d{1,15})(?:\.(\d{1,9}))?(?::(.*))?", re.ASCII | re.DOTALL)
URGENT: Final = "u"


async def decide(ask: Ask, verb: str) -> str:
    """Do what an editor's button says; gives the name of the toast, "" for none.

    A reader's press does nothing but say so, and is kept.
    """
    if ask.user is None or not await ask.is_editor():
        await _refuse(ask, verb)
        return "toast_expired"
    await ask.desk.editing.note_name(ask.user.id, one_line(ask.user.full_name))
    try:
        return await _act(ask, verb, ask.user.id)
    except NotAllowedError:
        # Dismissed this very moment; the flow has kept the attempt.
        return "toast_expired"


async def _act(ask: Ask, verb: str, editor: int) -> str:
    toast = await _special(ask, verb, editor)
    if toast is not None:
        return toast
    found = _MARKED.fullmatch(ask.words)
    if found is None:
        return "toast_expired"
    revision = int(found[2]) if found[2] else None
    return await _on_broadcast(replace(ask, words=found[3] or ""), verb, int(found[1]), revision)


async def _refuse(ask: Ask, verb: str) -> None:
    if ask.user is not None:
        kind = _KINDS.get(verb, ActKind.LOOK)
        await ask.desk.editing.note_refused(
            ask.user.id, kind, ask.desk.clock(), f"{verb}:{ask.words}"
        )


async def _special(ask: Ask, verb: str, editor: int) -> str | None:
    """Buttons that are about no broadcast; None for any other."""
    mark = ask.words[:1]
    match verb:
        case "retract" | "skip" if mark == GONE_MARK:
            return await decide_gone(ask, withdrawn=verb == "retract")
        case "send" | "skip" if mark == UNCONFIRMED_MARK:
            return await _decide_unconfirmed(ask, editor, again=verb == "send")
        case "retract" if mark == STORY_MARK:
            return await retract_story(ask, editor)
        case "correct":
            return await make(ask, editor)
        case "cancel" if mark == CORRECTION_MARK:
            return await drop_correction(ask)
        case "dismiss":
            return await dismissed(ask, editor)
        case "log":
            return await older_acts(ask, editor)
        case _:
            return None


async def _on_broadcast(ask: Ask, verb: str, broadcast_id: int, revision: int | None) -> str:
    assert ask.user is not None
    editor = ask.user.id
    match verb:
        case "send":
            return await _send(ask, editor, broadcast_id, revision)
        case "schedule":
            return await _schedule(ask, editor, broadcast_id)
        case "skip" | "cancel":
            return await _call_off(ask, editor, broadcast_id, verb)
        case "edit":
            return await _edit(ask, broadcast_id)
        case "audience":
            return await change_audience(ask, editor, broadcast_id)
        case "draft":
            return await _show(ask, broadcast_id)
        case "pause" | "resume" | "stop":
            return await _halt(ask, editor, broadcast_id, verb)
        case _:
            return "toast_expired"


async def _send(ask: Ask, editor: int, broadcast_id: int, revision: int | None) -> str:
    now, editing = ask.desk.clock(), ask.desk.editing
    decision = await editing.approve(
        editor, broadcast_id, now, urgent=ask.words == URGENT, revision=revision or 1
    )
    await ask.desk.notices.renew(now)
    await ask.desk.notices.refresh(now)
    if decision is not Decision.DONE:
        return _toast(decision)
    notice = Notice(PROGRESS, private_of(ask), 0, ask.language, broadcast_id=broadcast_id)
    await ask.desk.notices.send(notice, now)
    return "toast_sending"


async def _schedule(ask: Ask, editor: int, broadcast_id: int) -> str:
    found = await ask.desk.store.find_broadcast(broadcast_id)
    if found is None:
        return "toast_expired"
    if found.broadcast.state not in {BroadcastState.DRAFT, BroadcastState.SCHEDULED}:
        return "toast_decided"
    if not ask.words:
        await ask_moment(ask, broadcast_id)
        return ""
    await ask.desk.store.end_prompts(ask.telegram_id)
    await schedule_at(ask, editor, broadcast_id, ask.words)
    return ""


async def _call_off(ask: Ask, editor: int, broadcast_id: int, verb: str) -> str:
    kind = ActKind.SKIP if verb == "skip" else ActKind.CANCEL
    now = ask.desk.clock()
    decision = await ask.desk.editing.cancel(editor, broadcast_id, now, kind)
    await ask.desk.notices.refresh(now)
    if decision is not Decision.DONE:
        return _toast(decision)
    return "toast_skipped" if verb == "skip" else "toast_cancelled"


async def _edit(ask: Ask, broadcast_id: int) -> str:
    found = await ask.desk.store.find_broadcast(broadcast_id)
    if found is None:
        return "toast_expired"
    if found.broadcast.state not in {BroadcastState.DRAFT, BroadcastState.SCHEDULED}:
        return "toast_decided"
    await ask_words(ask, "text", "ask_text", broadcast_id=broadcast_id)
    return ""


async def _show(ask: Ask, broadcast_id: int) -> str:
    draft = await ask.desk.editing.find_draft(broadcast_id)
    if draft is None:
        return "toast_expired"
    if draft.broadcast.state is BroadcastState.OPEN:
        notice = Notice(PROGRESS, private_of(ask), 0, ask.language, broadcast_id=broadcast_id)
        await ask.desk.notices.send(notice, ask.desk.clock())
    else:
        await show(ask, draft)
    return ""


async def _halt(ask: Ask, editor: int, broadcast_id: int, verb: str) -> str:
    now, editing = ask.desk.clock(), ask.desk.editing
    halt, toast = {
        "pause": (editing.pause, "toast_pause"),
        "resume": (editing.resume, "toast_resume"),
        "stop": (editing.stop, "toast_stop"),
    }[verb]
    done = await halt(editor, broadcast_id, now)
    await ask.desk.notices.refresh(now)
    return toast if done else "toast_decided"


async def _decide_unconfirmed(ask: Ask, editor: int, *, again: bool) -> str:
    """Send a delivery of unknown outcome again, or leave it."""
    number = ask.words.removeprefix(UNCONFIRMED_MARK)
    if not (number.isascii() and number.isdecimal() and len(number) <= 15):
        return "toast_expired"
    now = ask.desk.clock()
    decided = await ask.desk.store.decide_unconfirmed(int(number), again=again, now=now)
    if not decided:
        return "toast_decided"
    told = f"{'again' if again else 'left'} {number}"
    await ask.desk.editing.note_act(editor, ActKind.CONFIRM, now, told)
    return "toast_sending" if again else "toast_skipped"


def _toast(decision: Decision) -> str:
    return {
        Decision.MISSING: "toast_expired",
        Decision.CHANGED: "toast_changed",
        Decision.DECIDED: "toast_decided",
        Decision.DONE: "toast_saved",
    }[decision]
