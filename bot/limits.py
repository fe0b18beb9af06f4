"""The one budget of Telegram's limits, for everything that goes out.

About 30 messages a second for the whole bot, one a second in a chat with short bursts, 20 a
minute in a group; channels and private chats are not groups. Source: Telegram Bots FAQ, "My bot is
hitting limits".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CHAT_INTERVAL_S, CHAT_BURST = 1.0, 3
GROUP_INTERVAL_S, GROUP_BURST = 3.0, 20
FORGET_ABOVE = 10_000


@dataclass(frozen=True, slots=True)
class Pace:
    """A limit as the generic cell rate algorithm knows it: one each interval, `burst` at once."""

    interval_s: float
    burst: int

    def turn(self, arrival: float | None, now: float) -> tuple[float, float]:
        """When the next one may go, and the theoretical arrival time to keep."""
        arrival = now if arrival is None else max(arrival, now)
        at = max(now, arrival - (self.burst - 1) * self.interval_s)
        return at, arrival + self.interval_s


class Budget:
    """Hands out turns, in memory, for one process on one token."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._bot = Pace(1.0 / rate, max(1, round(rate)))
        self._chat = Pace(CHAT_INTERVAL_S, CHAT_BURST)
        self._group = Pace(GROUP_INTERVAL_S, GROUP_BURST)
        self._clock = clock
        self._bot_arrival: float | None = None
        self._chat_arrivals: dict[int | str, float] = {}
        self._group_arrivals: dict[int | str, float] = {}
        self._groups: set[int | str] = set()
        self._closed_until: dict[int | str, float] = {}

    def note_group(self, chat: int | str) -> None:
        """Hold a chat to the limit of groups from now on."""
        self._groups.add(chat)

    def hold_chat(self, chat: int | str, after_s: float) -> None:
        """Let nothing go to a chat for as long as its server asked."""
        self._closed_until[chat] = self._clock() + after_s

    def reserve(self, chat: int | str | None) -> float:
        """Take the next turn; gives the seconds to wait for it. None is a call to no chat."""
        now = self._clock()
        at, self._bot_arrival = self._bot.turn(self._bot_arrival, now)
        if chat is None:
            return at - now
        at = max(at, self._turn(self._chat, self._chat_arrivals, chat, now))
        if chat in self._groups:
            at = max(at, self._turn(self._group, self._group_arrivals, chat, now))
        return max(at, self._closed_until.get(chat, now)) - now

    async def wait_turn(self, chat: int | str | None) -> None:
        """Take the next turn and wait for it."""
        wait_s = self.reserve(chat)
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def _turn(
        self, pace: Pace, arrivals: dict[int | str, float], chat: int | str, now: float
    ) -> float:
        at, arrivals[chat] = pace.turn(arrivals.get(chat), now)
        if len(arrivals) > FORGET_ABOVE:
            _forget_past(arrivals, now)
            _forget_past(self._closed_until, now)
        return at


def _forget_past(moments: dict[int | str, float], now: float) -> None:
    for chat in [chat for chat, moment in moments.items() if moment <= now]:
        del moments[chat]
