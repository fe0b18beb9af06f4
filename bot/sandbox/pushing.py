"""The webhook's side of the sandbox: updates pushed per chat, in order, until they are taken."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from bot.sandbox.state import Sandbox
    from bot.sandbox.updates import Update, Webhook

PUSH_TIMEOUT_S = 30.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0


async def push_updates(sandbox: Sandbox) -> None:
    """Push updates for ever; a refused one holds up its own chat only.

    Source: Bot API server, WebhookActor.cpp.
    """
    busy: set[int] = set()
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PUSH_TIMEOUT_S)) as session,
        asyncio.TaskGroup() as tasks,
    ):
        while True:
            await sandbox.updates.fresh.wait()
            sandbox.updates.fresh.clear()
            webhook = sandbox.updates.webhook
            free = webhook.max_connections - len(busy) if webhook else 0
            for update in islice(sandbox.updates.heads(busy), max(free, 0)):
                busy.add(update.key)
                tasks.create_task(_deliver(sandbox, session, update, busy))


async def _deliver(
    sandbox: Sandbox, session: aiohttp.ClientSession, update: Update, busy: set[int]
) -> None:
    pause_s = FIRST_PAUSE_S
    try:
        while (webhook := sandbox.updates.webhook) and update.id in sandbox.updates.pending:
            error, asked_s = await _post(session, webhook, update)
            if not error:
                sandbox.updates.confirm(update.id)
                return
            webhook.error, webhook.error_at = error, int(sandbox.now())
            await asyncio.sleep(asked_s or pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
    finally:
        busy.discard(update.key)
        sandbox.updates.fresh.set()


async def _post(
    session: aiohttp.ClientSession, webhook: Webhook, update: Update
) -> tuple[str, float]:
    """Give the error, "" for none, and the pause that the other side asked for."""
    headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret} if webhook.secret else {}
    try:
        async with session.post(
            webhook.url, json=update.body, headers=headers, allow_redirects=False
        ) as answer:
            if answer.ok and answer.status < 300:
                return "", 0.0
            asked = answer.headers.get("Retry-After", "")
            pause_s = min(float(asked), 3600.0) if asked.isdecimal() else 0.0
            return f"Wrong response from the webhook: {answer.status} {answer.reason}", pause_s
    except TimeoutError:
        return "Read timeout expired", 0.0
    except aiohttp.ClientError as error:
        return f"Connection failed: {type(error).__name__}", 0.0
