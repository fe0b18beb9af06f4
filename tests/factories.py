"""Values for tests: only what a test names differs from a plain default."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bot.identity import sight_entry
from bot.store import ClaimPlan, PollPlan
from bot.types import Button, ChatType, Entry, FeedPage, Message, Outcome, Step, Verdict

if TYPE_CHECKING:
    from bot.store import Store
    from bot.types import Chat, Delivery, FeedForPoll, Sighting, Story

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
LEASE = timedelta(seconds=90)
DELIVERY_LEASE = timedelta(seconds=10)
PACE = timedelta(seconds=4)
FEED_URL = "https://kabar.example/feed/"


def entry(number: int = 1, **changes: object) -> Entry:
    """A plain entry; entries of different numbers are different stories."""
    plain = Entry(
        title=f"Berita nomor {number}",
        url=f"https://kabar.example/berita-{number}/",
        guid=f"https://kabar.example/?p={number}",
        summary=f"Ringkasan berita nomor {number}.",
        tags=("Tangerang",),
        published_at=NOW - timedelta(hours=1),
    )
    return replace(plain, **changes)


def sighting(number: int = 1, **changes: object) -> Sighting:
    """A plain entry as a poll sees it."""
    return sight_entry(entry(number, **changes))


def message(text: str = "Berita", **changes: object) -> Message:
    """A plain message."""
    plain = Message(
        html=f"<b>{text}</b>",
        text=text,
        buttons=((Button("Salin", copy_text="https://kabar.example/"),),),
        preview_url="https://kabar.example/",
    )
    return replace(plain, **changes)


async def claimed_feed(store: Store, now: datetime = NOW, url: str = FEED_URL) -> FeedForPoll:
    """A feed under claim."""
    await store.record_feeds([url], now)
    (feed,) = await store.claim_feeds(now, now + LEASE, 1)
    return feed


async def stored_story(store: Store, number: int = 1, **changes: object) -> Story:
    """A story that a baseline recorded."""
    await store.record_feeds([FEED_URL], NOW)
    (feed,) = await store.claim_feeds(NOW, NOW, 1)
    plan = PollPlan(NOW, NOW, broadcast_state=None)
    page = FeedPage(url=FEED_URL, entries=())
    recorded = await store.record_poll(feed, page, [sighting(number, **changes)], [], plan)
    story = await store.find_story(recorded.new[0])
    assert story is not None
    return story


async def subscribed_chat(
    store: Store,
    telegram_id: int = 1001,
    *tags: str,
    chat_type: ChatType = ChatType.PRIVATE,
    thread_id: int = 0,
) -> Chat:
    """A chat that subscribes."""
    chat = await store.record_chat(telegram_id, chat_type, NOW)
    await store.subscribe(chat.id, thread_id, tags, NOW)
    return chat


async def opened_broadcast(store: Store, story: Story, text: str = "Berita") -> int:
    """A broadcast that has fanned out to every live subscription."""
    broadcast = await store.record_draft(story.id, message(text), 7, NOW)
    assert await store.schedule_broadcast(broadcast.id, NOW)
    assert await fan_out(store, broadcast.id, message(text)) is not None
    return broadcast.id


async def fan_out(
    store: Store, broadcast_id: int, message: Message, now: datetime = NOW
) -> int | None:
    """Open a broadcast and make all its deliveries; None where it is not scheduled."""
    if not await store.open_broadcast(broadcast_id, message, now):
        return None
    number = 0
    while (made := await store.fan_out(broadcast_id, 2, now)) is not None:
        number += made
    return number


def claim_plan(now: datetime = NOW, limit: int = 100, worker: str = "tests") -> ClaimPlan:
    """A claim of a worker."""
    return ClaimPlan(worker, limit, now, now + DELIVERY_LEASE)


async def claimed(store: Store, now: datetime = NOW, limit: int = 100) -> list[Delivery]:
    """Deliveries under claim."""
    return await store.exchange([], claim_plan(now, limit))


async def record(store: Store, delivery: Delivery, verdict: Verdict, now: datetime = NOW) -> None:
    """Record what became of a delivery."""
    await store.exchange([Outcome(delivery, verdict)], claim_plan(now, 0))


def sent(message_id: int) -> Verdict:
    """The verdict of a plain success."""
    return Verdict(Step.SENT, message_id=message_id)
