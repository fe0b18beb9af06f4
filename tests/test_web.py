"""The web surface over real HTTP."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from factories import FEED_URL, NOW, opened_broadcast, stored_story, subscribed_chat

from bot.clicks import Clicks
from bot.errors import DatabaseError
from bot.render import Renderer
from bot.web import SECRET_HEADER, Front, web_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.store import Store

TEMPLATES = Path(__file__).parent.parent / "templates"
SECRET = "right-secret"


class Desk:
    """What the web surface is given, as the test wants it."""

    def __init__(self, store: Store) -> None:
        self.accepted: list[dict[str, Any]] = []
        self.token_fault: str | None = None
        self.front = Front(
            store=store,
            clock=lambda: NOW,
            accept=self.accept,
            webhook_secret=SECRET,
            token_fault=lambda: self.token_fault,
            clicks=Clicks(store, UTC, utm=False),
            renderer=Renderer(locale="id", zone=UTC, utm=False, builtin=TEMPLATES),
            files=TEMPLATES / "web" / "static",
            zone=ZoneInfo("UTC"),
        )

    async def accept(self, updates: list[dict[str, Any]]) -> None:
        self.accepted += updates


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


@pytest.fixture
async def client(
    desk: Desk,
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with TestClient(TestServer(web_app(desk.front))) as client:
        yield client


Client = TestClient[web.Request, web.Application]


async def test_the_process_lives(client: Client) -> None:
    assert (await client.get("/healthz")).status == 200


async def test_readiness_names_each_fault(client: Client, store: Store, desk: Desk) -> None:
    assert (await client.get("/readyz")).status == 200
    await store.record_feeds([FEED_URL], NOW)
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert "not polled yet" in await answer.text()
    (feed,) = await store.claim_feeds(NOW, NOW, 1)
    await store.record_poll_failure(feed, "the server answered 500", NOW, NOW)
    desk.token_fault = "Unauthorized"
    text = await (await client.get("/readyz")).text()
    assert f"feed {FEED_URL}: the server answered 500" in text
    assert "Unauthorized" in text


async def test_a_database_that_is_away_is_a_fault(desk: Desk) -> None:
    class Away:
        async def list_feed_health(self) -> None:
            raise DatabaseError("SQLite: disk I/O error")

        async def outbox_health(self) -> None:
            raise DatabaseError("SQLite: disk I/O error")

    front = replace(desk.front, store=Away())
    async with TestClient(TestServer(web_app(front))) as client:
        for path in ("/readyz", "/metrics"):
            answer = await client.get(path)
            assert answer.status == 503
            assert "disk I/O error" in await answer.text()
        assert (await client.get("/healthz")).status == 200


async def test_metrics_count_deliveries_by_state(client: Client, store: Store) -> None:
    story = await stored_story(store)
    await subscribed_chat(store)
    await opened_broadcast(store, story)
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = await answer.text()
    assert 'sebar_deliveries{state="pending"} 1\n' in text
    assert f'sebar_feed_failures{{feed="{FEED_URL}"}} 0\n' in text
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0


@pytest.mark.parametrize("secret", [None, "", "wrong", "right-secre", "rahasia-ü"])
async def test_a_wrong_secret_is_refused(client: Client, desk: Desk, secret: str | None) -> None:
    headers = {} if secret is None else {SECRET_HEADER: secret}
    answer = await client.post("/telegram/updates", json={"update_id": 1}, headers=headers)
    assert answer.status == 403
    assert desk.accepted == []


async def test_without_a_webhook_every_call_is_refused(desk: Desk) -> None:
    front = replace(desk.front, webhook_secret=None)
    async with TestClient(TestServer(web_app(front))) as client:
        for headers in ({}, {SECRET_HEADER: ""}, {SECRET_HEADER: SECRET}):
            answer = await client.post("/telegram/x", json={"update_id": 1}, headers=headers)
            assert answer.status == 403


async def test_an_update_is_accepted(client: Client, desk: Desk) -> None:
    update = {"update_id": 1, "message": {"text": "/latest"}}
    answer = await client.post("/telegram/updates", json=update, headers={SECRET_HEADER: SECRET})
    assert answer.status == 200
    assert desk.accepted == [update]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"{}",
        b'{"update_id": "1"}',
        b"\xff",
        b'{"update_id": 1%s}' % (b"0" * 30),
        b"[" * 99_999,
    ],
)
async def test_what_is_no_update_is_refused(client: Client, desk: Desk, body: bytes) -> None:
    answer = await client.post("/telegram/updates", data=body, headers={SECRET_HEADER: SECRET})
    assert answer.status == 400
    assert desk.accepted == []


async def test_a_body_without_measure_is_refused(client: Client) -> None:
    answer = await client.post(
        "/telegram/updates", data=io.BytesIO(b"x" * 2_000_000), headers={SECRET_HEADER: SECRET}
    )
    assert answer.status == 413


async def test_a_short_link_leads_to_its_story(client: Client, store: Store) -> None:
    story = await stored_story(store)
    answer = await client.get(f"/s/{story.code}", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, story.url)
    assert (await client.get("/s/nothing")).status == 404
