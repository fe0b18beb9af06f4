"""Short URLs from a pyshorteners backend, which is trusted with nothing.

It blocks, so it runs in a thread; its time limit is per read, so the whole is limited here; any
answer with status 200 passes for a short URL, so the result is checked.
"""

from __future__ import annotations

import asyncio
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

    from bot.types import Story

READ_TIMEOUT_S = 3
TOTAL_TIMEOUT_S = 5.0
LONGEST_SHORT_URL_CHARS = 64


class PyshortenersShortener:
    """One backend of pyshorteners, by its name."""

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

    async def shorten(self, story: Story) -> str:
        """Give a short URL for a story's. Raises ShortenError."""
        url = story.url
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._executor, self._backend.short, url)
        try:
            answer = await asyncio.wait_for(call, self._total_timeout_s)
        except TimeoutError:
            raise ShortenError("the shortener took too long") from None
        except (
            ShorteningErrorException,
            BadAPIResponseException,
            BadURLException,
            requests.RequestException,
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            raise ShortenError(f"the shortener failed: {type(error).__name__}") from error
        return checked_short_url(str(answer), url)


def checked_short_url(answer: str, url: str) -> str:
    """A backend's answer, if it can be a short URL of `url`. Raises ShortenError."""
    short = answer.strip()
    if len(short) > LONGEST_SHORT_URL_CHARS or len(short) >= len(url):
        raise ShortenError("the shortener's answer is not shorter")
    if any(character.isspace() or character in '<>"' for character in short):
        raise ShortenError("the shortener's answer is no address")
    try:
        parts = urlsplit(short)
    except ValueError as error:
        raise ShortenError("the shortener's answer is no address") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.path.strip("/"):
        raise ShortenError("the shortener's answer is no address")
    return short
