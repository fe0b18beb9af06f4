"""Flow 3: every outcome has its consequence, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from factories import LEASE, NOW, message, opened_broadcast, stored_story, subscribed_chat

from bot.errors import (
    DatabaseError,
    DestinationGone,
    DestinationMoved,
    DestinationRefused,
    MessageGone,
    MessageRejected,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.outbox import SETTLE_AFTER, Outbox, Step, decide, plain
from bot.types import Action, Delivery, DeliveryState, Destination, Receipt

if TYPE_CHECKING:
    from bot.store import Store
    from bot.types import Message


def delivery(action: Action = Action.SEND, failures: int = 0) -> Delivery:
    return Delivery(
        id=1,
        broadcast_id=1,
        action=action,
        chat_id=1,
        destination=Destination(1001),
        message=message(),
        attempt=1,
        failures=failures,
    )


class ScriptedPublisher:
    """Records what it publishes; answers by chat as it was told."""

    def __init__(self, **answers: list[Receipt | PublishError]) -> None:
        self._answers = {int(name.removeprefix("to_")): list(a) for name, a in answers.items()}
        self.published: list[tuple[str, int | str, str]] = []

    async def send(self, destination: Destination, message: Message) -> Receipt:
        self.published.append(("send", destination.chat, message.html or message.text))
        assert isinstance(destination.chat, int)
        queue = self._answers.get(destination.chat, [])
        answer = queue.pop(0) if queue else Receipt(destination.chat, len(self.published))
        if isinstance(answer, PublishError):
            raise answer
        return answer

    async def edit(self, destination: Destination, message_id: int, message: Message) -> None:
        self.published.append((f"edit {message_id}", destination.chat, message.html))

    async def retract(self, destination: Destination, message_id: int) -> None:
        self.published.append((f"retract {message_id}", destination.chat, ""))


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        (Receipt(1001, 5), Step.SENT),
        (None, Step.SENT),
        (DestinationMoved(-1005), Step.MOVED),
        (RetryLater("429", 7), Step.RETRY),
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
    assert decide(delivery(), RetryLater("429", 7), NOW).at == NOW + timedelta(seconds=7)


def test_requests_that_never_left_back_off_up_to_five_minutes() -> None:
    pauses = [decide(delivery(failures=n), RetryLater("refused"), NOW).at for n in (0, 1, 5, 60)]
    seconds = [(at - NOW).total_seconds() for at in pauses if at is not None]
    assert seconds == [1, 2, 32, 300]


async def deliver(store: Store, publisher: ScriptedPublisher) -> Outbox:
    outbox = Outbox(store, publisher, lambda: NOW)
    async with asyncio.TaskGroup() as tasks:
        await outbox.start_due(tasks, NOW)
    return outbox


async def states(store: Store, broadcast: int) -> dict[DeliveryState, int]:
    return (await store.report_broadcast(broadcast)).counts


async def test_what_is_due_is_published_and_recorded(store: Store) -> None:
    story = await stored_story(store)
    for chat in (1, 2):
        await subscribed_chat(store, chat)
    broadcast = await opened_broadcast(store, story)
    publisher = ScriptedPublisher()
    await deliver(store, publisher)
    assert sorted(publisher.published) == [
        ("send", 1, "<b>Berita</b>"),
        ("send", 2, "<b>Berita</b>"),
    ]
    assert await states(store, broadcast) == {DeliveryState.SENT: 2}
    found = await store.find_story_by_message(1, 1) or await store.find_story_by_message(1, 2)
    assert found == story
    await deliver(store, publisher)
    assert len(publisher.published) == 2


async def test_markup_that_is_refused_goes_as_plain_text(store: Store) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)
    publisher = ScriptedPublisher(to_1=[MessageRejected("can't parse entities")])
    await deliver(store, publisher)
    assert publisher.published[-1] == ("send", 1, "Berita")
    assert await states(store, broadcast) == {DeliveryState.SENT: 1}


async def test_a_message_refused_also_as_plain_text_is_recorded_with_the_reason(
    store: Store,
) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)
    refusal = MessageRejected("message is too long")
    await deliver(store, ScriptedPublisher(to_1=[refusal, refusal]))
    assert await states(store, broadcast) == {DeliveryState.FAILED: 1}


async def test_an_unknown_outcome_holds_the_chat_until_it_is_settled(store: Store) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    first = await opened_broadcast(store, story)
    second = await opened_broadcast(store, story)
    publisher = ScriptedPublisher(to_1=[OutcomeUnknown("timed out")])
    outbox = await deliver(store, publisher)
    assert await states(store, first) == {DeliveryState.UNKNOWN: 1}
    await deliver(store, publisher)
    assert await states(store, second) == {DeliveryState.PENDING: 1}
    await outbox.settle(NOW + SETTLE_AFTER)
    assert await states(store, first) == {DeliveryState.PENDING: 1}


async def test_a_blocked_chat_is_closed(store: Store) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    await opened_broadcast(store, story)
    await deliver(store, ScriptedPublisher(to_1=[DestinationGone("blocked by the user")]))
    chat = await store.find_chat(1)
    assert chat is not None
    assert chat.closed_reason == "blocked by the user"


async def test_a_refused_token_is_said_and_loses_nothing(store: Store) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)
    outbox = await deliver(store, ScriptedPublisher(to_1=[TokenRejected("unauthorized")]))
    assert outbox.token_fault == "unauthorized"
    assert await states(store, broadcast) == {DeliveryState.PENDING: 1}


async def test_an_outcome_survives_the_cancellation_of_its_sender(store: Store) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)
    answered = asyncio.Event()

    class Slow(ScriptedPublisher):
        async def send(self, destination: Destination, message: Message) -> Receipt:
            answered.set()
            return await super().send(destination, message)

    outbox = Outbox(store, Slow(), lambda: NOW)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            await outbox.start_due(tasks, NOW)

    running = asyncio.create_task(run())
    await answered.wait()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await states(store, broadcast) == {DeliveryState.SENT: 1}


async def test_run_stops_when_told_and_finishes_what_is_under_way(store: Store) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)
    stopping = asyncio.Event()

    class Stopping(ScriptedPublisher):
        async def send(self, destination: Destination, message: Message) -> Receipt:
            stopping.set()
            return await super().send(destination, message)

    await asyncio.wait_for(Outbox(store, Stopping(), lambda: NOW).run(stopping), 10)
    assert await states(store, broadcast) == {DeliveryState.SENT: 1}


async def test_an_outcome_that_cannot_be_recorded_leaves_the_row_to_its_lease(
    store: Store,
) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)

    class Unwritable:
        def __getattr__(self, name: str) -> object:
            if name != "mark_sent":
                return getattr(store, name)

            async def refuse(*_: object) -> None:
                raise DatabaseError("disk full")

            return refuse

    outbox = Outbox(Unwritable(), ScriptedPublisher(), lambda: NOW)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as tasks:
        await outbox.start_due(tasks, NOW)
    assert await states(store, broadcast) == {DeliveryState.SENDING: 1}
    assert await store.release_lapsed(NOW + LEASE * 2) == 1


def test_plain_keeps_the_text_and_drops_markup_and_buttons() -> None:
    bare = plain(message("A & B"))
    assert (bare.html, bare.text, bare.buttons) == ("", "A & B", ())
