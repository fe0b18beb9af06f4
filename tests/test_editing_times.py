"""Moments as editors write them, in the newsroom's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.editing import read_moment

ZONE = ZoneInfo("Asia/Jakarta")
# Tuesday, 17.00 in Jakarta.
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("18:30", local(2026, 11, 24, 18, 30)),
        ("18.30", local(2026, 11, 24, 18, 30)),
        ("pukul 18.30", local(2026, 11, 24, 18, 30)),
        ("18:30 WIB", local(2026, 11, 24, 18, 30)),
        ("19:30 WITA", local(2026, 11, 24, 18, 30)),
        ("besok 08.00 WIT", local(2026, 11, 25, 6, 0)),
        ("jam 7 malam", local(2026, 11, 24, 19, 0)),
        ("6:30 pm", local(2026, 11, 24, 18, 30)),
        ("at 9pm", local(2026, 11, 24, 21, 0)),
        ("06:00", local(2026, 11, 25, 6, 0)),
        ("besok 06:00", local(2026, 11, 25, 6, 0)),
        ("Besok, pukul 06.00", local(2026, 11, 25, 6, 0)),
        ("besok jam 6 pagi", local(2026, 11, 25, 6, 0)),
        ("tomorrow 06:00", local(2026, 11, 25, 6, 0)),
        ("tomorrow at 6 am", local(2026, 11, 25, 6, 0)),
        ("lusa 07.15", local(2026, 11, 26, 7, 15)),
        ("hari ini 23:59", local(2026, 11, 24, 23, 59)),
        ("selasa 07:00", local(2026, 12, 1, 7, 0)),
        ("Jumat 07.00", local(2026, 11, 27, 7, 0)),
        ("friday 07:00", local(2026, 11, 27, 7, 0)),
        ("25 Nov 2026 07.00", local(2026, 11, 25, 7, 0)),
        ("25 November 2026 pukul 07.00 WIB", local(2026, 11, 25, 7, 0)),
        ("25 Nov 07:00", local(2026, 11, 25, 7, 0)),
        ("5 Januari 08.00", local(2027, 1, 5, 8, 0)),
        ("2026-11-25 07:00", local(2026, 11, 25, 7, 0)),
        ("25/11/2026 07:00", local(2026, 11, 25, 7, 0)),
        ("in 2 hours", NOW + timedelta(hours=2)),
        ("2 jam lagi", NOW + timedelta(hours=2)),
        ("dalam 30 menit", NOW + timedelta(minutes=30)),
        ("30m", NOW + timedelta(minutes=30)),
        ("sejam lagi", NOW + timedelta(hours=1)),
        ("in an hour", NOW + timedelta(hours=1)),
        ("in half an hour", NOW + timedelta(minutes=30)),
        ("setengah jam lagi", NOW + timedelta(minutes=30)),
        ("3 hari lagi", NOW + timedelta(days=3)),
    ],
)
def test_a_moment_is_read_in_the_newsrooms_zone(words: str, moment: datetime) -> None:
    """What editors write means what they mean."""
    assert read_moment(words, NOW, ZONE) == moment


@pytest.mark.parametrize(
    "words",
    [
        "", "kapan saja", "25:00", "18:75", "besok", "24 Nov 2026 07.00", "1 Jan 2020 07:00",
        "25 Nov 2026", "25 Nov 2036 07:00", "in 99999 days", "7", "12", "13 pm", "hari ini 08:00",
        "31 Februari 2027 08:00", "-5 menit", "in 0 minutes", "9" * 200,
    ],
)  # fmt: skip
def test_what_is_no_moment_ahead_is_none(words: str) -> None:
    """A story never goes out at a time that nobody named."""
    assert read_moment(words, NOW, ZONE) is None


@given(st.text(max_size=60))
def test_any_words_give_a_moment_ahead_or_none(words: str) -> None:
    """No words break the reader."""
    moment = read_moment(words, NOW, ZONE)
    assert moment is None or moment > NOW
