"""Which words of a title tell what it is about, and which stories are close."""

from __future__ import annotations

from factories import sighting
from hypothesis import given
from hypothesis import strategies as st

from bot.related import MAX_TERMS, closest, telling_terms


def story(number: int, title: str, **changes: object) -> object:
    return sighting(number, title=title, **changes).story


def test_telling_terms_leave_out_what_every_headline_has() -> None:
    title = "Polres Metro Tangerang Gelar Rakor Lintas Sektoral untuk Pemilu 2024"
    assert telling_terms(story(1, title)) == [
        "polres", "metro", "tangerang", "rakor", "lintas", "sektoral", "pemilu",
    ]  # fmt: skip


def test_a_title_that_tells_nothing_has_no_terms_and_nothing_close() -> None:
    bare = story(1, "Ini yang akan ada di 2024!")
    assert telling_terms(bare) == []
    assert closest(bare, [story(2, "Ini yang akan ada di 2025")], 5) == []


def test_the_closest_come_first_and_the_story_itself_not_at_all() -> None:
    asked = story(1, "Banjir Rendam Ciledug Tangerang")
    near = story(2, "Banjir di Ciledug Tangerang Surut")
    far = story(3, "Banjir dan Longsor", summary="Warga Ciledug mengungsi", tags=("Tangerang",))
    assert closest(asked, [asked, far, near], 5) == [near, far]


def test_one_shared_word_is_chance() -> None:
    asked = story(1, "Wali Kota Tangerang Lantik Camat", tags=())
    assert closest(asked, [story(2, "Persita Tangerang Menang", tags=("Bola",))], 5) == []


def test_a_common_tag_alone_is_no_relation() -> None:
    asked = story(1, "Camat Benda Diganti", tags=("Tangerang",))
    assert closest(asked, [story(2, "Harga Cabai Pedas", tags=("Tangerang",))], 5) == []


def test_a_long_summary_makes_no_relation() -> None:
    asked = story(1, "Tinggi Muka Air Cisadane Surut, Siaga Banjir Dicabut", tags=())
    summary = "Warga melihat tinggi muka air surut; siaga banjir dicabut."
    assert closest(asked, [story(2, "Lagu tentang Cisadane", summary=summary, tags=())], 5) == []


@given(st.text(), st.text())
def test_any_titles_can_be_compared(first: str, second: str) -> None:
    asked, other = story(1, first), story(2, second)
    terms = telling_terms(asked)
    assert len(terms) <= MAX_TERMS
    assert len(set(terms)) == len(terms)
    assert len(closest(asked, [other, asked], 1)) <= 1
