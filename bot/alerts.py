"""Flow: editors are told once when a feed fails for long, and once when it is back."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

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
_INDONESIAN: Final = (
    (r"the site asks for a password \((\d+)\)", r"situs meminta kata sandi (\1)"),
    (r"the site refuses the bot \((\d+)\)", r"situs menolak bot (\1)"),
    (r"there is nothing at this address \((\d+)\)", r"tidak ada apa pun di alamat ini (\1)"),
    (r"this address is gone for good \((\d+)\)", r"alamat ini sudah dihapus (\1)"),
    (
        r"the site asks us to come less often \((\d+)\)",
        r"situs meminta agar lebih jarang dikunjungi (\1)",
    ),
    (
        r"the site is not available for now \((\d+)\)",
        r"situs sedang tidak dapat melayani (\1)",
    ),
    (r"the site answers (\d+)", r"situs menjawab \1"),
    (
        r"the site asks for a human check .*?(?: \((\d+)\))?",
        r"situs meminta bukti bahwa pengunjungnya manusia (seperti Cloudflare) \1",
    ),
    (
        r"this is a challenge page .*",
        "jawabannya halaman pemeriksaan (seperti Cloudflare): situs memblokir bot",
    ),
    (r"no complete answer within (\S+) seconds", r"tidak ada jawaban lengkap dalam \1 detik"),
    (r"the address redirects too often", "alamat ini terlalu sering dialihkan"),
    (
        r"this is not an address that can be fetched",
        "alamat ini bukan alamat yang dapat dibaca",
    ),
    (r"the (?:answer|feed) is larger than (\S+) MB", r"jawabannya lebih besar dari \1 MB"),
    (
        r"this is a web page, not a feed, and no feed is found on its site;.*",
        (
            "ini halaman web, bukan umpan, dan di situsnya tidak ditemukan umpan;"
            " sebutkan alamat umpannya, misalnya https://…/feed/"
        ),
    ),
    (r"this is a web page, not a feed", "ini halaman web, bukan umpan"),
    (
        r"this is not a feed \(.*\)",
        "ini bukan umpan (bukan RSS, Atom, ataupun JSON Feed)",
    ),
    (r"the answer is empty, not a feed", "jawabannya kosong, bukan umpan"),
    (r"this is JSON, but it is broken", "ini JSON, tetapi rusak"),
    (r"this is JSON, but not a JSON Feed", "ini JSON, tetapi bukan JSON Feed"),
    (
        r"this address leads inside a private network, .*",
        (
            "alamat ini menuju jaringan pribadi, bukan internet umum;"
            " SEBAR_ALLOW_PRIVATE=1 mengizinkannya"
        ),
    ),
    (
        r"this address names a port other than 80 and 443; .*",
        "alamat ini memakai port selain 80 dan 443; SEBAR_ALLOW_PRIVATE=1 mengizinkannya",
    ),
    (r"the site's certificate is not valid", "sertifikat situs tidak sah"),
    (r"the site's name is not known", "nama situs tidak dikenal"),
    (r"the site cannot be reached", "situs tidak dapat dijangkau"),
    (r"the site broke off the connection", "situs memutus sambungan"),
    (
        r"the answer is no proper HTTP, or its compression is broken",
        "jawabannya bukan HTTP yang benar, atau kompresinya rusak",
    ),
    (r"the answer's compression is broken", "kompresi jawabannya rusak"),
    (r"the answer broke off before its end", "jawabannya terputus sebelum selesai"),
    (r"the answer could not be read \((\w+)\)", r"jawabannya tidak dapat dibaca (\1)"),
)

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
            values = {"url": url, "reason": told(alert.error, locale), "minutes": minutes}
            html = self._renderer.chat(locale, "feed_failing", **values)
        return Message(html, parse(html).text)

    async def _send(self, editor: int, message: Message) -> None:
        try:
            await self._publisher.send(Destination(editor), self._publisher.prepare(message))
        except PublishError as error:
            _log.warning("editor not reached", extra={"editor": editor, "reason": str(error)})


def told(reason: str, locale: str) -> str:
    """The reason why a feed fails, in the language of editors; as it is where that is unknown."""
    if locale == "id":
        for pattern, words in _INDONESIAN:
            if match := re.fullmatch(pattern, reason):
                return match.expand(words).rstrip()
    return reason
