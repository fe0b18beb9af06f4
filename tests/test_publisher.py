"""Telegram's errors as ours: from their words, and from real HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from factories import message
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
    MessageGone,
    MessageRejected,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.limits import Budget
from bot.publisher import BudgetRateLimiter, TelegramPublisher, translate
from bot.transport import AiohttpRequest
from bot.types import Destination, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

TOKEN = "1:token"


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (Forbidden("Forbidden: bot was blocked by the user"), DestinationGone),
        (Forbidden("Forbidden: user is deactivated"), DestinationGone),
        (Forbidden("Forbidden: bot can't initiate conversation with a user"), DestinationGone),
        (Forbidden("Forbidden: the group chat was deleted"), DestinationGone),
        (Forbidden("Forbidden: bot was kicked from the supergroup chat"), DestinationGone),
        (Forbidden("Forbidden: bot is not a member of the channel chat"), DestinationGone),
        (BadRequest("Chat not found"), DestinationGone),
        (BadRequest("Private chat not found"), DestinationGone),
        (ChatMigrated(-1005), DestinationMoved),
        (BadRequest("Need administrator rights in the channel chat"), DestinationRefused),
        (
            BadRequest("Not enough rights to send text messages to the chat"),
            DestinationRefused,
        ),
        (BadRequest("Chat_write_forbidden"), DestinationRefused),
        (BadRequest("Topic_closed"), DestinationRefused),
        (BadRequest("Message thread not found"), DestinationRefused),
        (BadRequest("Message to edit not found"), MessageGone),
        (BadRequest("Message can't be edited"), MessageGone),
        (BadRequest("Message to delete not found"), MessageGone),
        (BadRequest("Message can't be deleted for everyone"), MessageGone),
        (BadRequest("Message is too long"), MessageRejected),
        (BadRequest('Can\'t parse entities: unsupported start tag "br"'), MessageRejected),
        (RetryAfter(7), RetryLater),
        (InvalidToken("Unauthorized"), TokenRejected),
        (NetworkError("Bad Gateway (502)"), OutcomeUnknown),
        (TimedOut(), OutcomeUnknown),
    ],
)
def test_each_refusal_has_its_class(error: TelegramError, ours: type[PublishError]) -> None:
    assert type(translate(error)) is ours


def test_the_wait_that_the_server_asks_is_kept() -> None:
    later = translate(RetryAfter(37))
    assert isinstance(later, RetryLater)
    assert later.after_s == 37


Handler = "Callable[[web.Request], Awaitable[web.StreamResponse]]"


class Api:
    """A Bot API whose answers the test scripts; records what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.ok
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({key: str(value) for key, value in (await request.post()).items()})
        return await self.handler(request)

    async def ok(self, request: web.Request) -> web.StreamResponse:
        asked = self.asked[-1]
        chat = {"id": int(asked["chat_id"]), "type": "private", "first_name": "x"}
        sent = {"message_id": 5, "date": 1, "chat": chat, "text": "x"}
        return web.json_response({"ok": True, "result": sent})


def answers(status: int, description: str, **parameters: Any) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = {"ok": False, "error_code": status, "description": description}
        if parameters:
            body["parameters"] = parameters
        return web.json_response(body, status=status)

    return handler


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def never(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def gibberish(request: web.Request) -> web.StreamResponse:
    return web.Response(status=502, text="<html>Bad Gateway</html>")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api()
    app = web.Application()
    app.router.add_post(f"/bot{TOKEN}/{{method}}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@pytest.fixture
async def publisher(api: Api) -> AsyncIterator[TelegramPublisher]:
    request = AiohttpRequest(4)
    await request.initialize()
    yield TelegramPublisher(bot_at(api.url, request))
    await request.shutdown()


def bot_at(url: str, request: AiohttpRequest) -> ExtBot[int]:
    budget = Budget(1000, asyncio.get_running_loop().time)
    return ExtBot(
        TOKEN,
        base_url=f"{url}/bot",
        request=request,
        get_updates_request=request,
        rate_limiter=BudgetRateLimiter(budget),
    )


async def test_a_send_carries_all_that_was_meant(api: Api, publisher: TelegramPublisher) -> None:
    receipt = await publisher.send(Destination(7, thread_id=12, silent=True), message("A & B"))
    assert receipt == Receipt(7, 5)
    asked = api.asked[0]
    assert (asked["chat_id"], asked["message_thread_id"]) == ("7", "12")
    assert (asked["text"], asked["parse_mode"]) == ("<b>A & B</b>", "HTML")
    assert asked["disable_notification"] == "true"
    preview = json.loads(asked["link_preview_options"])
    assert preview == {"url": "https://kabar.example/", "prefer_large_media": True}
    (row,) = json.loads(asked["reply_markup"])["inline_keyboard"]
    assert row == [{"text": "Salin", "copy_text": {"text": "https://kabar.example/"}}]


async def test_the_general_topic_is_left_out(api: Api, publisher: TelegramPublisher) -> None:
    await publisher.send(Destination(7, thread_id=1), message())
    assert "message_thread_id" not in api.asked[0]


async def test_a_plain_message_has_no_parse_mode(api: Api, publisher: TelegramPublisher) -> None:
    await publisher.send(Destination(7), message("a < b", html="", preview_url=None))
    assert api.asked[0]["text"] == "a < b"
    assert "parse_mode" not in api.asked[0]
    assert json.loads(api.asked[0]["link_preview_options"]) == {"is_disabled": True}


@pytest.mark.parametrize(
    ("handler", "ours"),
    [
        (reset, OutcomeUnknown),
        (gibberish, OutcomeUnknown),
        (answers(500, "Internal Server Error"), OutcomeUnknown),
        (answers(403, "Forbidden: bot was blocked by the user"), DestinationGone),
        (answers(401, "Unauthorized"), TokenRejected),
        (answers(429, "Too Many Requests: retry after 3", retry_after=3), RetryLater),
        (
            answers(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=-1005,
            ),
            DestinationMoved,
        ),
    ],
)
async def test_real_answers_become_our_errors(
    api: Api, publisher: TelegramPublisher, handler: Any, ours: type[PublishError]
) -> None:
    api.handler = handler
    with pytest.raises(PublishError) as raised:
        await publisher.send(Destination(7), message())
    assert type(raised.value) is ours


async def test_an_answer_that_does_not_come_is_unknown(api: Api) -> None:
    api.handler = never
    request = AiohttpRequest(1, read_timeout_s=0.05)
    await request.initialize()
    with pytest.raises(OutcomeUnknown):
        await TelegramPublisher(bot_at(api.url, request)).send(Destination(7), message())
    await request.shutdown()


async def test_a_connection_that_is_refused_certainly_had_no_effect() -> None:
    request = AiohttpRequest(1)
    await request.initialize()
    publisher = TelegramPublisher(bot_at("http://127.0.0.1:1", request))
    with pytest.raises(RetryLater) as raised:
        await publisher.send(Destination(7), message())
    assert raised.value.after_s is None
    await request.shutdown()


async def test_an_edit_that_changes_nothing_is_done(api: Api, publisher: TelegramPublisher) -> None:
    api.handler = answers(400, "Bad Request: message is not modified: specified new message")
    await publisher.edit(Destination(7), 5, message())
    assert api.asked[0]["message_id"] == "5"


@pytest.mark.parametrize("handler", [reset, gibberish])
async def test_an_edit_or_deletion_of_unknown_outcome_is_repeated(
    api: Api, publisher: TelegramPublisher, handler: Any
) -> None:
    api.handler = handler
    with pytest.raises(RetryLater):
        await publisher.edit(Destination(7), 5, message())
    with pytest.raises(RetryLater):
        await publisher.retract(Destination(7), 5)


async def test_an_answer_waits_out_a_429_of_its_chat(api: Api) -> None:
    clock = Clock()
    budget = Budget(30, clock)
    first = answers(429, "Too Many Requests: retry after 4", retry_after=4)

    async def once(request: web.Request) -> web.StreamResponse:
        api.handler = api.ok
        return await first(request)

    api.handler = once
    request = AiohttpRequest(1)
    await request.initialize()
    limiter = BudgetRateLimiter(budget)
    bot = ExtBot(
        TOKEN,
        base_url=f"{api.url}/bot",
        request=request,
        get_updates_request=request,
        rate_limiter=limiter,
    )
    sending = asyncio.create_task(bot.send_message(7, "x", rate_limit_args=1))
    while len(api.asked) < 1:
        await asyncio.sleep(0)
    await request_settles(budget)
    assert budget.reserve(7) >= 4
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await request.shutdown()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def request_settles(budget: Budget) -> None:
    """Wait until the chat is held."""
    async with asyncio.timeout(5):
        while budget.reserve(7) < 4:
            await asyncio.sleep(0)


def test_aiohttp_is_what_the_causes_are_told_by() -> None:
    assert issubclass(aiohttp.ConnectionTimeoutError, TimeoutError)
    assert issubclass(aiohttp.ClientConnectorError, aiohttp.ClientError)
