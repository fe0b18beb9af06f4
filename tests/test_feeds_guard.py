"""Addresses that strangers name reach nothing inside."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from bot.errors import FetchError
from bot.feeds import HttpSource, guarded, places, public_socket

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
    ],
)
def test_private_places_and_odd_ports_get_no_socket(host: str, port: int) -> None:
    with pytest.raises(PermissionError):
        public_socket((socket.AF_INET, *TCP, (host, port)))


@pytest.mark.parametrize("host", ["::1", "fe80::1%lo", "fd00::1", "::ffff:127.0.0.1"])
def test_the_same_holds_for_the_newer_protocol(host: str) -> None:
    with pytest.raises(PermissionError):
        public_socket((socket.AF_INET6, *TCP, (host, 443, 0, 0)))


def test_a_public_place_gets_one() -> None:
    public_socket((socket.AF_INET, *TCP, ("93.184.215.14", 443))).close()
