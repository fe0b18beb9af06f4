"""Every refusal of Telegram's has its consequence, against the sandbox over HTTP.

The tests are named after the cases of the Bot API server's and TDLib's refusals.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from factories import NOW, PACE, fan_out, message, stored_story

from bot.http_post import Poster
from bot.limits import Budget
from bot.outbox import Outbox
from bot.publisher import TelegramPublisher
from bot.sandbox import TOKEN, Sandbox, serve
from bot.sandbox.faults import Fault
from bot.sandbox.records import Member
from bot.store.deliveries import REFUSALS_BEFORE_CLOSING
from bot.types import ChatType, DeliveryState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from bot.sandbox.records import Chat as Place
    from bot.store import Store
    from bot.types import Message

OWNER, READER, OTHER = 50, 51, 52
SENT = {DeliveryState.SENT: 1}
FAILED = {DeliveryState.FAILED: 1}


@dataclass
class Desk:
    """An outbox that talks to a sandbox; a healthy reader is always in the audience."""

    store: Store
    sandbox: Sandbox
    publisher: TelegramPublisher
    now: datetime = NOW
    told: int = 0
    rows: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        budget = Budget(1000, self.seconds)
        self.outbox = Outbox(self.store, self.publisher, budget, self.clock, "tests")

    def clock(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    async def subscribe(self, telegram_id: int, kind: ChatType, thread_id: int = 0) -> None:
        chat = await self.store.record_chat(telegram_id, kind, NOW)
        self.rows[telegram_id] = chat.id
        await self.store.subscribe(chat.id, thread_id, [], NOW)

    async def reader(self, user: int = READER) -> None:
        self.sandbox.add_user("Sari", user_id=user)
        self.sandbox.say(user, user, "/start")
        await self.subscribe(user, ChatType.PRIVATE)

    async def place(self, kind: ChatType, *, forum: bool = False) -> Place:
        add = {
            ChatType.GROUP: lambda: self.sandbox.add_group("Warga", OWNER),
            ChatType.SUPERGROUP: lambda: self.sandbox.add_supergroup("Warga", OWNER, forum=forum),
            ChatType.CHANNEL: lambda: self.sandbox.add_channel("Kabar", OWNER),
        }
        place = add[kind]()
        self.sandbox.add_bot(place.id, OWNER)
        return place

    async def send(self, body: Message | None = None) -> int:
        self.told += 1
        body = body or message(f"Berita {self.told}")
        story = await stored_story(self.store, self.told)
        broadcast = await self.store.record_draft(story.id, body, 7, NOW)
        await self.store.schedule_broadcast(broadcast.id, NOW)
        await fan_out(self.store, broadcast.id, body)
        await self.deliver()
        return broadcast.id

    async def deliver(self) -> None:
        self.now += PACE
        async with asyncio.TaskGroup() as tasks:
            await self.outbox.tick(tasks)
        await self.outbox.flush()

    async def states(self, broadcast: int) -> dict[DeliveryState, int]:
        return (await self.store.report_broadcast(broadcast)).counts

    async def reason(self, telegram_id: int) -> str | None:
        chat = await self.store.find_chat(telegram_id)
        assert chat is not None
        return chat.closed_reason

    def texts(self, chat: int) -> list[str]:
        return [post.content.text.text for post in self.sandbox.sent(chat)]


@asynccontextmanager
async def desk_over(store: Store) -> AsyncIterator[Desk]:
    sandbox = Sandbox(TOKEN)
    sandbox.add_user("Ratna", user_id=OWNER)
    runner = await serve(sandbox, "127.0.0.1", 0)
    async with Poster(f"http://127.0.0.1:{runner.addresses[0][1]}") as poster:
        yield Desk(store, sandbox, TelegramPublisher(poster, TOKEN))
    await runner.cleanup()


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Desk]:
    async with desk_over(store) as desk:
        yield desk


async def closed_for(desk: Desk, telegram_id: int, words: str) -> None:
    """The delivery fails with the reason, the chat is closed, and nothing more goes there."""
    broadcast = await desk.send()
    assert await desk.states(broadcast) == FAILED
    assert words in (await desk.reason(telegram_id) or "")
    calls = len(desk.sandbox.calls)
    await desk.send()
    assert len(desk.sandbox.calls) == calls


async def test_bot_was_blocked_by_the_user(desk: Desk) -> None:
    await desk.reader()
    desk.sandbox.block(READER)
    await closed_for(desk, READER, "blocked by the user")


async def test_user_is_deactivated(desk: Desk) -> None:
    await desk.reader()
    desk.sandbox.deactivate(READER)
    await closed_for(desk, READER, "deactivated")


async def test_bot_cannot_initiate_conversation_with_a_user(desk: Desk) -> None:
    desk.sandbox.add_user("Sari", user_id=READER)
    group = desk.sandbox.add_group("Warga", OWNER, members=[READER])
    desk.sandbox.add_bot(group.id, OWNER)
    await desk.subscribe(READER, ChatType.PRIVATE)
    await closed_for(desk, READER, "initiate conversation")


async def test_chat_not_found(desk: Desk) -> None:
    await desk.subscribe(-100777, ChatType.CHANNEL)
    await closed_for(desk, -100777, "chat not found")


async def test_the_group_chat_was_deleted(desk: Desk) -> None:
    group = await desk.place(ChatType.GROUP)
    await desk.subscribe(group.id, ChatType.GROUP)
    desk.sandbox.delete_chat(group.id)
    await closed_for(desk, group.id, "deleted")


@pytest.mark.parametrize("kind", [ChatType.GROUP, ChatType.SUPERGROUP, ChatType.CHANNEL])
@pytest.mark.parametrize("kick", [True, False], ids=["kicked", "not a member"])
async def test_bot_was_kicked_or_is_not_a_member(desk: Desk, kind: ChatType, *, kick: bool) -> None:
    place = await desk.place(kind)
    await desk.subscribe(place.id, kind)
    desk.sandbox.remove_bot(place.id, OWNER, kick=kick)
    await closed_for(desk, place.id, "kicked" if kick else "not a member")


async def test_group_chat_was_upgraded_to_a_supergroup_chat(desk: Desk) -> None:
    group = await desk.place(ChatType.GROUP)
    await desk.subscribe(group.id, ChatType.GROUP)
    new = desk.sandbox.upgrade(group.id)
    broadcast = await desk.send()
    await desk.deliver()
    assert await desk.states(broadcast) == SENT
    assert desk.texts(new.id) == ["Berita 1"]
    chat = await desk.store.find_chat(new.id)
    assert chat is not None
    assert (chat.id, chat.type) == (desk.rows[group.id], ChatType.SUPERGROUP)


async def refused_until_mended(desk: Desk, place: Place, words: str) -> None:
    """Each delivery fails for itself; only after several in a row the chat is closed."""
    for _ in range(REFUSALS_BEFORE_CLOSING - 1):
        assert await desk.states(await desk.send()) == FAILED
        assert await desk.reason(place.id) is None
        desk.now += timedelta(minutes=1)
    assert await desk.states(await desk.send()) == FAILED
    assert words in (await desk.reason(place.id) or "").lower()


async def test_need_administrator_rights_in_the_channel_chat(desk: Desk) -> None:
    channel = await desk.place(ChatType.CHANNEL)
    await desk.subscribe(channel.id, ChatType.CHANNEL)
    mine = Member("administrator", frozenset({"can_manage_chat"}))
    desk.sandbox.set_member(channel.id, desk.sandbox.bot.id, mine, OWNER)
    await refused_until_mended(desk, channel, "need administrator rights")


async def test_not_enough_rights_to_send_text_messages(desk: Desk) -> None:
    group = await desk.place(ChatType.SUPERGROUP)
    await desk.subscribe(group.id, ChatType.SUPERGROUP)
    desk.sandbox.mute(group.id)
    await refused_until_mended(desk, group, "not enough rights")


async def test_topic_closed_and_a_success_between_refusals(desk: Desk) -> None:
    forum = await desk.place(ChatType.SUPERGROUP, forum=True)
    topic = desk.sandbox.add_topic(forum.id, "Berita")
    await desk.subscribe(forum.id, ChatType.SUPERGROUP, topic)
    for _ in range(REFUSALS_BEFORE_CLOSING - 1):
        desk.sandbox.close_topic(forum.id, topic)
        assert await desk.states(await desk.send()) == FAILED
    desk.sandbox.close_topic(forum.id, topic, closed=False)
    assert await desk.states(await desk.send()) == SENT
    desk.sandbox.close_topic(forum.id, topic)
    assert await desk.states(await desk.send()) == FAILED
    assert await desk.reason(forum.id) is None


async def test_message_thread_not_found(desk: Desk) -> None:
    forum = await desk.place(ChatType.SUPERGROUP, forum=True)
    topic = desk.sandbox.add_topic(forum.id, "Berita")
    await desk.subscribe(forum.id, ChatType.SUPERGROUP, topic)
    desk.sandbox.delete_topic(forum.id, topic)
    await refused_until_mended(desk, forum, "message thread not found")


async def test_the_general_topic_takes_no_thread_id(desk: Desk) -> None:
    forum = await desk.place(ChatType.SUPERGROUP, forum=True)
    await desk.subscribe(forum.id, ChatType.SUPERGROUP, 1)
    assert await desk.states(await desk.send()) == SENT
    assert desk.texts(forum.id) == ["Berita 1"]


async def test_markup_that_is_rejected_goes_as_plain_text(desk: Desk) -> None:
    await desk.reader()
    broken = message("Berita", html="<b>Berita", buttons=())
    assert await desk.states(await desk.send(broken)) == SENT
    assert desk.texts(READER) == ["Berita"]


async def test_message_is_too_long(desk: Desk) -> None:
    await desk.reader()
    long = message("a" * 5000)
    assert await desk.states(await desk.send(long)) == FAILED
    assert await desk.reason(READER) is None
    assert await desk.states(await desk.send()) == SENT


@pytest.mark.parametrize(("code", "words"), [(401, "Unauthorized"), (404, "Not Found")])
async def test_a_wrong_token_stops_everything_and_is_said(
    desk: Desk, code: int, words: str
) -> None:
    await desk.reader()
    desk.sandbox.faults.plan(Fault(method="sendMessage", code=code, description=words))
    broadcast = await desk.send()
    assert await desk.states(broadcast) == {DeliveryState.PENDING: 1}
    assert desk.outbox.token_fault == words
    desk.now += timedelta(minutes=2)
    await desk.deliver()
    assert await desk.states(broadcast) == SENT
    assert desk.outbox.token_fault is None


async def test_too_many_requests_delays_one_chat_to_the_second(desk: Desk) -> None:
    await desk.reader()
    await desk.reader(OTHER)
    desk.sandbox.faults.plan(Fault(method="sendMessage", chat=READER, retry_after=40))
    broadcast = await desk.send()
    assert desk.texts(OTHER) == ["Berita 1"]
    desk.now += timedelta(seconds=35)
    await desk.deliver()
    assert desk.texts(READER) == []
    desk.now += timedelta(seconds=1)
    await desk.deliver()
    assert await desk.states(broadcast) == {DeliveryState.SENT: 2}


async def test_bad_gateway_is_found_out_and_not_repeated_blindly(desk: Desk) -> None:
    await desk.reader()
    fault = Fault(method="sendMessage", then="garbage", code=502, effect=True)
    desk.sandbox.faults.plan(fault)
    broadcast = await desk.send()
    assert await desk.states(broadcast) == {DeliveryState.UNKNOWN: 1}
    await desk.deliver()
    assert desk.texts(READER) == ["Berita 1"]


async def test_a_closed_chat_is_opened_by_start(desk: Desk) -> None:
    await desk.reader()
    desk.sandbox.block(READER)
    await desk.send()
    assert await desk.reason(READER)
    desk.sandbox.unblock(READER)
    await desk.store.open_chat(desk.rows[READER])
    assert await desk.states(await desk.send()) == SENT
    assert desk.texts(READER) == ["Berita 2"]
