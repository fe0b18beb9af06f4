"""python-telegram-bot over our transport and within our budget."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.ext import ExtBot

from bot.errors import (
    DestinationGone,
    DestinationMoved,
    DestinationRefused,
    MessageRejected,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.limits import Budget
from bot.sandbox import TOKEN, Sandbox, serve
from bot.sandbox.faults import Fault
from bot.transport import AiohttpRequest, BudgetRateLimiter, translate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

READER = 7


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Api:
    """A sandbox, a bot on it, and the ids that were noted."""

    def __init__(self, sandbox: Sandbox, url: str, request: AiohttpRequest) -> None:
        self.sandbox = sandbox
        self.noted: list[tuple[int, str, int]] = []
        self.clock = Clock()
        self.budget = Budget(30, self.clock)
        self.bot = ExtBot(
            TOKEN,
            base_url=f"{url}/bot",
            request=request,
            get_updates_request=request,
            rate_limiter=BudgetRateLimiter(self.budget, lambda *told: self.noted.append(told)),
        )


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    sandbox = Sandbox(TOKEN)
    sandbox.add_user("Budi", user_id=READER)
    sandbox.say(READER, READER, "/start")
    runner = await serve(sandbox, "127.0.0.1", 0)
    request = AiohttpRequest(4)
    await request.initialize()
    yield Api(sandbox, f"http://127.0.0.1:{runner.addresses[0][1]}", request)
    await request.shutdown()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (Forbidden("Forbidden: bot was blocked by the user"), DestinationGone),
        (BadRequest("Chat not found"), DestinationGone),
        (BadRequest("Topic_closed"), DestinationRefused),
        (BadRequest("Message is too long"), MessageRejected),
        (ChatMigrated(-1005), DestinationMoved),
        (RetryAfter(7), RetryLater),
        (InvalidToken("Unauthorized"), TokenRejected),
        (NetworkError("Bad Gateway (502)"), OutcomeUnknown),
        (TimedOut(), OutcomeUnknown),
    ],
)
def test_each_error_has_its_class(error: TelegramError, ours: type[PublishError]) -> None:
    assert type(translate(error)) is ours


async def test_the_ids_of_answers_are_noted(api: Api) -> None:
    sent = await api.bot.send_message(READER, "Halo")
    assert api.noted == [(READER, "private", sent.message_id)]


async def test_an_answer_waits_out_a_429_of_its_chat(api: Api) -> None:
    api.sandbox.faults.plan(Fault(method="sendMessage", code=429, retry_after=4))
    sending = asyncio.create_task(api.bot.send_message(READER, "Halo", rate_limit_args=1))
    async with asyncio.timeout(5):
        while not any(call.status == 429 for call in api.sandbox.calls):
            await asyncio.sleep(0)
        while api.budget.reserve_answer(READER) < 4:
            await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_an_answer_that_may_not_wait_tells_of_the_429(api: Api) -> None:
    api.sandbox.faults.plan(Fault(method="sendMessage", code=429, retry_after=4))
    with pytest.raises(RetryAfter):
        await api.bot.send_message(READER, "Halo")


async def test_a_lost_answer_is_a_network_error(api: Api) -> None:
    api.sandbox.faults.plan(Fault(method="sendMessage", then="drop", effect=True))
    with pytest.raises(NetworkError):
        await api.bot.send_message(READER, "Halo")


async def test_an_answer_that_does_not_come_times_out(api: Api) -> None:
    api.sandbox.faults.plan(Fault(method="getMe", then="answer", effect=True, delay_s=30))
    with pytest.raises(TimedOut):
        await api.bot.get_me(read_timeout=0.05)
