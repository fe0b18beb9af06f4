"""The console: the editors' pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.web.console.acts import Acts
from bot.web.console.doors import Doors
from bot.web.console.frame import Newsroom, redirect
from bot.web.console.live import Live
from bot.web.console.looks import Looks
from bot.web.console.proof import proof_key
from bot.web.console.wording import Wording, used_sources

if TYPE_CHECKING:
    from aiohttp import web

    from bot.web.console.frame import Visit

__all__ = ["FILES", "Newsroom", "add_console", "proof_key", "used_sources"]

FILES = ("console.css", "console.js")


def add_console(app: web.Application, newsroom: Newsroom) -> None:
    """Serve `/console/` to editors, and nothing below it to anybody else."""
    doors = Doors(newsroom)
    doors.add_to(app)
    for part in (Looks(doors), Acts(doors), Live(doors), Wording(doors)):
        part.add_to(app)

    async def home(_: web.Request) -> web.Response:
        return redirect(newsroom, "/console/")

    async def nothing(visit: Visit) -> web.Response:
        return visit.missing()

    app.router.add_get("/console", home)
    app.router.add_route("*", "/console/{rest:.*}", doors.signed(nothing))
