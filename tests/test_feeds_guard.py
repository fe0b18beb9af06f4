"""Addresses that strangers name reach nothing inside."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.errors import FetchError
from bot.feeds import HttpSource, guarded, places, public_socket
from bot.feeds.guard import GuardedConnector, place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ARTICLE = "<h1>Rahasia</h1><p>" + "Isi halaman yang tidak boleh dibaca orang luar. " * 5
TCP = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")


@pytest.fixture
async def inside() -> AsyncIterator[str]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=ARTICLE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/admin", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/admin"
    await runner.cleanup()


async def read(url: str, trusted: frozenset[str]) -> str:
    async with guarded(trusted) as session:
        return (await HttpSource(session, ZoneInfo("Asia/Jakarta")).read_article(url)).title


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "2130706433"])
async def test_nothing_inside_is_read(inside: str, host: str) -> None:
    with pytest.raises(FetchError):
        await read(inside.replace("127.0.0.1", host), frozenset())


async def test_what_the_operator_named_is_read(inside: str) -> None:
    assert await read(inside, places([inside])) == "Rahasia"


async def test_another_port_of_what_the_operator_named_is_not(inside: str) -> None:
    with pytest.raises(FetchError):
        await read(inside, places(["http://127.0.0.1:1/feed/"]))


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", 80),
        ("10.0.0.1", 80),
        ("169.254.169.254", 80),
        ("192.168.1.1", 443),
        ("100.64.0.1", 443),
        ("93.184.215.14", 22),
        ("0.0.0.0", 80),
        ("224.0.0.1", 80),
        ("255.255.255.255", 80),
        ("168.63.129.16", 80),
        ("100.100.100.200", 80),
        ("192.0.0.192", 80),
    ],
)
def test_private_places_and_odd_ports_get_no_socket(host: str, port: int) -> None:
    with pytest.raises(PermissionError):
        public_socket((socket.AF_INET, *TCP, (host, port)))


@pytest.mark.parametrize(
    "host",
    [
        "::",
        "::1",
        "fe80::1%lo",
        "fd00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "2002:a00:1::",
        "2002:808:808::",
        "2001:0:7f00:1::",
        "2001:db8::1",
    ],
)
def test_the_same_holds_for_the_newer_protocol(host: str) -> None:
    with pytest.raises(PermissionError):
        public_socket((socket.AF_INET6, *TCP, (host, 443, 0, 0)))


@pytest.mark.parametrize("host", ["2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_places_of_the_newer_protocol_get_one(host: str) -> None:
    public_socket((socket.AF_INET6, *TCP, (host, 443, 0, 0))).close()


async def test_nothing_is_refused_where_private_addresses_are_allowed(inside: str) -> None:
    async with guarded(frozenset(), allow_private=True) as session:
        entry = await HttpSource(session, ZoneInfo("Asia/Jakarta")).read_article(inside)
    assert entry.title == "Rahasia"


async def test_a_name_that_leads_inside_gets_no_connection() -> None:
    class Inward(AbstractResolver):
        """Gives an address inside for every name."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
                )
            ]

        async def close(self) -> None:
            pass

    connector = GuardedConnector(frozenset(), Inward())
    async with aiohttp.ClientSession(connector=connector) as session:
        source = HttpSource(session, ZoneInfo("Asia/Jakarta"))
        with pytest.raises(FetchError, match="private network"):
            await source.read_article("http://kabar.example/")


def test_a_named_site_is_meant_by_http_and_https() -> None:
    named = places(["https://kabar.example/feed/", "http://lokal.example:8000/"])
    assert place("http://KABAR.example/x") in named
    assert place("http://lokal.example:8000/y") in named
    assert place("http://lokal.example/") not in named


def test_a_public_place_gets_one() -> None:
    public_socket((socket.AF_INET, *TCP, ("93.184.215.14", 443))).close()
