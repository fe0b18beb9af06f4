"""Subscriptions, settings and the bot's comings and goings, in chats of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chatting import buttons_of, callbacks_of, links_of, many, text_of, world
from factories import entry
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.subscribing import read_tags
from bot.sandbox.faults import Fault
from bot.sandbox.records import Member
from bot.store.rows import tag_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

    from bot.sandbox.records import Post

ADMIN, MEMBER, STRANGER = 5_000_001, 5_000_002, 5_000_003
GROUP, FORUM, CHANNEL = -1001, -1002, -1003


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as parts:
        box = parts.sandbox
        box.add_user("Ana", user_id=ADMIN, language_code="en")
        box.add_user("Budi", user_id=MEMBER, language_code="id")
        box.add_user("Siti", user_id=STRANGER, language_code="id")
        box.add_supergroup("Warga", ADMIN, chat_id=GROUP, members=[MEMBER])
        box.add_supergroup("Forum", ADMIN, chat_id=FORUM, members=[MEMBER], forum=True)
        box.add_channel("Kabar", ADMIN, chat_id=CHANNEL, username="Kabar", members=[MEMBER])
        for chat_id in (GROUP, FORUM, CHANNEL):
            box.add_bot(chat_id, ADMIN)
        await parts.settled()
        yield parts


def older(post: Post) -> str:
    """What the button of a list says that shows older stories."""
    return next(data for data in callbacks_of(post) if data.startswith("latest::5x5"))


async def wish(chat: World, chat_id: int, thread_id: int = 0) -> tuple[str, ...] | None:
    """The tags of a live subscription; None for no subscription."""
    record = await chat.store.find_chat(chat_id)
    found = record and await chat.store.find_subscription(record.id, thread_id)
    return found.tags if found else None


async def test_a_reader_subscribes_to_everything_and_is_told_so(chat: World) -> None:
    answer = await chat.tell(MEMBER, "/langganan")
    assert "Setiap berita baru akan datang di sini" in answer
    assert await wish(chat, MEMBER) == ()


async def test_a_reader_subscribes_to_tags_and_is_told_which(chat: World) -> None:
    await chat.publish(entry(1, tags=("Politik", "Kota Tangerang")))
    answer = await chat.tell(ADMIN, '/subscribe #Politik, "Kota Serang" kuliner')
    assert "Kota Serang, kuliner, Politik" in answer
    assert "no story has had the tag Kota Serang, kuliner" in answer
    assert await wish(chat, ADMIN) == ("Kota Serang", "kuliner", "Politik")
    await chat.tell(ADMIN, "/subscribe kota tangerang")
    assert "kota tangerang" in await wish(chat, ADMIN)


async def test_tags_that_hold_nothing_do_not_subscribe_to_everything(chat: World) -> None:
    assert "tidak dapat dipakai" in await chat.tell(MEMBER, "/langganan ###, ,")
    assert await wish(chat, MEMBER) is None


async def test_a_reader_takes_tags_off_and_ends_the_subscription(chat: World) -> None:
    assert "Belum ada langganan" in await chat.tell(MEMBER, "/berhenti")
    await chat.say(MEMBER, MEMBER, "/langganan a b")
    assert "tag b" in await chat.tell(MEMBER, "/berhenti A")
    assert "berhenti" in await chat.tell(MEMBER, "/berhenti b")
    assert await wish(chat, MEMBER) is None
    await chat.say(MEMBER, MEMBER, "/langganan")
    assert "tetap datang" in await chat.tell(MEMBER, "/berhenti politik")
    assert await wish(chat, MEMBER) == ()


async def test_buttons_subscribe_and_end_it(chat: World) -> None:
    (greeting,) = await chat.say(MEMBER, MEMBER, "/start")
    pressed = await chat.press(MEMBER, greeting, "subscribe:")
    assert pressed.answer == {"text": "Tersimpan."}
    assert await wish(chat, MEMBER) == ()
    (shown,) = await chat.say(MEMBER, MEMBER, "/pengaturan")
    await chat.press(MEMBER, shown, "unsubscribe:")
    assert await wish(chat, MEMBER) is None


async def test_settings_change_language_and_sound_in_their_own_message(chat: World) -> None:
    await chat.say(MEMBER, MEMBER, "/langganan")
    (shown,) = await chat.say(MEMBER, MEMBER, "/settings")
    assert callbacks_of(shown)[4:] == [
        "settings:silent:on",
        "settings:language:en",
        "unsubscribe:",
    ]
    await chat.press(MEMBER, shown, "settings:language:en")
    assert text_of(shown).startswith("Settings")
    pressed = await chat.press(MEMBER, shown, "settings:silent:on")
    assert pressed.answer == {"text": "Saved."}
    assert "without a sound" in text_of(shown)
    assert callbacks_of(shown)[4:6] == ["settings:silent:off", "settings:language:id"]
    assert (await chat.tell(MEMBER, "/start")).startswith("Hello!")
    assert len(await chat.say(MEMBER, MEMBER, "/settings")) == 1


async def test_only_administrators_change_a_groups_subscription(chat: World) -> None:
    (refusal,) = await chat.say(MEMBER, GROUP, "/langganan")
    assert text_of(refusal) == "Hanya admin yang dapat mengubah langganan di sini."
    assert await wish(chat, GROUP) is None
    (answer,) = await chat.say(ADMIN, GROUP, "/subscribe@sebar_bot politik")
    assert "politik" in text_of(answer)
    assert await wish(chat, GROUP) == ("politik",)
    (refusal,) = await chat.say(MEMBER, GROUP, "/unsubscribe")
    assert await wish(chat, GROUP) == ("politik",)
    assert GROUP in chat.notes


async def test_only_administrators_press_a_groups_settings(chat: World) -> None:
    (shown,) = await chat.say(ADMIN, GROUP, "/settings")
    for data in callbacks_of(shown):
        pressed = await chat.press(MEMBER, shown, data)
        assert pressed.answer["show_alert"]
        assert "admin" in pressed.answer["text"]
    assert await wish(chat, GROUP) is None
    await chat.press(ADMIN, shown, "settings:language:id")
    (answer,) = await chat.say(ADMIN, GROUP, "/help")
    assert text_of(answer).startswith("Yang dapat saya bantu")
    assert str(ADMIN) not in text_of(answer)


async def test_an_anonymous_administrator_speaks_for_the_group(chat: World) -> None:
    body = anonymous(GROUP, sender=GROUP)
    await chat.inbox.accept([body])
    await chat.inbox.wait_for({body["update_id"]})
    assert await wish(chat, GROUP) == ()


async def test_who_speaks_as_a_channel_is_no_administrator_of_the_group(chat: World) -> None:
    body = anonymous(GROUP, sender=CHANNEL)
    await chat.inbox.accept([body])
    await chat.inbox.wait_for({body["update_id"]})
    assert await wish(chat, GROUP) is None


def anonymous(chat_id: int, sender: int) -> dict[str, object]:
    """`/subscribe` in a group, in the name of a chat, as Telegram tells of it."""
    kind = "channel" if sender == CHANNEL else "supergroup"
    return {
        "update_id": 42,
        "message": {
            "message_id": 900,
            "date": 1_760_000_000,
            "chat": {"id": chat_id, "type": "supergroup", "title": "Warga"},
            "from": {"id": 1_087_968_824, "is_bot": True, "first_name": "Group"},
            "sender_chat": {"id": sender, "type": kind, "title": "Warga"},
            "text": "/subscribe",
            "entities": [{"type": "bot_command", "offset": 0, "length": 10}],
        },
    }


async def test_each_topic_has_its_own_subscription_and_is_answered_there(chat: World) -> None:
    topic = chat.sandbox.add_topic(FORUM, "Politik")
    (answer,) = await chat.say(ADMIN, FORUM, "/subscribe politik", thread_id=topic)
    assert answer.thread_id == topic
    (general,) = await chat.say(ADMIN, FORUM, "/subscribe")
    assert general.thread_id == 0
    assert await wish(chat, FORUM, topic) == ("politik",)
    assert await wish(chat, FORUM) == ()
    await chat.say(ADMIN, FORUM, "/unsubscribe", thread_id=topic)
    assert await wish(chat, FORUM, topic) is None
    assert await wish(chat, FORUM) == ()
    (shown,) = await chat.say(ADMIN, FORUM, "/settings", thread_id=topic)
    await chat.press(ADMIN, shown, "subscribe:")
    assert await wish(chat, FORUM, topic) == ()
    assert chat.sandbox.sent(FORUM)[-1].thread_id == topic


async def test_a_channel_subscribes_by_a_post(chat: World) -> None:
    (answer,) = await chat.say(ADMIN, CHANNEL, "/langganan ekonomi")
    assert "ekonomi" in text_of(answer)
    assert await wish(chat, CHANNEL) == ("ekonomi",)
    record = await chat.store.find_chat(CHANNEL)
    assert record.username == "@kabar"


async def test_a_channels_settings_are_not_for_its_readers(chat: World) -> None:
    (shown,) = await chat.say(ADMIN, CHANNEL, "/pengaturan")
    pressed = await chat.press(MEMBER, shown, "subscribe:")
    assert pressed.answer["show_alert"]
    assert await wish(chat, CHANNEL) is None
    await chat.press(ADMIN, shown, "subscribe:")
    assert await wish(chat, CHANNEL) == ()


async def test_what_is_said_of_a_channel_names_the_commands_that_are_about_it(chat: World) -> None:
    said = await chat.tell(ADMIN, "/subscribe @kabar politik")
    assert "/unsubscribe @kabar" in said
    assert "/settings @kabar" in said
    said = await chat.tell(ADMIN, "/unsubscribe @kabar")
    assert "/subscribe @kabar" in said
    assert "@kabar" not in await chat.tell(ADMIN, "/subscribe politik")


async def test_an_administrator_subscribes_a_channel_from_a_private_chat(chat: World) -> None:
    assert "will come to @Kabar" in await chat.tell(ADMIN, "/subscribe @Kabar politik, ekonomi")
    assert await wish(chat, CHANNEL) == ("ekonomi", "politik")
    assert await wish(chat, ADMIN) is None
    assert "to @Kabar" in await chat.tell(ADMIN, "/unsubscribe https://t.me/Kabar")
    assert await wish(chat, CHANNEL) is None


async def test_nobody_else_subscribes_a_channel_from_outside(chat: World) -> None:
    assert "Hanya admin @kabar" in await chat.tell(MEMBER, "/langganan @kabar")
    assert "Hanya admin @kabar" in await chat.tell(STRANGER, "/langganan @kabar")
    assert "tidak menemukan @tiada_kanal" in await chat.tell(MEMBER, "/langganan @tiada_kanal")
    assert await wish(chat, CHANNEL) is None


async def test_who_was_never_seen_in_a_channel_does_not_administer_it(chat: World) -> None:
    fault = "Bad Request: PARTICIPANT_ID_INVALID"
    chat.sandbox.faults.plan(Fault(method="getChatMember", then="answer", effect=True))
    chat.sandbox.faults.plan(Fault(method="getChatMember", code=400, description=fault))
    assert "Hanya admin @kabar" in await chat.tell(STRANGER, "/langganan @kabar")


async def test_a_channel_where_the_bot_may_not_post_is_refused_in_words(chat: World) -> None:
    chat.sandbox.set_member(
        CHANNEL, chat.sandbox.bot.id, Member("administrator", frozenset({"can_manage_chat"})), ADMIN
    )
    assert "may not post in @kabar" in await chat.tell(ADMIN, "/subscribe @kabar")
    chat.sandbox.remove_bot(CHANNEL, ADMIN)
    assert "cannot find @kabar" in await chat.tell(ADMIN, "/subscribe @kabar")
    assert await wish(chat, CHANNEL) is None


async def test_groups_answer_in_reply_and_keep_silent_about_what_is_not_theirs(
    chat: World,
) -> None:
    await chat.publish(*many(6))
    (answer,) = await chat.say(MEMBER, GROUP, "/terbaru")
    assert answer.reply_to == answer.id - 1
    await chat.press(ADMIN, answer, older(answer))
    assert links_of(answer) == ["https://kabar.example/berita-6/"]
    chat.sandbox.reads_everything = True
    for text in ("halo semua", "/entah", "/broadcast", "https://kabar.example/berita-1/"):
        assert await chat.say(MEMBER, GROUP, text) == []
        assert await chat.say(ADMIN, CHANNEL, text) == []


async def test_a_channels_list_has_no_buttons_that_readers_could_turn(chat: World) -> None:
    await chat.publish(*many(6))
    (answer,) = await chat.say(ADMIN, CHANNEL, "/latest")
    assert len(links_of(answer)) == 5
    assert buttons_of(answer) == []
    (unknown,) = await chat.say(ADMIN, CHANNEL, "/latest tiada")
    assert buttons_of(unknown) == []
    assert "Choose" not in text_of(unknown)
    assert "Pilih" not in text_of(unknown)


async def test_related_in_a_channel_leads_the_reader_to_the_bot(chat: World) -> None:
    (story,) = await chat.publish(entry(1))
    await chat.say(ADMIN, CHANNEL, "/langganan")
    await chat.send_story(story)
    await chat.deliver()
    post = chat.sandbox.sent(CHANNEL)[-1]
    pressed = await chat.press(MEMBER, post, f"related:{story.code}")
    assert pressed.answer == {"url": f"https://t.me/sebar_bot?start=related_{story.code}"}
    assert chat.sandbox.sent(CHANNEL)[-1] is post


async def test_a_group_is_greeted_once_when_the_bot_comes(chat: World) -> None:
    assert [text_of(post)[:12] for post in chat.sandbox.sent(GROUP)] == ["Hello everyb"]
    chat.sandbox.set_member(GROUP, chat.sandbox.bot.id, Member("administrator"), ADMIN)
    await chat.settled()
    assert len(chat.sandbox.sent(GROUP)) == 1
    assert chat.sandbox.sent(CHANNEL) == []


async def test_a_chat_closes_with_the_bots_leave_and_opens_with_its_return(chat: World) -> None:
    await chat.say(ADMIN, GROUP, "/subscribe")
    chat.sandbox.remove_bot(GROUP, ADMIN)
    await chat.settled()
    assert (await chat.store.find_chat(GROUP)).closed_at is not None
    chat.sandbox.add_bot(GROUP, ADMIN)
    await chat.settled()
    assert (await chat.store.find_chat(GROUP)).closed_at is None
    assert await wish(chat, GROUP) == ()


async def test_blocking_closes_and_unblocking_opens(chat: World) -> None:
    await chat.say(MEMBER, MEMBER, "/langganan")
    chat.sandbox.block(MEMBER)
    await chat.settled()
    assert (await chat.store.find_chat(MEMBER)).closed_at is not None
    chat.sandbox.unblock(MEMBER)
    await chat.settled()
    assert (await chat.store.find_chat(MEMBER)).closed_at is None


async def test_a_group_that_becomes_a_supergroup_keeps_its_subscription(chat: World) -> None:
    chat.sandbox.add_group("Lama", ADMIN, chat_id=-77)
    chat.sandbox.add_bot(-77, ADMIN)
    await chat.say(ADMIN, -77, "/subscribe politik")
    new = chat.sandbox.upgrade(-77)
    await chat.settled()
    assert await chat.store.find_chat(-77) is None
    assert await wish(chat, new.id) == ("politik",)
    assert new.id in chat.notes


async def test_a_group_that_forbids_the_greeting_is_still_known(chat: World) -> None:
    chat.sandbox.add_supergroup("Sunyi", ADMIN, chat_id=-1009)
    chat.sandbox.mute(-1009)
    chat.sandbox.add_bot(-1009, ADMIN)
    await chat.settled()
    assert await chat.store.find_chat(-1009) is not None


async def test_a_failing_check_of_administrators_lets_nobody_in(chat: World) -> None:
    chat.sandbox.faults.plan(Fault(method="getChatMember", code=500))
    (answer,) = await chat.say(ADMIN, GROUP, "/subscribe")
    assert text_of(answer).startswith("Sorry, that did not work")
    assert await wish(chat, GROUP) is None


PRESSES = [
    "",
    "nonsense",
    "latest:x",
    "latest::5",
    "latest:…:0x5",
    "search:",
    "search:…:5x5",
    "related:",
    "related:aaaaaaaaaaaa",
    "settings:",
    "settings:language:xx",
    "settings:silent:maybe",
    "send:1",
    "send:",
    "skip:-1",
    "cancel:99999999999999999999",
    "schedule:1",
    "retract:1",
    ":",
    "latest:" + "x" * 57,
]


@pytest.mark.parametrize("data", PRESSES)
async def test_a_button_that_means_nothing_is_answered_once_in_words(
    chat: World, data: str
) -> None:
    pressed = await press_any(chat, MEMBER, data)
    assert pressed["text"] == "Tombol ini sudah tidak berlaku."


@pytest.mark.parametrize("data", PRESSES)
async def test_a_button_in_a_message_that_telegram_forgot_is_answered(
    chat: World, data: str
) -> None:
    assert "text" in await press_any(chat, ADMIN, data, date=0)


async def press_any(chat: World, user_id: int, data: str, date: int = 1) -> dict[str, object]:
    """Press a button that no message of ours ever had; gives the only answer to it."""
    chat.sandbox.users[user_id].started = True
    body = {
        "update_id": 43,
        "callback_query": {
            "id": "77",
            "from": {"id": user_id, "is_bot": False, "first_name": "B", "language_code": "id"},
            "message": {
                "message_id": 5,
                "date": date,
                "chat": {"id": user_id, "type": "private"},
                "text": "x",
            },
            "chat_instance": "1",
            "data": data,
        },
    }
    await chat.inbox.accept([body])
    await chat.inbox.wait_for({43})
    (answer,) = [call for call in chat.sandbox.calls if call.method == "answerCallbackQuery"]
    return answer.params


async def test_a_press_that_fails_is_answered_too(chat: World) -> None:
    await chat.publish(*many(6))
    (shown,) = await chat.say(MEMBER, MEMBER, "/latest")
    chat.sandbox.faults.plan(Fault(method="editMessageText", code=500))
    pressed = await chat.press(MEMBER, shown, older(shown))
    assert pressed.answer["text"].startswith("Tidak berhasil")


async def test_a_press_below_a_deleted_message_is_answered(chat: World) -> None:
    await chat.publish(*many(6))
    (shown,) = await chat.say(MEMBER, MEMBER, "/latest")
    pressed = chat.sandbox.press(MEMBER, MEMBER, shown.id, older(shown))
    chat.sandbox.erase(shown)
    await chat.settled()
    assert pressed.answer is not None


async def test_pressing_twice_is_answered_twice(chat: World) -> None:
    await chat.publish(*many(6))
    (shown,) = await chat.say(MEMBER, MEMBER, "/latest")
    first = chat.sandbox.press(MEMBER, MEMBER, shown.id, older(shown))
    second = chat.sandbox.press(MEMBER, MEMBER, shown.id, older(shown))
    await chat.settled()
    assert (first.answer, second.answer) == ({}, {})


@given(st.text(max_size=200))
def test_read_tags_are_few_short_and_distinct(words: str) -> None:
    tags = read_tags(words, set())
    assert len(tags) <= 30
    assert all(0 < len(tag) <= 64 and tag_key(tag) for tag in tags)
    assert len({tag_key(tag) for tag in tags}) == len(tags)


def test_read_tags_keep_quoted_and_known_phrases() -> None:
    known = {"kota tangerang"}
    assert read_tags("#Politik,ekonomi", known) == ["Politik", "ekonomi"]
    assert read_tags('"Kota Serang" “Kab. Lebak” x', known) == ["Kota Serang", "Kab. Lebak", "x"]
    assert read_tags("Kota Tangerang, Kota Cilegon", known) == ["Kota Tangerang", "Kota", "Cilegon"]
