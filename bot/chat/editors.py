"""What editors do in the chat: show a broadcast, send it, call it off, watch it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from telegram.error import BadRequest, TelegramError

from bot.broadcasts import UNCONFIRMED_MARK, Approval
from bot.chat.answers import edit_message
from bot.chat.readers import unknown
from bot.chat.stories import named_story, say_unread
from bot.errors import SebarError, SourceError
from bot.transport import ANSWER_RETRIES, keyboard
from bot.types import BroadcastState, Button, DeliveryState, Message

if TYPE_CHECKING:
    from bot.chat.answers import Ask
    from bot.store import StoryBroadcast
    from bot.types import BroadcastReport, Story

WATCH_FOR: Final = timedelta(minutes=2)
LONGEST_NUMBER_CHARS: Final = 15

_WAITING: Final = (DeliveryState.PENDING, DeliveryState.SENDING)
_REFUSED: Final = (DeliveryState.FAILED, DeliveryState.CANCELLED)

_log = logging.getLogger(__name__)


async def broadcast(ask: Ask) -> None:
    """Show an editor the exact message of a story, with the buttons that send it or not.

    To everybody else it is an unknown command; in a group the editor is led to a private chat.
    """
    if not (ask.is_editor and ask.user):
        await unknown(ask)
        return
    if not ask.is_private:
        await ask.say("broadcast_private")
        return
    try:
        story = await _wanted_story(ask)
    except SourceError as error:
        await say_unread(ask, error)
        return
    if story is None:
        await ask.say("broadcast_usage")
        return
    await _offer(ask, story, ask.user.id)


async def send(ask: Ask) -> str:
    """Let a broadcast go out, once; gives the name of the toast."""
    broadcast_id = _number(ask.words)
    found = await ask.desk.store.find_broadcast(broadcast_id)
    if found is None:
        return "toast_expired"
    approval = await ask.desk.broadcasts.approve(broadcast_id, ask.desk.clock())
    await _drop_decisions(ask, found)
    if approval is not Approval.SENT:
        return "toast_decided" if approval is Approval.DECIDED else "toast_changed"
    text = _report_text(ask, BroadcastState.SCHEDULED, None, late=False)
    report = await ask.send(Message(text, ""))
    if ask.application.running:
        ask.application.create_task(_watch(ask, broadcast_id, report.message_id, text))
    return "toast_sending"


async def decide_unconfirmed(ask: Ask, *, again: bool) -> str:
    """Send a delivery of unknown outcome again, or leave it; gives the name of the toast."""
    number = _number(ask.words.removeprefix(UNCONFIRMED_MARK))
    decided = await ask.desk.store.decide_unconfirmed(number, again=again, now=ask.desk.clock())
    if not decided:
        return "toast_decided"
    return "toast_sending" if again else "toast_skipped"


async def call_off(ask: Ask, toast: str) -> str:
    """Let a broadcast not go out; gives the name of the toast."""
    broadcast_id = _number(ask.words)
    found = await ask.desk.store.find_broadcast(broadcast_id)
    if found is None:
        return "toast_expired"
    cancelled = await ask.desk.broadcasts.cancel(broadcast_id)
    await _drop_decisions(ask, found)
    return toast if cancelled else "toast_decided"


async def _wanted_story(ask: Ask) -> Story | None:
    """The story by its number, else as any story is named; a new page is stored."""
    if ask.words.isdecimal() and len(ask.words) <= LONGEST_NUMBER_CHARS:
        return await ask.desk.store.find_story(int(ask.words))

    async def read(address: str) -> Story:
        return await ask.desk.broadcasts.find_or_read(address, ask.desk.clock())

    return await named_story(ask, read)


async def _offer(ask: Ask, story: Story, editor: int) -> None:
    desk = ask.desk
    if reached := await desk.store.count_reached(story.id):
        await ask.say("broadcast_before", reached=reached)
    draft = await desk.broadcasts.draft(story, editor, desk.clock())
    assert draft.message is not None
    audience = await desk.store.count_audience(story.id)
    label = ask.label("label_send")
    decisions = (
        Button(f"{label} ({audience})", callback_data=f"send:{draft.id}"),
        Button(ask.label("label_cancel"), callback_data=f"cancel:{draft.id}"),
    )
    await ask.send(replace(draft.message, buttons=(*draft.message.buttons, decisions)))


def _number(words: str) -> int:
    """A broadcast's id; 0, which none has, for anything else."""
    sane = words.isascii() and words.isdecimal() and len(words) <= LONGEST_NUMBER_CHARS
    return int(words) if sane else 0


async def _drop_decisions(ask: Ask, found: StoryBroadcast) -> None:
    """Leave the story's own buttons below the message that was decided."""
    own = found.broadcast.message
    try:
        await ask.bot.edit_message_reply_markup(
            chat_id=ask.telegram_id,
            message_id=ask.message_id,
            reply_markup=keyboard(own.buttons) if own else None,
            rate_limit_args=ANSWER_RETRIES,
        )
    except BadRequest as error:
        _log.info("decisions not dropped", extra={"reason": str(error)})


async def _watch(ask: Ask, broadcast_id: int, message_id: int, text: str) -> None:
    """Keep a report true until the broadcast settles, for WATCH_FOR, or until the bot stops."""
    end = ask.desk.clock() + WATCH_FOR
    while ask.application.running:
        await asyncio.sleep(ask.desk.report_every_s)
        late = ask.desk.clock() >= end
        try:
            done, now_text = await _look(ask, broadcast_id, late=late)
            if now_text != text:
                await edit_message(ask.bot, ask.telegram_id, message_id, Message(now_text, ""))
                text = now_text
        except (TelegramError, SebarError) as error:
            _log.warning(
                "report not shown", extra={"broadcast": broadcast_id, "reason": str(error)}
            )
            done = False
        if done or late:
            return


async def _look(ask: Ask, broadcast_id: int, *, late: bool) -> tuple[bool, str]:
    """How a broadcast does: whether it has settled, and its report."""
    found = await ask.desk.store.find_broadcast(broadcast_id)
    state = found.broadcast.state if found else BroadcastState.CANCELLED
    if found is not None and found.broadcast.fanning:
        state = BroadcastState.SCHEDULED
    # Read after the state: a broadcast that had fanned out by then has all its deliveries.
    report = await ask.desk.store.report_broadcast(broadcast_id)
    return _settled(state, report), _report_text(ask, state, report, late=late)


def _settled(state: BroadcastState, report: BroadcastReport) -> bool:
    if state in {BroadcastState.DRAFT, BroadcastState.SCHEDULED}:
        return False
    return not _count(report, (*_WAITING, DeliveryState.UNKNOWN))


def _report_text(
    ask: Ask, state: BroadcastState, report: BroadcastReport | None, *, late: bool
) -> str:
    if report is None or state is BroadcastState.SCHEDULED:
        stage = "waiting"
    elif _settled(state, report):
        stage = "done"
    else:
        stage = "late" if late else "running"
    return ask.render(
        "report",
        sent=_count(report, (DeliveryState.SENT,)),
        waiting=_count(report, _WAITING),
        refused=_count(report, _REFUSED),
        unclear=_count(report, (DeliveryState.UNKNOWN,)),
        total=report.total if report else 0,
        state=stage,
    )


def _count(report: BroadcastReport | None, states: tuple[DeliveryState, ...]) -> int:
    return sum(report.counts.get(state, 0) for state in states) if report else 0
