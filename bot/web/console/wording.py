"""The console's page of templates: written, tried on the last stories, checked, kept, undone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bot.errors import TemplateError
from bot.types import ActKind, Platform
from bot.web.console.frame import whole
from bot.web.console.shown import telegram_shown, whatsapp_shown

if TYPE_CHECKING:
    from bot.store import Store, StoredTemplate
    from bot.types import Story
    from bot.web.console.doors import Doors
    from bot.web.console.frame import Newsroom, Visit

PLATFORMS: Final = (Platform.TELEGRAM, Platform.WHATSAPP, Platform.LINE, Platform.PLAIN)
TRIED_ON: Final = 20
LONGEST_CHARS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Trial:
    """What a template makes of the last stories, or its fault."""

    results: tuple[tuple[Story, str, bool], ...] = ()
    fault: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """The routes of the templates."""

    doors: Doors

    def add_to(self, app: web.Application) -> None:
        """Serve `/console/templates`."""
        path = "/console/templates/{platform}"
        signed = self.doors.signed
        app.router.add_get("/console/templates", signed(self.all))
        app.router.add_get(path, signed(self.one))
        app.router.add_post(path, signed(self.save))
        app.router.add_post(f"{path}/preview", signed(self.preview))
        app.router.add_post(f"{path}/restore", signed(self.restore))

    async def all(self, visit: Visit) -> web.Response:
        """The four templates, and who changed them last."""
        stored = {one.platform: one for one in await visit.newsroom.store.list_templates()}
        return visit.page("templates", items=[(one, stored.get(one)) for one in PLATFORMS])

    async def one(self, visit: Visit) -> web.Response:
        """One template as it is now, with what it makes of the last stories."""
        platform = _platform(visit)
        if platform is None:
            return visit.missing()
        source = await _current(visit, platform)
        return await _template_page(visit, platform, source)

    async def preview(self, visit: Visit) -> web.Response:
        """What a template makes of the last stories, as a part of the page."""
        platform = _platform(visit)
        if platform is None:
            return visit.missing()
        source = (await visit.said()).get("source", "")
        trial = await _try(visit.newsroom, platform, source)
        return web.Response(
            text=visit.fragment("trial", platform=platform.value, trial=trial),
            content_type="text/html",
            headers=visit.newsroom.headers(),
        )

    async def save(self, visit: Visit) -> web.Response:
        """Look at a template, or keep it where it has no fault."""
        platform = _platform(visit)
        if platform is None:
            return visit.missing()
        said = await visit.said()
        source = said.get("source", "").replace("\r\n", "\n")
        trial = await _try(visit.newsroom, platform, source)
        if trial.fault or said.get("step") == "look":
            status = 422 if trial.fault else 200
            return await _template_page(visit, platform, source, trial=trial, status=status)
        await _keep(visit, platform, source)
        return visit.go(f"templates/{platform}", "saved")

    async def restore(self, visit: Visit) -> web.Response:
        """Go back to the built-in template, or to an earlier state."""
        platform = _platform(visit)
        if platform is None:
            return visit.missing()
        wanted = whole((await visit.said()).get("id", ""))
        source = None
        if wanted:
            history = await visit.newsroom.store.list_template_history(platform)
            found = next((one for one in history if one.id == wanted), None)
            if found is None:
                return visit.missing()
            source = found.source
        if source is not None:
            trial = await _try(visit.newsroom, platform, source)
            if trial.fault:
                return await _template_page(visit, platform, source, trial=trial, status=422)
        await _keep(visit, platform, source)
        return visit.go(f"templates/{platform}", "restored")


def used_sources(stored: list[StoredTemplate]) -> dict[Platform, str]:
    """The templates that come before all others."""
    return {one.platform: one.source for one in stored if one.source is not None}


async def _keep(visit: Visit, platform: Platform, source: str | None) -> None:
    room = visit.newsroom
    detail = f"{platform.value}: {'changed' if source is not None else 'built-in'}"
    await room.editing.note_act(visit.editor, ActKind.TEMPLATE, visit.now, detail)
    await room.store.record_template(platform, source, visit.editor, visit.now)
    room.renderer.use_stored(used_sources(await room.store.list_templates()))


async def _current(visit: Visit, platform: Platform) -> str:
    sources = used_sources(await visit.newsroom.store.list_templates())
    return sources.get(platform) or visit.newsroom.renderer.template_source(platform)


async def _template_page(
    visit: Visit, platform: Platform, source: str, *, trial: Trial | None = None, status: int = 200
) -> web.Response:
    room = visit.newsroom
    history = await room.store.list_template_history(platform)
    names = await room.store.list_names()
    return visit.page(
        "template",
        status=status,
        platform=platform.value,
        source=source,
        trial=trial or await _try(room, platform, source),
        history=[(one, names.get(one.editor, str(one.editor))) for one in history],
        own=bool(history) and history[0].source is not None,
    )


async def _try(newsroom: Newsroom, platform: Platform, source: str) -> Trial:
    """Try a template on the last stories, off the loop."""
    if len(source) > LONGEST_CHARS:
        return Trial(fault=f"> {LONGEST_CHARS}")
    stories = await _last_stories(newsroom.store)
    try:
        texts = await asyncio.to_thread(newsroom.renderer.try_template, platform, source, stories)
    except TemplateError as error:
        return Trial(fault=error.reason, line=error.line)
    shown = {Platform.TELEGRAM: telegram_shown, Platform.WHATSAPP: whatsapp_shown}.get(platform)
    pairs = zip(stories, texts, strict=True)
    return Trial(
        tuple((story, shown(text) if shown else text, shown is not None) for story, text in pairs)
    )


async def _last_stories(store: Store) -> list[Story]:
    return await store.list_latest(TRIED_ON)


def _platform(visit: Visit) -> Platform | None:
    name = visit.request.match_info["platform"]
    return next((one for one in PLATFORMS if one.value == name), None)
