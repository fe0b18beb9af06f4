"""The editorial acts on both databases: rights, one decision, audiences, halts, corrections."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from factories import (
    FEED_URL,
    NOW,
    PACE,
    claimed,
    entry,
    message,
    record,
    sent,
    sighting,
    stored_story,
    subscribed_chat,
)

from bot.broadcasts import Broadcasts
from bot.editing import Decision, Editing, EditingPolicy
from bot.errors import NotAllowedError, ParseError
from bot.render import Renderer
from bot.store import Notice, PollPlan
from bot.telegram_html import MarkupError
from bot.types import (
    Action,
    ActKind,
    Audience,
    BroadcastState,
    ChatType,
    FeedPage,
    Prepared,
    Reach,
    Receipt,
    Step,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.store import Store
    from bot.types import Delivery, Destination, Entry, FeedForPoll, Message, Story

TEMPLATES = Path(__file__).parent.parent / "templates"
ZONE = ZoneInfo("Asia/Jakarta")
OWNER, APPOINTED, READER = 7, 8, 9


class Pages:
    """No page is an article."""

    async def fetch(self, feed: FeedForPoll) -> FeedPage:
        return FeedPage(url=feed.url, entries=None)

    async def fetch_older(self, url: str) -> FeedPage:
        return FeedPage(url=url, entries=None)

    async def read_article(self, url: str) -> Entry:
        raise ParseError(url)


class Nobody:
    """A publisher that nobody listens to."""

    def prepare(self, message: Message) -> Prepared:
        return Prepared(message.text, b"", None)

    async def send(self, destination: Destination, _: Prepared) -> Receipt:
        return Receipt(int(destination.chat), 1)


class Newsroom:
    """The flow over a store, with what was sent of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        renderer = Renderer(locale="id", zone=ZONE, utm=True, builtin=TEMPLATES)
        self.broadcasts = Broadcasts(store, renderer, Nobody())  # type: ignore[arg-type]
        policy = EditingPolicy(frozenset({OWNER}), ZONE, 30.0)
        self.editing = Editing(store, Pages(), renderer, self.broadcasts.message_of, policy)

    async def drafted(self, story: Story) -> int:
        draft = await self.editing.draft(OWNER, story, self.now)
        return draft.broadcast.id

    async def opened(self, story: Story, audience: Audience | None = None) -> int:
        number = await self.drafted(story)
        if audience is not None:
            await self.editing.choose_audience(OWNER, number, audience, self.now)
        assert await self.editing.approve(OWNER, number, self.now) is Decision.DONE
        await self.broadcasts.open_due(self.now)
        return number

    async def deliver(self) -> dict[int | str, list[str]]:
        """Deliver everything; the first lines that each chat got, in order."""
        got: dict[int | str, list[str]] = {}
        self.now += timedelta(minutes=1)
        while deliveries := await claimed(self.store, self.now):
            for one in deliveries:
                got.setdefault(one.destination.chat, []).append(await self.first_line(one))
                await record(self.store, one, sent(1000 + one.id), self.now)
            self.now += PACE
        return got

    async def first_line(self, one: Delivery) -> str:
        found = await self.store.find_message(one.broadcast_id, one.revision)
        assert found is not None
        return found.text.split("\n")[0]

    async def correct_in_feed(self, title: str) -> None:
        (feed,) = await self.store.claim_feeds(self.now, self.now, 1)
        changed = sighting(1, title=title)
        (known,) = await self.store.list_known(feed.id, [changed])
        plan = PollPlan(self.now, self.now, BroadcastState.SCHEDULED, self.now)
        page = FeedPage(url=FEED_URL, entries=())
        await self.store.record_poll(feed, page, [], [(known, changed)], plan)


@pytest.fixture
def room(store: Store) -> Newsroom:
    return Newsroom(store)


async def test_two_editors_who_send_at_the_same_moment_make_one_broadcast(room: Newsroom) -> None:
    """One of them is told that it is decided, the audience gets one message."""
    await subscribed_chat(room.store, 1)
    await room.editing.appoint(OWNER, APPOINTED, "Eko", NOW)
    number = await room.drafted(await stored_story(room.store))
    presses = [
        room.editing.approve(editor, number, NOW) for _ in range(4) for editor in (OWNER, APPOINTED)
    ]
    made = await asyncio.gather(*presses)
    assert sorted(made) == [Decision.DECIDED] * 7 + [Decision.DONE]
    await room.broadcasts.open_due(NOW)
    assert await room.deliver() == {1: ["Berita nomor 1"]}
    acts = await room.editing.list_acts(OWNER, NOW, 50)
    assert [act.kind for act in acts].count(ActKind.SEND) == 1


ACTS: list[Callable[[Newsroom, int, int, int], Awaitable[object]]] = [
    lambda room, who, number, _: room.editing.approve(who, number, NOW),
    lambda room, who, number, _: room.editing.schedule(who, number, NOW + PACE, NOW),
    lambda room, who, number, _: room.editing.cancel(who, number, NOW),
    lambda room, who, number, _: room.editing.edit_text(who, number, "Lain", NOW),
    lambda room, who, number, _: room.editing.choose_audience(
        who, number, Audience(Reach.EVERYONE), NOW
    ),
    lambda room, who, number, _: room.editing.pause(who, number, NOW),
    lambda room, who, number, _: room.editing.resume(who, number, NOW),
    lambda room, who, number, _: room.editing.stop(who, number, NOW),
    lambda room, who, number, _: room.editing.resend_failed(who, number, NOW),
    lambda room, who, _, story: room.editing.correct(who, story, NOW, html="Lain"),
    lambda room, who, _, story: room.editing.propose_correction(who, story, NOW, html="Lain"),
    lambda room, who, _, story: room.editing.retract(who, story, NOW),
    lambda room, who, *_: room.editing.draft_text(who, "Tulisan sendiri", NOW),
    lambda room, who, *_: room.editing.draft_url(who, "https://kabar.example/berita-1/", NOW),
    lambda room, who, *_: room.editing.appoint(who, 99, "Teman", NOW),
    lambda room, who, *_: room.editing.dismiss(who, APPOINTED, NOW),
    lambda room, who, *_: room.editing.list_acts(who, NOW, 5),
    lambda room, who, *_: room.editing.list_drafts(who, NOW),
    lambda room, who, *_: room.editing.list_scheduled(who, NOW),
    lambda room, who, *_: room.editing.list_running(who, NOW),
    lambda room, who, *_: room.editing.list_editors(who, NOW),
    lambda room, who, *_: room.editing.stats(who, 7, NOW),
    lambda room, who, *_: room.editing.note_act(who, ActKind.EXPORT, NOW),
]


async def test_a_reader_may_nothing_and_each_attempt_is_kept(room: Newsroom) -> None:
    """The right is checked in the flow, whatever the surface forgot."""
    await subscribed_chat(room.store, 1)
    await room.editing.appoint(OWNER, APPOINTED, "Eko", NOW)
    story = await stored_story(room.store)
    number = await room.drafted(story)
    for act in ACTS:
        with pytest.raises(NotAllowedError):
            await act(room, READER, number, story.id)
    refused = [act for act in await room.editing.list_acts(OWNER, NOW, 90) if act.refused]
    assert len(refused) == len(ACTS)
    assert {act.editor for act in refused} == {READER}
    draft = await room.editing.find_draft(number)
    assert draft is not None
    assert draft.broadcast.state is BroadcastState.DRAFT
    assert draft.broadcast.revision == 1
    assert await room.store.is_shown(story.id)


async def test_only_owners_appoint_and_a_dismissed_editor_may_nothing(room: Newsroom) -> None:
    """An appointed editor decides, but names no other."""
    assert await room.editing.appoint(OWNER, APPOINTED, "Eko", NOW)
    assert not await room.editing.appoint(OWNER, APPOINTED, "Eko", NOW)
    assert not await room.editing.appoint(OWNER, OWNER, "Ratna", NOW)
    assert await room.editing.is_editor(APPOINTED)
    with pytest.raises(NotAllowedError):
        await room.editing.appoint(APPOINTED, READER, "Budi", NOW)
    with pytest.raises(NotAllowedError):
        await room.editing.dismiss(APPOINTED, APPOINTED, NOW)
    assert [one.name for one in await room.editing.list_editors(APPOINTED, NOW)] == ["", "Eko"]
    assert await room.editing.dismiss(OWNER, APPOINTED, NOW)
    assert not await room.editing.dismiss(OWNER, APPOINTED, NOW)
    with pytest.raises(NotAllowedError):
        await room.editing.list_drafts(APPOINTED, NOW)
    assert await room.editing.appoint(OWNER, APPOINTED, "Eko", NOW)
    assert await room.editing.is_editor(APPOINTED)


async def test_a_name_gives_no_right(room: Newsroom) -> None:
    """Knowing somebody's name makes them no editor."""
    await room.editing.note_name(READER, "Budi")
    assert not await room.editing.is_editor(READER)


async def test_what_was_approved_goes_byte_for_byte_and_is_corrected_then(room: Newsroom) -> None:
    """A story that changes after its approval is sent as approved, then edited."""
    await subscribed_chat(room.store, 1)
    number = await room.drafted(await stored_story(room.store))
    draft = await room.editing.find_draft(number)
    assert draft is not None
    due_at = NOW + timedelta(hours=2)
    await room.editing.schedule(OWNER, number, due_at, NOW)
    await room.correct_in_feed("Judul baru")
    await room.broadcasts.open_due(due_at)
    opened = await room.editing.find_draft(number)
    assert opened is not None
    assert opened.broadcast.message == draft.broadcast.message
    room.now = due_at
    assert await room.deliver() == {1: ["Berita nomor 1"]}
    await room.broadcasts.revise_stale(room.now)
    assert await room.deliver() == {1: ["Judul baru"]}


async def test_an_editors_own_words_are_not_overwritten_by_the_feed(room: Newsroom) -> None:
    """What an editor wrote stays, whatever the feed says later."""
    await subscribed_chat(room.store, 1)
    number = await room.drafted(await stored_story(room.store))
    assert (
        await room.editing.edit_text(OWNER, number, "<b>Tulisan</b> redaksi", NOW) is Decision.DONE
    )
    assert await room.editing.approve(OWNER, number, NOW, revision=1) is Decision.CHANGED
    assert await room.editing.approve(OWNER, number, NOW, revision=2) is Decision.DONE
    await room.broadcasts.open_due(NOW)
    assert await room.deliver() == {1: ["Tulisan redaksi"]}
    await room.correct_in_feed("Judul baru")
    await room.broadcasts.revise_stale(room.now)
    assert await room.deliver() == {}


async def test_edited_text_keeps_the_storys_address_and_buttons(room: Newsroom) -> None:
    """The link stays below the words, the share row speaks of the new ones."""
    number = await room.drafted(await stored_story(room.store))
    await room.editing.edit_text(OWNER, number, "<b>Lebih tepat</b>\nIsi", NOW)
    draft = await room.editing.find_draft(number)
    assert draft is not None
    message = draft.broadcast.message
    assert message is not None
    assert message.html.startswith("<b>Lebih tepat</b>\nIsi\n\n<a href=")
    assert message.text.endswith("https://kabar.example/berita-1/")
    urls = [button.url or "" for row in message.buttons for button in row]
    assert any("Lebih%20tepat" in url for url in urls)


@pytest.mark.parametrize("html", ["", " ", "<b>", "<br>", "a" * 4097, "<i> </i>"])
async def test_words_that_telegram_would_refuse_are_refused_before(
    room: Newsroom, html: str
) -> None:
    """No draft is made of them, and a draft that is there stays what it is."""
    number = await room.drafted(await stored_story(room.store))
    with pytest.raises(MarkupError):
        await room.editing.draft_text(OWNER, html, NOW)
    with pytest.raises(MarkupError):
        await room.editing.edit_text(OWNER, number, html, NOW)
    assert len(await room.editing.list_drafts(OWNER, NOW)) == 1


async def test_own_text_is_a_story_that_goes_to_everybody(room: Newsroom) -> None:
    """Its first line is the title, its first link the preview; the same text may be sent again."""
    await subscribed_chat(room.store, 1)
    html = '<b>Selamat Lebaran</b>\nKantor tutup. <a href="https://kabar.example/libur/">Jadwal</a>'
    first = await room.editing.draft_text(OWNER, html, NOW)
    again = await room.editing.draft_text(OWNER, html, NOW)
    assert first.story.id != again.story.id
    assert first.story.title == "Selamat Lebaran"
    assert first.broadcast.message is not None
    assert first.broadcast.message.html == html
    assert first.broadcast.message.preview_url == "https://kabar.example/libur/"
    await room.editing.approve(OWNER, first.broadcast.id, NOW)
    await room.broadcasts.open_due(NOW)
    assert await room.deliver() == {1: ["Selamat Lebaran"]}


async def test_an_audience_is_everyone_tags_or_chosen_chats(room: Newsroom) -> None:
    """Its size is what is delivered, whoever is chosen."""
    everything = await subscribed_chat(room.store, 1)
    await subscribed_chat(room.store, 2, "politik")
    await subscribed_chat(room.store, 3, "olahraga")
    stranger = await room.store.record_chat(-4, ChatType.GROUP, NOW, title="Meja")
    gone = await room.store.record_chat(-5, ChatType.GROUP, NOW, title="Pergi")
    await room.store.close_chat(gone.id, "kicked", NOW)
    for number, (audience, wanted) in enumerate(
        [
            (Audience(), {1}),
            (Audience(Reach.EVERYONE), {1, 2, 3}),
            (Audience(Reach.TAGS, tags=("Politik", "Budaya")), {1, 2}),
            (Audience(Reach.CHATS, chats=(everything.id, stranger.id, gone.id)), {1, -4}),
            (Audience(Reach.CHATS), set()),
        ],
        start=1,
    ):
        story = await stored_story(room.store, number)
        draft = await room.editing.draft(OWNER, story, room.now)
        await room.editing.choose_audience(OWNER, draft.broadcast.id, audience, room.now)
        told = await room.editing.find_draft(draft.broadcast.id)
        assert told is not None
        assert (told.audience, told.broadcast.audience) == (len(wanted), audience)
        await room.editing.approve(OWNER, draft.broadcast.id, room.now)
        await room.broadcasts.open_due(room.now)
        assert set(await room.deliver()) == wanted, audience


async def test_urgent_rings_and_goes_ahead_of_what_waits(room: Newsroom) -> None:
    """Also where stories come without a sound."""
    chat = await subscribed_chat(room.store, 1)
    await room.store.record_silence(chat.id, 0, silent=True, now=NOW)
    await room.opened(await stored_story(room.store, 1))
    number = await room.drafted(await stored_story(room.store, 2))
    await room.editing.approve(OWNER, number, NOW, urgent=True)
    await room.broadcasts.open_due(NOW)
    (first,) = await claimed(room.store, NOW)
    assert (first.broadcast_id, first.destination.silent) == (number, False)
    await record(room.store, first, sent(1), NOW)
    (second,) = await claimed(room.store, NOW + PACE)
    assert second.destination.silent


async def test_a_paused_broadcast_sends_nothing_blocks_nothing_and_goes_on(room: Newsroom) -> None:
    """Pausing survives any process, and other stories pass."""
    for one in range(1, 6):
        await subscribed_chat(room.store, one)
    number = await room.opened(await stored_story(room.store, 1))
    (under_way,) = await claimed(room.store, NOW, 1)
    assert await room.editing.pause(OWNER, number, NOW)
    assert not await room.editing.pause(OWNER, number, NOW)
    assert await claimed(room.store, NOW) == []
    # What was under way and had no effect comes back, and waits too.
    await record(room.store, under_way, Verdict(Step.RETRY, "busy", NOW), NOW)
    await room.editing.settle_halts(NOW)
    assert await room.deliver() == {}
    paused = await room.editing.progress(number)
    assert paused is not None
    assert (paused.waiting, paused.total, paused.left_s, paused.is_over) == (5, 5, None, False)
    await room.opened(await stored_story(room.store, 2))
    assert len(await room.deliver()) == 5
    assert await room.editing.resume(OWNER, number, room.now)
    resumed = await room.editing.progress(number)
    assert resumed is not None
    assert resumed.left_s is not None
    assert await room.deliver() == {one: ["Berita nomor 1"] for one in range(1, 6)}
    done = await room.editing.progress(number)
    assert done is not None
    assert done.is_over


async def test_a_pause_before_the_fan_out_ends_holds_it_too(room: Newsroom) -> None:
    """What has no delivery yet gets none until it goes on."""
    await subscribed_chat(room.store, 1)
    story = await stored_story(room.store, 1)
    number = await room.drafted(story)
    await room.editing.approve(OWNER, number, NOW)
    message = await room.broadcasts.message_of(story)
    assert await room.store.open_broadcast(number, message, NOW)
    await room.editing.pause(OWNER, number, NOW)
    await room.broadcasts.open_due(NOW)
    assert await room.deliver() == {}
    await room.editing.resume(OWNER, number, room.now)
    await room.broadcasts.open_due(room.now)
    assert await room.deliver() == {1: ["Berita nomor 1"]}


async def test_a_stopped_broadcast_never_goes_on(room: Newsroom) -> None:
    """Neither by resuming nor by what comes back, and those reached can still be corrected."""
    for one in range(1, 4):
        await subscribed_chat(room.store, one)
    story = await stored_story(room.store, 1)
    number = await room.opened(story)
    one, other = await claimed(room.store, NOW, 2)
    await record(room.store, one, sent(5), NOW)
    assert await room.editing.stop(OWNER, number, NOW)
    assert not await room.editing.resume(OWNER, number, NOW)
    await record(room.store, other, Verdict(Step.RETRY, "busy", NOW), NOW)
    assert await room.deliver() == {}
    told = await room.editing.progress(number)
    assert told is not None
    assert (told.sent, told.waiting, told.total, told.is_over) == (1, 0, 3, True)
    assert await room.editing.correct(OWNER, story.id, room.now, html="Lain") == 1
    assert list(await room.deliver()) == [one.destination.chat]


async def test_a_paused_broadcast_that_is_retracted_stays_away(room: Newsroom) -> None:
    """Resuming brings nothing back."""
    await subscribed_chat(room.store, 1)
    story = await stored_story(room.store, 1)
    number = await room.opened(story)
    await room.editing.pause(OWNER, number, NOW)
    assert await room.editing.retract(OWNER, story.id, NOW) == 0
    assert not await room.editing.resume(OWNER, number, NOW)
    await room.editing.settle_halts(NOW)
    assert await room.deliver() == {}


async def test_a_parked_delivery_of_a_closed_chat_is_not_released(room: Newsroom) -> None:
    """A chat that went away during the pause gets nothing."""
    chat = await subscribed_chat(room.store, 1)
    number = await room.opened(await stored_story(room.store, 1))
    await room.editing.pause(OWNER, number, NOW)
    await room.store.close_chat(chat.id, "blocked", NOW)
    await room.editing.resume(OWNER, number, NOW)
    assert await room.deliver() == {}


async def test_a_correction_changes_text_everywhere_and_the_story(room: Newsroom) -> None:
    """With a visible line where it is wished; what has not gone out says it, too."""
    await subscribed_chat(room.store, 1)
    story = await stored_story(room.store, 1)
    await room.opened(story)
    await room.deliver()
    assert (
        await room.editing.correct(
            OWNER, story.id, room.now, html="<b>Judul benar</b>\nIsi benar", marked=True
        )
        == 1
    )
    assert await room.deliver() == {1: ["Ralat · Selasa, 24 November 2026 pukul 17.01"]}
    now = await room.store.find_story(story.id)
    assert now is not None
    assert (now.title, now.summary) == ("Judul benar", "Isi benar")
    outcomes = await room.editing.outcomes(story.id)
    assert (outcomes.edited, outcomes.refused, outcomes.waiting) == (1, 0, 0)


async def test_a_correction_changes_the_address_everywhere(room: Newsroom) -> None:
    """In the words, the buttons and the preview; the words themselves stay."""
    await subscribed_chat(room.store, 1)
    story = await stored_story(room.store, 1)
    number = await room.opened(story)
    await room.deliver()
    url = "https://kabar.example/berita-satu/"
    assert await room.editing.correct(OWNER, story.id, room.now, url=url) == 1
    found = await room.store.find_broadcast(number)
    assert found is not None
    message = found.broadcast.message
    assert message is not None
    everything = str(message)
    assert "berita-1/" not in everything.replace("%2F", "/")
    assert message.text.startswith("Berita nomor 1")
    assert message.preview_url == url


async def test_a_withdrawn_story_is_not_corrected(room: Newsroom) -> None:
    """There is nothing left to correct."""
    story = await stored_story(room.store, 1)
    await room.editing.retract(OWNER, story.id, NOW)
    assert await room.editing.retract(OWNER, story.id, NOW) is None
    assert await room.editing.correct(OWNER, story.id, NOW, html="Lain") is None


async def test_a_retraction_reports_by_outcome(room: Newsroom) -> None:
    """Deleted, replaced by a note, refused."""
    for one in range(1, 5):
        await subscribed_chat(room.store, one)
    story = await stored_story(room.store, 1)
    await room.opened(story)
    await room.deliver()
    assert await room.editing.retract(OWNER, story.id, room.now) == 4
    deleted, replaced, refused, waiting = await claimed(room.store, room.now + PACE)
    assert waiting.action is Action.RETRACT
    await record(room.store, deleted, Verdict(Step.SENT), room.now)
    kept = Verdict(Step.SENT, "too old to be deleted: replaced by a note")
    await record(room.store, replaced, kept, room.now)
    await record(room.store, refused, Verdict(Step.FAILED, "no rights"), room.now)
    told = await room.editing.outcomes(story.id)
    assert (told.deleted, told.replaced, told.refused, told.waiting) == (1, 1, 1, 1)


async def test_drafts_are_listed_moved_and_called_off(room: Newsroom) -> None:
    """What is scheduled may get another moment, once it is cancelled nothing."""
    number = await room.drafted(await stored_story(room.store, 1))
    assert [one.broadcast.id for one in await room.editing.list_drafts(OWNER, NOW)] == [number]
    early, late = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    assert await room.editing.schedule(OWNER, number, early, NOW) is Decision.DONE
    assert await room.editing.list_drafts(OWNER, NOW) == []
    assert await room.editing.schedule(OWNER, number, late, NOW) is Decision.DONE
    (one,) = await room.editing.list_scheduled(OWNER, NOW)
    assert one.broadcast.due_at == late
    assert not await room.broadcasts.open_due(early)
    assert await room.editing.cancel(OWNER, number, NOW) is Decision.DONE
    assert await room.editing.cancel(OWNER, number, NOW) is Decision.DECIDED
    assert await room.editing.approve(OWNER, number, NOW) is Decision.DECIDED
    assert await room.editing.approve(OWNER, 999, NOW) is Decision.MISSING
    assert not await room.broadcasts.open_due(late)


async def test_only_what_was_refused_is_sent_again(room: Newsroom) -> None:
    """Those who have the story do not get it twice."""
    await subscribed_chat(room.store, 1)
    await subscribed_chat(room.store, 2)
    number = await room.opened(await stored_story(room.store, 1))
    one, other = await claimed(room.store, NOW)
    await record(room.store, one, sent(5), NOW)
    await record(room.store, other, Verdict(Step.FAILED, "no rights"), NOW)
    assert await room.editing.resend_failed(OWNER, number, NOW) == 1
    assert list(await room.deliver()) == [other.destination.chat]
    assert await room.editing.resend_failed(OWNER, number, NOW) == 0


async def test_the_numbers_of_the_days_are_those_of_the_deliveries(room: Newsroom) -> None:
    """By the newsroom's day."""
    await subscribed_chat(room.store, 1)
    await subscribed_chat(room.store, 2)
    number = await room.opened(await stored_story(room.store, 1))
    one, other = await claimed(room.store, NOW)
    await record(room.store, one, sent(5), NOW)
    await record(room.store, other, Verdict(Step.FAILED, "no rights"), NOW)
    told = await room.editing.stats(OWNER, 2, NOW)
    today, yesterday = told.days
    assert (today.broadcasts, today.delivered, today.refused, today.joined) == (1, 1, 1, 2)
    assert (yesterday.broadcasts, yesterday.joined) == (0, 0)
    (story,) = told.stories
    assert (story.delivered, story.refused, told.chats["private"]) == (1, 1, 2)
    assert [one.id for one in await room.editing.story_broadcasts(story.story.id)] == [number]


async def test_a_correction_that_was_looked_at_is_made_once(room: Newsroom) -> None:
    """Whoever presses and however often."""
    await subscribed_chat(room.store, 1)
    story = await stored_story(room.store, 1)
    await room.opened(story)
    await room.deliver()
    number = await room.editing.propose_correction(OWNER, story.id, room.now, html="<b>Benar</b>")
    kept = await room.store.find_correction(number)
    assert kept is not None
    made = await asyncio.gather(
        *(room.editing.make_correction(OWNER, kept, room.now) for _ in range(4))
    )
    assert sorted(made, key=str) == [1, None, None, None]
    assert await room.deliver() == {1: ["Benar"]}


async def test_a_notice_is_taken_once_and_what_touches_it_meanwhile_stands(store: Store) -> None:
    """A question looked at by one process is not edited by another."""
    story = await stored_story(store)
    draft = await store.record_draft(story.id, message(), OWNER, NOW)
    await store.record_notice(Notice("question", 5, -1, "id", None, draft.id), NOW, NOW)
    lease = NOW + timedelta(seconds=10)
    (taken,) = await store.claim_notices(NOW, lease, 5)
    assert await store.claim_notices(NOW, lease, 5) == []
    await store.record_sent(taken, 77, "a", None)
    assert await store.claim_notices(NOW + timedelta(days=1), lease, 5) == []
    await store.touch_broadcast(draft.id, NOW)
    (taken,) = await store.claim_notices(NOW, lease, 5)
    assert (taken.message_id, taken.shown) == (77, "a")
    await store.touch_broadcast(draft.id, NOW)
    await store.settle_notice(taken, "b", lease, None)
    assert len(await store.claim_notices(NOW, lease, 5)) == 1
    assert await store.has_notice(taken)
    assert await store.find_last_question(5) == draft.id
    await store.unshow_notice(5, 77, NOW)
    found = await store.find_notice(5, 77)
    assert found is not None
    assert found.shown == ""


async def test_a_prompt_lapses_and_ends(store: Store) -> None:
    """Words said much later are a search again."""
    prompt = Notice("ask text", 5, 8, "id", None, 1)
    await store.record_notice(prompt, NOW, None)
    found = await store.find_prompt(5, NOW - timedelta(minutes=30))
    assert found is not None
    assert found.message_id == 8
    assert await store.find_prompt(5, NOW + timedelta(seconds=1)) is None
    assert await store.find_prompt(6, NOW - timedelta(minutes=30)) is None
    await store.end_prompts(5)
    assert await store.find_prompt(5, NOW - timedelta(minutes=30)) is None
    assert await store.forget_notices(NOW + timedelta(days=60)) == 0


async def test_an_article_is_read_for_editors_alone(room: Newsroom) -> None:
    """A page that is none is refused in words that an editor understands."""
    with pytest.raises(ParseError):
        await room.editing.draft_url(OWNER, entry(5).url or "", NOW)
