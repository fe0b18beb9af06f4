"""Moments as editors write them: "18:30", "besok 06.00", "25 Nov 2026 07.00", "in 2 hours"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from bot.dates import parse_date

if TYPE_CHECKING:
    from datetime import date, tzinfo
    from zoneinfo import ZoneInfo

LONGEST_AHEAD: Final = timedelta(days=366)

_UNITS_S: Final = {
    **dict.fromkeys(("menit", "mnt", "minute", "minutes", "min", "mins", "m"), 60),
    **dict.fromkeys(("jam", "hour", "hours", "hr", "hrs", "h", "j"), 3_600),
    **dict.fromkeys(("hari", "day", "days", "d"), 86_400),
    **dict.fromkeys(("minggu", "pekan", "week", "weeks"), 604_800),
}
_ONE: Final = {"sejam": 3_600, "semenit": 60, "sehari": 86_400, "seminggu": 604_800}
_DAYS: Final = {
    **dict.fromkeys(("today", "hari ini", "nanti"), 0),
    **dict.fromkeys(("tomorrow", "besok", "besuk", "esok"), 1),
    **dict.fromkeys(("lusa", "besok lusa", "day after tomorrow"), 2),
}
_WEEKDAYS: Final = {
    name: number
    for number, names in enumerate(
        (
            "senin monday mon",
            "selasa tuesday tue",
            "rabu wednesday wed",
            "kamis thursday thu",
            "jumat jum'at friday fri",
            "sabtu saturday sat",
            "minggu ahad sunday sun",
        )
    )
    for name in names.split()
}
_PARTS: Final = {
    **dict.fromkeys(("pagi", "subuh", "morning"), range(12)),
    **dict.fromkeys(("siang", "noon"), range(10, 16)),
    **dict.fromkeys(("sore", "afternoon"), range(12, 19)),
    **dict.fromkeys(("malam", "evening", "night", "tonight"), range(18, 24)),
}
_ZONES: Final = {
    name: timezone(timedelta(hours=hours)) for name, hours in (("wib", 7), ("wita", 8), ("wit", 9))
}
_NUMBER: Final = r"(?:\d{1,5}|an?|one|satu|half an|setengah)"
_RELATIVE: Final = re.compile(
    rf"(?:(?:in|dalam)\s+)?({_NUMBER})\s*({'|'.join(sorted(_UNITS_S, key=len, reverse=True))})"
    r"(?:\s+(?:lagi|from now|kemudian))?"
)
_CLOCK: Final = re.compile(
    r"(?:(?:pukul|pkl|jam|at)\.?\s*)?(\d{1,2})(?:[.:](\d{2}))?\s*(am|pm)?"
    rf"(?:\s*({'|'.join(_PARTS)}))?(?:\s*({'|'.join(_ZONES)}))?"
)
_DAY_FIRST: Final = re.compile(
    rf"({'|'.join(sorted((*_DAYS, *_WEEKDAYS), key=len, reverse=True))})\b[\s,]*(.*)"
)


@dataclass(frozen=True, slots=True)
class _Clock:
    hour: int
    minute: int
    zone: tzinfo | None


def read_moment(words: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Read when something is to go out; None for what is no moment or is not ahead.

    A clock alone is its next coming, a weekday the next of that name, and a day needs a clock.
    Words without a zone are in `zone`. At most LONGEST_AHEAD from now, to the second.
    """
    tidy = " ".join(words.lower().replace(",", " ").split())
    moment = (
        _relative(tidy, now)
        or _next_clock(tidy, now, zone)
        or _on_day(tidy, now, zone)
        or _dated(words, now, zone)
    )
    if moment is None:
        return None
    try:
        ahead = moment.astimezone(now.tzinfo) - now
    except OverflowError:
        return None
    return moment if timedelta() < ahead <= LONGEST_AHEAD else None


def _relative(words: str, now: datetime) -> datetime | None:
    for one, seconds in _ONE.items():
        if words in (f"{one} lagi", f"dalam {one}"):
            return now + timedelta(seconds=seconds)
    found = _RELATIVE.fullmatch(words)
    # "jam 7" is a clock; "2 jam" is a while.
    if found is None:
        return None
    halves = {"half an": 0.5, "setengah": 0.5}
    number = float(found[1]) if found[1].isdecimal() else halves.get(found[1], 1.0)
    return now + timedelta(seconds=number * _UNITS_S[found[2]])


def _next_clock(words: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    clock = _clock(words)
    if clock is None:
        return None
    today = now.astimezone(clock.zone or zone).date()
    moment = _at(today, clock, zone)
    return moment if moment > now else _at(today + timedelta(days=1), clock, zone)


def _on_day(words: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    found = _DAY_FIRST.fullmatch(words)
    clock = _clock(found[2]) if found else None
    if found is None or clock is None:
        return None
    today = now.astimezone(clock.zone or zone).date()
    if found[1] in _DAYS:
        return _at(today + timedelta(days=_DAYS[found[1]]), clock, zone)
    ahead = (_WEEKDAYS[found[1]] - today.weekday()) % 7
    moment = _at(today + timedelta(days=ahead), clock, zone)
    return moment if moment > now else _at(today + timedelta(days=ahead + 7), clock, zone)


def _dated(words: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """A date with a clock; its year may be left out."""
    if not re.search(r"\d{1,2}[.:]\d{2}|\d\s*[ap]m\b", words.lower()):
        return None
    year = now.astimezone(zone).year
    for text in (words, *_with_year(words, year), *_with_year(words, year + 1)):
        moment = parse_date(text, zone)
        if moment is not None and (moment > now or text == words):
            return moment
    return None


def _with_year(words: str, year: int) -> list[str]:
    found = re.fullmatch(r"(.*?\d{1,2}\s+[^\W\d_]{3,}\.?|[^\W\d_]{3,}\.?\s+\d{1,2})\s+(.+)", words)
    return [f"{found[1]} {year} {found[2]}"] if found else []


def _clock(words: str) -> _Clock | None:
    found = _CLOCK.fullmatch(words.strip())
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3] and not 1 <= hour <= 12:
        return None
    if found[3]:
        hour = hour % 12 + (12 if found[3] == "pm" else 0)
    elif found[4] and hour <= 12:
        hour = next((at for at in (hour % 24, hour + 12) if at in _PARTS[found[4]]), hour)
    elif not (found[2] or words.strip()[0].isalpha()):
        return None
    return _Clock(hour, minute, _ZONES.get(found[5])) if hour < 24 and minute < 60 else None


def _at(day: date, clock: _Clock, zone: ZoneInfo) -> datetime:
    return datetime(
        day.year, day.month, day.day, clock.hour, clock.minute, tzinfo=clock.zone or zone
    )
