"""The way from the chat into the console."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from chatting import buttons_of, text_of, world

from bot.store import LinkState
from bot.tokens import hashed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

EDITOR, READER = 5_000_001, 5_000_003


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, editors=(EDITOR,)) as parts:
        parts.sandbox.add_user("Ratna", user_id=EDITOR, language_code="id")
        parts.sandbox.add_user("Budi", user_id=READER, language_code="id")
        yield parts


@pytest.mark.parametrize("command", ["/console", "/konsol"])
async def test_an_editor_gets_a_link_that_is_good_once(chat: World, command: str) -> None:
    (post,) = await chat.say(EDITOR, EDITOR, command)
    found = re.search(r"http://127\.0\.0\.1:8080/console/in/([\w-]{43})", text_of(post))
    assert found
    buttons = {button["text"]: button for button in buttons_of(post)}
    assert buttons["Buka konsol"]["url"] == found[0]
    assert buttons["Salin tautan"]["copy_text"]["text"] == found[0]
    assert "Buka di Telegram" not in buttons
    now = chat.clock()
    state = await chat.store.bind_console_link(hashed(found[1]), "browser", now)
    assert state is LinkState.OPEN


async def test_to_a_reader_it_is_an_unknown_command(chat: World) -> None:
    unknown = await chat.tell(READER, "/apaini")
    assert await chat.tell(READER, "/console") == unknown
