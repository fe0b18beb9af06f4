"""What becomes of stories after they came in: edits, tags, absences, archives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from factories import FEED_URL, NOW, entry, fan_out, message, sighting, subscribed_chat

from bot.app import make_renderer
from bot.db import SqliteTransaction, open_database
from bot.enriching import PageEnricher
from bot.errors import FetchError, ParseError, SourceError
from bot.identity import carried, completed, digest, is_same_story, sight_entry, told_by_body
from bot.ingest import Ingest, IngestPolicy
from bot.revisiting import Evidence, Finding, Revisiting, RevisitPolicy, Standing, judge
from bot.settings import Settings
from bot.store import Absence, Store
from bot.store.changes import restrained
from bot.types import Entry, FeedForPoll, FeedPage, Look, Post, Presence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bot.ports import Transaction
    from bot.types import Story

MINUTE = timedelta(minutes=1)
OTHER_FEED = "https://kabar.example/politik/feed/"
POLICY = IngestPolicy(poll_interval=MINUTE, hold=timedelta(0), needs_approval=False)


class Site:
    """A site as Sebar sees it: feeds by address, pages, an archive; all can be changed."""

    def __init__(self) -> None:
        self.feeds: dict[str, list[Entry]] = {}
        self.pages: dict[str, Entry] = {}
        self.gone: set[str] = set()
        self.down = False
        self.slow = False
        self.posts: list[Post] | None = None
        self.refusing: SourceError | None = None

    async def fetch(self, feed: FeedForPoll) -> FeedPage:
        return FeedPage(url=feed.url, entries=tuple(self.feeds[feed.url]))

    async def fetch_older(self, url: str) -> FeedPage:
        raise ParseError(url)

    async def read_article(self, url: str) -> Entry:
        if self.slow:
            await asyncio.Event().wait()
        if url not in self.pages:
            raise FetchError("nothing", status=404)
        return self.pages[url]

    async def find(self, feed_url: str) -> str | None:
        return None if self.posts is None else f"{feed_url}wp-json/"

    async def list_posts(self, api_url: str, wanted: Sequence[Story]) -> list[Post]:
        assert api_url
        guids = {story.guid for story in wanted}
        return [post for post in self.posts or [] if post.entry.guid in guids]

    async def list_public(self, api_url: str, wanted: Sequence[Story]) -> list[int]:
        posts = await self.list_posts(api_url, wanted)
        guids = {post.entry.guid for post in posts if not post.protected}
        return [story.id for story in wanted if story.guid in guids]

    async def list_modified(self, api_url: str, since: datetime) -> list[Post]:
        assert api_url
        if self.refusing is not None:
            raise self.refusing
        return [post for post in self.posts or [] if post.modified_at and post.modified_at >= since]

    async def look(self, url: str) -> Look:
        if self.down:
            return Look(Presence.UNSURE, url)
        return Look(Presence.GONE if url in self.gone else Presence.HERE, url)


class Newsroom:
    """Polls and revisits of one site, with a clock of its own."""

    def __init__(self, store: Store, *, is_auto: bool = True) -> None:
        self.store = store
        self.site = Site()
        self.now = NOW
        self.withdrawn: list[str] = []
        nobody: Any = None
        policy = replace(POLICY, withdraws=is_auto)
        enricher = PageEnricher(store, self.site, self.site, new_within_s=0.2)
        self.ingest = Ingest(store, self.site, policy, lambda: self.now, enricher)
        self.revisiting = Revisiting(
            store,
            self.site,
            make_renderer(Settings()),
            nobody,
            self._retract,
            RevisitPolicy(MINUTE, is_auto=is_auto),
        )

    async def _retract(self, story: Story, now: datetime) -> int | None:
        self.withdrawn.append(story.title)
        return await self.store.retract_story(story.id, message("Ditarik"), now)

    async def lists(self, *entries: Entry, feed: str = FEED_URL) -> None:
        """A minute later the feed lists this; everything that is due is done."""
        self.site.feeds[feed] = list(entries)
        await self.store.record_feeds(list(self.site.feeds), self.now)
        self.now += MINUTE
        async with asyncio.TaskGroup() as tasks:
            await self.ingest.start_due(tasks, self.now)

    async def looks(self) -> None:
        """A minute later what went missing is looked at."""
        self.now += MINUTE
        await self.revisiting.step(self.now)

    async def titles(self) -> set[str]:
        return {story.title for story in await self.store.list_latest(50)}


@pytest.fixture
def newsroom(store: Store) -> Newsroom:
    return Newsroom(store)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Dibaca 123 kali. Warga mengungsi.", "Dibaca 1.204 kali. Warga mengungsi."),
        ("Terbit 5 menit lalu", "Terbit 2 jam yang lalu"),
        ("Views: 10", "Views: 11"),
    ],
)
def test_counters_and_clocks_make_no_revision(before: str, after: str) -> None:
    assert sighting(1, summary=before).digest == sighting(1, summary=after).digest


@pytest.mark.parametrize(
    "after", ["5 orang tewas", "Harga naik 20 persen", "Korban 12, hilang 4", "Ditutup 3 hari lagi"]
)
def test_a_number_of_the_news_makes_a_revision(after: str) -> None:
    before = after.translate(str.maketrans("0123456789", "9876543210"))
    assert sighting(1, summary=before).digest != sighting(1, summary=after).digest


@pytest.mark.parametrize(
    "url",
    [
        "http://i2.wp.com/kabar.example/a.jpg?resize=300%2C200&ssl=1",
        "https://i0.wp.com/kabar.example/a.jpg?w=640",
    ],
)
def test_signed_and_resized_addresses_of_a_picture_are_one(url: str) -> None:
    plain = sighting(1, image_url="https://i1.wp.com/kabar.example/a.jpg")
    assert sighting(1, image_url=url).digest == plain.digest
    assert digest(replace(plain.story, image_url="https://i1.wp.com/b.jpg")) != plain.digest


def test_a_picture_that_its_query_names_is_another_one() -> None:
    first, second = (
        sighting(1, image_url=f"https://kabar.example/img.php?id={number}&ts={number}").digest
        for number in (1, 2)
    )
    assert first != second


def test_a_text_that_changes_at_each_poll_is_edited_ever_more_rarely() -> None:
    edits, due_at, last, made = 0, NOW, None, 0
    for minute in range(24 * 60):
        now = NOW + minute * MINUTE
        if now >= due_at:
            edits, due_at = restrained(edits, last, now)
            last, made = now, made + 1
    assert made <= 36
    assert due_at - last <= timedelta(hours=1)


def test_corrections_of_a_calm_story_never_wait() -> None:
    edits, last = 0, None
    for hour in range(48):
        now = NOW + timedelta(hours=hour)
        edits, due_at = restrained(edits, last, now)
        assert due_at == now
        last = now


async def test_a_counter_that_readers_see_does_not_edit_all_day_and_its_end_arrives(
    newsroom: Newsroom,
) -> None:
    store = newsroom.store
    await newsroom.lists(entry(9))
    await subscribed_chat(store)
    await newsroom.lists(entry(1), entry(9))
    (due,) = await store.list_due_broadcasts(newsroom.now, 5)
    await fan_out(store, due.broadcast.id, message("0"))
    edits = 0
    for number in range(1, 240):
        await newsroom.lists(entry(1, title=f"Suara masuk {number}"), entry(9))
        for stale in await store.list_stale(5, newsroom.now):
            await store.record_revision(stale, message(stale.story.title), newsroom.now)
            edits += 1
    assert 5 <= edits <= 16
    newsroom.now += timedelta(hours=1)
    (stale,) = await store.list_stale(5, newsroom.now)
    assert stale.story.title == "Suara masuk 239"


def test_a_cut_summary_is_completed_from_the_storys_own_text() -> None:
    body = "Satu dua tiga empat lima enam tujuh delapan.\nAlinea kedua."
    story = sight_entry(entry(1, summary="Satu dua tiga empat…", body=body)).story
    assert told_by_body(story).summary.startswith("Satu dua tiga empat lima enam tujuh delapan.")
    foreign = replace(story, body="Lain sama sekali dari ringkasan.")
    assert told_by_body(foreign).summary == "Satu dua tiga empat…"


def test_nothing_that_a_feed_states_is_replaced() -> None:
    stated = sight_entry(entry(1, author="Budi", image_url="https://kabar.example/a.jpg")).story
    found = replace(
        stated, author="Redaksi", image_url="https://x.example/b.jpg", summary="Lain.", editor="Eka"
    )
    assert completed(stated, found) == replace(stated, editor="Eka")


def test_a_revision_keeps_what_its_feed_still_does_not_say() -> None:
    cut = sight_entry(entry(1, summary="Satu dua…", title="Ralat")).story
    before = replace(cut, title="Lama", summary="Satu dua tiga.", author="Budi")
    assert carried(cut, before) == replace(cut, summary="Satu dua tiga.", author="Budi")
    changed = replace(cut, summary="Dua tiga…")
    assert carried(changed, before).summary == "Dua tiga…"


def test_a_page_of_another_story_is_not_believed() -> None:
    own = sighting(1)
    assert is_same_story(own, sighting(1, title="Judul lain"))
    assert not is_same_story(own, sighting(2))
    assert not is_same_story(own, sighting(1, url="https://lain.example/berita-1/"))


async def test_a_page_fills_in_what_the_feed_leaves_out(newsroom: Newsroom) -> None:
    await newsroom.lists(entry(9))
    newsroom.site.pages[entry(1).url or ""] = entry(
        1, author="Budi", editor="Eka", image_url="https://kabar.example/a.jpg", summary="Lain."
    )
    await newsroom.lists(entry(1), entry(9))
    (story,) = [one for one in await newsroom.store.list_latest(5) if one.title == entry(1).title]
    assert (story.author, story.editor, story.image_url, story.summary) == (
        "Budi",
        "Eka",
        "https://kabar.example/a.jpg",
        entry(1).summary,
    )
    await newsroom.lists(entry(1), entry(9))
    assert (await newsroom.store.find_story(story.id)) == story


async def test_a_site_whose_pages_never_come_delays_and_loses_nothing(newsroom: Newsroom) -> None:
    await newsroom.lists(entry(9))
    newsroom.site.slow = True
    async with asyncio.timeout(5):
        await newsroom.lists(*(entry(number) for number in range(1, 9)), entry(9))
    assert len(await newsroom.titles()) == 9


async def test_two_feeds_with_one_story_give_it_the_tags_of_both_and_nobody_gets_it_twice(
    newsroom: Newsroom,
) -> None:
    store = newsroom.store
    await newsroom.lists(entry(9))
    await newsroom.lists(entry(8), feed=OTHER_FEED)
    for number, tag in enumerate(("Tangerang", "Politik", "Olahraga")):
        await subscribed_chat(store, 2000 + number, tag)
    await newsroom.lists(entry(1), entry(9))
    (due,) = await store.list_due_broadcasts(newsroom.now, 5)
    assert await fan_out(store, due.broadcast.id, message()) == 1
    for _ in range(2):
        await newsroom.lists(entry(1, tags=("Politik",), guid="lain"), entry(8), feed=OTHER_FEED)
        for broadcast in await store.list_fanning():
            while await store.fan_out(broadcast, 100, newsroom.now) is not None:
                pass
    assert (await store.report_broadcast(due.broadcast.id)).total == 2
    story = await store.find_story(due.story.id)
    assert story is not None
    assert (story.tags, story.revision) == (("Tangerang", "Politik"), 1)
    await newsroom.lists(entry(1, title="Ralat"), entry(9))
    story = await store.find_story(due.story.id)
    assert story is not None
    assert (story.title, story.tags) == ("Ralat", ("Tangerang", "Politik"))


def evidence(page: Presence, **changes: object) -> Evidence:
    return replace(Evidence(page, Standing.UNKNOWN, site_works=True), **changes)


@pytest.mark.parametrize(
    ("seen", "finding"),
    [
        (evidence(Presence.HERE), Finding.PRESENT),
        (evidence(Presence.UNSURE), Finding.UNSURE),
        (evidence(Presence.GONE), Finding.CONFIRMED),
        (evidence(Presence.GONE, site_works=False), Finding.UNSURE),
        (evidence(Presence.GONE, standing=Standing.SHOWN), Finding.UNSURE),
        (evidence(Presence.GONE, standing=Standing.MISSING), Finding.CONFIRMED),
        (evidence(Presence.UNSURE, standing=Standing.MISSING), Finding.UNSURE),
        (evidence(Presence.HERE, standing=Standing.LOCKED), Finding.CONFIRMED),
        (evidence(Presence.HERE, standing=Standing.MISSING, elsewhere=True), Finding.CONFIRMED),
        (evidence(Presence.HERE, elsewhere=True), Finding.UNSURE),
    ],
)
def test_what_is_believed_of_a_missing_story(seen: Evidence, finding: Finding) -> None:
    absence = Absence(sighting(1).story, 1, NOW)
    assert judge(absence, seen, NOW + MINUTE, MINUTE) is finding
    again = Finding.GONE if finding is Finding.CONFIRMED else finding
    assert judge(absence, seen, NOW + MINUTE / 2, MINUTE) is again
    assert judge(replace(absence, gone_at=None), seen, NOW + MINUTE, MINUTE) is again


async def test_a_story_that_is_gone_twice_disappears_and_is_back_when_it_is_listed_again(
    newsroom: Newsroom,
) -> None:
    await newsroom.lists(entry(1))
    await newsroom.lists(entry(2), entry(1))
    (due,) = await newsroom.store.list_due_broadcasts(newsroom.now, 5)
    await fan_out(newsroom.store, due.broadcast.id, message())
    newsroom.site.gone = {entry(2).url or ""}
    await newsroom.lists(entry(1))
    await newsroom.looks()
    assert newsroom.withdrawn == []
    await newsroom.looks()
    assert newsroom.withdrawn == [entry(2).title]
    assert await newsroom.titles() == {entry(1).title}
    newsroom.site.gone = set()
    await newsroom.lists(entry(2, title="Kembali"), entry(1))
    await newsroom.lists(entry(2, title="Kembali"), entry(1))
    assert await newsroom.titles() == {"Kembali", entry(1).title}
    (again,) = await newsroom.store.list_due_broadcasts(newsroom.now, 5)
    assert again.story.title == "Kembali"


async def test_what_slides_out_of_a_feed_is_not_missed(newsroom: Newsroom) -> None:
    await newsroom.lists(entry(2), entry(1))
    newsroom.site.gone = {entry(1).url or ""}
    await newsroom.lists(entry(3), entry(2))
    await newsroom.looks()
    await newsroom.looks()
    assert len(await newsroom.titles()) == 3


def dated(number: int, **changes: object) -> Entry:
    return entry(number, published_at=NOW - timedelta(days=9 - number), **changes)


async def due_titles(newsroom: Newsroom) -> set[str]:
    due = await newsroom.store.list_due_broadcasts(newsroom.now + MINUTE, 50)
    return {item.story.title for item in due}


async def test_a_story_that_comes_up_from_below_as_another_one_goes_is_no_news(
    newsroom: Newsroom,
) -> None:
    await newsroom.lists(dated(5), dated(4), dated(3))
    await newsroom.lists(dated(6), dated(5), dated(4))
    assert await due_titles(newsroom) == {dated(6).title}
    await newsroom.lists(dated(5), dated(4), dated(3))
    await newsroom.lists(dated(5), dated(3), dated(2))
    await newsroom.lists(dated(7), dated(5), dated(2))
    assert await due_titles(newsroom) == {dated(6).title, dated(7).title}
    assert dated(2).title in await newsroom.titles()


async def test_a_backdated_story_that_pushes_the_last_one_out_is_news(newsroom: Newsroom) -> None:
    await newsroom.lists(dated(5), dated(4), dated(2))
    await newsroom.lists(dated(5), dated(4), dated(3))
    assert await due_titles(newsroom) == {dated(3).title}


async def test_a_site_that_fails_takes_nothing_away(newsroom: Newsroom) -> None:
    await newsroom.lists(entry(2), entry(1))
    newsroom.site.down = True
    await newsroom.lists(entry(1))
    for _ in range(5):
        await newsroom.looks()
    newsroom.site.down = False
    newsroom.site.gone = {entry(1).url or "", entry(2).url or ""}
    for _ in range(200):
        await newsroom.looks()
    assert newsroom.withdrawn == []


async def test_without_leave_what_is_gone_waits_for_an_editor_unless_it_reached_nobody(
    store: Store,
) -> None:
    newsroom = Newsroom(store, is_auto=False)
    await subscribed_chat(store)
    await newsroom.lists(entry(1), entry(9))
    await newsroom.lists(entry(3), entry(2), entry(1), entry(9))
    due = await store.list_due_broadcasts(newsroom.now, 5)
    await fan_out(store, due[1].broadcast.id, message())
    newsroom.site.gone = {entry(3).url or "", entry(1).url or ""}
    await store.cancel_broadcast(due[0].broadcast.id)
    await newsroom.lists(entry(2), entry(9))
    for _ in range(3):
        await newsroom.looks()
    assert newsroom.withdrawn == [entry(1).title]
    assert await store.find_gone(due[1].story.id) is not None
    assert await store.decide_absence(due[1].story.id, withdrawn=False, now=newsroom.now)
    assert not await store.decide_absence(due[1].story.id, withdrawn=True, now=newsroom.now)


async def test_an_archive_corrects_and_misses_what_has_left_the_feed(newsroom: Newsroom) -> None:
    newsroom.site.posts = [Post(n, entry(n), NOW) for n in (1, 2, 3)]
    await newsroom.lists(entry(1))
    await newsroom.looks()
    await newsroom.lists(entry(2), entry(1))
    await newsroom.lists(entry(3))
    newsroom.now += 5 * MINUTE
    newsroom.site.posts = [
        Post(1, entry(1, title="Ralat lama"), newsroom.now),
        Post(3, entry(3), NOW),
    ]
    newsroom.site.gone = {entry(2).url or ""}
    for _ in range(6):
        await newsroom.looks()
    assert await newsroom.titles() == {"Ralat lama", entry(3).title}


async def test_a_correction_that_its_feed_loses_before_the_next_poll_comes_from_the_archive(
    newsroom: Newsroom,
) -> None:
    newsroom.site.posts = [Post(1, entry(1), NOW)]
    await newsroom.lists(entry(1))
    await newsroom.looks()
    at = newsroom.now + MINUTE
    newsroom.site.posts = [Post(1, entry(1, title="Ralat", updated_at=at), at)]
    for _ in range(3):
        await newsroom.looks()
    assert await newsroom.titles() == {entry(1).title}
    await newsroom.lists(entry(2))
    for _ in range(3):
        await newsroom.looks()
    assert await newsroom.titles() == {"Ralat", entry(2).title}


@pytest.mark.parametrize("refusal", [ParseError("no JSON"), FetchError("no", status=403)])
async def test_one_answer_that_is_none_does_not_cost_an_archive(
    newsroom: Newsroom, refusal: SourceError
) -> None:
    newsroom.site.posts = [Post(1, entry(1), NOW)]
    await newsroom.lists(entry(1))
    await newsroom.looks()
    await newsroom.lists(entry(2))
    newsroom.site.refusing = refusal
    for _ in range(3):
        await newsroom.looks()
    newsroom.site.refusing = None
    newsroom.site.posts = [Post(1, entry(1, title="Ralat"), newsroom.now)]
    for _ in range(9):
        await newsroom.looks()
    assert "Ralat" in await newsroom.titles()


async def test_an_archive_that_goes_on_refusing_is_left_alone_for_a_day(
    newsroom: Newsroom,
) -> None:
    newsroom.site.posts = [Post(1, entry(1), NOW)]
    await newsroom.lists(entry(1))
    await newsroom.looks()
    newsroom.site.refusing = FetchError("no", status=403)
    for _ in range(60):
        await newsroom.looks()
    assert await newsroom.store.find_archive_url(1) is None
    newsroom.site.refusing = None
    newsroom.site.posts = [Post(1, entry(1, title="Ralat"), newsroom.now)]
    await newsroom.lists(entry(2))
    for _ in range(60):
        await newsroom.looks()
    assert "Ralat" not in await newsroom.titles()
    newsroom.now += timedelta(days=1)
    for _ in range(6):
        await newsroom.looks()
    assert "Ralat" in await newsroom.titles()


async def test_a_post_that_asks_for_a_password_is_not_recorded(newsroom: Newsroom) -> None:
    locked = entry(
        2,
        title="Protected: Rahasia",
        summary="There is no excerpt because this is a protected post.",
    )
    await newsroom.lists(locked, entry(1))
    await newsroom.lists(locked, entry(1))
    assert await newsroom.titles() == {entry(1).title}
    news = entry(3, title="Protected: hutan lindung", summary="Pemerintah menambah luas hutan.")
    await newsroom.lists(news, locked, entry(1))
    assert news.title in await newsroom.titles()


async def test_recent_stories_are_found_without_reading_the_old_ones(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path / 'test.db'}")
    store = Store(database)
    await store.record_feeds([FEED_URL], NOW)
    statements: list[str] = []

    def trace(tx: Transaction) -> None:
        assert isinstance(tx, SqliteTransaction)
        tx.connection.set_trace_callback(statements.append)

    await database.read(trace)
    await store.list_watched(1, NOW, 10)
    await store.find_newest(1)
    asked = [one for one in statements if one.startswith("SELECT")]
    assert len(asked) == 2
    for statement in asked:
        plan = await database.read(lambda tx, one=statement: tx.fetch(f"EXPLAIN QUERY PLAN {one}"))
        steps = [row["detail"] for row in plan]
        assert any("stories_recent" in step for step in steps), steps
        assert not any("TEMP B-TREE" in step for step in steps), steps
    await database.close()
