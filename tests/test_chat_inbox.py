"""The inbox: nothing lost, nothing twice, each chat in order, different chats side by side."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from chatting import Clock, WatchedInbox, make_bot, world
from telegram import Update
from telegram.ext import Application, TypeHandler

from bot.chat.inbox import AT_ONCE, LEASE, lane_of
from bot.errors import DatabaseError, TokenRejected
from bot.sandbox import TOKEN, Sandbox, serve
from bot.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from bot.store import Store

    Handle = Callable[[Update], Awaitable[None]]


def update(number: int, chat_id: int = 1) -> dict[str, Any]:
    chat = {"id": chat_id, "type": "private", "first_name": "B"}
    sender = {"id": chat_id, "is_bot": False, "first_name": "B"}
    body = {"message_id": number, "date": 1, "chat": chat, "from": sender, "text": "x"}
    return {"update_id": number, "message": body}


@asynccontextmanager
async def inbox_over(
    store: Store, handle: Handle, sandbox: Sandbox | None = None, worker: str = "tests"
) -> AsyncIterator[WatchedInbox]:
    """An inbox whose updates go to one function."""
    runner = await serve(sandbox or Sandbox(TOKEN), "127.0.0.1", 0)
    bot = make_bot(f"http://127.0.0.1:{runner.addresses[0][1]}")
    application = Application.builder().bot(bot).updater(None).build()

    async def handler(what: Update, _context: Any) -> None:
        await handle(what)

    application.add_handler(TypeHandler(Update, handler))
    await application.initialize()
    inbox = WatchedInbox(store, application, Clock(), worker)
    try:
        yield inbox
    finally:
        await inbox.finish()
        await application.shutdown()
        await runner.cleanup()


async def test_an_update_told_twice_is_handled_once(store: Store) -> None:
    seen: list[int] = []

    async def handle(what: Update) -> None:
        seen.append(what.update_id)

    async with inbox_over(store, handle) as inbox:
        await inbox.resume()
        await inbox.accept([update(1), update(1)])
        await inbox.accept([update(1), update(2)])
        await inbox.wait_for({1, 2})
        await inbox.wait_for({1, 2})
    assert seen == [1, 2]
    assert await store.count_waiting_updates() == 0


async def test_updates_before_the_start_wait_and_unfinished_ones_are_resumed(store: Store) -> None:
    seen: list[int] = []

    async def handle(what: Update) -> None:
        seen.append(what.update_id)

    async with inbox_over(store, handle) as inbox:
        await inbox.accept([update(1)])
        assert seen == []
        await inbox.resume()
        await inbox.wait_for({1})
        await inbox.finish()
        await inbox.accept([update(2)])
    assert seen == [1]
    assert await store.count_waiting_updates() == 1


async def test_a_chat_keeps_its_order_while_others_go_on(store: Store) -> None:
    seen: list[int] = []
    gate = asyncio.Event()
    other_done = asyncio.Event()

    async def handle(what: Update) -> None:
        if what.update_id == 1:
            await gate.wait()
        seen.append(what.update_id)
        if what.update_id == 3:
            other_done.set()

    async with inbox_over(store, handle) as inbox:
        await inbox.resume()
        await inbox.accept([update(1, 7), update(2, 7), update(3, 8)])
        await asyncio.wait_for(other_done.wait(), 5)
        assert seen == [3]
        gate.set()
        await inbox.wait_for({1, 2, 3})
    assert seen == [3, 1, 2]


async def test_only_so_many_chats_are_handled_at_once(store: Store) -> None:
    at_once, most = 0, 0
    all_in = asyncio.Event()
    gate = asyncio.Event()

    async def handle(_what: Update) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == AT_ONCE:
            all_in.set()
        await gate.wait()
        at_once -= 1

    async with inbox_over(store, handle) as inbox:
        await inbox.resume()
        await inbox.accept([update(n, n) for n in range(1, 40)])
        await asyncio.wait_for(all_in.wait(), 5)
        gate.set()
    assert most == AT_ONCE


async def test_what_waits_at_the_end_is_handled_after_the_next_start(store: Store) -> None:
    seen: list[int] = []
    entered, gate = asyncio.Event(), asyncio.Event()

    async def handle(what: Update) -> None:
        entered.set()
        await gate.wait()
        seen.append(what.update_id)

    async with inbox_over(store, handle) as inbox:
        await inbox.resume()
        await inbox.accept([update(1), update(2)])
        await asyncio.wait_for(entered.wait(), 5)
        ending = asyncio.create_task(inbox.finish())
        await asyncio.sleep(0)
        gate.set()
        await ending
    assert seen == [1]
    async with inbox_over(store, handle) as inbox:
        await inbox.resume()
        await inbox.wait_for({2})
    assert seen == [1, 2]


@pytest.mark.parametrize("body", [{"update_id": 5, "message": {"odd": 1}}, {"update_id": 5}])
async def test_an_update_that_nobody_understands_counts_as_handled(
    store: Store, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    async def handle(what: Update) -> None:
        seen.append(what.update_id)

    async with inbox_over(store, handle) as inbox:
        await inbox.resume()
        await inbox.accept([body, update(6)])
        await inbox.wait_for({5, 6})
    assert 6 in seen
    assert await store.count_waiting_updates() == 0
    assert "odd" not in caplog.text


async def test_a_handler_that_fails_is_logged_and_does_not_stop_the_rest(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    async def handle(what: Update) -> None:
        if what.update_id == 1:
            raise ValueError("broken")
        seen.append(what.update_id)

    async with inbox_over(store, handle) as inbox:
        await inbox.resume()
        await inbox.accept([update(1), update(2)])
        await inbox.wait_for({1, 2})
    assert seen == [2]
    assert await store.count_waiting_updates() == 0
    assert "broken" in caplog.text


@pytest.mark.parametrize(
    ("body", "lane"),
    [
        (update(1, 9), ("chat", 9)),
        (
            {
                "update_id": 1,
                "callback_query": {"from": {"id": 3}, "message": {"chat": {"id": -5}}},
            },
            ("chat", -5),
        ),
        (
            {"update_id": 1, "callback_query": {"from": {"id": 3}, "inline_message_id": "x"}},
            ("chat", 3),
        ),
        ({"update_id": 1, "inline_query": {"from": {"id": 4}, "query": "x"}}, ("inline", 4)),
        ({"update_id": 1, "my_chat_member": {"from": {"id": 4}, "chat": {"id": -6}}}, ("chat", -6)),
        ({"update_id": 1}, ("", 0)),
        ({"update_id": 1, "message": {"chat": None}}, ("", 0)),
    ],
)
def test_the_lane_is_the_chat_or_else_the_person(
    body: dict[str, Any], lane: tuple[str, int]
) -> None:
    assert lane_of(body) == lane


async def test_polling_ends_a_webhook_and_confirms_what_it_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as chat:
        chat.sandbox.add_user("B", user_id=1)
        await chat.say(1, 1, "/help")
        await chat.say(1, 1, "/help")
        methods = [call.method for call in chat.sandbox.calls]
        assert methods.count("deleteWebhook") == 1
        assert len(chat.sandbox.updates.pending) <= 1
        polls = [c.params for c in chat.sandbox.calls if c.method == "getUpdates"]
        assert "my_chat_member" in polls[0]["allowed_updates"]


async def test_another_poller_and_a_lost_connection_are_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, polling=False) as chat:
        chat.sandbox.add_user("B", user_id=1)
        conflict = "Conflict: terminated by other getUpdates request"
        chat.sandbox.faults.plan(Fault(method="deleteWebhook", then="drop"))
        chat.sandbox.faults.plan(Fault(method="getUpdates", code=409, description=conflict))
        chat.inbox.first_pause_s = 0.01
        stopping = asyncio.Event()
        polling = asyncio.create_task(chat.inbox.run_polling(stopping))
        assert len(await chat.say(1, 1, "/help")) == 1
        stopping.set()
        await asyncio.wait_for(polling, 5)
    assert "another process polls" in caplog.text


async def test_a_refused_token_is_said_to_the_caller(tmp_path: Path) -> None:
    async with world(tmp_path, polling=False) as chat:
        chat.sandbox.token = "1:changed"
        with pytest.raises(TokenRejected):
            await chat.inbox.run_polling(asyncio.Event())


async def test_polling_stops_at_once_when_told(tmp_path: Path) -> None:
    async with world(tmp_path, polling=False) as chat:
        stopping = asyncio.Event()
        polling = asyncio.create_task(chat.inbox.run_polling(stopping))
        stopping.set()
        await asyncio.wait_for(polling, 5)


async def test_nothing_is_confirmed_that_was_not_kept(tmp_path: Path) -> None:
    async with world(tmp_path, polling=False) as chat:
        chat.sandbox.add_user("B", user_id=1)
        chat.sandbox.say(1, 1, "/help")
        keep, failures = chat.inbox.accept, iter([True, False])

        async def accept(updates: Any) -> None:
            if next(failures, False):
                raise DatabaseError("disk full")
            await keep(updates)

        chat.inbox.accept = accept
        chat.inbox.first_pause_s = 0.01
        stopping = asyncio.Event()
        polling = asyncio.create_task(chat.inbox.run_polling(stopping))
        await chat.settled()
        assert len(chat.sandbox.sent(1)) == 1
        stopping.set()
        await polling


async def test_what_a_dead_process_had_in_hand_is_taken_over(store: Store) -> None:
    seen: list[int] = []
    stuck, gate = asyncio.Event(), asyncio.Event()

    async def never(_: Update) -> None:
        stuck.set()
        await gate.wait()

    async def handle(what: Update) -> None:
        seen.append(what.update_id)

    async with (
        inbox_over(store, never, worker="dying") as dying,
        inbox_over(store, handle, worker="living") as living,
    ):
        await dying.resume()
        await living.resume()
        await dying.accept([update(1)])
        await asyncio.wait_for(stuck.wait(), 5)
        now = Clock()()
        await living.keep(now)
        assert seen == []
        await living.keep(now + 2 * LEASE)
        await living.wait_for({1})
        gate.set()
    assert seen == [1]


async def test_one_process_polls_and_the_next_follows_it(store: Store) -> None:
    async def handle(_: Update) -> None:
        raise AssertionError

    sandbox = Sandbox(TOKEN)
    async with (
        inbox_over(store, handle, sandbox, "first") as first,
        inbox_over(store, handle, sandbox, "second") as second,
    ):
        stopping, over = asyncio.Event(), asyncio.Event()
        polling = asyncio.create_task(first.run_polling(stopping))
        async with asyncio.timeout(10):
            while not any(call.method == "deleteWebhook" for call in sandbox.calls):
                await asyncio.sleep(0)
        waiting = asyncio.create_task(second.run_polling(over))
        await second.keep(Clock()())
        assert not second.has_turn
        stopping.set()
        await polling
        await first.finish()
        await second.keep(Clock()())
        assert second.has_turn
        over.set()
        await asyncio.wait_for(waiting, 5)
