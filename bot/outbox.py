"""Flow 3: claim, publish, record.

`decide` is pure: from an outcome, the delivery and `now` to a verdict. The loop is a tick: what
became of the last deliveries is recorded and the next are claimed in one commit, so that a disk
with few commits a second carries many messages. A row says *sending*, with its attempt, before its
request leaves, and an outcome counts only if the attempt still matches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import (
    DatabaseError,
    DestinationGone,
    DestinationMoved,
    DestinationRefused,
    MessageGone,
    MessageKept,
    MessageRejected,
    NotFoundError,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.store import ClaimPlan
from bot.types import Action, Outcome, Receipt, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from bot.limits import Budget
    from bot.ports import Publisher
    from bot.store import Store
    from bot.types import Delivery, Message, Prepared, Preview

# Longer than the server repeats a send, also right after the lease was last extended.
LEASE = timedelta(seconds=12)
AT_ONCE = 256
TICK_S = 0.02
IDLE_S = 0.25
FAULT_PAUSE_S = 1.0
# The Bot API server repeats a send by itself for up to 8 s.
PROBE_AFTER = timedelta(seconds=9)
TOKEN_BACK_OFF = timedelta(minutes=1)
LONGEST_BACK_OFF = timedelta(minutes=5)
PREPARED_KEPT = 64
REPLACED = "too old to be deleted: replaced by a note"

_log = logging.getLogger(__name__)


def decide(
    delivery: Delivery,
    outcome: Receipt | PublishError | None,
    now: datetime,
    *,
    whole_bot: bool = False,
) -> Verdict:
    """Say what becomes of a delivery; None is the success of an edit or a retraction.

    `whole_bot` says that a 429 was the whole bot's, so that the chat need not wait by itself.
    """
    match outcome:
        case None:
            return Verdict(Step.SENT)
        case Receipt():
            return Verdict(Step.SENT, message_id=outcome.message_id)
        case DestinationMoved():
            return Verdict(Step.MOVED, str(outcome), telegram_id=outcome.telegram_id)
        case RetryLater(after_s=float() as after_s):
            step = Step.RETRY if whole_bot else Step.HOLD_CHAT
            return Verdict(step, str(outcome), now + timedelta(seconds=after_s))
        case RetryLater():
            return Verdict(Step.RETRY, str(outcome), now + _back_off(delivery))
        case TokenRejected():
            return Verdict(Step.RETRY, str(outcome), now + TOKEN_BACK_OFF)
        case OutcomeUnknown():
            return Verdict(Step.UNKNOWN, str(outcome), now + PROBE_AFTER)
        case DestinationGone():
            return Verdict(Step.GONE, str(outcome))
        case DestinationRefused():
            return Verdict(Step.REFUSED, str(outcome))
        case MessageKept():
            return Verdict(Step.SENT, REPLACED)
        case MessageGone() if delivery.action is Action.RETRACT:
            return Verdict(Step.SENT, str(outcome))
        case _:
            return Verdict(Step.FAILED, str(outcome))


class Outbox:
    """Delivers what is due, within the budget."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        budget: Budget,
        clock: Callable[[], datetime],
        worker: str,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._budget = budget
        self._clock = clock
        self._worker = worker
        self._under_way = 0
        self._outcomes: list[Outcome] = []
        self._prepared: OrderedDict[tuple[int, int, Preview], Prepared] = OrderedDict()
        self._wake = asyncio.Event()
        self._kept_at = self._overslept_at = clock()
        self.token_fault: str | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until told to stop; then finish what is under way and record it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while not stopping.is_set():
                    self._wake.clear()
                    await self._pause(await self.tick(tasks))
        finally:
            await asyncio.shield(self.flush())

    async def tick(self, tasks: asyncio.TaskGroup) -> int:
        """Record what is done and start what is due; gives the number started.

        A database that does not answer is tried again: outcomes wait for it.
        """
        outcomes, self._outcomes = self._outcomes, []
        limit = min(AT_ONCE - self._under_way, self._budget.free())
        if not outcomes and limit <= 0:
            return 0
        plan = self._plan(limit)
        try:
            claimed = await self._store.exchange(outcomes, plan)
        except DatabaseError:
            _log.exception("outbox not read")
            self._outcomes = outcomes + self._outcomes
            await asyncio.sleep(FAULT_PAUSE_S)
            return 0
        _log_sent(outcomes)
        self._under_way += len(claimed)
        for delivery, wait_s in zip(claimed, self._budget.take(len(claimed)), strict=True):
            tasks.create_task(self._deliver(delivery, wait_s, plan.now))
        return len(claimed)

    async def flush(self) -> None:
        """Record what is done."""
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, []
            await self._store.exchange(outcomes, self._plan(0))
            _log_sent(outcomes)

    def wake(self) -> None:
        """Look for due deliveries at once."""
        self._wake.set()

    async def keep_leases(self, now: datetime) -> None:
        """Show that this worker lives; find what those left behind that do not.

        One that was suspended for longer than a lease has lost what it had claimed.
        """
        if now - self._kept_at < LEASE:
            await self._store.extend_leases(self._worker, now + LEASE)
        else:
            self._overslept_at = now
        self._kept_at = now
        lapsed = await self._store.release_lapsed(now)
        if lapsed:
            _log.warning("deliveries lapsed", extra={"number": lapsed})

    def _plan(self, limit: int) -> ClaimPlan:
        now = self._clock()
        return ClaimPlan(self._worker, limit, now, now + LEASE)

    async def _pause(self, started: int) -> None:
        """Gather outcomes for a while; without any, wait for them or for room in the budget."""
        if started or self._outcomes:
            await asyncio.sleep(max(TICK_S, self._budget.group_s))
            return
        wait_s = self._budget.wait_s()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), min(wait_s, IDLE_S) if wait_s else IDLE_S)

    def _has_lapsed(self, claimed_at: datetime) -> bool:
        """Whether others may have taken what this worker claimed."""
        kept_at = max(claimed_at, self._kept_at)
        return claimed_at < self._overslept_at or self._clock() - kept_at >= LEASE

    async def _deliver(self, delivery: Delivery, wait_s: float, claimed_at: datetime) -> None:
        try:
            await self._budget.leave(wait_s)
            if self._has_lapsed(claimed_at):
                return
            outcome = await self._publish(delivery)
        finally:
            self._under_way -= 1
        verdict = self._judge(delivery, outcome)
        self._outcomes.append(Outcome(delivery, verdict))
        self._wake.set()
        if verdict.step is not Step.SENT:
            fields = {
                "delivery": delivery.id,
                "action": delivery.action.value,
                "chat": delivery.destination.chat,
                "step": verdict.step.value,
                "reason": verdict.reason,
            }
            _log.warning("delivery not sent", extra=fields)

    def _judge(self, delivery: Delivery, outcome: Receipt | PublishError | None) -> Verdict:
        """Decide, and let the budget learn from the outcome."""
        self.token_fault = str(outcome) if isinstance(outcome, TokenRejected) else None
        whole_bot = False
        if isinstance(outcome, RetryLater) and outcome.after_s is not None:
            whole_bot = self._budget.note_refused(delivery.destination.chat, outcome.after_s)
        elif outcome is None or isinstance(outcome, Receipt):
            self._budget.note_taken()
        return decide(delivery, outcome, self._clock(), whole_bot=whole_bot)

    async def _publish(self, delivery: Delivery) -> Receipt | PublishError | None:
        try:
            prepared = await self.prepared(delivery)
            return await self._act(delivery, prepared)
        except MessageRejected as error:
            reason = {"broadcast": delivery.broadcast_id, "reason": str(error)}
            _log.error("message rejected, plain text goes instead", extra=reason)
            return await self._publish_plain(delivery, error)
        except PublishError as error:
            return error
        except (DatabaseError, NotFoundError) as error:
            return RetryLater(str(error))

    async def _publish_plain(
        self, delivery: Delivery, rejection: MessageRejected
    ) -> Receipt | PublishError | None:
        message = await self._store.find_message(delivery.broadcast_id, delivery.revision)
        if message is None:
            return rejection
        shown = replace(message, preview=delivery.preview)
        try:
            return await self._act(delivery, self._publisher.prepare(plain(shown)))
        except MessageRejected:
            return rejection
        except PublishError as error:
            return error

    async def prepared(self, delivery: Delivery) -> Prepared:
        """The encoded message of a delivery; encoded once a revision and kind of preview.

        Raises NotFoundError.
        """
        key = delivery.broadcast_id, delivery.revision, delivery.preview
        if key not in self._prepared:
            message = await self._store.find_message(delivery.broadcast_id, delivery.revision)
            if message is None:
                raise NotFoundError(f"broadcast {delivery.broadcast_id} has no message")
            shown = replace(message, preview=delivery.preview)
            self._prepared[key] = self._publisher.prepare(shown)
            if len(self._prepared) > PREPARED_KEPT:
                self._prepared.popitem(last=False)
        return self._prepared[key]

    async def _act(self, delivery: Delivery, prepared: Prepared) -> Receipt | MessageKept | None:
        if delivery.action is Action.SEND:
            return await self._publisher.send(delivery.destination, prepared)
        if delivery.message_id is None:
            raise MessageGone("the message was never sent")
        if delivery.action is Action.EDIT:
            await self._publisher.edit(delivery.destination, delivery.message_id, prepared)
            return None
        try:
            await self._publisher.retract(delivery.destination, delivery.message_id)
        except MessageKept as kept:
            await self._publisher.edit(delivery.destination, delivery.message_id, prepared)
            return kept
        return None


def plain(message: Message) -> Message:
    """The message without markup and buttons, for a server that refuses them."""
    return replace(message, html="", buttons=())


def _log_sent(outcomes: Sequence[Outcome]) -> None:
    """One line for each commit, that names every delivery: a line for each would cost a sixth."""
    sent = [one.delivery for one in outcomes if one.verdict.step is Step.SENT]
    if sent:
        fields = {
            "deliveries": ",".join(str(one.id) for one in sent),
            "chats": ",".join(str(one.destination.chat) for one in sent),
        }
        _log.info("deliveries sent", extra=fields)


def _back_off(delivery: Delivery) -> timedelta:
    return min(timedelta(seconds=2 ** min(delivery.failures, 10)), LONGEST_BACK_OFF)
