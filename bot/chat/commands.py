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
    BotCommandScopeDefault,
)
from telegram.error import BadRequest, NetworkError, TelegramError

if TYPE_CHECKING:
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
    "[URL | n]",
    "[URL | n]",
    "sends a story to all who subscribe, after a preview",
    "mengirim berita kepada semua pelanggan, setelah pratinjau",
)

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
EDITORS: Final = (BROADCAST,)


async def publish_commands(bot: ExtBot[Any], locale: str = INDONESIAN) -> None:
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
        for code, language in (("", locale), (INDONESIAN, INDONESIAN), (ENGLISH, ENGLISH)):
            menu = [command.menu(language) for command in commands]
            try:
                await bot.set_my_commands(menu, scope=scope, language_code=code or None)
            except TelegramError as error:
                fields = {"scope": scope.type, "language": code, "reason": str(error)}
                _log.warning("commands not published", extra=fields)
                if isinstance(error, NetworkError) and not isinstance(error, BadRequest):
                    return
