"""From lists to single stories: numbers, sections, pages that stay in step, what is shared."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from chatting import (
    START,
    buttons_of,
    callbacks_of,
    chosen_of,
    links_of,
    many,
    text_of,
    turns_of,
    world,
)
from factories import entry

from bot.chat.stories import addresses_inside
from bot.qr import qr_png
from bot.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatting import World

    from bot.sandbox.records import Post
    from bot.types import Story

BUDI, JANE, ADMIN = 5_000_001, 5_000_002, 5_000_003
GROUP, CHANNEL = -1001, -1002
LEADS = "https://t.me/sebar_bot?start="


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as parts:
        box = parts.sandbox
        box.add_user("Budi", user_id=BUDI, language_code="id")
        box.add_user("Jane", user_id=JANE, language_code="en")
        box.add_user("Ana", user_id=ADMIN, language_code="id")
        box.add_supergroup("Warga", ADMIN, chat_id=GROUP, members=[BUDI, JANE])
        box.add_channel("Kabar", ADMIN, chat_id=CHANNEL, username="kabar", members=[BUDI])
        for chat_id in (GROUP, CHANNEL):
            box.add_bot(chat_id, ADMIN)
        await parts.settled()
        yield parts


async def withdraw(chat: World, story: Story) -> None:
    await chat.store._database.run(
        lambda tx: tx.execute("UPDATE stories SET withdrawn_at = 1 WHERE id = :id", id=story.id)
    )


async def test_a_number_below_a_list_gives_that_story_ready_to_share(chat: World) -> None:
    stories = await chat.publish(*many(7))
    (latest,) = await chat.say(BUDI, BUDI, "/terbaru")
    assert chosen_of(latest) == [f"latest:share:{story.code}" for story in stories[:5]]
    pressed = await chat.press(BUDI, latest, chosen_of(latest)[2])
    assert pressed.answer == {}
    card = chat.sandbox.sent(BUDI)[-1]
    sheet = chat.desk.renderer.share_sheet(stories[2])
    assert text_of(card) == sheet.message.text
    assert card.reply_to == latest.id
    labels = [button["text"] for button in buttons_of(card)]
    assert labels[:6] == ["Facebook", "X", "WhatsApp", "Telegram", "LINE", "Salin tautan"]
    assert callbacks_of(card) == [
        f"related:{stories[2].code}",
        f"latest:texts:{stories[2].code}",
    ]
    await chat.press(BUDI, card, callbacks_of(card)[1])
    assert len(chat.sandbox.sent(BUDI)) == 2 + 5
    assert chat.failures() == []


async def test_in_a_group_numbers_lead_to_the_private_chat(chat: World) -> None:
    (story,) = await chat.publish(entry(1))
    (latest,) = await chat.say(JANE, GROUP, "/latest")
    before = len(chat.sandbox.sent(GROUP))
    pressed = await chat.press(JANE, latest, chosen_of(latest)[0])
    assert pressed.answer == {"url": f"{LEADS}share_{story.code}"}
    assert len(chat.sandbox.sent(GROUP)) == before
    assert len(await chat.say(JANE, JANE, f"/start share_{story.code}")) == 5


async def test_share_in_a_group_is_one_message_that_leads_to_the_texts(chat: World) -> None:
    (story,) = await chat.publish(entry(1))
    for words in (story.url, story.code):
        (card,) = await chat.say(JANE, GROUP, f"/share {words}")
        assert text_of(card) == chat.desk.renderer.share_sheet(story).message.text
        assert buttons_of(card)[-1] == {
            "text": "📋 Texts to copy",
            "url": f"{LEADS}share_{story.code}",
        }


async def test_lists_in_a_channel_have_no_buttons(chat: World) -> None:
    await chat.publish(*many(7))
    (latest,) = await chat.say(ADMIN, CHANNEL, "/latest")
    assert buttons_of(latest) == []
    assert "Tekan" not in text_of(latest)
    assert len(links_of(latest)) == 5


async def test_later_pages_stay_in_step_though_new_stories_came(chat: World) -> None:
    await chat.publish(*many(12))
    (answer,) = await chat.say(BUDI, BUDI, "/latest")
    await chat.publish(entry(50, published_at=START), entry(51, published_at=START))
    await chat.press(BUDI, answer, turns_of(answer)[-1])
    assert links_of(answer)[0] == "https://kabar.example/berita-6/"
    await chat.press(BUDI, answer, turns_of(answer)[0])
    assert links_of(answer)[0] == "https://kabar.example/berita-50/"


async def test_a_page_that_is_gone_becomes_the_first_one(chat: World) -> None:
    stories = await chat.publish(*many(8))
    (answer,) = await chat.say(BUDI, BUDI, "/latest")
    for story in stories[:4]:
        await withdraw(chat, story)
    (data,) = turns_of(answer)
    assert (await chat.press(BUDI, answer, data)).answer == {}
    assert links_of(answer) == [story.url for story in stories[4:]]
    assert "1. Berita" in text_of(answer)


async def test_when_every_story_is_gone_a_page_says_so(chat: World) -> None:
    stories = await chat.publish(*many(6))
    (latest,) = await chat.say(BUDI, BUDI, "/latest")
    (found,) = await chat.say(BUDI, BUDI, "/cari berita")
    for story in stories:
        await withdraw(chat, story)
    await chat.press(BUDI, latest, turns_of(latest)[0])
    assert text_of(latest).startswith("Belum ada berita")
    await chat.press(BUDI, found, turns_of(found)[0])
    assert text_of(found).startswith("Tidak ada berita untuk berita")
    assert chat.failures() == []


async def test_a_withdrawn_story_is_neither_shared_nor_related(chat: World) -> None:
    first, second = await chat.publish(
        entry(1, title="Banjir Ciledug Tangerang"), entry(2, title="Banjir Tangerang Ciledug surut")
    )
    (latest,) = await chat.say(JANE, JANE, "/latest")
    await withdraw(chat, first)
    pressed = await chat.press(JANE, latest, chosen_of(latest)[0])
    assert pressed.answer == {
        "text": "This story has been withdrawn by the newsroom.",
        "show_alert": True,
    }
    for text in (
        f"/share {first.url}",
        f"/related {first.url}",
        first.url,
        f"/start share_{first.code}",
    ):
        answer = await chat.tell(JANE, text)
        assert "withdrawn" in answer
        assert first.title not in answer
    (related,) = await chat.say(JANE, JANE, f"/related {second.url}")
    assert first.url not in links_of(related)


async def test_sections_are_offered_as_stories_spell_them_and_lead_back(chat: World) -> None:
    await chat.publish(
        entry(1, tags=("Politik",)),
        entry(2, tags=("politik", "DKI Jakarta")),
        entry(3, tags=("Politik",)),
    )
    (answer,) = await chat.say(BUDI, BUDI, "/latest")
    sections = [data for data in callbacks_of(answer) if data not in chosen_of(answer)]
    assert sections == ["latest:Politik:0x5", "latest:DKI Jakarta:0x5"]
    await chat.press(BUDI, answer, "latest:DKI Jakarta:0x5")
    assert text_of(answer).startswith("Berita terbaru: DKI Jakarta\n")
    assert len(links_of(answer)) == 1
    labels = [button["text"] for button in buttons_of(answer)]
    assert labels == ["1", "Semua", "Politik", "• DKI Jakarta"]
    await chat.press(BUDI, answer, "latest::0x5")
    assert len(links_of(answer)) == 3
    assert len(chat.sandbox.sent(BUDI)) == 1


@pytest.mark.parametrize(
    ("words", "heading", "shown"),
    [
        ("politik", "Politik", 5),
        ("#POLITIK", "Politik", 5),
        ("politik 3", "Politik", 3),
        ("politik 99", "Politik", 8),
        ('"politik" 2', "Politik", 2),
        ("pemilu 2024", "Pemilu 2024", 5),
        ("pemilu 2024 2", "Pemilu 2024", 2),
        ("2024", "", 8),
        ("1945", "1945", 5),
    ],
)
async def test_latest_takes_a_section_and_a_number(
    chat: World, words: str, heading: str, shown: int
) -> None:
    await chat.publish(*many(8, tags=("Politik", "Pemilu 2024", "1945")))
    (answer,) = await chat.say(BUDI, BUDI, f"/terbaru {words}")
    title = f"Berita terbaru: {heading}" if heading else "Berita terbaru"
    assert text_of(answer).split("\n")[0] == title
    assert len(links_of(answer)) == shown


async def test_times_are_as_readers_say_them(chat: World) -> None:
    await chat.publish(
        entry(1, published_at=START - timedelta(minutes=15)),
        entry(2, published_at=START - timedelta(hours=22, minutes=20)),
        entry(3, published_at=START.replace(year=2025, month=2, day=12, hour=8, minute=31)),
    )
    indonesian = await chat.tell(BUDI, "/terbaru")
    for time in ("15 menit lalu", "kemarin 18.40", "Rabu, 12 Februari 2025 - 15:31 WIB"):
        assert f" · {time} · Tangerang" in indonesian
    english = await chat.tell(JANE, "/latest")
    for time in ("15 minutes ago", "yesterday 18:40", "Wednesday, 12 February 2025, 15:31 WIB"):
        assert f" · {time} · Tangerang" in english


async def test_where_nothing_is_related_the_newest_of_the_section_are_offered(chat: World) -> None:
    await chat.publish(
        entry(1, title="Amanda Rawles Bakal Menikah", tags=("Seleb",)),
        entry(2, title="Konser Dibatalkan", tags=("Seleb",)),
        entry(3, title="Harga Beras Naik", tags=("Ekonomi",)),
    )
    (answer,) = await chat.say(BUDI, BUDI, "/terkait https://kabar.example/berita-1/")
    assert "Belum ada berita lain yang terkait" in text_of(answer)
    assert "Yang terbaru di Seleb:" in text_of(answer)
    assert links_of(answer) == ["https://kabar.example/berita-2/"]
    page = "https://lain.example/a"
    chat.source.pages[page] = entry(9, title="Kuliner Padang", url=page, tags=("Resep",))
    (answer,) = await chat.say(JANE, JANE, f"/related {page}")
    assert "The latest stories:" in text_of(answer)
    assert len(links_of(answer)) == 3


@pytest.mark.parametrize(
    "address",
    [
        "http://kabar.example/berita-2/",
        "https://m.kabar.example/berita-2",
        "https://www.kabar.example/berita-2/amp/",
        "https://kabar.example/berita-2/?amp=1&utm_source=wa&fbclid=x",
        "kabar.example/berita-2/#comments",
        "HTTPS://KABAR.EXAMPLE/berita-2/?gclid=1",
        "https://sebar.example/s/{code}",
        "https://sebar.example/share/{code}",
    ],
)
async def test_every_form_of_an_address_names_its_story(chat: World, address: str) -> None:
    _, story = await chat.publish(entry(1), entry(2))
    (_, *_rest) = await chat.say(BUDI, BUDI, f"/share {address.format(code=story.code)}")
    assert "Berita nomor 2" in text_of(chat.sandbox.sent(BUDI)[0])
    assert chat.source.read == []


PERSON = {"id": BUDI, "is_bot": False, "first_name": "B", "language_code": "id"}
PLACE = {"id": BUDI, "type": "private", "first_name": "B"}


async def command(chat: World, text: str, **fields: object) -> list[Post]:
    """What is answered to a command whose message has more fields than the sandbox gives one."""
    body = {
        "message_id": 7,
        "date": 1,
        "chat": PLACE,
        "from": PERSON,
        "text": text,
        "entities": [{"type": "bot_command", "offset": 0, "length": len(text)}],
        **fields,
    }
    chat.sandbox.users[BUDI].started = True
    await chat.inbox.accept([{"update_id": 7, "message": body}])
    await chat.inbox.wait_for({7})
    return chat.sandbox.sent(BUDI)


def post(**fields: object) -> dict[str, object]:
    """A message of somebody as Telegram tells of it."""
    return {"message_id": 6, "date": 1, "chat": PLACE, "from": PERSON, **fields}


FACEBOOK = "https://www.facebook.com/sharer/sharer.php?u=https%3A%2F%2Fkabar.example%2Fberita-2%2F"


@pytest.mark.parametrize(
    "fields",
    [
        {
            "text": "Baca",
            "entities": [
                {
                    "type": "text_link",
                    "offset": 0,
                    "length": 4,
                    "url": "https://kabar.example/berita-2/?utm_source=telegram",
                }
            ],
        },
        {
            "photo": [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}],
            "caption": "kabar.example/berita-2",
            "caption_entities": [{"type": "url", "offset": 0, "length": 22}],
        },
        {"text": "x", "link_preview_options": {"url": "https://kabar.example/berita-2/"}},
        {
            "text": "x",
            "reply_markup": {
                "inline_keyboard": [[{"text": "f", "url": FACEBOOK}]],
            },
        },
        {
            "text": "x",
            "reply_markup": {
                "inline_keyboard": [
                    [{"text": "c", "copy_text": {"text": "https://kabar.example/berita-2/"}}]
                ]
            },
        },
        {
            "text": "x",
            "reply_markup": {
                "inline_keyboard": [[{"text": "Baca", "url": "http://kabar.example/berita-2"}]]
            },
        },
    ],
)
async def test_a_story_is_known_by_a_link_hidden_in_its_message(
    chat: World, fields: dict[str, object]
) -> None:
    await chat.publish(entry(1), entry(2))
    (answer,) = await command(chat, "/terkait", reply_to_message=post(**fields))
    assert "erkait dengan Berita nomor 2" in text_of(answer)
    assert chat.source.read == []
    assert chat.failures() == []


async def test_a_forwarded_post_of_the_channel_is_its_story_also_in_a_group(chat: World) -> None:
    await chat.say(ADMIN, CHANNEL, "/langganan")
    (story,) = await chat.publish(entry(1, title="Rakor Lintas Sektoral"))
    await chat.send_story(story)
    await chat.deliver()
    post = chat.sandbox.sent(CHANNEL)[-1]
    before = len(chat.sandbox.sent(BUDI))
    chat.sandbox.forward(BUDI, BUDI, CHANNEL, post.id)
    await chat.settled()
    assert len(chat.sandbox.sent(BUDI)) == before + 5
    copy = chat.sandbox.forward(BUDI, GROUP, CHANNEL, post.id)
    await chat.settled()
    (answer,) = await chat.say(BUDI, GROUP, "/terkait", reply_to=copy.id)
    assert "Rakor Lintas Sektoral" in text_of(answer)


async def test_a_reply_across_chats_is_understood(chat: World) -> None:
    (story,) = await chat.publish(entry(1))
    await chat.say(ADMIN, CHANNEL, "/langganan")
    await chat.send_story(story)
    await chat.deliver()
    sent = chat.sandbox.sent(CHANNEL)[-1]
    place = {"id": CHANNEL, "type": "channel", "title": "Kabar"}
    origin = {"type": "channel", "date": 1, "chat": place, "message_id": sent.id}
    reply = {"origin": origin, "chat": place, "message_id": sent.id}
    assert len(await command(chat, "/share", external_reply=reply)) == 5


async def test_buttons_that_open_apps_are_not_read_as_pages(chat: World) -> None:
    links = ["https://wa.me/?text=halo", "https://t.me/lain_bot?start=x", FACEBOOK]
    rows = [[{"text": "x", "url": link}] for link in links]
    replied = post(text="🙂", reply_markup={"inline_keyboard": rows})
    (answer,) = await command(chat, "/share", reply_to_message=replied)
    assert text_of(answer).startswith("Balas sebuah berita")
    assert chat.source.read == []
    assert addresses_inside("https://a.example/[x?u=1") == []


async def test_words_are_related_or_found_where_no_story_is_named(chat: World) -> None:
    story, _ = await chat.publish(entry(1, title="Banjir Besar di Ciledug"), entry(2))
    (related,) = await chat.say(BUDI, BUDI, "/terkait banjir ciledug")
    assert links_of(related) == [story.url]
    (found,) = await chat.say(JANE, JANE, "/share banjir")
    assert chosen_of(found) == [f"latest:share:{story.code}"]
    assert (await chat.tell(JANE, "/share gempa")).startswith("Reply to a story")


async def test_a_forwarded_text_without_a_link_is_related_by_its_words(chat: World) -> None:
    story, _ = await chat.publish(entry(1, title="Banjir Besar di Ciledug"), entry(2))
    post = chat.sandbox.say(BUDI, BUDI, "Info: banjir besar lagi di Ciledug!\nTolong sebarkan")
    await chat.settled()
    answers = await chat.say(BUDI, BUDI, "/terkait", reply_to=post.id)
    assert links_of(answers[-1]) == [story.url]


async def test_plain_words_in_private_are_a_search_that_says_so(chat: World) -> None:
    story, _ = await chat.publish(entry(1, title="Banjir di Ciledug"), entry(2))
    (found,) = await chat.say(BUDI, BUDI, "banjir")
    assert links_of(found) == [story.url]
    assert "/bantuan" in text_of(found)
    assert "/help" in await chat.tell(JANE, "banjir")
    assert "/bantuan" in await chat.tell(BUDI, "assalamualaikum")
    chat.sandbox.reads_everything = True
    assert await chat.say(BUDI, GROUP, "banjir") == []
    assert await chat.say(BUDI, GROUP, "/entah") == []


async def test_a_short_text_is_copied_by_a_button_and_a_long_one_by_a_tap(chat: World) -> None:
    await chat.publish(entry(1, summary="pendek"), entry(2, summary="kata " * 100))
    texts = (await chat.say(BUDI, BUDI, "/share https://kabar.example/berita-1/"))[:4]
    for post in texts:
        (button,) = buttons_of(post)
        assert button["text"] == "Salin teks"
        assert text_of(post) == f"{text_of(post).split(chr(10))[0]}\n{button['copy_text']['text']}"
    long = (await chat.say(BUDI, BUDI, "/share https://kabar.example/berita-2/"))[:3]
    assert [buttons_of(post) for post in long] == [[], [], []]


async def test_the_links_come_below_a_qr_code_of_the_address(chat: World) -> None:
    await chat.publish(entry(1), entry(2, url="https://kabar.example/" + "b" * 900))
    (*_, last) = await chat.say(BUDI, BUDI, "/share https://kabar.example/berita-1/")
    assert last.content.kind == "photo"
    assert last.content.media.data == qr_png("https://kabar.example/berita-1/")
    assert text_of(last).startswith("Bagikan Berita nomor 1\n\nKetuk teks")
    (*_, long) = await chat.say(JANE, JANE, "/share https://kabar.example/" + "b" * 900)
    assert long.content.kind == "text"
    assert "QR" not in text_of(long)


async def test_a_picture_that_is_refused_takes_no_links_away(chat: World) -> None:
    await chat.publish(entry(1))
    chat.sandbox.faults.plan(
        Fault(method="sendPhoto", code=400, description="Bad Request: IMAGE_PROCESS_FAILED")
    )
    answers = await chat.say(BUDI, BUDI, "/share https://kabar.example/berita-1/")
    assert len(answers) == 5
    assert answers[-1].content.kind == "text"
    assert len(buttons_of(answers[-1])) == 7


async def test_an_unknown_section_may_be_searched_for(chat: World) -> None:
    await chat.publish(entry(1, title="Banjir di Ciledug"), entry(2))
    (answer,) = await chat.say(JANE, JANE, "/latest banjir")
    assert buttons_of(answer)[-1]["text"] == "🔎 Search “banjir”"
    await chat.press(JANE, answer, callbacks_of(answer)[-1])
    assert links_of(answer) == ["https://kabar.example/berita-1/"]
    (long,) = await chat.say(JANE, JANE, f"/latest {'bagian ' * 20}")
    assert all(len(data.encode()) <= 64 for data in callbacks_of(long))
    assert chat.failures() == []
