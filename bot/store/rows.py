"""Rows of the database as the nouns of bot.types, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bot.types import (
    Action,
    Audience,
    Broadcast,
    BroadcastState,
    Button,
    Chat,
    ChatType,
    Delivery,
    Destination,
    FeedForPoll,
    Message,
    Preview,
    Reach,
    Story,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.types import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

STORY_COLUMNS = (
    "s.id, s.feed_id, s.guid, s.code, s.url, s.short_url, s.title, s.summary, s.body, s.author,"
    " s.editor, s.image_url, s.tags, s.published_at, s.updated_at, s.seen_at, s.revision"
)
# A broadcast's message is behind its story; each change gives a mark of its own.
MAKE_STALE = "stale_at = CASE WHEN stale_at >= :now THEN stale_at + 1 ELSE :now END"


def to_ms(moment: datetime | None) -> int | None:
    """A moment as milliseconds UTC; exact for every year that datetime knows."""
    return None if moment is None else (moment - EPOCH) // MILLISECOND


def ms(moment: datetime) -> int:
    """Like to_ms, for a moment that is there."""
    return (moment - EPOCH) // MILLISECOND


def to_moment(value: int | None) -> datetime | None:
    """Milliseconds UTC as an aware UTC datetime."""
    return None if value is None else EPOCH + value * MILLISECOND


def tag_key(tag: str) -> str:
    """The form in which tags are compared: '#Politik ' and 'politik' are one."""
    return " ".join(tag.lstrip("#").casefold().split())


def id_list(ids: Iterable[int]) -> str:
    """Row ids as SQL; they are integers of ours."""
    return ", ".join(str(int(one)) for one in ids)


def to_story(row: Row) -> Story:
    """A row of STORY_COLUMNS."""
    return Story(
        id=row["id"],
        feed_id=row["feed_id"],
        guid=row["guid"],
        code=row["code"],
        url=row["url"],
        short_url=row["short_url"],
        title=row["title"],
        summary=row["summary"],
        body=row["body"],
        author=row["author"],
        editor=row["editor"],
        image_url=row["image_url"],
        tags=tuple(json.loads(row["tags"])),
        published_at=to_moment(row["published_at"]),
        updated_at=to_moment(row["updated_at"]),
        seen_at=to_moment(row["seen_at"]),
        revision=row["revision"],
    )


def to_feed(row: Row) -> FeedForPoll:
    """A row of feeds."""
    return FeedForPoll(
        id=row["id"],
        url=row["found_url"] or row["url"],
        found=row["found_url"] is not None,
        is_site=row["site_at"] is not None,
        moved_to=row["moved_to"],
        moves=row["moves"],
        repeats=row["repeats"],
        pace_s=None if row["pace_ms"] is None else row["pace_ms"] / 1000,
        changed_at=to_moment(row["changed_at"]),
        gap_after=row["gap_after"],
        gap_polls=row["gap_polls"],
        etag=row["etag"],
        last_modified=row["last_modified"],
        body_hash=row["body_hash"],
        baseline_at=to_moment(row["baseline_at"]),
        failures=row["failures"],
        attempt=row["attempt"],
    )


def to_chat(row: Row) -> Chat:
    """A row of chats."""
    return Chat(
        id=row["id"],
        telegram_id=row["telegram_id"],
        type=ChatType(row["type"]),
        username=row["username"],
        title=row["title"],
        language=row["language"],
        closed_at=to_moment(row["closed_at"]),
        closed_reason=row["closed_reason"],
        zone=row["zone"],
    )


def to_broadcast(row: Row) -> Broadcast:
    """A row of broadcasts."""
    return Broadcast(
        id=row["id"],
        story_id=row["story_id"],
        state=BroadcastState(row["state"]),
        due_at=to_moment(row["due_at"]),
        message=None if row["message"] is None else load_message(row["message"]),
        created_by=row["created_by"],
        fanning=row["fan_cursor"] is not None,
        revision=row["revision"],
        urgent=row["urgent_at"] is not None,
        audience=load_audience(row["audience"]),
        decided_by=row["decided_by"],
        decided_at=to_moment(row["decided_at"]),
        paused_at=to_moment(row["paused_at"]),
        stopped_at=to_moment(row["stopped_at"]),
        written=row["written_at"] is not None,
    )


def to_delivery(row: Row) -> Delivery:
    """A row of the claim query."""
    return Delivery(
        id=row["id"],
        broadcast_id=row["broadcast_id"],
        revision=row["revision"],
        action=Action(row["action"]),
        chat_id=row["chat_id"],
        chat_type=ChatType(row["type"]),
        destination=Destination(
            chat=row["username"] if row["telegram_id"] is None else row["telegram_id"],
            thread_id=row["thread_id"],
            silent=row["silent_at"] is not None,
        ),
        attempt=row["attempt"],
        failures=row["failures"],
        probes=row["probes"],
        message_id=row["message_id"],
        floor_id=row["floor_id"],
        preview=Preview(row["preview"] or Preview.LARGE),
    )


def dump_message(message: Message) -> str:
    """A message as JSON text."""
    rows = [[_dump_button(button) for button in row] for row in message.buttons]
    return json.dumps(
        {
            "html": message.html,
            "text": message.text,
            "buttons": rows,
            "preview_url": message.preview_url,
        },
        ensure_ascii=False,
    )


def load_message(text: str) -> Message:
    """The message that dump_message wrote."""
    value = json.loads(text)
    return Message(
        html=value["html"],
        text=value["text"],
        buttons=tuple(tuple(Button(**button) for button in row) for row in value["buttons"]),
        preview_url=value["preview_url"],
    )


def dump_audience(audience: Audience) -> str | None:
    """An audience as JSON text; None for the usual one."""
    if audience == Audience():
        return None
    return json.dumps(
        {"reach": audience.reach.value, "tags": audience.tags, "chats": audience.chats},
        ensure_ascii=False,
    )


def load_audience(text: str | None) -> Audience:
    """The audience that dump_audience wrote."""
    if text is None:
        return Audience()
    value = json.loads(text)
    return Audience(Reach(value["reach"]), tuple(value["tags"]), tuple(value["chats"]))


def dump_tags(tags: Iterable[str]) -> str:
    """Tags as JSON text."""
    return json.dumps(list(tags), ensure_ascii=False)


def _dump_button(button: Button) -> dict[str, Any]:
    fields = {
        "text": button.text,
        "url": button.url,
        "copy_text": button.copy_text,
        "callback_data": button.callback_data,
    }
    return {name: value for name, value in fields.items() if value is not None}
