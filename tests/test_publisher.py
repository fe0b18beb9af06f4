"""Telegram's refusals as ours: from their words, and from real HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from factories import message

from bot.errors import (
    DestinationGone,
    DestinationMoved,
    DestinationRefused,
    MessageGone,
    MessageKept,
    MessageRejected,
    OutcomeUnknown,
    PublishError,
    RetryLater,
    TokenRejected,
)
from bot.http_post import Poster
from bot.publisher import TelegramPublisher, translate
from bot.types import Button, Destination, ProbeAnswer, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

TOKEN = "1:token"
MOVED = {"migrate_to_chat_id": -1005}


@pytest.mark.parametrize(
    ("status", "description", "parameters", "ours"),
    [
        (403, "Forbidden: bot was blocked by the user", {}, DestinationGone),
        (403, "Forbidden: user is deactivated", {}, DestinationGone),
        (403, "Forbidden: bot can't initiate conversation with a user", {}, DestinationGone),
        (403, "Forbidden: the group chat was deleted", {}, DestinationGone),
        (403, "Forbidden: bot was kicked from the supergroup chat", {}, DestinationGone),
        (403, "Forbidden: bot is not a member of the channel chat", {}, DestinationGone),
        (400, "Bad Request: chat not found", {}, DestinationGone),
        (400, "Bad Request: private chat not found", {}, DestinationGone),
        (400, "Bad Request: group chat was upgraded", MOVED, DestinationMoved),
        (
            400,
            "Bad Request: need administrator rights in the channel chat",
            {},
            DestinationRefused,
        ),
        (
            400,
            "Bad Request: not enough rights to send text messages to the chat",
            {},
            DestinationRefused,
        ),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", {}, DestinationRefused),
        (400, "Bad Request: TOPIC_CLOSED", {}, DestinationRefused),
        (400, "Bad Request: message thread not found", {}, DestinationRefused),
        (400, "Bad Request: message to edit not found", {}, MessageGone),
        (400, "Bad Request: message can't be edited", {}, MessageGone),
        (400, "Bad Request: message to delete not found", {}, MessageGone),
        (400, "Bad Request: message can't be deleted for everyone", {}, MessageKept),
        (400, "Bad Request: message is too long", {}, MessageRejected),
        (400, "Bad Request: can't parse entities: unsupported tag", {}, MessageRejected),
        (429, "Too Many Requests: retry after 7", {"retry_after": 7}, RetryLater),
        (409, "Conflict: terminated by other getUpdates request", {}, RetryLater),
        (401, "Unauthorized", {}, TokenRejected),
        (404, "Not Found", {}, TokenRejected),
        (500, "Internal Server Error", {}, OutcomeUnknown),
        (502, "Bad Gateway", {}, OutcomeUnknown),
    ],
)
def test_each_refusal_has_its_class(
    status: int, description: str, parameters: dict[str, Any], ours: type[PublishError]
) -> None:
    assert type(translate(status, description, parameters)) is ours


def test_the_wait_that_the_server_asks_is_kept() -> None:
    later = translate(429, "Too Many Requests: retry after 37", {"retry_after": 37})
    assert isinstance(later, RetryLater)
    assert later.after_s == 37


class Api:
    """A Bot API whose answers the test scripts; records what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.methods: list[str] = []
        self.handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.ok
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.methods.append(request.match_info["method"])
        return await self.handler(request)

    async def ok(self, request: web.Request) -> web.StreamResponse:
        asked = self.asked[-1]
        chat_id = asked["chat_id"] if isinstance(asked["chat_id"], int) else -1001
        chat = {"id": chat_id, "type": "private", "first_name": "x"}
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


async def half_an_answer(request: web.Request) -> web.StreamResponse:
    return web.json_response({"ok": True, "result": {}})


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
    async with Poster(api.url) as poster:
        yield TelegramPublisher(poster, TOKEN)


async def test_a_send_carries_all_that_was_meant(api: Api, publisher: TelegramPublisher) -> None:
    prepared = publisher.prepare(message("A & B"))
    receipt = await publisher.send(Destination(7, thread_id=12, silent=True), prepared)
    assert receipt == Receipt(7, 5)
    assert api.methods == ["sendMessage"]
    assert api.asked[0] == {
        "chat_id": 7,
        "message_thread_id": 12,
        "disable_notification": True,
        "text": "<b>A & B</b>",
        "parse_mode": "HTML",
        "reply_markup": {
            "inline_keyboard": [
                [{"text": "Salin", "copy_text": {"text": "https://kabar.example/"}}]
            ]
        },
        "link_preview_options": {"url": "https://kabar.example/", "prefer_large_media": True},
    }


async def test_any_text_arrives_as_it_was(api: Api, publisher: TelegramPublisher) -> None:
    text = 'kutip " \\ \n emoji 🌋 عربي \u2028'
    buttons = (
        (Button(text[:20], url="https://a.example/"), Button("b", callback_data="related:x")),
    )
    prepared = publisher.prepare(message(text, html=text, buttons=buttons))
    await publisher.send(Destination("@kabar"), prepared)
    assert api.asked[0]["chat_id"] == "@kabar"
    assert api.asked[0]["text"] == text
    assert api.asked[0]["reply_markup"]["inline_keyboard"][0] == [
        {"text": text[:20], "url": "https://a.example/"},
        {"text": "b", "callback_data": "related:x"},
    ]


async def test_the_general_topic_is_left_out(api: Api, publisher: TelegramPublisher) -> None:
    await publisher.send(Destination(7, thread_id=1), publisher.prepare(message()))
    assert "message_thread_id" not in api.asked[0]


async def test_a_plain_message_has_no_parse_mode(api: Api, publisher: TelegramPublisher) -> None:
    bare = message("a < b", html="", buttons=(), preview_url=None)
    await publisher.send(Destination(7), publisher.prepare(bare))
    assert api.asked[0] == {
        "chat_id": 7,
        "text": "a < b",
        "link_preview_options": {"is_disabled": True},
    }


async def test_above_the_free_rate_a_send_is_paid(api: Api) -> None:
    async with Poster(api.url) as poster:
        paying = TelegramPublisher(poster, TOKEN, paid=True)
        await paying.send(Destination(7), paying.prepare(message()))
    assert api.asked[0]["allow_paid_broadcast"] is True


@pytest.mark.parametrize(
    ("handler", "ours"),
    [
        (reset, OutcomeUnknown),
        (gibberish, OutcomeUnknown),
        (half_an_answer, OutcomeUnknown),
        (answers(500, "Internal Server Error"), OutcomeUnknown),
        (answers(403, "Forbidden: bot was blocked by the user"), DestinationGone),
        (answers(401, "Unauthorized"), TokenRejected),
        (answers(429, "Too Many Requests: retry after 3", retry_after=3), RetryLater),
        (
            answers(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1005),
            DestinationMoved,
        ),
    ],
)
async def test_real_answers_become_our_errors(
    api: Api, publisher: TelegramPublisher, handler: Any, ours: type[PublishError]
) -> None:
    api.handler = handler
    with pytest.raises(PublishError) as raised:
        await publisher.send(Destination(7), publisher.prepare(message()))
    assert type(raised.value) is ours
    assert TOKEN not in str(raised.value)


async def test_an_answer_that_does_not_come_is_unknown(api: Api) -> None:
    api.handler = never
    async with Poster(api.url, answer_timeout_s=0.05) as poster:
        hasty = TelegramPublisher(poster, TOKEN)
        with pytest.raises(OutcomeUnknown):
            await hasty.send(Destination(7), hasty.prepare(message()))


async def test_a_connection_that_is_refused_certainly_had_no_effect() -> None:
    async with Poster("http://127.0.0.1:1") as poster:
        publisher = TelegramPublisher(poster, TOKEN)
        with pytest.raises(RetryLater) as raised:
            await publisher.send(Destination(7), publisher.prepare(message()))
    assert raised.value.after_s is None


async def test_an_edit_that_changes_nothing_is_done(api: Api, publisher: TelegramPublisher) -> None:
    api.handler = answers(400, "Bad Request: message is not modified: specified new message")
    await publisher.edit(Destination(7), 5, publisher.prepare(message()))
    assert api.methods == ["editMessageText"]
    assert (api.asked[0]["chat_id"], api.asked[0]["message_id"]) == (7, 5)


async def test_a_retraction_deletes(api: Api, publisher: TelegramPublisher) -> None:
    await publisher.retract(Destination(7), 5)
    assert (api.methods, api.asked) == (["deleteMessage"], [{"chat_id": 7, "message_id": 5}])


@pytest.mark.parametrize("handler", [reset, gibberish])
async def test_an_edit_or_deletion_may_have_an_unknown_outcome_and_a_probe_is_repeated(
    api: Api, publisher: TelegramPublisher, handler: Any
) -> None:
    api.handler = handler
    with pytest.raises(OutcomeUnknown):
        await publisher.edit(Destination(7), 5, publisher.prepare(message()))
    with pytest.raises(OutcomeUnknown):
        await publisher.retract(Destination(7), 5)
    with pytest.raises(RetryLater):
        await publisher.probe(Destination(7), 5, publisher.prepare(message()))


@pytest.mark.parametrize(
    ("description", "answer"),
    [
        ("Bad Request: message is not modified: specified new message", ProbeAnswer.HERE),
        ("Bad Request: message to edit not found", ProbeAnswer.NOTHING),
        ("Bad Request: message can't be edited", ProbeAnswer.OTHER),
    ],
)
async def test_a_probe_reads_the_refusal(
    api: Api, publisher: TelegramPublisher, description: str, answer: ProbeAnswer
) -> None:
    api.handler = answers(400, description)
    assert await publisher.probe(Destination(7), 5, publisher.prepare(message())) is answer
    assert api.methods == ["editMessageReplyMarkup"]
    assert set(api.asked[0]) == {"chat_id", "message_id", "reply_markup"}


@pytest.mark.parametrize(
    ("text", "answer"), [("Berita", ProbeAnswer.HERE), ("lain", ProbeAnswer.OTHER)]
)
async def test_a_probe_that_changes_something_tells_by_its_text_whose_it_was(
    api: Api, publisher: TelegramPublisher, text: str, answer: ProbeAnswer
) -> None:
    async def edited(_: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True, "result": {"message_id": 5, "text": text}})

    api.handler = edited
    assert await publisher.probe(Destination(7), 5, publisher.prepare(message())) is answer
    assert len(api.asked) == (1 if answer is ProbeAnswer.HERE else 2)


async def test_a_probe_that_changed_another_message_takes_its_buttons_back(
    api: Api, publisher: TelegramPublisher
) -> None:
    async def edited(_: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True, "result": {"message_id": 5, "text": "lain"}})

    api.handler = edited
    await publisher.probe(Destination(7), 5, publisher.prepare(message()))
    assert api.methods == ["editMessageReplyMarkup", "editMessageReplyMarkup"]
    assert api.asked[1] == {"chat_id": 7, "message_id": 5}
