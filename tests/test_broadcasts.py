"""Flow 2: what opens, what is held back, what is listed, what an editor sees."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from factories import (
    FEED_URL,
    NOW,
    PACE,
    claim_plan,
    claimed,
    entry,
    sent,
    sighting,
    subscribed_chat,
)

from bot.broadcasts import Broadcasts
from bot.editing import Decision, Editing, EditingPolicy, Notices
from bot.errors import DestinationGone, ParseError, ShortenError
from bot.render import MAX_LISTED, Renderer
from bot.store import PollPlan
from bot.types import (
    BroadcastState,
    FeedPage,
    Outcome,
    Prepared,
    Receipt,
    Step,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.store import Store
    from bot.types import Delivery, Destination, Entry, FeedForPoll, Message, Story

TEMPLATES = Path(__file__).parent.parent / "templates"
EDITORS = (7, 8)
ZONE = ZoneInfo("Asia/Jakarta")


class Pages:
    """Articles by address; every other address is none."""

    def __init__(self, **pages: Entry) -> None:
        self.pages = {f"https://kabar.example/{name}/": page for name, page in pages.items()}

    async def fetch(self, feed: FeedForPoll) -> FeedPage:
        return FeedPage(url=feed.url, entries=None)

    async def read_article(self, url: str) -> Entry:
        if url not in self.pages:
            raise ParseError("this page is no article")
        return self.pages[url]


class Chats:
    """A publisher that keeps what it is given; an editor may have gone."""

    def __init__(self) -> None:
        self.sent: list[tuple[int | str, Message]] = []
        self.edited: list[tuple[int | str, int, Message]] = []
        self.gone: set[int | str] = set()
        self._prepared: Message | None = None

    def prepare(self, message: Message) -> Prepared:
        self._prepared = message
        return Prepared(message.text, b"", None)

    async def send(self, destination: Destination, _: Prepared) -> Receipt:
        if destination.chat in self.gone:
            raise DestinationGone("blocked")
        assert self._prepared is not None
        self.sent.append((destination.chat, self._prepared))
        return Receipt(int(destination.chat), len(self.sent))

    async def edit(self, destination: Destination, message_id: int, _: Prepared) -> None:
        assert self._prepared is not None
        self.edited.append((destination.chat, message_id, self._prepared))


class Shortener:
    """A shortener that answers, fails or never comes back."""

    def __init__(self, manner: str) -> None:
        self.manner = manner
        self.asked = 0
        self.answered = asyncio.Event()

    async def shorten(self, story: Story) -> str:
        self.asked += 1
        if self.manner == "late":
            await self.answered.wait()
        if self.manner == "fails":
            raise ShortenError("quota")
        if self.manner == "hangs":
            raise TimeoutError
        return f"https://s.example/{story.code}"


class Desk:
    """The flow over a store."""

    def __init__(
        self,
        store: Store,
        *,
        burst: int = 5,
        shortener: Shortener | None = None,
        editors: tuple[int, ...] = EDITORS,
    ) -> None:
        self.store = store
        self.now = NOW
        self.chats = Chats()
        self.pages = Pages()
        renderer = Renderer(locale="id", zone=ZONE, utm=True, builtin=TEMPLATES)
        self.broadcasts = Broadcasts(
            store, renderer, self.chats, shortener, burst=burst, shorten_wait_s=0.05
        )
        make = self.broadcasts.message_of
        policy = EditingPolicy(frozenset(editors), ZONE, 30.0)
        self.editing = Editing(store, self.pages, renderer, make, policy)
        self.notices = Notices(store, self.editing, renderer, self.chats, make, ZONE)

    async def stories(self, *tags: Sequence[str], state: str = BroadcastState.SCHEDULED) -> None:
        """Let a poll bring stories with these tags, oldest first."""
        await self.store.record_feeds([FEED_URL], NOW)
        (feed,) = await self.store.claim_feeds(NOW, NOW, 1)
        new = [sighting(number, tags=tuple(own)) for number, own in enumerate(tags, start=1)]
        plan = PollPlan(NOW, NOW, state, NOW)
        await self.store.record_poll(feed, FeedPage(url=FEED_URL, entries=()), new, [], plan)

    async def correct(self, number: int, title: str) -> None:
        """Let a poll bring a new title of a story."""
        (feed,) = await self.store.claim_feeds(NOW, NOW, 1)
        changed = sighting(number, title=title)
        (known,) = await self.store.list_known(feed.id, [changed])
        plan = PollPlan(NOW, NOW, BroadcastState.SCHEDULED, NOW)
        page = FeedPage(url=FEED_URL, entries=())
        await self.store.record_poll(feed, page, [], [(known, changed)], plan)

    def decision(self) -> int:
        """The broadcast that the last offer's button sends."""
        data = self.chats.sent[-1][1].buttons[-1][0].callback_data or ""
        return int(data.removeprefix("send:"))

    async def delivered(self) -> dict[int, list[Message]]:
        """Deliver everything; what each chat got, in order."""
        got: dict[int, list[Message]] = {}
        self.now += timedelta(minutes=5)
        now = self.now
        while deliveries := await claimed(self.store, now):
            for number, one in enumerate(deliveries):
                found = await self.store.find_message(one.broadcast_id, one.revision)
                assert found is not None
                assert isinstance(one.destination.chat, int)
                got.setdefault(one.destination.chat, []).append(found)
                await self.record(one, sent(1000 + one.id + number))
            now += PACE
        return got

    async def record(self, delivery: Delivery, verdict: Verdict) -> None:
        await self.store.exchange([Outcome(delivery, verdict)], claim_plan(NOW, 0))


def titles(messages: list[Message]) -> list[str]:
    return [message.text.split("\n")[0] for message in messages]


async def test_a_due_story_opens_once_with_its_message(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories(())
    assert await desk.broadcasts.open_due(NOW)
    assert not await desk.broadcasts.open_due(NOW)
    assert titles((await desk.delivered())[1]) == ["Berita nomor 1"]


async def test_up_to_the_burst_every_story_goes_singly(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories(*[()] * 5)
    await desk.broadcasts.open_due(NOW)
    assert titles((await desk.delivered())[1]) == [f"Berita nomor {n}" for n in range(1, 6)]


async def test_above_the_burst_the_newest_go_singly_and_the_rest_as_a_list(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories(*[()] * 12)
    await desk.broadcasts.open_due(NOW)
    got = (await desk.delivered())[1]
    assert titles(got[:5]) == [f"Berita nomor {n}" for n in range(8, 13)]
    assert len(got) == 6
    assert got[5].text.splitlines() == [
        "7 berita lainnya",
        "",
        *[f"• Berita nomor {n}" for n in range(7, 0, -1)],
    ]


async def test_a_flood_becomes_several_lists_and_drops_nothing(store: Store) -> None:
    desk = Desk(store, burst=2)
    await subscribed_chat(store, 1)
    number = MAX_LISTED * 2 + 12
    await desk.stories(*[()] * number)
    await desk.broadcasts.open_due(NOW)
    got = (await desk.delivered())[1]
    assert len(got) == 2 + 3
    text = "\n".join(message.text for message in got)
    lines = set(text.splitlines())
    for one in range(1, number + 1):
        assert {f"• Berita nomor {one}", f"Berita nomor {one}"} & lines


async def test_what_an_editor_let_go_is_never_put_into_a_list(store: Store) -> None:
    """What was approved is what goes, however much else goes at the same moment."""
    desk = Desk(store, burst=1)
    await subscribed_chat(store, 1)
    await desk.stories((), (), (), state=BroadcastState.DRAFT)
    for number in range(1, 4):
        assert await desk.editing.schedule(7, number, NOW + PACE, NOW) is Decision.DONE
    await desk.broadcasts.open_due(NOW + PACE)
    assert titles((await desk.delivered())[1]) == [f"Berita nomor {n}" for n in range(1, 4)]


async def test_each_chat_is_listed_only_what_it_wants(store: Store) -> None:
    desk = Desk(store, burst=2)
    await subscribed_chat(store, 1)
    await subscribed_chat(store, 2, "politik")
    await subscribed_chat(store, 3, "ekonomi")
    await desk.stories(*[("Politik",), ("Ekonomi",), ("Politik",), ("Politik",)], ("Politik",))
    await desk.broadcasts.open_due(NOW)
    got = await desk.delivered()
    assert [len(got[chat]) for chat in (1, 2, 3)] == [3, 3, 1]
    assert got[2][2].text.splitlines()[2:] == ["• Berita nomor 3", "• Berita nomor 1"]
    assert titles(got[3]) == ["Berita nomor 2"]


async def test_a_listed_story_that_changes_changes_the_list(store: Store) -> None:
    desk = Desk(store, burst=1)
    await subscribed_chat(store, 1)
    await desk.stories((), (), ())
    await desk.broadcasts.open_due(NOW)
    await desk.delivered()
    await desk.correct(1, "Judul baru")
    await desk.broadcasts.revise_stale(NOW)
    edits = (await desk.delivered())[1]
    assert [message.text.splitlines()[2:] for message in edits] == [
        ["• Berita nomor 2", "• Judul baru"]
    ]


async def test_a_listed_story_is_not_sent_to_that_chat_again(store: Store) -> None:
    desk = Desk(store, burst=1)
    await subscribed_chat(store, 1)
    await desk.stories((), (), ())
    await desk.broadcasts.open_due(NOW)
    await desk.delivered()
    story = await store.find_story_by_key(sighting(1).key or "")
    assert story is not None
    draft = await desk.editing.draft(7, story, NOW)
    assert await desk.editing.approve(7, draft.broadcast.id, NOW) is Decision.DONE
    await desk.broadcasts.open_due(NOW)
    assert await desk.delivered() == {}


async def test_editors_see_each_draft_once_with_the_exact_message(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories((), state=BroadcastState.DRAFT)
    assert await desk.notices.offer(NOW)
    assert not await desk.notices.offer(NOW)
    assert [chat for chat, _ in desk.chats.sent] == list(EDITORS)
    offer = desk.chats.sent[0][1]
    decisions = [button.callback_data for button in offer.buttons[-1]]
    assert decisions[0] is not None
    number = int(decisions[0].removeprefix("send:"))
    assert decisions == [f"send:{number}", f"skip:{number}"]
    assert await desk.editing.approve(7, number, NOW) is Decision.DONE
    await desk.broadcasts.open_due(NOW)
    ((_, (got,)),) = (await desk.delivered()).items()
    assert got == replace(offer, buttons=offer.buttons[:-3])


async def test_without_editors_drafts_wait(store: Store) -> None:
    await Desk(store).stories((), state=BroadcastState.DRAFT)
    assert not await Desk(store, editors=()).notices.offer(NOW)
    assert await Desk(store).notices.offer(NOW)


async def test_an_editor_who_has_gone_does_not_keep_the_others_from_seeing(store: Store) -> None:
    desk = Desk(store)
    desk.chats.gone.add(7)
    await desk.stories((), state=BroadcastState.DRAFT)
    await desk.notices.offer(NOW)
    assert [chat for chat, _ in desk.chats.sent] == [8]


async def test_two_decisions_at_once_count_once(store: Store) -> None:
    desk = Desk(store)
    await desk.stories((), state=BroadcastState.DRAFT)
    await desk.notices.offer(NOW)
    number = desk.decision()
    decisions = [desk.editing.approve(7, number, NOW) for _ in range(4)]
    made = sorted(await asyncio.gather(*decisions))
    assert made == [Decision.DECIDED] * 3 + [Decision.DONE]


async def test_a_story_that_changed_since_its_preview_is_shown_anew(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories((), state=BroadcastState.DRAFT)
    await desk.notices.offer(NOW)
    await desk.correct(1, "Judul baru")
    assert await desk.editing.approve(7, desk.decision(), NOW) is Decision.CHANGED
    await desk.broadcasts.open_due(NOW)
    assert await desk.delivered() == {}
    assert await desk.notices.renew(NOW)
    await desk.notices.refresh(NOW)
    assert [chat for chat, _, _ in desk.chats.edited] == list(EDITORS)
    shown = desk.chats.edited[-1][2]
    assert "Judul baru" in shown.text
    assert shown.buttons[-1][0].callback_data == f"send:{desk.decision()}.2"
    assert await desk.editing.approve(7, desk.decision(), NOW, revision=1) is Decision.CHANGED
    assert await desk.editing.approve(7, desk.decision(), NOW, revision=2) is Decision.DONE
    await desk.broadcasts.open_due(NOW)
    assert titles((await desk.delivered())[1]) == ["Judul baru"]


async def test_an_article_that_no_feed_has_shown_is_read_and_kept(store: Store) -> None:
    desk = Desk(store)
    url = "https://kabar.example/khusus/"
    desk.pages.pages[url] = entry(9, url=url, guid=None)
    story = await desk.editing.find_or_read(7, url, NOW)
    assert story.id
    assert await desk.editing.find_or_read(7, f"{url}?fbclid=1", NOW) == story
    with pytest.raises(ParseError):
        await desk.editing.find_or_read(7, "https://kabar.example/beranda/", NOW)


@pytest.mark.parametrize(
    ("manner", "short"), [("answers", True), ("fails", False), ("hangs", False)]
)
async def test_a_short_url_is_used_if_it_comes_in_time(
    store: Store, manner: str, short: bool
) -> None:
    desk = Desk(store, shortener=Shortener(manner))
    await subscribed_chat(store, 1)
    await desk.stories(())
    await desk.broadcasts.open_due(NOW)
    ((_, (got,)),) = (await desk.delivered()).items()
    assert ("https://s.example/" in got.html) is short
    assert got.preview_url == "https://kabar.example/berita-1/"


async def test_a_late_short_url_delays_no_message_and_is_kept_for_later(
    store: Store,
) -> None:
    shortener = Shortener("late")
    desk = Desk(store, shortener=shortener)
    await subscribed_chat(store, 1)
    await desk.stories(())
    await desk.broadcasts.open_due(NOW)
    ((_, (got,)),) = (await desk.delivered()).items()
    assert "https://s.example/" not in got.html
    (story,) = await store.list_latest(5)
    await desk.editing.draft(7, story, NOW)
    assert not await desk.broadcasts.keep_late_links()
    shortener.answered.set()
    async with asyncio.timeout(5):
        while not await desk.broadcasts.keep_late_links():
            await asyncio.sleep(0)
    (story,) = await store.list_latest(5)
    assert (story.short_url, shortener.asked) == (f"https://s.example/{story.code}", 1)
    draft = await desk.editing.draft(7, story, NOW)
    assert draft.broadcast.message is not None
    assert "https://s.example/" in draft.broadcast.message.html


async def test_editors_are_asked_once_about_what_is_not_certain(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories(())
    await desk.broadcasts.open_due(NOW)
    (delivery,) = await claimed(store)
    await desk.record(delivery, Verdict(Step.UNKNOWN, "lost", NOW))
    (unknown,) = await store.claim_unknown(claim_plan())
    await store.settle_unknown(unknown, Verdict(Step.UNCONFIRMED, "too many"), 60, NOW)
    assert not await desk.broadcasts.ask_unconfirmed((), NOW)
    assert await desk.broadcasts.ask_unconfirmed(EDITORS, NOW)
    assert not await desk.broadcasts.ask_unconfirmed(EDITORS, NOW)
    assert [chat for chat, _ in desk.chats.sent] == list(EDITORS)
    question = desk.chats.sent[0][1]
    assert "Berita nomor 1" in question.text
    data = [button.callback_data for button in question.buttons[-1]]
    assert data == [f"send:d{delivery.id}", f"skip:d{delivery.id}"]


async def withdrawn(desk: Desk, number: int) -> int | None:
    story = await desk.store.find_story_by_key(sighting(number).key or "")
    assert story is not None
    return await desk.broadcasts.retract(story, desk.now)


async def test_a_retracted_story_is_taken_back_once(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await subscribed_chat(store, 2)
    await desk.stories((), ())
    await desk.broadcasts.open_due(NOW)
    await desk.delivered()
    assert await withdrawn(desk, 1) == 2
    assert await withdrawn(desk, 1) is None
    got = await desk.delivered()
    assert {chat: titles(notes) for chat, notes in got.items()} == {
        1: ["Berita ini telah ditarik oleh redaksi."],
        2: ["Berita ini telah ditarik oleh redaksi."],
    }
    assert [story.title for story in await store.list_latest(5)] == ["Berita nomor 2"]


async def test_a_story_retracted_before_it_went_out_never_goes(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories((), ())
    assert await withdrawn(desk, 1) == 0
    await desk.broadcasts.open_due(NOW)
    assert await withdrawn(desk, 2) == 0
    assert await desk.delivered() == {}


async def test_a_listed_story_that_is_retracted_leaves_the_list(store: Store) -> None:
    desk = Desk(store, burst=1)
    await subscribed_chat(store, 1)
    await desk.stories((), (), ())
    await desk.broadcasts.open_due(NOW)
    await desk.delivered()
    assert await withdrawn(desk, 2) == 0
    await desk.broadcasts.revise_stale(NOW)
    (edit,) = (await desk.delivered())[1]
    assert edit.text.splitlines()[2:] == ["• Berita nomor 1"]
    assert await withdrawn(desk, 1) == 1
    await desk.broadcasts.revise_stale(NOW)
    (note,) = (await desk.delivered())[1]
    assert note.text == "Berita ini telah ditarik oleh redaksi."


async def test_a_revision_made_while_its_story_was_retracted_goes_nowhere(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories(())
    await desk.broadcasts.open_due(NOW)
    await desk.delivered()
    await desk.correct(1, "Judul baru")
    (stale,) = await store.list_stale(5, NOW)
    assert await withdrawn(desk, 1) == 1
    assert stale.broadcast.message is not None
    other = replace(stale.broadcast.message, text="Judul baru")
    assert await store.record_revision(stale, other, NOW) == 0
    assert titles((await desk.delivered())[1]) == ["Berita ini telah ditarik oleh redaksi."]


async def test_a_story_that_changes_while_its_list_is_made_anew_stays_stale(store: Store) -> None:
    desk = Desk(store, burst=1)
    await subscribed_chat(store, 1)
    await desk.stories((), (), ())
    await desk.broadcasts.open_due(NOW)
    await desk.delivered()
    await desk.correct(1, "Judul baru")
    (stale,) = [item for item in await store.list_stale(5, NOW) if item.listed]
    assert stale.broadcast.message is not None
    await desk.correct(2, "Judul lain")
    await store.record_revision(stale, stale.broadcast.message, NOW)
    await desk.broadcasts.revise_stale(NOW)
    (edit,) = (await desk.delivered())[1]
    assert edit.text.splitlines()[2:] == ["• Judul lain", "• Judul baru"]
    assert not await store.list_stale(5, NOW)


async def test_a_retracted_story_may_be_sent_anew_by_an_editor(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    await desk.stories(())
    await desk.broadcasts.open_due(NOW)
    await desk.delivered()
    await withdrawn(desk, 1)
    await desk.delivered()
    story = await store.find_story_by_key(sighting(1).key or "")
    assert story is not None
    again = await desk.editing.draft(7, story, NOW)
    assert await desk.editing.approve(7, again.broadcast.id, NOW) is Decision.DONE
    await desk.broadcasts.open_due(NOW)
    assert titles((await desk.delivered())[1]) == ["Berita nomor 1"]
