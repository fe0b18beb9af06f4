"""Dates as newsrooms write them, read and written: RFC 822, ISO 8601, Indonesian and English."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

MAX_CHARS = 120
YEARS = range(1900, 2200)

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "januari january jan",
            "februari pebruari february feb peb",
            "maret march mar mrt",
            "april apr",
            "mei may",
            "juni june jun",
            "juli july jul",
            "agustus august agu ags agt agst aug",
            "september sept sep",
            "oktober october okt oct",
            "november nopember nov nop",
            "desember december des dec",
        ),
        start=1,
    )
    for name in names.split()
}
_DAY_NAMES = """
senin selasa rabu kamis jumat jum'at jum’at sabtu minggu ahad sen sel rab rabo kam jum sab min
ahd monday tuesday wednesday thursday friday saturday sunday mon tues tue wed thurs thur thu
fri sat sun
"""
_ZONES_H: dict[str, float] = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "wib": 7, "wita": 8, "wit": 9,
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
    "akst": -9, "akdt": -8, "hst": -10, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2,
    "eet": 2, "eest": 3, "msk": 3, "gst": 4, "ist": 5.5, "ict": 7, "sgt": 8, "myt": 8, "hkt": 8,
    "awst": 8, "jst": 9, "kst": 9, "acst": 9.5, "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
}  # fmt: skip

_DAY = rf"(?:(?:{'|'.join(_DAY_NAMES.split())})\b\.?\s*[,|/]?\s*)?"
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_OFFSET = r"[+-]\d{1,2}(?::?\d{2})?"
_ZONE = rf"(?:\s*\(?(?P<zone>(?:(?:gmt|utc)\s*)?{_OFFSET}|[a-z]{{1,5}}\b)\)?)?"
_CLOCK = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"(?!\d)(?:\s*(?P<half>[ap])\.?m\b\.?)?"
)
_GAP = r"(?:\s*[,|·•@/–—-]\s*|\s+)"
_TIME = rf"(?:{_GAP}(?:(?:pukul|pkl|jam|at|on)\b\.?:?\s*)?{_CLOCK}{_ZONE})?"
_NOTE = r"(?:\s*\([^()]{0,40}\))?"
_FLAGS = re.IGNORECASE | re.ASCII

_SHAPES = tuple(
    re.compile(shape, _FLAGS)
    for shape in (
        # 24 Agustus 2026, Mon, 24 Aug 26 08:00:00 +0700
        (
            rf"{_DAY}(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s.-]{{1,3}}{_MONTH}[\s.,-]{{0,3}}"
            rf"(?P<year>\d{{4}}|\d{{2}})(?![\d:]){_TIME}{_NOTE}"
        ),
        # August 24, 2026 8:00 AM
        (
            rf"{_DAY}(?<![a-z]){_MONTH}\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s*,?\s+(?P<year>\d{{4}})(?!\d)"
            rf"{_TIME}{_NOTE}"
        ),
        # Mon Aug 24 08:00:00 WIB 2026
        rf"{_DAY}(?<![a-z]){_MONTH}\s+(?P<day>\d{{1,2}})\s+{_CLOCK}{_ZONE}\s+(?P<year>\d{{4}})(?!\d)",
        # 2026-08-24T08:00:00.000+07:00, 20260824T080000Z
        (
            r"(?<![\d-])(?P<year>\d{4})(?P<dash>[-/.]?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
            r"(?:(?:\s*t\s*|\s+|,\s*)(?P<hour>\d{2})(?:[:.]?(?P<minute>\d{2})"
            rf"(?:[:.]?(?P<second>\d{{2}})(?:[.,]\d{{1,9}})?)?)?{_ZONE})?(?!\d)"
        ),
        # 24/08/2026 08:00
        (
            rf"{_DAY}(?<![\d/.-])(?P<day>\d{{1,2}})(?P<dash>[/.-])(?P<month>\d{{1,2}})(?P=dash)"
            rf"(?P<year>\d{{4}})(?![\d/-]){_TIME}{_NOTE}"
        ),
        # 2026-W35-1
        rf"(?<!\d)(?P<year>\d{{4}})-?w(?P<week>\d{{2}})-?(?P<day>[1-7]){_TIME}",
        # 2026-236
        (
            r"(?<!\d)(?P<year>\d{4})-(?P<ordinal>\d{3})(?!\d)"
            rf"(?:t(?P<hour>\d{{2}}):(?P<minute>\d{{2}})(?::(?P<second>\d{{2}}))?{_ZONE})?"
        ),
    )
)
_EDGE = " \t\r\n\f\v\xa0,.;|-–—"

_WRITTEN_DAYS = {
    "id": "Senin Selasa Rabu Kamis Jumat Sabtu Minggu",
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
}
_WRITTEN_MONTHS = {
    "id": "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember",
    "en": "January February March April May June July August September October November December",
}


def parse_date(text: str, zone: ZoneInfo) -> datetime | None:
    """Read a text that is a date, in any shape that feeds and pages use.

    Aware, in the zone that the text names, else in `zone`; midnight where it gives no time; a
    wrong weekday does not matter; day before month in 24/08/2026. None for anything else.
    Years 1900 to 2199, at most 120 characters, so that the result converts to any zone.
    Source: RFC 822, RFC 5322 (sections 3.3 and 4.3), RFC 3339, ISO 8601.
    """
    tidy = text.strip(_EDGE)
    if not tidy or len(tidy) > MAX_CHARS:
        return None
    tidy = " ".join(tidy.split())
    for shape in _SHAPES:
        if match := shape.fullmatch(tidy):
            return _moment(match, zone)
    return None


def find_date(text: str, zone: ZoneInfo) -> datetime | None:
    """Read the first date inside a line of text; None where it holds none.

    Takes what `parse_date` takes. Lines over 400 characters are not looked at.
    """
    if len(text) > MAX_CHARS * 4:
        return None
    tidy = " ".join(text.split())
    return min(_found(tidy, zone), default=(0, None), key=lambda found: found[0])[1]


def _found(text: str, zone: ZoneInfo) -> Iterator[tuple[int, datetime | None]]:
    for shape in _SHAPES:
        for match in shape.finditer(text):
            if moment := _moment(match, zone):
                yield match.start(), moment
                break


def _moment(match: re.Match[str], zone: ZoneInfo) -> datetime | None:
    parts = match.groupdict()
    try:
        day = _day(parts)
        hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
        if parts.get("half"):
            hour = _from_half(hour, parts["half"].lower())
        extra = timedelta(days=1) if (hour, minute, second) == (24, 0, 0) else timedelta()
        moment = datetime(
            day.year, day.month, day.day, hour % 24 if extra else hour, minute, min(second, 59),
            tzinfo=_zone(parts.get("zone"), zone),
        )  # fmt: skip
    except (ValueError, OverflowError):
        return None
    return moment + extra if moment.year in YEARS else None


def _day(parts: dict[str, str | None]) -> date:
    year = _year(parts["year"] or "")
    if week := parts.get("week"):
        return date.fromisocalendar(year, int(week), int(parts["day"] or 0))
    if ordinal := parts.get("ordinal"):
        found = date(year, 1, 1) + timedelta(days=int(ordinal) - 1)
        if found.year != year:
            raise ValueError(ordinal)
        return found
    named, day = parts["month"] or "", int(parts["day"] or 0)
    month = _MONTHS.get(named.lower()) or int(named)
    if month > 12 >= day and len(parts["year"] or "") == 4 and parts.get("dash") == "/":
        month, day = day, month
    return date(year, month, day)


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) > 2:
        return year
    return year + (2000 if year < 50 else 1900)


def _from_half(hour: int, half: str) -> int:
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half == "p" else 0)


def _zone(name: str | None, default: ZoneInfo) -> tzinfo:
    """Give the zone of a name or offset; an unknown name (a word that follows) is no zone."""
    if not name:
        return default
    low = name.lower()
    if low in _ZONES_H:
        hours = _ZONES_H[low]
        return timezone(timedelta(hours=hours), name.upper()) if hours else UTC
    offset = re.fullmatch(r"(?:gmt|utc)?\s*([+-])(\d{1,2}):?(\d{2})?", low, re.ASCII)
    if not offset:
        return default
    shift = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
    return timezone(shift if offset[1] == "+" else -shift) if shift else UTC


def long_date(moment: datetime, zone: ZoneInfo, language: str) -> str:
    """Write a moment for readers, in `zone`.

    "Rabu, 12 Februari 2025 - 15:31 WIB" for "id", "Wednesday, 12 February 2025, 15:31 WIB" for
    every other language.
    """
    local = moment.astimezone(zone)
    known = "id" if language == "id" else "en"
    weekday = _WRITTEN_DAYS[known].split()[local.weekday()]
    month = _WRITTEN_MONTHS[known].split()[local.month - 1]
    day = f"{weekday}, {local.day} {month} {local.year}"
    gap = " - " if language == "id" else ", "
    return f"{day}{gap}{_clock(local)} {_zone_name(local)}"


def ago(moment: datetime, now: datetime, zone: ZoneInfo, language: str) -> str:
    """Say how long ago a moment is: minutes, hours, "kemarin 15.31", else the long date.

    Up to a minute in the future still counts as now, since clocks differ.
    """
    indonesian = language == "id"
    seconds = (now - moment).total_seconds()
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    if seconds < -60:
        return long_date(moment, zone, language)
    if seconds < 60:
        return "baru saja" if indonesian else "just now"
    if seconds < 3600:
        return _count(int(seconds // 60), "menit" if indonesian else "minute", language)
    if local.date() == today or seconds < 6 * 3600:
        return _count(int(seconds // 3600), "jam" if indonesian else "hour", language)
    if local.date() == today - timedelta(days=1):
        clock = _clock(local)
        return f"kemarin {clock.replace(':', '.')}" if indonesian else f"yesterday {clock}"
    return long_date(moment, zone, language)


def _count(number: int, unit: str, language: str) -> str:
    if language == "id":
        return f"{number} {unit} lalu"
    return f"{number} {unit}{'' if number == 1 else 's'} ago"


def _clock(local: datetime) -> str:
    return f"{local.hour:02}:{local.minute:02}"


def _zone_name(local: datetime) -> str:
    name = local.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name
