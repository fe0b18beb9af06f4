"""What subscriptions wish: their rows, and the fan-out to those whose wish is more than tags."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.store.rows import STORY_COLUMNS, id_list, ms, tag_key, to_story
from bot.store.transactional import Verbs, reading, transactional
from bot.types import Audience, Narrowing, Pace, Preview, Reach, Rhythm, Subscription
from bot.wishes import Choice, Told, held_until, keyword_key, told, wants, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from bot.ports import Transaction
    from bot.types import Row, Story

EVERYBODY_WISHING = Audience()
KEYWORD, WITHOUT, WITHOUT_TAG = "keyword", "without", "without_tag"
# Live subscriptions with a wish that SQL alone cannot answer.
CHOOSY = (
    "FROM subscriptions s JOIN chats c ON c.id = s.chat_id"
    " WHERE s.choosy_at IS NOT NULL AND s.ended_at IS NULL AND c.closed_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class FanPart:
    """A part of a fan-out: the subscriptions above `after_id`, up to `last_id`.

    `unless` is a condition on subscriptions `s` that leaves out those the story reached before.
    What is urgent rings everywhere.
    """

    broadcast_id: int
    story_id: int
    after_id: int
    last_id: int
    lane: int
    urgent: bool = False
    unless: str = ""
    audience: Audience = EVERYBODY_WISHING


class WishVerbs(Verbs):
    """Queries and single-step writes over what subscriptions wish."""

    @transactional
    def record_choice(
        self,
        tx: Transaction,
        place: tuple[int, int],
        tags: Sequence[str],
        narrowing: Narrowing,
        now: datetime,
    ) -> Subscription:
        """Let exactly these tags and words narrow the wish of a (chat, thread); it lives from now.

        None of them means every story.
        """
        subscription_id, _ = ensure_subscription(tx, *place, "chat", now)
        replace_tags(tx, subscription_id, tag_labels(tags))
        replace_words(tx, subscription_id, narrowing)
        mark_choosy(tx, subscription_id, now)
        row = live_subscription(tx, *place)
        assert row is not None
        return to_subscription(tx, row)

    @transactional
    def record_rhythm(
        self, tx: Transaction, place: tuple[int, int], rhythm: Rhythm, zone: str, now: datetime
    ) -> None:
        """Keep when stories come to a (chat, thread); `zone` is the chat's if it has none yet.

        What waits already comes at the next moment of the new rhythm.
        """
        row = live_subscription(tx, *place)
        if row is None:
            return
        tx.execute(
            "UPDATE chats SET zone = COALESCE(zone, :zone) WHERE id = :id",
            zone=zone,
            id=row["chat_id"],
        )
        keep_rhythm(tx, row["id"], rhythm, now)
        mark_choosy(tx, row["id"], now)
        reschedule(tx, [row["id"]], now)

    @transactional
    def record_zone(self, tx: Transaction, chat_id: int, zone: str, now: datetime) -> None:
        """Keep the zone whose hours a chat's wishes name; its next digests follow it."""
        tx.execute("UPDATE chats SET zone = :zone WHERE id = :id", zone=zone, id=chat_id)
        rows = tx.fetch("SELECT id FROM subscriptions WHERE chat_id = :id", id=chat_id)
        reschedule(tx, [row["id"] for row in rows], now)

    @transactional
    def record_preview(self, tx: Transaction, place: tuple[int, int], preview: Preview) -> None:
        """Keep how messages to a (chat, thread) show the page that they link to."""
        row = live_subscription(tx, *place)
        if row is not None:
            keep_preview(tx, row["id"], preview)

    @reading
    def list_chosen(
        self, tx: Transaction, place: tuple[int, int], limit: int
    ) -> list[tuple[Story, bool]]:
        """The newest stories, each with whether the wish of a (chat, thread) is for it."""
        row = live_subscription(tx, *place)
        choices = {} if row is None else choices_of(tx, row["id"] - 1, row["id"])
        choice = None if row is None else choices.get(row["id"], Choice())
        stories = tx.fetch(
            f"SELECT {STORY_COLUMNS} FROM stories s WHERE s.withdrawn_at IS NULL"
            " ORDER BY s.shown_at DESC, s.id DESC LIMIT :limit",
            limit=limit,
        )
        return [
            (to_story(one), choice is not None and wants(choice, told_of(tx, to_story(one))))
            for one in stories
        ]


def fan_out_choosy(tx: Transaction, part: FanPart, due_at: datetime, now: datetime) -> int:
    """Make the deliveries of a part to subscriptions that choose, or hold the story for them.

    A story is held where a digest or the end of quiet hours will bring it. Gives the number of
    deliveries made.
    """
    go, hold = [], []
    for row in wanting_choosy(tx, part):
        until = held_until(to_rhythm(row), zone_of(row["zone"]), now, urgent=part.urgent)
        if until is None:
            go.append(row["id"])
        else:
            hold.append((row["id"], ms(until)))
    _hold(tx, part, hold)
    return deliver_to(tx, part, go, due_at, now) if go else 0


def wanting_choosy(tx: Transaction, part: FanPart) -> list[Row]:
    """The subscriptions of a part that choose and whose wish is for the story, with their zone."""
    rows = tx.fetch(
        f"SELECT s.*, c.zone {CHOOSY} AND s.id > :after AND s.id <= :last {part.unless}"
        " ORDER BY s.id",
        after=part.after_id,
        last=part.last_id,
        story_id=part.story_id,
    )
    if not rows:
        return []
    match part.audience.reach:
        case Reach.EVERYONE:
            return rows
        case Reach.CHATS:
            return [row for row in rows if row["chat_id"] in part.audience.chats]
        case Reach.TAGS:
            keys = [tag_key(tag) for tag in part.audience.tags]
            tells = told(_story(tx, part.story_id), keys)
        case Reach.WISHING:
            tells = told_of(tx, _story(tx, part.story_id))
    choices = choices_of(tx, part.after_id, part.last_id)
    return [row for row in rows if wants(choices.get(row["id"], Choice()), tells)]


def deliver_to(
    tx: Transaction, part: FanPart, subscription_ids: Iterable[int], due_at: datetime, now: datetime
) -> int:
    """Queue a broadcast for these subscriptions."""
    return tx.execute(
        "INSERT INTO deliveries (broadcast_id, action, lane, chat_id, thread_id, silent_at,"
        " preview, state, due_at, created_at) SELECT :broadcast_id, 'send', :lane, s.chat_id,"
        f" s.thread_id, {silence(part)}, s.preview, 'pending', :due_at, :now FROM subscriptions s"
        f" WHERE s.id IN ({id_list(subscription_ids)}) ORDER BY s.id"
        " ON CONFLICT (broadcast_id, action, chat_id, thread_id) DO NOTHING",
        broadcast_id=part.broadcast_id,
        lane=part.lane,
        due_at=ms(due_at),
        now=ms(now),
    )


def silence(part: FanPart) -> str:
    """What says of a subscription `s` that its message makes no sound."""
    return "CAST(NULL AS BIGINT)" if part.urgent else "s.silent_at"


def choices_of(tx: Transaction, after_id: int, last_id: int) -> dict[int, Choice]:
    """What the subscriptions above an id, up to another, choose; none for those that do not."""
    within = "subscription_id > :after AND subscription_id <= :last"
    lists: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in tx.fetch(
        f"SELECT subscription_id, tag FROM subscription_tags WHERE {within}",
        after=after_id,
        last=last_id,
    ):
        lists[row["subscription_id"]]["tag"].append(row["tag"])
    for row in tx.fetch(
        f"SELECT subscription_id, kind, word FROM subscription_words WHERE {within}",
        after=after_id,
        last=last_id,
    ):
        lists[row["subscription_id"]][row["kind"]].append(row["word"])
    return {
        subscription_id: Choice(
            frozenset(kinds["tag"]),
            tuple(kinds[KEYWORD]),
            tuple(kinds[WITHOUT]),
            frozenset(kinds[WITHOUT_TAG]),
        )
        for subscription_id, kinds in lists.items()
    }


def told_of(tx: Transaction, story: Story) -> Told:
    """What a stored story tells."""
    rows = tx.fetch("SELECT tag FROM story_tags WHERE story_id = :id", id=story.id)
    return told(story, [row["tag"] for row in rows])


def ensure_subscription(
    tx: Transaction, chat_id: int, thread_id: int, origin: str, now: datetime
) -> tuple[int, bool]:
    """The subscription's id, live from now on, and whether it was live before."""
    live = live_subscription(tx, chat_id, thread_id) is not None
    rows = tx.fetch(
        "INSERT INTO subscriptions (chat_id, thread_id, origin, created_at)"
        " VALUES (:chat_id, :thread_id, :origin, :now)"
        " ON CONFLICT (chat_id, thread_id) DO UPDATE SET ended_at = NULL,"
        " origin = excluded.origin RETURNING id",
        chat_id=chat_id,
        thread_id=thread_id,
        origin=origin,
        now=ms(now),
    )
    return rows[0]["id"], live


def end_subscription(tx: Transaction, subscription_id: int, now: datetime) -> None:
    """End a subscription; its wish is forgotten, and what waits for its digest is dropped."""
    replace_tags(tx, subscription_id, {})
    replace_words(tx, subscription_id, Narrowing())
    keep_rhythm(tx, subscription_id, Rhythm(), now)
    drop_waiting(tx, f"subscription_id = {int(subscription_id)}")
    tx.execute(
        "UPDATE subscriptions SET ended_at = :now, preview = NULL, choosy_at = NULL,"
        " digest_at = NULL WHERE id = :id",
        now=ms(now),
        id=subscription_id,
    )


def drop_waiting(tx: Transaction, which: str) -> None:
    """Drop what waits for digests; `which` is a condition on digest_stories, of our own making."""
    tx.execute(f"DELETE FROM digest_stories WHERE settled_at IS NULL AND {which}")


def live_subscription(tx: Transaction, chat_id: int, thread_id: int) -> Row | None:
    """The row of a live subscription."""
    rows = tx.fetch(
        "SELECT * FROM subscriptions WHERE chat_id = :chat_id AND thread_id = :thread_id"
        " AND ended_at IS NULL",
        chat_id=chat_id,
        thread_id=thread_id,
    )
    return rows[0] if rows else None


def live_subscriptions(tx: Transaction, chat_id: int) -> tuple[Subscription, ...]:
    """The live wishes of a chat, by thread."""
    rows = tx.fetch(
        "SELECT * FROM subscriptions WHERE chat_id = :id AND ended_at IS NULL ORDER BY thread_id",
        id=chat_id,
    )
    return tuple(to_subscription(tx, row) for row in rows)


def to_subscription(tx: Transaction, row: Row) -> Subscription:
    """A row of subscriptions, with its tags and words."""
    words: dict[str, list[str]] = defaultdict(list)
    for found in tx.fetch(
        "SELECT kind, label FROM subscription_words WHERE subscription_id = :id ORDER BY position",
        id=row["id"],
    ):
        words[found["kind"]].append(found["label"])
    return Subscription(
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        tags=tuple(labels_of(tx, row["id"]).values()),
        silent=row["silent_at"] is not None,
        narrowing=Narrowing(
            tuple(words[KEYWORD]), tuple(words[WITHOUT]), tuple(words[WITHOUT_TAG])
        ),
        rhythm=to_rhythm(row),
        preview=Preview(row["preview"] or Preview.LARGE),
    )


def to_rhythm(row: Row) -> Rhythm:
    """The rhythm in a row of subscriptions."""
    return Rhythm(
        pace=Pace(row["pace"]),
        hour=row["digest_hour"],
        weekday=row["digest_weekday"],
        quiet_from=row["quiet_from"],
        quiet_until=row["quiet_until"],
        urgent=row["urgent_at"] is not None,
    )


def keep_rhythm(tx: Transaction, subscription_id: int, rhythm: Rhythm, now: datetime) -> None:
    """Write a subscription's rhythm."""
    tx.execute(
        "UPDATE subscriptions SET pace = :pace, digest_hour = :hour, digest_weekday = :weekday,"
        " quiet_from = :quiet_from, quiet_until = :quiet_until, urgent_at = :urgent_at"
        " WHERE id = :id",
        pace=rhythm.pace.value,
        hour=rhythm.hour,
        weekday=rhythm.weekday,
        quiet_from=rhythm.quiet_from,
        quiet_until=rhythm.quiet_until,
        urgent_at=ms(now) if rhythm.urgent else None,
        id=subscription_id,
    )


def keep_preview(tx: Transaction, subscription_id: int, preview: Preview) -> None:
    """Write how a subscription's messages show their page."""
    tx.execute(
        "UPDATE subscriptions SET preview = :preview WHERE id = :id",
        preview=None if preview is Preview.LARGE else preview.value,
        id=subscription_id,
    )


def mark_choosy(tx: Transaction, subscription_id: int, now: datetime) -> None:
    """Note whether a subscription's wish is more than tags, so that the fan-out knows it."""
    tx.execute(
        "UPDATE subscriptions SET choosy_at = CASE WHEN pace <> 'once' OR quiet_from IS NOT NULL"
        " OR EXISTS (SELECT 1 FROM subscription_words w"
        " WHERE w.subscription_id = subscriptions.id) THEN :now END WHERE id = :id",
        now=ms(now),
        id=subscription_id,
    )


def reschedule(tx: Transaction, subscription_ids: Sequence[int], now: datetime) -> None:
    """Let what waits come at the next moment of a rhythm that has changed."""
    if not subscription_ids:
        return
    rows = tx.fetch(
        "SELECT s.*, c.zone FROM subscriptions s JOIN chats c ON c.id = s.chat_id"
        f" WHERE s.digest_at IS NOT NULL AND s.id IN ({id_list(subscription_ids)})"
    )
    for row in rows:
        until = held_until(to_rhythm(row), zone_of(row["zone"]), now, urgent=False)
        tx.execute(
            "UPDATE subscriptions SET digest_at = :at WHERE id = :id AND digest_at IS NOT NULL",
            at=ms(until or now),
            id=row["id"],
        )


def tag_labels(tags: Iterable[str]) -> dict[str, str]:
    """Tags as they were written, by their comparison keys."""
    return {key: tag.lstrip("#").strip() for tag in tags if (key := tag_key(tag))}


def labels_of(tx: Transaction, subscription_id: int) -> dict[str, str]:
    """A subscription's tags by their comparison keys, in the order of these."""
    rows = tx.fetch(
        "SELECT tag, label FROM subscription_tags WHERE subscription_id = :id ORDER BY tag",
        id=subscription_id,
    )
    return {row["tag"]: row["label"] for row in rows}


def replace_tags(tx: Transaction, subscription_id: int, labels: dict[str, str]) -> None:
    """Let a subscription have exactly these tags."""
    tx.execute("DELETE FROM subscription_tags WHERE subscription_id = :id", id=subscription_id)
    tx.execute_many(
        "INSERT INTO subscription_tags (subscription_id, tag, label) VALUES (:id, :tag, :label)",
        [{"id": subscription_id, "tag": tag, "label": label} for tag, label in labels.items()],
    )


def replace_words(tx: Transaction, subscription_id: int, narrowing: Narrowing) -> None:
    """Let a subscription have exactly these words."""
    tx.execute("DELETE FROM subscription_words WHERE subscription_id = :id", id=subscription_id)
    tx.execute_many(
        "INSERT INTO subscription_words (subscription_id, kind, word, label, position)"
        " VALUES (:id, :kind, :word, :label, :position)",
        [
            {"id": subscription_id, "kind": kind, "word": word, "label": label, "position": at}
            for at, (kind, word, label) in enumerate(_words(narrowing))
        ],
    )


def _words(narrowing: Narrowing) -> Iterator[tuple[str, str, str]]:
    """Each word once: its kind, the form that is compared, and as it was written."""
    kinds = (
        (KEYWORD, narrowing.keywords, keyword_key),
        (WITHOUT, narrowing.without, keyword_key),
        (WITHOUT_TAG, narrowing.without_tags, tag_key),
    )
    for kind, labels, key in kinds:
        for word, label in {key(label): label for label in labels}.items():
            if word:
                yield kind, word, label


def _hold(tx: Transaction, part: FanPart, hold: Sequence[tuple[int, int]]) -> None:
    """Keep a story for the digests of subscriptions, each with the moment of its digest.

    The story is written before the moment: who collects takes the moment off first.
    """
    tx.execute_many(
        "INSERT INTO digest_stories (subscription_id, story_id, broadcast_id)"
        " VALUES (:id, :story_id, :broadcast_id) ON CONFLICT DO NOTHING",
        [
            {"id": one, "story_id": part.story_id, "broadcast_id": part.broadcast_id}
            for one, _ in hold
        ],
    )
    moments: dict[int, list[int]] = defaultdict(list)
    for one, at in hold:
        moments[at].append(one)
    for at, ids in moments.items():
        tx.execute(
            "UPDATE subscriptions SET digest_at ="
            " CASE WHEN digest_at < :at THEN digest_at ELSE :at END"
            f" WHERE id IN ({id_list(ids)})",
            at=at,
        )


def _story(tx: Transaction, story_id: int) -> Story:
    return to_story(
        tx.fetch(f"SELECT {STORY_COLUMNS} FROM stories s WHERE s.id = :id", id=story_id)[0]
    )
