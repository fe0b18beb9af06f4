"""Editors in the chat: the exact preview, one decision, a report that stays true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chatting import buttons_of, callbacks_of, text_of, world
from factories import entry

from bot.errors import FetchError, ParseError
from bot.sandbox.faults import Fault
from bot.types import BroadcastState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

    from bot.sandbox.records import Post

EDITOR, OTHER, READER = 5_000_001, 5_000_002, 5_000_003
PAGE = "https://kabar.example/berita-1/"


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, editors=(EDITOR, OTHER)) as parts:
        parts.sandbox.add_user("Ratna", user_id=EDITOR, language_code="id")
        parts.sandbox.add_user("Eko", user_id=OTHER, language_code="en", started=True)
        parts.sandbox.add_user("Budi", user_id=READER, language_code="id")
        yield parts


async def offered(chat: World, words: str = PAGE) -> Post:
    """The preview that an editor gets."""
    (post,) = await chat.say(EDITOR, EDITOR, f"/siarkan {words}")
    return post


async def report_says(chat: World, words: str, user_id: int = EDITOR) -> str:
    """The last message, the report, once it is looked at again; it holds the words."""
    await chat.refresh()
    told = text_of(chat.sandbox.sent(user_id)[-1])
    assert words in told
    return told


async def test_broadcast_shows_the_exact_message_and_two_decisions(chat: World) -> None:
    (story,) = await chat.publish(entry(1))
    await chat.say(READER, READER, "/langganan")
    post = await offered(chat)
    assert text_of(post) == chat.desk.renderer.share_sheet(story).message.text
    assert callbacks_of(post)[-2:] == ["send:1", "cancel:1"]
    assert [button["text"] for button in buttons_of(post)][-2:] == ["Kirim (1)", "Batal"]


async def test_decisions_are_in_the_editors_language(chat: World) -> None:
    await chat.publish(entry(1))
    (post,) = await chat.say(OTHER, OTHER, f"/broadcast {PAGE}")
    assert [button["text"] for button in buttons_of(post)][-2:] == ["Send (0)", "Cancel"]


async def test_what_was_shown_is_what_arrives_once_however_often_it_is_pressed(
    chat: World,
) -> None:
    await chat.publish(entry(1))
    await chat.say(READER, READER, "/langganan")
    post = await offered(chat)
    shown = text_of(post)
    presses = [chat.sandbox.press(EDITOR, EDITOR, post.id, "send:1") for _ in range(3)]
    await chat.settled()
    assert [press.answer["text"] for press in presses] == [
        "Dikirim.",
        "Sudah diputuskan sebelumnya.",
        "Sudah diputuskan sebelumnya.",
    ]
    assert callbacks_of(post)[-1].startswith("related:")
    await chat.deliver()
    (arrived,) = [p for p in chat.sandbox.sent(READER) if text_of(p) == shown]
    assert buttons_of(arrived) == buttons_of(post)
    assert text_of(post).startswith(shown)
    assert "Dikirim oleh Ratna" in text_of(post)
    report = await report_says(chat, "Siaran selesai")
    assert "Terkirim: 1 dari 1" in report
    assert "Menunggu: 0" in report


async def test_a_report_counts_those_who_refused(chat: World) -> None:
    await chat.publish(entry(1))
    chat.sandbox.add_user("Siti", user_id=9)
    for user_id in (READER, 9):
        await chat.say(user_id, user_id, "/langganan")
    post = await offered(chat)
    chat.sandbox.faults.plan(
        Fault(method="sendMessage", chat=9, code=403, description="Forbidden: user is deactivated")
    )
    await chat.press(EDITOR, post, "send:1")
    assert "menunggu" in text_of(chat.sandbox.sent(EDITOR)[-1])
    await chat.deliver()
    report = await report_says(chat, "Siaran selesai")
    assert "Terkirim: 1 dari 2" in report
    assert "Ditolak: 1" in report


async def test_a_report_without_an_audience_says_so(chat: World) -> None:
    await chat.publish(entry(1))
    await chat.press(EDITOR, await offered(chat), "send:1")
    await chat.deliver()
    await report_says(chat, "Tidak ada tujuan")


async def test_an_editor_is_told_that_a_story_went_out_before(chat: World) -> None:
    await chat.publish(entry(1))
    await chat.say(READER, READER, "/langganan")
    await chat.press(EDITOR, await offered(chat), "send:1")
    await chat.deliver()
    await report_says(chat, "Siaran selesai")
    warning, offer = await chat.say(EDITOR, EDITOR, f"/siarkan {PAGE}")
    assert "sudah disiarkan ke 1 tujuan" in text_of(warning)
    assert "send:2" in callbacks_of(offer)


async def test_cancel_calls_it_off_for_good(chat: World) -> None:
    await chat.publish(entry(1))
    post = await offered(chat)
    pressed = await chat.press(EDITOR, post, "cancel:1")
    assert pressed.answer == {"text": "Dibatalkan."}
    assert "send:1" not in callbacks_of(post)
    found = await chat.store.find_broadcast(1)
    assert found.broadcast.state is BroadcastState.CANCELLED


async def test_a_page_that_no_feed_has_shown_is_read_and_stored(chat: World) -> None:
    chat.source.pages[PAGE] = entry(1, title="Dibaca dari halamannya")
    post = await offered(chat)
    assert "Dibaca dari halamannya" in text_of(post)
    assert len(await chat.store.list_latest(5)) == 1


async def test_a_story_is_named_by_number_code_and_reply(chat: World) -> None:
    (story,) = await chat.publish(entry(1))
    by_number = await offered(chat, str(story.id))
    by_code = await offered(chat, story.code)
    (by_reply,) = await chat.say(EDITOR, EDITOR, "/broadcast", reply_to=by_code.id)
    assert text_of(by_number) == text_of(by_code) == text_of(by_reply)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ParseError("no article"), "tidak terbaca sebagai berita"),
        (FetchError("HTTP 503", status=503), "503"),
        (FetchError("ClientConnectorError"), "tidak dapat dibuka"),
    ],
)
async def test_a_page_that_is_no_story_is_refused_in_words(
    chat: World, error: Exception, words: str
) -> None:
    chat.source.pages[PAGE] = error
    assert words in text_of(await offered(chat))


@pytest.mark.parametrize("words", ["", "0", "9" * 30, "aaaaaaaaaaaa", "kata"])
async def test_broadcast_of_nothing_says_how_it_is_used(chat: World, words: str) -> None:
    assert text_of(await offered(chat, words)).startswith("Tulis alamat sebuah artikel")


async def test_editors_commands_and_buttons_are_unknown_to_everybody_else(chat: World) -> None:
    await chat.publish(entry(1))
    assert await chat.tell(READER, "/siarkan") == await chat.tell(READER, "/entah")
    chat.sandbox.add_supergroup("Meja", EDITOR, chat_id=-1001, members=[READER])
    chat.sandbox.add_bot(-1001, EDITOR)
    await chat.settled()
    assert await chat.say(READER, -1001, f"/broadcast {PAGE}") == []
    post = await offered(chat)
    chat.sandbox.chats[EDITOR].members[READER] = chat.sandbox.chats[EDITOR].members[EDITOR]
    for data in ("send:1", "cancel:1"):
        pressed = await chat.press(READER, post, data)
        assert pressed.answer["text"] == "Tombol ini sudah tidak berlaku."
    found = await chat.store.find_broadcast(1)
    assert found.broadcast.state is BroadcastState.DRAFT


async def test_help_names_the_editors_command_to_editors_only(chat: World) -> None:
    assert "/siarkan" in await chat.tell(EDITOR, "/bantuan")
    assert "/broadcast" in await chat.tell(OTHER, "/help")
    assert "/siarkan" not in await chat.tell(READER, "/bantuan")


async def test_an_offered_draft_is_decided_by_the_first_editor(chat: World) -> None:
    chat.sandbox.users[EDITOR].started = True
    (story,) = await chat.publish(entry(1))
    await chat.store._database.run(
        lambda tx: tx.execute(
            "INSERT INTO broadcasts (story_id, state, created_at) VALUES (:id, 'draft', 0)",
            id=story.id,
        )
    )
    await chat.desk.notices.offer(chat.clock())
    (mine,), (yours,) = chat.sandbox.sent(EDITOR), chat.sandbox.sent(OTHER)
    skipped = chat.sandbox.press(OTHER, OTHER, yours.id, "skip:1")
    late = chat.sandbox.press(EDITOR, EDITOR, mine.id, "send:1")
    await chat.settled()
    assert {str(skipped.answer), str(late.answer)} in (
        {"{'text': 'Skipped.'}", "{'text': 'Sudah diputuskan sebelumnya.'}"},
        {"{'text': 'Dikirim.'}", "{'text': 'This has been decided before.'}"},
    )
    for post in (mine, yours):
        assert {"send:1", "skip:1"}.isdisjoint(callbacks_of(post))
