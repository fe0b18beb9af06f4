"""Flow: editors are told once when a feed fails for long, and once when it is back."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import PublishError
from bot.links import shown
from bot.telegram_html import parse
from bot.types import Destination, Message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.ports import Publisher
    from bot.render import Renderer
    from bot.store import FeedAlert, Store

TOLD_AFTER = timedelta(minutes=15)

_log = logging.getLogger(__name__)


class Alerts:
    """Tells editors what no story tells them."""

    def __init__(self, store: Store, renderer: Renderer, publisher: Publisher) -> None:
        self._store = store
        self._renderer = renderer
        self._publisher = publisher

    async def tell(self, editors: Sequence[int], now: datetime) -> bool:
        """Tell the editors of feeds that fail or are back; False where there is nothing to tell.

        Without editors it stays untold, for those who will be named.
        """
        if not editors:
            return False
        alerts = await self._store.claim_alerts(now, now - TOLD_AFTER)
        for alert in alerts:
            message = self._message(alert, now)
            for editor in editors:
                await self._send(editor, message)
        return bool(alerts)

    def _message(self, alert: FeedAlert, now: datetime) -> Message:
        url, locale = shown(alert.url), self._renderer.locale
        if alert.error is None:
            html = self._renderer.chat(locale, "feed_back", url=url)
        else:
            minutes = int((now - (alert.failing_at or now)).total_seconds() // 60)
            values = {"url": url, "reason": alert.error, "minutes": minutes}
            html = self._renderer.chat(locale, "feed_failing", **values)
        return Message(html, parse(html).text)

    async def _send(self, editor: int, message: Message) -> None:
        try:
            await self._publisher.send(Destination(editor), self._publisher.prepare(message))
        except PublishError as error:
            _log.warning("editor not reached", extra={"editor": editor, "reason": str(error)})
