"""The audience leaves and returns whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from factories import NOW, subscribed_chat
from hypothesis import given
from hypothesis import strategies as st

from bot.db import open_database
from bot.errors import ImportFault
from bot.moving import export_lines, import_lines, to_line, to_member
from bot.store import Store
from bot.types import (
    Chat,
    ChatType,
    Member,
    Narrowing,
    Pace,
    Preview,
    Rhythm,
    Subscription,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


TEXTS = st.lists(TEXT, max_size=3).map(tuple)
HOURS = st.integers(0, 23)
QUIET = st.none() | st.tuples(HOURS, HOURS)
RHYTHMS = st.builds(
    lambda pace, hour, day, quiet, urgent: Rhythm(
        pace, hour, day, quiet and quiet[0], quiet and quiet[1], urgent
    ),
    st.sampled_from(Pace),
    HOURS,
    st.integers(0, 6),
    QUIET,
    st.booleans(),
)
WISHES = st.builds(
    Subscription,
    chat_id=st.just(0),
    thread_id=st.integers(0, 2**31),
    tags=TEXTS,
    silent=st.booleans(),
    narrowing=st.builds(Narrowing, TEXTS, TEXTS, TEXTS),
    rhythm=RHYTHMS,
    preview=st.sampled_from(Preview),
)


@given(st.integers(-(2**52), 2**52), TEXT, WISHES)
def test_a_line_says_all_of_a_chat(number: int, title: str, wish: Subscription) -> None:
    zone = "Europe/Berlin"
    chat = Chat(0, number, ChatType.SUPERGROUP, "@x", title, "en", NOW, "blocked", zone)
    member = Member(chat, (wish,))
    assert to_member(to_line(member)) == member
    assert "\n" not in to_line(member)


def test_a_line_of_an_older_version_is_read_with_the_usual_wishes() -> None:
    line = (
        '{"telegram_id": 5, "type": "private", "username": null, "title": null, "language": "id",'
        ' "closed_at": null, "closed_reason": null, "subscriptions":'
        ' [{"thread_id": 0, "tags": ["Politik"], "silent": true}]}'
    )
    wish = Subscription(0, 0, ("Politik",), silent=True)
    assert to_member(line) == Member(Chat(0, 5, ChatType.PRIVATE, language="id"), (wish,))


def stated(**changes: Any) -> str:
    """A line of an export, changed."""
    return json.dumps({"telegram_id": 1, "type": "private", "subscriptions": [], **changes})


def wishing(**changes: Any) -> str:
    """A line of an export with one wish, changed."""
    return stated(subscriptions=[{"thread_id": 0, "tags": [], "silent": False, **changes}])


async def exported(store: Store) -> list[str]:
    return [line async for line in export_lines(store)]


async def test_an_audience_moves_to_another_database(store: Store, tmp_path: Path) -> None:
    await subscribed_chat(store, 1)
    await subscribed_chat(store, -100_2, "Politik", "Kota Serang", chat_type=ChatType.CHANNEL)
    topic = await subscribed_chat(store, -100_3, chat_type=ChatType.SUPERGROUP, thread_id=7)
    await store.record_silence(topic.id, 7, silent=True, now=NOW)
    rhythm = Rhythm(Pace.WEEKLY, 6, 5, 22, 5, urgent=True)
    await store.record_rhythm((topic.id, 7), rhythm, "Asia/Makassar", NOW)
    narrowing = Narrowing(("banjir", "pilkada banten"), ("iklan",), ("Opini",))
    await store.record_choice((topic.id, 7), ("Serang",), narrowing, NOW)
    await store.record_preview((topic.id, 7), Preview.SMALL)
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


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"telegram_id": "x"}',
        "null",
        "7",
        '{"telegram_id": 1, "type": "private", "zone": "Asia", "subscriptions": []}',
        '{"telegram_id": 1, "type": "private", "zone": 7, "subscriptions": []}',
        (
            '{"telegram_id": 1, "type": "private", "subscriptions": [{"thread_id": 0, "tags": [],'
            ' "silent": false, "hour": 24}]}'
        ),
        (
            '{"telegram_id": 1, "type": "private", "subscriptions": [{"thread_id": 0, "tags": [],'
            ' "silent": false, "pace": "often"}]}'
        ),
        (
            '{"telegram_id": 1, "type": "private", "subscriptions": [{"thread_id": 0, "tags": "x",'
            ' "silent": false}]}'
        ),
        '{"telegram_id": 1e400, "type": "private", "subscriptions": []}',
        stated(telegram_id=10**30),
        stated(telegram_id="1"),
        stated(title="a\0b"),
        stated(title="a\ud800"),
        stated(language=7),
        stated(closed_at="2026-01-01T00:00:00"),
        stated(closed_at=7),
        wishing(tags=["\0"]),
        wishing(tags=[7]),
        wishing(thread_id=2**70),
        wishing(quiet=[None, 5]),
        wishing(quiet=[1, 2, 3]),
        wishing(quiet=7),
        wishing(weekday=7),
    ],
)
async def test_a_line_that_is_none_is_named_and_those_before_it_kept(
    store: Store, line: str
) -> None:
    good = to_line(Member(Chat(0, 5, ChatType.PRIVATE), ()))
    with pytest.raises(ImportFault, match="line 3"):
        await import_lines(store, [good, "", line], NOW)
    assert await store.find_chat(5) is not None
