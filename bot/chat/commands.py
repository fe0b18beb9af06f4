"""The commands: their two names, their lines in menus and in the help."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from telegram import (
    BotCommand,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import BadRequest, NetworkError, TelegramError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telegram import BotCommandScope
    from telegram.ext import ExtBot

INDONESIAN: Final = "id"
ENGLISH: Final = "en"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Command:
    """One command: names, what may follow it, and what it does, in English and Indonesian."""

    english: str
    indonesian: str
    english_words: str
    indonesian_words: str
    english_line: str
    indonesian_line: str

    @property
    def names(self) -> tuple[str, ...]:
        """Give both names, or the one that serves both languages."""
        return tuple(dict.fromkeys((self.english, self.indonesian)))

    def line(self, language: str) -> CommandLine:
        """Give what the help says of it; every language but Indonesian gets English."""
        if language == INDONESIAN:
            usage = f"/{self.indonesian} {self.indonesian_words}".strip()
            return CommandLine(usage, self.indonesian_line, self._other(self.english))
        usage = f"/{self.english} {self.english_words}".strip()
        return CommandLine(usage, self.english_line, self._other(self.indonesian))

    def _other(self, name: str) -> str:
        return name if self.english != self.indonesian else ""

    def menu(self, language: str) -> BotCommand:
        """Give its place in Telegram's menu."""
        if language == INDONESIAN:
            return BotCommand(self.indonesian, self.indonesian_line)
        return BotCommand(self.english, self.english_line)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command in the help: how to write it, what it does, its other name ("" for none)."""

    usage: str
    description: str
    other: str


START = Command(
    "start", "start", "", "", "greets and shows what I do", "salam dan apa yang saya lakukan"
)
HELP = Command("help", "bantuan", "", "", "all commands", "semua perintah")
LATEST = Command(
    "latest",
    "terbaru",
    "[n | tag]",
    "[n | tag]",
    "the latest stories, or those of a tag",
    "berita terbaru, atau yang memakai sebuah tag",
)
SEARCH = Command(
    "search",
    "cari",
    "words",
    "kata",
    "finds stories by words",
    "mencari berita dengan kata",
)
RELATED = Command(
    "related",
    "terkait",
    "[URL]",
    "[URL]",
    "related stories; also as a reply to a story",
    "berita terkait; juga sebagai balasan sebuah berita",
)
SHARE = Command(
    "share",
    "bagikan",
    "[URL]",
    "[URL]",
    "texts and links to share a story; also as a reply",
    "teks dan tautan untuk membagikan berita; juga sebagai balasan",
)
POPULAR = Command("popular", "populer", "", "", "popular stories", "berita populer")
SUBSCRIBE = Command(
    "subscribe",
    "langganan",
    "[tag …]",
    "[tag …]",
    "new stories come by themselves, all or those of tags",
    "berita baru datang sendiri, semua atau yang memakai tag",
)
UNSUBSCRIBE = Command(
    "unsubscribe",
    "berhenti",
    "[tag …]",
    "[tag …]",
    "ends the subscription, or takes tags from it",
    "mengakhiri langganan, atau melepas tag",
)
SETTINGS = Command(
    "settings",
    "pengaturan",
    "",
    "",
    "what comes, when and how; language",
    "apa yang datang, kapan dan bagaimana; bahasa",
)
STOP = Command(
    "stop",
    "setop",
    "",
    "",
    "ends everything and deletes what I know of you",
    "mengakhiri semuanya dan menghapus data Anda",
)
BROADCAST = Command(
    "broadcast",
    "siarkan",
    "[URL | n | words]",
    "[URL | n | kata]",
    "sends a story or own words, after a preview; also as a reply",
    "mengirim berita atau tulisan sendiri, setelah pratinjau; juga sebagai balasan",
)
DRAFTS = Command(
    "drafts",
    "draf",
    "",
    "",
    "what waits, what is scheduled, what is under way",
    "yang menunggu, yang dijadwalkan, yang berjalan",
)
SCHEDULE = Command(
    "schedule",
    "jadwalkan",
    "[URL | n] time",
    "[URL | n] waktu",
    "sends at a moment: 18:30, tomorrow 06:00, in 2 hours",
    "mengirim nanti: 18:30, besok 06:00, 2 jam lagi",
)
CORRECT = Command(
    "correct",
    "ralat",
    "[URL | n]",
    "[URL | n]",
    "changes the words or address of what was sent, everywhere",
    "mengubah teks atau alamat yang sudah terkirim, di mana-mana",
)
RETRACT = Command(
    "retract",
    "tarik",
    "[URL | n]",
    "[URL | n]",
    "takes a story back everywhere",
    "menarik berita dari semua obrolan",
)
STATS = Command(
    "stats",
    "statistik",
    "[URL | n]",
    "[URL | n]",
    "what was delivered, opened and shared",
    "yang terkirim, dibuka dan dibagikan",
)
STAFF = Command(
    "editors",
    "redaktur",
    "[id name]",
    "[id nama]",
    "who the editors are; owners appoint and dismiss",
    "siapa redakturnya; pemilik mengangkat dan memberhentikan",
)
CONSOLE = Command(
    "console",
    "konsol",
    "",
    "",
    "opens the editors' console in a browser",
    "membuka konsol redaktur di peramban",
)
LOG = Command("log", "catatan", "", "", "who did what and when", "siapa berbuat apa dan kapan")

READERS: Final = (
    LATEST,
    SEARCH,
    RELATED,
    SHARE,
    POPULAR,
    SUBSCRIBE,
    UNSUBSCRIBE,
    SETTINGS,
    STOP,
    HELP,
)
MEMBERS: Final = (LATEST, SEARCH, RELATED, SHARE, POPULAR, HELP)
EDITORS: Final = (BROADCAST, DRAFTS, SCHEDULE, CORRECT, RETRACT, STATS, STAFF, LOG, CONSOLE)


async def publish_commands(
    bot: ExtBot[Any], locale: str = INDONESIAN, editors: Sequence[int] = ()
) -> None:
    """Tell Telegram the commands of each kind of chat in each language; failures are logged.

    A lost connection ends it: commands work without menus. People of a third language see the
    names of `locale`.
    """
    scopes: tuple[tuple[BotCommandScope, tuple[Command, ...]], ...] = (
        (BotCommandScopeDefault(), READERS),
        (BotCommandScopeAllPrivateChats(), READERS),
        (BotCommandScopeAllGroupChats(), MEMBERS),
        (BotCommandScopeAllChatAdministrators(), READERS),
    )
    for scope, commands in scopes:
        if not await _publish(bot, scope, commands, locale):
            return
    for editor in editors:
        await offer_commands(bot, editor, locale)


async def offer_commands(bot: ExtBot[Any], editor: int, locale: str = INDONESIAN) -> None:
    """Show an editor's commands in the menu of their chat with the bot; failures are logged."""
    scope = BotCommandScopeChat(editor)
    await _publish(bot, scope, (*EDITORS, *READERS), locale)


async def withdraw_commands(bot: ExtBot[Any], editor: int) -> None:
    """Show somebody the readers' menu again; failures are logged."""
    for code in (None, INDONESIAN, ENGLISH):
        try:
            await bot.delete_my_commands(scope=BotCommandScopeChat(editor), language_code=code)
        except TelegramError as error:
            _log.warning("commands not withdrawn", extra={"reason": str(error)})


async def _publish(
    bot: ExtBot[Any], scope: BotCommandScope, commands: Sequence[Command], locale: str
) -> bool:
    """Publish a menu in each language; False where Telegram cannot be reached."""
    for code, language in (("", locale), (INDONESIAN, INDONESIAN), (ENGLISH, ENGLISH)):
        menu = [command.menu(language) for command in commands]
        try:
            await bot.set_my_commands(menu, scope=scope, language_code=code or None)
        except TelegramError as error:
            fields = {"scope": scope.type, "language": code, "reason": str(error)}
            _log.warning("commands not published", extra=fields)
            if isinstance(error, NetworkError) and not isinstance(error, BadRequest):
                return False
    return True
