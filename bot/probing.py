"""Unknown outcomes: whether a message went out whose answer was lost.

`sendMessage` takes no idempotency key, and a bot cannot read a chat's history. But setting a
message's buttons to what they are already is refused as "not modified", which proves that the
message is there; so an unknown send is looked for among the ids that it may have got, before
anything else is delivered to its chat. Ids that are known to be other messages are never asked for,
so no other message can be changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import (
    DatabaseError,
    DestinationGone,
    DestinationMoved,
    PublishError,
    RetryLater,
)
from bot.store import ClaimPlan
from bot.types import ChatType, ProbeAnswer, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from bot.limits import Budget
    from bot.ports import Publisher
    from bot.store import KnownIds, Store
    from bot.types import Delivery, Prepared

LEASE = timedelta(seconds=10)
AT_ONCE = 64
MOST_PROBES = 60
MOST_PROBES_IN_ALL = 200
# Ids beyond the newest known one: messages of readers that no update has told of yet.
SPARE_IDS = 10
# Where a chat numbers its own messages, so many ids without a message are its end.
END_AFTER = 3
PROBE_AGAIN = timedelta(seconds=2)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Ids that an unknown send may have got, the likeliest first.

    `ends_after` ids in a row without a message end the search above `newest`, None where that
    proves nothing; `complete` says that no id was left out.
    """

    ids: tuple[int, ...]
    newest: int
    ends_after: int | None
    complete: bool


def find_candidates(delivery: Delivery, known: KnownIds) -> Candidates:
    """The ids above the floor that are not known, and some beyond the newest known one."""
    floor = delivery.floor_id or 0
    newest = max(known.known, default=floor)
    last = newest + known.unknown_deliveries + SPARE_IDS
    ids = [one for one in range(floor + 1, last + 1) if one not in known.known]
    numbered = delivery.chat_type in {ChatType.SUPERGROUP, ChatType.CHANNEL}
    return Candidates(
        ids=tuple(ids[:MOST_PROBES]),
        newest=newest,
        ends_after=END_AFTER if numbered else None,
        complete=len(ids) <= MOST_PROBES,
    )


class Prober:
    """Settles unknown deliveries."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        budget: Budget,
        prepared: Callable[[Delivery], Awaitable[Prepared]],
        clock: Callable[[], datetime],
        worker: str,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._budget = budget
        self._prepared = prepared
        self._clock = clock
        self._worker = worker

    async def settle_due(self, now: datetime) -> bool:
        """Settle the unknown deliveries whose time has come; False where there was none.

        Deliveries whose ids are counted together are settled one after the other: each id that is
        found is one less to ask for.
        """
        plan = ClaimPlan(self._worker, AT_ONCE, now, now + LEASE)
        spaces: dict[int, list[Delivery]] = defaultdict(list)
        for delivery in await self._store.claim_unknown(plan):
            shared = delivery.chat_type in {ChatType.PRIVATE, ChatType.GROUP}
            spaces[0 if shared else delivery.chat_id].append(delivery)
        async with asyncio.TaskGroup() as tasks:
            for deliveries in spaces.values():
                tasks.create_task(self._settle_all(deliveries))
        return bool(spaces)

    async def _settle_all(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            try:
                await self._settle(delivery)
            except DatabaseError:
                _log.exception("unknown delivery not settled", extra={"delivery": delivery.id})

    async def _settle(self, delivery: Delivery) -> None:
        prepared = await self._prepared(delivery)
        search = _Search(self._publisher, self._budget, delivery, prepared)
        try:
            verdict = await self._look(search)
        except PublishError as error:
            verdict = self._interrupted(search, error)
        await asyncio.shield(
            self._store.settle_unknown(delivery, verdict, search.probes, self._clock())
        )
        _log.warning(
            "unknown delivery settled",
            extra={
                "delivery": delivery.id,
                "chat": delivery.destination.chat,
                "step": verdict.step.value,
                "probes": search.probes,
                "reason": verdict.reason,
            },
        )

    async def _look(self, search: _Search) -> Verdict:
        if search.prepared.markup is None:
            return self._unsettled(search.delivery, "it has no buttons to be known by")
        known = await self._store.find_known_ids(search.delivery)
        candidates = find_candidates(search.delivery, known)
        found = await search.run(candidates)
        if found is not None:
            return Verdict(Step.SENT, "found by a probe", message_id=found)
        if candidates.complete or search.reached_end:
            return Verdict(Step.RETRY, "not there, as probes showed", self._clock())
        return self._unsettled(search.delivery, "too many messages to ask for")

    def _unsettled(self, delivery: Delivery, reason: str) -> Verdict:
        """What to do where probing cannot tell: a channel's readers would all see a double."""
        if delivery.chat_type is ChatType.CHANNEL:
            return Verdict(Step.UNCONFIRMED, f"unconfirmed: {reason}")
        return Verdict(Step.RETRY, f"unconfirmed: {reason}; sent again", self._clock())

    def _interrupted(self, search: _Search, error: PublishError) -> Verdict:
        match error:
            case RetryLater() if search.delivery.probes + search.probes > MOST_PROBES_IN_ALL:
                return self._unsettled(search.delivery, str(error))
            case RetryLater(after_s=float() as after_s):
                at = self._clock() + timedelta(seconds=after_s)
                return Verdict(Step.UNKNOWN, str(error), at)
            case DestinationGone():
                return Verdict(Step.GONE, str(error))
            case DestinationMoved():
                return Verdict(Step.MOVED, str(error), telegram_id=error.telegram_id)
            case RetryLater():
                return Verdict(Step.UNKNOWN, str(error), self._clock() + PROBE_AGAIN)
            case _:
                return self._unsettled(search.delivery, str(error))


class _Search:
    """One search for one delivery's message."""

    def __init__(
        self, publisher: Publisher, budget: Budget, delivery: Delivery, prepared: Prepared
    ) -> None:
        self._publisher = publisher
        self._budget = budget
        self.delivery = delivery
        self.prepared = prepared
        self.probes = 0
        self.reached_end = False

    async def run(self, candidates: Candidates) -> int | None:
        """Ask for one id after another; gives the message's id, None if none is it."""
        empty_in_a_row = 0
        for message_id in candidates.ids:
            answer = await self._ask(message_id)
            if answer is ProbeAnswer.HERE:
                return message_id
            beyond = message_id > candidates.newest
            empty_in_a_row = empty_in_a_row + 1 if answer is ProbeAnswer.NOTHING and beyond else 0
            if candidates.ends_after is not None and empty_in_a_row >= candidates.ends_after:
                self.reached_end = True
                return None
        return None

    async def _ask(self, message_id: int) -> ProbeAnswer:
        chat = self.delivery.destination.chat
        await self._budget.wait_probe_turn(chat)
        self.probes += 1
        try:
            return await self._publisher.probe(self.delivery.destination, message_id, self.prepared)
        except RetryLater as error:
            if error.after_s is not None:
                self._budget.note_refused(chat, error.after_s)
            raise
