"""Unknown outcomes are found out, against the sandbox, which counts ids as Telegram does."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from factories import NOW, fan_out, message, stored_story
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bot.http_post import Poster
from bot.limits import Budget
from bot.outbox import PROBE_AFTER, Outbox
from bot.probing import MOST_PROBES, SPARE_IDS, Prober, next_numbered, next_shared, shared_space
from bot.publisher import TelegramPublisher
from bot.sandbox import TOKEN, Sandbox, serve
from bot.sandbox.faults import Fault
from bot.store import KnownIds, Neighbour, NotedMessage
from bot.types import Action, Button, ChatType, Delivery, DeliveryState, Destination, ProbeAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from bot.store import Store

OWNER = 50
BUTTONS = ((Button("Terkait", callback_data="related:abc"),),)
LOST = Fault(method="sendMessage", then="drop", effect=True)
NEVER_TAKEN = Fault(method="sendMessage", then="drop", effect=False)
TYPES = {"private": ChatType.PRIVATE, "group": ChatType.GROUP}
TYPES |= {"supergroup": ChatType.SUPERGROUP, "channel": ChatType.CHANNEL}


def unknown(number: int, floor: int | None) -> Delivery:
    return Delivery(
        id=number,
        broadcast_id=1,
        revision=1,
        action=Action.SEND,
        chat_id=number,
        chat_type=ChatType.PRIVATE,
        destination=Destination(number),
        attempt=1,
        floor_id=floor,
    )


def asked_for(known: set[int], unsettled: int = 1, floor: int = 10) -> list[int]:
    """The ids that the search for a message that is not there asks for."""
    delivery, asked = unknown(1, floor), dict[int, ProbeAnswer]()
    space = shared_space(KnownIds(frozenset(known), unsettled), [delivery])
    while (message_id := next_shared(space, delivery, asked, 10**6, 0)) is not None:
        asked[message_id] = ProbeAnswer.NOTHING
    return list(asked)


def test_known_ids_are_never_asked_for() -> None:
    found = asked_for({11, 13, 14})
    assert found[0] == 12
    assert {12, *range(15, 15 + SPARE_IDS)} <= set(found)
    assert not {11, 13, 14} & set(found)


def test_ids_beyond_the_newest_known_one_are_few() -> None:
    assert max(asked_for({11, 20})) <= 21 + SPARE_IDS
    assert max(asked_for({11, 20}, unsettled=6)) <= 26 + SPARE_IDS


@settings(deadline=None)
@given(
    batches=st.lists(
        st.lists(st.booleans(), min_size=1, max_size=60) | st.just([False] * 40), max_size=5
    ),
    swaps=st.lists(st.integers(0, 200), max_size=20),
    heard=st.booleans(),
)
def test_unknown_sends_find_their_messages_side_by_side(
    batches: list[list[bool]], swaps: list[int], *, heard: bool
) -> None:
    """Sends of killed processes, nearly in the order of their claims, some batches never taken."""
    taken = [was_taken for batch in batches for was_taken in batch]
    looked_for = {number: unknown(number, 10) for number in range(len(taken))}
    arrived = [number for number, was_taken in enumerate(taken) if was_taken]
    for at in swaps:
        arrived[at : at + 2] = reversed(arrived[at : at + 2])
    owners = {11 + at: number for at, number in enumerate(arrived)}
    known = {11 + len(arrived) + at for at in range(20)} if heard else set[int]()
    asked: dict[int, dict[int, ProbeAnswer]] = defaultdict(dict)
    found: list[Neighbour] = []
    last = 11 + len(arrived) + len(taken) + 30
    for _ in range(MOST_PROBES):
        ids = KnownIds(frozenset(known), len(looked_for))
        space = shared_space(ids, [*looked_for.values()], found) if looked_for else None
        near = {
            n: next_shared(space, one, asked[n], last) for n, one in looked_for.items() if space
        }
        looking = sum(message_id is not None for message_id in near.values())
        turns = {
            n: found_near or next_shared(space, looked_for[n], asked[n], last, looking)
            for n, found_near in near.items()
            if space and (found_near or looking <= SPARE_IDS)
        }
        if not any(turns.values()):
            break
        for number, message_id in turns.items():
            if message_id is not None and owners.get(message_id) == number:
                known.add(message_id)
                found.append(Neighbour(number, looked_for.pop(number).floor_id, message_id))
            elif message_id is not None:
                asked[number][message_id] = ProbeAnswer.NOTHING
    assert set(looked_for) == set(range(len(taken))) - set(arrived)
    event(f"{max((len(one) for one in asked.values()), default=0) // 10}0 probes")


def search_numbered(floor: int, known: set[int], there: set[int], wanted: int) -> tuple[bool, int]:
    """Search a chat in which messages are `there`; gives whether it is found, and the probes."""
    asked: dict[int, ProbeAnswer] = {}
    while (message_id := next_numbered(floor, frozenset(known), asked)) is not None:
        assert message_id > floor
        assert message_id not in known | set(asked)
        if message_id == wanted:
            return True, len(asked) + 1
        asked[message_id] = ProbeAnswer.OTHER if message_id in there else ProbeAnswer.NOTHING
    return False, len(asked)


def test_a_quiet_chat_takes_one_probe_to_find_and_three_to_miss() -> None:
    assert search_numbered(10, set(), {11}, 11) == (True, 1)
    assert search_numbered(10, set(), set(), 0) == (False, 3)


def test_members_whom_the_bot_does_not_hear_hide_no_message() -> None:
    found, probes = search_numbered(10, set(), set(range(11, 400)), 395)
    assert found
    assert probes <= MOST_PROBES


@given(
    unheard=st.integers(0, 3000),
    later=st.integers(0, 5),
    heard=st.sets(st.integers(1, 3000), max_size=5),
)
def test_a_message_that_is_there_is_found(unheard: int, later: int, heard: set[int]) -> None:
    wanted = unheard + 1
    there = set(range(1, wanted + later + 1))
    found, _ = search_numbered(0, (heard & there) - {wanted}, there, wanted)
    assert found


@given(unheard=st.integers(0, 300))
def test_a_message_that_is_not_there_is_not_found(unheard: int) -> None:
    assert not search_numbered(0, set(), set(range(1, unheard + 1)), 0)[0]


@dataclass
class Desk:
    """A store, a sandbox and the flows between them, on a clock that the test moves."""

    store: Store
    sandbox: Sandbox
    outbox: Outbox
    prober: Prober
    now: datetime = NOW

    async def send(self, number: int = 1) -> int:
        """Send a story to everybody; gives the broadcast."""
        story = await stored_story(self.store, number)
        body = message(f"Berita {number}", buttons=BUTTONS, preview_url=None)
        body = replace(body, buttons=((Button("Terkait", callback_data=f"related:{number}"),),))
        broadcast = await self.store.record_draft(story.id, body, 7, NOW)
        await self.store.schedule_broadcast(broadcast.id, NOW)
        await fan_out(self.store, broadcast.id, body)
        await self.deliver()
        return broadcast.id

    async def deliver(self) -> None:
        """Deliver all that is due."""
        self.now += timedelta(seconds=5)
        started = 1
        while started:
            async with asyncio.TaskGroup() as tasks:
                started = await self.outbox.tick(tasks)
            await self.outbox.flush()

    async def settle(self) -> None:
        """Wait until unknown deliveries are due, and settle them."""
        self.now += PROBE_AFTER + timedelta(seconds=1)
        await self.prober.settle_due(self.now)

    async def chat(self, kind: str) -> int:
        """A subscribed chat of a kind, in which the bot knows the newest message."""
        chat = self._new_chat(kind)
        row = await self.store.record_chat(chat, TYPES[kind], NOW)
        await self.store.subscribe(row.id, 0, [], NOW)
        said = self.sandbox.say(OWNER, chat, "/langganan")
        await self.store.note_messages([NotedMessage(chat, TYPES[kind], said.id)], NOW)
        return chat

    def texts(self, chat: int) -> list[str]:
        return [post.content.text.text for post in self.sandbox.sent(chat)]

    async def states(self, broadcast: int) -> dict[DeliveryState, int]:
        return (await self.store.report_broadcast(broadcast)).counts

    def probes(self) -> int:
        return sum(call.method == "editMessageReplyMarkup" for call in self.sandbox.calls)

    def _new_chat(self, kind: str) -> int:
        if kind == "private":
            return OWNER
        add = getattr(self.sandbox, f"add_{kind}")
        chat: int = add("Warga", OWNER).id
        self.sandbox.add_bot(chat, OWNER)
        return chat


@asynccontextmanager
async def desk_over(store: Store) -> AsyncIterator[Desk]:
    sandbox = Sandbox(TOKEN)
    sandbox.reads_everything = True
    sandbox.add_user("Ratna", user_id=OWNER)
    runner = await serve(sandbox, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with Poster(url) as poster:
        publisher = TelegramPublisher(poster, TOKEN)
        desk = Desk(store, sandbox, None, None)  # type: ignore[arg-type]
        ticks = iter(range(10**9))
        budget = Budget(1000, lambda: float(next(ticks)) * 60)
        desk.outbox = Outbox(store, publisher, budget, lambda: desk.now, "tests")
        desk.prober = Prober(
            store, publisher, budget, desk.outbox.prepared, lambda: desk.now, "tests"
        )
        yield desk
    await runner.cleanup()


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Desk]:
    async with desk_over(store) as desk:
        yield desk


@pytest.mark.parametrize("kind", list(TYPES))
async def test_a_message_whose_answer_was_lost_is_found(desk: Desk, kind: str) -> None:
    chat = await desk.chat(kind)
    desk.sandbox.faults.plan(replace(LOST))
    broadcast = await desk.send()
    assert await desk.states(broadcast) == {DeliveryState.UNKNOWN: 1}
    await desk.settle()
    assert await desk.states(broadcast) == {DeliveryState.SENT: 1}
    await desk.deliver()
    assert desk.texts(chat) == ["Berita 1"]
    assert desk.probes() >= 1


@pytest.mark.parametrize("kind", list(TYPES))
async def test_a_message_that_never_went_out_is_sent_again(desk: Desk, kind: str) -> None:
    chat = await desk.chat(kind)
    desk.sandbox.faults.plan(replace(NEVER_TAKEN))
    broadcast = await desk.send()
    await desk.settle()
    assert await desk.states(broadcast) == {DeliveryState.PENDING: 1}
    await desk.deliver()
    assert await desk.states(broadcast) == {DeliveryState.SENT: 1}
    assert desk.texts(chat) == ["Berita 1"]


async def test_many_lost_and_untaken_messages_are_told_apart(desk: Desk) -> None:
    users = [desk.sandbox.add_user(f"U{n}", user_id=1000 + n).id for n in range(30)]
    for user in users:
        row = await desk.store.record_chat(user, ChatType.PRIVATE, NOW)
        await desk.store.subscribe(row.id, 0, [], NOW)
        said = desk.sandbox.say(user, user, "/langganan")
        await desk.store.note_messages([NotedMessage(user, ChatType.PRIVATE, said.id)], NOW)
    desk.sandbox.faults.plan(replace(LOST, times=None, chance=0.3))
    desk.sandbox.faults.plan(replace(NEVER_TAKEN, times=None, chance=0.3))
    broadcast = await desk.send()
    assert (await desk.states(broadcast))[DeliveryState.UNKNOWN] >= 5
    desk.sandbox.faults.planned.clear()
    for user in users[::3]:
        desk.sandbox.say(user, user, "halo")
    await desk.settle()
    await desk.deliver()
    assert await desk.states(broadcast) == {DeliveryState.SENT: 30}
    assert [desk.texts(user) for user in users] == [["Berita 1"]] * 30


async def test_nothing_else_goes_to_a_chat_before_it_is_settled(desk: Desk) -> None:
    chat = await desk.chat("private")
    desk.sandbox.faults.plan(replace(LOST))
    await desk.send(1)
    await desk.send(2)
    assert desk.texts(chat) == ["Berita 1"]
    await desk.settle()
    await desk.deliver()
    assert desk.texts(chat) == ["Berita 1", "Berita 2"]


async def test_a_probe_changes_no_message(desk: Desk) -> None:
    chat = await desk.chat("private")
    await desk.send(1)
    before = desk.sandbox.messages(chat)
    desk.sandbox.faults.plan(replace(NEVER_TAKEN))
    await desk.send(2)
    await desk.settle()
    assert desk.sandbox.messages(chat) == before


async def test_a_429_while_probing_is_waited_out(desk: Desk) -> None:
    await desk.chat("private")
    desk.sandbox.faults.plan(replace(LOST))
    broadcast = await desk.send()
    desk.sandbox.faults.plan(Fault(method="editMessageReplyMarkup", retry_after=20))
    await desk.settle()
    assert await desk.states(broadcast) == {DeliveryState.UNKNOWN: 1}
    await desk.prober.settle_due(desk.now + timedelta(seconds=19))
    assert await desk.states(broadcast) == {DeliveryState.UNKNOWN: 1}
    desk.now += timedelta(seconds=20)
    await desk.prober.settle_due(desk.now)
    assert await desk.states(broadcast) == {DeliveryState.SENT: 1}


async def test_a_chat_that_blocks_meanwhile_is_closed(desk: Desk) -> None:
    chat = await desk.chat("private")
    desk.sandbox.faults.plan(replace(NEVER_TAKEN))
    broadcast = await desk.send()
    desk.sandbox.block(OWNER)
    await desk.settle()
    assert await desk.states(broadcast) == {DeliveryState.FAILED: 1}
    found = await desk.store.find_chat(chat)
    assert found is not None
    assert found.closed_at is not None


async def test_where_a_channel_leaves_no_certainty_an_editor_decides(desk: Desk) -> None:
    chat = await desk.chat("channel")
    desk.sandbox.faults.plan(replace(NEVER_TAKEN))
    broadcast = await desk.send()
    desk.sandbox.faults.plan(
        Fault(method="editMessageReplyMarkup", code=400, description="Bad Request: odd", times=None)
    )
    await desk.settle()
    assert await desk.states(broadcast) == {DeliveryState.FAILED: 1}
    (asked,) = await desk.store.claim_unconfirmed(desk.now, 5)
    assert await desk.store.claim_unconfirmed(desk.now, 5) == []
    decide = desk.store.decide_unconfirmed
    assert await decide(asked.id, again=True, now=desk.now)
    assert not await decide(asked.id, again=True, now=desk.now)
    desk.sandbox.faults.planned.clear()
    await desk.deliver()
    assert desk.texts(chat) == ["Berita 1"]


async def test_where_a_private_chat_leaves_no_certainty_the_story_is_sent_again(
    desk: Desk,
) -> None:
    await desk.chat("private")
    desk.sandbox.faults.plan(replace(NEVER_TAKEN))
    broadcast = await desk.send()
    desk.sandbox.faults.plan(
        Fault(method="editMessageReplyMarkup", code=400, description="Bad Request: odd", times=None)
    )
    await desk.settle()
    await desk.deliver()
    assert await desk.states(broadcast) == {DeliveryState.SENT: 1}
