"""Pushed and pinged stories, end to end: the process, its hubs and sites over real HTTP.

Stories that shall come by push or ping alone come from feeds that are polled once an hour.
"""

from __future__ import annotations

import asyncio
import xmlrpc.client
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.test_utils import TestServer
from hubs_served import Hub, Site, flask_hub, listening, served_hub
from service import Service, Telegram, eventually, free_port, service, telegram

from bot.check import examine
from bot.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

READER = 1001
HOURLY = "3600"


@dataclass
class Day:
    """A site, its Telegram and the service between them."""

    site: Site
    telegram: Telegram
    service: Service

    @property
    def feed_url(self) -> str:
        return f"{self.telegram.url}/site/feed/"

    def count(self, title: str) -> int:
        """How many messages of the reader's hold a title."""
        return sum(title in post.content.text.text for post in self.telegram.sandbox.sent(READER))

    async def metric(self, line: str) -> bool:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.service.url}/metrics") as answer,
        ):
            return f"{line}\n" in await answer.text()

    async def shows(self, line: str) -> None:
        """Wait until the metrics show a line."""
        async with asyncio.timeout(30):
            while not await self.metric(line):
                await asyncio.sleep(0.05)

    async def ping(self) -> None:
        home = f"{self.telegram.url}/site/"
        call = xmlrpc.client.dumps(("Kabar", home, home + "feed/"), "weblogUpdates.extendedPing")
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.service.url}/ping", data=call.encode()) as answer,
        ):
            ((struct,), _) = xmlrpc.client.loads(await answer.read(), use_builtin_types=True)
            assert struct["flerror"] is False


@asynccontextmanager
async def day(folder: Path, hub_url: str, **environ: str) -> AsyncIterator[Day]:
    site, port = Site(hub_url), free_port()
    public = {"SEBAR_PUBLIC_URL": f"http://127.0.0.1:{port}", "PORT": str(port)}
    settings = {"SEBAR_BIND": "127.0.0.1", "SEBAR_ALLOW_PRIVATE": "1", **public, **environ}
    async with telegram(site=site.app()) as api:
        api.sandbox.add_user("Budi", user_id=READER)
        async with service(folder, api, f"{api.url}/site/feed/", **settings) as running:
            api.sandbox.say(READER, READER, "/langganan")
            await eventually(lambda: api.sandbox.sent(READER), "an answer to /langganan")
            yield Day(site, api, running)


async def test_a_hub_that_never_retries_brings_each_story_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(served_hub(algorithm="sha1"))
        today = await stack.enter_async_context(day(tmp_path, hub.url, SEBAR_POLL_INTERVAL=HOURLY))
        await eventually(lambda: hub.subscribers, "a subscription")
        for title in ("Berita kesatu", "Berita kedua"):
            today.site.titles.append(title)
            await hub.publish(today.feed_url)
            await hub.publish(today.feed_url)
            await eventually(lambda t=title: today.count(t), title)
        assert [today.count(t) for t in today.site.titles] == [0, 1, 1]
        await today.shows("sebar_hubs_trusted 1")
        await today.shows("sebar_pushes_total 2")
        await today.shows('sebar_hubs{state="verified"} 1')
        assert {status for _, status in hub.answers} == {202}
        await today.shows('sebar_deliveries{state="sent"} 2')
        await _what_is_pushed_while_nobody_listens_is_not_lost(today, hub)


async def _what_is_pushed_while_nobody_listens_is_not_lost(today: Day, hub: Hub) -> None:
    await today.service.kill()
    today.site.titles.append("Berita saat mati")
    await hub.publish(today.feed_url)
    await today.service.start()
    await eventually(lambda: today.count("Berita saat mati"), "the story pushed to nobody")


async def test_a_hub_that_says_nothing_costs_no_more_than_the_poll_interval(
    tmp_path: Path,
) -> None:
    async with served_hub(silent=True) as hub, day(tmp_path, hub.url) as today:
        await eventually(lambda: hub.asked, "a request to the hub")
        today.site.titles.append("Berita tanpa hub")
        await eventually(lambda: today.count("Berita tanpa hub"), "the story, by polling")


async def test_a_hub_that_denies_is_heard_and_polling_goes_on(tmp_path: Path) -> None:
    async with served_hub(deny="bukan pelanggan") as hub, day(tmp_path, hub.url) as today:
        await today.shows('sebar_hubs{state="denied"} 1')
        assert "bukan pelanggan" in today.service.log()
        today.site.titles.append("Berita tetap datang")
        await eventually(lambda: today.count("Berita tetap datang"), "the story, by polling")


async def test_a_ping_brings_the_story_at_once(tmp_path: Path) -> None:
    async with day(tmp_path, "", SEBAR_POLL_INTERVAL=HOURLY) as today:
        for title in ("Berita ping satu", "Berita ping dua"):
            today.site.titles.append(title)
            await today.ping()
            await eventually(lambda t=title: today.count(t), title)
            assert today.count(title) == 1


async def test_flask_websub_brings_each_story_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        hub_url = stack.enter_context(flask_hub(tmp_path))
        await listening(hub_url)
        folder = tmp_path / "sebar"
        folder.mkdir()
        today = await stack.enter_async_context(day(folder, hub_url, SEBAR_POLL_INTERVAL=HOURLY))
        await today.shows('sebar_hubs{state="verified"} 1')
        today.site.titles.append("Berita lewat Flask")
        async with aiohttp.ClientSession() as session:
            told = {"hub.mode": "publish", "hub.topic": today.feed_url}
            async with session.post(hub_url, data=told) as answer:
                assert answer.status == 202
        await eventually(lambda: today.count("Berita lewat Flask"), "the pushed story")
        await today.shows("sebar_hubs_trusted 1")
        assert today.count("Berita lewat Flask") == 1


async def test_check_says_whether_a_feed_has_a_hub(tmp_path: Path) -> None:
    for hub_url, said in (("https://hub.example/", "hub https://hub.example/"), ("", "no hub")):
        async with TestServer(Site(hub_url).app()) as server:
            feed_url = str(server.make_url("/feed/"))
            database = f"sqlite:///{tmp_path / 'test.db'}"
            report = await examine(Settings(feeds=(feed_url,), database_url=database))
            assert [line.endswith(said) for line in report.found] == [True]
