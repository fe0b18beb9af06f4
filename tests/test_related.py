"""Which stories are close, kept when a story comes in and looked up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factories import FEED_URL, NOW, sighting, stored_story
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.relating import relate_due, relate_gently, related_of
from bot.relevance import ranking
from bot.relevance.words import section_word, start_of, stem, text_of, wording, words
from bot.store import PollPlan
from bot.types import FeedPage, KnownStory, Story

if TYPE_CHECKING:
    from bot.store import Store

FLOOD = "Banjir merendam ratusan rumah di Ciledug, Tangerang, setelah Kali Angke meluap."
OTHERS = (
    "Harga cabai rawit di pasar induk naik dua kali lipat menjelang akhir pekan.",
    "Timnas sepak bola berlatih di Jakarta sebelum laga kualifikasi melawan Bahrain.",
    "Bank sentral menahan suku bunga acuan dan memperkuat cadangan devisa negara.",
    "Pameran buku terbesar dibuka dengan diskon untuk pelajar dan mahasiswa.",
)


async def library(store: Store) -> None:
    """Stories about other matters, so that words have a rarity."""
    for number in range(20):
        text = OTHERS[number % len(OTHERS)]
        title = f"{' '.join(text.split()[:4])} {number}"
        body = f"{text} Bagian {number}."
        await stored_story(store, 100 + number, title=title, body=body, summary="", tags=())


async def relate_all(store: Store) -> None:
    while await relate_due(store, NOW):
        pass


async def test_a_list_is_kept_and_holds_what_is_about_the_same(store: Store) -> None:
    await library(store)
    first = await stored_story(store, 1, title="Banjir di Ciledug Tangerang", body=FLOOD)
    second = await stored_story(
        store, 2, title="Banjir Ciledug surut, warga Tangerang pulang", body=f"Air surut. {FLOOD}"
    )
    assert await store.find_related(second.id, 5) is None
    await relate_all(store)
    assert [one.id for one in await store.find_related(second.id, 5) or []] == [first.id]
    assert [one.id for one in await related_of(store, second, 5)] == [first.id]


async def test_what_comes_later_is_added_unless_only_earlier_ones_are_asked(store: Store) -> None:
    await library(store)
    first = await stored_story(store, 1, title="Banjir di Ciledug Tangerang", body=FLOOD)
    await relate_all(store)
    second = await stored_story(
        store, 2, title="Banjir Ciledug surut, warga Tangerang pulang", body=f"Air surut. {FLOOD}"
    )
    await relate_all(store)
    assert [one.id for one in await related_of(store, first, 5)] == [second.id]
    assert await store.find_related(first.id, 5, later=False) == []


async def test_nothing_is_related_rather_than_junk(store: Store) -> None:
    await library(store)
    alone = await stored_story(
        store, 1, title="Gempa guncang Maluku", body="Getaran dirasakan di Ambon dan Saumlaki."
    )
    await relate_all(store)
    assert await related_of(store, alone, 5) == []


async def test_a_copy_is_neither_related_nor_listed_twice(store: Store) -> None:
    await library(store)
    asked = await stored_story(
        store, 1, title="Banjir Ciledug surut, warga Tangerang pulang", body=f"Air surut. {FLOOD}"
    )
    wire = [
        await stored_story(store, number, title="Banjir di Ciledug Tangerang", body=FLOOD)
        for number in (2, 3)
    ]
    await relate_all(store)
    found = [one.id for one in await related_of(store, asked, 5)]
    assert len(found) == 1
    assert found[0] in {one.id for one in wire}
    assert wire[0].id not in [one.id for one in await related_of(store, wire[1], 5)]


async def test_a_withdrawn_story_leaves_the_lists(store: Store) -> None:
    await library(store)
    first = await stored_story(store, 1, title="Banjir di Ciledug Tangerang", body=FLOOD)
    second = await stored_story(
        store, 2, title="Banjir Ciledug surut, warga Tangerang pulang", body=f"Air surut. {FLOOD}"
    )
    await relate_all(store)
    await withdraw(store, first.id)
    assert await related_of(store, second, 5) == []
    unseen = Story("", "kode", title=second.title, body=second.body)
    assert first.id not in [one.id for one in await related_of(store, unseen, 5)]


async def test_a_revised_story_is_related_anew(store: Store) -> None:
    await library(store)
    first = await stored_story(store, 1, title="Banjir di Ciledug Tangerang", body=FLOOD)
    second = await stored_story(store, 2, title="Banjir Ciledug surut", body=f"Surut. {FLOOD}")
    await relate_all(store)
    assert len(await related_of(store, second, 5)) == 1
    text = "Getaran dirasakan di Ambon dan Saumlaki."
    await revise(store, second, title="Gempa guncang Maluku", body=text, summary="")
    revised = await store.find_story(second.id)
    assert revised is not None
    assert await related_of(store, revised, 5) == []
    await relate_all(store)
    assert await store.find_related(second.id, 5) == []
    assert await related_of(store, first, 5) == []


async def test_an_archive_is_read_in_small_steps_with_rests(store: Store) -> None:
    await library(store)
    steps = 0
    while await relate_gently(store, NOW):
        steps += 1
        assert len(await store.list_unworded(30)) >= 20 - 8 * steps
    assert steps > 6
    assert await store.list_unworded(1) == await store.list_unrelated(1) == []


async def test_a_text_that_was_never_seen_is_compared(store: Store) -> None:
    await library(store)
    first = await stored_story(store, 1, title="Banjir di Ciledug Tangerang", body=FLOOD)
    unseen = Story("https://lain.example/1", "kode", "Tangerang: banjir Ciledug meluas", body=FLOOD)
    assert [one.id for one in await related_of(store, unseen, 5)] == [first.id]


async def test_words_are_counted_once_a_story_also_after_revisions(store: Store) -> None:
    story = await stored_story(store, 1, title="Banjir Ciledug", summary="Banjir besar.", tags=())
    await relate_all(store)
    before = (await store.find_words(["banjir", "ciledug", stem("banjir")])).held()
    assert before == {"banjir": 1, "ciledug": 1, stem("banjir"): 1}
    await revise(store, story, title="Banjir Karawaci", summary="Banjir besar.", tags=())
    await relate_all(store)
    words_now = await store.find_words(["banjir", "ciledug", "karawaci", stem("banjir")])
    assert words_now.held() == {"banjir": 1, "karawaci": 1, stem("banjir"): 1}
    assert words_now.stories == 1


async def test_norms_follow_the_number_of_stories(store: Store) -> None:
    for number in range(1, 9):
        await stored_story(store, number, title=f"Berita kota {number}", body=OTHERS[number % 4])
        await relate_all(store)
    assert await store.refresh_norms(50) == 0
    found = await store.list_heaviest(
        {(await store.find_words(["berita"])).words["berita"].id: 1.0}, 10
    )
    assert len(found) == 8
    assert all(one.norms.stories * 2 >= 8 for one in found)


async def revise(store: Store, story: Story, **changes: object) -> None:
    (feed,) = await store.claim_feeds(NOW, NOW, 1)
    known = KnownStory(
        story.id, story.feed_id, story.guid, None, "old", story.revision, withdrawn=False
    )
    number = int((story.guid or "").rpartition("=")[2])
    seen = sighting(number, **changes)
    plan = PollPlan(NOW, NOW, broadcast_state=None)
    page = FeedPage(url=FEED_URL, entries=())
    recorded = await store.record_poll(feed, page, [], [(known, seen)], plan)
    assert recorded.revised == (story.id,)


async def withdraw(store: Store, story_id: int) -> None:
    await store._database.run(
        lambda tx: tx.execute(
            "UPDATE stories SET withdrawn_at = :now WHERE id = :id", now=1, id=story_id
        )
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(title=st.text(st.characters(), max_size=60), body=st.text(st.characters(), max_size=200))
async def test_any_text_has_related_stories_or_none(store: Store, title: str, body: str) -> None:
    assert await related_of(store, Story("", "kode", title=title, body=body), 5) == []


@given(st.text(max_size=200))
def test_words_are_alike_however_they_are_written(text: str) -> None:
    once = words(text)
    assert all(0 < len(word) <= 40 for word in once)
    assert words(" ".join(once)) == once or any(not word.isascii() for word in once)
    assert not any(mark in word for word in once for mark in "#*")


def test_words_of_all_scripts() -> None:
    assert words("Jum’at: Qur'an & l'été") == ["jumat", "quran", "l", "ete"]
    assert words("東京都 2024") == ["東京", "京都", "2024"]
    assert words("猫") == ["猫"]
    assert words("ＫＯＴＡ café") == ["kota", "cafe"]
    assert words("मुख्यमंत्री")[0] == "मुख्यमंत्री"
    assert words("the_end") == ["the", "end"]
    assert section_word(" #Kota-Tangerang ") == section_word("kota tangerang") == "#kotatangerang"
    assert not section_word("!!!")


def test_pointers_to_other_stories_are_no_text() -> None:
    story = Story("", "k", "Judul", summary="Ringkasan.", body="Isi.\nBaca Juga : Camat\nAkhir.")
    assert text_of(story) == "Ringkasan.\nIsi.\nAkhir."
    repeated = Story("", "k", "Judul", summary="Isi awal", body="Isi awal dan seterusnya.")
    assert text_of(repeated) == "Isi awal dan seterusnya."


def test_counts_come_back_as_they_were_packed() -> None:
    counts = {1: 3, 256: 0x81, 70_000: 0, 0x01000001: 5}
    data = ranking.packed(counts)
    assert dict(ranking.unpacked(data)) == counts
    assert [ranking.count_of(data, word_id) for word_id in (1, 256, 70_000, 2, 65_536)] == [
        3, 0x81, 0, None, None,
    ]  # fmt: skip


@given(st.dictionaries(st.integers(1, 2**31 - 1), st.integers(0, 255), max_size=20))
def test_any_counts_can_be_packed(counts: dict[int, int]) -> None:
    data = ranking.packed(counts)
    assert {word: ranking.count_of(data, word) for word in counts} == counts


def test_recency_only_takes_off_and_ever_slower() -> None:
    days = [ranking.recency(number * 86_400.0) for number in (0, 1, 30, 365, 3650)]
    assert days == sorted(days, reverse=True)
    assert days[0] == 1.0
    assert days[-1] > 0.35


def test_a_story_compared_with_itself_is_a_copy() -> None:
    read = wording(replace(Story("", "k", "Banjir di Ciledug"), body=FLOOD))
    vector = ranking.vector(read.stems(), {}, 10)
    assert abs(ranking.dot(vector, vector) - 1) < 1e-9
    assert ranking.is_copy(1.0, 1.0)
    letters = start_of(Story("", "k", "Banjir di Ciledug", body=FLOOD)).grams
    assert abs(ranking.likeness(letters, letters) - 1) < 1e-9


def test_a_list_needs_one_close_story_to_show_others_that_are_less_so() -> None:
    assert ranking.is_close(0.13, 5_000, best=True)
    assert not ranking.is_close(0.11, 5_000, best=True)
    assert ranking.is_close(0.11, 5_000)
    assert not ranking.is_close(0.16, 20)
