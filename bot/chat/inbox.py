"""Updates from Telegram: kept before they count as taken, then handled in their chat's order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from telegram import Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.chat import ALLOWED_UPDATES
from bot.errors import SebarError, TokenRejected
from bot.store import Lease
from bot.transport import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from datetime import datetime

    from bot.chat.answers import AnyApplication
    from bot.store import Store

    RawUpdate = dict[str, Any]
    Lane = tuple[str, int]

AT_ONCE: Final = 16
POLL_S: Final = 40
POLLING: Final = "polling"
# What a dead process had is taken over within this time.
LEASE: Final = timedelta(seconds=6)
TURN_PAUSE_S: Final = 1.0
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0

_log = logging.getLogger(__name__)


class Inbox:
    """Takes updates and has them handled: each chat's in order, different chats side by side.

    Handling begins with `resume` and ends with `finish`; what is taken before or after waits in
    the store for whoever handles next. Of all processes one at a time asks Telegram for updates;
    what a dead one had in hand is taken over when its lease lapses.
    """

    def __init__(
        self,
        store: Store,
        application: AnyApplication,
        clock: Callable[[], datetime],
        worker: str,
    ) -> None:
        self._store = store
        self._application = application
        self._clock = clock
        self._worker = worker
        self._is_poller = False
        self.has_turn = False
        self._lanes: dict[Lane, deque[RawUpdate]] = {}
        self._under_way: set[int] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.first_pause_s = FIRST_PAUSE_S

    async def accept(self, updates: Sequence[RawUpdate]) -> None:
        """Keep updates and have those that are new handled. Raises DatabaseError: none is taken."""
        now = self._clock()
        lease = self._lease(now) if self._application.running else Lease("", now)
        new = await self._store.record_updates(updates, lease, now)
        if self._application.running:
            self._route(new)

    async def resume(self) -> None:
        """Begin to handle updates, those first that were left unfinished."""
        if not self._application.running:
            await self._application.start()
        await self.keep(self._clock())

    async def keep(self, now: datetime) -> None:
        """Show that this process lives, and take over what dead ones left. Raises DatabaseError."""
        lease = self._lease(now)
        if self._is_poller:
            self.has_turn = await self._store.claim_turn(POLLING, lease, now)
        if self._application.running:
            await self._store.extend_updates(lease)
            self._route(await self._store.claim_updates(lease, now))

    async def finish(self) -> None:
        """Finish what is under way and begin nothing more; others may go on at once."""
        if self._application.running:
            await self._application.stop()
        await self._store.release_updates(self._worker)
        if self._is_poller:
            await self._store.release_turn(POLLING, self._worker)

    async def run_polling(self, stopping: asyncio.Event) -> None:
        """Ask Telegram for updates until told to stop; a lost connection is tried again.

        Raises TokenRejected.
        """
        offset: int | None = None
        pause_s = self.first_pause_s
        met = False
        self._is_poller = True
        while not stopping.is_set():
            try:
                if not self.has_turn:
                    await self.keep(self._clock())
                if not self.has_turn:
                    await _pause(stopping, TURN_PAUSE_S)
                    continue
                if not met:
                    await self._application.bot.delete_webhook()
                    met = True
                offset = await self._poll(offset, stopping)
            except InvalidToken as error:
                raise TokenRejected(str(error)) from error
            except Exception as error:  # noqa: BLE001 - polling goes on whatever comes
                _log_lost(error)
                await _pause(stopping, _pause_after(error, pause_s))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                pause_s = self.first_pause_s

    async def _poll(self, offset: int | None, stopping: asyncio.Event) -> int | None:
        """Take one batch; gives the offset that confirms it, once it is kept."""
        updates = await _unless(
            stopping,
            self._application.bot.get_updates(
                offset=offset, timeout=POLL_S, allowed_updates=ALLOWED_UPDATES
            ),
        )
        if not updates:
            return offset
        await self.accept([update.to_dict() for update in updates])
        return int(updates[-1].update_id) + 1

    def _lease(self, now: datetime) -> Lease:
        return Lease(self._worker, now + LEASE)

    def _route(self, updates: Sequence[RawUpdate]) -> None:
        for update in updates:
            if update["update_id"] in self._under_way:
                continue
            self._under_way.add(update["update_id"])
            key = lane_of(update)
            if key in self._lanes:
                self._lanes[key].append(update)
            else:
                self._lanes[key] = deque([update])
                self._application.create_task(self._drain(key))

    async def _drain(self, key: Lane) -> None:
        lane = self._lanes[key]
        try:
            while lane and self._application.running:
                async with self._slots:
                    await self._handle(lane.popleft())
        finally:
            self._under_way.difference_update(update["update_id"] for update in lane)
            del self._lanes[key]

    async def _handle(self, body: RawUpdate) -> None:
        """Handle one update; a failure is logged and counts as handled."""
        try:
            update = Update.de_json(body, self._application.bot)
            await self._application.process_update(update)
        except Exception:  # noqa: BLE001 - a handler may fail in any way
            _log.exception("update failed", extra={"update": body["update_id"]})
        try:
            await self._store.mark_update_handled(body["update_id"], self._clock())
        except SebarError as error:
            fields = {"update": body["update_id"], "reason": str(error)}
            _log.warning("update not marked as handled", extra=fields)
        finally:
            self._under_way.discard(body["update_id"])


def lane_of(update: RawUpdate) -> Lane:
    """Give the chat whose order an update keeps, or the person where it is in no chat.

    A private chat has its person's id; an inline query must not wait for what they asked there.
    """
    for kind, value in update.items():
        if not isinstance(value, dict):
            continue
        message = value.get("message")
        inner = message if isinstance(message, dict) else {}
        for owner in (value.get("chat"), inner.get("chat"), value.get("from")):
            if isinstance(owner, dict) and isinstance(owner.get("id"), int):
                return ("inline" if kind == "inline_query" else "chat"), int(owner["id"])
    return "", 0


async def _unless(stopping: asyncio.Event, call: Coroutine[Any, Any, Any]) -> Any:
    """Wait for a call, or give None as soon as told to stop."""
    task = asyncio.ensure_future(call)
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await _cancelled(task, stop)


async def _cancelled(*tasks: Awaitable[Any]) -> None:
    for task in tasks:
        assert isinstance(task, asyncio.Future)
        if task.cancel():
            with suppress(asyncio.CancelledError):
                await task


def _log_lost(error: Exception) -> None:
    if isinstance(error, Conflict):
        _log.warning("another process polls with this bot's token; stop it")
    elif not isinstance(error, TelegramError | SebarError):
        _log.error("updates not understood", exc_info=error)
    else:
        _log.warning("updates not taken", extra={"reason": str(error)})


def _pause_after(error: Exception, pause_s: float) -> float:
    return retry_after_s(error) if isinstance(error, RetryAfter) else pause_s


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
