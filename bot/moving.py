"""`sebar export` and `sebar import`: the audience as JSON Lines, one chat a line."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.errors import ImportFault
from bot.types import Chat, ChatType, Member, Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from bot.store import Store

AT_ONCE = 500


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
            "closed_at": None if chat.closed_at is None else chat.closed_at.isoformat(),
            "closed_reason": chat.closed_reason,
            "subscriptions": [
                {"thread_id": wish.thread_id, "tags": list(wish.tags), "silent": wish.silent}
                for wish in member.subscriptions
            ],
        },
        ensure_ascii=False,
    )


def to_member(line: str) -> Member:
    """The chat that to_line wrote. Raises ValueError, KeyError or TypeError for anything else."""
    value: dict[str, Any] = json.loads(line)
    closed_at = value.get("closed_at")
    return Member(
        Chat(
            id=0,
            telegram_id=int(value["telegram_id"]),
            type=ChatType(value["type"]),
            username=value.get("username"),
            title=value.get("title"),
            language=value.get("language"),
            closed_at=None if closed_at is None else datetime.fromisoformat(closed_at),
            closed_reason=value.get("closed_reason"),
        ),
        tuple(
            Subscription(
                chat_id=0,
                thread_id=int(wish["thread_id"]),
                tags=tuple(str(tag) for tag in wish["tags"]),
                silent=bool(wish["silent"]),
            )
            for wish in value["subscriptions"]
        ),
    )


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
