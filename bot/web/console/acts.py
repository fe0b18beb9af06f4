"""What editors do in the console: each form is one act of the flow, and leads back to a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.editing import Decision, read_moment
from bot.errors import SourceError
from bot.store import Correction
from bot.telegram_html import MarkupError
from bot.types import Audience, BroadcastState, Reach
from bot.web.console.frame import whole
from bot.web.console.looks import draft_page
from bot.web.console.shown import telegram_shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from bot.web.console.doors import Doors
    from bot.web.console.frame import Visit

    Said = dict[str, str]

MOST_TAGS: Final = 50
# What a decision leads to, as one of the words that pages know.
SAID: Final = {
    Decision.DECIDED: "decided",
    Decision.CHANGED: "changed",
    Decision.MISSING: "missing",
}


@dataclass(frozen=True, slots=True)
class Acts:
    """The routes of the forms."""

    doors: Doors

    def add_to(self, app: web.Application) -> None:
        """Serve the forms."""
        routes: dict[str, Callable[[Visit], Awaitable[web.StreamResponse]]] = {
            "new": self.draft_new,
            "stories/{id}/draft": self.draft,
            "stories/{id}/correct": self.correct,
            "stories/{id}/retract": self.retract,
            "broadcasts/{id}/send": self.send,
            "broadcasts/{id}/schedule": self.schedule,
            "broadcasts/{id}/cancel": self.cancel,
            "broadcasts/{id}/audience": self.aim,
            "broadcasts/{id}/edit": self.edit,
            "broadcasts/{id}/pause": self.pause,
            "broadcasts/{id}/resume": self.resume,
            "broadcasts/{id}/stop": self.stop,
            "broadcasts/{id}/resend": self.resend,
        }
        for path, answer in routes.items():
            app.router.add_post(f"/console/{path}", self.doors.signed(answer))
        for path, answer in (("new", self.ask_new), ("stories/{id}/correct", self.ask_correction)):
            app.router.add_get(f"/console/{path}", self.doors.signed(answer))

    async def ask_new(self, visit: Visit) -> web.Response:
        """The form of a broadcast of an address or of the editor's own text."""
        return visit.page("new", fault="", url="", html="")

    async def draft_new(self, visit: Visit) -> web.Response:
        """Prepare a broadcast of an address or of the editor's own text."""
        said, editing = await visit.said(), visit.newsroom.editing
        url, html = said.get("url", "").strip(), said.get("html", "").strip()
        try:
            if url:
                made = await editing.draft_url(visit.editor, url, visit.now)
            else:
                made = await editing.draft_text(visit.editor, html, visit.now)
        except (SourceError, MarkupError) as error:
            return visit.page("new", status=422, fault=str(error), url=url, html=html)
        return visit.go(f"broadcasts/{made.broadcast.id}")

    async def draft(self, visit: Visit) -> web.Response:
        """Prepare a broadcast of a story; one that waits already is shown instead."""
        room, story_id = visit.newsroom, visit.number("id")
        story = await room.store.find_story(story_id)
        if story is None:
            return visit.missing()
        for known in await room.editing.story_broadcasts(story_id):
            if known.state is BroadcastState.DRAFT:
                return visit.go(f"broadcasts/{known.id}")
        made = await room.editing.draft(visit.editor, story, visit.now)
        return visit.go(f"broadcasts/{made.broadcast.id}")

    async def send(self, visit: Visit) -> web.Response:
        """Let a broadcast go out now."""
        said = await visit.said()
        decision = await visit.newsroom.editing.approve(
            visit.editor,
            visit.number("id"),
            visit.now,
            urgent=said.get("urgent") == "1",
            revision=whole(said.get("revision", "")) or None,
        )
        return self._decided(visit, decision, "sending")

    async def schedule(self, visit: Visit) -> web.Response:
        """Let a broadcast go out at the moment that is written."""
        said = await visit.said()
        day, words = said.get("day", "").strip(), said.get("at", "").strip()
        due_at = read_moment(f"{day} {words}".strip(), visit.now, visit.newsroom.zone)
        if due_at is None:
            return await draft_page(visit, visit.number("id"), fault="moment", status=422)
        decision = await visit.newsroom.editing.schedule(
            visit.editor,
            visit.number("id"),
            due_at,
            visit.now,
            urgent=said.get("urgent") == "1",
            revision=whole(said.get("revision", "")) or None,
        )
        return self._decided(visit, decision, "scheduled")

    async def cancel(self, visit: Visit) -> web.Response:
        """Call a broadcast off that has not gone out."""
        decision = await visit.newsroom.editing.cancel(visit.editor, visit.number("id"), visit.now)
        return self._decided(visit, decision, "cancelled")

    async def aim(self, visit: Visit) -> web.Response:
        """Say whom a broadcast is for."""
        said = await visit.said()
        reach = said.get("reach", "")
        tags = tuple(
            dict.fromkeys(tag for part in said.get("tags", "").split(",") if (tag := part.strip()))
        )
        if reach not in {Reach.WISHING, Reach.EVERYONE, Reach.TAGS} or (
            reach == Reach.TAGS and not tags
        ):
            return await draft_page(visit, visit.number("id"), fault="audience", status=422)
        audience = Audience(Reach(reach), tags[:MOST_TAGS] if reach == Reach.TAGS else ())
        decision = await visit.newsroom.editing.choose_audience(
            visit.editor, visit.number("id"), audience, visit.now
        )
        return self._decided(visit, decision, "aimed")

    async def edit(self, visit: Visit) -> web.Response:
        """Replace the text of what has not gone out."""
        html, broadcast_id = (await visit.said()).get("html", ""), visit.number("id")
        try:
            decision = await visit.newsroom.editing.edit_text(
                visit.editor, broadcast_id, html, visit.now
            )
        except MarkupError as error:
            return await draft_page(visit, broadcast_id, fault=str(error), status=422, written=html)
        return self._decided(visit, decision, "edited")

    async def pause(self, visit: Visit) -> web.Response:
        """Let nothing more go out for now."""
        editing, broadcast_id = visit.newsroom.editing, visit.number("id")
        done = await editing.pause(visit.editor, broadcast_id, visit.now)
        return visit.go(f"broadcasts/{broadcast_id}", "paused" if done else "decided")

    async def resume(self, visit: Visit) -> web.Response:
        """Let a paused broadcast go on."""
        editing, broadcast_id = visit.newsroom.editing, visit.number("id")
        done = await editing.resume(visit.editor, broadcast_id, visit.now)
        return visit.go(f"broadcasts/{broadcast_id}", "resumed" if done else "decided")

    async def stop(self, visit: Visit) -> web.Response:
        """Let nothing more go out, for good."""
        editing, broadcast_id = visit.newsroom.editing, visit.number("id")
        done = await editing.stop(visit.editor, broadcast_id, visit.now)
        return visit.go(f"broadcasts/{broadcast_id}", "stopped" if done else "decided")

    async def resend(self, visit: Visit) -> web.Response:
        """Try again where a broadcast was refused."""
        editing, broadcast_id = visit.newsroom.editing, visit.number("id")
        number = await editing.resend_failed(visit.editor, broadcast_id, visit.now)
        return visit.go(f"broadcasts/{broadcast_id}", "resent", number)

    async def retract(self, visit: Visit) -> web.Response:
        """Take a story back everywhere."""
        story_id = visit.number("id")
        number = await visit.newsroom.editing.retract(visit.editor, story_id, visit.now)
        return visit.go(f"stories/{story_id}", "decided" if number is None else "retracted", number)

    async def ask_correction(self, visit: Visit) -> web.Response:
        """The form of a correction, filled with what was sent last."""
        return await self._correction_page(visit, {})

    async def correct(self, visit: Visit) -> web.Response:
        """Show what a correction will say, and make it when it was looked at."""
        said, editing, story_id = await visit.said(), visit.newsroom.editing, visit.number("id")
        html, url = said.get("html", "").strip(), said.get("url", "").strip()
        if not html and not url:
            return await self._correction_page(visit, said, "empty")
        correction = Correction(story_id, html, url, marked=said.get("marked") == "1")
        try:
            seen = await editing.preview_correction(correction, visit.now)
            if seen is None:
                return visit.missing()
            if said.get("step") != "make":
                return await self._correction_page(visit, said, shown=seen[1].html)
            number = await editing.correct(
                visit.editor,
                story_id,
                visit.now,
                html=html or None,
                url=url or None,
                marked=correction.marked,
            )
        except MarkupError as error:
            return await self._correction_page(visit, said, str(error))
        said_word = "decided" if number is None else "corrected"
        return visit.go(f"stories/{story_id}", said_word, number)

    async def _correction_page(
        self, visit: Visit, said: Said, fault: str = "", shown: str = ""
    ) -> web.Response:
        room, story_id = visit.newsroom, visit.number("id")
        story = await room.store.find_story(story_id)
        if story is None:
            return visit.missing()
        states = await room.store.list_message_states(story_id)
        sheet = room.renderer.share_sheet(story)
        return visit.page(
            "correct",
            status=422 if fault else 200,
            story=story,
            html=said.get("html", states[0].message.html if states else sheet.message.html),
            url=said.get("url", ""),
            marked=said.get("marked") == "1",
            shown=telegram_shown(shown) if shown else "",
            fault=fault,
            reached=await room.store.count_reached(story_id),
        )

    def _decided(self, visit: Visit, decision: Decision, done: str) -> web.Response:
        if decision is Decision.MISSING:
            return visit.missing()
        return visit.go(f"broadcasts/{visit.number('id')}", SAID.get(decision, done))
