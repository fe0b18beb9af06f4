"""What editors decide about stories that are gone from their site."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from telegram.error import BadRequest

from bot.revisiting import GONE_MARK
from bot.transport import ANSWER_RETRIES

if TYPE_CHECKING:
    from bot.chat.answers import Ask

LONGEST_NUMBER_CHARS: Final = 15

_log = logging.getLogger(__name__)


async def decide(ask: Ask, *, withdrawn: bool) -> str:
    """Retract a story that is gone, or keep its messages, once; gives the name of the toast."""
    number = ask.words.removeprefix(GONE_MARK)
    sane = number.isascii() and number.isdecimal() and len(number) <= LONGEST_NUMBER_CHARS
    store, now = ask.desk.store, ask.desk.clock()
    story = await store.find_gone(int(number)) if sane else None
    await _drop_decisions(ask)
    if story is None:
        return "toast_decided"
    if withdrawn:
        assert ask.user is not None
        await ask.desk.editing.retract(ask.user.id, story.id, now)
    decided = await store.decide_absence(story.id, withdrawn=withdrawn, now=now)
    if not decided:
        return "toast_decided"
    return "toast_retracted" if withdrawn else "toast_skipped"


async def _drop_decisions(ask: Ask) -> None:
    try:
        await ask.bot.edit_message_reply_markup(
            chat_id=ask.telegram_id,
            message_id=ask.message_id,
            reply_markup=None,
            rate_limit_args=ANSWER_RETRIES,
        )
    except BadRequest as error:
        _log.info("decisions not dropped", extra={"reason": str(error)})
