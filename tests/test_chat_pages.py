"""Paging: what fits into 64 bytes comes back as it was, and any search is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from factories import stored_story
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.chat.pages import MAX_CALLBACK_BYTES, MOST, Page, read_page, tidy_words, understood
from bot.chat.sharing import parts
from bot.relating import Found, search
from bot.text import utf16_length
from bot.types import Story

if TYPE_CHECKING:
    from bot.store import Store

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(
    words=TEXT,
    offset=st.integers(0, 999_999),
    count=st.integers(1, MOST),
    first_id=st.integers(0, 10**15),
)
def test_a_page_survives_its_button(words: str, offset: int, count: int, first_id: int) -> None:
    first_id = first_id if offset else 0
    page = Page("search", tidy_words(words), offset, count, first_id)
    data = page.data()
    assert len(data.encode()) <= MAX_CALLBACK_BYTES
    read = read_page("search", data.partition(":")[2], None)
    assert read == page or (read is None and "…" in data)


def test_buttons_of_before_are_still_read() -> None:
    assert read_page("search", "banjir:5x5a", None) == Page("search", "banjir", 5, 5)
    assert read_page("latest", ":10x5", None) == Page("latest", "", 10, 5)


def test_what_a_search_made_of_its_words_is_said_in_words_as_written() -> None:
    found = Found(
        corrections=(("banjri", "banjir"), ("#politk", "#politik"), ("文新", "文新闻")),
        missing=("gempa", "文新"),
        relaxed=True,
        total=23,
        stories=(Story(url="", code="", title="x"),) * 5,
    )
    said = understood(Page("search", "Banjri gempa #politk 中文新闻", 5, 5), found)
    assert said.instead == (("banjri", "banjir"), ("#politk", "#politik"))
    assert said.missing == ("gempa",)
    assert (said.relaxed, said.span) == (True, "6–10 / 23")


@given(st.text(max_size=64))
def test_any_data_is_a_page_or_none(data: str) -> None:
    page = read_page("latest", data, None)
    assert page is None or 1 <= page.count <= MOST


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=TEXT | st.sampled_from(["a & b", "!a", "a:*", "'x", "a <-> b", "\\", "(", "NOT a"]))
async def test_any_words_can_be_searched(store: Store, words: str) -> None:
    await search(store, tidy_words(words), 6)


async def test_words_with_punctuation_are_found(store: Store) -> None:
    await stored_story(store, title="Vaksin COVID-19 tiba di RSUD dr. Drajat (Serang)")
    for words in ("covid-19", "COVID", "dr. Drajat", "(serang)", "“vaksin”", "vaksin !!!"):
        assert len((await search(store, words, 6)).stories) == 1, words


@pytest.mark.parametrize("limit", [10, 11])
@given(text=TEXT)
def test_parts_are_short_and_lose_nothing_but_space(text: str, limit: int) -> None:
    cut = list(parts(text, limit))
    assert all(utf16_length(part) <= limit for part in cut)
    assert "".join("".join(cut).split()) == "".join(text.split())
