"""Readers' commands in private chats, in both languages, over the sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from chatting import (
    START,
    buttons_of,
    callbacks_of,
    links_of,
    many,
    text_of,
    turns_of,
    world,
)
from factories import entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.chat.stories import address_in
from bot.errors import FetchError
from bot.sandbox.faults import Fault
from bot.text import utf16_length
from bot.types import Click, ClickKind, Platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

BUDI, JANE = 5_000_001, 5_000_002
ANY_TEXT = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300
) | st.sampled_from(['"', "'", "AND", "a AND", "NEAR(", "*", "-", "^a", "…", "#", "(a", "\u202e"])
OFTEN = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


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


async def test_a_reader_of_another_language_is_answered_in_the_locale(chat: World) -> None:
    chat.sandbox.add_user("Anne", user_id=7, language_code="fr")
    chat.sandbox.add_user("Noname", user_id=8, language_code="")
    assert (await chat.tell(7, "/start")).startswith("Halo!")
    assert (await chat.tell(8, "/start")).startswith("Halo!")


@pytest.mark.parametrize("command", ["/help", "/bantuan", "/HELP", "/help@sebar_bot"])
async def test_help_lists_every_command_and_the_persons_id(chat: World, command: str) -> None:
    answer = await chat.tell(BUDI, command)
    for name in ("terbaru", "cari", "terkait", "bagikan", "populer", "langganan", "berhenti"):
        assert f"/{name}" in answer
    for name in ("latest", "search", "related", "share", "popular", "subscribe", "unsubscribe"):
        assert f"/{name}" in answer
    assert f"ID Anda: {BUDI}" in answer
    assert "Privasi" in answer
    assert "siarkan" not in answer


async def test_a_command_to_another_bot_and_an_edited_one_are_not_ours(chat: World) -> None:
    assert await chat.say(BUDI, BUDI, "/start@another_bot") != []
    chat.sandbox.add_supergroup("Warga", BUDI, chat_id=-1001)
    chat.sandbox.add_bot(-1001, BUDI)
    await chat.settled()
    assert await chat.say(BUDI, -1001, "/latest@another_bot") == []
    post = chat.sandbox.say(BUDI, BUDI, "halo")
    await chat.settled()
    before = len(chat.sandbox.sent(BUDI))
    chat.sandbox.edit_said(BUDI, post.id, "/help")
    await chat.settled()
    assert len(chat.sandbox.sent(BUDI)) == before


@pytest.mark.parametrize("text", ["halo", "/entah", "/broadcast", "/siarkan x", "/draf", "🙂"])
async def test_what_is_not_understood_gets_the_same_sentence(chat: World, text: str) -> None:
    answer = await chat.tell(BUDI, text)
    assert answer == await chat.tell(BUDI, "apa saja")
    assert "/bantuan" in answer


async def test_latest_shows_five_stories_with_link_time_and_section(chat: World) -> None:
    await chat.publish(*many(6))
    (answer,) = await chat.say(BUDI, BUDI, "/terbaru")
    assert links_of(answer) == [f"https://kabar.example/berita-{n}/" for n in range(1, 6)]
    assert "1. Berita nomor 1 · 1 menit lalu · Tangerang\n2. Berita" in text_of(answer)
    assert turns_of(answer) == ["latest::5x5@6"]


@pytest.mark.parametrize(
    ("words", "shown"), [("1", 1), ("3", 3), ("20", 20), ("99", 20), ("0", 1), ("٣", 3)]
)
async def test_latest_takes_a_number_up_to_twenty(chat: World, words: str, shown: int) -> None:
    await chat.publish(*many(22))
    (answer,) = await chat.say(BUDI, BUDI, f"/latest {words}")
    assert len(links_of(answer)) == shown


async def test_latest_pages_older_and_newer_in_the_same_message(chat: World) -> None:
    await chat.publish(*many(12))
    (answer,) = await chat.say(JANE, JANE, "/latest")
    older = await chat.press(JANE, answer, "latest::5x5@12")
    assert older.answer == {}
    assert links_of(answer)[0] == "https://kabar.example/berita-6/"
    assert "\n6. Berita" in text_of(answer)
    assert turns_of(answer) == ["latest::0x5", "latest::10x5@12"]
    await chat.press(JANE, answer, "latest::10x5@12")
    assert len(links_of(answer)) == 2
    assert turns_of(answer) == ["latest::5x5@12"]
    assert len(chat.sandbox.sent(JANE)) == 1


async def test_latest_of_a_tag_ignores_case_and_the_hash(chat: World) -> None:
    await chat.publish(entry(1, tags=("Kota Tangerang",)), entry(2, tags=("Politik",)))
    (answer,) = await chat.say(BUDI, BUDI, "/latest #kota  tangerang")
    assert links_of(answer) == ["https://kabar.example/berita-1/"]


async def test_an_unknown_tag_is_named_and_known_ones_are_offered(chat: World) -> None:
    await chat.publish(entry(1, tags=("Politik",)))
    (answer,) = await chat.say(BUDI, BUDI, "/latest olahraga")
    assert "olahraga" in text_of(answer)
    assert callbacks_of(answer) == [
        "latest::0x5",
        "latest:Politik:0x5",
        "search:olahraga:0x5",
    ]
    await chat.press(BUDI, answer, "latest:Politik:0x5")
    assert links_of(answer) == ["https://kabar.example/berita-1/"]


async def test_a_long_tag_pages_though_its_name_does_not_fit_a_button(chat: World) -> None:
    tag = "Pemilihan Kepala Daerah Serentak Provinsi Banten Tahun Dua Ribu Dua Puluh Empat"
    await chat.publish(*many(7, tags=(tag,)))
    (answer,) = await chat.say(BUDI, BUDI, f"/latest {tag}")
    (data,) = turns_of(answer)
    assert len(data.encode()) <= 64
    await chat.press(BUDI, answer, data)
    assert len(links_of(answer)) == 2
    (data,) = turns_of(answer)
    await chat.press(BUDI, answer, data)
    assert len(links_of(answer)) == 5


async def test_latest_says_when_there_is_nothing_yet(chat: World) -> None:
    assert "Belum ada berita" in await chat.tell(BUDI, "/latest")
    assert "no stories yet" in await chat.tell(JANE, "/popular")
    assert "Belum ada berita dengan tag" in await chat.tell(BUDI, "/latest politik")


async def test_twenty_stories_with_huge_titles_and_links_make_one_message(
    chat: World,
) -> None:
    hostile = [
        entry(n, title="<b>&" * 400, url=f"https://kabar.example/{n}/?" + "a&" * 900, guid=str(n))
        for n in range(20)
    ]
    await chat.publish(*hostile)
    (answer,) = await chat.say(BUDI, BUDI, "/latest 20")
    assert "\n20. <b>" in text_of(answer)
    assert chat.failures() == []


async def test_search_finds_all_words_before_any(chat: World) -> None:
    await chat.publish(
        entry(1, title="Banjir di Ciledug"), entry(2, title="Banjir di Serang"), entry(3)
    )
    (answer,) = await chat.say(BUDI, BUDI, "/cari banjir serang")
    assert links_of(answer) == ["https://kabar.example/berita-2/"]
    (either,) = await chat.say(BUDI, BUDI, "/search banjir jakarta")
    assert len(links_of(either)) == 2
    assert "Ini yang memuat sebagian.\nTidak ditemukan: jakarta." in text_of(either)
    assert "Tidak ada berita" in await chat.tell(BUDI, "/search gempa")
    assert "/cari banjir" in await chat.tell(BUDI, "/cari")


async def test_search_says_which_word_it_took_for_another(chat: World) -> None:
    await chat.publish(*many(7, title="Banjir di Ciledug"))
    (answer,) = await chat.say(BUDI, BUDI, "/cari banjri ciledug")
    assert text_of(answer).startswith(
        "Hasil untuk banjri ciledug · 1–5 / 7\nSaya mencari banjir, bukan banjri.\n\n1. Banjir"
    )
    await chat.press(BUDI, answer, turns_of(answer)[0])
    assert "· 6–7 / 7\n" in text_of(answer)
    assert len(links_of(answer)) == 2
    english = await chat.tell(JANE, "/search banjri")
    assert "I searched for banjir, not banjri." in english


async def test_a_withdrawn_story_is_found_no_more(chat: World) -> None:
    await chat.publish(entry(1, title="Banjir di Ciledug"))
    await chat.store._database.run(lambda tx: tx.execute("UPDATE stories SET withdrawn_at = 1"))
    assert "Tidak ada berita" in await chat.tell(BUDI, "/search banjir")
    assert "Belum ada berita" in await chat.tell(BUDI, "/latest")


async def test_a_long_search_pages_with_the_words_of_its_message(chat: World) -> None:
    await chat.publish(*many(7, title="Banjir besar melanda kawasan industri"))
    words = "banjir besar melanda kawasan industri dan perumahan warga di seluruh kota"
    (answer,) = await chat.say(BUDI, BUDI, f"/cari {words}")
    (data,) = turns_of(answer)
    assert len(data.encode()) <= 64
    await chat.press(BUDI, answer, data)
    assert len(links_of(answer)) == 2
    assert words in text_of(answer)


@OFTEN
@given(text=ANY_TEXT)
async def test_nothing_that_is_searched_for_fails(chat: World, text: str) -> None:
    await chat.publish(*many(7))
    for command in ("/search", "/latest", "/related", "/share", "/subscribe", "/settings"):
        assert len(await chat.say(BUDI, BUDI, f"{command} {text}")) == 1
    assert [call for call in chat.failures() if call.method != "getChat"] == []


async def test_related_finds_the_same_matter_and_no_junk(chat: World) -> None:
    first, second, _ = await chat.publish(
        entry(1, title="Polres Metro Tangerang Gelar Rakor Lintas Sektoral"),
        entry(2, title="51 Personel Polres Metro Tangerang Kota Naik Pangkat"),
        entry(3, title="Amanda Rawles Bakal Menikah", tags=("Seleb",)),
    )
    (answer,) = await chat.say(BUDI, BUDI, f"/terkait {first.url}?utm_source=x")
    assert links_of(answer) == [second.url]
    assert "Belum ada berita lain" in await chat.tell(
        BUDI, "/related https://kabar.example/berita-3"
    )


async def test_related_reads_a_page_that_is_not_known_and_does_not_store_it(chat: World) -> None:
    await chat.publish(entry(1, title="Rakor Lintas Sektoral Polres Metro Tangerang"))
    page = "https://lain.example/a"
    chat.source.pages[page] = entry(9, title="Polres Metro Tangerang Gelar Rakor", url=page)
    (answer,) = await chat.say(BUDI, BUDI, f"/related {page}")
    assert links_of(answer) == ["https://kabar.example/berita-1/"]
    assert len(await chat.store.list_latest(10)) == 1


async def test_a_page_that_cannot_be_read_gets_kind_words(chat: World) -> None:
    chat.source.pages["https://a.example/404"] = FetchError("HTTP 404", status=404)
    chat.source.pages["https://a.example/lost"] = FetchError("ClientConnectorError: no route")
    assert "404" in await chat.tell(BUDI, "/share https://a.example/404")
    lost = await chat.tell(JANE, "/related https://a.example/lost")
    assert lost.startswith("That page cannot be opened")
    assert "Connector" not in lost
    assert "tidak terbaca sebagai berita" in await chat.tell(BUDI, "https://a.example/home")


async def test_related_and_share_say_how_they_are_used(chat: World) -> None:
    assert "Balas sebuah berita dengan /terkait" in await chat.tell(BUDI, "/related")
    assert "Reply to a story with /share" in await chat.tell(JANE, "/share")


async def sent_story(chat: World, user_id: int) -> tuple[object, object]:
    """A subscriber's delivered story message."""
    (story,) = await chat.publish(entry(1, title="Rakor Lintas Sektoral Polres Metro"))
    await chat.say(user_id, user_id, "/subscribe")
    await chat.send_story(story)
    await chat.deliver()
    return story, chat.sandbox.sent(user_id)[-1]


async def test_a_reply_to_a_story_and_its_button_name_that_story(chat: World) -> None:
    story, post = await sent_story(chat, BUDI)
    await chat.publish(entry(2, title="Polres Metro dan Rakor Sektoral"))
    (answer,) = await chat.say(BUDI, BUDI, "/terkait", reply_to=post.id)
    assert links_of(answer) == ["https://kabar.example/berita-2/"]
    pressed = await chat.press(BUDI, post, f"related:{story.code}")
    assert pressed.answer == {}
    assert links_of(chat.sandbox.sent(BUDI)[-1]) == ["https://kabar.example/berita-2/"]
    assert chat.sandbox.sent(BUDI)[-1].reply_to == post.id
    assert len(await chat.say(BUDI, BUDI, "/bagikan", reply_to=post.id)) == 5


async def test_a_reply_to_a_link_in_a_text_names_that_story(chat: World) -> None:
    await chat.publish(entry(1), entry(2))
    post = chat.sandbox.say(BUDI, BUDI, "bagus: https://kabar.example/berita-2/?fbclid=1")
    await chat.settled()
    answers = await chat.say(BUDI, BUDI, "/share", reply_to=post.id)
    assert "Berita nomor 2" in text_of(answers[0])


async def test_a_deep_link_leads_to_related_stories_texts_or_a_subscription(chat: World) -> None:
    story, _ = await chat.publish(
        entry(1, title="Polres Metro Tangerang"), entry(2, title="Tangerang dan Polres Metro")
    )
    (answer,) = await chat.say(BUDI, BUDI, f"/start related_{story.code}")
    assert links_of(answer) == ["https://kabar.example/berita-2/"]
    assert len(await chat.say(BUDI, BUDI, f"/start share_{story.code}")) == 5
    assert "Setiap berita baru" in await chat.tell(BUDI, "/start subscribe")
    assert (await chat.tell(BUDI, "/start related_nothere")).startswith("Halo!")
    assert (await chat.tell(BUDI, "/start " + "x" * 64)).startswith("Halo!")


async def test_share_gives_four_texts_then_links_and_copy(chat: World) -> None:
    await chat.publish(entry(1, title="<Judul> & *tebal*"))
    answers = await chat.say(JANE, JANE, "/share https://kabar.example/berita-1/")
    kinds = [[entity["type"] for entity in post.content.text.entities] for post in answers[:4]]
    assert all("pre" in kind for kind in kinds)
    assert [text_of(post).split("\n")[0] for post in answers[:4]] == [
        "Telegram",
        "WhatsApp",
        "LINE",
        "Plain text",
    ]
    assert "<Judul> & *tebal*" in text_of(answers[0])
    labels = [button["text"] for button in buttons_of(answers[4])]
    assert labels == ["Facebook", "X", "WhatsApp", "Telegram", "LINE", "Threads", "Copy link"]
    assert buttons_of(answers[4])[-1]["copy_text"] == {"text": "https://kabar.example/berita-1/"}
    assert chat.failures() == []


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("https://a.example/b.", "https://a.example/b"),
        ("(lihat https://a.example/b).", "https://a.example/b"),
        ("https://a.example/b_(c)", "https://a.example/b_(c)"),
        ("HTTPS://a.example/", "HTTPS://a.example/"),
        ("a.example/b lagi", "https://a.example/b"),
        ("lihat a.example/b", ""),
        ("3.5", ""),
        ("10.000 orang", ""),
        ("@kanal", ""),
        ("https://", ""),
        ("", ""),
    ],
)
def test_an_address_is_found_in_words(words: str, address: str) -> None:
    assert address_in(words) == address


async def test_a_pasted_address_is_a_wish_to_share(chat: World) -> None:
    await chat.publish(entry(1))
    assert len(await chat.say(BUDI, BUDI, "lihat https://kabar.example/berita-1/")) == 5


async def test_what_was_inserted_by_inline_mode_is_not_answered(chat: World) -> None:
    await chat.publish(entry(1))
    chat.sandbox.users[BUDI].started = True
    asked = chat.sandbox.ask_inline(BUDI, "")
    await chat.settled()
    chat.sandbox.choose(asked.id, asked.answer["results"][0]["id"], BUDI)
    await chat.settled()
    assert chat.sandbox.sent(BUDI) == []


@pytest.mark.parametrize("chars", [0, 300, 20_000])
async def test_hostile_stories_can_be_shared(chat: World, chars: int) -> None:
    await chat.publish(entry(1, title="&<\"'`*_" * (chars // 7), summary="kata & " * chars))
    answers = await chat.say(BUDI, BUDI, "/share https://kabar.example/berita-1/")
    assert len(answers) >= 5
    assert all(utf16_length(text_of(post)) <= 4096 for post in answers)
    assert chat.failures() == []


async def test_popular_shows_the_latest_until_readers_are_counted(chat: World) -> None:
    story, _ = await chat.publish(entry(1), entry(2))
    answer = await chat.tell(BUDI, "/populer")
    assert "belum dihitung" in answer
    assert "Berita nomor 1" in answer
    clicks = [Click(story.id, Platform.WHATSAPP, ClickKind.READER)]
    now = chat.clock()
    await chat.store.count_clicks(clicks, now.date(), now)
    answer = await chat.tell(BUDI, "/populer")
    assert "dihitung" not in answer
    assert "Berita nomor 1" in answer
    assert "Berita nomor 2" not in answer


async def test_a_failure_gets_kind_words_and_no_exception(chat: World) -> None:
    chat.sandbox.faults.plan(Fault(method="sendMessage", code=400, description="Bad Request: x"))
    (answer,) = await chat.say(JANE, JANE, "/help")
    assert text_of(answer).startswith("Sorry, that did not work")


async def test_a_group_where_the_bot_may_not_speak_stays_open(
    chat: World, caplog: pytest.LogCaptureFixture
) -> None:
    chat.sandbox.add_supergroup("Sunyi", BUDI, chat_id=-1001)
    chat.sandbox.mute(-1001)
    chat.sandbox.add_bot(-1001, BUDI)
    await chat.say(BUDI, -1001, "/help")
    assert (await chat.store.find_chat(-1001)).closed_at is None
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_server_that_asks_to_wait_is_obeyed_and_answered(chat: World) -> None:
    chat.sandbox.faults.plan(Fault(method="sendMessage", code=429, retry_after=1))
    assert "/bantuan" in await chat.tell(BUDI, "/start")


async def test_a_reader_who_blocks_closes_the_chat_quietly_and_start_reopens_it(
    chat: World,
) -> None:
    await chat.say(BUDI, BUDI, "/langganan")
    chat.sandbox.faults.plan(
        Fault(method="sendMessage", code=403, description="Forbidden: bot was blocked by the user")
    )
    assert await chat.say(BUDI, BUDI, "/help") == []
    record = await chat.store.find_chat(BUDI)
    assert record.closed_at is not None
    await chat.say(BUDI, BUDI, "/start")
    record = await chat.store.find_chat(BUDI)
    assert record.closed_at is None
    assert await chat.store.find_subscription(record.id, 0) is not None


async def test_no_name_of_a_reader_is_kept(chat: World) -> None:
    chat.sandbox.users[BUDI].username = "budi_pembaca"
    await chat.say(BUDI, BUDI, "/start")
    record = await chat.store.find_chat(BUDI)
    assert (record.title, record.username, record.language) == (None, None, "id")


async def test_times_follow_the_clock(chat: World) -> None:
    await chat.publish(entry(1, published_at=START - timedelta(hours=2)))
    assert "2 hours ago" in await chat.tell(JANE, "/latest")
