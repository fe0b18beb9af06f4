"""Cleaning and shortening, for any text that JSON can carry."""

from __future__ import annotations

import unicodedata

import pytest
import tdlib
from hypothesis import example, given
from hypothesis import strategies as st

from bot.text import (
    balanced,
    for_telegram,
    is_blank,
    lead,
    lines,
    one_line,
    repair,
    shorten,
    utf16_length,
    whatsapp_text,
)

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
anything = st.text(st.characters() | st.sampled_from(BIDI + "\n \u030a\u200e\u200f\ud83d\ude00"))


@given(anything)
def test_cleaning_twice_is_cleaning_once(text):
    for clean in (repair, one_line, lines, for_telegram, balanced):
        assert clean(clean(text)) == clean(text)
        clean(text if clean is not balanced else repair(text)).encode()


@given(anything)
@example("\u202e\u2069a \u200e\u202a\u200f")
def test_telegrams_server_changes_nothing_in_a_text_made_for_it(text):
    clean = for_telegram(text)
    assert tdlib.as_sent(clean).strip(" \n") == clean


@given(anything, st.integers(-2, 60))
def test_a_shortened_text_keeps_within_its_limit_and_its_beginning(text, limit):
    text = lines(text)
    short = shorten(text, limit)
    assert utf16_length(short) <= max(limit, 0)
    if short != text and short:
        assert short.endswith("…")
        assert without_bidi(text).startswith(without_bidi(short[:-1]))


def without_bidi(text: str) -> str:
    return "".join(character for character in text if character not in BIDI)


@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1), st.integers(12, 60))
def test_a_text_is_cut_between_words(words, limit):
    short = shorten(" ".join(words), limit)
    kept = short.removesuffix("…").split()
    assert kept == words[: len(kept)]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("👨‍👩‍👧" * 3, 10),
        ("e\u0301" * 6, 6),
        ("🇮🇩🇮🇩🇮🇩", 7),
        ("👍🏽👍🏽👍🏽", 6),
        ("नमस्ते" * 3, 6),
    ],
)
def test_no_character_is_cut_in_two(text, limit):
    kept = shorten(text, limit).removesuffix("…")
    rest = text[len(kept) :]
    assert kept
    assert not unicodedata.category(rest[0]).startswith("M")
    assert rest[0] != "\u200d"
    assert kept[-1] != "\u200d"
    assert kept.count("🇮") == kept.count("🇩")
    assert rest[0] != "🏽"


def test_a_lone_half_of_a_pair_is_replaced_and_two_halves_are_joined():
    assert repair("a\ud83d\ude00b\ud83dc\ude00") == "a😀b\ufffdc\ufffd"


def test_lines_stay_lines_and_their_gaps_are_one_empty_line():
    assert lines(" a \r\n\r\n\n b\tc\u2028d\0e \n") == "a\n\nb c\nd e"


def test_controls_that_nothing_closes_are_dropped():
    assert balanced("a\u2067b\u2069c\u202ed") == "a\u2067b\u2069cd"
    assert balanced("\u2066\u202ba\u2069b\u202c") == "\u2066a\u2069b"


@pytest.mark.parametrize(
    "text", ["", " \n", "\u200b\ufeff", "\u2800\u3164", "\u202e\u2069", "\xa0"]
)
def test_texts_that_show_nothing_are_blank(text):
    assert is_blank(text)
    assert not is_blank(text + "।")


def test_a_lead_is_whole_or_ends_at_a_sentence_or_a_word():
    assert lead("Satu dua.", least=3, most=9) == "Satu dua."
    assert lead("Satu dua. Tiga empat.", least=3, most=15) == "Satu dua. …"
    assert lead("Satu dua. Tiga empat.", least=10, most=15) == "Satu dua. Tiga…"


@given(st.text("*_~` a1\n"))
def test_a_neutralised_text_reads_the_same(text):
    shown = whatsapp_text(text).replace("\u2060", "")
    assert shown.replace("\u2217", "*").replace("\u02cb", "`") == text
