"""The budget, on a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.limits import CATCH_UP_S, CHAT_BURST, CLAIM_AHEAD_S, FASTER_AFTER_S, BotPace, Budget


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def broadcast(budget: Budget, clock: Clock, number: int) -> list[float]:
    """When each of so many broadcast messages goes, each waited for."""
    moments = []
    while len(moments) < number:
        clock.now += budget.wait_s()
        moments += [clock.now + wait_s for wait_s in budget.take(1)]
    return moments


def answers(budget: Budget, clock: Clock, chats: list[int]) -> list[float]:
    """When each of these answers goes, each waited for."""
    moments = []
    for chat in chats:
        clock.now += budget.reserve_answer(chat)
        moments.append(clock.now)
    return moments


def test_broadcasts_keep_the_rate_and_use_it_up(clock: Clock) -> None:
    moments = broadcast(Budget(30, clock), clock, 3000)
    late = moments[100:]
    for at, later in zip(late, late[30:], strict=False):
        assert later - at >= 1.0
    assert 3000 / (moments[-1] - moments[0]) >= 0.99 * 30


def test_a_late_moment_is_caught_up_only_a_little(clock: Clock) -> None:
    budget = Budget(30, clock)
    broadcast(budget, clock, 100)
    clock.now += 60
    assert budget.free() <= 30 * CATCH_UP_S


def test_an_answer_does_not_wait_behind_broadcasts(clock: Clock) -> None:
    budget = Budget(30, clock)
    asked_at = broadcast(budget, clock, 500)[-1] - CLAIM_AHEAD_S
    assert answers(budget, clock, [7])[-1] - asked_at <= CLAIM_AHEAD_S + 0.05


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(0, 40)), max_size=60),
    st.sampled_from([0.7, 1.0, 22.5, 30.0]),
)
def test_no_second_holds_more_than_the_rate(steps: list[tuple[float, int]], rate: float) -> None:
    clock = Clock()
    budget = Budget(rate, clock)
    moments = []
    for late_s, asked in steps:
        clock.now += late_s
        moments += [clock.now + budget.reserve_answer(None) for _ in range(asked)]
        moments += [clock.now + wait_s for wait_s in budget.take(budget.free())]
    moments.sort()
    for at, later in zip(moments, moments[max(1, int(rate)) :], strict=False):
        assert later - at >= max(1.0, 1 / rate)


def test_at_a_high_rate_messages_leave_in_groups(clock: Clock) -> None:
    budget, moments = Budget(1000, clock), []
    while len(moments) < 5000:
        clock.now += 0.02
        moments += [clock.now + wait_s for wait_s in budget.take(budget.free())]
    left = sorted(round(moment, 6) for moment in moments[1000:])
    assert len(left) / len(set(left)) > 30
    assert len(left) / (left[-1] - left[0]) >= 0.97 * 1000
    for at, later in zip(left, left[1000:], strict=False):
        assert later - at >= 0.999


def test_what_left_late_lets_the_next_wait(clock: Clock) -> None:
    pace, left = BotPace(30), []
    for number in range(300):
        clock.now += 0.0335
        at = clock.now + (0.02 if number % 30 == 7 else 0.0)
        left.append(at + pace.leave(at))
    for at, later in zip(left, left[30:], strict=False):
        assert later - at >= 1.0


def test_answers_are_paid_for_by_broadcasts(clock: Clock) -> None:
    budget = Budget(30, clock)
    start = broadcast(budget, clock, 300)[-1]
    answers(budget, clock, list(range(10)))
    end = broadcast(budget, clock, 300)[-1]
    assert end - start >= 310 / 30 - 0.1


def test_a_chat_gets_a_short_burst_of_answers_then_one_a_second(clock: Clock) -> None:
    moments = answers(Budget(30, clock), clock, [5] * 6)
    burst = int(CHAT_BURST)
    assert moments[burst - 1] == moments[0]
    gaps = [b - a for a, b in zip(moments[burst - 1 :], moments[burst:], strict=False)]
    assert gaps == pytest.approx([1.0] * 3)


def test_answers_in_a_group_keep_twenty_a_minute(clock: Clock) -> None:
    budget = Budget(30, clock)
    budget.note_group(-7)
    moments = answers(budget, clock, [-7] * 60)
    for at, later in zip(moments, moments[20:], strict=False):
        assert later - at >= 60


def test_one_429_is_the_chats_and_holds_no_other(clock: Clock) -> None:
    budget = Budget(30, clock)
    assert not budget.note_refused(5, 17)
    assert budget.free() > 0
    assert budget.reserve_answer(5) == 17
    assert budget.reserve_answer(6) == 0


def test_429s_of_one_chat_again_and_again_stay_the_chats(clock: Clock) -> None:
    budget = Budget(30, clock)
    assert not any(budget.note_refused(5, 3) for _ in range(5))


def test_429s_of_two_chats_in_a_row_are_the_bots(clock: Clock) -> None:
    budget = Budget(30, clock)
    budget.note_refused(5, 3)
    assert budget.note_refused(6, 3)
    assert budget.free() == 0
    assert budget.wait_s() == pytest.approx(3)
    clock.now += 3
    assert budget.free() > 0


def test_a_message_taken_between_two_429s_leaves_them_to_their_chats(clock: Clock) -> None:
    budget = Budget(30, clock)
    for chat in range(20):
        assert not budget.note_refused(chat, 3)
        budget.note_taken()


def test_a_lower_limit_is_found_and_kept(clock: Clock) -> None:
    budget, limit = Budget(30, clock), 20.0
    taken: list[float] = []
    refusals = 0
    while clock.now < 100 + 20 * 60:
        clock.now += budget.wait_s()
        clock.now += budget.take(1)[0]
        recent = [at for at in taken[-40:] if at > clock.now - 1]
        if len(recent) >= limit:
            refusals += 1
            budget.note_refused(refusals, 1)
        else:
            taken.append(clock.now)
            budget.note_taken()
    assert refusals <= 6
    assert 0.75 * limit <= budget.rate <= limit


def test_after_a_long_quiet_time_a_little_more_is_tried(clock: Clock) -> None:
    budget = Budget(30, clock)
    budget.note_refused(1, 1)
    budget.note_refused(2, 1)
    slow = budget.rate
    clock.now += FASTER_AFTER_S + 1
    budget.free()
    assert slow < budget.rate < 30


async def test_one_answer_or_probe_at_a_time_is_under_way_in_a_chat() -> None:
    budget = Budget(30, lambda: 0.0)
    order: list[str] = []

    async def act(name: str, chat: int | None) -> None:
        async with budget.alone(chat):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(act("probe", 7), act("answer", 7))
    assert order == ["probe begins", "probe ends", "answer begins", "answer ends"]
    order.clear()
    await asyncio.gather(act("here", 7), act("there", 8), act("inline", None))
    assert [step.split()[1] for step in order] == ["begins"] * 3 + ["ends"] * 3


def test_the_last_answers_in_a_chat_are_remembered() -> None:
    budget = Budget(30, lambda: 0.0)
    for message_id in range(100):
        budget.note_answer(7, message_id)
    assert budget.is_answer(7, 99)
    assert not budget.is_answer(7, 1)
    assert not budget.is_answer(8, 99)


def test_answers_in_a_chat_can_be_held() -> None:
    budget = Budget(30, lambda: 0.0)
    budget.hold_answers(7, 9.0)
    assert budget.reserve_answer(7) == 9.0
    assert budget.reserve_answer(8) == 0.0


def test_probes_in_a_group_keep_the_pace_of_a_chat() -> None:
    budget = Budget(30, lambda: 0.0)
    budget.note_group(7)
    waits = [budget.reserve_probe(7) for _ in range(6)]
    assert waits[:3] == pytest.approx([0.0, 0.0, 0.0], abs=0.2)
    assert waits[3:] == pytest.approx([1.0, 2.0, 3.0], abs=0.2)
