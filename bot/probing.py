"""Unknown outcomes: whether a message went out whose answer was lost.

`sendMessage` takes no idempotency key, and a bot cannot read a chat's history. But setting a
message's buttons to what they are already is refused as "not modified", which proves that the
message is there; so an unknown send is looked for among the ids that it may have got, before
anything else is delivered to its chat. Ids that are known to be other messages are never asked for,
so no other message can be changed.

Each chat takes about one probe a second, so all unknown sends are looked for side by side, a round
of probes at a time; an id that one finds is one less to ask for by the others.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import (
    DestinationGone,
    DestinationMoved,
    NotFoundError,
    PublishError,
    RetryLater,
)
from bot.store import ClaimPlan, Neighbour
from bot.types import ChatType, ProbeAnswer, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from bot.limits import Budget
    from bot.ports import Publisher
    from bot.store import KnownIds, Store
    from bot.types import Delivery, Prepared

    Asked = Mapping[int, ProbeAnswer]

LEASE = timedelta(seconds=12)
AT_ONCE = 1000
MOST_PROBES = 60
MOST_PROBES_IN_ALL = 200
# Rounds that a search waits for what others find.
MOST_RESTS = 30
# Ids beyond the newest known one: messages of readers that no update has told of yet.
SPARE_IDS = 10
# Where a chat numbers its own messages, so many ids without a message are its end.
END_AFTER = 3
# More ids than the whole bot account can use up while one request is under way.
SPAN = 33_000
# Spreads deliveries that follow each other over all the ids between their neighbours.
STRIDE = 7919
# How far from the gaps between its neighbours a message may be that was overtaken.
NEAR = 3
# A probe that was lost may still take effect for 8 s; it must not undo a
# correction nor meet an answer that took its id.
PROBE_AGAIN = timedelta(seconds=9)
ROUND_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the gaps a lost message is likely: positions, `start` before or at `end`."""

    likeliest: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SharedSpace:
    """What unsettled sends are looked for in where one counter serves many chats.

    `gaps` are the ids, in order, that no known message has, from the lowest floor up. `needed` is
    the last id that has to be asked for before a message counts as not there. `places` are by
    delivery.
    """

    gaps: tuple[int, ...]
    needed: int
    places: Mapping[int, Place]


def shared_space(
    known: KnownIds, lost: Sequence[Delivery], sent: Iterable[Neighbour] = ()
) -> SharedSpace:
    """The space in which some deliveries are looked for; `sent` are some whose ids are known.

    Needed beyond the newest known id is one id for each unsettled send besides these, and a few
    for messages not heard of: what these own beyond it they find themselves.
    """
    floor = min(one.floor_id or 0 for one in lost)
    newest = max(known.known, default=floor)
    unsettled = max(known.unknown_deliveries, len(lost))
    highest = max(one.floor_id or 0 for one in lost)
    last = min(newest + unsettled + SPARE_IDS, highest + SPAN)
    gaps = tuple(one for one in range(floor + 1, last + 1) if one not in known.known)
    return SharedSpace(
        gaps=gaps,
        needed=newest + unsettled - len(lost) + SPARE_IDS,
        places=_places(gaps, lost, sent),
    )


def _places(
    gaps: Sequence[int], lost: Sequence[Delivery], sent: Iterable[Neighbour]
) -> dict[int, Place]:
    """Where each lost message is likely to be, by delivery.

    Ids are given nearly in the order of the claims. So the lost ones after one that was sent have
    the gaps after it, and those before it the gaps before; the first above a floor has the first.
    """
    claims = [(one.floor_id or 0, one.id, 0) for one in lost]
    claims += [(one.floor_id or 0, one.id, one.message_id) for one in sent]
    claims.sort()
    before = _steps(gaps, claims)
    claims.reverse()
    places: dict[int, Place] = {}
    end, steps = len(gaps), 0
    for _, number, message_id in claims:
        if message_id:
            end, steps = bisect_right(gaps, message_id), 0
            continue
        steps += 1
        start, likeliest, steps_before = before[number]
        if steps < steps_before and end < len(gaps):
            likeliest = end - steps
        places[number] = Place(likeliest, start, max(start, end))
    return places


def _steps(
    gaps: Sequence[int], claims: Sequence[tuple[int, int, int]]
) -> dict[int, tuple[int, int, int]]:
    """For each lost one: the first gap it may fill, the likeliest, and how far it is from there."""
    found: dict[int, tuple[int, int, int]] = {}
    floor, start, steps = -1, 0, 0
    for its_floor, number, message_id in claims:
        if its_floor > floor:
            floor, start, steps = its_floor, bisect_right(gaps, its_floor), 0
        if message_id:
            start, steps = bisect_right(gaps, message_id), 0
        else:
            found[number] = start, start + steps, steps
            steps += 1
    return found


def next_shared(
    space: SharedSpace, delivery: Delivery, asked: Asked, last: int, more: int | None = None
) -> int | None:
    """The next id up to `last` to ask for; None if none is left.

    Those between the neighbours come first, by turns the nearest to the likeliest one; one that
    differs from delivery to delivery, so that of those whose neighbours did not go out one is soon
    found; and the lowest. The others are asked for only with `more`, which is how many are needed
    beyond the space's last.
    """
    gaps, place = space.gaps, space.places[delivery.id]
    first = bisect_right(gaps, delivery.floor_id or 0)
    needed = bisect_right(gaps, min(last, space.needed + (more or 0)))
    near = range(max(first, place.start - NEAR), min(place.end + NEAR, needed))
    lowest = next((at for at in near if gaps[at] not in asked), None)
    if lowest is None:
        far = range(first, needed) if more is not None else ()
        return next((gaps[at] for at in far if gaps[at] not in asked), None)
    turn = len(asked) % 3
    if turn == 2:
        return gaps[lowest]
    end = bisect_right(gaps, last)
    start = max(first, min(place.likeliest, end))
    if turn == 1:
        size = min(place.end, end) - place.start
        start = place.start + delivery.id * STRIDE % size if size > 0 else start
    up = next((at for at in range(start, end) if gaps[at] not in asked), lowest)
    down = next((at for at in range(start - 1, first - 1, -1) if gaps[at] not in asked), up)
    return gaps[min(up, down, key=lambda at: abs(at - start))]


def next_numbered(floor: int, known: frozenset[int], asked: Asked) -> int | None:
    """The next id to ask for in a chat that numbers its own messages; None if it is not there.

    First the gaps below the newest known id. Beyond it there may be any number of members'
    messages that the bot was not told of, so the chat's end is looked for in growing steps, and
    then what lies before it. The message is near one of the ends: soon after what was known before
    it, or among the last.
    """
    newest = max(known, default=floor)
    gap = _from_both_ends(range(floor + 1, newest), known, asked)
    if gap is not None:
        return gap
    end, to_ask = _find_end(newest, asked)
    if to_ask is not None:
        return to_ask
    return _from_both_ends(range(newest + 1, end + 1), known, asked)


def _from_both_ends(ids: range, known: frozenset[int], asked: Asked) -> int | None:
    """By turns the first and the last id that is neither known nor asked for."""
    turned = reversed(ids) if len(asked) % 2 == 0 else ids
    return next((one for one in turned if one not in known and one not in asked), None)


def _find_end(newest: int, asked: Asked) -> tuple[int, int | None]:
    """The last id of a chat, or the next one to ask for to find it.

    Some ids in a row without a message are taken as the end; fewer are deleted messages.
    """
    low, high = newest, newest + 1
    while True:
        empty, to_ask = _is_empty(high, asked)
        if to_ask is not None:
            return low, to_ask
        if empty:
            break
        low, high = high, high + 2 * (high - newest) + 1
    while high - low > 1:
        middle = (low + high) // 2
        empty, to_ask = _is_empty(middle, asked)
        if to_ask is not None:
            return low, to_ask
        low, high = (low, middle) if empty else (middle, high)
    return low, None


def _is_empty(start: int, asked: Asked) -> tuple[bool, int | None]:
    """Whether no message stands at an id and the next ones, or the one to ask for to know."""
    for message_id in range(start, start + END_AFTER):
        if message_id not in asked:
            return False, message_id
        if asked[message_id] is not ProbeAnswer.NOTHING:
            return False, None
    return True, None


@dataclass(slots=True)
class Search:
    """One unknown delivery that is looked for: what was asked, and what is being asked."""

    delivery: Delivery
    prepared: Prepared
    asked: dict[int, ProbeAnswer] = field(default_factory=dict)
    probes: int = 0
    rests: int = 0
    last: int | None = None
    asking: asyncio.Task[tuple[int, ProbeAnswer | PublishError]] | None = None

    @property
    def is_shared(self) -> bool:
        """Whether the message's id comes from the counter of the whole bot account."""
        return self.delivery.chat_type in {ChatType.PRIVATE, ChatType.GROUP}

    def next_numbered_id(self, known: KnownIds) -> int | None:
        """The next id to ask for where the chat numbers its own messages."""
        return next_numbered(self.delivery.floor_id or 0, known.known, self.asked)

    def next_shared_id(self, space: SharedSpace, more: int | None) -> int | None:
        """The next id to ask for where the message's id comes from the bot's one counter.

        Ids that were given after the search began are not asked for.
        """
        if self.last is None:
            self.last = min(max(space.gaps, default=0), (self.delivery.floor_id or 0) + SPAN)
        return next_shared(space, self.delivery, self.asked, self.last, more)


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
        self._claimed: list[Delivery] = []
        self._searches: dict[int, Search] = {}
        self._sent: dict[int, Neighbour] = {}
        self._asked: dict[int, tuple[Delivery, dict[int, ProbeAnswer]]] = {}

    async def settle_due(self, now: datetime) -> bool:
        """Settle the unknown deliveries whose time has come; False where there was none."""
        self._sent.clear()
        await self._claim(now)
        if not self._searches:
            return False
        async with asyncio.TaskGroup() as tasks:
            try:
                while self._searches:
                    await self._round(tasks)
                    await self._claim(max(now, self._clock()))
            finally:
                for search in self._searches.values():
                    if search.asking is not None:
                        search.asking.cancel()
                        search.asking = None
        return True

    async def _claim(self, now: datetime) -> None:
        limit = AT_ONCE - len(self._searches)
        if limit <= 0:
            return
        plan = ClaimPlan(self._worker, limit, now, now + LEASE)
        self._claimed += await self._store.claim_unknown(plan)
        while self._claimed:
            await self._begin(self._claimed[-1])
            self._claimed.pop()

    async def _begin(self, delivery: Delivery) -> None:
        try:
            search = Search(delivery, await self._prepared(delivery))
        except NotFoundError as error:
            await self._settle(delivery, self._unsettled(delivery, str(error)), 0)
            return
        before, asked = self._asked.pop(delivery.id, (delivery, {}))
        if (before.floor_id, before.revision) == (delivery.floor_id, delivery.revision):
            search.asked = asked
        if search.is_shared:
            for one in await self._store.list_neighbours(delivery):
                self._sent[one.id] = one
        self._searches[delivery.id] = search

    async def _round(self, tasks: asyncio.TaskGroup) -> None:
        """Ask for one id in each chat; then settle what is found or has nothing left to ask."""
        spaces: dict[int, list[Search]] = defaultdict(list)
        for search in self._searches.values():
            spaces[0 if search.is_shared else search.delivery.chat_id].append(search)
        for searches in spaces.values():
            await self._ask_next(searches, tasks)
        asking = [one.asking for one in self._searches.values() if one.asking is not None]
        if asking:
            await asyncio.wait(asking, timeout=ROUND_S)
        elif self._searches:
            await asyncio.sleep(ROUND_S)
        for search in list(self._searches.values()):
            if search.asking is not None and search.asking.done():
                await self._learn(search, *search.asking.result())

    async def _ask_next(self, searches: Sequence[Search], tasks: asyncio.TaskGroup) -> None:
        """Let each search in a space ask for an id.

        One that has no likely id left to ask for rests while others still look, since what they
        find it need not ask for. A few may each own one id beyond the needed ones instead.
        """
        next_id, others = await self._order(searches)
        looking = sum(next_id(search, None) is not None for search in searches)
        for search in searches:
            if search.asking is not None:
                continue
            message_id = next_id(search, None)
            if message_id is None and looking + others > SPARE_IDS and search.rests < MOST_RESTS:
                search.rests += 1
                continue
            message_id = message_id or next_id(search, looking)
            if search.prepared.markup is None:
                await self._give_up(search, "it has no buttons to be known by")
            elif message_id is None:
                not_there = "not there, as probes showed"
                await self._end(search, Verdict(Step.RETRY, not_there, self._clock()))
            elif len(search.asked) >= MOST_PROBES:
                await self._give_up(search, "too many messages to ask for")
            else:
                search.asking = tasks.create_task(self._ask(search, message_id))

    async def _order(
        self, searches: Sequence[Search]
    ) -> tuple[Callable[[Search, int | None], int | None], int]:
        """What tells a search in a space its next id, and how many look there besides these.

        See next_shared.
        """
        lost = [one.delivery for one in searches]
        lowest = min(lost, key=lambda one: one.floor_id or 0)
        begun = [one.last for one in searches if one.last is not None]
        last = max(begun) if len(begun) == len(searches) else None
        known = await self._store.find_known_ids(lowest, last)
        if not searches[0].is_shared:
            return lambda search, _: search.next_numbered_id(known), 0
        space = shared_space(known, lost, self._sent.values())
        others = max(0, known.unknown_deliveries - len(lost))
        return lambda search, more: search.next_shared_id(space, more), others

    async def _ask(self, search: Search, message_id: int) -> tuple[int, ProbeAnswer | PublishError]:
        destination = search.delivery.destination
        await self._budget.wait_probe_turn(destination.chat)
        async with self._budget.alone(destination.chat):
            if self._budget.is_answer(destination.chat, message_id):
                return message_id, ProbeAnswer.OTHER
            search.probes += 1
            try:
                answer = await self._publisher.probe(destination, message_id, search.prepared)
            except PublishError as error:
                self._note_refusal(destination.chat, error)
                return message_id, error
        return message_id, answer

    def _note_refusal(self, chat: int | str, error: PublishError) -> None:
        if not isinstance(error, RetryLater):
            return
        if error.after_s is None:
            self._budget.hold_answers(chat, PROBE_AGAIN.total_seconds())
        else:
            self._budget.note_refused(chat, error.after_s)

    async def _learn(
        self, search: Search, message_id: int, answer: ProbeAnswer | PublishError
    ) -> None:
        search.asking = None
        if isinstance(answer, PublishError):
            self._asked[search.delivery.id] = search.delivery, search.asked
            await self._end(search, self._interrupted(search, answer))
        elif answer is ProbeAnswer.HERE:
            found = Verdict(Step.SENT, "found by a probe", message_id=message_id)
            await self._end(search, found)
            if search.is_shared:
                delivery = search.delivery
                self._sent[delivery.id] = Neighbour(delivery.id, delivery.floor_id, message_id)
        else:
            search.asked[message_id] = answer

    async def _give_up(self, search: Search, reason: str) -> None:
        await self._end(search, self._unsettled(search.delivery, reason))

    async def _end(self, search: Search, verdict: Verdict) -> None:
        await self._settle(search.delivery, verdict, search.probes)
        del self._searches[search.delivery.id]
        if verdict.step is not Step.UNKNOWN:
            self._asked.pop(search.delivery.id, None)

    async def _settle(self, delivery: Delivery, verdict: Verdict, probes: int) -> None:
        await asyncio.shield(self._store.settle_unknown(delivery, verdict, probes, self._clock()))
        _log.warning(
            "unknown delivery settled",
            extra={
                "delivery": delivery.id,
                "chat": delivery.destination.chat,
                "step": verdict.step.value,
                "probes": probes,
                "reason": verdict.reason,
            },
        )

    def _unsettled(self, delivery: Delivery, reason: str) -> Verdict:
        """What to do where probing cannot tell: a channel's readers would all see a double."""
        if delivery.chat_type is ChatType.CHANNEL:
            return Verdict(Step.UNCONFIRMED, f"unconfirmed: {reason}")
        return Verdict(Step.RETRY, f"unconfirmed: {reason}; sent again", self._clock())

    def _interrupted(self, search: Search, error: PublishError) -> Verdict:
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
