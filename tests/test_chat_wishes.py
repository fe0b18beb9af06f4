"""The settings: one message whose buttons say what comes, when and how."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from chatting import buttons_of, callbacks_of, text_of, world
from factories import entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.moving import export_lines
from bot.sandbox.records import Member
from bot.types import Narrowing, Pace, Preview, Rhythm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

    from bot.sandbox.records import Post
    from bot.types import Subscription

ADMIN, MEMBER, STRANGER = 5_000_001, 5_000_002, 5_000_003
GROUP, CHANNEL = -1001, -1003


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as parts:
        box = parts.sandbox
        box.add_user("Ana", user_id=ADMIN, language_code="en")
        box.add_user("Budi", user_id=MEMBER, language_code="id")
        box.add_user("Siti", user_id=STRANGER, language_code="id")
        box.add_supergroup("Warga", ADMIN, chat_id=GROUP, members=[MEMBER])
        box.add_channel("Kabar", ADMIN, chat_id=CHANNEL, username="Kabar", members=[MEMBER])
        for chat_id in (GROUP, CHANNEL):
            box.add_bot(chat_id, ADMIN)
        await parts.settled()
        yield parts


async def wish(chat: World, chat_id: int) -> Subscription | None:
    """The live wish of a chat."""
    record = await chat.store.find_chat(chat_id)
    return await chat.store.find_subscription(record.id, 0) if record else None


async def opened(chat: World, user_id: int, command: str = "/settings") -> Post:
    """The settings of somebody who subscribes to everything."""
    await chat.say(user_id, user_id, "/subscribe")
    (shown,) = await chat.say(user_id, user_id, command)
    return shown


async def walk(chat: World, user_id: int, shown: Post, *presses: str) -> None:
    """Press buttons of one message one after another; none may fail or post anything."""
    before = len(chat.sandbox.chats[shown.chat_id].posts)
    for data in presses:
        pressed = await chat.press(user_id, shown, data)
        assert not pressed.answer.get("show_alert"), (data, pressed.answer)
    assert len(chat.sandbox.chats[shown.chat_id].posts) == before


@pytest.mark.parametrize(("user", "back"), [(ADMIN, "‹ Back"), (MEMBER, "‹ Kembali")])
async def test_every_page_of_the_settings_turns_in_its_own_message(
    chat: World, user: int, back: str
) -> None:
    shown = await opened(chat, user)
    for page in ("what", "when", "quiet", "look"):
        await walk(chat, user, shown, f"settings:{page}")
        assert back in [button["text"] for button in buttons_of(shown)]
        await walk(chat, user, shown, "settings:home")
    await walk(chat, user, shown, "settings:when", "settings:zone", "settings:home")
    assert all(len(data.encode()) <= 64 for data in callbacks_of(shown))
    assert [call for call in chat.failures() if call.method != "getUpdates"] == []


async def test_buttons_set_a_digest_with_its_hour_and_day(chat: World) -> None:
    shown = await opened(chat, ADMIN)
    await walk(chat, ADMIN, shown, "settings:when", "settings:pace:daily", "settings:hour:18")
    assert (await wish(chat, ADMIN)).rhythm == Rhythm(Pace.DAILY, 18)
    assert "every day at 18:00" in text_of(shown)
    assert "✓ 18" in [button["text"] for button in buttons_of(shown)]
    await walk(chat, ADMIN, shown, "settings:pace:weekly", "settings:day:4")
    assert "every Friday at 18:00" in text_of(shown)
    await walk(chat, ADMIN, shown, "settings:home")
    assert "Time zone: Asia/Jakarta" in text_of(shown)


async def test_buttons_set_quiet_hours_and_what_passes_them(chat: World) -> None:
    shown = await opened(chat, MEMBER)
    await walk(chat, MEMBER, shown, "settings:quiet", "settings:quiet:22-6", "settings:quiet:23-6")
    await walk(chat, MEMBER, shown, "settings:quiet:23-7", "settings:urgent:on")
    assert (await wish(chat, MEMBER)).rhythm == Rhythm(quiet_from=23, quiet_until=7, urgent=True)
    assert "Jam tenang: 23.00–07.00, tetapi berita mendesak tetap datang" in text_of(shown)
    await walk(chat, MEMBER, shown, "settings:quiet:off")
    assert (await wish(chat, MEMBER)).rhythm.quiet_from is None


async def test_a_button_sets_the_picture_and_messages_show_it(chat: World) -> None:
    shown = await opened(chat, MEMBER)
    await walk(chat, MEMBER, shown, "settings:look", "settings:preview:small")
    assert (await wish(chat, MEMBER)).preview is Preview.SMALL
    (story,) = await chat.publish(entry(1))
    await chat.send_story(story)
    await chat.deliver()
    (sent,) = [call for call in chat.sandbox.calls if _is_delivery(call, story.title)]
    assert sent.params["link_preview_options"]["prefer_small_media"] is True


def _is_delivery(call: object, title: str) -> bool:
    params = getattr(call, "params", {})
    return getattr(call, "method", "") == "sendMessage" and title in params.get("text", "")


async def test_tags_are_wanted_left_out_and_neither_by_pressing_again(chat: World) -> None:
    await chat.publish(entry(1, tags=("Politik",)), entry(2, tags=("Ekonomi",)))
    shown = await opened(chat, ADMIN)
    await walk(chat, ADMIN, shown, "settings:what")
    assert "Of the last 2 stories 2 would have come" in text_of(shown)
    press = next(b["callback_data"] for b in buttons_of(shown) if b["text"] == "politik")
    await walk(chat, ADMIN, shown, press)
    assert (await wish(chat, ADMIN)).tags == ("politik",)
    assert "Of the last 2 stories 1 would have come" in text_of(shown)
    await walk(chat, ADMIN, shown, press)
    assert (await wish(chat, ADMIN)).tags == ()
    assert (await wish(chat, ADMIN)).narrowing.without_tags == ("politik",)
    await walk(chat, ADMIN, shown, press)
    assert (await wish(chat, ADMIN)).narrowing == Narrowing()


async def test_typed_words_narrow_and_show_at_once_what_would_have_come(chat: World) -> None:
    await chat.publish(
        entry(1, title="Banjir di Ciledug"),
        entry(2, title="Pilkada Banten Aman"),
        entry(3, title="Iklan Banjir Promo"),
        entry(4, title="Harga Beras"),
    )
    await chat.say(MEMBER, MEMBER, "/langganan")
    words = '/pengaturan kata banjir, "pilkada banten" -iklan'
    (shown,) = await chat.say(MEMBER, MEMBER, words)
    assert (await wish(chat, MEMBER)).narrowing == Narrowing(
        ("banjir", "pilkada banten"), ("iklan",)
    )
    assert "Dari 4 berita terakhir, 2 akan datang" in text_of(shown)
    assert "• Banjir di Ciledug" in text_of(shown)
    assert "Harga Beras" not in text_of(shown)
    drop = next(b["callback_data"] for b in buttons_of(shown) if b["text"] == "✕ banjir")
    await walk(chat, MEMBER, shown, drop)
    assert (await wish(chat, MEMBER)).narrowing.keywords == ("pilkada banten",)
    await chat.say(MEMBER, MEMBER, "/settings words iklan, -pilkada banten")
    assert (await wish(chat, MEMBER)).narrowing == Narrowing(("iklan",), ("pilkada banten",))
    await walk(chat, MEMBER, shown, "settings:all")
    assert (await wish(chat, MEMBER)).narrowing == Narrowing()


async def test_words_of_somebody_without_a_subscription_begin_one(chat: World) -> None:
    assert "banjir" in await chat.tell(MEMBER, "/pengaturan kata banjir")
    assert (await wish(chat, MEMBER)).narrowing.keywords == ("banjir",)
    await chat.tell(STRANGER, "/pengaturan kata")
    assert await wish(chat, STRANGER) is None


async def test_words_that_hold_nothing_or_are_too_many_are_refused_in_words(chat: World) -> None:
    assert "tidak dapat dipakai" in await chat.tell(MEMBER, "/pengaturan kata ***")
    many = " ".join(f"kata{number}" for number in range(41))
    assert "terlalu banyak" in await chat.tell(MEMBER, f"/pengaturan kata {many}")
    assert await wish(chat, MEMBER) is None


async def test_the_longest_wishes_still_fit_into_a_message(chat: World) -> None:
    await chat.publish(
        *(entry(number, title=f"satu {number} " + "judul " * 30) for number in range(1, 25))
    )
    tags = ", ".join(f'"{"t" * 60}{number}"' for number in range(30))
    await chat.say(MEMBER, MEMBER, f"/langganan {tags}")
    for first in (0, 5):
        words = ", ".join(f"{'k' * 60}{number}" for number in range(first, first + 5))
        assert len(await chat.say(MEMBER, MEMBER, f"/pengaturan kata satu, {words}")) == 1
    (shown,) = await chat.say(MEMBER, MEMBER, "/pengaturan")
    await walk(chat, MEMBER, shown, "settings:what")
    assert "Dari 20 berita terakhir, 20 akan datang" in text_of(shown)
    assert [call for call in chat.failures() if call.method != "getUpdates"] == []


async def test_a_zone_is_typed_or_pressed(chat: World) -> None:
    shown = await opened(chat, ADMIN)
    await walk(chat, ADMIN, shown, "settings:when", "settings:zone", "settings:zone:Asia/Makassar")
    assert "Asia/Makassar" in text_of(shown)
    assert "Europe/Berlin" in await chat.tell(ADMIN, "/settings zone berlin")
    assert (await chat.store.find_chat(ADMIN)).zone == "Europe/Berlin"
    assert "know no time zone" in await chat.tell(ADMIN, "/settings zone Atlantis")


async def test_keywords_and_digests_decide_what_is_delivered(chat: World) -> None:
    await chat.say(MEMBER, MEMBER, "/pengaturan kata banjir")
    shown = await opened(chat, ADMIN)
    await walk(chat, ADMIN, shown, "settings:when", "settings:pace:hourly")
    stories = await chat.publish(entry(1, title="Banjir"), entry(2, title="Kering"))
    before = len(chat.sandbox.sent(ADMIN))
    for story in stories:
        await chat.send_story(story)
    await chat.deliver()
    assert text_of(chat.sandbox.sent(MEMBER)[-1]).startswith("Banjir")
    assert len(chat.sandbox.sent(ADMIN)) == before
    due = await chat.store.list_due_digests(chat.clock() + timedelta(hours=1), 5)
    assert [story.title for story in due[0].stories] in (["Kering", "Banjir"], ["Banjir", "Kering"])


async def test_only_administrators_change_the_settings_of_a_group(chat: World) -> None:
    await chat.say(ADMIN, GROUP, "/subscribe")
    (shown,) = await chat.say(ADMIN, GROUP, "/settings")
    pressed = await chat.press(MEMBER, shown, "settings:when")
    assert pressed.answer["show_alert"]
    (refusal,) = await chat.say(MEMBER, GROUP, "/settings words banjir")
    assert "admin" in text_of(refusal)
    await walk(chat, ADMIN, shown, "settings:when", "settings:pace:daily")
    assert (await wish(chat, GROUP)).rhythm.pace is Pace.DAILY
    assert (await wish(chat, GROUP)).narrowing == Narrowing()


async def test_a_channels_settings_are_changed_from_a_private_chat(chat: World) -> None:
    (shown,) = await chat.say(ADMIN, ADMIN, "/settings @kabar")
    assert "Subscription: none" in text_of(shown)
    await walk(chat, ADMIN, shown, f"settings:@{CHANNEL}:begin")
    changes = "when pace:daily hour:6 home quiet quiet:22-6 home look preview:none home silent:on"
    await walk(chat, ADMIN, shown, *(f"settings:@{CHANNEL}:{change}" for change in changes.split()))
    found = await wish(chat, CHANNEL)
    assert found.rhythm == Rhythm(Pace.DAILY, 6, quiet_from=22, quiet_until=6)
    assert (found.silent, found.preview) == (True, Preview.NONE)
    assert "@kabar" in text_of(shown).lower()
    assert await wish(chat, ADMIN) is None
    assert "@Kabar" in await chat.tell(ADMIN, "/settings @Kabar words banjir -iklan")
    assert (await wish(chat, CHANNEL)).narrowing == Narrowing(("banjir",), ("iklan",))
    await walk(chat, ADMIN, shown, f"settings:@{CHANNEL}:end")
    assert await wish(chat, CHANNEL) is None
    assert all(len(data.encode()) <= 64 for data in callbacks_of(shown))


async def test_nobody_else_sees_or_changes_a_channels_settings(chat: World) -> None:
    for user in (MEMBER, STRANGER):
        assert "Hanya admin" in await chat.tell(user, "/pengaturan @kabar")
        assert "Hanya admin" in await chat.tell(user, "/pengaturan @kabar kata banjir")
    (shown,) = await chat.say(ADMIN, ADMIN, "/settings @kabar")
    chat.sandbox.set_member(CHANNEL, ADMIN, Member("member"), ADMIN)
    pressed = await chat.press(ADMIN, shown, f"settings:@{CHANNEL}:begin")
    assert pressed.answer["show_alert"]
    assert await wish(chat, CHANNEL) is None


async def test_stop_deletes_what_is_known_of_a_reader_and_says_so(chat: World) -> None:
    (story,) = await chat.publish(entry(1))
    shown = await opened(chat, MEMBER)
    await walk(chat, MEMBER, shown, "settings:language:en")
    await chat.send_story(story)
    await chat.deliver()
    await chat.say(MEMBER, MEMBER, "/settings words banjir")
    assert "deleted" in await chat.tell(MEMBER, "/stop")
    assert await wish(chat, MEMBER) is None
    lines = [line async for line in export_lines(chat.store)]
    assert not any(str(MEMBER) in line for line in lines)
    reached = await chat.store.count_reached(story.id)
    assert reached == 1
    assert "Selesai" in await chat.tell(STRANGER, "/setop")
    assert "/stop" in await chat.tell(ADMIN, "/help")
    assert "Setiap berita baru" in await chat.tell(MEMBER, "/langganan")


async def test_only_administrators_stop_a_group(chat: World) -> None:
    await chat.say(ADMIN, GROUP, "/subscribe")
    (refusal,) = await chat.say(MEMBER, GROUP, "/stop")
    assert "admin" in text_of(refusal)
    assert await wish(chat, GROUP) is not None
    (answer,) = await chat.say(ADMIN, GROUP, "/stop")
    assert "deleted" in text_of(answer)
    assert await wish(chat, GROUP) is None


PRESSES = st.sampled_from(
    ["pace", "hour", "day", "quiet", "urgent", "zone", "tag", "drop", "preview", "silent", "@1"]
)


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(verb=PRESSES, value=st.text(max_size=20), words=st.text(max_size=60))
async def test_any_press_and_any_words_are_answered(
    chat: World, verb: str, value: str, words: str
) -> None:
    body = {
        "update_id": 100_000 + len(chat.inbox.order),
        "callback_query": {
            "id": "77",
            "from": {"id": MEMBER, "is_bot": False, "first_name": "B", "language_code": "id"},
            "message": {"message_id": 5, "date": 1, "chat": {"id": MEMBER, "type": "private"}},
            "chat_instance": "1",
            "data": f"settings:{verb}:{value}"[:64],
        },
    }
    await chat.inbox.accept([body])
    await chat.inbox.wait_for({body["update_id"]})
    answers = [call for call in chat.sandbox.calls if call.method == "answerCallbackQuery"]
    assert answers
    line = " ".join(words.split())
    said = await chat.say(MEMBER, MEMBER, f"/pengaturan kata {line}")
    assert len(said) == 1


@pytest.mark.parametrize("user", [ADMIN, MEMBER])
async def test_no_page_of_the_settings_has_a_gap_in_it(chat: World, user: int) -> None:
    shown = await opened(chat, user)
    await chat.say(user, user, '/settings words banjir, "dapur umum" -iklan')
    assert "\n\n\n" not in text_of(chat.sandbox.sent(user)[-1])
    await walk(chat, user, shown, "settings:quiet", "settings:quiet:22-6")
    for page in ("home", "what", "home", "when", "zone", "home", "quiet", "home", "look", "home"):
        await walk(chat, user, shown, f"settings:{page}")
        assert "\n\n\n" not in text_of(shown), page
    assert "\n\n" not in text_of(shown).split("\n\n", 1)[1]
