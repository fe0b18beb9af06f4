"""The store's promises, on a real database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import (
    FEED_URL,
    LEASE,
    NOW,
    claimed_feed,
    message,
    opened_broadcast,
    sighting,
    stored_story,
    subscribed_chat,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import DatabaseError
from bot.store import PollPlan, Store
from bot.types import (
    Action,
    BroadcastState,
    ChannelSetting,
    ChatType,
    DeliveryState,
    FeedPage,
    Subscription,
)

PAGE = FeedPage(url=FEED_URL, entries=(), etag='"v1"', body_hash="h")
SCHEDULED = PollPlan(NOW, NOW + timedelta(minutes=1), BroadcastState.SCHEDULED, NOW)


async def test_a_feed_is_claimed_once_while_its_lease_lasts(store: Store) -> None:
    feed = await claimed_feed(store)
    assert await store.claim_feeds(NOW, NOW + LEASE, 5) == []
    later = NOW + LEASE
    (again,) = await store.claim_feeds(later, later + LEASE, 5)
    assert (again.id, again.attempt) == (feed.id, feed.attempt + 1)


async def test_a_poll_whose_claim_has_passed_writes_nothing(store: Store) -> None:
    feed = await claimed_feed(store)
    await store.claim_feeds(NOW + LEASE, NOW + 2 * LEASE, 5)
    recorded = await store.record_poll(feed, PAGE, [sighting(1)], [], SCHEDULED)
    assert recorded.new == ()
    assert await store.list_latest(5) == []


async def test_stories_and_their_broadcasts_commit_together(store: Store) -> None:
    feed = await claimed_feed(store)
    recorded = await store.record_poll(feed, PAGE, [sighting(1), sighting(2)], [], SCHEDULED)
    due = await store.list_due_broadcasts(NOW, 10)
    assert [item.story.id for item in due] == list(recorded.new)
    (again,) = await store.claim_feeds(NOW + LEASE, NOW + 2 * LEASE, 5)
    assert (again.etag, again.body_hash, again.baseline_at) == ('"v1"', "h", NOW)


async def test_a_failing_transaction_leaves_nothing_behind(store: Store) -> None:
    feed = await claimed_feed(store)
    broken = PollPlan(NOW, NOW, broadcast_state="no such state", broadcast_due_at=NOW)
    with pytest.raises(DatabaseError):
        await store.record_poll(feed, PAGE, [sighting(1)], [], broken)
    assert await store.list_latest(5) == []
    assert (await store.claim_feeds(NOW + LEASE, NOW + 2 * LEASE, 5))[0].etag is None


async def test_a_second_feed_with_the_same_link_adds_nothing(store: Store) -> None:
    await stored_story(store, 1)
    other = await claimed_feed(store, url="https://kabar.example/category/tangerang/feed/")
    same = sighting(1, guid="something else")
    recorded = await store.record_poll(other, PAGE, [same], [], SCHEDULED)
    assert recorded.new == ()
    assert await store.list_due_broadcasts(NOW, 10) == []


async def test_latest_orders_by_time_and_trusts_no_date_in_the_future(store: Store) -> None:
    feed = await claimed_feed(store)
    items = [
        sighting(1, published_at=NOW - timedelta(days=3)),
        sighting(2, published_at=NOW + timedelta(days=300)),
        sighting(3, published_at=NOW - timedelta(minutes=5)),
        sighting(4, published_at=None),
    ]
    await store.record_poll(feed, PAGE, items, [], SCHEDULED)
    titles = [story.title[-1] for story in await store.list_latest(10)]
    assert titles == ["4", "2", "3", "1"]
    assert [s.title[-1] for s in await store.list_latest(2, offset=2)] == ["3", "1"]


async def test_latest_of_a_tag_ignores_case_and_hash(store: Store) -> None:
    await stored_story(store, 1, tags=("Kota Tangerang",))
    assert len(await store.list_latest(5, tag="#kota  tangerang")) == 1
    assert await store.list_latest(5, tag="cilegon") == []
    assert await store.list_tags(5) == ["kota tangerang"]


@pytest.mark.parametrize(
    "terms",
    [
        ["banjir"],
        ["BANJIR", "siaga"],
        ['"banjir"'],
        ["banjir*"],
        ["a AND"],
        ["("],
        ["-"],
        ["\0"],
        [],
    ],
)
async def test_search_takes_any_text_for_words(store: Store, terms: list[str]) -> None:
    await stored_story(store, 1, title="Banjir: kota siaga", summary="Warga mengungsi")
    found = await store.list_matching(terms, every=True, limit=5)
    expected = {"banjir", "BANJIR", '"banjir"', "banjir*"}
    assert bool(found) == bool(expected & set(terms[:1]))


async def test_search_finds_every_word_or_any(store: Store) -> None:
    await stored_story(store, 1, title="Banjir di Cilegon")
    assert await store.list_matching(["banjir", "serang"], every=True, limit=5) == []
    assert len(await store.list_matching(["banjir", "serang"], every=False, limit=5)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.text(st.characters(), max_size=40), max_size=4), st.booleans())
async def test_search_never_fails(store: Store, terms: list[str], every: bool) -> None:
    assert await store.list_matching(terms, every=every, limit=3) == []


async def test_fan_out_reaches_who_wants_the_story_and_nobody_twice(store: Store) -> None:
    story = await stored_story(store, 1, tags=("Politik",))
    everything = await subscribed_chat(store, 1)
    politics = await subscribed_chat(store, 2, "politik")
    await subscribed_chat(store, 3, "olahraga")
    closed = await subscribed_chat(store, 4)
    await store.close_chat(closed.id, "blocked", NOW)
    left = await subscribed_chat(store, 5)
    await store.unsubscribe(left.id, 0, [], NOW)
    broadcast = await store.record_draft(story.id, message(), 7, NOW)
    assert await store.count_audience(story.id) == 2
    await store.schedule_broadcast(broadcast.id, NOW)
    assert await store.fan_out(broadcast.id, message(), NOW) == 2
    assert await store.fan_out(broadcast.id, message(), NOW) is None
    claimed = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    assert {delivery.chat_id for delivery in claimed} == {everything.id, politics.id}


async def test_a_chat_gets_one_message_at_a_time_in_order(store: Store) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    first = await opened_broadcast(store, story, "pertama")
    second = await opened_broadcast(store, story, "kedua")
    (one,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    assert one.broadcast_id == first
    assert await store.claim_deliveries(NOW, NOW + LEASE, 10) == []
    assert await store.mark_sent(one, 50, NOW)
    (two,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    assert two.broadcast_id == second


async def test_an_outcome_of_a_past_attempt_does_not_count(store: Store) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)
    (old,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    assert await store.mark_pending(old, "later", NOW)
    (new,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    assert new.attempt == old.attempt + 1
    assert not await store.mark_sent(old, 50, NOW)
    assert not await store.mark_failed(old, "refused", NOW)
    assert await store.mark_sent(new, 51, NOW)
    report = await store.report_broadcast(broadcast)
    assert report.counts == {DeliveryState.SENT: 1}


async def test_a_delivery_whose_process_died_becomes_unknown_then_is_tried_again(
    store: Store,
) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    await opened_broadcast(store, story)
    await store.claim_deliveries(NOW, NOW + LEASE, 10)
    assert await store.release_lapsed(NOW) == 0
    later = NOW + LEASE
    assert await store.release_lapsed(later) == 1
    assert await store.claim_deliveries(later, later + LEASE, 10) == []
    assert await store.release_unknown(later) == 1
    assert len(await store.claim_deliveries(later, later + LEASE, 10)) == 1


async def test_a_chat_that_moved_keeps_all_that_is_its(store: Store) -> None:
    story = await stored_story(store, 1)
    group = await subscribed_chat(store, -55, chat_type=ChatType.GROUP)
    await store.record_chat(-100_55, ChatType.SUPERGROUP, NOW)
    await opened_broadcast(store, story)
    (delivery,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    await store.mark_moved(delivery, -100_55)
    (again,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    assert again.destination.chat == -100_55
    moved = await store.find_chat(-100_55)
    assert moved is not None
    assert (moved.id, moved.type) == (group.id, ChatType.SUPERGROUP)
    assert await store.find_chat(-55) is None
    assert await store.find_subscription(group.id, 0) == Subscription(group.id)


async def test_a_chat_that_refuses_often_is_closed_and_opens_again(store: Store) -> None:
    story = await stored_story(store, 1)
    chat = await subscribed_chat(store, 1)
    for _ in range(2):
        await opened_broadcast(store, story)
    (first,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    await store.mark_refused(first, "no rights", 2, NOW)
    (second,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    await store.mark_refused(second, "no rights", 2, NOW)
    closed = await store.find_chat(1)
    assert closed is not None
    assert (closed.closed_reason, closed.closed_at) == ("no rights", NOW)
    await store.open_chat(chat.id)
    opened = await store.find_chat(1)
    assert opened is not None
    assert opened.closed_at is None
    assert await store.find_subscription(chat.id, 0) is not None


async def test_closing_a_chat_settles_what_waits_for_it(store: Store) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    broadcasts = [await opened_broadcast(store, story) for _ in range(2)]
    (first,) = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    await store.mark_gone(first, "blocked", NOW)
    for broadcast in broadcasts:
        report = await store.report_broadcast(broadcast)
        assert report.counts == {DeliveryState.FAILED: 1}


async def test_a_revision_edits_what_went_out_and_changes_what_waits(store: Store) -> None:
    story = await stored_story(store, 1)
    for telegram_id in (1, 2):
        await subscribed_chat(store, telegram_id)
    await opened_broadcast(store, story, "lama")
    (sent,) = await store.claim_deliveries(NOW, NOW + LEASE, 1)
    await store.mark_sent(sent, 50, NOW)
    feed = (await store.claim_feeds(NOW + LEASE, NOW + 2 * LEASE, 1))[0]
    changed = sighting(1, title="Judul baru")
    (known,) = await store.list_known(feed.id, [changed])
    await store.record_poll(feed, PAGE, [], [(known, changed)], SCHEDULED)
    (stale,) = await store.list_stale(5)
    assert stale.story.title == "Judul baru"
    assert await store.record_revision(stale, message("baru"), NOW) == 1
    assert await store.list_stale(5) == []
    claimed = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    found = {
        (delivery.action, delivery.message_id, delivery.message.text, delivery.destination.chat)
        for delivery in claimed
    }
    other = 2 if sent.destination.chat == 1 else 1
    assert found == {
        (Action.EDIT, 50, "baru", sent.destination.chat),
        (Action.SEND, None, "baru", other),
    }


async def test_a_revision_that_shows_nothing_new_edits_nothing(store: Store) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    await opened_broadcast(store, story, "sama")
    (sent,) = await store.claim_deliveries(NOW, NOW + LEASE, 1)
    await store.mark_sent(sent, 50, NOW)
    feed = (await store.claim_feeds(NOW + LEASE, NOW + 2 * LEASE, 1))[0]
    changed = sighting(1, title="Judul baru")
    known = await store.list_known(feed.id, [changed])
    await store.record_poll(feed, PAGE, [], [(known[0], changed)], SCHEDULED)
    (stale,) = await store.list_stale(5)
    assert await store.record_revision(stale, message("sama"), NOW) == 0
    assert await store.list_stale(5) == []


async def test_tags_narrow_a_wish_and_none_widens_it(store: Store) -> None:
    chat = await store.record_chat(1, ChatType.PRIVATE, NOW)
    assert (await store.subscribe(chat.id, 0, ["Politik"], NOW)).tags == ("Politik",)
    assert set((await store.subscribe(chat.id, 0, ["#Cilegon"], NOW)).tags) == {
        "Politik",
        "Cilegon",
    }
    left = await store.unsubscribe(chat.id, 0, ["politik"], NOW)
    assert left is not None
    assert left.tags == ("Cilegon",)
    assert await store.unsubscribe(chat.id, 0, ["cilegon"], NOW) is None
    assert await store.find_subscription(chat.id, 0) is None
    assert (await store.subscribe(chat.id, 0, [], NOW)).tags == ()


async def test_channels_of_the_settings_come_and_go(store: Store) -> None:
    story = await stored_story(store, 1, tags=("Politik",))
    wanted = [
        ChannelSetting("@Kabar", silent=True),
        ChannelSetting(-100_77, thread_id=12, tags=("Politik",)),
    ]
    assert await store.record_channels(wanted, NOW) == ["@kabar"]
    assert await store.count_audience(story.id) == 2
    await opened_broadcast(store, story)
    claimed = await store.claim_deliveries(NOW, NOW + LEASE, 10)
    found = {(d.destination.chat, d.destination.thread_id, d.destination.silent) for d in claimed}
    assert found == {("@kabar", 0, True), (-100_77, 12, False)}
    await store.record_resolved("@kabar", -100_88, ChatType.CHANNEL)
    assert await store.record_channels(wanted[:1], NOW) == []
    assert await store.count_audience(story.id) == 1


async def test_updates_are_handled_once(store: Store) -> None:
    updates = [{"update_id": 1, "message": {}}, {"update_id": 2}]
    assert await store.record_updates(updates, NOW) == updates
    assert await store.record_updates([*updates, {"update_id": 3}], NOW) == [{"update_id": 3}]
    await store.mark_update_handled(1, NOW)
    assert [u["update_id"] for u in await store.list_waiting_updates()] == [2, 3]
    assert await store.forget_updates(NOW + timedelta(seconds=1)) == 1
    assert await store.record_updates(updates[1:], NOW) == []


async def test_a_draft_is_decided_once(store: Store) -> None:
    story = await stored_story(store, 1)
    draft = await store.record_draft(story.id, message(), 7, NOW)
    assert await store.schedule_broadcast(draft.id, NOW)
    assert not await store.schedule_broadcast(draft.id, NOW)
    assert await store.cancel_broadcast(draft.id)
    assert await store.fan_out(draft.id, message(), NOW) is None
