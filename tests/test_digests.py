"""Digests and quiet hours: each story once, at the chat's moment, whatever changes meanwhile."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from factories import FEED_URL, claim_plan, sighting

from bot.broadcasts import Broadcasts
from bot.db import open_database
from bot.digests import Digests
from bot.render import Renderer
from bot.store import PollPlan, Store
from bot.types import (
    Action,
    BroadcastState,
    ChatType,
    FeedPage,
    Message,
    Narrowing,
    Outcome,
    Pace,
    Preview,
    Rhythm,
    Step,
    Verdict,
)
from bot.wishes import is_quiet

if TYPE_CHECKING:
    from bot.types import Delivery, Story

TEMPLATES = Path(__file__).parent.parent / "templates"
JAKARTA = "Asia/Jakarta"
# Clocks change in Berlin on 25 October 2026 and in New York on 1 November.
START = datetime(2026, 10, 20, tzinfo=UTC)


@dataclass
class Newsroom:
    """A newsroom over a database: polls, fan-outs, digests and what arrives in chats."""

    store: Store
    now: datetime = START
    feed_id: int = 0
    number: int = 0
    arrived: list[tuple[Delivery, Message, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        renderer = Renderer(locale="id", zone=ZoneInfo(JAKARTA), utm=False, builtin=TEMPLATES)
        none: Any = None
        self.broadcasts = Broadcasts(self.store, renderer, none)
        self.digests = Digests(self.store, renderer)

    async def chat(self, telegram_id: int, *tags: str) -> int:
        """A chat that subscribes; gives its row id."""
        chat = await self.store.record_chat(telegram_id, ChatType.PRIVATE, self.now)
        await self.store.subscribe(chat.id, 0, tags, self.now)
        return chat.id

    async def rhythm(self, chat_id: int, zone: str = JAKARTA, **how: Any) -> None:
        """Give a chat a rhythm and a zone."""
        rhythm = Rhythm(**how)
        await self.store.record_rhythm((chat_id, 0), rhythm, zone, self.now)

    async def publish(self, number: int = 1, **content: Any) -> list[Story]:
        """Let a poll bring new stories, and fan them out."""
        await self.store.record_feeds([FEED_URL], self.now)
        (feed,) = await self.store.claim_feeds(self.now, self.now, 1)
        self.number += number
        new = [
            sighting(one, **{"title": f"Berita nomor {one}", **content})
            for one in range(self.number - number + 1, self.number + 1)
        ]
        plan = PollPlan(self.now, self.now, BroadcastState.SCHEDULED, self.now)
        await self.store.record_poll(feed, FeedPage(url=FEED_URL, entries=()), new, [], plan)
        await self.broadcasts.open_due(self.now)
        found = [await self.store.find_story_by_code(one.story.code) for one in new]
        return [story for story in found if story]

    async def turn(self) -> None:
        """Send the digests that are due, and let everything arrive."""
        while await self.digests.send_due(self.now):
            pass
        await self.broadcasts.revise_stale(self.now)
        await self.deliver()

    async def deliver(self) -> None:
        """Let what is due arrive, a delivery a chat at a time."""
        at = self.now
        while claimed := await self.store.exchange([], claim_plan(at, 500)):
            outcomes = []
            for one in claimed:
                message = await self.store.find_message(one.broadcast_id, one.revision)
                assert message is not None
                self.arrived.append((one, message, self.now))
                sent = Verdict(Step.SENT, message_id=len(self.arrived))
                outcomes.append(Outcome(one, sent))
            at += timedelta(seconds=2)
            await self.store.exchange(outcomes, claim_plan(at, 0))

    def texts(self, chat: int, action: Action = Action.SEND) -> list[str]:
        """What arrived in a chat."""
        return [
            message.text
            for one, message, _ in self.arrived
            if one.destination.chat == chat and one.action is action
        ]

    def stories(self, chat: int) -> Counter[str]:
        """How often each story arrived in a chat, singly or in a list."""
        lines = (line for text in self.texts(chat) for line in text.splitlines())
        titles = (line.lstrip("• ").strip() for line in lines)
        return Counter(title for title in titles if title.startswith("Berita nomor"))

    def numbers(self, *numbers: int) -> Counter[str]:
        """Stories as they are counted, each once."""
        return Counter(f"Berita nomor {number}" for number in numbers)


@pytest.fixture
async def room(store: Store) -> Newsroom:
    return Newsroom(store)


async def test_a_digest_brings_in_one_list_what_came_since_the_last(room: Newsroom) -> None:
    chat = await room.chat(1)
    await room.rhythm(chat, pace=Pace.DAILY, hour=7)
    await room.publish(3)
    await room.turn()
    assert room.texts(1) == []
    room.now = datetime(2026, 10, 21, 0, 0, tzinfo=UTC)  # 07:00 in Jakarta
    await room.turn()
    (text,) = room.texts(1)
    assert text.startswith("Ringkasan harian: 3 berita")
    assert room.stories(1) == room.numbers(1, 2, 3)
    room.now += timedelta(days=1)
    await room.turn()
    assert len(room.texts(1)) == 1


async def test_a_long_digest_is_split_and_nothing_is_left_out(room: Newsroom) -> None:
    chat = await room.chat(1)
    await room.rhythm(chat, pace=Pace.WEEKLY, hour=7, weekday=0)
    await room.publish(61)
    room.now += timedelta(days=7)
    await room.turn()
    assert [text.count("•") for text in room.texts(1)] == [21, 21, 19]
    assert room.stories(1) == room.numbers(*range(1, 62))


async def test_those_who_get_the_same_share_one_list(room: Newsroom) -> None:
    for telegram_id in (1, 2):
        await room.rhythm(await room.chat(telegram_id), pace=Pace.HOURLY)
    await room.rhythm(await room.chat(3, "lain"), pace=Pace.HOURLY)
    await room.publish(2)
    room.now += timedelta(hours=1)
    await room.turn()
    assert room.texts(1) == room.texts(2) != []
    assert len({one.broadcast_id for one, _, _ in room.arrived}) == 1
    assert room.texts(3) == []


async def test_a_withdrawn_story_is_left_out_and_a_digest_is_never_empty(room: Newsroom) -> None:
    await room.rhythm(await room.chat(1), pace=Pace.DAILY)
    first, second, third = await room.publish(3)
    note = Message("<i>ditarik</i>", "ditarik")
    await room.store.retract_story(second.id, note, room.now)
    room.now += timedelta(days=1)
    await room.turn()
    assert room.stories(1) == room.numbers(1, 3)
    (fourth,) = await room.publish()
    await room.store.retract_story(fourth.id, note, room.now)
    room.now += timedelta(days=1)
    await room.turn()
    assert len(room.texts(1)) == 1
    await room.store.retract_story(first.id, note, room.now)
    await room.turn()
    (edited,) = room.texts(1, Action.EDIT)
    assert edited.startswith("Ringkasan harian: 1 berita")
    assert third.title in edited


async def test_the_night_is_quiet_and_the_morning_brings_a_few_singly(room: Newsroom) -> None:
    await room.rhythm(await room.chat(1), quiet_from=22, quiet_until=6)
    room.now = datetime(2026, 10, 20, 16, tzinfo=UTC)  # 23:00 in Jakarta
    await room.publish(3)
    await room.turn()
    assert room.texts(1) == []
    room.now = datetime(2026, 10, 20, 23, tzinfo=UTC)
    await room.turn()
    assert [text.splitlines()[0] for text in room.texts(1)] == [
        f"Berita nomor {number}" for number in (1, 2, 3)
    ]
    room.now += timedelta(minutes=1)
    await room.publish()
    await room.turn()
    assert room.stories(1) == room.numbers(1, 2, 3, 4)


async def test_a_busy_night_comes_as_one_list(room: Newsroom) -> None:
    await room.rhythm(await room.chat(1), quiet_from=22, quiet_until=6)
    room.now = datetime(2026, 10, 20, 16, tzinfo=UTC)
    await room.publish(4)
    room.now += timedelta(hours=1)
    await room.publish(4)
    room.now = datetime(2026, 10, 20, 23, tzinfo=UTC)
    await room.turn()
    (text,) = room.texts(1)
    assert text.startswith("Selama jam tenang: 8 berita")
    assert room.stories(1) == room.numbers(*range(1, 9))


async def test_a_digest_that_falls_into_quiet_hours_comes_when_they_end(room: Newsroom) -> None:
    await room.rhythm(await room.chat(1), pace=Pace.HOURLY, quiet_from=22, quiet_until=6)
    room.now = datetime(2026, 10, 20, 16, tzinfo=UTC)
    await room.publish(2)
    room.now += timedelta(hours=3)
    await room.turn()
    assert room.texts(1) == []
    room.now = datetime(2026, 10, 20, 23, tzinfo=UTC)
    await room.turn()
    assert len(room.texts(1)) == 1


async def test_what_waits_comes_when_the_chat_wants_it_at_once_again(room: Newsroom) -> None:
    chat = await room.chat(1)
    await room.rhythm(chat, pace=Pace.WEEKLY)
    await room.publish(2)
    await room.rhythm(chat)
    await room.turn()
    assert room.stories(1) == room.numbers(1, 2)
    room.now += timedelta(minutes=1)
    await room.publish()
    await room.turn()
    assert room.stories(1) == room.numbers(1, 2, 3)


async def test_a_changed_zone_moves_what_waits(room: Newsroom) -> None:
    chat = await room.chat(1)
    await room.rhythm(chat, pace=Pace.DAILY, hour=7)
    await room.publish()
    await room.store.record_zone(chat, "America/New_York", room.now)
    room.now = datetime(2026, 10, 20, 10, 59, tzinfo=UTC)
    await room.turn()
    assert room.texts(1) == []
    room.now = datetime(2026, 10, 20, 11, 0, tzinfo=UTC)
    await room.turn()
    assert len(room.texts(1)) == 1


async def test_the_end_of_a_subscription_drops_what_waits(room: Newsroom) -> None:
    chat = await room.chat(1)
    await room.rhythm(chat, pace=Pace.DAILY)
    await room.publish()
    await room.store.unsubscribe(chat, 0, (), room.now)
    await room.store.subscribe(chat, 0, (), room.now)
    found = await room.store.find_subscription(chat, 0)
    assert found is not None
    assert found.rhythm == Rhythm()
    room.now += timedelta(days=2)
    await room.turn()
    assert room.texts(1) == []


async def test_a_closed_chat_gets_no_digest_and_nothing_old_when_it_returns(
    room: Newsroom,
) -> None:
    chat = await room.chat(1)
    await room.rhythm(chat, pace=Pace.DAILY)
    await room.publish()
    await room.store.close_chat(chat, "blocked", room.now)
    room.now += timedelta(days=1)
    await room.turn()
    await room.store.open_chat(chat)
    await room.publish()
    room.now += timedelta(days=1)
    await room.turn()
    assert room.stories(1) == room.numbers(2)


async def test_only_one_of_two_workers_sends_a_digest(room: Newsroom) -> None:
    await room.rhythm(await room.chat(1), pace=Pace.DAILY)
    await room.publish(2)
    room.now += timedelta(days=1)
    (due,) = await room.store.list_due_digests(room.now, 10)
    await room.digests.send_due(room.now)
    assert await room.store.record_digest([due], [], room.now) == 0
    assert await room.store.record_singles([due], room.now) == 0
    await room.turn()
    assert room.stories(1) == room.numbers(1, 2)


async def test_a_story_that_comes_while_a_digest_is_made_waits_for_the_next(
    room: Newsroom,
) -> None:
    await room.rhythm(await room.chat(1), pace=Pace.HOURLY)
    await room.publish()
    room.now += timedelta(hours=1)
    (due,) = await room.store.list_due_digests(room.now, 10)
    await room.publish()
    await room.store.record_singles([due], room.now)
    await room.deliver()
    assert room.stories(1) == room.numbers(1)
    room.now += timedelta(hours=1)
    await room.turn()
    assert room.stories(1) == room.numbers(1, 2)


async def test_keywords_choose_among_many_plain_chats(room: Newsroom) -> None:
    flood, all_but = await room.chat(1), await room.chat(2)
    await room.chat(3)
    now = room.now
    await room.store.record_choice((flood, 0), (), Narrowing(("banjir",)), now)
    await room.store.record_choice((all_but, 0), (), Narrowing((), ("iklan",), ("Opini",)), now)
    await room.publish(title="Banjir di Serang")
    await room.publish(title="Iklan layanan")
    await room.publish(title="Surat pembaca", tags=("opini",))
    await room.turn()
    firsts = {chat: [text.splitlines()[0] for text in room.texts(chat)] for chat in (1, 2, 3)}
    assert firsts[1] == ["Banjir di Serang"]
    assert firsts[2] == ["Banjir di Serang"]
    assert firsts[3] == ["Banjir di Serang", "Iklan layanan", "Surat pembaca"]


async def test_an_audience_counts_those_who_choose(room: Newsroom) -> None:
    await room.store.record_choice((await room.chat(1), 0), (), Narrowing(("banjir",)), room.now)
    await room.rhythm(await room.chat(2), pace=Pace.DAILY)
    await room.chat(3)
    (flood,) = await room.publish(title="Banjir")
    (other,) = await room.publish(title="Lain")
    assert await room.store.count_audience(flood.id) == 3
    assert await room.store.count_audience(other.id) == 2


async def test_each_chat_gets_the_preview_that_it_wishes_in_edits_too(room: Newsroom) -> None:
    for telegram_id, preview in enumerate(Preview, start=1):
        chat = await room.chat(telegram_id)
        await room.store.record_preview((chat, 0), preview)
    (story,) = await room.publish()
    await room.turn()
    changed = sighting(1, title="Berita nomor 1 (diralat)")
    (feed,) = await room.store.claim_feeds(room.now, room.now, 1)
    (known,) = await room.store.list_known(feed.id, [changed])
    plan = PollPlan(room.now, room.now, BroadcastState.SCHEDULED, room.now)
    page = FeedPage(url=FEED_URL, entries=())
    await room.store.record_poll(feed, page, [], [(known, changed)], plan)
    room.now += timedelta(minutes=1)
    await room.turn()
    for action in (Action.SEND, Action.EDIT):
        kinds = [one.preview for one, _, _ in room.arrived if one.action is action]
        assert sorted(kinds) == sorted(Preview)
    assert story.id


async def test_a_forgotten_chat_is_out_of_reach_once_nothing_is_under_way(room: Newsroom) -> None:
    chat = await room.chat(1)
    await room.rhythm(await room.chat(2), pace=Pace.DAILY)
    (story,) = await room.publish()
    (under_way,) = await room.store.exchange([], claim_plan(room.now, 5))
    await room.store.forget_chat(chat, room.now)
    assert await room.store.find_chat(1) is not None
    sent = Outcome(under_way, Verdict(Step.SENT, message_id=9))
    await room.store.exchange([sent], claim_plan(room.now, 0))
    await room.store.forget_stopped()
    assert await room.store.find_chat(1) is None
    assert await room.store.count_reached(story.id) == 1
    await room.store.retract_story(story.id, Message("<i>ditarik</i>", "ditarik"), room.now)
    room.now += timedelta(minutes=1)
    for one in await room.store.exchange([], claim_plan(room.now, 5)):
        assert one.message_id is None
    again = await room.store.record_chat(1, ChatType.PRIVATE, room.now)
    assert await room.store.find_subscription(again.id, 0) is None


async def test_who_returns_before_the_number_is_deleted_keeps_it(room: Newsroom) -> None:
    chat = await room.chat(1)
    await room.publish()
    assert await room.store.exchange([], claim_plan(room.now, 5))
    await room.store.forget_chat(chat, room.now)
    await room.store.open_chat(chat)
    await room.store.forget_stopped()
    found = await room.store.find_chat(1)
    assert found is not None
    assert (found.id, found.language) == (chat, None)


ZONES = [JAKARTA, "Europe/Berlin", "America/New_York", "Asia/Jayapura"]
RHYTHMS = [
    Rhythm(),
    Rhythm(Pace.HOURLY),
    Rhythm(Pace.DAILY, 2),
    Rhythm(Pace.DAILY, 1),
    Rhythm(Pace.WEEKLY, 2, 6),
    Rhythm(quiet_from=22, quiet_until=2),
    Rhythm(Pace.HOURLY, quiet_from=0, quiet_until=5),
    Rhythm(Pace.DAILY, 2, quiet_from=1, quiet_until=3),
]


@pytest.mark.parametrize("seed", range(2))
async def test_a_fortnight_with_changing_zones_and_restarts_brings_each_story_once(
    database_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    database = await open_database(database_url)
    room = Newsroom(Store(database))
    chats = {telegram_id: await room.chat(telegram_id) for telegram_id in range(1, 9)}
    zones = {telegram_id: chance.choice(ZONES) for telegram_id in chats}
    rhythms = {}
    for telegram_id, chat in chats.items():
        rhythms[telegram_id] = RHYTHMS[telegram_id - 1]
        await room.store.record_zone(chat, zones[telegram_id], room.now)
        await room.store.record_rhythm((chat, 0), rhythms[telegram_id], JAKARTA, room.now)
    end = START + timedelta(days=14)
    while room.now < end:
        room.now += timedelta(minutes=chance.choice([10, 50, 90, 150, 240]))
        if chance.random() < 0.4:
            await room.publish(chance.choice([1, 1, 1, 2]))
            await room.deliver()
        if chance.random() < 0.06:
            moved = chance.choice(list(chats))
            zones[moved] = chance.choice(ZONES)
            await room.store.record_zone(chats[moved], zones[moved], room.now)
        if chance.random() < 0.04:
            changed = chance.choice(list(chats))
            rhythms[changed] = chance.choice(RHYTHMS)
            place = (chats[changed], 0)
            await room.store.record_rhythm(place, rhythms[changed], JAKARTA, room.now)
        if chance.random() < 0.04:
            await database.close()
            database = await open_database(database_url)
            room = replace(room, store=Store(database))
        if chance.random() < 0.9:
            before = len(room.arrived)
            await room.turn()
            for one, _, _ in room.arrived[before:]:
                chat = int(one.destination.chat)
                quiet = is_quiet(rhythms[chat], ZoneInfo(zones[chat]), room.now)
                assert not quiet, (chat, room.now)
    for _ in range(40):
        room.now += timedelta(hours=5)
        await room.turn()
    every = room.numbers(*range(1, room.number + 1))
    assert {chat: room.stories(chat) for chat in chats} == dict.fromkeys(chats, every)
    await database.close()
