"""Addresses that strangers name lead to the public internet only.

A reader may send the bot any address. The check is made on the socket, at the moment of connecting:
neither a redirect nor a name that resolves anew gets past it.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.connector import AddrInfoType

PORTS = frozenset({80, 443})


def public_socket(address: AddrInfoType) -> socket.socket:
    """Make a socket for a public address on a web port. Raises PermissionError for any other."""
    family, kind, protocol, _, place = address
    host, port = str(place[0]), place[1]
    ip = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    if not (mapped or ip).is_global or port not in PORTS:
        raise PermissionError("this address is not on the public internet")
    return socket.socket(family=family, type=kind, proto=protocol)


def places(urls: Iterable[str]) -> frozenset[str]:
    """The hosts with their ports that addresses name, to be compared with `place`."""
    return frozenset(found for url in urls if (found := place(url)))


def place(url: str) -> str:
    """The host and port of an address; "" where it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
    except ValueError:
        return ""
    return f"{parts.hostname}:{port}" if parts.hostname else ""
