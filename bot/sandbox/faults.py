"""Planned misfortune: error answers, lost answers, lost requests, slowness, rate limits."""

from __future__ import annotations

import math
import random
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bot.sandbox.refusals import Refusal, too_many

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(slots=True, kw_only=True)
class Fault:
    """What befalls the next calls that match; the first fault that matches strikes.

    `method` and `chat` empty match any; `times` None is without end; `chance` is of each match.
    With `effect` the call is carried out first. Then, after `delay_s` seconds: `answer` gives
    the true answer (so it needs the effect), `error` a Bot API error, `garbage` a page that is
    not JSON with the status `code`, `drop` nothing: the connection is cut.
    """

    then: Literal["answer", "error", "garbage", "drop"] = "error"
    method: str = ""
    chat: int | str = ""
    times: int | None = 1
    chance: float = 1.0
    effect: bool = False
    delay_s: float = 0.0
    code: int = 500
    description: str = ""
    retry_after: int = 0
    migrate_to: int = 0

    def refusal(self) -> Refusal:
        """Give the error answer that this fault stands for."""
        if self.retry_after:
            return too_many(self.retry_after)
        parameters = {"migrate_to_chat_id": self.migrate_to} if self.migrate_to else None
        return Refusal(self.code, self.description or "Internal Server Error", parameters)


class Faults:
    """The faults that are planned; `seed` makes their chances repeatable."""

    def __init__(self, seed: int = 1) -> None:
        self.planned: list[Fault] = []
        self._chance = random.Random(seed)  # noqa: S311

    def plan(self, fault: Fault) -> Fault:
        """Add a fault behind those already planned."""
        self.planned.append(fault)
        return fault

    def strike(self, method: str, chats: Collection[int | str]) -> Fault | None:
        """Give the fault that befalls this call, and count it."""
        for fault in self.planned:
            if not _matches(fault, method, chats) or self._chance.random() >= fault.chance:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.planned.remove(fault)
            return fault
        return None


@dataclass(slots=True, kw_only=True)
class Pace:
    """Telegram's limits of sending: a token bucket for the bot and for each chat, a window a group.

    Source: Telegram's bot FAQ ("My bot is hitting limits").
    """

    bot_per_s: float = 30.0
    bot_burst: int = 30
    paid_per_s: float = 1000.0
    chat_per_s: float = 1.0
    chat_burst: int = 3
    group_per_minute: int = 20
    _due: dict[int, float] = field(default_factory=dict, init=False)
    _group: defaultdict[int, deque[float]] = field(
        default_factory=lambda: defaultdict(deque), init=False
    )

    def admit(self, chat_id: int, now_s: float, *, group: bool, paid: bool) -> None:
        """Count one message; one too many is refused and not counted. Raises Refusal."""
        bot_rate = self.paid_per_s if paid else self.bot_per_s
        bot_due = self._after(0, now_s, bot_rate, self.bot_burst)
        chat_due = self._after(chat_id, now_s, self.chat_per_s, self.chat_burst)
        window = self._group[chat_id] if group else deque[float]()
        while window and window[0] <= now_s - 60:
            window.popleft()
        full = len(window) >= self.group_per_minute
        wait_s = max(bot_due[0], chat_due[0], window[0] + 60 - now_s if full else 0.0)
        if wait_s > 0:
            raise too_many(math.ceil(wait_s))
        self._due[0], self._due[chat_id] = bot_due[1], chat_due[1]
        window.append(now_s)

    def _after(self, key: int, now_s: float, rate: float, burst: int) -> tuple[float, float]:
        """Give how long one more has to wait, and the bucket's next state."""
        due = max(self._due.get(key, 0.0), now_s)
        return due - now_s - (burst - 1) / rate - 1e-9, due + 1 / rate


def _matches(fault: Fault, method: str, chats: Collection[int | str]) -> bool:
    if fault.method and fault.method.lower() != method.lower():
        return False
    return not fault.chat or fault.chat in chats
