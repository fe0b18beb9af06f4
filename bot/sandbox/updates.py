"""The bot's queue of updates: long polling, and the webhook that takes its place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.sandbox.refusals import conflict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bot.sandbox.records import Json

KINDS = frozenset(
    {
        "message",
        "edited_message",
        "channel_post",
        "edited_channel_post",
        "inline_query",
        "chosen_inline_result",
        "callback_query",
        "my_chat_member",
        "chat_member",
        "message_reaction",
        "message_reaction_count",
    }
)
DEFAULT_KINDS = KINDS - {"chat_member", "message_reaction", "message_reaction_count"}
FIRST_ID = 700_000_001


@dataclass(frozen=True, slots=True)
class Update:
    """One update; those of one `key` (a chat, or a person asking inline) keep their order."""

    id: int
    key: int
    body: Json


@dataclass(slots=True)
class Webhook:
    """Where updates are pushed to, and how that fares."""

    url: str
    secret: str = ""
    max_connections: int = 40
    error_at: int = 0
    error: str = ""


class Updates:
    """Updates that the bot has not confirmed yet, oldest first."""

    def __init__(self) -> None:
        self.pending: dict[int, Update] = {}
        self.allowed = DEFAULT_KINDS
        self.webhook: Webhook | None = None
        self.fresh = asyncio.Event()
        self._next_id = FIRST_ID
        self._waiting: asyncio.Future[None] | None = None

    def add(self, kind: str, key: int, body: Json) -> None:
        """Queue an update unless the bot asked not to be told of its kind."""
        if kind not in self.allowed:
            return
        update = Update(self._next_id, key, {"update_id": self._next_id, kind: body})
        self._next_id += 1
        self.pending[update.id] = update
        self._wake()

    def allow(self, kinds: Collection[str] | None) -> None:
        """Choose the kinds from now on: None keeps the choice, none at all is the default."""
        if kinds is not None:
            self.allowed = frozenset(kinds) & KINDS or DEFAULT_KINDS

    async def poll(self, offset: int, limit: int, timeout_s: float) -> list[Json]:
        """Wait for updates; those below `offset` are confirmed, a negative one keeps the last.

        Raises Refusal: 409 while a webhook is set, and for the poll that a later one displaces.
        Source: Bot API, getUpdates.
        """
        if self.webhook:
            raise conflict(
                "can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first"
            )
        self._displace(
            "terminated by other getUpdates request; "
            "make sure that only one bot instance is running"
        )
        self._confirm_below(offset)
        if not self.pending and timeout_s > 0:
            await self._wait(timeout_s)
        return [update.body for update in list(self.pending.values())[:limit]]

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Push to a webhook from now on, or stop; a waiting poll ends with 409."""
        if webhook:
            self._displace("terminated by setWebhook request")
        self.webhook = webhook
        self._wake()

    def heads(self, busy: Collection[int]) -> Iterator[Update]:
        """Give the oldest update of every key that is not busy."""
        seen = set(busy)
        for update in list(self.pending.values()):
            if update.key not in seen:
                seen.add(update.key)
                yield update

    def confirm(self, update_id: int) -> None:
        """Drop an update that reached the bot."""
        self.pending.pop(update_id, None)
        self.fresh.set()

    def release(self) -> None:
        """Let a waiting poll end with what there is."""
        self._wake()

    def _confirm_below(self, offset: int) -> None:
        ids = list(self.pending)
        done = ids[:offset] if offset < 0 else [name for name in ids if name < offset]
        for name in done:
            del self.pending[name]

    async def _wait(self, timeout_s: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        try:
            await asyncio.wait_for(waiting, timeout_s)
        except TimeoutError:
            return
        finally:
            if self._waiting is waiting:
                self._waiting = None

    def _displace(self, reason: str) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(conflict(reason))

    def _wake(self) -> None:
        self.fresh.set()
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)
