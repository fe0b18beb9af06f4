"""The audience leaves and returns whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from factories import NOW, subscribed_chat
from hypothesis import given
from hypothesis import strategies as st

from bot.db import open_database
from bot.errors import ImportFault
from bot.moving import export_lines, import_lines, to_line, to_member
from bot.store import Store
from bot.types import Chat, ChatType, Member, Subscription

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.integers(-(2**52), 2**52), TEXT, st.lists(TEXT, max_size=3), st.booleans())
def test_a_line_says_all_of_a_chat(number: int, title: str, tags: list[str], silent: bool) -> None:
    chat = Chat(0, number, ChatType.SUPERGROUP, "@x", title, "en", NOW, "blocked")
    member = Member(chat, (Subscription(0, 12, tuple(tags), silent),))
    assert to_member(to_line(member)) == member
    assert "\n" not in to_line(member)


async def exported(store: Store) -> list[str]:
    return [line async for line in export_lines(store)]


async def test_an_audience_moves_to_another_database(store: Store, tmp_path: Path) -> None:
    await subscribed_chat(store, 1)
    await subscribed_chat(store, -100_2, "Politik", "Kota Serang", chat_type=ChatType.CHANNEL)
    topic = await subscribed_chat(store, -100_3, chat_type=ChatType.SUPERGROUP, thread_id=7)
    await store.record_silence(topic.id, 7, silent=True, now=NOW)
    closed = await subscribed_chat(store, 4)
    await store.close_chat(closed.id, "blocked", NOW)
    before = await exported(store)
    assert len(before) == 4
    other = await open_database(f"sqlite:///{tmp_path / 'other.db'}")
    for _ in range(2):
        assert await import_lines(Store(other), before, NOW) == 4
    after = await exported(Store(other))
    await other.close()
    assert after == before


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"telegram_id": "x"}', "null", "7"])
async def test_a_line_that_is_none_is_named_and_those_before_it_kept(
    store: Store, line: str
) -> None:
    good = to_line(Member(Chat(0, 5, ChatType.PRIVATE), ()))
    with pytest.raises(ImportFault, match="line 3"):
        await import_lines(store, [good, "", line], NOW)
    assert await store.find_chat(5) is not None
