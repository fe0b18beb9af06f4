"""Dates in every shape that feeds and pages use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dates import ago, find_date, long_date, parse_date

JAKARTA = ZoneInfo("Asia/Jakarta")

SHAPES = {
    "Senin, 24 Agustus 2026 08:00 WIB": "2026-08-24T08:00:00+07:00",
    "Senin, 24 Agustus 2026 08:00 WITA": "2026-08-24T08:00:00+08:00",
    "Senin, 24 Agustus 2026 08:00 WIT": "2026-08-24T08:00:00+09:00",
    "Rabu, 11 Oktober 2023": "2023-10-11T00:00:00+07:00",
    "Rabu, 12 Februari 2025 - 15:31 WIB": "2025-02-12T15:31:00+07:00",
    "Jumat, 14 Feb 2025 - 12:33 WIB": "2025-02-14T12:33:00+07:00",
    "Jum'at, 14 Februari 2025 pukul 15.31 WITA": "2025-02-14T15:31:00+08:00",
    "Sel, 24 Nov 2026 10:00:00 +0700": "2026-11-24T10:00:00+07:00",
    "Sen, 24 Agu 2026": "2026-08-24T00:00:00+07:00",
    "Kamis, 5 Juni 2025 | 14.05": "2025-06-05T14:05:00+07:00",
    "Mon, 24 Aug 2026 08:00:00 WIB": "2026-08-24T08:00:00+07:00",
    "Tue, 24 Aug 2026 08:00:00 GMT": "2026-08-24T08:00:00+00:00",
    "24 Aug 26 08:00 EST": "2026-08-24T08:00:00-05:00",
    "24 Aug 99 08:00 GMT": "1999-08-24T08:00:00+00:00",
    "Thu, 5 Jun 2025 14:05:07 GMT+7": "2025-06-05T14:05:07+07:00",
    "Thu, 5 Jun 2025 24:00:00 GMT": "2025-06-06T00:00:00+00:00",
    "Thu, 5 Jun 2025 23:59:60 GMT": "2025-06-05T23:59:59+00:00",
    "Mon, 24 Aug 2026 08:00:00 -0000 (UTC)": "2026-08-24T08:00:00+00:00",
    "Mon, 24 Aug 2026 08:00:00 +0530": "2026-08-24T08:00:00+05:30",
    "October 11, 2023 at 3:04 PM": "2023-10-11T15:04:00+07:00",
    "Wed Oct 11 10:00:00 +0700 2023": "2023-10-11T10:00:00+07:00",
    "2026-08-24T08:00:00Z": "2026-08-24T08:00:00+00:00",
    "2026-08-24T08:00:00.123456789+0700": "2026-08-24T08:00:00+07:00",
    "2026-08-24t08:00:00-07:00": "2026-08-24T08:00:00-07:00",
    "2026-08-24 08:00": "2026-08-24T08:00:00+07:00",
    "2026-08-24": "2026-08-24T00:00:00+07:00",
    "20260824T080000Z": "2026-08-24T08:00:00+00:00",
    "2026-W35-1": "2026-08-24T00:00:00+07:00",
    "2026-236": "2026-08-24T00:00:00+07:00",
    "24/08/2026 08:00": "2026-08-24T08:00:00+07:00",
    "24.08.2026 08.00": "2026-08-24T08:00:00+07:00",
    "05/06/2025": "2025-06-05T00:00:00+07:00",
    "  Rabu,\n 11  Oktober\t2023 ": "2023-10-11T00:00:00+07:00",
}
NONSENSE = (
    "", " ", "hello", "31/02/2026", "0001-01-01T00:00:00Z", "99999-01-01", "32 Mei 2024", "13:00",
    "24 Agustus", "2026-13-01", "Rabu (11/10)", "24 Agustus 2026 25:00", "1" * 5000, "\ud800",
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SHAPES.items())
def test_every_shape_is_read_with_its_zone(text, expected):
    moment = parse_date(text, JAKARTA)
    assert moment is not None
    assert moment.isoformat() == expected


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_gives_none(text):
    assert parse_date(text, JAKARTA) is None


PIECES = st.sampled_from(
    [*SHAPES, "Rabu", "Mei", "2024", "-", ":", "T", "Z", "+07:00", "WIB", "99", "0000", "١٢", " "]
)


@given(st.text() | st.lists(PIECES, max_size=8).map("".join))
def test_any_text_gives_an_aware_moment_or_none(text):
    for read in (parse_date, find_date):
        moment = read(text, JAKARTA)
        assert moment is None or moment.astimezone(UTC).tzinfo is UTC


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_what_long_date_writes_is_read_back(naive):
    moment = naive.replace(tzinfo=JAKARTA, second=0, microsecond=0)
    for language in ("id", "en"):
        again = parse_date(long_date(moment, JAKARTA, language), JAKARTA)
        assert again is not None
        assert again.replace(tzinfo=None) == moment.replace(tzinfo=None)


def test_a_date_is_found_inside_a_line():
    found = find_date("Oleh admin - Rabu, 11 Oktober 2023 | 10:00 WIB", JAKARTA)
    assert found is not None
    assert found.isoformat() == "2023-10-11T10:00:00+07:00"
    assert find_date("kata Zain, Rabu (11/10).", JAKARTA) is None


def test_long_dates_follow_the_language():
    moment = datetime(2025, 2, 12, 8, 31, tzinfo=UTC)
    assert long_date(moment, JAKARTA, "id") == "Rabu, 12 Februari 2025 - 15:31 WIB"
    assert long_date(moment, JAKARTA, "en") == "Wednesday, 12 February 2025, 15:31 WIB"
    assert long_date(moment, ZoneInfo("Asia/Makassar"), "id").endswith("16:31 WITA")


@pytest.mark.parametrize(
    ("passed", "indonesian", "english"),
    [
        (timedelta(seconds=-30), "baru saja", "just now"),
        (timedelta(seconds=59), "baru saja", "just now"),
        (timedelta(minutes=1), "1 menit lalu", "1 minute ago"),
        (timedelta(minutes=15), "15 menit lalu", "15 minutes ago"),
        (timedelta(hours=2), "2 jam lalu", "2 hours ago"),
        (timedelta(days=1, minutes=29), "kemarin 15.31", "yesterday 15:31"),
        (
            timedelta(days=3),
            "Senin, 10 Februari 2025 - 16:00 WIB",
            "Monday, 10 February 2025, 16:00 WIB",
        ),
        (
            timedelta(hours=-2),
            "Kamis, 13 Februari 2025 - 18:00 WIB",
            "Thursday, 13 February 2025, 18:00 WIB",
        ),
    ],
)
def test_ago_says_it_as_a_person_would(passed, indonesian, english):
    now = datetime(2025, 2, 13, 16, 0, tzinfo=JAKARTA)
    assert ago(now - passed, now, JAKARTA, "id") == indonesian
    assert ago(now - passed, now, JAKARTA, "en") == english
