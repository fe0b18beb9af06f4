"""Stories: what polls and editors bring, and what readers ask for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.errors import NotFoundError
from bot.identity import guid_twin
from bot.store.reading import having_tag
from bot.store.rows import (
    MAKE_STALE,
    STORY_COLUMNS,
    dump_tags,
    ms,
    tag_key,
    to_ms,
    to_story,
)
from bot.store.transactional import Verbs, reading, transactional
from bot.types import KnownStory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Row, Sighting, Story


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a poll changed: ids of new stories and of the revised ones."""

    new: tuple[int, ...] = ()
    revised: tuple[int, ...] = ()


class NewsroomVerbs(Verbs):
    """Queries and single-step writes over feeds and stories."""

    @transactional
    def list_known(
        self, tx: Transaction, feed_id: int, sightings: Sequence[Sighting]
    ) -> list[KnownStory]:
        """Stories already stored under a guid of this feed, by http or https, or under a key."""
        rows: dict[int, Row] = {}
        for sighting in sightings:
            found = tx.fetch(
                "SELECT id, feed_id, guid, story_key, digest, revision, withdrawn_at FROM stories"
                " WHERE story_key = :key OR (feed_id = :feed_id AND guid IN (:guid, :twin))",
                key=sighting.key,
                feed_id=feed_id,
                guid=sighting.story.guid,
                twin=guid_twin(sighting.story.guid),
            )
            rows.update((row["id"], row) for row in found)
        return [
            KnownStory(
                id=row["id"],
                feed_id=row["feed_id"],
                guid=row["guid"],
                key=row["story_key"],
                digest=row["digest"],
                revision=row["revision"],
                withdrawn=row["withdrawn_at"] is not None,
            )
            for row in rows.values()
        ]

    @transactional
    def record_story(
        self, tx: Transaction, sighting: Sighting, feed_url: str, now: datetime
    ) -> Story:
        """Store a story that no feed has shown yet; gives the stored one where it is known."""
        insert_story(tx, _own_feed(tx, feed_url, now), sighting, now)
        rows = _select_stories(tx, "s.story_key = :key", key=sighting.key)
        if not rows:
            raise NotFoundError(f"no story under {sighting.key}")
        return to_story(rows[0])

    @reading
    def find_story(self, tx: Transaction, story_id: int) -> Story | None:
        """A story by its id."""
        return _first(_select_stories(tx, "s.id = :id", id=story_id))

    @reading
    def find_story_by_code(self, tx: Transaction, code: str) -> Story | None:
        """A story by its public code."""
        return _first(_select_stories(tx, "s.code = :code", code=code))

    @reading
    def find_story_by_key(self, tx: Transaction, key: str) -> Story | None:
        """A story by the comparison key of its URL."""
        return _first(_select_stories(tx, "s.story_key = :key", key=key))

    @reading
    def find_story_by_message(
        self, tx: Transaction, telegram_id: int, message_id: int
    ) -> Story | None:
        """The story that a delivered message carries."""
        rows = tx.fetch(
            f"SELECT {STORY_COLUMNS} FROM deliveries d"
            " JOIN chats c ON c.id = d.chat_id JOIN broadcasts b ON b.id = d.broadcast_id"
            " JOIN stories s ON s.id = b.story_id WHERE c.telegram_id = :telegram_id"
            " AND d.message_id = :message_id AND d.action = 'send'",
            telegram_id=telegram_id,
            message_id=message_id,
        )
        return _first(rows)

    @reading
    def list_latest(
        self, tx: Transaction, limit: int, offset: int = 0, tag: str | None = None
    ) -> list[Story]:
        """Newest stories first, of one tag where given; withdrawn ones are left out."""
        where = "s.withdrawn_at IS NULL"
        if tag is not None:
            where += f" AND {having_tag(tx, tag)}"
        rows = _select_stories(
            tx,
            where + " ORDER BY s.shown_at DESC, s.id DESC LIMIT :limit OFFSET :offset",
            limit=limit,
            offset=offset,
            tag=tag_key(tag or ""),
        )
        return [to_story(row) for row in rows]

    @reading
    def list_tags(self, tx: Transaction, limit: int) -> list[str]:
        """Tags that the newest stories use, the most used first, as comparison keys."""
        rows = tx.fetch(
            "SELECT tag FROM story_tags WHERE story_id IN"
            " (SELECT id FROM stories ORDER BY shown_at DESC, id DESC LIMIT 200)"
            " GROUP BY tag ORDER BY COUNT(*) DESC, tag LIMIT :limit",
            limit=limit,
        )
        return [row["tag"] for row in rows]

    @transactional
    def record_short_url(self, tx: Transaction, story_id: int, short_url: str) -> None:
        """Keep a story's short URL."""
        tx.execute(
            "UPDATE stories SET short_url = :short_url WHERE id = :id",
            short_url=short_url,
            id=story_id,
        )


@dataclass(frozen=True, slots=True)
class PollPlan:
    """What a poll leads to: `broadcast_state` is None for a baseline (recorded, not sent).

    `return_state` is that of the broadcast of a story that was withdrawn and has come back.
    `gap_after` is the newest story below which some are still missing, None for no gap. `unsent`
    are codes of stories that are recorded, but are no news.
    """

    now: datetime
    due_at: datetime
    broadcast_state: str | None
    broadcast_due_at: datetime | None = None
    return_state: str | None = None
    gap_after: int | None = None
    unsent: frozenset[str] = frozenset()


def record_sightings(
    tx: Transaction,
    feed_id: int,
    new: Sequence[Sighting],
    revised: Sequence[tuple[KnownStory, Sighting]],
    plan: PollPlan,
) -> Recorded:
    """Write what a feed brought: new stories with their broadcasts, and revisions."""
    new_ids = []
    for sighting in new:
        story_id = insert_story(tx, feed_id, sighting, plan.now)
        if story_id is None:
            continue
        new_ids.append(story_id)
        if plan.broadcast_state is not None and sighting.story.code not in plan.unsent:
            _queue_broadcast(tx, story_id, plan)
    revised_ids = [
        known.id for known, sighting in revised if revise_story(tx, known, sighting, plan.now)
    ]
    return Recorded(tuple(new_ids), tuple(revised_ids))


def record_own_story(tx: Transaction, sighting: Sighting, feed_url: str, now: datetime) -> Story:
    """Store a story that no feed shows and no address identifies. Raises NotFoundError."""
    story_id = insert_story(tx, _own_feed(tx, feed_url, now), sighting, now)
    rows = _select_stories(tx, "s.id = :id", id=story_id)
    if not rows:
        raise NotFoundError("another story holds this identity")
    return to_story(rows[0])


def _own_feed(tx: Transaction, feed_url: str, now: datetime) -> int:
    """The feed that holds what editors bring; it is never polled."""
    tx.execute(
        "INSERT INTO feeds (url, due_at, retired_at) VALUES (:url, :now, :now)"
        " ON CONFLICT (url) DO NOTHING",
        url=feed_url,
        now=ms(now),
    )
    feed_id: int = tx.fetch("SELECT id FROM feeds WHERE url = :url", url=feed_url)[0]["id"]
    return feed_id


def insert_story(tx: Transaction, feed_id: int, sighting: Sighting, now: datetime) -> int | None:
    """Store a story; None where another one already holds its identity."""
    story = sighting.story
    rows = tx.fetch(
        "INSERT INTO stories (feed_id, guid, story_key, code, url, title, summary, body, author,"
        " editor, image_url, tags, published_at, updated_at, seen_at, shown_at, digest)"
        " VALUES (:feed_id, :guid, :key, :code, :url, :title, :summary, :body, :author, :editor,"
        " :image_url, :tags, :published_at, :updated_at, :seen_at, :shown_at, :digest)"
        " ON CONFLICT DO NOTHING RETURNING id",
        feed_id=feed_id,
        guid=story.guid,
        seen_at=ms(now),
        shown_at=ms(min(story.published_at or now, now)),
        code=story.code,
        **_content(sighting),
    )
    if not rows:
        return None
    story_id: int = rows[0]["id"]
    _tag_story(tx, story_id, story.tags)
    return story_id


def _content(sighting: Sighting) -> dict[str, Any]:
    story = sighting.story
    return {
        "key": sighting.key,
        "url": story.url,
        "title": story.title,
        "summary": story.summary,
        "body": story.body,
        "author": story.author,
        "editor": story.editor,
        "image_url": story.image_url,
        "tags": dump_tags(story.tags),
        "published_at": to_ms(story.published_at),
        "updated_at": to_ms(story.updated_at),
        "digest": sighting.digest,
    }


def _tag_story(tx: Transaction, story_id: int, tags: Sequence[str]) -> None:
    tx.execute("DELETE FROM story_tags WHERE story_id = :id", id=story_id)
    keys = dict.fromkeys(key for tag in tags if (key := tag_key(tag)))
    tx.execute_many(
        "INSERT INTO story_tags (tag, story_id) VALUES (:tag, :story_id)",
        [{"tag": key, "story_id": story_id} for key in keys],
    )


def revise_story(tx: Transaction, known: KnownStory, sighting: Sighting, now: datetime) -> bool:
    """Write a new state of a story; False where somebody else has revised it since.

    It keeps what the new state does not say, and the tags that other feeds state.
    """
    taken = tx.fetch(
        "SELECT id FROM stories WHERE story_key = :key AND id <> :id", key=sighting.key, id=known.id
    )
    tags = _with_shared_tags(tx, known.id, sighting.story.tags)
    values = _content(sighting) | {"tags": dump_tags(tags)}
    if taken:
        values["key"] = known.key
    changed = tx.execute(
        "UPDATE stories SET story_key = :key, url = :url, title = :title, summary = :summary,"
        " body = CASE WHEN :body = '' THEN body ELSE :body END, tags = :tags,"
        " author = COALESCE(:author, author), editor = COALESCE(:editor, editor),"
        " image_url = COALESCE(:image_url, image_url),"
        " published_at = COALESCE(:published_at, published_at),"
        " updated_at = COALESCE(:updated_at, updated_at), digest = :digest,"
        " shown_at = CASE WHEN :shown_at < seen_at THEN :shown_at ELSE seen_at END,"
        " revision = revision + 1 WHERE id = :id AND revision = :revision",
        id=known.id,
        revision=known.revision,
        shown_at=ms(min(sighting.story.published_at or now, now)),
        **values,
    )
    if changed:
        _tag_story(tx, known.id, tags)
        tx.execute(
            f"UPDATE broadcasts SET {MAKE_STALE}"
            " WHERE state = 'open' AND (story_id = :id"
            " OR id IN (SELECT broadcast_id FROM broadcast_stories WHERE story_id = :id))",
            now=ms(now),
            id=known.id,
        )
    return bool(changed)


def _with_shared_tags(tx: Transaction, story_id: int, tags: Sequence[str]) -> list[str]:
    """A story's own tags and those that other feeds state of it."""
    rows = tx.fetch("SELECT tags FROM feed_tags WHERE story_id = :id ORDER BY feed_id", id=story_id)
    stated = [*tags, *(tag for row in rows for tag in json.loads(row["tags"]))]
    return list({tag_key(tag): tag for tag in reversed(stated)}.values())[::-1]


def _queue_broadcast(tx: Transaction, story_id: int, plan: PollPlan) -> None:
    tx.execute(
        "INSERT INTO broadcasts (story_id, state, due_at, created_at)"
        " VALUES (:story_id, :state, :due_at, :now)",
        story_id=story_id,
        state=plan.broadcast_state,
        due_at=to_ms(plan.broadcast_due_at),
        now=ms(plan.now),
    )


def _select_stories(tx: Transaction, where: str, **params: Any) -> list[Row]:
    return tx.fetch(f"SELECT {STORY_COLUMNS} FROM stories s WHERE {where}", **params)


def _first(rows: list[Row]) -> Story | None:
    return to_story(rows[0]) if rows else None
