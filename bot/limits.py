"""The one budget of Telegram's limits, for everything that goes out.

About 30 messages a second for the whole bot, one a second in a chat with short bursts, 20 a minute
in a group; channels and private chats are not groups. Source: Telegram Bots FAQ, "My bot is
hitting limits". The numbers are guidance, so a lower limit is learned from the server's 429s and
kept.

The pace of the whole bot lives here. For broadcasts the pace of each chat lives in its row, where
it holds across processes; readers' answers, which come in short bursts, keep theirs in memory.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

# A second longer by what journeys to the server may differ, so that none there holds one too many:
# as messages leave, and a little more as their moments are planned, so that few leave later.
LEAVING_S, PLANNED_S = 1.006, 1.007
# How much of a late moment's allowance may be caught up at once.
CATCH_UP_S = 0.1
# How long before its turn a broadcast message may be claimed; an answer waits no longer for it.
CLAIM_AHEAD_S = 0.06
SLOWER, FASTER, FASTER_AFTER_S = 0.8, 1.05, 1800.0
LOWEST_RATE = 0.5
# At a high rate some leave together: to wake for each costs more than to send it.
GROUPED_FROM_RATE, LONGEST_GROUP_S, LARGEST_GROUP = 200.0, 0.05, 64
CHAT_RATE, CHAT_BURST = 1.0, 3.0
GROUP_RATE, GROUP_BURST = 1 / 4.0, 4.0
FORGET_ABOVE = 10_000
ANSWERS_KEPT = 32


@dataclass(frozen=True, slots=True)
class Pace:
    """A limit as the generic cell rate algorithm knows it: `rate` a second, `burst` at once.

    `arrival` is the theoretical arrival time of the next one.
    """

    rate: float
    burst: float
    arrival: float = -math.inf

    def free(self, now: float) -> int:
        """How many may go now."""
        if self.arrival == -math.inf:
            return math.floor(self.burst)
        behind_s = min(now - self.arrival, 0.0)
        return max(0, math.floor(behind_s * self.rate + self.burst + 1e-6))

    def wait_s(self, now: float) -> float:
        """Seconds until one may go."""
        return max(0.0, self.arrival - now - (self.burst - 1) / self.rate)

    def taken(self, number: int, now: float) -> Pace:
        """The pace after some have gone."""
        return replace(self, arrival=max(self.arrival, now) + number / self.rate)


class BotPace:
    """The pace of the whole bot: even, and in no span of a second more than the rate.

    Even spacing alone is not enough: what is caught up after a late moment comes on top of what
    went before it, and a server that counts over a sliding second refuses it.
    """

    def __init__(
        self, rate: float, planned: Iterable[float] = (), left: Iterable[float] = ()
    ) -> None:
        self.rate = rate
        grouped = rate >= GROUPED_FROM_RATE
        self.group_s = min(LONGEST_GROUP_S, LARGEST_GROUP / rate) if grouped else 0.0
        self._most = max(1, math.floor(rate))
        self._span = max(1.0, 1 / rate)
        self._planned = deque(planned, maxlen=self._most)
        self._left = deque(left, maxlen=self._most)
        arrival = self._planned[-1] + 1 / rate if self._planned else -math.inf
        self._spacing = Pace(rate, max(1.0, rate * CATCH_UP_S), arrival)

    def at(self, rate: float) -> BotPace:
        """Another rate after the same past."""
        return BotPace(rate, self._planned, self._left)

    def free(self, now: float) -> int:
        """How many may go now."""
        even = self._spacing.free(now)
        span_s = self._span * PLANNED_S
        room = self._most - len(self._planned)
        oldest = islice(self._planned, max(0, even - room))
        over = takewhile(lambda moment: moment + span_s <= now, oldest)
        return min(even, room + sum(1 for _ in over))

    def wait_s(self, now: float) -> float:
        """Seconds until one may go."""
        span_wait_s = self._span_wait_s(self._planned, self._span * PLANNED_S, now)
        return max(self._spacing.wait_s(now), span_wait_s)

    def take(self, now: float) -> float:
        """Plan one; gives the seconds that it has to wait."""
        wait_s = self.wait_s(now)
        self._spacing = self._spacing.taken(1, now)
        self._planned.append(now + wait_s)
        return self._grouped(now + wait_s) - now if wait_s > 0 else 0.0

    def _grouped(self, moment: float) -> float:
        return math.ceil(moment / self.group_s) * self.group_s if self.group_s else moment

    def leave(self, now: float) -> float:
        """Count one whose moment has come; gives the seconds that it has to wait still.

        Some is due where those before it left late. Groups have room enough between them.
        """
        if self.group_s:
            return 0.0
        wait_s = self._span_wait_s(self._left, self._span * LEAVING_S, now)
        self._left.append(now + wait_s)
        return wait_s

    def _span_wait_s(self, moments: deque[float], span_s: float, now: float) -> float:
        return max(0.0, moments[0] + span_s - now) if len(moments) == self._most else 0.0


class Budget:
    """Hands out turns for one process on one token: answers first, broadcasts with the rest."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stated_rate = rate
        self._bot = BotPace(rate)
        self._slowed_at = -math.inf
        self._held_until = -math.inf
        self._last_refused: int | str | None = None
        self._groups: set[int | str] = set()
        self._chats: dict[int | str, Pace] = {}
        self._probes: dict[int | str, Pace] = {}
        self._chats_held_until: dict[int | str, float] = {}
        self._locks: WeakValueDictionary[int | str, asyncio.Lock] = WeakValueDictionary()
        self._answers: dict[int | str, deque[int]] = {}

    @property
    def rate(self) -> float:
        """Messages a second that the server is believed to take."""
        return self._bot.rate

    @property
    def group_s(self) -> float:
        """How long messages are gathered that leave together; 0 at a low rate."""
        return self._bot.group_s

    def note_group(self, chat: int | str) -> None:
        """Hold a chat to the limit of groups from now on."""
        self._groups.add(chat)

    def free(self) -> int:
        """How many broadcast messages may be claimed now."""
        now = self._clock()
        self._recover(now)
        return 0 if now < self._held_until else self._bot.free(now + CLAIM_AHEAD_S)

    def wait_s(self) -> float:
        """Seconds until a broadcast message may be claimed."""
        now = self._clock()
        return max(self._held_until - now, self._bot.wait_s(now) - CLAIM_AHEAD_S, 0.0)

    def take(self, number: int) -> list[float]:
        """Count broadcast messages; gives the seconds that each has to wait before it goes."""
        now = self._clock()
        return [self._bot.take(now) for _ in range(number)]

    def reserve_answer(self, chat: int | str | None) -> float:
        """Count an answer to a reader; gives the seconds that it has to wait."""
        if chat is None:
            now = self._clock()
            return max(self._bot.take(now), self._held_until - now)
        return self._reserve(chat, self._chats, self._new_pace(chat))

    def reserve_probe(self, chat: int | str) -> float:
        """Count a probe; gives the seconds that it has to wait: behind answers and broadcasts.

        It is no message, so the limit of messages in a group does not count it.
        """
        wait_s = self._reserve(chat, self._probes, Pace(CHAT_RATE, CHAT_BURST))
        return max(wait_s, self.wait_s())

    async def wait_turn(self, chat: int | str | None) -> None:
        """Count an answer to a reader and wait for its turn."""
        await self.leave(self.reserve_answer(chat))

    async def wait_probe_turn(self, chat: int | str) -> None:
        """Count a probe and wait for its turn."""
        await self.leave(self.reserve_probe(chat))

    async def leave(self, wait_s: float) -> None:
        """Wait for a moment that was given out, and longer where others left late."""
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        late_s = self._bot.leave(self._clock())
        if late_s > 0:
            await asyncio.sleep(late_s)

    @asynccontextmanager
    async def alone(self, chat: int | str | None) -> AsyncIterator[None]:
        """Let one answer or probe at a time be under way in a chat.

        A probe asks for ids that may not be taken yet; an answer meanwhile could take one.
        """
        if chat is None:
            yield
            return
        lock = self._locks.get(chat) or self._locks.setdefault(chat, asyncio.Lock())
        async with lock:
            yield

    def note_answer(self, chat: int | str, message_id: int) -> None:
        """Remember which message in a chat is an answer, so that no probe asks for it."""
        self._answers.setdefault(chat, deque(maxlen=ANSWERS_KEPT)).append(message_id)
        if len(self._answers) > FORGET_ABOVE:
            del self._answers[next(iter(self._answers))]

    def is_answer(self, chat: int | str, message_id: int) -> bool:
        """Whether a message is one of the last answers in its chat."""
        return message_id in self._answers.get(chat, ())

    def hold_answers(self, chat: int | str, seconds: float) -> None:
        """Let answers in a chat wait."""
        held_until = self._chats_held_until.get(chat, -math.inf)
        self._chats_held_until[chat] = max(held_until, self._clock() + seconds)

    def note_taken(self) -> None:
        """Learn that the server took a message."""
        self._last_refused = None

    def note_refused(self, chat: int | str, after_s: float) -> bool:
        """Learn of a 429; says whether it is the whole bot's and not the chat's alone.

        It is the bot's if two chats are refused one after the other with nothing taken between
        them, or while the bot is held already.
        """
        now = self._clock()
        whole_bot = now < self._held_until or self._last_refused not in {None, chat}
        self._last_refused = chat
        if not whole_bot:
            self._chats_held_until[chat] = now + after_s
            return False
        if now >= self._held_until:
            self._bot = self._bot.at(max(LOWEST_RATE, self._bot.rate * SLOWER))
            self._slowed_at = now
        self._held_until = max(self._held_until, now + after_s)
        return True

    def _recover(self, now: float) -> None:
        """Try a little faster after a long time without a 429 of the bot."""
        if self._bot.rate < self._stated_rate and now - self._slowed_at > FASTER_AFTER_S:
            self._bot = self._bot.at(min(self._stated_rate, self._bot.rate * FASTER))
            self._slowed_at = now

    def _reserve(self, chat: int | str, paces: dict[int | str, Pace], new: Pace) -> float:
        now = self._clock()
        wait_s = max(self._bot.take(now), self._held_until - now)
        pace = paces.get(chat, new)
        paces[chat] = pace.taken(1, now)
        self._forget_past(now)
        held_until = self._chats_held_until.get(chat, -math.inf)
        return max(wait_s, pace.wait_s(now), held_until - now)

    def _new_pace(self, chat: int | str) -> Pace:
        if chat in self._groups:
            return Pace(GROUP_RATE, GROUP_BURST)
        return Pace(CHAT_RATE, CHAT_BURST)

    def _forget_past(self, now: float) -> None:
        if len(self._chats) + len(self._probes) > FORGET_ABOVE:
            self._chats = {c: pace for c, pace in self._chats.items() if pace.arrival > now}
            self._probes = {c: pace for c, pace in self._probes.items() if pace.arrival > now}
            self._chats_held_until = {
                c: until for c, until in self._chats_held_until.items() if until > now
            }
