"""Flow 3: every outcome has its consequence, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from factories import NOW, PACE, fan_out, message, opened_broadcast, stored_story, subscribed_chat

from bot.errors import (
    DatabaseError,
    DestinationGone,
    DestinationMoved,
    DestinationRefused,
    MessageGone,
    MessageKept,
    MessageRejected,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.limits import Budget
from bot.outbox import LEASE, Outbox, Step, decide, plain
from bot.types import (
    Action,
    ChatType,
    Delivery,
    DeliveryState,
    Destination,
    Prepared,
    ProbeAnswer,
    Receipt,
)

if TYPE_CHECKING:
    from datetime import datetime

    from bot.store import Store
    from bot.types import Message


def delivery(action: Action = Action.SEND, failures: int = 0) -> Delivery:
    return Delivery(
        id=1,
        broadcast_id=1,
        revision=1,
        action=action,
        chat_id=1,
        chat_type=ChatType.PRIVATE,
        destination=Destination(1001),
        attempt=1,
        failures=failures,
    )


class ScriptedPublisher:
    """Records what it publishes; answers by chat as it was told."""

    def __init__(self, **answers: list[Receipt | PublishError]) -> None:
        self._answers = {int(name.removeprefix("to_")): list(a) for name, a in answers.items()}
        self.published: list[tuple[str, int | str, str]] = []
        self.too_old: set[int | str] = set()

    def prepare(self, message: Message) -> Prepared:
        return Prepared(message.text, (message.html or message.text).encode(), None)

    async def send(self, destination: Destination, prepared: Prepared) -> Receipt:
        self.published.append(("send", destination.chat, prepared.body.decode()))
        assert isinstance(destination.chat, int)
        queue = self._answers.get(destination.chat, [])
        answer = queue.pop(0) if queue else Receipt(destination.chat, len(self.published))
        if isinstance(answer, PublishError):
            raise answer
        return answer

    async def edit(self, destination: Destination, message_id: int, prepared: Prepared) -> None:
        self.published.append((f"edit {message_id}", destination.chat, prepared.body.decode()))

    async def retract(self, destination: Destination, message_id: int) -> None:
        if destination.chat in self.too_old:
            raise MessageKept("message can't be deleted for everyone")
        self.published.append((f"retract {message_id}", destination.chat, ""))

    async def probe(
        self, destination: Destination, message_id: int, prepared: Prepared
    ) -> ProbeAnswer:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        (Receipt(1001, 5), Step.SENT),
        (None, Step.SENT),
        (DestinationMoved(-1005), Step.MOVED),
        (RetryLater("429", 7.0), Step.HOLD_CHAT),
        (RetryLater("not reached"), Step.RETRY),
        (TokenRejected("401"), Step.RETRY),
        (OutcomeUnknown("timed out"), Step.UNKNOWN),
        (DestinationGone("blocked"), Step.GONE),
        (DestinationRefused("no rights"), Step.REFUSED),
        (MessageRejected("bad markup"), Step.FAILED),
        (MessageGone("not found"), Step.FAILED),
    ],
)
def test_every_outcome_has_its_step(outcome: Receipt | PublishError | None, step: Step) -> None:
    assert decide(delivery(), outcome, NOW).step is step


def test_a_message_already_gone_counts_as_retracted() -> None:
    assert decide(delivery(Action.RETRACT), MessageGone("not found"), NOW).step is Step.SENT


def test_a_429_is_waited_out_to_the_second() -> None:
    assert decide(delivery(), RetryLater("429", 7.0), NOW).at == NOW + timedelta(seconds=7)


def test_a_429_of_the_whole_bot_does_not_hold_the_chat() -> None:
    verdict = decide(delivery(), RetryLater("429", 7.0), NOW, whole_bot=True)
    assert (verdict.step, verdict.at) == (Step.RETRY, NOW + timedelta(seconds=7))


def test_requests_that_never_left_back_off_up_to_five_minutes() -> None:
    pauses = [decide(delivery(failures=n), RetryLater("refused"), NOW).at for n in (0, 1, 5, 60)]
    seconds = [(at - NOW).total_seconds() for at in pauses if at is not None]
    assert seconds == [1, 2, 32, 300]


class Desk:
    """An outbox whose clock the test moves."""

    def __init__(self, store: Store, publisher: ScriptedPublisher | None = None) -> None:
        self.store = store
        self.publisher = publisher or ScriptedPublisher()
        self.now = NOW
        self.budget = Budget(1000, self.seconds)
        self.outbox = Outbox(store, self.publisher, self.budget, self.clock, "tests")

    def clock(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    async def deliver(self) -> None:
        """Deliver what is due now."""
        async with asyncio.TaskGroup() as tasks:
            await self.outbox.tick(tasks)
        await self.outbox.flush()

    async def states(self, broadcast: int) -> dict[DeliveryState, int]:
        return (await self.store.report_broadcast(broadcast)).counts


async def test_what_is_due_is_published_and_recorded(store: Store) -> None:
    desk = Desk(store)
    story = await stored_story(store)
    for chat in (1, 2):
        await subscribed_chat(store, chat)
    broadcast = await opened_broadcast(store, story)
    await desk.deliver()
    assert sorted(desk.publisher.published) == [
        ("send", 1, "<b>Berita</b>"),
        ("send", 2, "<b>Berita</b>"),
    ]
    assert await desk.states(broadcast) == {DeliveryState.SENT: 2}
    found = await store.find_story_by_message(1, 1) or await store.find_story_by_message(1, 2)
    assert found == story
    desk.now += PACE
    await desk.deliver()
    assert len(desk.publisher.published) == 2


async def test_what_was_done_and_what_comes_next_share_a_commit(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    broadcasts = [await opened_broadcast(store, await stored_story(store, n)) for n in (1, 2)]
    async with asyncio.TaskGroup() as tasks:
        await desk.outbox.tick(tasks)
    assert await desk.states(broadcasts[0]) == {DeliveryState.SENDING: 1}
    desk.now += PACE
    async with asyncio.TaskGroup() as tasks:
        await desk.outbox.tick(tasks)
    assert await desk.states(broadcasts[0]) == {DeliveryState.SENT: 1}
    assert await desk.states(broadcasts[1]) == {DeliveryState.SENDING: 1}


async def test_markup_that_is_refused_goes_as_plain_text(store: Store) -> None:
    desk = Desk(store, ScriptedPublisher(to_1=[MessageRejected("can't parse entities")]))
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    await desk.deliver()
    assert desk.publisher.published[-1] == ("send", 1, "Berita")
    assert await desk.states(broadcast) == {DeliveryState.SENT: 1}


async def test_a_message_refused_also_as_plain_text_is_recorded_with_the_reason(
    store: Store,
) -> None:
    refusal = MessageRejected("message is too long")
    desk = Desk(store, ScriptedPublisher(to_1=[refusal, refusal]))
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    await desk.deliver()
    assert await desk.states(broadcast) == {DeliveryState.FAILED: 1}


async def test_an_unknown_outcome_holds_the_chat(store: Store) -> None:
    desk = Desk(store, ScriptedPublisher(to_1=[OutcomeUnknown("timed out")]))
    await subscribed_chat(store, 1)
    first, second = [await opened_broadcast(store, await stored_story(store, n)) for n in (1, 2)]
    await desk.deliver()
    assert await desk.states(first) == {DeliveryState.UNKNOWN: 1}
    desk.now += timedelta(hours=1)
    await desk.deliver()
    assert await desk.states(second) == {DeliveryState.PENDING: 1}


async def test_a_blocked_chat_is_closed(store: Store) -> None:
    desk = Desk(store, ScriptedPublisher(to_1=[DestinationGone("blocked by the user")]))
    await subscribed_chat(store, 1)
    await opened_broadcast(store, await stored_story(store))
    await desk.deliver()
    chat = await store.find_chat(1)
    assert chat is not None
    assert chat.closed_reason == "blocked by the user"


async def test_a_retracted_story_is_deleted_or_replaced_by_a_note(store: Store) -> None:
    desk = Desk(store)
    for chat in (1, 2):
        await subscribed_chat(store, chat)
    story = await stored_story(store)
    await opened_broadcast(store, story)
    await desk.deliver()
    ids = {chat: number for number, (_, chat, _) in enumerate(desk.publisher.published, start=1)}
    desk.publisher.published.clear()
    desk.publisher.too_old.add(2)
    desk.now += PACE
    assert await store.retract_story(story.id, message("Ditarik"), desk.now) == 2
    await desk.deliver()
    assert sorted(desk.publisher.published) == [
        (f"edit {ids[2]}", 2, "<b>Ditarik</b>"),
        (f"retract {ids[1]}", 1, ""),
    ]


async def test_retractions_go_before_corrections_urgent_and_routine_stories(store: Store) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    stories = [await stored_story(store, number) for number in range(1, 5)]
    wrong, corrected = stories[:2]
    await opened_broadcast(store, wrong, "Salah")
    stale = await opened_broadcast(store, corrected, "Lama")
    for _ in range(2):
        desk.now += PACE
        await desk.deliver()
    await opened_broadcast(store, stories[2], "Biasa")
    urgent = await store.record_draft(stories[3].id, message("Penting"), 7, NOW)
    await store.schedule_broadcast(urgent.id, NOW, urgent=True)
    assert await fan_out(store, urgent.id, message("Penting")) == 1
    item = await store.find_broadcast(stale)
    assert item is not None
    await store.record_revision(item, message("Baru"), desk.now)
    await store.retract_story(wrong.id, message("Ditarik"), desk.now)
    desk.publisher.published.clear()
    for _ in range(4):
        desk.now += PACE
        await desk.deliver()
    assert [(act.split()[0], text) for act, _, text in desk.publisher.published] == [
        ("retract", ""),
        ("edit", "<b>Baru</b>"),
        ("send", "<b>Penting</b>"),
        ("send", "<b>Biasa</b>"),
    ]


async def test_a_429_of_two_chats_holds_the_whole_bot(store: Store) -> None:
    busy = RetryLater("Too Many Requests", 5.0)
    desk = Desk(store, ScriptedPublisher(to_1=[busy], to_2=[busy]))
    for chat in (1, 2):
        await subscribed_chat(store, chat)
    broadcast = await opened_broadcast(store, await stored_story(store))
    await desk.deliver()
    assert await desk.states(broadcast) == {DeliveryState.PENDING: 2}
    desk.now += timedelta(seconds=4)
    await desk.deliver()
    assert len(desk.publisher.published) == 2
    desk.now += timedelta(seconds=1)
    await desk.deliver()
    assert await desk.states(broadcast) == {DeliveryState.SENT: 2}


async def test_a_refused_token_is_said_and_loses_nothing(store: Store) -> None:
    desk = Desk(store, ScriptedPublisher(to_1=[TokenRejected("unauthorized")]))
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    await desk.deliver()
    assert desk.outbox.token_fault == "unauthorized"
    assert await desk.states(broadcast) == {DeliveryState.PENDING: 1}


async def test_run_stops_when_told_and_finishes_what_is_under_way(store: Store) -> None:
    stopping = asyncio.Event()

    class Stopping(ScriptedPublisher):
        async def send(self, destination: Destination, prepared: Prepared) -> Receipt:
            stopping.set()
            return await super().send(destination, prepared)

    desk = Desk(store, Stopping())
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    await asyncio.wait_for(desk.outbox.run(stopping), 10)
    assert await desk.states(broadcast) == {DeliveryState.SENT: 1}


async def test_outcomes_survive_a_cancelled_run(store: Store) -> None:
    sent = asyncio.Event()

    class Telling(ScriptedPublisher):
        async def send(self, destination: Destination, prepared: Prepared) -> Receipt:
            receipt = await super().send(destination, prepared)
            asyncio.get_running_loop().call_soon(sent.set)
            return receipt

    desk = Desk(store, Telling())
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    running = asyncio.create_task(desk.outbox.run(asyncio.Event()))
    await sent.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await desk.states(broadcast) == {DeliveryState.SENT: 1}


async def test_outcomes_wait_for_a_database_that_does_not_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(store)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    async with asyncio.TaskGroup() as tasks:
        await desk.outbox.tick(tasks)

    async def refuse(*_: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(store, "exchange", refuse)
    monkeypatch.setattr(asyncio, "sleep", lambda _: _nothing())
    async with asyncio.TaskGroup() as tasks:
        assert await desk.outbox.tick(tasks) == 0
    monkeypatch.undo()
    assert await desk.states(broadcast) == {DeliveryState.SENDING: 1}
    await desk.outbox.flush()
    assert await desk.states(broadcast) == {DeliveryState.SENT: 1}


async def _nothing() -> None:
    return


def test_plain_keeps_the_text_and_drops_markup_and_buttons() -> None:
    bare = plain(message("A & B"))
    assert (bare.html, bare.text, bare.buttons) == ("", "A & B", ())


class Suspended(Budget):
    """A budget during whose wait the machine sleeps."""

    def __init__(self, desk: Desk, asleep: timedelta) -> None:
        super().__init__(1000, desk.seconds)
        self.desk = desk
        self.asleep = asleep

    async def leave(self, wait_s: float) -> None:
        self.desk.now += self.asleep
        await super().leave(wait_s)


@pytest.mark.parametrize(
    ("asleep", "left"), [(LEASE - timedelta(seconds=1), 1), (LEASE + timedelta(seconds=1), 0)]
)
async def test_what_was_claimed_before_a_long_sleep_does_not_leave_after_it(
    store: Store, asleep: timedelta, left: int
) -> None:
    desk = Desk(store)
    budget = Suspended(desk, asleep)
    desk.outbox = Outbox(store, desk.publisher, budget, desk.clock, "tests")
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    await desk.deliver()
    assert len(desk.publisher.published) == left
    if not left:
        await desk.outbox.keep_leases(desk.now)
        assert await desk.states(broadcast) == {DeliveryState.UNKNOWN: 1}
