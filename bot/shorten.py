"""Short URLs from a pyshorteners backend, which is trusted with nothing.

It blocks, so it runs in a thread; its time limit is for each piece of an answer, so the whole is
limited here; any answer with status 200 passes for a short URL, so the result is checked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyshorteners
import requests
from pyshorteners.exceptions import (
    BadAPIResponseException,
    BadURLException,
    ShorteningErrorException,
)

from bot.errors import ShortenError

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from types import FrameType

    from bot.types import Story

READ_TIMEOUT_S = 3
TOTAL_TIMEOUT_S = 5.0
AT_ONCE = 4
LARGEST_ANSWER_BYTES = 256 * 1024
LONGEST_SHORT_URL_CHARS = 64
PUBLIC_NAME = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]+)"
)
# Names that never lead out of a network. Source: RFC 6761, RFC 6762, RFC 8375, RFC 9476.
PRIVATE_ENDS = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".alt", ".onion")
ADDRESS_CHARS = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z_a-z~]+")


class PyshortenersShortener:
    """One backend of pyshorteners, by its name; `executor` has AT_ONCE threads."""

    def __init__(
        self,
        backend: str,
        key: str | None,
        executor: Executor,
        *,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        domain: str | None = None,
    ) -> None:
        options = {"timeout": READ_TIMEOUT_S, "api_key": key, "domain": domain}
        known = {name: value for name, value in options.items() if value is not None}
        self._backend = getattr(pyshorteners.Shortener(**known), backend)
        self._executor = executor
        self._total_timeout_s = total_timeout_s
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def shorten(self, story: Story) -> str:
        """Give a short URL for a story's; its time counts from its turn. Raises ShortenError."""
        url = story.url
        loop = asyncio.get_running_loop()
        async with self._turns:
            call = loop.run_in_executor(self._executor, self._ask, url)
            try:
                answer = await asyncio.wait_for(call, self._total_timeout_s)
            except TimeoutError:
                raise ShortenError("the shortener took too long") from None
        return checked_short_url(answer, url)

    def _ask(self, url: str) -> str:
        """Ask the backend, on a thread that is free again soon after the time is over."""
        sys.setprofile(_Watch(time.monotonic() + self._total_timeout_s))
        try:
            return str(self._backend.short(url))
        except TimeoutError:
            raise
        except (
            ShorteningErrorException,
            BadAPIResponseException,
            BadURLException,
            requests.RequestException,
            AttributeError,
            KeyError,
            IndexError,
            TypeError,
            ValueError,
        ) as error:
            raise ShortenError(f"the shortener failed: {type(error).__name__}") from error
        finally:
            sys.setprofile(None)


def checked_short_url(answer: str, url: str) -> str:
    """A backend's answer, if it can be a short URL of `url`. Raises ShortenError.

    An http or https address with a path, at a public host's name, shorter than `url` and at most
    LONGEST_SHORT_URL_CHARS.
    """
    short = answer.strip()
    if len(short) > LONGEST_SHORT_URL_CHARS or len(short) >= len(url):
        raise ShortenError("the shortener's answer is not shorter")
    if not ADDRESS_CHARS.fullmatch(short):
        raise ShortenError("the shortener's answer is no address")
    try:
        parts = urlsplit(short)
        port = parts.port
    except ValueError as error:
        raise ShortenError("the shortener's answer is no address") from error
    if parts.scheme not in {"http", "https"} or not parts.path.strip("/"):
        raise ShortenError("the shortener's answer is no address")
    if parts.username is not None or port == 0 or not _is_public(parts.hostname or ""):
        raise ShortenError("the shortener's answer is at no public host")
    return short


def _is_public(host: str) -> bool:
    """Whether a host can be a shortener's: a name of the public web, or a public address."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        name = host.removesuffix(".")
        return PUBLIC_NAME.fullmatch(name) is not None and not name.endswith(PRIVATE_ENDS)


class _Watch:
    """A profile function that ends a call whose time is over or whose answer is too large.

    An answer that drips never meets a time limit for reading, and one without end is read to its
    end; but each piece passes through SocketIO.readinto. A thread's profile function sees that,
    and what it raises is raised there.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._room_bytes = LARGEST_ANSWER_BYTES

    def __call__(self, frame: FrameType, event: str, result: object) -> None:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        if event == "return" and frame.f_code is socket.SocketIO.readinto.__code__:
            self._room_bytes -= result if isinstance(result, int) else 0
            if self._room_bytes < 0:
                raise ValueError("the answer is too large")
