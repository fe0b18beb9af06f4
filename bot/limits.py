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
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# Below the stated rate by what two clocks may differ, so that no second holds one too many.
SAFETY = 0.998
# How much of a late moment's allowance may be caught up at once.
CATCH_UP_S = 0.1
# How far readers' answers may run ahead of the pace; broadcasts make up for them.
ANSWERS_AHEAD_S = 0.5
SLOWER, FASTER, FASTER_AFTER_S = 0.8, 1.05, 1800.0
LOWEST_RATE = 0.5
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


class Budget:
    """Hands out turns for one process on one token: answers first, broadcasts with the rest."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stated_rate = rate * SAFETY
        self._bot = Pace(self._stated_rate, max(1.0, self._stated_rate * CATCH_UP_S))
        self._slowed_at = -math.inf
        self._held_until = -math.inf
        self._last_refused: int | str | None = None
        self._groups: set[int | str] = set()
        self._chats: dict[int | str, Pace] = {}
        self._chats_held_until: dict[int | str, float] = {}
        self._locks: WeakValueDictionary[int | str, asyncio.Lock] = WeakValueDictionary()
        self._answers: dict[int | str, deque[int]] = {}

    @property
    def rate(self) -> float:
        """Messages a second that the server is believed to take."""
        return self._bot.rate

    def note_group(self, chat: int | str) -> None:
        """Hold a chat to the limit of groups from now on."""
        self._groups.add(chat)

    def free(self) -> int:
        """How many broadcast messages may go now."""
        now = self._clock()
        self._recover(now)
        return 0 if now < self._held_until else self._bot.free(now)

    def wait_s(self) -> float:
        """Seconds until a broadcast message may go."""
        now = self._clock()
        return max(self._held_until - now, self._bot.wait_s(now), 0.0)

    def take(self, number: int) -> None:
        """Count broadcast messages that go now."""
        self._bot = self._bot.taken(number, self._clock())

    def reserve_answer(self, chat: int | str | None) -> float:
        """Count an answer to a reader; gives the seconds that it has to wait."""
        now = self._clock()
        wait_s = max(self._bot.wait_s(now) - ANSWERS_AHEAD_S, self._held_until - now, 0.0)
        self._bot = self._bot.taken(1, now)
        if chat is None:
            return wait_s
        pace = self._chats.get(chat) or self._new_pace(chat)
        self._chats[chat] = pace.taken(1, now)
        self._forget_past(now)
        held_until = self._chats_held_until.get(chat, -math.inf)
        return max(wait_s, pace.wait_s(now), held_until - now)

    async def wait_turn(self, chat: int | str | None) -> None:
        """Count an answer to a reader and wait for its turn."""
        wait_s = self.reserve_answer(chat)
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def wait_probe_turn(self, chat: int | str) -> None:
        """Count a probe and wait for its turn: behind answers, in the pace of its chat."""
        wait_s = max(self.reserve_answer(chat), self.wait_s())
        if wait_s > 0:
            await asyncio.sleep(wait_s)

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
            slower = max(LOWEST_RATE, self._bot.rate * SLOWER)
            self._bot = replace(self._bot, rate=slower, burst=max(1.0, slower * CATCH_UP_S))
            self._slowed_at = now
        self._held_until = max(self._held_until, now + after_s)
        return True

    def _recover(self, now: float) -> None:
        """Try a little faster after a long time without a 429 of the bot."""
        if self._bot.rate < self._stated_rate and now - self._slowed_at > FASTER_AFTER_S:
            faster = min(self._stated_rate, self._bot.rate * FASTER)
            self._bot = replace(self._bot, rate=faster)
            self._slowed_at = now

    def _new_pace(self, chat: int | str) -> Pace:
        if chat in self._groups:
            return Pace(GROUP_RATE, GROUP_BURST)
        return Pace(CHAT_RATE, CHAT_BURST)

    def _forget_past(self, now: float) -> None:
        if len(self._chats) > FORGET_ABOVE:
            self._chats = {c: pace for c, pace in self._chats.items() if pace.arrival > now}
            self._chats_held_until = {
                c: until for c, until in self._chats_held_until.items() if until > now
            }
