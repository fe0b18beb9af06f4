"""The store's promises, on a real database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import (
    DELIVERY_LEASE,
    FEED_URL,
    LEASE,
    NOW,
    PACE,
    claim_plan,
    claimed,
    claimed_feed,
    fan_out,
    message,
    opened_broadcast,
    record,
    sent,
    sighting,
    stored_story,
    subscribed_chat,
)

from bot.errors import DatabaseError
from bot.store import Lease, NotedMessage, PollPlan, Store
from bot.types import (
    Action,
    BroadcastState,
    ChannelSetting,
    ChatType,
    DeliveryState,
    FeedPage,
    Step,
    Subscription,
    Verdict,
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
    assert await fan_out(store, broadcast.id, message()) == 2
    assert await fan_out(store, broadcast.id, message()) is None
    assert {delivery.chat_id for delivery in await claimed(store)} == {everything.id, politics.id}


async def test_a_second_broadcast_of_a_story_goes_only_to_those_without_it(store: Store) -> None:
    story = await stored_story(store)
    await subscribed_chat(store, 1)
    refused = await subscribed_chat(store, 2)
    await opened_broadcast(store, story)
    for delivery in await claimed(store):
        gone = delivery.chat_id == refused.id
        await record(store, delivery, Verdict(Step.FAILED, "no") if gone else sent(50))
    newcomer = await subscribed_chat(store, 3)
    await opened_broadcast(store, story)
    again = await claimed(store, NOW + PACE)
    assert {delivery.chat_id for delivery in again} == {refused.id, newcomer.id}


async def test_a_fan_out_goes_on_where_it_was_cut_off(store: Store) -> None:
    story = await stored_story(store)
    for chat in range(1, 6):
        await subscribed_chat(store, chat)
    broadcast = await store.record_draft(story.id, message(), 7, NOW)
    await store.schedule_broadcast(broadcast.id, NOW)
    assert await store.open_broadcast(broadcast.id, message(), NOW)
    assert await store.fan_out(broadcast.id, 3, NOW) == 3
    assert await store.list_fanning() == [broadcast.id]
    assert await store.fan_out(broadcast.id, 3, NOW) == 2
    assert await store.fan_out(broadcast.id, 3, NOW) is None
    assert await store.list_fanning() == []
    assert (await store.report_broadcast(broadcast.id)).total == 5


async def test_a_chat_gets_one_message_at_a_time_in_order_and_at_its_pace(store: Store) -> None:
    await subscribed_chat(store, 1)
    first = await opened_broadcast(store, await stored_story(store, 1), "pertama")
    second = await opened_broadcast(store, await stored_story(store, 2), "kedua")
    (one,) = await claimed(store)
    assert one.broadcast_id == first
    assert await claimed(store, NOW + PACE) == []
    await record(store, one, sent(50))
    assert await claimed(store, NOW + timedelta(milliseconds=900)) == []
    (two,) = await claimed(store, NOW + timedelta(milliseconds=1100))
    assert two.broadcast_id == second


async def test_a_group_gets_no_more_than_twenty_a_minute(store: Store) -> None:
    await subscribed_chat(store, -1, chat_type=ChatType.GROUP)
    for number in range(25):
        await opened_broadcast(store, await stored_story(store, number))
    moments = []
    for tenth in range(900):
        now = NOW + timedelta(seconds=tenth / 10)
        for delivery in await claimed(store, now):
            await record(store, delivery, sent(tenth), now)
            moments.append(now)
    for at, later in zip(moments, moments[20:], strict=False):
        assert later - at >= timedelta(minutes=1)


async def test_retractions_go_before_corrections_before_stories(store: Store) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story, "lama")
    (first,) = await claimed(store)
    await record(store, first, sent(50))
    await opened_broadcast(store, await stored_story(store, 2), "rutin")
    await revise(store, "Judul baru")
    (stale,) = [item for item in await store.list_stale(5, NOW) if item.broadcast.id == broadcast]
    await store.record_revision(stale, message("baru"), NOW)
    (edit,) = await claimed(store, NOW + PACE)
    assert (edit.action, edit.message_id) == (Action.EDIT, 50)


async def test_an_outcome_of_a_past_attempt_does_not_count(store: Store) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)
    (old,) = await claimed(store)
    await record(store, old, Verdict(Step.RETRY, "later", NOW))
    (new,) = await claimed(store, NOW + PACE)
    assert new.attempt == old.attempt + 1
    await record(store, old, sent(50))
    await record(store, old, Verdict(Step.FAILED, "refused"))
    report = await store.report_broadcast(broadcast)
    assert report.counts == {DeliveryState.SENDING: 1}
    await record(store, new, sent(51))
    assert (await store.report_broadcast(broadcast)).counts == {DeliveryState.SENT: 1}


async def test_a_lease_is_kept_by_its_worker_and_lapses_with_it(store: Store) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, story)
    await claimed(store)
    later = NOW + DELIVERY_LEASE
    assert await store.extend_leases("another", later + DELIVERY_LEASE) == 0
    assert await store.extend_leases("tests", later + DELIVERY_LEASE) == 1
    assert await store.release_lapsed(later) == 0
    assert await store.release_lapsed(later + DELIVERY_LEASE) == 1
    assert await claimed(store, later + DELIVERY_LEASE) == []
    assert (await store.report_broadcast(broadcast)).counts == {DeliveryState.UNKNOWN: 1}
    (unknown,) = await store.claim_unknown(claim_plan(later + DELIVERY_LEASE))
    assert await store.claim_unknown(claim_plan(later + DELIVERY_LEASE)) == []
    assert await store.settle_unknown(unknown, Verdict(Step.RETRY, "not there", NOW), 3, NOW)
    assert len(await claimed(store, later + DELIVERY_LEASE)) == 1


async def test_an_edit_whose_process_died_is_simply_due_again(store: Store) -> None:
    await sent_and_stale(store)
    (stale,) = await store.list_stale(5, NOW)
    await store.record_revision(stale, message("baru"), NOW)
    await claimed(store, NOW + PACE, limit=1)
    assert await store.release_lapsed(NOW + PACE + DELIVERY_LEASE) == 1
    (again, _) = await claimed(store, NOW + PACE + DELIVERY_LEASE)
    assert again.action is Action.EDIT


async def test_a_chat_that_its_server_holds_waits_and_slows_down(store: Store) -> None:
    await subscribed_chat(store, 1)
    await subscribed_chat(store, 2)
    for number in range(2):
        await opened_broadcast(store, await stored_story(store, number))
    held, free = await claimed(store)
    await record(store, held, Verdict(Step.HOLD_CHAT, "429", NOW + timedelta(seconds=30)))
    await record(store, free, sent(50))
    soon = await claimed(store, NOW + timedelta(seconds=29))
    assert [delivery.chat_id for delivery in soon] == [free.chat_id]
    at = NOW + timedelta(seconds=30)
    (again,) = await claimed(store, at)
    assert again.chat_id == held.chat_id
    await record(store, again, sent(51), at)
    assert await claimed(store, at + timedelta(milliseconds=1100)) == []
    assert len(await claimed(store, at + timedelta(milliseconds=2100))) == 1


async def test_a_chat_that_moved_keeps_all_that_is_its(store: Store) -> None:
    story = await stored_story(store, 1)
    group = await subscribed_chat(store, -55, chat_type=ChatType.GROUP)
    await store.record_chat(-100_55, ChatType.SUPERGROUP, NOW)
    await opened_broadcast(store, story)
    (delivery,) = await claimed(store)
    await record(store, delivery, Verdict(Step.MOVED, "moved", telegram_id=-100_55))
    (again,) = await claimed(store, NOW + PACE)
    assert again.destination.chat == -100_55
    moved = await store.find_chat(-100_55)
    assert moved is not None
    assert (moved.id, moved.type) == (group.id, ChatType.SUPERGROUP)
    assert await store.find_chat(-55) is None
    assert await store.find_subscription(group.id, 0) == Subscription(group.id)


async def test_a_chat_that_refuses_often_is_closed_and_opens_again(store: Store) -> None:
    chat = await subscribed_chat(store, 1)
    for number in range(5):
        found = await store.find_chat(1)
        assert found is not None
        assert found.closed_at is None
        await opened_broadcast(store, await stored_story(store, number))
        (delivery,) = await claimed(store, NOW + number * PACE)
        await record(store, delivery, Verdict(Step.REFUSED, "no rights"))
    closed = await store.find_chat(1)
    assert closed is not None
    assert (closed.closed_reason, closed.closed_at) == ("no rights", NOW)
    await store.open_chat(chat.id)
    opened = await store.find_chat(1)
    assert opened is not None
    assert opened.closed_at is None
    assert await store.find_subscription(chat.id, 0) is not None


async def test_a_success_between_refusals_keeps_a_chat_open(store: Store) -> None:
    await subscribed_chat(store, 1)
    for number in range(8):
        await opened_broadcast(store, await stored_story(store, number))
        (delivery,) = await claimed(store, NOW + number * PACE)
        refused = Verdict(Step.REFUSED, "topic closed")
        await record(store, delivery, sent(number) if number == 4 else refused)
    chat = await store.find_chat(1)
    assert chat is not None
    assert chat.closed_at is None


async def test_closing_a_chat_settles_what_waits_for_it(store: Store) -> None:
    await subscribed_chat(store, 1)
    broadcasts = [await opened_broadcast(store, await stored_story(store, n)) for n in (1, 2)]
    (first,) = await claimed(store)
    await record(store, first, Verdict(Step.GONE, "blocked"))
    for broadcast in broadcasts:
        report = await store.report_broadcast(broadcast)
        assert report.counts == {DeliveryState.FAILED: 1}


async def revise(store: Store, title: str) -> None:
    """Let a poll bring a new title of story 1."""
    feed = (await store.claim_feeds(NOW + LEASE, NOW + 2 * LEASE, 1))[0]
    changed = sighting(1, title=title)
    (known,) = await store.list_known(feed.id, [changed])
    await store.record_poll(feed, PAGE, [], [(known, changed)], SCHEDULED)


async def sent_and_stale(store: Store) -> None:
    """A story that was sent to one chat of two and has changed since."""
    story = await stored_story(store, 1)
    for telegram_id in (1, 2):
        await subscribed_chat(store, telegram_id)
    await opened_broadcast(store, story, "lama")
    (first,) = await claimed(store, limit=1)
    await record(store, first, sent(50))
    await revise(store, "Judul baru")


async def test_a_revision_edits_what_went_out_and_changes_what_waits(store: Store) -> None:
    await sent_and_stale(store)
    (stale,) = await store.list_stale(5, NOW)
    assert stale.story.title == "Judul baru"
    assert await store.record_revision(stale, message("baru"), NOW) == 1
    assert await store.list_stale(5, NOW) == []
    deliveries = await claimed(store, NOW + PACE)
    assert [(d.action, d.message_id, d.revision) for d in deliveries] == [
        (Action.EDIT, 50, 2),
        (Action.SEND, None, 2),
    ]
    for delivery in deliveries:
        found = await store.find_message(delivery.broadcast_id, delivery.revision)
        assert found == message("baru")
    assert await store.find_message(deliveries[0].broadcast_id, 1) == message("lama")


async def test_a_revision_that_shows_nothing_new_edits_nothing(store: Store) -> None:
    await sent_and_stale(store)
    (stale,) = await store.list_stale(5, NOW)
    assert await store.record_revision(stale, message("lama"), NOW) == 0
    assert await store.list_stale(5, NOW) == []


async def test_message_ids_are_known_by_the_space_that_counts_them(store: Store) -> None:
    story = await stored_story(store, 1)
    await subscribed_chat(store, 1)
    await subscribed_chat(store, -100_2, chat_type=ChatType.CHANNEL)
    await store.note_messages(
        [
            NotedMessage(1, ChatType.PRIVATE, 900),
            NotedMessage(-55, ChatType.GROUP, 901),
            NotedMessage(-100_2, ChatType.CHANNEL, 7),
        ],
        NOW,
    )
    await opened_broadcast(store, story)
    private, channel = sorted(await claimed(store), key=lambda d: d.chat_type != "private")
    assert (private.floor_id, channel.floor_id) == (901, 7)
    await store.note_messages([NotedMessage(9, ChatType.PRIVATE, 903)], NOW)
    await record(store, private, Verdict(Step.UNKNOWN, "lost", NOW))
    await record(store, channel, sent(8))
    known = await store.find_known_ids(private)
    assert (known.known, known.unknown_deliveries) == (frozenset({903}), 1)
    assert (await store.find_known_ids(channel)).known == frozenset({8})


async def test_old_ids_are_forgotten_but_never_the_newest(store: Store) -> None:
    await store.note_messages([NotedMessage(1, ChatType.PRIVATE, n) for n in (5, 6, 7)], NOW)
    assert await store.forget_known(NOW) == 0
    assert await store.forget_known(NOW + timedelta(days=2)) == 2


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
    found = {
        (d.destination.chat, d.destination.thread_id, d.destination.silent)
        for d in await claimed(store)
    }
    assert found == {("@kabar", 0, True), (-100_77, 12, False)}
    await store.record_resolved("@kabar", -100_88, ChatType.CHANNEL)
    assert await store.record_channels(wanted[:1], NOW) == []
    assert await store.count_audience(story.id) == 1


async def test_updates_are_handled_once(store: Store) -> None:
    updates = [{"update_id": 1, "message": {}}, {"update_id": 2}]
    mine = Lease("mine", NOW + LEASE)
    assert await store.record_updates(updates, mine, NOW) == updates
    new = [{"update_id": 3}]
    assert await store.record_updates([*updates, *new], mine, NOW) == new
    await store.mark_update_handled(1, NOW)
    assert await store.count_waiting_updates() == 2
    assert await store.forget_updates(NOW + timedelta(seconds=1)) == 1
    assert await store.record_updates(updates[1:], mine, NOW) == []


async def test_updates_of_a_living_process_are_left_to_it(store: Store) -> None:
    updates = [{"update_id": 1}, {"update_id": 2}]
    later = NOW + LEASE
    await store.record_updates(updates, Lease("mine", later), NOW)
    assert await store.claim_updates(Lease("other", later), NOW) == []
    assert await store.extend_updates(Lease("mine", later + LEASE)) == 2
    assert await store.claim_updates(Lease("other", later + LEASE), later) == []
    assert await store.claim_updates(Lease("other", later + 2 * LEASE), later + LEASE) == updates
    assert await store.claim_updates(Lease("mine", later + 2 * LEASE), later + LEASE) == []
    await store.release_updates("other")
    assert await store.claim_updates(Lease("third", later), NOW) == updates


async def test_a_turn_is_one_process_at_a_time(store: Store) -> None:
    later = NOW + LEASE
    assert await store.claim_turn("polling", Lease("mine", later), NOW)
    assert not await store.claim_turn("polling", Lease("other", later), NOW)
    assert await store.claim_turn("polling", Lease("mine", later + LEASE), NOW)
    assert not await store.claim_turn("polling", Lease("other", later), later)
    assert await store.claim_turn("polling", Lease("other", later + 2 * LEASE), later + LEASE)
    assert not await store.claim_turn("polling", Lease("mine", later), later)
    await store.release_turn("polling", "mine")
    assert not await store.claim_turn("polling", Lease("mine", later), later)
    await store.release_turn("polling", "other")
    assert await store.claim_turn("polling", Lease("mine", later), later)


async def test_a_draft_is_decided_once(store: Store) -> None:
    story = await stored_story(store, 1)
    draft = await store.record_draft(story.id, message(), 7, NOW)
    assert await store.schedule_broadcast(draft.id, NOW)
    assert not await store.schedule_broadcast(draft.id, NOW)
    assert await store.cancel_broadcast(draft.id)
    assert await fan_out(store, draft.id, message()) is None


async def correct(store: Store, broadcast: int, text: str) -> int:
    item = await store.find_broadcast(broadcast)
    assert item is not None
    return await store.record_revision(item, message(text), NOW)


async def test_an_edit_under_way_is_repeated_when_the_story_was_revised_again(
    store: Store,
) -> None:
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    (send,) = await claimed(store)
    await record(store, send, sent(50))
    await correct(store, broadcast, "kedua")
    (second,) = await claimed(store, NOW + PACE)
    await correct(store, broadcast, "ketiga")
    assert await claimed(store, NOW + 2 * PACE) == []
    await record(store, second, Verdict(Step.SENT))
    (third,) = await claimed(store, NOW + 2 * PACE)
    assert (third.action, third.revision) == (Action.EDIT, 3)
    await record(store, third, Verdict(Step.SENT))
    assert await claimed(store, NOW + 3 * PACE) == []


async def test_a_revision_does_not_hasten_an_edit_that_waits_for_its_turn(store: Store) -> None:
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    (send,) = await claimed(store)
    await record(store, send, sent(50))
    await correct(store, broadcast, "kedua")
    (second,) = await claimed(store, NOW + PACE)
    await record(store, second, Verdict(Step.UNKNOWN, "lost", NOW + 3 * PACE))
    await correct(store, broadcast, "ketiga")
    assert await claimed(store, NOW + 2 * PACE) == []
    (third,) = await claimed(store, NOW + 3 * PACE)
    assert third.revision == 3


async def test_what_went_to_a_group_is_out_of_reach_once_it_is_a_supergroup(store: Store) -> None:
    chat = await subscribed_chat(store, -1, chat_type=ChatType.GROUP)
    early = await opened_broadcast(store, await stored_story(store, 1))
    late = await opened_broadcast(store, await stored_story(store, 2))
    (send,) = await claimed(store)
    await record(store, send, sent(50))
    (under_way,) = await claimed(store, NOW + PACE)
    await store.move_chat(chat.id, -100_7)
    await record(store, under_way, sent(51))
    for number, broadcast in enumerate((early, late), 2):
        await correct(store, broadcast, "ralat")
        (edit,) = await claimed(store, NOW + number * PACE)
        assert (edit.destination.chat, edit.message_id) == (-100_7, None)
        await record(store, edit, Verdict(Step.FAILED, "gone"))


async def test_ids_known_under_a_groups_new_id_stay_known(store: Store) -> None:
    group = await subscribed_chat(store, -1, chat_type=ChatType.GROUP)
    await store.record_chat(-100_7, ChatType.SUPERGROUP, NOW)
    await store.note_messages([NotedMessage(-100_7, ChatType.SUPERGROUP, 9)], NOW)
    await store.move_chat(group.id, -100_7)
    await opened_broadcast(store, await stored_story(store))
    (delivery,) = await claimed(store)
    assert delivery.floor_id == 9


async def test_a_receipt_counts_even_if_it_comes_while_the_message_is_looked_for(
    store: Store,
) -> None:
    await subscribed_chat(store, 1)
    broadcast = await opened_broadcast(store, await stored_story(store))
    (send,) = await claimed(store)
    lapsed_at = NOW + DELIVERY_LEASE
    assert await store.release_lapsed(lapsed_at) == 1
    (looked_for,) = await store.claim_unknown(claim_plan(lapsed_at))
    assert looked_for.attempt > send.attempt
    await record(store, send, sent(50))
    assert (await store.report_broadcast(broadcast)).counts == {DeliveryState.SENT: 1}


async def test_the_messages_that_updates_bring_are_known(store: Store) -> None:
    await subscribed_chat(store, 1)
    await store.record_updates(
        [
            {"update_id": 1, "message": {"message_id": 70, "chat": {"id": 5, "type": "private"}}},
            {"update_id": 2, "inline_query": {"id": "1"}},
            {"update_id": 3, "message": {"message_id": "?", "chat": {"id": 5, "type": "odd"}}},
        ],
        Lease("mine", NOW),
        NOW,
    )
    await opened_broadcast(store, await stored_story(store))
    (delivery,) = await claimed(store)
    assert delivery.floor_id == 70


async def test_the_neighbours_of_an_unknown_send_are_the_nearest_of_its_space(
    store: Store,
) -> None:
    for chat in range(1, 6):
        await subscribed_chat(store, chat)
    await subscribed_chat(store, -100_2, chat_type=ChatType.CHANNEL)
    await opened_broadcast(store, await stored_story(store))
    found = sorted(await claimed(store), key=lambda one: one.id)
    for delivery, message_id in ((0, 50), (1, 51), (3, 53), (4, 54)):
        await record(store, found[delivery], sent(message_id))
    await record(store, found[5], sent(9))
    await record(store, found[2], Verdict(Step.UNKNOWN, "lost", NOW))
    neighbours = await store.list_neighbours(found[2])
    assert [one.message_id for one in neighbours] == [51, 53]
