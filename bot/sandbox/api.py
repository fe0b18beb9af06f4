"""The Bot API over HTTP: requests in, world changed, answers out, misfortune on demand."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.sandbox.methods import methods
from bot.sandbox.parameters import Upload
from bot.sandbox.records import Call
from bot.sandbox.refusals import Refusal, bad

if TYPE_CHECKING:
    from bot.sandbox.faults import Fault
    from bot.sandbox.methods import Method
    from bot.sandbox.records import Json
    from bot.sandbox.state import Sandbox

LEDGER_CALLS = 200_000
GARBAGE = "<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"

_NOT_FOUND = Refusal(404, "Not Found")
_NO_METHOD = Refusal(404, "Not Found: method not found")
_NO_TOKEN = Refusal(401, "Unauthorized")


class BotApi:
    """The handler of `/bot<token>/<method>`.

    Source: Bot API, "Making requests"; Bot API server, HttpConnection.cpp and Query.cpp.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._methods = methods()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call and enter it in the ledger."""
        name = request.match_info["method"]
        if request.method not in {"GET", "POST"}:
            return _respond(_NOT_FOUND.code, _NOT_FOUND.body())
        if request.match_info["token"] != self._sandbox.token:
            return _respond(_NO_TOKEN.code, _NO_TOKEN.body())
        method = self._methods.get(name.lower())
        if method is None:
            return self._recorded(name, {}, _NO_METHOD.code, _NO_METHOD.body())
        try:
            raw = await read_arguments(request)
            args = method.parameters.read(method.name, raw)
        except Refusal as refusal:
            return self._recorded(method.name, {}, refusal.code, refusal.body())
        faults = self._sandbox.faults
        fault = faults.strike(method.name, self._chats(args)) if faults.planned else None
        if fault is None:
            status, body = await self._carry_out(method, args)
            return self._recorded(method.name, args, status, body)
        return await self._strike(request, method, args, fault)

    async def _carry_out(self, method: Method, args: Json) -> tuple[int, Json]:
        try:
            result = method.act(self._sandbox, args)
            if inspect.isawaitable(result):
                result = await result
        except Refusal as refusal:
            return refusal.code, refusal.body()
        return 200, {"ok": True, "result": result}

    async def _strike(
        self, request: web.Request, method: Method, args: Json, fault: Fault
    ) -> web.StreamResponse:
        status, body = 0, None
        if fault.effect or fault.then == "answer":
            status, body = await self._carry_out(method, args)
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.then == "error":
            refusal = fault.refusal()
            status, body = refusal.code, refusal.body()
        response = self._recorded(method.name, args, status, body, fault.then)
        if fault.then == "garbage":
            return web.Response(status=fault.code, text=GARBAGE, content_type="text/html")
        if fault.then == "drop" and request.transport is not None:
            request.transport.abort()
        return response

    def _recorded(
        self, name: str, args: Json, status: int, body: Json | None, fault: str = ""
    ) -> web.Response:
        calls = self._sandbox.calls
        calls.append(
            Call(
                number=calls[-1].number + 1 if calls else 1,
                at=self._sandbox.now(),
                method=name,
                params={key: _shown(value) for key, value in args.items()},
                status=status,
                reply=body,
                fault=fault,
            )
        )
        if len(calls) > LEDGER_CALLS:
            del calls[: LEDGER_CALLS // 10]
        return _respond(status or 200, body)

    def _chats(self, args: Json) -> set[int | str]:
        """Give the names that a call's chat goes by: as given, by id and by @name."""
        given = args.get("chat_id", "")
        names: set[int | str] = {given}
        if isinstance(given, int):
            chat = self._sandbox.chats.get(given)
            return names | ({f"@{chat.username}"} if chat and chat.username else set())
        wanted = str(given).removeprefix("@").lower()
        chats = self._sandbox.chats.values()
        return names | {chat.id for chat in chats if wanted and chat.username.lower() == wanted}


async def read_arguments(request: web.Request) -> dict[str, str | Upload]:
    """Give the arguments of the query and of a form, multipart or JSON body, as strings.

    Raises Refusal for a body that cannot be read.
    """
    raw: dict[str, str | Upload] = dict(request.query)
    if not request.can_read_body:
        return raw
    try:
        if request.content_type == "application/json":
            return raw | _from_json(await request.text())
        form = await request.post()
    except (ValueError, LookupError) as error:
        raise bad("Can't parse the request's body") from error
    uploads: dict[str, Upload] = {}
    for name, value in form.items():
        if isinstance(value, web.FileField):
            uploads[name] = Upload(value.filename, value.content_type, value.file.read())
        else:
            raw[name] = value if isinstance(value, str) else bytes(value).decode(errors="replace")
    return _attached(raw, uploads)


def _attached(raw: dict[str, str | Upload], uploads: dict[str, Upload]) -> dict[str, str | Upload]:
    """Put the file in the place of each "attach://name" that speaks of it."""
    taken = set()
    for name, value in raw.items():
        part = value.removeprefix("attach://") if isinstance(value, str) else ""
        if part != value and part in uploads:
            raw[name] = uploads[part]
            taken.add(part)
    return raw | {name: file for name, file in uploads.items() if name not in taken}


def _from_json(text: str) -> dict[str, str | Upload]:
    try:
        body = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise bad("Can't parse JSON object") from error
    if not isinstance(body, dict):
        raise bad("Expected a JSON object")
    return {name: _as_string(value) for name, value in body.items() if value is not None}


def _as_string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _respond(status: int, body: Json | None) -> web.Response:
    response = web.json_response(body, status=status)
    retry_after = (body or {}).get("parameters", {}).get("retry_after")
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _shown(value: Any) -> Any:
    return f"<{len(value.data)} bytes>" if isinstance(value, Upload) else value
