"""Every command and button as everybody meets them, and any text whatsoever: always an answer."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from chatting import buttons_of, callbacks_of, chosen_of, many, text_of, turns_of, world
from factories import entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.chat import commands
from bot.sandbox.faults import Fault
from bot.sandbox.refusals import Refusal
from bot.text import utf16_length

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

    from bot.sandbox.records import Post

READER, ADMIN, MEMBER, STRANGER, EDITOR = range(5_000_001, 5_000_006)
GROUP, CHANNEL, ELSEWHERE = -1001, -1002, -1003
READERS = {"start", "latest", "search", "related", "share", "popular", "help"}
OWN = {"subscribe", "unsubscribe", "settings"}
STORY = "https://kabar.example/berita-1/"
WORDS = {
    "latest": "tangerang",
    "search": "banjir",
    "related": STORY,
    "share": STORY,
    "subscribe": "tangerang",
    "unsubscribe": "tangerang",
}
INDONESIAN, ENGLISH = "id", "en"
# Words that are in every answer of one language, and in none of the other.
TELLING = {
    INDONESIAN: {"berita", "anda", "tidak", "bagikan", "langganan", "pengaturan", "setiap"},
    ENGLISH: {"story", "stories", "you", "share", "subscription", "settings", "every", "the"},
}
REPEATED = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HARD = [
    *('"', "'", "AND", "a AND", "NEAR(", "*", "-", "-banjir", '"banjir', "#", "#politik -a", "^a"),
    *("…", "(a", "\u202e", "a:b", "%", "_", "\\", "🇮🇩", "ไทยข่าว", "中文新闻", "हिन्दी", "http://", "://"),
    *("https://kabar.example/berita-1/", "https://[::1", "/", "//", "@sebar_bot", "<b>", "&lt;"),
]  # fmt: skip
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400)
TEXTS = ANY_TEXT | st.lists(st.sampled_from(HARD), min_size=1, max_size=6).map(" ".join)


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[World]:
    """A newsroom with stories, and everybody who may meet its bot."""
    async with world(folder, editors=(EDITOR,)) as chat:
        box = chat.sandbox
        for user_id in (READER, ADMIN, MEMBER, STRANGER, EDITOR):
            box.add_user("B", user_id=user_id, language_code="id")
        box.add_supergroup("Warga", ADMIN, chat_id=GROUP, members=[MEMBER, READER])
        box.add_supergroup("Lain", STRANGER, chat_id=ELSEWHERE)
        box.add_channel("Kabar", ADMIN, chat_id=CHANNEL, username="kabar", members=[READER])
        for chat_id, actor in ((GROUP, ADMIN), (ELSEWHERE, STRANGER), (CHANNEL, ADMIN)):
            box.add_bot(chat_id, actor)
        await chat.settled()
        await chat.publish(
            entry(1, title="Banjir Rendam Ciledug Tangerang", tags=("Tangerang", "Banjir")),
            entry(2, title="Banjir Ciledug Tangerang Mulai Surut", tags=("Tangerang", "Banjir")),
            *many(9)[2:],
        )
        yield chat


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with town(tmp_path) as parts:
        yield parts


def speak(chat: World, language: str) -> None:
    """Let everybody's Telegram be in a language from now on."""
    for user in chat.sandbox.users.values():
        user.language_code = language


def language_of(posts: list[Post]) -> str:
    """The language of what the bot itself says."""
    said = "\n".join([text_of(post) for post in posts])
    said += "\n".join(button["text"] for post in posts for button in buttons_of(post))
    words = set(said.lower().replace(".", " ").replace(",", " ").replace(":", " ").split())
    counts = {name: len(words & telling) for name, telling in TELLING.items()}
    return max(counts, key=lambda name: counts[name])


def every_command() -> list[tuple[commands.Command, str, str]]:
    """Each command under both names, alone and with words."""
    return [
        (command, f"/{name}", words)
        for command in (*commands.READERS, commands.START)
        for name in command.names
        for words in dict.fromkeys(("", WORDS.get(command.english, "")))
    ]


@pytest.mark.parametrize("language", [INDONESIAN, ENGLISH])
async def test_a_reader_is_answered_to_every_command_in_their_language(
    chat: World, language: str
) -> None:
    speak(chat, language)
    for command, name, words in every_command():
        answers = await chat.say(READER, READER, f"{name} {words}")
        assert answers, name
        assert len(answers) <= 5, name
        if command.english != "share" or not words:
            assert language_of(answers) == language, (name, words, text_of(answers[0]))
    assert chat.failures() == []


@pytest.mark.parametrize("language", [INDONESIAN, ENGLISH])
async def test_a_group_hears_one_answer_and_only_its_administrator_changes_it(
    chat: World, language: str
) -> None:
    speak(chat, language)
    for user_id in (ADMIN, MEMBER):
        for command, name, words in every_command():
            answers = await chat.say(user_id, GROUP, f"{name} {words}")
            assert len(answers) == 1, (name, words)
            refused = {"admin", "administrators"} & set(text_of(answers[0]).lower().split())
            if command.english in {"subscribe", "unsubscribe"}:
                assert bool(refused) is (user_id == MEMBER), (name, words, text_of(answers[0]))
    for command in commands.EDITORS:
        for name in command.names:
            assert await chat.say(MEMBER, GROUP, f"/{name} 1") == []
    assert chat.failures() == []


async def test_a_stranger_is_told_of_editors_commands_what_is_told_of_unknown_ones(
    chat: World,
) -> None:
    unknown = await chat.tell(STRANGER, "/entahlah")
    for command in commands.EDITORS:
        for name in command.names:
            assert await chat.tell(STRANGER, f"/{name} 1") == unknown
    listed = await chat.tell(STRANGER, "/help")
    assert not any(f"/{command.indonesian}" in listed for command in commands.EDITORS)


@pytest.mark.parametrize("language", [INDONESIAN, ENGLISH])
async def test_a_reader_walks_through_every_button_of_the_lists(chat: World, language: str) -> None:
    speak(chat, language)
    (latest,) = await chat.say(READER, READER, "/latest")
    seen = set()
    while onward := turns_of(latest)[len(seen) > 0 :]:
        seen.add(text_of(latest))
        await chat.press(READER, latest, onward[0])
    assert len({*seen, text_of(latest)}) == 2
    while back := [data for data in turns_of(latest) if ":0x" in data]:
        await chat.press(READER, latest, back[0])
    for section in [d for d in callbacks_of(latest) if d not in chosen_of(latest)]:
        if section in callbacks_of(latest):
            await chat.press(READER, latest, section)
    assert len(chat.sandbox.sent(READER)) == 1
    await chat.press(READER, latest, chosen_of(latest)[0])
    card = chat.sandbox.sent(READER)[-1]
    for data in callbacks_of(card):
        pressed = await chat.press(READER, card, data)
        assert pressed.answer == {}
    assert chat.failures() == []


async def test_members_press_what_an_administrator_asked_for_and_change_nothing(
    chat: World,
) -> None:
    (settings_page,) = await chat.say(ADMIN, GROUP, "/settings")
    for data in callbacks_of(settings_page):
        pressed = await chat.press(MEMBER, settings_page, data)
        assert pressed.answer is not None
        assert pressed.answer["show_alert"] is True
    record = await chat.store.find_chat(GROUP)
    assert await chat.store.find_subscription(record.id, 0) is None
    (latest,) = await chat.say(ADMIN, GROUP, "/latest")
    for data in callbacks_of(latest)[:7]:
        if data in callbacks_of(latest):
            assert (await chat.press(MEMBER, latest, data)).answer is not None
    assert chat.failures() == []


NUMBERS = itertools.count(100)


async def forge(chat: World, user_id: int, place: int, data: str, message_id: int) -> list[str]:
    """Press a button that is not there; the answers to the press, as their texts and links."""
    number = next(NUMBERS)
    kind = "private" if place > 0 else "channel" if place == CHANNEL else "supergroup"
    where = {"id": place, "type": kind, "title": "X", "first_name": "B"}
    body = {
        "id": str(number),
        "from": {"id": user_id, "is_bot": False, "first_name": "B", "language_code": "id"},
        "message": {"message_id": message_id, "date": 1, "chat": where, "text": "x"},
        "chat_instance": "1",
        "data": data,
    }
    await chat.inbox.accept([{"update_id": number, "callback_query": body}])
    await chat.inbox.wait_for({number})
    answers = [
        call.params
        for call in chat.sandbox.calls
        if call.method == "answerCallbackQuery" and call.params["callback_query_id"] == str(number)
    ]
    return [answer.get("text", "") or answer.get("url", "") for answer in answers]


@pytest.mark.parametrize(
    "data",
    [
        "latest:share:aaaaaaaaaaaa",
        "latest:texts:aaaaaaaaaaaa",
        "latest:share:",
        "latest:share:' OR 1=1 --",
        "related:aaaaaaaaaaaa",
        "search:",
        "share:aaaaaaaaaaaa",
        "send:1",
        "retract:1",
        "schedule:1",
        "cancel:1",
        "latest::x",
        "LATEST::0x5",
        ":",
    ],
)
@pytest.mark.parametrize("place", [READER, GROUP, CHANNEL])
async def test_forged_and_outdated_buttons_do_nothing_and_say_so(
    chat: World, data: str, place: int
) -> None:
    await chat.say(READER, READER, "/start")
    before = {name: len(chat.sandbox.sent(name)) for name in (READER, GROUP, CHANNEL)}
    assert await forge(chat, READER, place, data, 999) == ["Tombol ini sudah tidak berlaku."]
    assert {name: len(chat.sandbox.sent(name)) for name in before} == before


async def test_a_button_below_a_deleted_message_or_of_another_chat_is_borne(chat: World) -> None:
    (latest,) = await chat.say(READER, READER, "/latest")
    code = chosen_of(latest)[0]
    chat.sandbox.erase(latest)
    assert await forge(chat, READER, READER, "latest::5x5@3", latest.id) == [
        "Tombol ini sudah tidak berlaku."
    ]
    assert await forge(chat, READER, READER, "latest::0x5@999999999999999999", 1) != []
    before = len(chat.sandbox.sent(READER))
    assert await forge(chat, READER, ELSEWHERE, code, latest.id) == [
        f"https://t.me/sebar_bot?start=share_{code.rpartition(':')[2]}"
    ]
    assert len(chat.sandbox.sent(READER)) == before


async def test_who_blocked_the_bot_gets_nothing_and_comes_back_by_any_command(chat: World) -> None:
    (latest,) = await chat.say(READER, READER, "/latest")
    chat.sandbox.block(READER)
    await chat.settled()
    assert (await chat.store.find_chat(READER)).closed_at is not None
    pressed = await chat.press(READER, latest, chosen_of(latest)[0])
    assert pressed.answer is not None
    assert await chat.say(READER, READER, "/latest") != []
    assert (await chat.store.find_chat(READER)).closed_at is None


async def test_a_share_that_is_interrupted_says_so_and_floods_nobody(chat: World) -> None:
    await chat.say(READER, READER, "/start")
    chat.sandbox.faults.plan(Fault(method="sendMessage", code=500, times=1))
    answers = await chat.say(READER, READER, f"/share {STORY}")
    assert 1 <= len(answers) <= 5


async def asked_inline(chat: World, text: str) -> dict[str, object]:
    asked = chat.sandbox.ask_inline(READER, text)
    await chat.settled()
    assert asked.answer is not None
    return asked.answer


@REPEATED
@given(text=TEXTS)
async def test_any_text_is_answered_in_private_and_nothing_is_refused(
    chat: World, text: str
) -> None:
    for start in ("/search ", "/cari ", "/related ", "/share ", "/latest ", ""):
        words = f"{start}{text}".strip()
        if not start and text.lstrip().startswith("/"):
            continue
        try:
            answers = await chat.say(READER, READER, words)
        except Refusal:
            continue
        assert 1 <= len(answers) <= 5, words
        for answer in answers:
            assert 0 < utf16_length(text_of(answer)) <= 4_096
            assert "tidak berhasil" not in text_of(answer), words
    await asked_inline(chat, text)
    assert chat.failures() == []


@REPEATED
@given(text=TEXTS)
async def test_plain_words_leave_groups_and_channels_in_peace(chat: World, text: str) -> None:
    chat.sandbox.reads_everything = True
    try:
        answers = await chat.say(MEMBER, GROUP, f"halo {text}")
        posts = await chat.say(ADMIN, CHANNEL, f"halo {text}")
    finally:
        chat.sandbox.reads_everything = False
    assert (answers, posts) == ([], [])


@settings(REPEATED, max_examples=12)
@given(title=TEXTS, words=TEXTS)
async def test_any_story_can_be_listed_found_and_shared(
    chat: World, title: str, words: str
) -> None:
    number = next(NUMBERS)
    (story,) = await chat.publish(entry(number, title=title, summary=words, tags=(words, title)))
    for text in ("/latest 20", f"/share {story.url}", f"/related {story.url}"):
        assert await chat.say(READER, READER, text)
    (latest,) = await chat.say(READER, READER, "/latest")
    for data in callbacks_of(latest):
        if data in callbacks_of(latest):
            assert (await chat.press(READER, latest, data)).answer is not None
    await asked_inline(chat, "")
    assert chat.failures() == []
