"""Flow 3: claim, publish, record.

`decide` is pure: from an outcome, the delivery and `now` to a verdict. A row says *sending*, with
its attempt, before its request leaves; an outcome counts only if the attempt still matches, and its
recording is shielded from cancellation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

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
from bot.types import Action, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bot.ports import Publisher
    from bot.store import Store
    from bot.types import Delivery, Message

LEASE = timedelta(seconds=120)
AT_ONCE = 32
SETTLE_AFTER = timedelta(seconds=15)
TOKEN_BACK_OFF = timedelta(minutes=1)
LONGEST_BACK_OFF = timedelta(minutes=5)
REFUSALS_BEFORE_CLOSING = 5
IDLE_S = 0.25

_log = logging.getLogger(__name__)


class Step(StrEnum):
    """What becomes of a delivery."""

    SENT = "sent"
    RETRY = "retry"
    UNKNOWN = "unknown"
    MOVED = "moved"
    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A step with what it needs: a message id, a moment, a reason, a chat's new id."""

    step: Step
    reason: str = ""
    at: datetime | None = None
    message_id: int | None = None
    telegram_id: int | None = None


def decide(delivery: Delivery, outcome: Receipt | PublishError | None, now: datetime) -> Verdict:
    """Say what becomes of a delivery; None is the success of an edit or a retraction."""
    match outcome:
        case None:
            return Verdict(Step.SENT)
        case Receipt():
            return Verdict(Step.SENT, message_id=outcome.message_id)
        case DestinationMoved():
            return Verdict(Step.MOVED, str(outcome), telegram_id=outcome.telegram_id)
        case RetryLater():
            return Verdict(Step.RETRY, str(outcome), now + _pause(delivery, outcome))
        case TokenRejected():
            return Verdict(Step.RETRY, str(outcome), now + TOKEN_BACK_OFF)
        case OutcomeUnknown():
            return Verdict(Step.UNKNOWN, str(outcome), now + SETTLE_AFTER)
        case DestinationGone():
            return Verdict(Step.GONE, str(outcome))
        case DestinationRefused():
            return Verdict(Step.REFUSED, str(outcome))
        case MessageGone() if delivery.action is Action.RETRACT:
            return Verdict(Step.SENT, str(outcome))
        case _:
            return Verdict(Step.FAILED, str(outcome))


class Outbox:
    """Delivers what is due."""

    def __init__(self, store: Store, publisher: Publisher, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self.token_fault: str | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until told to stop; then finish what is under way."""
        async with asyncio.TaskGroup() as tasks:
            while not stopping.is_set():
                self._wake.clear()
                if not await self._start_due_safely(tasks):
                    await _wait(self._wake, IDLE_S)

    def wake(self) -> None:
        """Look for due deliveries at once."""
        self._wake.set()

    async def start_due(self, tasks: asyncio.TaskGroup, now: datetime) -> int:
        """Start what is due, at most one message a chat; gives the number started."""
        free = AT_ONCE - len(self._under_way)
        if not free:
            return 0
        claimed = await self._store.claim_deliveries(now, now + LEASE, free)
        for delivery in claimed:
            task = tasks.create_task(self._deliver(delivery))
            self._under_way.add(task)
            task.add_done_callback(self._finish)
        return len(claimed)

    async def settle(self, now: datetime) -> None:
        """Find deliveries whose process died, and try again those that stay unknown."""
        lapsed = await self._store.release_lapsed(now)
        released = await self._store.release_unknown(now)
        if lapsed or released:
            _log.warning("deliveries released", extra={"lapsed": lapsed, "again": released})

    async def _start_due_safely(self, tasks: asyncio.TaskGroup) -> int:
        """Start what is due; a database that does not answer is tried again, what runs goes on."""
        try:
            return await self.start_due(tasks, self._clock())
        except DatabaseError:
            _log.exception("outbox not read")
            return 0

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()

    async def _deliver(self, delivery: Delivery) -> None:
        started = time.monotonic()
        outcome = await self._publish(delivery)
        verdict = decide(delivery, outcome, self._clock())
        try:
            await asyncio.shield(self._record(delivery, verdict))
        except DatabaseError:
            # The row still says sending: its lease will lapse and the delivery be settled.
            _log.exception("outcome not recorded", extra={"delivery": delivery.id})
            return
        fields = {
            "delivery": delivery.id,
            "action": delivery.action.value,
            "chat": delivery.destination.chat,
            "took_ms": round((time.monotonic() - started) * 1000),
        }
        if verdict.step is Step.SENT:
            _log.info("delivery sent", extra=fields)
        else:
            fields |= {"step": verdict.step.value, "reason": verdict.reason}
            _log.warning("delivery not sent", extra=fields)

    async def _publish(self, delivery: Delivery) -> Receipt | PublishError | None:
        try:
            outcome = await self._act(delivery, delivery.message)
        except MessageRejected as error:
            _log.exception("message rejected", extra={"broadcast": delivery.broadcast_id})
            try:
                return await self._act(delivery, plain(delivery.message))
            except PublishError as second:
                return error if isinstance(second, MessageRejected) else second
        except PublishError as error:
            self.token_fault = str(error) if isinstance(error, TokenRejected) else self.token_fault
            return error
        self.token_fault = None
        return outcome

    async def _act(self, delivery: Delivery, message: Message) -> Receipt | None:
        if delivery.action is Action.SEND:
            return await self._publisher.send(delivery.destination, message)
        if delivery.message_id is None:
            raise MessageGone("the message was never sent")
        if delivery.action is Action.EDIT:
            await self._publisher.edit(delivery.destination, delivery.message_id, message)
        else:
            await self._publisher.retract(delivery.destination, delivery.message_id)
        return None

    async def _record(self, delivery: Delivery, verdict: Verdict) -> None:
        now, reason = self._clock(), verdict.reason
        match verdict.step:
            case Step.SENT:
                await self._store.mark_sent(delivery, verdict.message_id, now)
            case Step.RETRY:
                await self._store.mark_pending(delivery, reason, verdict.at or now)
            case Step.UNKNOWN:
                await self._store.mark_unknown(delivery, reason, verdict.at or now)
            case Step.MOVED:
                assert verdict.telegram_id is not None
                await self._store.mark_moved(delivery, verdict.telegram_id)
            case Step.FAILED:
                await self._store.mark_failed(delivery, reason, now)
            case Step.REFUSED:
                await self._store.mark_refused(delivery, reason, REFUSALS_BEFORE_CLOSING, now)
            case Step.GONE:
                await self._store.mark_gone(delivery, reason, now)


def plain(message: Message) -> Message:
    """The message without markup and buttons, for a chat whose server refuses them."""
    return replace(message, html="", buttons=())


def _pause(delivery: Delivery, outcome: RetryLater) -> timedelta:
    if outcome.after_s is not None:
        return timedelta(seconds=outcome.after_s)
    return min(timedelta(seconds=2 ** min(delivery.failures, 10)), LONGEST_BACK_OFF)


async def _wait(event: asyncio.Event, longest_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), longest_s)
