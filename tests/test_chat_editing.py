"""Editors' conversations, whole, in both languages: approve, hold, write, aim, halt, correct."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from chatting import buttons_of, callbacks_of, text_of, world
from factories import FEED_URL, NOW, claimed_feed, entry

from bot.identity import sight_entry
from bot.sandbox.faults import Fault
from bot.store import PollPlan
from bot.types import ActKind, BroadcastState, FeedPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from chatting import World

    from bot.sandbox.records import Post
    from bot.types import Story

EDITOR, OTHER, READER, SECOND = 5_000_001, 5_000_002, 5_000_003, 5_000_004
PAGE = "https://kabar.example/berita-1/"
LANGUAGES = pytest.mark.parametrize("language", ["id", "en"])


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, editors=(EDITOR, OTHER)) as parts:
        parts.sandbox.add_user("Ratna", user_id=EDITOR, language_code="id", started=True)
        parts.sandbox.add_user("Eko", user_id=OTHER, language_code="en", started=True)
        parts.sandbox.add_user("Budi", user_id=READER, language_code="id", started=True)
        parts.sandbox.add_user("Siti", user_id=SECOND, language_code="id", started=True)
        for editor in (EDITOR, OTHER):
            await parts.say(editor, editor, "/start")
        yield parts


def speaker(chat: World, language: str) -> int:
    """An editor who speaks this language."""
    editor = EDITOR if language == "id" else OTHER
    chat.sandbox.users[editor].language_code = language
    return editor


async def queued(
    chat: World, number: int = 1, *, hold_s: float | None = None, **changes: object
) -> Story:
    """Let a poll bring a story that waits for an editor, or is held."""
    state = BroadcastState.DRAFT if hold_s is None else BroadcastState.SCHEDULED
    due_at: datetime | None = None
    if hold_s is not None:
        due_at = chat.clock() + timedelta(seconds=hold_s)
    feed = await claimed_feed(chat.store, chat.clock())
    plan = PollPlan(chat.clock(), chat.clock(), state, due_at)
    seen = sight_entry(entry(number, **changes))
    page = FeedPage(url=FEED_URL, entries=())
    recorded = await chat.store.record_poll(feed, page, [seen], [], plan)
    story = await chat.store.find_story(recorded.new[0])
    assert story is not None
    return story


async def revised(chat: World, title: str) -> None:
    """Let a poll bring a new title of the first story."""
    (feed,) = await chat.store.claim_feeds(chat.clock(), chat.clock(), 1)
    changed = sight_entry(entry(1, title=title))
    (known,) = await chat.store.list_known(feed.id, [changed])
    plan = PollPlan(chat.clock(), chat.clock(), BroadcastState.SCHEDULED, chat.clock())
    page = FeedPage(url=FEED_URL, entries=())
    await chat.store.record_poll(feed, page, [], [(known, changed)], plan)


def last(chat: World, user_id: int) -> Post:
    return chat.sandbox.sent(user_id)[-1]


def data_of(post: Post, verb: str) -> str:
    """The callback data of the last button of a verb."""
    return next(data for data in reversed(callbacks_of(post)) if data.startswith(f"{verb}:"))


async def press(chat: World, user_id: int, post: Post, verb: str) -> str:
    """Press the button of a verb; gives what the toast says."""
    pressed = await chat.press(user_id, post, data_of(post, verb))
    return str((pressed.answer or {}).get("text", ""))


async def previewed(chat: World, editor: int = EDITOR, words: str = PAGE) -> Post:
    await chat.say(editor, editor, f"/broadcast {words}")
    return last(chat, editor)


async def reached(chat: World, *users: int) -> dict[int, list[str]]:
    """Deliver; the first lines of what each person has got of us since the last greeting."""
    await chat.deliver()
    return {
        user: [text_of(post).split("\n")[0] for post in chat.sandbox.sent(user)] for user in users
    }


async def test_a_new_story_comes_to_all_editors_and_the_first_decision_shows_everywhere(
    chat: World,
) -> None:
    """Each in their language, each told who decided."""
    await chat.say(READER, READER, "/langganan")
    story = await queued(chat)
    await chat.refresh()
    mine, yours = last(chat, EDITOR), last(chat, OTHER)
    exact = chat.desk.renderer.share_sheet(story).message
    assert text_of(mine) == text_of(yours) == exact.text
    labels = " ".join(button["text"] for button in buttons_of(mine))
    for words in ("Kirim (1)", "Jadwalkan", "Ubah teks", "Lewati", "1 tujuan, ±1 dtk"):
        assert words in labels
    labels = " ".join(button["text"] for button in buttons_of(yours))
    assert "Send (1)" in labels
    for words in ("Schedule", "Edit text", "Skip"):
        assert words in labels
    assert await press(chat, OTHER, yours, "send") == "Sending."
    assert "Dikirim oleh Eko" in text_of(mine)
    assert "Sent by Eko" in text_of(yours)
    assert callbacks_of(mine)[-1].startswith("related:")
    await chat.deliver()
    got = last(chat, READER)
    assert text_of(got) == exact.text
    acts = await chat.desk.editing.list_acts(EDITOR, chat.clock(), 9)
    assert [(act.editor, act.kind, act.story_id) for act in acts] == [
        (OTHER, ActKind.SEND, story.id)
    ]


async def test_a_story_that_changes_before_the_decision_changes_in_the_questions(
    chat: World,
) -> None:
    """What is pressed is what was shown: an old button sends nothing."""
    await chat.say(READER, READER, "/langganan")
    await queued(chat)
    await chat.refresh()
    question = last(chat, EDITOR)
    old = chat.sandbox
    stale = data_of(question, "send")
    await revised(chat, "Judul baru")
    pressed = await chat.press(EDITOR, question, stale)
    assert "berubah" in pressed.answer["text"]
    assert old.sent(EDITOR)[-1] is question
    assert text_of(question).startswith("Judul baru")
    assert data_of(question, "send") != stale
    await press(chat, EDITOR, question, "send")
    await chat.deliver()
    assert text_of(last(chat, READER)).startswith("Judul baru")


async def test_many_stories_at_once_all_come_to_the_editors_a_second_apart(chat: World) -> None:
    """Also where Telegram asks to wait, and where the process ends meanwhile."""
    for number in range(1, 5):
        await queued(chat, number)
    chat.sandbox.faults.plan(
        Fault(
            method="sendMessage",
            chat=OTHER,
            code=429,
            description="Too Many Requests: retry after 3",
            retry_after=3,
        )
    )
    before = len(chat.sandbox.sent(EDITOR))
    await chat.desk.notices.offer(chat.clock())
    assert len(chat.sandbox.sent(EDITOR)) - before == 1
    for _ in range(6):
        await chat.refresh()
    for editor in (EDITOR, OTHER):
        asked = [text_of(post).split("\n")[0] for post in chat.sandbox.sent(editor)][-4:]
        assert sorted(asked) == [f"Berita nomor {number}" for number in range(1, 5)]


async def test_who_scheduled_sees_the_progress_when_the_moment_comes(chat: World) -> None:
    """Once, below everything else."""
    await chat.say(READER, READER, "/langganan")
    await chat.publish(entry(1))
    await chat.say(EDITOR, EDITOR, f"/jadwalkan {PAGE} 18:30")
    chat.clock.advance(hours=2)
    await chat.deliver()
    for _ in range(3):
        await chat.refresh()
    told = [text_of(post) for post in chat.sandbox.sent(EDITOR)]
    assert sum("Siaran selesai" in one for one in told) == 1


async def test_skip_is_for_good_and_said_in_all_copies(chat: World) -> None:
    await queued(chat)
    await chat.refresh()
    mine, yours = last(chat, EDITOR), last(chat, OTHER)
    assert await press(chat, EDITOR, mine, "skip") == "Dilewati."
    assert "Skipped by Ratna" in text_of(yours)
    assert not {"send:1", "skip:1"} & set(callbacks_of(yours))


async def test_a_held_story_is_shown_with_its_moment_and_goes_by_itself(chat: World) -> None:
    """The countdown's end needs nobody; the copies say that it went by itself."""
    await chat.say(READER, READER, "/langganan")
    await queued(chat, hold_s=600)
    await chat.refresh()
    question = last(chat, EDITOR)
    labels = [button["text"] for button in buttons_of(question)]
    assert "Kirim sekarang (1)" in labels
    assert "Hentikan (otomatis 17:10:00)" in labels
    chat.clock.advance(minutes=10)
    await chat.deliver()
    await chat.refresh()
    assert "Terkirim otomatis" in text_of(question)
    assert text_of(last(chat, READER)).startswith("Berita nomor 1")


async def test_a_held_story_lands_with_the_desks_first_correction(chat: World) -> None:
    await chat.say(READER, READER, "/langganan")
    await queued(chat, hold_s=600)
    await chat.refresh()
    await revised(chat, "Judul baru")
    await chat.refresh()
    assert text_of(last(chat, EDITOR)).startswith("Judul baru")
    chat.clock.advance(minutes=10)
    await chat.deliver()
    assert text_of(last(chat, READER)).startswith("Judul baru")


@pytest.mark.parametrize(("verb", "goes"), [("send", True), ("skip", False)])
async def test_a_held_story_is_sent_now_or_stopped(chat: World, verb: str, *, goes: bool) -> None:
    await chat.say(READER, READER, "/langganan")
    await queued(chat, hold_s=600)
    await chat.refresh()
    before = len(chat.sandbox.sent(READER))
    await press(chat, EDITOR, last(chat, EDITOR), verb)
    await chat.deliver()
    assert len(chat.sandbox.sent(READER)) - before == int(goes)
    chat.clock.advance(minutes=30)
    await chat.deliver()
    assert len(chat.sandbox.sent(READER)) - before == int(goes)


@LANGUAGES
async def test_text_is_edited_as_typed_and_goes_so(chat: World, language: str) -> None:
    """Formatting included; the address stays below."""
    editor = speaker(chat, language)
    await chat.say(READER, READER, "/langganan")
    await chat.publish(entry(1))
    question = await previewed(chat, editor)
    await press(chat, editor, question, "edit")
    assert "<" not in text_of(last(chat, editor))
    await chat.say(editor, editor, "<b>Judul</b> & <i>isi</i>", parse_mode="HTML")
    shown = last(chat, editor)
    assert text_of(shown).startswith("Judul & isi\n\nhttps://kabar.example/berita-1/")
    await press(chat, editor, shown, "send")
    await chat.deliver()
    got = last(chat, READER)
    assert text_of(got) == "Judul & isi\n\nhttps://kabar.example/berita-1/"
    kinds = [entity["type"] for entity in got.content.text.entities]
    assert {"bold", "italic", "text_link"} <= set(kinds) | {"text_link"}
    assert "bold" in kinds


@LANGUAGES
async def test_words_that_cannot_be_sent_are_asked_for_again_and_may_be_called_off(
    chat: World, language: str
) -> None:
    editor = speaker(chat, language)
    await chat.publish(entry(1))
    await press(chat, editor, await previewed(chat, editor), "edit")
    await chat.say(editor, editor, "x" * 4_090)
    assert ("4.096" if language == "id" else "4,096") in text_of(last(chat, editor))
    await chat.say(editor, editor, "batal" if language == "id" else "cancel")
    await chat.say(editor, editor, "kata lain")
    draft = await chat.desk.editing.find_draft(1)
    assert draft is not None
    assert draft.broadcast.revision == 1


@LANGUAGES
async def test_own_text_goes_as_typed(chat: World, language: str) -> None:
    """Behind the command, or as a reply to what the editor wrote."""
    editor = speaker(chat, language)
    await chat.say(READER, READER, "/langganan")
    said = chat.sandbox.say(
        editor,
        editor,
        '/siarkan <b>Pengumuman</b>\nKantor <a href="https://kabar.example/x/">tutup</a> & libur',
        parse_mode="HTML",
    )
    await chat.settled()
    shown = last(chat, editor)
    assert said.id < shown.id
    assert text_of(shown) == "Pengumuman\nKantor tutup & libur"
    await press(chat, editor, shown, "send")
    await chat.deliver()
    got = last(chat, READER)
    assert text_of(got) == "Pengumuman\nKantor tutup & libur"
    assert {one["type"] for one in got.content.text.entities} == {"bold", "text_link"}
    written = chat.sandbox.say(editor, editor, "Kabar dari meja redaksi")
    await chat.settled()
    await chat.say(editor, editor, "/broadcast", reply_to=written.id)
    assert text_of(last(chat, editor)) == "Kabar dari meja redaksi"


@LANGUAGES
async def test_a_story_is_scheduled_moved_and_cancelled(chat: World, language: str) -> None:
    """By words, by buttons, by reply; in the newsroom's zone."""
    editor = speaker(chat, language)
    await chat.publish(entry(1))
    await chat.say(editor, editor, f"/jadwalkan {PAGE} besok 06:00")
    assert "25 Nov" in text_of(last(chat, editor))
    draft = await chat.desk.editing.find_draft(1)
    assert draft is not None
    assert draft.broadcast.due_at == NOW.replace(day=24, hour=23)
    await chat.say(editor, editor, "/draf" if language == "id" else "/drafts")
    listed = last(chat, editor)
    assert "#1 Berita nomor 1" in text_of(listed)
    await press(chat, editor, listed, "draft")
    question = last(chat, editor)
    assert "Ratna" in text_of(question) or "Eko" in text_of(question)
    await press(chat, editor, question, "schedule")
    await chat.say(editor, editor, "entah kapan")
    assert "18:30" in text_of(last(chat, editor))
    await chat.say(editor, editor, "in 2 hours")
    draft = await chat.desk.editing.find_draft(1)
    assert draft is not None
    assert draft.broadcast.due_at == chat.clock() + timedelta(hours=2)
    await chat.say(editor, editor, "/schedule 18:30 mendesak", reply_to=question.id)
    draft = await chat.desk.editing.find_draft(1)
    assert draft is not None
    assert draft.broadcast.due_at == NOW.replace(hour=11, minute=30)
    assert draft.broadcast.urgent
    await press(chat, editor, question, "cancel")
    chat.clock.advance(hours=5)
    await chat.deliver()
    assert len(await chat.desk.editing.story_broadcasts(1)) == 1
    assert (await chat.desk.editing.story_broadcasts(1))[0].state is BroadcastState.CANCELLED


async def test_a_moment_alone_is_for_the_last_question(chat: World) -> None:
    await chat.publish(entry(1))
    await previewed(chat)
    await chat.say(EDITOR, EDITOR, "/jadwalkan 25 Nov 2026 07.00")
    draft = await chat.desk.editing.find_draft(1)
    assert draft is not None
    assert draft.broadcast.due_at == NOW.replace(day=25, hour=0)
    await chat.say(EDITOR, EDITOR, "/jadwalkan kapan-kapan")
    assert text_of(last(chat, EDITOR)).startswith("Tulis apa dan kapan")


async def test_a_quick_choice_schedules(chat: World) -> None:
    await chat.publish(entry(1))
    await press(chat, EDITOR, await previewed(chat), "schedule")
    prompt = last(chat, EDITOR)
    assert [button["text"] for button in buttons_of(prompt)] == [
        "1 jam lagi", "20:00", "Besok 06:00",
    ]  # fmt: skip
    await chat.press(EDITOR, prompt, callbacks_of(prompt)[0])
    draft = await chat.desk.editing.find_draft(1)
    assert draft is not None
    assert draft.broadcast.due_at == NOW + timedelta(hours=1)


@LANGUAGES
async def test_the_audience_is_chosen_below_the_question(chat: World, language: str) -> None:
    """Everyone, tags, chosen chats; the size follows."""
    editor = speaker(chat, language)
    await chat.say(READER, READER, "/langganan politik")
    chat.sandbox.add_supergroup("Meja", editor, chat_id=-1001, members=[READER])
    chat.sandbox.add_bot(-1001, editor)
    await chat.settled()
    await chat.publish(entry(1), entry(2, tags=("Politik",)))
    question = await previewed(chat, editor)
    send = next(b["text"] for b in buttons_of(question) if b.get("callback_data") == "send:1")
    assert send.endswith("(0)")
    await press(chat, editor, question, "audience")
    assert {"audience:1:w", "audience:1:e", "audience:1:t", "audience:1:c0"} <= set(
        callbacks_of(question)
    )
    await chat.press(editor, question, "audience:1:e")
    send = next(b["text"] for b in buttons_of(question) if b.get("callback_data") == "send:1")
    assert send.endswith("(1)")
    await press(chat, editor, question, "audience")
    await chat.press(editor, question, "audience:1:t")
    await chat.press(editor, question, "audience:1:t+Politik")
    assert any("✓ Politik" in button["text"] for button in buttons_of(question))
    await chat.press(editor, question, "audience:1:b")
    await press(chat, editor, question, "audience")
    await chat.press(editor, question, "audience:1:c0")
    (place,) = [data for data in callbacks_of(question) if data.startswith("audience:1:x")]
    await chat.press(editor, question, place)
    await chat.press(editor, question, "audience:1:b")
    await press(chat, editor, question, "send")
    await chat.deliver()
    assert [text_of(p).split("\n")[0] for p in chat.sandbox.sent(-1001)][-1] == "Berita nomor 1"
    assert not any(text_of(p).startswith("Berita nomor") for p in chat.sandbox.sent(READER))


@LANGUAGES
async def test_a_running_broadcast_is_paused_resumed_and_stopped(
    chat: World, language: str
) -> None:
    """In one message that keeps itself true."""
    editor = speaker(chat, language)
    for reader in (READER, SECOND):
        await chat.say(reader, reader, "/langganan")
    await chat.publish(entry(1))
    await press(chat, editor, await previewed(chat, editor), "send")
    await chat.desk.broadcasts.open_due(chat.clock())
    await chat.refresh()
    progress = last(chat, editor)
    number = progress.id
    assert {"pause:1", "stop:1"} <= set(callbacks_of(progress))
    await press(chat, editor, progress, "pause")
    await chat.deliver()
    assert ("dijeda" if language == "id" else "paused") in text_of(progress)
    assert "resume:1" in callbacks_of(progress)
    await press(chat, editor, progress, "resume")
    await press(chat, editor, progress, "stop")
    await chat.deliver()
    await chat.refresh()
    assert ("dihentikan" if language == "id" else "stopped") in text_of(progress)
    assert callbacks_of(progress) == []
    assert last(chat, editor).id == number
    for reader in (READER, SECOND):
        assert not any(text_of(p).startswith("Berita nomor") for p in chat.sandbox.sent(reader))


@LANGUAGES
async def test_a_correction_is_looked_at_and_then_everywhere(chat: World, language: str) -> None:
    """Words as typed, with or without the visible line; the report counts."""
    editor = speaker(chat, language)
    await chat.say(READER, READER, "/langganan")
    await chat.publish(entry(1))
    await press(chat, editor, await previewed(chat, editor), "send")
    await chat.deliver()
    sent = last(chat, READER)
    await chat.say(editor, editor, f"/ralat {PAGE}")
    assert "Berita nomor 1" in text_of(last(chat, editor))
    await chat.say(editor, editor, "<b>Judul benar</b>", parse_mode="HTML")
    look = last(chat, editor)
    assert text_of(look).startswith("Judul benar")
    assert text_of(sent).startswith("Berita nomor 1")
    marked = next(data for data in callbacks_of(look) if data.endswith(":m"))
    again = [chat.sandbox.press(editor, editor, look.id, marked) for _ in range(2)]
    await chat.settled()
    assert again[0].answer["text"] in {"Ralat dikirim.", "Correcting."}
    assert again[1].answer["text"] in {
        "Sudah diputuskan sebelumnya.",
        "This has been decided before.",
    }
    chat.clock.advance(minutes=1)
    await chat.deliver()
    assert text_of(sent).startswith("Ralat · Selasa, 24 November 2026 pukul 17.00\n\nJudul benar")
    await chat.refresh()
    report = text_of(last(chat, editor))
    assert ("diubah 1, ditolak 0" if language == "id" else "edited 1, refused 0") in report
    assert "Judul benar" in await chat.tell(READER, "/terbaru")


async def test_a_new_address_is_a_correction_too(chat: World) -> None:
    """As a reply to the story, with the address behind the command."""
    await chat.say(READER, READER, "/langganan")
    await chat.publish(entry(1))
    question = await previewed(chat)
    await press(chat, EDITOR, question, "send")
    await chat.deliver()
    await chat.say(EDITOR, EDITOR, "/ralat https://kabar.example/baru/", reply_to=question.id)
    look = last(chat, EDITOR)
    assert "https://kabar.example/baru/" in text_of(look)
    await chat.press(EDITOR, look, data_of(look, "correct").removesuffix(":m"))
    chat.clock.advance(minutes=1)
    await chat.deliver()
    assert "https://kabar.example/baru/" in text_of(last(chat, READER))


@LANGUAGES
async def test_a_retraction_takes_a_second_look_and_tells_its_outcomes(
    chat: World, language: str
) -> None:
    """Deleted, replaced where it is too old, refused; in one message."""
    editor = speaker(chat, language)
    for reader in (READER, SECOND):
        await chat.say(reader, reader, "/langganan")
    await chat.publish(entry(1))
    await press(chat, editor, await previewed(chat, editor), "send")
    await chat.deliver()
    await chat.say(editor, editor, f"/tarik {PAGE}" if language == "id" else f"/retract {PAGE}")
    sure = last(chat, editor)
    assert "2" in text_of(sure)
    chat.sandbox.faults.plan(
        Fault(
            method="deleteMessage",
            chat=SECOND,
            code=400,
            description="Bad Request: message can't be deleted for everyone",
        )
    )
    assert await press(chat, editor, sure, "retract") in {"Ditarik.", "Retracted."}
    report = last(chat, editor)
    chat.clock.advance(minutes=1)
    await chat.deliver()
    await chat.refresh()
    told = "dihapus 1, diganti 1, ditolak 0" if language == "id" else "deleted 1, replaced 1"
    assert told in text_of(report)
    await chat.say(editor, editor, f"/retract {PAGE}")
    assert "retract:s1" not in callbacks_of(last(chat, editor))


@LANGUAGES
async def test_numbers_by_day_and_by_story(chat: World, language: str) -> None:
    editor = speaker(chat, language)
    await chat.say(READER, READER, "/langganan")
    await chat.publish(entry(1))
    await press(chat, editor, await previewed(chat, editor), "send")
    await chat.deliver()
    told = await chat.tell(editor, "/stats")
    assert ("terkirim 1" if language == "id" else "delivered 1") in told
    told = await chat.tell(editor, f"/statistik {PAGE}")
    assert ("Terkirim: 1" if language == "id" else "Delivered: 1") in told


async def test_an_owner_appoints_and_dismisses_in_the_chat(chat: World) -> None:
    """With a second look; the appointed editor acts at once, the dismissed one no more."""
    await chat.publish(entry(1))
    unknown = await chat.tell(SECOND, "/entah")
    assert await chat.tell(SECOND, f"/siarkan {PAGE}") == unknown
    assert "Siti" in await chat.tell(EDITOR, f"/redaktur {SECOND} Siti")
    assert "sudah redaktur" in await chat.tell(EDITOR, f"/editors {SECOND}")
    question = await previewed(chat, SECOND)
    assert "send:1" in callbacks_of(question)
    assert "Hanya pemilik" in await chat.tell(SECOND, f"/redaktur {READER} Budi")
    assert "/siarkan" in await chat.tell(SECOND, "/bantuan")
    (listed,) = await chat.say(EDITOR, EDITOR, "/redaktur")
    assert "Siti" in text_of(listed)
    await press(chat, EDITOR, listed, "dismiss")
    await press(chat, EDITOR, listed, "dismiss")
    assert callbacks_of(listed) == []
    assert await press(chat, SECOND, question, "send") == "Tombol ini sudah tidak berlaku."
    assert await chat.tell(SECOND, "/draf") == unknown
    log = await chat.tell(EDITOR, "/log")
    for words in ("mengangkat", "memberhentikan", "(ditolak)"):
        assert words in log


async def test_the_log_turns_its_pages(chat: World) -> None:
    for number in range(20):
        await chat.desk.editing.note_act(EDITOR, ActKind.EXPORT, chat.clock(), f"baris {number}")
    (shown,) = await chat.say(EDITOR, EDITOR, "/catatan")
    assert "baris 19" in text_of(shown)
    await press(chat, EDITOR, shown, "log")
    assert "baris 0" in text_of(shown)


COMMANDS = (
    "broadcast", "siarkan", "drafts", "draf", "schedule", "jadwalkan", "correct", "ralat",
    "retract", "tarik", "stats", "statistik", "editors", "redaktur", "log", "catatan",
)  # fmt: skip


async def test_to_a_reader_each_editors_command_is_unknown_and_is_kept(chat: World) -> None:
    """In the trail, and in a group nothing is said."""
    await chat.publish(entry(1))
    unknown = await chat.tell(READER, "/entah")
    for name in COMMANDS:
        assert await chat.tell(READER, f"/{name} {PAGE}") == unknown, name
    acts = await chat.desk.editing.list_acts(EDITOR, chat.clock(), 50)
    assert len([act for act in acts if act.refused and act.editor == READER]) == len(COMMANDS)


async def test_in_a_group_an_editor_is_led_to_the_private_chat(chat: World) -> None:
    chat.sandbox.add_supergroup("Meja", EDITOR, chat_id=-1001, members=[READER])
    chat.sandbox.add_bot(-1001, EDITOR)
    await chat.settled()
    for name in COMMANDS:
        (said,) = await chat.say(EDITOR, -1001, f"/{name}@sebar_bot")
        assert "pribadi" in text_of(said), name
    assert await chat.say(READER, -1001, "/tarik@sebar_bot") == []


VERBS = (
    "send:1", "send:1:u", "schedule:1", "schedule:1:18:30", "skip:1", "cancel:1", "edit:1",
    "audience:1", "audience:1:e", "pause:1", "resume:1", "stop:1", "draft:1", "retract:s1",
    "correct:1", "correct:1:m", "dismiss:5000002:y", "log:5", "send:d1", "skip:w1",
)  # fmt: skip


async def test_an_editors_button_pressed_by_a_reader_does_nothing_but_say_so(chat: World) -> None:
    """However the press was forged."""
    await chat.publish(entry(1))
    question = await previewed(chat)
    chat.sandbox.chats[EDITOR].members[READER] = chat.sandbox.chats[EDITOR].members[EDITOR]
    for data in (*VERBS, "send:", "send:x", "edit:" + "9" * 40, "correct:-1"):
        forge(question, data)
        pressed = await chat.press(READER, question, data)
        assert pressed.answer == {"text": "Tombol ini sudah tidak berlaku.", "show_alert": True}
        (act, *_) = await chat.desk.editing.list_acts(EDITOR, chat.clock(), 1)
        assert (act.refused, act.editor, act.detail) == (True, READER, data)
    draft = await chat.desk.editing.find_draft(1)
    assert draft is not None
    assert (draft.broadcast.state, draft.broadcast.revision) == (BroadcastState.DRAFT, 1)
    assert await chat.store.is_shown(1)


ODD = (
    "send:999", "send:x", "edit:999", "audience:999:e", "pause:1", "stop:999", "correct:999",
    "retract:s999", "draft:0", "dismiss:x", "schedule:999:18:30", "cancel:", "audience:1:x9.9",
    "audience:1:zz", "log:x", "send:1.9",
)  # fmt: skip


async def test_an_editors_odd_button_breaks_nothing(chat: World) -> None:
    """Old or forged, it is answered."""
    await chat.publish(entry(1))
    for data in ODD:
        question = await previewed(chat)
        forge(question, data)
        pressed = await chat.press(EDITOR, question, data)
        assert pressed.answer is not None, data
        assert "Tidak berhasil" not in pressed.answer.get("text", ""), data


def forge(post: Post, data: str) -> None:
    """Give a message a button that carries this data."""
    assert post.content.markup is not None
    post.content.markup["inline_keyboard"].append([{"text": "!", "callback_data": data}])
