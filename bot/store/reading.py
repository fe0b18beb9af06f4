"""What readers page through: the latest stories and the sections they are in."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from bot.store.rows import STORY_COLUMNS, tag_key, to_story
from bot.store.transactional import Verbs, reading

if TYPE_CHECKING:
    from bot.ports import Transaction
    from bot.types import Story

STORIES_COUNTED = 200
# So few stories are looked up one by one; among the newest of all they might never be met.
FEW = 500


class ReadingVerbs(Verbs):
    """Queries of the readers' lists."""

    @reading
    def list_page(
        self, tx: Transaction, limit: int, offset: int, tag: str, first_id: int
    ) -> list[Story]:
        """Newest stories first, withdrawn ones left out, from the one of `first_id` on.

        An empty `tag` is every story. Later pages of a list stay in step with its first one by
        naming that one's first story; `first_id` 0 begins with the newest. Empty behind the end.
        """
        where = "s.withdrawn_at IS NULL"
        if tag:
            where += f" AND {having_tag(tx, tag)}"
        if first_id:
            where += (
                " AND (s.shown_at, s.id) <="
                " (SELECT f.shown_at, f.id FROM stories f WHERE f.id = :first_id)"
            )
        rows = tx.fetch(
            f"SELECT {STORY_COLUMNS} FROM stories s WHERE {where}"
            " ORDER BY s.shown_at DESC, s.id DESC LIMIT :limit OFFSET :offset",
            limit=limit,
            offset=offset,
            tag=tag_key(tag),
            first_id=first_id,
        )
        return [to_story(row) for row in rows]

    @reading
    def list_sections(self, tx: Transaction, limit: int) -> list[str]:
        """Tags of the newest stories, the most used first, spelt as most stories spell them."""
        rows = tx.fetch(
            "SELECT tags FROM stories WHERE withdrawn_at IS NULL"
            " ORDER BY shown_at DESC, id DESC LIMIT :limit",
            limit=STORIES_COUNTED,
        )
        spellings: dict[str, Counter[str]] = {}
        for row in rows:
            for tag in json.loads(row["tags"]):
                spellings.setdefault(tag_key(tag), Counter())[tag] += 1
        spellings.pop("", None)
        used = sorted(spellings.items(), key=lambda item: (-item[1].total(), item[0]))
        return [spelling.most_common(1)[0][0] for _, spelling in used[:limit]]

    @reading
    def is_shown(self, tx: Transaction, story_id: int) -> bool:
        """Whether readers may see a story: it is stored and not withdrawn."""
        return bool(
            tx.fetch("SELECT id FROM stories WHERE id = :id AND withdrawn_at IS NULL", id=story_id)
        )


def having_tag(tx: Transaction, tag: str) -> str:
    """A condition on stories `s` that have a tag; the parameter `tag` is its comparison key.

    A tag that few or no stories have does not make the query read all of them.
    """
    rows = tx.fetch(
        "SELECT story_id FROM story_tags WHERE tag = :tag LIMIT :limit",
        tag=tag_key(tag),
        limit=FEW + 1,
    )
    if len(rows) > FEW:
        return "EXISTS (SELECT 1 FROM story_tags t WHERE t.story_id = s.id AND t.tag = :tag)"
    ids = ", ".join(str(int(row["story_id"])) for row in rows)
    return f"s.id IN ({ids or 'NULL'})"
