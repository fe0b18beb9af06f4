"""A running broadcast's progress, told as it happens. Source: HTML standard, server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bot.errors import DatabaseError

if TYPE_CHECKING:
    from bot.editing import Progress
    from bot.web.console.doors import Doors
    from bot.web.console.frame import Visit

LOOK_EVERY_S: Final = 1.0
# A line now and then, so that no proxy takes the silence for the end.
SPEAK_EVERY: Final = 15
LONGEST_LOOKS: Final = 3_600


@dataclass(frozen=True, slots=True)
class Live:
    """The route of a broadcast's progress; it ends when the surface stops."""

    doors: Doors
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def add_to(self, app: web.Application) -> None:
        """Serve `/console/broadcasts/ID/events`."""
        app.router.add_get(
            "/console/broadcasts/{id}/events", self.doors.signed(self.tell), allow_head=False
        )
        app.on_shutdown.append(self._stop)

    async def tell(self, visit: Visit) -> web.StreamResponse:
        """Tell each change of a broadcast's progress until it is over."""
        progress = await visit.newsroom.editing.progress(visit.number("id"))
        if progress is None:
            return visit.missing()
        headers = {**visit.newsroom.headers(), "Content-Type": "text/event-stream"}
        response = web.StreamResponse(headers=headers)
        response.headers["X-Accel-Buffering"] = "no"
        await response.prepare(visit.request)
        with contextlib.suppress(ConnectionResetError, DatabaseError):
            await self._follow(visit, response, progress)
        return response

    async def _follow(
        self, visit: Visit, response: web.StreamResponse, progress: Progress | None
    ) -> None:
        told = ""
        for look in range(LONGEST_LOOKS):
            if progress is None or await self.doors.visit(visit.request) is None:
                break
            text = visit.fragment("progress", progress=progress)
            if text != told:
                await response.write(_event("progress", text))
                told = text
            elif look % SPEAK_EVERY == 0:
                await response.write(b":\n\n")
            if progress.is_over or await self._stops():
                break
            progress = await visit.newsroom.editing.progress(progress.broadcast.id)
        await response.write(_event("end", ""))

    async def _stops(self) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), LOOK_EVERY_S)
        return self.stopping.is_set()

    async def _stop(self, _: web.Application) -> None:
        self.stopping.set()


def _event(name: str, text: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
