"""Flow 4: what becomes of stories that have left their feed: corrected, withdrawn, still there.

`judge` decides, `Revisiting` moves data. A story that went missing is believed to be gone only when
its page says so twice, a poll apart, while the rest of the site answers as ever: a failure of the
site takes nothing away from readers.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.errors import FetchError, PublishError, SourceError
from bot.identity import carried, sight_entry, told_by_body
from bot.links import canonical, story_key
from bot.store import Visit
from bot.telegram_html import parse
from bot.types import Button, Destination, Message, Presence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from datetime import datetime

    from bot.ports import Archive, Publisher
    from bot.render import Renderer
    from bot.store import Absence, ArchiveForVisit, Store
    from bot.types import KnownStory, Look, Post, Sighting, Story

# In callback data a story that is gone bears this mark.
GONE_MARK = "w"
AT_ONCE = 8
OFFERS_AT_ONCE = 20
LEASE = timedelta(minutes=2)
WATCHED_AT_ONCE = 100
PROBE_AGAIN = timedelta(days=1)
LONGEST_BACK_OFF = timedelta(hours=1)
LOOK_AGAIN_AT_PRESENT = timedelta(minutes=10)
# The clocks of two machines, and posts of one second.
OVERLAP = timedelta(seconds=2)
CONTROLS = 2
# What a feed lists is corrected by the feed, which may be read late, or lose it before that.
LEFT_TO_THE_FEED = timedelta(minutes=10)
# One answer that is none does not yet mean that a site refuses to be asked.
REFUSALS_BORNE = 3
# An archive that lacks so many stories and has no other is one that hides them from strangers.
FEW = 3

_log = logging.getLogger(__name__)


class Finding(StrEnum):
    """What a look at an absence led to."""

    PRESENT = "present"
    UNSURE = "unsure"
    GONE = "gone"
    CONFIRMED = "confirmed"


class Standing(StrEnum):
    """What an archive says of a story; locked is shown to those alone who have its password."""

    SHOWN = "shown"
    LOCKED = "locked"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of an absent story at one moment.

    `page` is what its own page answers, `standing` what its site's archive says, `site_works`
    whether other pages of the site are there. `elsewhere`: its address leads to another story.
    """

    page: Presence
    standing: Standing
    site_works: bool
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class RevisitPolicy:
    """What the operator decides: the poll interval, and whether what is gone is retracted unasked.

    `editors` are asked otherwise.
    """

    poll_interval: timedelta
    is_auto: bool
    editors: tuple[int, ...] = ()


class Revisiting:
    """Visits archives for corrections, looks at absences, and offers what is gone to editors."""

    def __init__(
        self,
        store: Store,
        archive: Archive,
        renderer: Renderer,
        publisher: Publisher,
        retract: Callable[[Story, datetime], Awaitable[int | None]],
        policy: RevisitPolicy,
    ) -> None:
        self._store = store
        self._archive = archive
        self._renderer = renderer
        self._publisher = publisher
        self._retract = retract
        self._policy = policy

    async def step(self, now: datetime) -> bool:
        """One round over all that is due; False where there was nothing."""
        archives = await self._store.claim_archives(now, now + LEASE, AT_ONCE)
        absences = await self._store.claim_absences(now, now + LEASE, AT_ONCE)
        await asyncio.gather(
            *(_safely(self._visit(one, now), "archive not visited") for one in archives),
            *(_safely(self._look(one, now), "absence not looked at") for one in absences),
        )
        settled = await self._settle(now)
        return bool(archives or absences or settled)

    async def _visit(self, archive: ArchiveForVisit, now: datetime) -> None:
        """Find an archive, or read what was modified in it and what it no longer has."""
        visit = Visit(now + self._pace(0), archive.api_url, archive.modified_at or now)
        try:
            if archive.api_url is None:
                visit = await self._find(archive, now)
            else:
                visit = await self._read(archive, archive.api_url, visit, now)
        except SourceError as error:
            refused = archive.api_url is not None and archive.failures + 1 >= REFUSALS_BORNE
            if refused and (not isinstance(error, FetchError) or _is_refusal(error)):
                visit = replace(visit, due_at=now + PROBE_AGAIN, api_url=None, error=str(error))
            else:
                again = self._pace(archive.failures + 1)
                visit = replace(visit, due_at=now + again, error=str(error))
            _log.info("archive not read", extra={"feed": archive.feed_id, "reason": str(error)})
        await self._store.record_visit(archive, visit)

    async def _find(self, archive: ArchiveForVisit, now: datetime) -> Visit:
        api_url = await self._archive.find(archive.feed_url)
        if api_url is None:
            return Visit(now + PROBE_AGAIN)
        _log.info("archive found", extra={"feed": archive.feed_id})
        return Visit(now + self._pace(0), api_url, archive.modified_at or now)

    async def _read(
        self, archive: ArchiveForVisit, api_url: str, visit: Visit, now: datetime
    ) -> Visit:
        since = (archive.modified_at or now) - OVERLAP
        posts = await self._archive.list_modified(api_url, since)
        left_at = await self._correct(archive.feed_id, posts, now)
        await self._miss(archive.feed_id, api_url, now)
        times = [post.modified_at for post in posts if post.modified_at]
        seen_to = max(times, default=since)
        if left_at is not None:
            # What its feed is still to correct is read again, in case that it never does.
            seen_to = min(seen_to, left_at)
        return replace(visit, modified_at=max(seen_to, archive.modified_at or since))

    async def _correct(self, feed_id: int, posts: Sequence[Post], now: datetime) -> datetime | None:
        """Revise stories that the feed no longer lists and that read otherwise now.

        Gives when the first one was modified of those that the feed lists, None where none was.
        """
        sightings = [sight_entry(post.entry) for post in posts if not post.protected]
        if not sightings:
            return None
        listed = await self._store.list_listed(feed_id)
        found = match(feed_id, sightings, await self._store.list_known(feed_id, sightings))
        stories = await self._store.list_stories([known.id for known, _ in found])
        before = {story.id: story for story in stories}
        revised = [
            (known, corrected)
            for known, sighting in found
            if (corrected := correction(sighting, before[known.id])) is not None
        ]
        changed = await self._store.record_corrections(
            [pair for pair in revised if pair[0].id not in listed], now
        )
        if changed:
            _log.info("stories corrected", extra={"feed": feed_id, "number": len(changed)})
        waits = max(LEFT_TO_THE_FEED, 3 * self._policy.poll_interval)
        left = [one.story.updated_at for known, one in revised if known.id in listed]
        return min((moment for moment in left if moment and now - moment < waits), default=None)

    async def _miss(self, feed_id: int, api_url: str, now: datetime) -> None:
        """Note recent stories that the archive does not show to everybody any more."""
        watched = await self._store.list_watched(feed_id, now, WATCHED_AT_ONCE)
        if not watched:
            return
        shown = set(await self._archive.list_public(api_url, watched))
        missed = [story.id for story in watched if story.id not in shown]
        if len(missed) < max(len(watched), FEW):
            await self._store.record_absences(missed, now)

    async def _look(self, absence: Absence, now: datetime) -> None:
        evidence = await self._gather(absence.story)
        finding = judge(absence, evidence, now, self._policy.poll_interval)
        if finding is Finding.CONFIRMED:
            if await self._store.confirm_absence(absence.story.id, now):
                _log.info("story gone", extra={"story": absence.story.id})
            return
        if finding is Finding.PRESENT:
            due_at = now + _doubled(LOOK_AGAIN_AT_PRESENT, absence.looks, timedelta(hours=12))
        elif finding is Finding.UNSURE:
            due_at = now + _doubled(self._policy.poll_interval, absence.looks, LONGEST_BACK_OFF)
        else:
            due_at = now + self._policy.poll_interval
        gone_at = (absence.gone_at or now) if finding is Finding.GONE else None
        if finding is Finding.UNSURE:
            gone_at = absence.gone_at
        await self._store.record_look(absence, due_at, gone_at)

    async def _gather(self, story: Story) -> Evidence:
        """Look at a story's page, its archive and, at the same time, at the rest of its site."""
        controls = await self._store.list_present(story.feed_id, CONTROLS)
        addresses = [control.url for control in controls] or [_front(story.url)]
        looks = (self._archive.look(address) for address in (story.url, *addresses))
        (page, *others), standing = await asyncio.gather(
            asyncio.gather(*looks), self._standing(story)
        )
        return Evidence(
            page=page.presence,
            standing=standing,
            site_works=any(other.presence is Presence.HERE for other in others),
            elsewhere=await self._leads_elsewhere(story, page),
        )

    async def _standing(self, story: Story) -> Standing:
        api_url = await self._store.find_archive_url(story.feed_id)
        if api_url is None:
            return Standing.UNKNOWN
        try:
            posts = await self._archive.list_posts(api_url, [story])
        except SourceError:
            return Standing.UNKNOWN
        if not posts:
            return Standing.MISSING
        return Standing.LOCKED if all(post.protected for post in posts) else Standing.SHOWN

    async def _leads_elsewhere(self, story: Story, page: Look) -> bool:
        """Whether the page led to another story: WordPress guesses when it lacks the one asked."""
        key = story_key(canonical(page.url))
        if page.presence is not Presence.HERE or key == story_key(story.url):
            return False
        other = await self._store.find_story_by_key(key)
        return other is not None and other.id != story.id

    async def _settle(self, now: datetime) -> bool:
        """Retract what is gone, or ask the editors; what reached nobody is only shown no more."""
        gone = await self._store.list_gone(OFFERS_AT_ONCE)
        for story in gone:
            if self._policy.is_auto or not await self._store.count_reached(story.id):
                await self._retract(story, now)
                await self._store.decide_absence(story.id, withdrawn=True, now=now)
        if self._policy.is_auto or not gone:
            return bool(gone)
        for story in await self._store.claim_unasked(now, OFFERS_AT_ONCE):
            question = self._question(story)
            if not self._policy.editors:
                _log.warning("story gone, and no editor to ask", extra={"story": story.id})
            for editor in self._policy.editors:
                await self._ask(editor, question)
        return True

    def _question(self, story: Story) -> Message:
        html = self._renderer.chat(self._renderer.locale, "gone", story=story.title, url=story.url)
        words = self._renderer.words()
        decisions = (
            Button(words["retract"], callback_data=f"retract:{GONE_MARK}{story.id}"),
            Button(words["skip"], callback_data=f"skip:{GONE_MARK}{story.id}"),
        )
        return Message(html, parse(html).text, (decisions,))

    async def _ask(self, editor: int, question: Message) -> None:
        try:
            await self._publisher.send(Destination(editor), self._publisher.prepare(question))
        except PublishError as error:
            _log.warning("editor not reached", extra={"editor": editor, "reason": str(error)})

    def _pace(self, failures: int) -> timedelta:
        return _doubled(2 * self._policy.poll_interval, failures, LONGEST_BACK_OFF)


def judge(absence: Absence, evidence: Evidence, now: datetime, apart: timedelta) -> Finding:
    """Say what is to be believed of an absent story.

    It is gone where its page is (or where its address leads to another story, or its page asks for
    a password), nothing says otherwise, and the rest of the site answers. It takes two such looks
    that lie `apart`.
    """
    locked = evidence.standing is Standing.LOCKED
    if evidence.page is Presence.HERE and not evidence.elsewhere and not locked:
        return Finding.PRESENT
    led_away = evidence.elsewhere and evidence.standing is Standing.MISSING
    page_gone = evidence.page is Presence.GONE or led_away or locked
    if not page_gone or evidence.standing is Standing.SHOWN or not evidence.site_works:
        return Finding.UNSURE
    if absence.gone_at is not None and now - absence.gone_at >= apart:
        return Finding.CONFIRMED
    return Finding.GONE


def match(
    feed_id: int, sightings: Sequence[Sighting], known: Sequence[KnownStory]
) -> list[tuple[KnownStory, Sighting]]:
    """Pair sightings with the stories of one feed that they are of, by guid or else by link."""
    own = [item for item in known if item.feed_id == feed_id and not item.withdrawn]
    by_guid = {item.guid: item for item in own if item.guid}
    by_key = {item.key: item for item in own if item.key}
    pairs = {}
    for sighting in sightings:
        found = by_guid.get(sighting.story.guid or "") or by_key.get(sighting.key or "")
        if found is not None:
            pairs[found.id] = (found, sighting)
    return list(pairs.values())


def correction(sighting: Sighting, before: Story) -> Sighting | None:
    """A sighting as a revision of a story; None where a reader would see no difference."""
    told = carried(told_by_body(sighting.story), before)
    if (told.title, told.url, told.summary) == (before.title, before.url, before.summary):
        return None
    return replace(sighting, story=told)


def _doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    return min(first * (1 << min(times, 12)), max(first, longest))


def _is_refusal(error: FetchError) -> bool:
    return error.status is not None and 400 <= error.status < 500 and error.status not in {408, 429}


def _front(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


async def _safely(work: Coroutine[None, None, None], event: str) -> None:
    """A site that fails in a way nobody foresaw is that site's fault; its lease will lapse."""
    try:
        await work
    except Exception:
        _log.exception(event)
