"""Readers' commands in private chats, in both languages, over the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chatting import buttons_of, callbacks_of, links_of, many, text_of, world
from factories import entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

BUDI, JANE = 5_000_001, 5_000_002


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as parts:
        parts.sandbox.add_user("Budi", user_id=BUDI, language_code="id-ID")
        parts.sandbox.add_user("Jane", user_id=JANE, language_code="en-GB")
        yield parts


async def test_start_greets_in_the_readers_language_and_offers_to_subscribe(chat: World) -> None:
    (indonesian,) = await chat.say(BUDI, BUDI, "/start")
    (english,) = await chat.say(JANE, JANE, "/start")
    assert text_of(indonesian).startswith("Halo!")
    assert text_of(english).startswith("Hello!")
    assert callbacks_of(english) == ["subscribe:", "latest:"]
    assert str(BUDI) not in text_of(indonesian)
