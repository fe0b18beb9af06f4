"""Whatever comes in, the bot answers each press once, tells nobody an exception, and goes on."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from chatting import many, text_of, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

READER, EDITOR, GROUP = 5_000_001, 5_000_002, -1001
VERBS = [
    *("send:", "schedule:", "skip:", "cancel:", "retract:", "related:", "latest:", "search:"),
    *("subscribe:", "unsubscribe:", "settings:", "settings:language:", "settings:silent:"),
]
DATA = st.builds(
    lambda verb, rest: (verb + rest).encode()[:64].decode(errors="ignore"),
    st.sampled_from([*VERBS, ""]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
    | st.from_regex(r"\A.{0,20}:\d{1,7}x\d{1,3}a?\Z"),
).filter(bool)
OFTEN = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, editors=(EDITOR,)) as parts:
        for user_id in (READER, EDITOR):
            parts.sandbox.add_user("B", user_id=user_id, language_code="id", started=True)
        parts.sandbox.add_supergroup("Warga", EDITOR, chat_id=GROUP, members=[READER])
        parts.sandbox.add_bot(GROUP, EDITOR)
        await parts.settled()
        await parts.publish(*many(12))
        yield parts


NUMBERS = itertools.count(1)


def press(user_id: int, chat: dict[str, Any], data: str | None, date: int = 1) -> dict[str, Any]:
    number = next(NUMBERS)
    query = {
        "id": str(number),
        "from": {"id": user_id, "is_bot": False, "first_name": "B", "language_code": "id"},
        "message": {"message_id": 5, "date": date, "chat": chat, "text": "x"},
        "chat_instance": "1",
    }
    return {"update_id": number, "callback_query": query | ({"data": data} if data else {})}


@OFTEN
@given(
    data=DATA,
    user_id=st.sampled_from([READER, EDITOR]),
    place=st.sampled_from(["private", "supergroup"]),
    date=st.sampled_from([0, 1]),
)
async def test_any_press_is_answered_exactly_once(
    chat: World, data: str, user_id: int, place: str, date: int
) -> None:
    chat_id = user_id if place == "private" else GROUP
    body = press(user_id, {"id": chat_id, "type": place, "title": "Warga"}, data, date)
    await chat.inbox.accept([body])
    await chat.inbox.wait_for({body["update_id"]})
    answers = [
        call
        for call in chat.sandbox.calls
        if call.method == "answerCallbackQuery"
        and call.params["callback_query_id"] == body["callback_query"]["id"]
    ]
    assert len(answers) == 1
    assert not answers[0].params.get("text", "").startswith("Tidak berhasil")


async def test_a_press_without_data_is_answered(chat: World) -> None:
    body = press(READER, {"id": READER, "type": "private"}, None)
    await chat.inbox.accept([body])
    await chat.inbox.wait_for({body["update_id"]})
    assert chat.sandbox.calls[-1].method in {"answerCallbackQuery", "getUpdates"}


@pytest.mark.parametrize(
    "text", ["/cari \ud800\udfff \ud800", "/langganan \udc00x", "\ud83d", "\0"]
)
async def test_broken_characters_are_borne(chat: World, text: str) -> None:
    number = next(NUMBERS)
    name = text.split(" ", maxsplit=1)[0] if text.startswith("/") else ""
    entities = [{"type": "bot_command", "offset": 0, "length": len(name)}] if name else []
    message = {
        "message_id": 6,
        "date": 1,
        "chat": {"id": READER, "type": "private", "first_name": "B"},
        "from": {"id": READER, "is_bot": False, "first_name": "B"},
        "text": text,
        "entities": entities,
    }
    await chat.inbox.accept([{"update_id": number, "message": message}])
    await chat.inbox.wait_for({number})
    (answer,) = chat.sandbox.sent(READER)
    assert "tidak berhasil" not in text_of(answer)


@pytest.mark.parametrize("kind", ["sticker", "photo", "contact", "dice", "caption"])
async def test_what_is_no_text_is_not_understood_in_private(chat: World, kind: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "sticker": {
            "sticker": {
                "file_id": "a", "file_unique_id": "b", "width": 1, "height": 1,
                "is_animated": False, "is_video": False, "type": "regular",
            }
        },
        "photo": {"photo": [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]},
        "contact": {"contact": {"phone_number": "1", "first_name": "B"}},
        "dice": {"dice": {"emoji": "🎲", "value": 1}},
        "caption": {
            "photo": [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}],
            "caption": "/help",
        },
    }  # fmt: skip
    number = next(NUMBERS)
    message = {
        "message_id": 6,
        "date": 1,
        "chat": {"id": READER, "type": "private", "first_name": "B"},
        "from": {"id": READER, "is_bot": False, "first_name": "B"},
    }
    await chat.inbox.accept([{"update_id": number, "message": message | bodies[kind]}])
    await chat.inbox.wait_for({number})
    (answer,) = chat.sandbox.sent(READER)
    assert "/bantuan" in text_of(answer)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(then="drop", times=3),
        Fault(then="drop", times=3, effect=True),
        Fault(then="garbage", code=502, times=3),
        Fault(code=500, times=3),
        Fault(code=429, retry_after=1, times=1),
        Fault(code=400, description="Bad Request: something new", times=3),
        Fault(code=403, description="Forbidden: something new", times=1),
    ],
)
async def test_the_bot_goes_on_after_any_misfortune(chat: World, fault: Fault) -> None:
    for method in ("sendMessage", "answerCallbackQuery", "getChatMember", "editMessageText"):
        chat.sandbox.faults.plan(
            Fault(
                then=fault.then,
                method=method,
                times=fault.times,
                effect=fault.effect,
                code=fault.code,
                description=fault.description,
                retry_after=fault.retry_after,
            )
        )
    for text in ("/start", "/latest", "/share https://kabar.example/berita-1/", "/subscribe"):
        chat.sandbox.say(READER, READER, text)
        chat.sandbox.say(EDITOR, GROUP, text)
    chat.sandbox.ask_inline(READER, "berita")
    await chat.settled()
    chat.sandbox.faults.planned.clear()
    (answer,) = await chat.say(READER, READER, "/help")
    assert "/terbaru" in text_of(answer)
    assert await chat.store.count_waiting_updates() == 0
    for post in (*chat.sandbox.sent(READER), *chat.sandbox.sent(GROUP)):
        assert "Error" not in text_of(post)
        assert "something new" not in text_of(post)
