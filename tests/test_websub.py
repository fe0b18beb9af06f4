"""What hubs and sites may call: callbacks and pings over real HTTP, with whatever they may send."""

from __future__ import annotations

import io
import xmlrpc.client
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from factories import FEED_URL, NOW
from hubs_served import signature
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import DatabaseError
from bot.store import PollPlan
from bot.types import FeedPage, Hub
from bot.web.ping import LARGEST_BODY_BYTES, MOST_PINGS_A_SECOND, CallError, Pings, read_call, site
from bot.web.websub import LARGEST_PUSH_BYTES, UNSTATED_LEASE, Callbacks, granted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.store import Store

HUB_URL = "https://hub.example/"
PUBLIC_URL = "https://sebar.example"
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
BODY = b"<rss><channel/></rss>"
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: the verbs below are tested on both databases, these tests are of the web."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@asynccontextmanager
async def served(store: object) -> AsyncIterator[Client]:
    app = web.Application()
    Callbacks(store, lambda: NOW).add_to(app)
    Pings(store, lambda: NOW).add_to(app)
    server = TestServer(app)
    await server.start_server(auto_decompress=False)
    async with TestClient(server) as client:
        yield client


@pytest.fixture
async def client(store: Store) -> AsyncIterator[Client]:
    async with served(store) as client:
        yield client


async def polled(store: Store, *urls: str, hub: str | None = HUB_URL) -> None:
    """Feeds that were polled just now and name a hub; none is due."""
    await store.record_feeds(urls, NOW)
    for feed in await store.claim_feeds(NOW, NOW + MINUTE, 100):
        page = FeedPage(url=feed.url, entries=(), hub_url=hub)
        await store.record_poll(feed, page, [], [], PollPlan(NOW, NOW + MINUTE, None))


async def due(store: Store, now=NOW) -> list[str]:
    return sorted(feed.url for feed in await store.claim_feeds(now, now, 100))


@pytest.fixture
async def hub(store: Store) -> Hub:
    """A hub that was just asked."""
    await polled(store, FEED_URL)
    (hub,) = await store.claim_hubs(NOW, NOW + MINUTE, PUBLIC_URL, 5)
    return hub


def question(hub: Hub, **changes: str | None) -> dict[str, str]:
    told = {
        "hub.mode": hub.mode,
        "hub.topic": hub.topic_url,
        "hub.challenge": "tantangan 1+1=<2>",
        "hub.lease_seconds": "600",
    }
    changed = told | {f"hub.{name}": value for name, value in changes.items()}
    return {name: value for name, value in changed.items() if value is not None}


async def test_intent_is_verified_by_echoing_the_challenge(
    client: Client, store: Store, hub: Hub
) -> None:
    answer = await client.get(f"/websub/{hub.token}", params=question(hub))
    assert answer.status == 200
    assert await answer.text() == "tantangan 1+1=<2>"
    assert answer.content_type == "text/plain"
    (health,) = await store.list_hub_health(NOW)
    assert (health.state, health.ends_at) == ("verified", NOW + timedelta(seconds=600))


@pytest.mark.parametrize(
    "changes",
    [
        {"topic": "https://lain.example/feed/"},
        {"topic": None},
        {"mode": "unsubscribe"},
        {"mode": "publish"},
        {"mode": None},
        {"challenge": None},
        {"challenge": ""},
        {"mode": "denied", "topic": "https://lain.example/feed/"},
    ],
)
async def test_what_we_did_not_ask_for_is_not_there(
    client: Client, store: Store, hub: Hub, changes: dict[str, str | None]
) -> None:
    answer = await client.get(f"/websub/{hub.token}", params=question(hub, **changes))
    assert answer.status == 404
    (health,) = await store.list_hub_health(NOW)
    assert health.state == "idle"


@pytest.mark.parametrize("token", ["x" * 32, "x", "%00" * 20, "..%2F" * 10, "ü" * 20, "x" * 3000])
async def test_an_address_that_we_gave_nobody_is_not_there(
    client: Client, hub: Hub, token: str
) -> None:
    for method in ("GET", "POST"):
        answer = await client.request(method, f"/websub/{token}", params=question(hub))
        assert answer.status == 404


async def test_a_denial_is_noted_with_its_reason(client: Client, store: Store, hub: Hub) -> None:
    told = question(hub, mode="denied", challenge=None, reason="bukan\0 pelanggan\n" + "x" * 999)
    answer = await client.get(f"/websub/{hub.token}", params=told)
    assert answer.status == 200
    (health,) = await store.list_hub_health(NOW)
    assert health.state == "denied"
    assert health.error is not None
    assert "bukan" in health.error
    assert len(health.error) < 300


@pytest.mark.parametrize(
    ("stated", "lease"),
    [
        ("600", timedelta(seconds=600)),
        ("", UNSTATED_LEASE),
        ("0", UNSTATED_LEASE),
        ("-5", UNSTATED_LEASE),
        ("1e9", UNSTATED_LEASE),
        ("٣", UNSTATED_LEASE),
        ("9" * 5000, timedelta(days=365)),
    ],
)
def test_a_lease_is_what_the_hub_grants_within_reason(stated: str, lease: timedelta) -> None:
    assert granted(stated) == lease


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512", "SHA256"])
async def test_a_signed_push_is_kept_for_later(
    client: Client, store: Store, hub: Hub, algorithm: str
) -> None:
    signed = signature(algorithm, hub.secret, BODY)
    headers = {"X-Hub-Signature": signed, "Content-Type": "text/xml", "Link": "<a>; rel=self"}
    answer = await client.post(f"/websub/{hub.token}", data=BODY, headers=headers)
    assert answer.status == 202
    push = await store.claim_push(NOW, NOW + MINUTE)
    assert push is not None
    assert (push.sent.body, push.sent.content_type, push.sent.links) == (
        BODY,
        "text/xml",
        "<a>; rel=self",
    )
    assert push.feed_url == FEED_URL


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (None, "unsigned"),
        ("", "unknown algorithm"),
        ("md5=" + "0" * 32, "unknown algorithm"),
        ("sha224=" + "0" * 56, "unknown algorithm"),
        ("new=x", "unknown algorithm"),
        ("sha256", "wrong signature"),
        ("sha256=", "wrong signature"),
        ("sha256=" + "0" * 64, "wrong signature"),
        ("sha256=ü", "wrong signature"),
        (signature("sha256", "another secret", BODY), "wrong signature"),
        (signature("sha1", "", BODY), "wrong signature"),
    ],
)
async def test_a_push_that_is_not_signed_as_agreed_has_no_effect(
    client: Client, store: Store, hub: Hub, stated: str | None, reason: str
) -> None:
    headers = {} if stated is None else {"X-Hub-Signature": stated}
    answer = await client.post(f"/websub/{hub.token}", data=BODY, headers=headers)
    assert answer.status == 202
    assert not await store.has_pushes()
    assert await store.count_pushes() == {reason: 1}
    assert await due(store) == []


async def test_a_signature_of_another_body_is_wrong(client: Client, store: Store, hub: Hub) -> None:
    headers = {"X-Hub-Signature": signature("sha512", hub.secret, BODY + b" ")}
    await client.post(f"/websub/{hub.token}", data=BODY, headers=headers)
    assert not await store.has_pushes()


async def test_a_signature_is_of_the_bytes_as_sent(client: Client, store: Store, hub: Hub) -> None:
    """A hub that passes on the header of a compressed feed over a plain body is understood."""
    headers = {"X-Hub-Signature": signature("sha256", hub.secret, BODY)}
    headers |= {"Content-Encoding": "gzip"}
    data = io.BytesIO(BODY)
    answer = await client.post(f"/websub/{hub.token}", data=data, headers=headers, compress=False)
    assert answer.status == 202
    push = await store.claim_push(NOW, NOW)
    assert push is not None
    assert (push.sent.body, push.sent.encoding) == (BODY, "gzip")


@pytest.mark.parametrize("measured", [True, False])
async def test_a_push_that_is_too_large_makes_the_feed_be_polled(
    client: Client, store: Store, hub: Hub, measured: bool
) -> None:
    body = b"x" * (LARGEST_PUSH_BYTES + 1)

    async def parts() -> AsyncIterator[bytes]:
        yield body

    answer = await client.post(
        f"/websub/{hub.token}", data=io.BytesIO(body) if measured else parts()
    )
    assert answer.status == 413
    assert await due(store) == [FEED_URL]


async def test_a_push_for_a_feed_that_we_left_is_gone(
    client: Client, store: Store, hub: Hub
) -> None:
    await store.record_feeds([], NOW)
    answer = await client.post(f"/websub/{hub.token}", data=BODY)
    assert answer.status == 410


class Failing:
    """A store whose database is away until it is not."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.away = True

    def __getattr__(self, name: str):
        async def away(*_: object) -> None:
            raise DatabaseError("SQLite: disk I/O error")

        return away if self.away else getattr(self.store, name)


async def test_a_push_that_could_not_be_kept_makes_the_feed_be_polled_once_it_can(
    store: Store, hub: Hub
) -> None:
    failing = Failing(store)
    callbacks = Callbacks(failing, lambda: NOW)
    app = web.Application()
    app.router.add_route("*", "/websub/{token}", callbacks.take)
    app.router.add_route("*", "/ask/{token}", callbacks.answer)
    async with TestClient(TestServer(app)) as client:
        for path in (f"/websub/{hub.token}", f"/websub/{'x' * 32}", f"/ask/{hub.token}"):
            answer = await client.post(path, data=BODY)
            assert answer.status == (404 if path.startswith("/ask") else 503)
    with pytest.raises(DatabaseError):
        await callbacks.hasten_missed()
    assert await due(store) == []
    failing.away = False
    await callbacks.hasten_missed()
    assert await due(store) == [FEED_URL]


def ping(*parameters: object, method: str = "weblogUpdates.extendedPing") -> str:
    return xmlrpc.client.dumps(parameters, method)


async def told(client: Client, body: str | bytes) -> dict[str, object]:
    answer = await client.post("/ping", data=body, headers={"Content-Type": "text/xml"})
    assert answer.status == 200
    assert answer.content_type == "text/xml"
    ((struct,), _) = xmlrpc.client.loads(await answer.read(), use_builtin_types=True)
    return struct


OWN = "https://kabar.example/"


@pytest.mark.parametrize(
    "body",
    [
        ping("Kabar", OWN, OWN + "feed/"),
        ping("Kabar", OWN, method="weblogUpdates.ping"),
        ping("Kabar", "http://www.kabar.example", OWN + "x", OWN + "feed/", "tag"),
        ping("Kabar", "https://mirror.example/", OWN + "feed/"),
        ping("Kabar & <kawan> ü", "HTTPS://KABAR.EXAMPLE:443/"),
        ping("Kabar", f"  {OWN}\n"),
        # WordPress leaves the type out, as XML-RPC allows for strings.
        (
            "<?xml version='1.0'?><methodCall><methodName>weblogUpdates.ping</methodName><params>"
            f"<param><value>Kabar</value></param><param><value>{OWN}</value></param>"
            "</params></methodCall>"
        ),
    ],
)
async def test_a_ping_has_the_feeds_of_its_site_polled_and_no_others(
    client: Client, store: Store, body: str
) -> None:
    urls = [FEED_URL, "https://kabar.example/rubrik/feed/", "https://lain.example/feed/"]
    await polled(store, *urls, "https://kabar.example:8443/feed/")
    answer = await told(client, body)
    assert answer["flerror"] is False
    assert isinstance(answer["message"], str)
    assert await due(store) == sorted(urls[:2])


@pytest.mark.parametrize(
    "address", ["https://lain.example/", "https://kabar.example.jahat.example/"]
)
async def test_a_ping_of_a_strange_site_has_nothing_polled(
    client: Client, store: Store, address: str
) -> None:
    await polled(store, FEED_URL)
    assert (await told(client, ping(OWN, address)))["flerror"] is True
    assert await due(store) == []


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<methodCall><methodName>weblogUpdates.ping</methodName><params><param><value>&b;</value></param>
</params></methodCall>"""
EXTERNAL = '<!DOCTYPE methodCall SYSTEM "file:///etc/passwd">' + ping("Kabar", OWN)[22:]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"junk",
        b"\x00\xff",
        b"<a/>",
        b"<methodCall>",
        b"<methodCall><methodName>weblogUpdates.ping</methodName></methodCall>",
        BOMB,
        EXTERNAL,
        b"<?xml version='1.0' encoding='klingon'?><methodCall/>",
        b"<?xml version='1.0' encoding='utf-7'?><methodCall/>",
        b"<a>" * 4000,
        b"<methodCall>" * 1200,
        ping("Kabar", method="pingback.ping"),
        ping("Kabar"),
        ping(OWN),
        ping("Kabar", "bukan alamat"),
        ping("Kabar", "http://[::1"),
        ping("Kabar", "javascript:alert(1)"),
        ping("Kabar", "ftp://kabar.example/"),
        ping(*["https://kabar.example/"] * 20),
        ping("Kabar", "https://kabar.example/" + "x" * LARGEST_BODY_BYTES),
    ],
)
async def test_what_is_no_ping_is_answered_by_a_fault(
    client: Client, store: Store, body: str | bytes
) -> None:
    await polled(store, FEED_URL)
    with pytest.raises(xmlrpc.client.Fault):
        await told(client, body)
    assert await due(store) == []


async def test_too_many_pings_are_not_worked_on(client: Client, store: Store) -> None:
    for _ in range(MOST_PINGS_A_SECOND):
        await told(client, ping("Kabar", "https://lain.example/"))
    await polled(store, FEED_URL)
    assert "Too many" in str((await told(client, ping("Kabar", OWN)))["message"])
    assert await due(store) == []


async def test_a_ping_while_the_database_is_away_is_answered(store: Store) -> None:
    async with served(Failing(store)) as client:
        assert (await told(client, ping("Kabar", OWN)))["flerror"] is True


async def test_a_ping_is_posted(client: Client) -> None:
    assert (await client.get("/ping")).status == 405


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_pings(body: bytes) -> None:
    with pytest.raises(CallError):
        read_call(body)


@given(st.text(max_size=60))
def test_no_address_breaks_the_comparing_of_sites(url: str) -> None:
    assert isinstance(site(url), str)
    assert isinstance(site(f"https://{url}"), str)
