"""Which stories a chat wishes, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.types import Narrowing, Pace, Rhythm, Story
from bot.wishes import (
    Choice,
    find_zone,
    fold,
    held_until,
    is_quiet,
    keyword_key,
    next_digest,
    quiet_end,
    read_words,
    told,
    wants,
)

ZONES = [
    "Asia/Jakarta",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Santiago",
]
HOURS = st.integers(0, 23)
ZONE = st.sampled_from(ZONES).map(ZoneInfo)
MOMENTS = st.integers(0, 4 * 366 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
RHYTHMS = st.builds(
    Rhythm,
    pace=st.sampled_from([Pace.HOURLY, Pace.DAILY, Pace.WEEKLY]),
    hour=HOURS,
    weekday=st.integers(0, 6),
)


def story(title: str, summary: str = "", body: str = "", tags: tuple[str, ...] = ()) -> Story:
    return Story("https://a.example/", "a" * 12, title, summary, body, tags=tags)


def choice(words: str) -> Choice:
    tags, narrowing = read_words(words)
    return Choice(
        frozenset(tag.casefold() for tag in tags),
        tuple(map(keyword_key, narrowing.keywords)),
        tuple(map(keyword_key, narrowing.without)),
        frozenset(tag.casefold() for tag in narrowing.without_tags),
    )


def comes(words: str, item: Story) -> bool:
    return wants(choice(words), told(item, [tag.casefold() for tag in item.tags]))


@pytest.mark.parametrize(
    ("words", "title", "expected"),
    [
        ("banjir", "BANJIR Rendam Ciledug", True),
        ("banjir", "Kebanjiran Lagi", False),
        ("banjir", "Banjir-bandang di Lebak", True),
        ('"pilkada banten"', "Jelang Pilkada Banten, KPU Siap", True),
        ('"pilkada banten"', "Pilkada di Banten", False),
        ("pilkada banten, banjir", "Pilkada di Banten", False),
        ("pilkada banten", "Warga Banten", True),
        ("cafe", "Café baru", True),
        ("café", "Cafe baru", True),
        ("CAFE\u0301", "caf\u00e9", True),
        ("strasse", "Straße ditutup", True),
        ("istanbul", "İSTANBUL", True),
        ("jokowi", "Jokowi's plan", True),
        ("jumat", "Salat Jum'at", True),
        ("jum’at", "Salat Jumat", True),
        ("covid-19", "Kasus Covid 19 turun", True),
        ("-iklan", "Iklan layanan", False),
        ("-iklan", "Berita biasa", True),
        ("banjir -iklan", "Banjir dan iklan", False),
        ("−iklan", "Iklan", False),
        ("洪水", "雅加达洪水严重", True),
        ("น้ำท่วม", "ข่าวน้ำท่วมกรุงเทพ", True),
        ("बाढ़", "दिल्ली में बाढ़ आई", True),
        ("बढ़", "दिल्ली में बाढ़ आई", False),
        ("", "apa saja", True),
        ("***", "apa saja", True),
    ],
)
def test_words_are_whole_and_compared_as_readers_read_them(
    words: str, title: str, *, expected: bool
) -> None:
    assert comes(words, story(title)) is expected


def test_a_phrase_is_not_made_of_the_end_of_one_text_and_the_begin_of_the_next() -> None:
    assert not comes('"banjir surut"', story("Jakarta banjir", "Surut besok"))
    assert comes("surut", story("Jakarta banjir", "", "Air surut besok"))


def test_tags_and_keywords_widen_each_other_and_what_is_left_out_wins() -> None:
    item = story("Harga Beras Naik", tags=("Ekonomi", "Tangerang"))
    assert comes("#ekonomi banjir", item)
    assert comes("#politik beras", item)
    assert not comes("#politik banjir", item)
    assert not comes("#ekonomi -#tangerang", item)
    assert not comes("#ekonomi -beras", item)


def test_what_was_typed_is_read_by_quotes_commas_minus_and_hash() -> None:
    assert read_words('banjir, "pilkada banten" -iklan') == (
        (),
        Narrowing(("banjir", "pilkada banten"), ("iklan",)),
    )
    assert read_words("kota serang, #Politik -“harga emas”, -#Iklan") == (
        ("Politik",),
        Narrowing(("kota serang",), ("harga emas",), ("Iklan",)),
    )
    assert read_words("Banjir BANJIR covid-19 -") == ((), Narrowing(("BANJIR", "covid-19")))
    assert read_words("") == ((), Narrowing())


@given(st.text(max_size=200))
def test_any_text_is_read(words: str) -> None:
    tags, narrowing = read_words(words)
    for group in (tags, narrowing.keywords, narrowing.without, narrowing.without_tags):
        assert all(fold(one) and len(one) <= 64 for one in group)
        assert len({fold(one) for one in group}) == len(group)
    comes(words, story(words))


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("wib", "Asia/Jakarta"),
        ("WITA", "Asia/Makassar"),
        ("wit", "Asia/Jayapura"),
        ("berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("europe/london", "Europe/London"),
        ("utc", "UTC"),
        ("nowhere", None),
        ("../etc/passwd", None),
        ("", None),
    ],
)
def test_a_zone_is_found_by_its_name_or_its_city(name: str, zone: str | None) -> None:
    assert find_zone(name) == zone


@given(RHYTHMS, ZONE, MOMENTS)
def test_the_next_digest_is_near_and_at_its_hour(
    rhythm: Rhythm, zone: ZoneInfo, now: datetime
) -> None:
    due_at = next_digest(rhythm, zone, now)
    longest = {Pace.HOURLY: 1.5, Pace.DAILY: 26, Pace.WEEKLY: 7 * 24 + 2}[rhythm.pace]
    assert now < due_at <= now + timedelta(hours=longest)
    local = due_at.astimezone(zone)
    assert local.minute in {0, 30}
    if rhythm.pace is not Pace.HOURLY and zone.key != "Pacific/Apia":
        assert local.hour in {rhythm.hour, (rhythm.hour + 1) % 24}
    if rhythm.pace is Pace.WEEKLY:
        assert local.weekday() == rhythm.weekday


@given(st.sampled_from(ZONES), HOURS, st.integers(0, 700))
def test_daily_digests_come_once_on_each_day_of_the_chats_calendar(
    name: str, hour: int, first: int
) -> None:
    zone, rhythm = ZoneInfo(name), Rhythm(Pace.DAILY, hour)
    now, days = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=first), []
    for _ in range(14):
        now = next_digest(rhythm, zone, now)
        days.append(now.astimezone(zone).date())
    assert [(later - days[0]).days for later in days] == list(range(14))


@pytest.mark.parametrize(
    ("zone", "hour", "now", "expected"),
    [
        ("Europe/Berlin", 2, "2026-03-28T12:00+00:00", "2026-03-29T01:00+00:00"),
        ("Europe/Berlin", 2, "2026-10-24T12:00+00:00", "2026-10-25T00:00+00:00"),
        ("Europe/Berlin", 2, "2026-10-25T00:30+00:00", "2026-10-26T01:00+00:00"),
        ("America/New_York", 1, "2026-11-01T05:30+00:00", "2026-11-02T06:00+00:00"),
        ("Asia/Jakarta", 7, "2026-11-01T00:00+00:00", "2026-11-02T00:00+00:00"),
    ],
)
def test_digests_stay_at_their_hour_when_clocks_change(
    zone: str, hour: int, now: str, expected: str
) -> None:
    found = next_digest(Rhythm(Pace.DAILY, hour), ZoneInfo(zone), datetime.fromisoformat(now))
    assert found == datetime.fromisoformat(expected)


@given(HOURS, HOURS, ZONE, MOMENTS)
def test_quiet_hours_end_where_the_next_hour_is_not_quiet(
    begin: int, end: int, zone: ZoneInfo, now: datetime
) -> None:
    rhythm = Rhythm(quiet_from=begin, quiet_until=end)
    if not is_quiet(rhythm, zone, now):
        assert held_until(rhythm, zone, now, urgent=False) is None
        return
    until = quiet_end(rhythm, zone, now)
    assert now < until
    assert not is_quiet(rhythm, zone, until)
    step = (until - now) / 20
    assert all(is_quiet(rhythm, zone, now + step * part) for part in range(20)) or (
        until - now > timedelta(hours=24)
    )


def test_urgent_stories_pass_quiet_hours_only_where_the_chat_allows() -> None:
    zone, night = ZoneInfo("Asia/Jakarta"), datetime(2026, 1, 1, 17, tzinfo=UTC)
    strict, open_ = (
        Rhythm(quiet_from=22, quiet_until=6, urgent=allows) for allows in (False, True)
    )
    morning = datetime(2026, 1, 1, 23, tzinfo=UTC)
    assert held_until(strict, zone, night, urgent=True) == morning
    assert held_until(open_, zone, night, urgent=True) is None
    assert held_until(open_, zone, night, urgent=False) == morning


@given(RHYTHMS, HOURS, HOURS, ZONE, MOMENTS)
def test_no_digest_comes_in_quiet_hours(
    rhythm: Rhythm, begin: int, end: int, zone: ZoneInfo, now: datetime
) -> None:
    quiet = Rhythm(rhythm.pace, rhythm.hour, rhythm.weekday, begin, end)
    due_at = held_until(quiet, zone, now, urgent=True)
    assert due_at is not None
    assert now < due_at
    assert not is_quiet(quiet, zone, due_at)


def test_a_tag_begins_anew_also_where_commas_part_phrases() -> None:
    tags, rest = read_words('banjir bandang, "pilkada banten" -iklan #politik, #kota tangerang')
    assert tags == ("politik", "kota tangerang")
    assert rest == Narrowing(("banjir bandang", "pilkada banten"), ("iklan",))
