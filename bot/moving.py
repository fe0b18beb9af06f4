"""`sebar export` and `sebar import`: the audience as JSON Lines, one chat a line.

A line is an object: `telegram_id`, `type`, `username`, `title`, `language`, `zone` (IANA name),
`closed_at` (RFC 3339), `closed_reason` and `subscriptions`, each of which has

- `thread_id` (0 for none), `silent`, `preview` ("large", "small", "none");
- `tags`, `keywords`: what is wanted, everything without; `without`, `without_tags`: what is not;
- `pace` ("once", "hourly", "daily", "weekly"), `hour` and `weekday` (0 is Monday) of its digests;
- `quiet`, null or [from, until] in hours of the zone; `urgent`: whether urgent stories pass them.

Older exports lack `zone` and all of a subscription but `thread_id`, `tags` and `silent`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.errors import ImportFault
from bot.types import (
    Chat,
    ChatType,
    Member,
    Narrowing,
    Pace,
    Preview,
    Rhythm,
    Subscription,
)
from bot.wishes import find_zone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from bot.store import Store

AT_ONCE = 500
HOURS_IN_DAY = 24
DAYS_IN_WEEK = 7
LARGEST_NUMBER = 2**52


async def export_lines(store: Store) -> AsyncIterator[str]:
    """Give every chat that the bot knows, with its wishes, a line each; in bounded memory."""
    last_id = 0
    while members := await store.list_members(last_id, AT_ONCE):
        for member in members:
            yield to_line(member)
        last_id = members[-1].chat.id


async def import_lines(store: Store, lines: Iterable[str], now: datetime) -> int:
    """Take over the chats of an export; it may be repeated. Gives their number.

    Raises ImportFault, naming the line; the lines before it were taken over.
    """
    number = 0
    for members in _in_parts(_members(lines)):
        await store.record_members(members, now)
        number += len(members)
    return number


def to_line(member: Member) -> str:
    """A chat and its wishes as one line of JSON."""
    chat = member.chat
    return json.dumps(
        {
            "telegram_id": chat.telegram_id,
            "type": chat.type.value,
            "username": chat.username,
            "title": chat.title,
            "language": chat.language,
            "zone": chat.zone,
            "closed_at": None if chat.closed_at is None else chat.closed_at.isoformat(),
            "closed_reason": chat.closed_reason,
            "subscriptions": [_from_wish(wish) for wish in member.subscriptions],
        },
        ensure_ascii=False,
    )


def to_member(line: str) -> Member:
    """The chat that to_line wrote. Raises ValueError, KeyError or TypeError for anything else."""
    value: dict[str, Any] = json.loads(line)
    zone = value.get("zone")
    if zone is not None and find_zone(zone) != zone:
        raise ValueError(f"{zone} is no time zone")
    return Member(
        Chat(
            id=0,
            telegram_id=_number(value["telegram_id"]),
            type=ChatType(value["type"]),
            username=_text_or_none(value.get("username")),
            title=_text_or_none(value.get("title")),
            language=_text_or_none(value.get("language")),
            closed_at=_moment(value.get("closed_at")),
            closed_reason=_text_or_none(value.get("closed_reason")),
            zone=zone,
        ),
        tuple(map(_to_wish, value["subscriptions"])),
    )


def _from_wish(wish: Subscription) -> dict[str, Any]:
    rhythm, narrowing = wish.rhythm, wish.narrowing
    quiet = None if rhythm.quiet_from is None else [rhythm.quiet_from, rhythm.quiet_until]
    return {
        "thread_id": wish.thread_id,
        "tags": list(wish.tags),
        "silent": wish.silent,
        "keywords": list(narrowing.keywords),
        "without": list(narrowing.without),
        "without_tags": list(narrowing.without_tags),
        "pace": rhythm.pace.value,
        "hour": rhythm.hour,
        "weekday": rhythm.weekday,
        "quiet": quiet,
        "urgent": rhythm.urgent,
        "preview": wish.preview.value,
    }


def _to_wish(value: dict[str, Any]) -> Subscription:
    quiet = value.get("quiet")
    begin, end = (None, None) if quiet is None else (_hour(hour) for hour in quiet)
    usual = Rhythm()
    return Subscription(
        chat_id=0,
        thread_id=_number(value["thread_id"]),
        tags=_texts(value, "tags"),
        silent=bool(value["silent"]),
        narrowing=Narrowing(
            _texts(value, "keywords"), _texts(value, "without"), _texts(value, "without_tags")
        ),
        rhythm=Rhythm(
            pace=Pace(value.get("pace", usual.pace)),
            hour=_hour(value.get("hour", usual.hour)),
            weekday=_whole(value.get("weekday", usual.weekday), 0, DAYS_IN_WEEK - 1),
            quiet_from=begin,
            quiet_until=end,
            urgent=bool(value.get("urgent")),
        ),
        preview=Preview(value.get("preview", Preview.LARGE)),
    )


def _texts(value: dict[str, Any], name: str) -> tuple[str, ...]:
    texts = value["tags"] if name == "tags" else value.get(name, [])
    if not isinstance(texts, list):
        raise TypeError(f"{name} is no list")
    return tuple(map(_text, texts))


def _text(value: Any) -> str:
    """A text that any database keeps: one without NUL and halves of characters."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    if "\x00" in value:
        raise ValueError("a text holds a NUL")
    value.encode()
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _moment(value: Any) -> datetime | None:
    moment = None if value is None else datetime.fromisoformat(value)
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{value} names no zone")
    return moment


def _number(value: Any) -> int:
    """A whole number of Telegram's, which have 52 bits at most. Source: Bot API, Chat."""
    return _whole(value, -LARGEST_NUMBER, LARGEST_NUMBER)


def _hour(value: Any) -> int:
    return _whole(value, 0, HOURS_IN_DAY - 1)


def _whole(value: Any, least: int, most: int) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    if not least <= value <= most:
        raise ValueError(f"{value} is out of range")
    return value


def _members(lines: Iterable[str]) -> Iterator[Member]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield to_member(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"line {number} is no line of an export: {error}"
            raise ImportFault(reason) from error


def _in_parts(members: Iterator[Member]) -> Iterator[list[Member]]:
    part: list[Member] = []
    try:
        for member in members:
            part.append(member)
            if len(part) == AT_ONCE:
                yield part
                part = []
    except ImportFault:
        if part:
            yield part
        raise
    if part:
        yield part
