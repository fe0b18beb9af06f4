"""What a search finds, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from factories import FEED_URL, NOW, sighting, stored_story
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.relating import search
from bot.relevance.query import Wanted, misspellings, read_query
from bot.store import PollPlan
from bot.types import FeedPage, KnownStory

if TYPE_CHECKING:
    from bot.store import Store


async def titles(store: Store, text: str) -> list[str]:
    return [story.title for story in (await search(store, text, 10)).stories]


async def test_every_word_is_held_and_the_title_counts_most(store: Store) -> None:
    await stored_story(store, 1, title="Banjir di Ciledug surut", summary="Warga pulang.")
    await stored_story(store, 2, title="Warga Serang mengungsi", summary="Banjir sejak pagi.")
    await stored_story(store, 3, title="Harga cabai naik", summary="Pasar ramai.")
    assert await titles(store, "banjir") == ["Banjir di Ciledug surut", "Warga Serang mengungsi"]
    assert await titles(store, "BANJIR serang") == ["Warga Serang mengungsi"]
    assert (await search(store, "banjir serang", 5)).relaxed is False


async def test_a_search_that_was_relaxed_says_so(store: Store) -> None:
    await stored_story(store, 1, title="Banjir di Cilegon")
    found = await search(store, "banjir kuningan zzyzx", 5)
    assert [story.title for story in found.stories] == ["Banjir di Cilegon"]
    assert (found.relaxed, found.missing) == (True, ("kuningan", "zzyzx"))
    nothing = await search(store, "zzyzx", 5)
    assert (nothing.stories, nothing.relaxed, nothing.total) == ((), False, 0)


async def test_quotes_ask_for_neighbours(store: Store) -> None:
    await stored_story(store, 1, title="Rumah sakit umum dibuka", summary="Kota Serang.")
    await stored_story(store, 2, title="Sakit di rumah", summary="Umum terjadi.")
    assert await titles(store, '"rumah sakit"') == ["Rumah sakit umum dibuka"]
    assert await titles(store, "“rumah sakit") == ["Rumah sakit umum dibuka"]
    assert len(await titles(store, "rumah sakit")) == 2
    assert await titles(store, 'sakit -"rumah sakit"') == ["Sakit di rumah"]


async def test_minus_leaves_out_and_sections_narrow(store: Store) -> None:
    await stored_story(store, 1, title="Gubernur bicara banjir", tags=("Politik",))
    await stored_story(store, 2, title="Banjir rendam kota", tags=("Kota Tangerang",))
    assert await titles(store, "banjir -gubernur") == ["Banjir rendam kota"]
    assert await titles(store, "banjir #politik") == ["Gubernur bicara banjir"]
    assert await titles(store, "#kota-tangerang") == ["Banjir rendam kota"]
    assert await titles(store, '#"kota tangerang" banjir') == ["Banjir rendam kota"]
    assert await titles(store, "banjir -#politik") == ["Banjir rendam kota"]
    assert await titles(store, "-banjir") == []


@pytest.mark.parametrize("typed", ["tangerng", "tangeerang", "tangerant", "tangernag"])
async def test_one_wrong_letter_is_corrected_and_said(store: Store, typed: str) -> None:
    await stored_story(store, 1, title="Wali Kota Tangerang", tags=())
    found = await search(store, f"wali {typed}", 5)
    assert len(found.stories) == 1
    assert (found.corrections, found.relaxed) == (((typed, "tangerang"),), False)


async def test_a_word_that_is_not_finished_finds_what_begins_so(store: Store) -> None:
    await stored_story(store, 1, title="Bandara Soekarno-Hatta ramai")
    found = await search(store, "bandar soek", 5)
    assert len(found.stories) == 1


@pytest.mark.parametrize(
    ("title", "asked"),
    [
        ("東京都知事が会見した", "知事"),
        ("กรุงเทพมหานครน้ำท่วมหนัก", "น้ำท่วม"),
        ("मुख्यमंत्री ने बाढ़ पर बैठक की", "बाढ़"),
        ("சென்னையில் கனமழை வெள்ளம்", "கனமழை"),
        ("서울시장 기자회견", "기자회견"),
        ("Президент приехал в Ёлкино", "елкино"),
        ("Élections à Besançon", "elections besancon"),
        ("Peringatan Isra Mi’raj, shalat Jum'at", "miraj jumat"),
        ("رئيس الوزراء يزور القاهرة", "الوزراء"),
        ("Vaksin COVID-19 tiba (Serang)", "covid-19 (serang)"),
    ],
)
async def test_any_script_is_found(store: Store, title: str, asked: str) -> None:
    await stored_story(store, 1, title=title, summary="")
    await stored_story(store, 2, title="Lain sama sekali", summary="")
    found = await search(store, asked, 5)
    assert ([story.title for story in found.stories], found.relaxed) == ([title], False)


async def test_a_revised_story_is_found_by_its_new_words_only(store: Store) -> None:
    story = await stored_story(store, 1, title="Judul pertama", summary="")
    assert len(await titles(store, "pertama")) == 1
    (feed,) = await store.claim_feeds(NOW, NOW, 1)
    known = KnownStory(story.id, feed.id, story.guid, None, "", story.revision, withdrawn=False)
    seen = sighting(1, title="Judul kedua", summary="")
    page, plan = FeedPage(url=FEED_URL, entries=()), PollPlan(NOW, NOW, broadcast_state=None)
    await store.record_poll(feed, page, [], [(known, seen)], plan)
    assert await titles(store, "pertama") == []
    assert await titles(store, "kedua") == ["Judul kedua"]


async def test_pages_follow_each_other(store: Store) -> None:
    for number in range(1, 8):
        await stored_story(store, number, title=f"Banjir hari ke {number}")
    first = await search(store, "banjir", 4)
    second = await search(store, "banjir", 4, 4)
    assert (len(first.stories), len(second.stories), first.total) == (4, 3, 7)
    assert not {story.id for story in first.stories} & {story.id for story in second.stories}


ANY = st.text(st.characters(), max_size=80) | st.lists(
    st.sampled_from(
        ['"', "-", "#", "banjir", "AND", "NOT", "*", "(", "NEAR(", ":", "^", "t1", "w1", "\0", "'"]
    ),
    max_size=12,
).map(" ".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(ANY)
async def test_no_text_makes_a_search_fail(store: Store, text: str) -> None:
    found = await search(store, text, 3)
    assert found.stories == ()


@given(ANY)
def test_a_query_is_read_from_any_text(text: str) -> None:
    query = read_query(text)
    assert all(word for part in query.parts for word in part.words)
    assert len(query.parts) <= 16


def test_a_query_is_read_as_it_is_meant() -> None:
    assert read_query('banjir -"kota serang" #Politik -surut').parts == (
        Wanted(("banjir",)),
        Wanted(("kota", "serang"), minus=True),
        Wanted(("#politik",), section=True),
        Wanted(("surut",), minus=True),
    )


def test_misspellings_hold_each_single_error() -> None:
    found = misspellings("banjir")
    assert {"banir", "banjirr", "bamjir", "abnjir", "banjri"} <= found
    assert "banjir" not in found
    assert misspellings("2024") == set()
