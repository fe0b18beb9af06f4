"""Editors before a process of its own: approval, countdown, kill, correction, retraction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chatting import callbacks_of, text_of
from service import eventually
from test_flow import day

if TYPE_CHECKING:
    from pathlib import Path

    from test_flow import Day

    from bot.sandbox.records import Post

READER, OWNER, COLLEAGUE = 1001, 1002, 1003


async def opened(day: Day) -> None:
    """Let the editors and the reader be there."""
    sandbox = day.telegram.sandbox
    sandbox.add_user("Eko", user_id=COLLEAGUE, language_code="en")
    for editor in (OWNER, COLLEAGUE):
        sandbox.say(editor, editor, "/start")
        await eventually(lambda e=editor: day.texts(e), "a greeting")
    await day.subscribe(READER)


def holding(day: Day, chat: int, words: str) -> Post | None:
    """The last message of the bot in a chat that holds these words."""
    found = [post for post in day.telegram.sandbox.sent(chat) if words in text_of(post)]
    return found[-1] if found else None


def press(day: Day, editor: int, post: Post, verb: str) -> None:
    data = next(one for one in callbacks_of(post) if one.startswith(f"{verb}:"))
    day.telegram.sandbox.press(editor, editor, post.id, data)


async def shown(day: Day, chat: int, words: str) -> Post:
    await eventually(lambda: holding(day, chat, words), f"{words} in {chat}")
    post = holding(day, chat, words)
    assert post is not None
    return post


async def test_a_story_waits_for_its_editor_also_over_a_power_cut(tmp_path: Path) -> None:
    """Then it is sent, corrected and retracted, and the reports say so."""
    editors = f"{OWNER} {COLLEAGUE}"
    async with day(tmp_path, SEBAR_APPROVAL="editor", SEBAR_EDITORS=editors) as today:
        await opened(today)
        today.publish("Jembatan baru dibuka")
        mine = await shown(today, OWNER, "Jembatan baru dibuka")
        yours = await shown(today, COLLEAGUE, "Jembatan baru dibuka")
        await today.service.kill()
        await today.service.start()
        assert today.count(READER, "Jembatan") == 0
        press(today, COLLEAGUE, yours, "send")
        got = await shown(today, READER, "Jembatan baru dibuka")
        await eventually(lambda: "Dikirim oleh Eko" in text_of(mine), "who decided")
        await eventually(lambda: today.count(COLLEAGUE, "Broadcast finished"), "progress")
        today.telegram.sandbox.say(OWNER, OWNER, "/ralat Jembatan lama dibuka", reply_to=mine.id)
        look = await shown(today, OWNER, "Jembatan lama dibuka")
        press(today, OWNER, look, "correct")
        await eventually(lambda: "Jembatan lama dibuka" in text_of(got), "the correction")
        await eventually(lambda: today.count(OWNER, "diubah 1, ditolak 0"), "its report")
        today.telegram.sandbox.say(OWNER, OWNER, "/tarik", reply_to=mine.id)
        sure = await shown(today, OWNER, "dari 1 tujuan")
        press(today, OWNER, sure, "retract")
        await eventually(lambda: got.deleted_at, "the retraction")
        await eventually(lambda: today.count(OWNER, "dihapus 1, diganti 0"), "its report")


@pytest.mark.parametrize("verb", ["send", "skip"])
async def test_a_held_story_obeys_the_editor(tmp_path: Path, verb: str) -> None:
    """Sent now, or never."""
    async with day(tmp_path, SEBAR_HOLD="600", SEBAR_EDITORS=str(OWNER)) as today:
        await opened(today)
        today.publish("Jembatan baru dibuka")
        question = await shown(today, OWNER, "Jembatan baru dibuka")
        press(today, OWNER, question, verb)
        if verb == "send":
            await shown(today, READER, "Jembatan baru dibuka")
        else:
            await eventually(lambda: "Dilewati oleh Ratna" in text_of(question), "the decision")
            assert today.count(READER, "Jembatan") == 0
