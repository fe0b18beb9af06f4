"""The budget, on a clock that the test moves."""

from __future__ import annotations

from bot.limits import CHAT_BURST, GROUP_BURST, Budget


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def sends(budget: Budget, clock: Clock, chats: list[int]) -> list[float]:
    """When each of these messages goes, each one waited for before the next is asked."""
    moments = []
    for chat in chats:
        clock.now += budget.reserve(chat)
        moments.append(clock.now)
    return moments


def test_the_bot_keeps_its_rate() -> None:
    clock = Clock()
    moments = sends(Budget(30, clock), clock, list(range(300)))
    for start in range(len(moments) - 60):
        assert moments[start + 60] - moments[start] >= 1.0 - 1e-6


def test_a_chat_gets_a_short_burst_then_one_a_second() -> None:
    clock = Clock()
    moments = sends(Budget(30, clock), clock, [5] * (CHAT_BURST + 3))
    assert moments[CHAT_BURST - 1] == 100.0
    gaps = [b - a for a, b in zip(moments[CHAT_BURST - 1 :], moments[CHAT_BURST:], strict=False)]
    assert all(abs(gap - 1.0) < 1e-6 for gap in gaps)


def test_only_groups_are_held_to_twenty_a_minute() -> None:
    clock = Clock()
    budget = Budget(30, clock)
    budget.note_group(-7)
    moments = sends(budget, clock, [-7] * 45)
    for start in range(len(moments) - 2 * GROUP_BURST):
        assert moments[start + 2 * GROUP_BURST] - moments[start] >= 60 - 1e-6
    clock = Clock()
    channel = sends(Budget(30, clock), clock, [-100_7] * 30)
    assert channel[-1] - channel[0] < 30


def test_a_held_chat_waits_and_no_other() -> None:
    clock = Clock()
    budget = Budget(30, clock)
    budget.hold_chat(5, 17)
    assert budget.reserve(5) == 17
    assert budget.reserve(6) == 0


def test_calls_to_no_chat_count_for_the_bot_alone() -> None:
    clock = Clock()
    budget = Budget(1, clock)
    assert [budget.reserve(None) for _ in range(3)] == [0.0, 1.0, 2.0]
