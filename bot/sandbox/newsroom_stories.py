"""The sample newsroom's stories: what is published, what is prepared, and a desk's orders."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

WIB = timezone(timedelta(hours=7), "WIB")
DAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SLUG_CHARS = 80
RESERVED_SLUGS = frozenset({"assets", "category", "correct", "feed", "publish", "tag", "withdraw"})
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Site:
    """Who the newsroom is; `domain` only signs the datelines."""

    name: str
    domain: str
    tagline: str


@dataclass(frozen=True, slots=True)
class Article:
    """One story of the newsroom, published or prepared.

    Texts are plain. `summary` is "" where the excerpt is made from the paragraphs, as WordPress
    makes it. `id` is 0 and the times are the epoch until the story is published; times are whole
    seconds in UTC.
    """

    title: str
    slug: str
    section: str = "Tangerang"
    place: str = "TANGERANG"
    subtitle: str = ""
    summary: str = ""
    paragraphs: tuple[str, ...] = ()
    image: str = "kota.png"
    caption: str = ""
    tags: tuple[str, ...] = ()
    author: str = "red"
    editor: str = "dwi teguh"
    reads: int = 0
    corrected_title: str = ""
    corrections: int = 0
    id: int = 0
    published_at: datetime = EPOCH
    modified_at: datetime = EPOCH

    @property
    def lead(self) -> str:
        """The summary, else the first paragraph, else ""."""
        return self.summary or next(iter(self.paragraphs), "")


@dataclass(frozen=True, slots=True)
class Submission:
    """What a visitor asks the newsroom to publish; plain text, paragraphs parted by empty lines."""

    title: str
    summary: str = ""
    body: str = ""
    tags: tuple[str, ...] = ()


class NothingToChangeError(LookupError):
    """The newsroom has no story that the order could apply to."""


class Newsroom:
    """The published and the prepared stories, in memory.

    `changed_at` is the time of the last change to anything published, in whole seconds. No two
    changes share one, so it can run ahead of the clock by as many seconds as there were changes
    within a second: a Last-Modified that stood still would make a conditional GET lie.
    """

    def __init__(
        self, site: Site, published: Iterable[Article], prepared: Iterable[Article]
    ) -> None:
        self.site = site
        ordered = sorted(published, key=lambda article: article.published_at)
        self._published = {
            article.slug: replace(article, id=number) for number, article in enumerate(ordered, 101)
        }
        self._prepared = tuple(prepared)
        self._used_slugs = set(RESERVED_SLUGS) | set(self._published)
        self._next_id = 101 + len(ordered)
        self._turn = 0
        self.changed_at = ordered[-1].modified_at if ordered else EPOCH

    def newest(self, *, section: str = "", tag: str = "") -> list[Article]:
        """List the published stories, newest first; only those of a section's or tag's slug."""
        chosen = (
            article
            for article in self._published.values()
            if (not section or slugify(article.section) == section)
            and (not tag or tag in map(slugify, article.tags))
        )
        return sorted(chosen, key=lambda article: (article.published_at, article.id), reverse=True)

    def tag_name(self, slug: str) -> str:
        """Give the name of a published tag from its slug, the slug where there is none."""
        names = (tag for article in self._published.values() for tag in article.tags)
        return next((name for name in names if slugify(name) == slug), slug)

    def related(self, article: Article, limit: int) -> list[Article]:
        """List other published stories: most tags in common first, then the newest."""
        others = [other for other in self.newest() if other.slug != article.slug]
        others.sort(key=lambda other: _likeness(other, article), reverse=True)
        return others[:limit]

    def find(self, slug: str) -> Article | None:
        """Find a published story by its slug."""
        return self._published.get(slug)

    def read(self, slug: str) -> Article | None:
        """Count one reading of a published story and give it; None where there is none."""
        article = self.find(slug)
        if article is None:
            return None
        self._published[slug] = replace(article, reads=article.reads + 1)
        return self._published[slug]

    def publish(self, now: datetime, submission: Submission | None = None) -> Article:
        """Publish the submission, or the next prepared story.

        When every prepared story is out they come round again as numbered sequels, each with a
        title and a slug of its own. Raises NothingToChangeError where none is prepared.
        """
        draft = self._next_prepared(now) if submission is None else _drafted(submission)
        article = replace(
            draft,
            id=self._next_id,
            slug=self._claim_slug(draft.slug or f"berita-{self._next_id}"),
            published_at=_whole(now),
            modified_at=_whole(now),
        )
        self._next_id += 1
        return self._put(article, now)

    def correct(self, now: datetime, title: str = "") -> Article:
        """Change the title of the newest story, and its modified time, but nothing else.

        Without a title the story's own prepared correction is used, then "(Ralat N)". Raises
        NothingToChangeError.
        """
        article = self._newest_one()
        count = article.corrections + 1
        root = article.title.removesuffix(f" (Ralat {article.corrections})")
        changed = replace(
            article,
            title=one_line(title) or article.corrected_title or f"{root} (Ralat {count})",
            corrected_title="",
            corrections=count,
            modified_at=_whole(now),
        )
        return self._put(changed, now)

    def withdraw(self, now: datetime) -> Article:
        """Take the newest story off the site and give it. Raises NothingToChangeError."""
        article = self._newest_one()
        del self._published[article.slug]
        self._mark_changed(now)
        return article

    def _newest_one(self) -> Article:
        if not self._published:
            raise NothingToChangeError("Tidak ada berita yang terbit.")
        return self.newest()[0]

    def _next_prepared(self, now: datetime) -> Article:
        if not self._prepared:
            raise NothingToChangeError("Tidak ada berita yang disiapkan.")
        lap, place = divmod(self._turn, len(self._prepared))
        self._turn += 1
        article = _dated(self._prepared[place], now)
        return _sequel(article, lap + 1) if lap else article

    def _claim_slug(self, wanted: str) -> str:
        slug, number = wanted, 1
        while slug in self._used_slugs:
            number += 1
            slug = f"{wanted}-{number}"
        self._used_slugs.add(slug)
        return slug

    def _put(self, article: Article, now: datetime) -> Article:
        self._published[article.slug] = article
        self._mark_changed(now)
        return article

    def _mark_changed(self, now: datetime) -> None:
        self.changed_at = max(_whole(now), self.changed_at + timedelta(seconds=1))


def load_newsroom(folder: Path, now: datetime) -> Newsroom:
    """Read `stories.json` in `folder`; stories with `hours_ago` are dated back from `now`.

    "{hari}" in a paragraph becomes the day of publication: "Rabu (11/10)".

    Raises OSError, ValueError, KeyError or TypeError where the file is missing or faulty.
    """
    data = json.loads((folder / "stories.json").read_text(encoding="utf-8"))
    published = [_published_article(fields, now) for fields in data["published"]]
    prepared = [_article(fields) for fields in data["prepared"]]
    return Newsroom(Site(**data["site"]), published, prepared)


def slugify(text: str) -> str:
    """Make the path name of a title, section or tag: a-z, 0-9 and "-"; "" where nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_CHARS].strip("-")


def one_line(text: str) -> str:
    """Fold `text` to one line that XML can carry."""
    return " ".join(NOT_XML.sub("", text).split())


def _whole(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _article(fields: Mapping[str, Any]) -> Article:
    lists = {name: tuple(fields[name]) for name in ("paragraphs", "tags")}
    return Article(**{**fields, **lists})


def _published_article(fields: dict[str, Any], now: datetime) -> Article:
    rest = dict(fields)
    hours = rest.pop("hours_ago", None)
    stated = rest.pop("published_at", None)
    moment = now - timedelta(hours=hours) if stated is None else datetime.fromisoformat(stated)
    article = _dated(_article(rest), moment)
    return replace(article, published_at=_whole(moment), modified_at=_whole(moment))


def _dated(article: Article, moment: datetime) -> Article:
    local = moment.astimezone(WIB)
    day = f"{DAYS[local.weekday()]} ({local.day}/{local.month})"
    return replace(
        article, paragraphs=tuple(text.replace("{hari}", day) for text in article.paragraphs)
    )


def _likeness(one: Article, other: Article) -> tuple[int, bool]:
    return len({*one.tags} & {*other.tags}), one.section == other.section


def _sequel(article: Article, number: int) -> Article:
    corrected = article.corrected_title and f"{article.corrected_title} (Bagian {number})"
    return replace(
        article,
        title=f"{article.title} (Bagian {number})",
        slug=f"{article.slug}-{number}",
        corrected_title=corrected,
    )


def _drafted(submission: Submission) -> Article:
    title = one_line(submission.title)
    paragraphs = (one_line(part) for part in re.split(r"\n\s*\n", submission.body))
    tags = (one_line(tag) for tag in submission.tags)
    return Article(
        title=title,
        slug=slugify(title),
        summary=one_line(submission.summary),
        paragraphs=tuple(part for part in paragraphs if part),
        tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        caption=title,
    )
