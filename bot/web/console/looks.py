"""The console's pages that only show: stories, broadcasts, calendar, audience, feeds, log."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from bot.dates import long_date
from bot.links import shown
from bot.relating import search
from bot.types import ActKind, BroadcastState, DeliveryState, Platform
from bot.web.console.frame import whole
from bot.web.console.shown import telegram_shown, whatsapp_shown

if TYPE_CHECKING:
    from datetime import datetime

    from bot.store import LedgerLine, StoryGlance
    from bot.types import ShareSheet
    from bot.web.console.doors import Doors
    from bot.web.console.frame import Visit

A_PAGE: Final = 25
LEDGER_PAGE: Final = 100
LOG_PAGE: Final = 50
MOST_PAGES: Final = 400
STATES: Final = {
    "all": tuple(DeliveryState),
    "sent": (DeliveryState.SENT,),
    "waiting": (DeliveryState.PENDING, DeliveryState.SENDING),
    "unknown": (DeliveryState.UNKNOWN,),
    "refused": (DeliveryState.FAILED,),
    "stopped": (DeliveryState.CANCELLED,),
}
LINKS: Final = (
    ("telegram", "Telegram"),
    ("whatsapp", "WhatsApp"),
    ("line", "LINE"),
    ("facebook", "Facebook"),
    ("x", "X"),
    ("threads", "Threads"),
    ("email", "Email"),
)


@dataclass(frozen=True, slots=True)
class Looks:
    """The routes of the pages that only show."""

    doors: Doors

    def add_to(self, app: web.Application) -> None:
        """Serve the pages."""
        pages = {
            "": self.stories,
            "stories/{id}": self.story,
            "broadcasts/{id}": self.broadcast,
            "calendar": self.calendar,
            "audience": self.audience,
            "feeds": self.feeds,
            "log": self.log,
        }
        for path, answer in pages.items():
            app.router.add_get(f"/console/{path}", self.doors.signed(answer))
        app.router.add_post("/console/audience/export", self.doors.signed(self.export))

    async def stories(self, visit: Visit) -> web.Response:
        """The newest stories, or those that a search finds, with what became of them."""
        store, words = visit.newsroom.store, visit.asked("q")[:200]
        number = min(max(whole(visit.asked("page")), 1), MOST_PAGES)
        offset = (number - 1) * A_PAGE
        if words:
            found = await search(store, words, A_PAGE + 1, offset)
            ids = [story.id for story in found.stories]
            glances = await store.list_glances(len(ids), 0, ids)
        else:
            glances = await store.list_glances(A_PAGE + 1, offset)
        return visit.page(
            "stories",
            items=[(glance, state_of(glance)) for glance in glances[:A_PAGE]],
            words=words,
            page=number,
            more=len(glances) > A_PAGE,
        )

    async def story(self, visit: Visit) -> web.Response:
        """One story: its messages, links, broadcasts, history and what can be done."""
        room, story_id = visit.newsroom, visit.number("id")
        glances = await room.store.list_glances(1, 0, [story_id])
        if not glances:
            return visit.missing()
        glance = glances[0]
        sheet = room.renderer.share_sheet(glance.story)
        states = await room.store.list_message_states(story_id)
        return visit.page(
            "story",
            glance=glance,
            story=glance.story,
            state=state_of(glance),
            cards=cards_of(sheet),
            links=links_of(sheet),
            sheet=sheet,
            broadcasts=await room.editing.story_broadcasts(story_id),
            history=[(one, telegram_shown(one.message.html)) for one in states],
            outcomes=await room.editing.outcomes(story_id),
            acts=await room.editing.list_acts(visit.editor, visit.now, LOG_PAGE, None, story_id),
        )

    async def broadcast(self, visit: Visit) -> web.Response:
        """One broadcast: what waits for a decision, or how it does, with its ledger."""
        editing, broadcast_id = visit.newsroom.editing, visit.number("id")
        progress = await editing.progress(broadcast_id)
        if progress is None:
            return visit.missing()
        if progress.broadcast.state in {BroadcastState.DRAFT, BroadcastState.SCHEDULED}:
            return await draft_page(visit, broadcast_id)
        return await self._running(visit, broadcast_id, progress=progress)

    async def calendar(self, visit: Visit) -> web.Response:
        """What is scheduled, by day, what waits for a decision, and what is under way."""
        editing, zone = visit.newsroom.editing, visit.newsroom.zone
        days: dict[Any, list[Any]] = defaultdict(list)
        for draft in await editing.list_scheduled(visit.editor, visit.now):
            if draft.broadcast.due_at is not None:
                days[draft.broadcast.due_at.astimezone(zone).date()].append(draft)
        return visit.page(
            "calendar",
            days=[
                (day, _day_of(found[0].broadcast.due_at, visit), found)
                for day, found in sorted(days.items())
            ],
            today=visit.now.astimezone(zone).date(),
            zone=visit.newsroom.zone,
            drafts=await editing.list_drafts(visit.editor, visit.now),
            running=await editing.list_running(visit.editor, visit.now),
        )

    async def audience(self, visit: Visit) -> web.Response:
        """The chats with their wishes, the tags, and why chats are closed."""
        store = visit.newsroom.store
        words, closed = visit.asked("q")[:100], visit.asked("closed") == "1"
        after = whole(visit.asked("after"))
        members = await store.list_chats(words, closed=closed, after_id=after, limit=A_PAGE + 1)
        return visit.page(
            "audience",
            glance=await store.count_audience_parts(),
            members=members[:A_PAGE],
            more=members[A_PAGE - 1].chat.id if len(members) > A_PAGE else 0,
            words=words,
            closed=closed,
            after=after,
        )

    async def export(self, visit: Visit) -> web.StreamResponse:
        """The audience as a file of JSON Lines."""
        await visit.newsroom.editing.note_act(visit.editor, ActKind.EXPORT, visit.now)
        day = visit.now.astimezone(visit.newsroom.zone).date().isoformat()
        response = web.StreamResponse(
            headers={
                **visit.newsroom.headers(),
                hdrs.CONTENT_TYPE: "application/jsonl; charset=utf-8",
                hdrs.CONTENT_DISPOSITION: f'attachment; filename="sebar-audience-{day}.jsonl"',
            }
        )
        await response.prepare(visit.request)
        async for line in visit.newsroom.export():
            await response.write(f"{line.rstrip()}\n".encode())
        await response.write_eof()
        return response

    async def feeds(self, visit: Visit) -> web.Response:
        """How every feed does, and what its hub does."""
        store = visit.newsroom.store
        hubs = {hub.feed_url: hub for hub in await store.list_hub_health(visit.now)}
        feeds = await store.list_feed_glances()
        return visit.page(
            "feeds", items=[(feed, shown(feed.url), hubs.get(feed.url)) for feed in feeds]
        )

    async def log(self, visit: Visit) -> web.Response:
        """The audit trail, the newest first."""
        before = whole(visit.asked("before")) or None
        acts = await visit.newsroom.editing.list_acts(visit.editor, visit.now, LOG_PAGE + 1, before)
        more = acts[LOG_PAGE - 1].id if len(acts) > LOG_PAGE else 0
        return visit.page("log", acts=acts[:LOG_PAGE], more=more, before=before)

    async def _running(self, visit: Visit, broadcast_id: int, **values: Any) -> web.Response:
        which = visit.asked("show") if visit.asked("show") in STATES else "all"
        after = whole(visit.asked("after"))
        lines: list[LedgerLine] = await visit.newsroom.store.list_ledger(
            broadcast_id, STATES[which], after, LEDGER_PAGE + 1
        )
        return visit.page(
            "broadcast",
            lines=lines[:LEDGER_PAGE],
            more=lines[LEDGER_PAGE - 1].id if len(lines) > LEDGER_PAGE else 0,
            which=which,
            choices=tuple(STATES),
            after=after,
            **values,
        )


async def draft_page(
    visit: Visit, broadcast_id: int, *, fault: str = "", status: int = 200, written: str = ""
) -> web.Response:
    """What waits for a decision or its moment: the exact message, its audience, the choices."""
    draft = await visit.newsroom.editing.find_draft(broadcast_id)
    if draft is None:
        return visit.missing()
    message = draft.broadcast.message
    if message is None:
        message = visit.newsroom.renderer.share_sheet(draft.story).message
    parts = await visit.newsroom.store.count_audience_parts()
    return visit.page(
        "draft",
        status=status,
        draft=draft,
        broadcast=draft.broadcast,
        story=draft.story,
        shown=telegram_shown(message.html),
        html=written or message.html,
        tags=[label for label, _ in parts.tags],
        fault=fault,
    )


def _day_of(moment: datetime, visit: Visit) -> str:
    date = long_date(moment, visit.newsroom.zone, visit.language)
    return date.rpartition(" - " if visit.language == "id" else ", ")[0]


def state_of(glance: StoryGlance) -> str:
    """A story's state at a glance, as one of the words that pages know."""
    if glance.withdrawn_at is not None:
        return "withdrawn"
    if glance.state is None or glance.state is BroadcastState.CANCELLED:
        sent = glance.counts.get(DeliveryState.SENT, 0)
        return "sent" if sent else "unsent"
    if glance.state is not BroadcastState.OPEN:
        return glance.state.value
    waiting = (DeliveryState.PENDING, DeliveryState.SENDING)
    if any(glance.counts.get(state) for state in waiting):
        return "running"
    return "refused" if glance.counts.get(DeliveryState.FAILED) else "sent"


def cards_of(sheet: ShareSheet) -> list[dict[str, str]]:
    """A story's four messages, as they are copied and as they are shown ("" for as it is)."""
    texts = sheet.texts
    return [
        {
            "name": Platform.TELEGRAM.value,
            "title": "Telegram",
            "text": texts.telegram,
            "shown": telegram_shown(sheet.message.html),
        },
        {
            "name": Platform.WHATSAPP.value,
            "title": "WhatsApp",
            "text": texts.whatsapp,
            "shown": whatsapp_shown(texts.whatsapp),
        },
        {"name": Platform.LINE.value, "title": "LINE", "text": texts.line, "shown": ""},
        {"name": Platform.PLAIN.value, "title": "", "text": texts.plain, "shown": ""},
    ]


def links_of(sheet: ShareSheet) -> list[tuple[str, str]]:
    """The links that open each platform with this story."""
    found = ((title, getattr(sheet.links, name)) for name, title in LINKS)
    return [(title, href) for title, href in found if href]
