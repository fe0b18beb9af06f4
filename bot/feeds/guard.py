"""Addresses that strangers name lead to the public internet only.

Feeds, pages, pictures, hubs and redirects name addresses, and readers do. Whoever fetches one uses
the session that `guarded` makes, for everything: it reaches the places that the operator named, and
besides them public addresses on web ports. The check is made on the socket, at the moment of
connecting, for every hop: neither a redirect nor a name that resolves anew gets past it. A refusal
is an `aiohttp.ClientConnectorError`; `refusal` gives its reason in words.
"""

from __future__ import annotations

import ipaddress
import socket
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import ClientTimeout
    from aiohttp.abc import AbstractResolver
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import AddrInfoType, Connection
    from aiohttp.tracing import Trace

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS: Final = frozenset({80, 443})
INSIDE: Final = (
    "this address leads inside a private network, not to the public internet;"
    " SEBAR_ALLOW_PRIVATE=1 allows it"
)
ODD_PORT: Final = "this address names a port other than 80 and 443; SEBAR_ALLOW_PRIVATE=1 allows it"
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# Public in form only: clouds' metadata, protocol assignments, the relays of 6to4.
_SPECIAL: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24")
)
_IPV4_BITS: Final = 0xFFFFFFFF


class RefusedError(PermissionError):
    """An address that is not to be connected to; the text says why."""


class GuardedConnector(aiohttp.TCPConnector):
    """Connects to `trusted` places (see `place`), and else to public addresses on web ports."""

    def __init__(self, trusted: frozenset[str], resolver: AbstractResolver | None = None) -> None:
        super().__init__(socket_factory=self._socket, resolver=resolver)
        self._trusted = trusted
        self._is_trusted: ContextVar[bool] = ContextVar("is_trusted", default=False)

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Give a connection for a request; its socket is made only where it may lead."""
        token = self._is_trusted.set(place(str(req.url)) in self._trusted)
        try:
            return await super().connect(req, traces, timeout)
        finally:
            self._is_trusted.reset(token)

    def _socket(self, address: AddrInfoType) -> socket.socket:
        return _plain_socket(address) if self._is_trusted.get() else public_socket(address)


def guarded(trusted: frozenset[str], *, allow_private: bool = False) -> aiohttp.ClientSession:
    """Make a session that reaches trusted places and the public internet, to be closed by its user.

    `trusted` comes from `places`; where private addresses are allowed nothing is refused. No cookie
    is kept. Call it in a running event loop.
    """
    connector = aiohttp.TCPConnector() if allow_private else GuardedConnector(trusted)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def public_socket(address: AddrInfoType) -> socket.socket:
    """Make a socket for a public address on a web port. Raises RefusedError for any other."""
    host, port = str(address[4][0]), address[4][1]
    if not is_public(ipaddress.ip_address(host.partition("%")[0])):
        raise RefusedError(INSIDE)
    if port not in PORTS:
        raise RefusedError(ODD_PORT)
    return _plain_socket(address)


def is_public(ip: Address) -> bool:
    """Say whether an address is one of a single machine on the public internet.

    Addresses that carry another one (mapped, NAT64) are judged by that one; 6to4 and Teredo, which
    lead to whatever they carry through strangers' relays, never are public.
    Source: IANA special-purpose address registries; RFC 4291, RFC 6052, RFC 7526.
    """
    if isinstance(ip, ipaddress.IPv4Address):
        special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _SPECIAL)
        return ip.is_global and not special
    if ip.ipv4_mapped is not None:
        return is_public(ip.ipv4_mapped)
    if ip in _NAT64:
        return is_public(ipaddress.IPv4Address(int(ip) & _IPV4_BITS))
    carries = ip.sixtofour is not None or ip.teredo is not None
    return ip in _GLOBAL_UNICAST and ip.is_global and not carries


def refusal(error: BaseException) -> str | None:
    """The reason in words where an error comes from a refused address; None where it does not."""
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := refusal(one))), None)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if cause is not None and (found := refusal(cause)):
        return found
    text = str(cause or error)
    return next((reason for reason in (INSIDE, ODD_PORT) if reason in text), None)


def places(urls: Iterable[str]) -> frozenset[str]:
    """The hosts with their ports that addresses name, to be compared with `place`.

    A site that is named without a port is meant by http and by https alike.
    """
    found = {named for url in urls if (named := place(url))}
    hosts = {named.rpartition(":")[0] for named in found if named.endswith((":80", ":443"))}
    return frozenset(found | {f"{host}:{port}" for host in hosts for port in PORTS})


def place(url: str) -> str:
    """The host and port of an address; "" where it has none."""
    try:
        parts = URL(url)
    except ValueError:
        return ""
    return f"{parts.raw_host}:{parts.port}" if parts.raw_host and parts.port else ""


def _plain_socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    return socket.socket(family=family, type=kind, proto=protocol)
