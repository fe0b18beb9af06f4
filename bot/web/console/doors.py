"""The console's doors: signing in by a link or by Telegram's word, staying, signing out."""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from bot.errors import DatabaseError, NotAllowedError
from bot.store import LinkState
from bot.tokens import hashed, new_token
from bot.types import ActKind
from bot.visitors import is_ahead_of_time
from bot.web.console.frame import FORM_TYPE, HOME, Visit, language_of, page, redirect
from bot.web.console.proof import read_proof

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from bot.web.console.frame import Newsroom

    Answer = Callable[[Visit], Awaitable[web.StreamResponse]]
    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE_PATH: Final = "/console"
SESSION: Final = "sebar_console"
BROWSER: Final = "sebar_browser"
BROWSER_LIVES_S: Final = 600
WRONG_AT_MOST: Final = 10
WRONG_WITHIN: Final = timedelta(minutes=1)
ADDRESSES_KEPT: Final = 10_000
PURPOSES: Final = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
RETRY_AFTER_S: Final = "5"
STATUS: Final = {LinkState.UNKNOWN: 404, LinkState.ELSEWHERE: 403}
_PREVIEWER: Final = re.compile(r"bots?(?![a-z])|preview|facebookexternalhit|whatsapp|crawler")
TOKEN: Final = "[A-Za-z0-9_-]{20,64}"  # noqa: S105


class Attempts:
    """Wrong attempts to sign in, by address: at most WRONG_AT_MOST within WRONG_WITHIN."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[datetime]] = OrderedDict()

    def are_too_many(self, address: str, now: datetime) -> bool:
        """Whether an address has to wait."""
        wrong = self._wrong.get(address, deque())
        while wrong and wrong[0] <= now - WRONG_WITHIN:
            wrong.popleft()
        return len(wrong) >= WRONG_AT_MOST

    def note_wrong(self, address: str, now: datetime) -> None:
        """Count a wrong attempt."""
        self._wrong.setdefault(address, deque(maxlen=WRONG_AT_MOST)).append(now)
        self._wrong.move_to_end(address)
        if len(self._wrong) > ADDRESSES_KEPT:
            self._wrong.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Doors:
    """The routes by which editors come and go, and the check of every other one."""

    newsroom: Newsroom
    attempts: Attempts = field(default_factory=Attempts)

    def add_to(self, app: web.Application) -> None:
        """Serve `/console/in/TOKEN` and what belongs to it."""
        app.router.add_get(f"/console/in/{{token:{TOKEN}}}", self._guarded(self.open_link))
        app.router.add_post(f"/console/in/{{token:{TOKEN}}}", self._guarded(self.redeem_link))
        app.router.add_get("/console/app", self._guarded(self.open_app))
        app.router.add_post("/console/app", self._guarded(self.redeem_app))
        app.router.add_post("/console/out", self.signed(self.sign_out))

    async def open_link(self, request: web.Request) -> web.Response:
        """Show the button that signs in; the first browser that comes here is the one that may."""
        now = self.newsroom.clock()
        if self.attempts.are_too_many(self._address(request), now):
            return self._slow_down(request)
        if _looks_ahead(request):
            return self._door(request, 200, "look")
        browser = request.cookies.get(BROWSER) or new_token()
        token = request.match_info["token"]
        state = await self.newsroom.store.bind_console_link(hashed(token), hashed(browser), now)
        if state is not LinkState.OPEN:
            return self._refused(request, state, now)
        response = self._door(request, 200, "open", token=token)
        self._set_cookie(response, BROWSER, browser, BROWSER_LIVES_S)
        return response

    async def redeem_link(self, request: web.Request) -> web.Response:
        """Sign in by a link, once."""
        now = self.newsroom.clock()
        if self.attempts.are_too_many(self._address(request), now):
            return self._slow_down(request)
        if _is_foreign(request):
            return self._door(request, 403, "forged")
        session = new_token()
        browser = request.cookies.get(BROWSER, "")
        token = request.match_info["token"]
        state, editor = await self.newsroom.store.redeem_console_link(
            hashed(token), hashed(browser), hashed(session), now
        )
        if editor is None:
            return self._refused(request, state, now)
        return await self._welcome(request, editor, session, "link")

    async def open_app(self, request: web.Request) -> web.Response:
        """The page that opens inside Telegram: its script shows us Telegram's word."""
        if await self._session_of(request) is not None:
            return redirect(self.newsroom, HOME)
        return self._door(request, 200, "app")

    async def redeem_app(self, request: web.Request) -> web.Response:
        """Sign in by Telegram's word, once."""
        now, key = self.newsroom.clock(), self.newsroom.proof_key
        if self.attempts.are_too_many(self._address(request), now):
            return self._slow_down(request)
        if _is_foreign(request) or request.content_type != FORM_TYPE:
            return self._door(request, 403, "forged")
        proof = str((await request.post()).get("proof", ""))
        user = read_proof(proof, key, now) if key is not None else None
        if user is None:
            return self._refused(request, LinkState.UNKNOWN, now)
        session = new_token()
        if not await self.newsroom.store.redeem_console_proof(
            hashed(proof), user, hashed(session), now
        ):
            return self._refused(request, LinkState.USED, now)
        return await self._welcome(request, user, session, "app")

    async def sign_out(self, visit: Visit) -> web.Response:
        """End all sessions of an editor."""
        store, editing = self.newsroom.store, self.newsroom.editing
        number = await store.end_console_sessions(visit.editor)
        await editing.note_act(visit.editor, ActKind.SIGN_OUT, visit.now, f"{number} sessions")
        response = self._door(visit.request, 200, "out")
        response.del_cookie(SESSION, path=COOKIE_PATH)
        return response

    def signed(self, answer: Answer) -> Handler:
        """Let only editors who are signed in through, and only forms of their own."""

        async def checked(request: web.Request) -> web.StreamResponse:
            return await self._checked(request, answer)

        return self._guarded(checked)

    def _guarded(self, step: Handler) -> Handler:
        """Say what went wrong where the right or the database is missing."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await step(request)
            except NotAllowedError:
                return self._door(request, 403, "dismissed")
            except DatabaseError:
                response = self._door(request, 503, "unavailable")
                response.headers[hdrs.RETRY_AFTER] = RETRY_AFTER_S
                return response

        return handle

    async def visit(self, request: web.Request) -> Visit | None:
        """Who is signed in; None for nobody, and for somebody who is an editor no more."""
        found = await self._session_of(request)
        if found is None:
            return None
        session, editor = found
        now = self.newsroom.clock()
        language = language_of(request, self.newsroom)
        return Visit(request, self.newsroom, editor, session, language, now)

    async def _checked(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        visit = await self.visit(request)
        if visit is None:
            return self._door(request, 403, "closed")
        if request.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
            if request.content_type != FORM_TYPE:
                return self._door(request, 415, "forged")
            shown = (await visit.said()).get("csrf", "")
            if _is_foreign(request) or not _alike(shown, visit.csrf):
                detail = f"forged form: {request.path}"[:200]
                editing = self.newsroom.editing
                await editing.note_refused(visit.editor, ActKind.LOOK, visit.now, detail)
                return self._door(request, 403, "forged")
        return await answer(visit)

    async def _session_of(self, request: web.Request) -> tuple[str, int] | None:
        session = request.cookies.get(SESSION)
        if not session:
            return None
        store, now = self.newsroom.store, self.newsroom.clock()
        found = await store.find_console_session(hashed(session), now)
        if found is None:
            return None
        editor, is_due = found
        if not await self.newsroom.editing.is_editor(editor):
            await store.end_console_sessions(editor)
            detail = request.path[:200]
            await self.newsroom.editing.note_refused(editor, ActKind.LOOK, now, detail)
            return None
        if is_due:
            await store.mark_console_session(hashed(session), now)
        return session, editor

    async def _welcome(
        self, request: web.Request, editor: int, session: str, way: str
    ) -> web.Response:
        now = self.newsroom.clock()
        try:
            await self.newsroom.editing.note_act(editor, ActKind.SIGN_IN, now, way)
        except NotAllowedError:
            await self.newsroom.store.end_console_sessions(editor)
            return self._door(request, 403, "dismissed")
        response = redirect(self.newsroom, HOME)
        self._set_cookie(response, SESSION, session, None)
        return response

    def _refused(self, request: web.Request, state: LinkState, now: datetime) -> web.Response:
        self.attempts.note_wrong(self._address(request), now)
        return self._door(request, STATUS.get(state, 410), state.value)

    def _slow_down(self, request: web.Request) -> web.Response:
        response = self._door(request, 429, "slow")
        response.headers[hdrs.RETRY_AFTER] = str(int(WRONG_WITHIN.total_seconds()))
        return response

    def _door(self, request: web.Request, status: int, state: str, token: str = "") -> web.Response:
        language = language_of(request, self.newsroom)
        return page(self.newsroom, language, "door", status=status, state=state, token=token)

    def _set_cookie(
        self, response: web.Response, name: str, value: str, max_age_s: int | None
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path=COOKIE_PATH,
            httponly=True,
            secure=self.newsroom.is_https,
            # A link in a chat leads here from elsewhere; forms are guarded besides.
            samesite="Lax",
        )

    def _address(self, request: web.Request) -> str:
        """Who asks: the address that the last proxy saw, behind a public URL."""
        forwarded = request.headers.get(hdrs.X_FORWARDED_FOR, "").rpartition(",")[2].strip()
        return (self.newsroom.public_url and forwarded[:64]) or request.remote or ""


def _looks_ahead(request: web.Request) -> bool:
    """Whether a chat's preview or a browser's guess asks, to which no link is bound."""
    headers = request.headers
    return (
        request.method == hdrs.METH_HEAD
        or _PREVIEWER.search(headers.get(hdrs.USER_AGENT, "").lower()) is not None
        or any(is_ahead_of_time(headers.get(name)) for name in PURPOSES)
    )


def _is_foreign(request: web.Request) -> bool:
    """Whether a browser says that another site sends this. Source: Fetch Metadata."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}


def _alike(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
