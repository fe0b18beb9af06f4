"""The world's remote control under `/_sandbox/`: for the chat page and for other processes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.sandbox import wire
from bot.sandbox.cards import read_card
from bot.sandbox.faults import Fault, Pace
from bot.sandbox.profile import commands_for
from bot.sandbox.records import Member
from bot.sandbox.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from bot.sandbox.records import Json
    from bot.sandbox.state import Sandbox

    Verb = Callable[[Json], Any]

KEEP_ALIVE_S = 15.0
CLOSING = "closing"


class Control:
    """The control API: JSON in, JSON out; each POST is a verb of `Sandbox`.

    A POST must say that it is JSON, which no foreign page can do unasked.
    """

    def __init__(self, sandbox: Sandbox, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._sandbox = sandbox
        self._session = session
        self._verbs = self._table()

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.get("/_sandbox/world", self._world),
            web.get("/_sandbox/chats/{chat}/messages", self._messages),
            web.get("/_sandbox/calls", self._calls),
            web.get("/_sandbox/commands", self._commands),
            web.get("/_sandbox/card", self._card),
            web.get("/_sandbox/media/{file}", self._media),
            web.get("/_sandbox/events", self._events),
            web.post("/_sandbox/{verb}", self._act),
        ]

    def _table(self) -> dict[str, Verb]:
        box = self._sandbox
        return {
            "user": lambda a: wire.user_json(box.add_user(a.pop("first_name"), **a)),
            "group": lambda a: self._added(box.add_group(a.pop("title"), a.pop("owner"), **a)),
            "supergroup": lambda a: self._added(
                box.add_supergroup(a.pop("title"), a.pop("owner"), **a)
            ),
            "channel": lambda a: self._added(box.add_channel(a.pop("title"), a.pop("owner"), **a)),
            "topic": lambda a: {"message_thread_id": box.add_topic(**a)},
            "close_topic": lambda a: box.close_topic(**a),
            "delete_topic": lambda a: box.delete_topic(**a),
            "member": self._set_member,
            "add_bot": lambda a: box.add_bot(**a),
            "remove_bot": lambda a: box.remove_bot(**a),
            "mute": lambda a: box.mute(**a),
            "upgrade": lambda a: self._added(box.upgrade(**a)),
            "delete_chat": lambda a: box.delete_chat(**a),
            "block": lambda a: box.block(**a),
            "unblock": lambda a: box.unblock(**a),
            "speak": lambda a: box.speak(**a),
            "deactivate": lambda a: box.deactivate(**a),
            "say": lambda a: box.view(box.say(**a)),
            "edit": lambda a: box.view(box.edit_said(**a)),
            "forward": lambda a: box.view(box.forward(**a)),
            "press": self._press,
            "inline": self._ask_inline,
            "choose": lambda a: box.view(box.choose(**a)),
            "fault": lambda a: asdict(box.faults.plan(Fault(**a))),
            "clear_faults": lambda _a: box.faults.planned.clear(),
            "pace": self._set_pace,
            "advance": lambda a: box.advance(**a),
        }

    async def _act(self, request: web.Request) -> web.Response:
        verb = self._verbs.get(request.match_info["verb"])
        if verb is None:
            return _failed(404, f"no such verb; there are {', '.join(self._verbs)}")
        if request.content_type != "application/json":
            return _failed(415, "send JSON, as application/json")
        try:
            args = await request.json()
            result = verb(dict(args))
            if isinstance(result, asyncio.Future) or asyncio.iscoroutine(result):
                result = await result
        except Refusal as refusal:
            return web.json_response(refusal.body(), status=refusal.code)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return _failed(400, f"{type(error).__name__}: {error}")
        return web.json_response({"ok": True, "result": result})

    def _added(self, chat: Any) -> Json:
        return wire.chat_json(self._sandbox, chat)

    def _set_member(self, args: Json) -> None:
        member = Member(args["status"], frozenset(args.get("rights", ())))
        self._sandbox.set_member(args["chat_id"], args["user_id"], member, args["actor"])

    async def _press(self, args: Json) -> Json:
        timeout_s = args.pop("timeout_s", 10.0)
        pressed = self._sandbox.press(**args)
        return {"id": pressed.id, "answer": await self._sandbox.answer_of(pressed, timeout_s)}

    async def _ask_inline(self, args: Json) -> Json:
        timeout_s = args.pop("timeout_s", 10.0)
        asked = self._sandbox.ask_inline(**args)
        return {"id": asked.id, "answer": await self._sandbox.answer_of(asked, timeout_s)}

    def _set_pace(self, args: Json) -> None:
        self._sandbox.pace = Pace(**args) if args.pop("enforce", True) else None

    async def _world(self, request: web.Request) -> web.Response:
        user = int(request.query.get("user", "0"))
        box = self._sandbox
        chats = [
            {
                **wire.chat_json(box, chat),
                "members": {str(name): member.status for name, member in chat.members.items()},
                "topics": [asdict(topic) for topic in chat.topics.values()],
                "upgraded_to": chat.upgraded_to or None,
            }
            for chat in box.chats.values()
            if not user or chat.member(user).present
        ]
        people = [wire.user_json(person) for person in box.users.values()]
        me = wire.user_json(box.bot)
        return web.json_response({"bot": me, "users": people, "chats": chats, "now": box.now()})

    async def _messages(self, request: web.Request) -> web.Response:
        chat = int(request.match_info["chat"])
        if chat not in self._sandbox.chats:
            return _failed(404, "no such chat")
        return web.json_response(self._sandbox.messages(chat))

    async def _calls(self, request: web.Request) -> web.Response:
        after = int(request.query.get("after", "0"))
        method = request.query.get("method", "").lower()
        calls = (call for call in self._sandbox.calls if call.number > after)
        return web.json_response(
            [asdict(call) for call in calls if not method or call.method.lower() == method]
        )

    async def _commands(self, request: web.Request) -> web.Response:
        chat, user = (int(request.query[name]) for name in ("chat", "user"))
        return web.json_response(commands_for(self._sandbox, chat, user))

    async def _card(self, request: web.Request) -> web.Response:
        address = request.transport.get_extra_info("sockname") if request.transport else None
        port = address[1] if address else 0
        card = await read_card(self._session(), request.query.get("url", ""), port)
        return web.json_response(card)

    async def _media(self, request: web.Request) -> web.Response:
        media = self._sandbox.media.get(request.match_info["file"])
        if media is None or not media.data:
            return _failed(404, "no such file")
        kind = media.mime if media.mime.startswith("image/") else "application/octet-stream"
        return web.Response(body=media.data, content_type=kind)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Stream what happens as server-sent events (HTML standard, section 9.2)."""
        response = web.StreamResponse(headers={"Cache-Control": "no-store"})
        response.content_type = "text/event-stream"
        await response.prepare(request)
        queue = self._sandbox.listen()
        try:
            await response.write(b": open\n\n")
            event: Json | None = {}
            while (event or {}).get("kind") != CLOSING:
                event = await _next_event(queue)
                await response.write(_written(event))
        except ConnectionError:
            return response
        finally:
            self._sandbox.unlisten(queue)
        return response


async def _next_event(queue: asyncio.Queue[Json]) -> Json | None:
    """Give the next event; None after a while in which there was none."""
    try:
        return await asyncio.wait_for(queue.get(), KEEP_ALIVE_S)
    except TimeoutError:
        return None


def _written(event: Json | None) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode() if event else b": still here\n\n"


def _failed(status: int, description: str) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description}
    return web.json_response(body, status=status)
