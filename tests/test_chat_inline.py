"""Inline mode: any query is answered, and what is inserted is the story's own message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from chatting import buttons_of, many, text_of, world
from factories import entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

READER = 5_000_001
OFTEN = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as parts:
        parts.sandbox.add_user("Budi", user_id=READER, language_code="en", started=True)
        yield parts


async def ask(chat: World, query: str, offset: str = "") -> dict[str, Any]:
    """The bot's answer to an inline query."""
    asked = chat.sandbox.ask_inline(READER, query, offset=offset)
    await chat.settled()
    assert asked.answer is not None
    return asked.answer


async def test_an_empty_query_gives_the_latest_stories(chat: World) -> None:
    await chat.publish(
        entry(1, image_url="https://kabar.example/a.jpg", tags=("Politik",)),
        entry(2, image_url="http://kabar.example/b.jpg"),
    )
    first, second = (await ask(chat, ""))["results"]
    assert first["title"] == "Berita nomor 1"
    assert first["description"] == "1 hour ago · Politik"
    assert first["thumbnail_url"] == "https://kabar.example/a.jpg"
    assert "thumbnail_url" not in second


async def test_words_find_stories_and_nothing_found_is_no_failure(chat: World) -> None:
    await chat.publish(entry(1, title="Banjir di Ciledug"), entry(2))
    assert [item["title"] for item in (await ask(chat, "banjir"))["results"]] == [
        "Banjir di Ciledug"
    ]
    assert (await ask(chat, "gempa"))["results"] == []


async def test_an_answer_is_kept_only_for_who_asked_since_its_language_is_theirs(
    chat: World,
) -> None:
    await chat.publish(entry(1))
    assert (await ask(chat, ""))["button"]["text"] == "Open the chat with this bot"
    await chat.say(READER, READER, "/start")
    await chat.store.record_language((await chat.store.find_chat(READER)).id, "id")
    answer = await ask(chat, "")
    assert answer["results"][0]["description"] == "1 jam lalu · Tangerang"
    assert answer["button"]["text"] == "Buka obrolan dengan bot ini"
    calls = [call for call in chat.sandbox.calls if call.method == "answerInlineQuery"]
    assert {(call.params["is_personal"], call.params["cache_time"]) for call in calls} == {
        (True, 30)
    }


async def test_the_button_above_the_results_leads_to_the_latest_in_private(chat: World) -> None:
    await chat.publish(entry(1))
    button = (await ask(chat, "gempa"))["button"]
    assert button["text"] == "Nothing found. See the latest"
    (answer,) = await chat.say(READER, READER, f"/start {button['start_parameter']}")
    assert text_of(answer).startswith("Latest stories")


async def test_a_storys_address_gives_that_story_also_by_another_form_of_it(chat: World) -> None:
    await chat.publish(entry(1), entry(2))
    results = (await ask(chat, "http://m.kabar.example/berita-2/?utm_source=x"))["results"]
    assert [item["title"] for item in results] == ["Berita nomor 2"]


async def test_what_is_inserted_is_the_exact_message_with_its_share_row(chat: World) -> None:
    (story,) = await chat.publish(entry(1, title="<b> & *x*"))
    asked = chat.sandbox.ask_inline(READER, "")
    await chat.settled()
    chat.sandbox.add_supergroup("Warga", READER, chat_id=-1001)
    post = chat.sandbox.choose(asked.id, story.code, -1001)
    message = chat.desk.renderer.share_sheet(story).message
    assert text_of(post) == message.text
    assert post.content.preview == {"url": story.url, "prefer_large_media": True}
    kinds = [set(button) - {"text"} for button in buttons_of(post)]
    assert {"callback_data"} not in kinds
    assert buttons_of(post)[-1]["url"] == f"https://t.me/sebar_bot?start=related_{story.code}"


async def test_results_come_in_pages_without_repetition(chat: World) -> None:
    await chat.publish(*many(45))
    codes, offset, pages = [], "", 0
    while pages == 0 or offset:
        answer = await ask(chat, "", offset)
        codes += [item["id"] for item in answer["results"]]
        offset, pages = answer["next_offset"], pages + 1
    assert pages == 5
    assert len(codes) == len(set(codes)) == 45


async def test_pages_of_a_search_for_any_word_go_on_with_any_word(chat: World) -> None:
    await chat.publish(*many(15, title="Banjir lagi"))
    first = await ask(chat, "banjir gempa")
    assert first["next_offset"] == "10"
    assert len((await ask(chat, "banjir gempa", "10"))["results"]) == 5


@OFTEN
@given(query=st.text(st.characters(exclude_categories=["Cs"]), max_size=256), offset=st.text())
async def test_no_query_and_no_offset_fails(chat: World, query: str, offset: str) -> None:
    await chat.publish(*many(3))
    await ask(chat, query, offset)
    assert chat.failures() == []


async def test_hostile_stories_can_be_inserted(chat: World) -> None:
    await chat.publish(
        entry(1, title="\u202e&<" * 400, summary="x & " * 9_000, tags=("<" * 300,)),
        entry(2, title=" ", summary="", image_url="https://a b/"),
    )
    assert len((await ask(chat, ""))["results"]) == 2
    assert chat.failures() == []


async def test_a_query_that_telegram_gave_up_is_no_failure(
    chat: World, caplog: pytest.LogCaptureFixture
) -> None:
    chat.sandbox.faults.plan(
        Fault(
            method="answerInlineQuery",
            code=400,
            description="Bad Request: query is too old and response timeout expired",
        )
    )
    chat.sandbox.ask_inline(READER, "x")
    await asyncio.wait_for(chat.settled(), 5)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_the_related_callback_of_an_inserted_message_leads_to_the_bot(chat: World) -> None:
    (story,) = await chat.publish(entry(1))
    body = {
        "update_id": 44,
        "callback_query": {
            "id": "78",
            "from": {"id": READER, "is_bot": False, "first_name": "B"},
            "inline_message_id": "abc",
            "chat_instance": "1",
            "data": f"related:{story.code}",
        },
    }
    await chat.inbox.accept([body])
    await chat.inbox.wait_for({44})
    (answer,) = [call for call in chat.sandbox.calls if call.method == "answerCallbackQuery"]
    assert answer.params["url"] == f"https://t.me/sebar_bot?start=related_{story.code}"
