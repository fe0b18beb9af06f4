"""Settings from an environ mapping: frozen, checked whole, secrets masked.

Nothing here reads the process's own environment or opens anything; `load_environ` joins a `.env`
file of the working folder below the mapping it is given.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.errors import SettingsError
from bot.types import ChannelSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

LOCALES = ("id", "en")
SHORTENERS = frozenset(
    [
        "adfly",
        "bitly",
        "chilpit",
        "clckru",
        "cuttly",
        "dagd",
        "gitio",
        "isgd",
        "nullpointer",
        "osdb",
        "owly",
        "post",
        "qpsru",
        "shortcm",
        "tinycc",
        "tinyurl",
    ]
)
KEYED_SHORTENERS = frozenset({"adfly", "bitly", "cuttly", "owly", "shortcm", "tinycc"})
FREE_RATE = 30.0
TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
CHANNEL = re.compile(
    r"(?P<chat>@[A-Za-z][A-Za-z0-9_]{3,31}|-?[0-9]{1,18})(?:/(?P<thread>[0-9]{1,18}))?(?:\?(?P<query>\S*))?"
)
ASSIGNMENT = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")
WORDS = {"on": True, "true": True, "yes": True, "1": True}
WORDS |= {"off": False, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decides. Durations are seconds, `rate` messages a second."""

    token: str | None = field(default=None, metadata={"name": "SEBAR_TELEGRAM_TOKEN"})
    api_url: str = field(
        default="https://api.telegram.org", metadata={"name": "SEBAR_TELEGRAM_API_URL"}
    )
    feeds: tuple[str, ...] = field(default=(), metadata={"name": "SEBAR_FEEDS"})
    channels: tuple[ChannelSetting, ...] = field(default=(), metadata={"name": "SEBAR_CHANNELS"})
    editors: tuple[int, ...] = field(default=(), metadata={"name": "SEBAR_EDITORS"})
    approval: Literal["auto", "editor"] = field(default="auto", metadata={"name": "SEBAR_APPROVAL"})
    hold_s: float = field(default=0.0, metadata={"name": "SEBAR_HOLD"})
    withdraw: Literal["ask", "auto"] = field(default="ask", metadata={"name": "SEBAR_WITHDRAW"})
    public_url: str | None = field(default=None, metadata={"name": "SEBAR_PUBLIC_URL"})
    port: int = field(default=8080, metadata={"name": "PORT"})
    bind: str = field(default="127.0.0.1", metadata={"name": "SEBAR_BIND"})
    database_url: str = field(default="sqlite:///data/sebar.db", metadata={"name": "DATABASE_URL"})
    poll_interval_s: float = field(default=60.0, metadata={"name": "SEBAR_POLL_INTERVAL"})
    rate: float = field(default=FREE_RATE, metadata={"name": "SEBAR_RATE"})
    burst: int = field(default=5, metadata={"name": "SEBAR_BURST"})
    locale: str = field(default="id", metadata={"name": "SEBAR_LOCALE"})
    zone: ZoneInfo = field(
        default_factory=lambda: ZoneInfo("Asia/Jakarta"), metadata={"name": "SEBAR_TIMEZONE"}
    )
    shortener: str = field(default="none", metadata={"name": "SEBAR_SHORTENER"})
    shortener_key: str | None = field(default=None, metadata={"name": "SEBAR_SHORTENER_KEY"})
    copy: Literal["canonical", "short"] = field(
        default="canonical", metadata={"name": "SEBAR_COPY"}
    )
    utm: bool = field(default=True, metadata={"name": "SEBAR_UTM"})
    allow_private: bool = field(default=False, metadata={"name": "SEBAR_ALLOW_PRIVATE"})
    log: Literal["text", "json"] = field(default="text", metadata={"name": "SEBAR_LOG"})
    templates: Path | None = field(default=None, metadata={"name": "SEBAR_TEMPLATES"})

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value}' for name, value in self.shown())})"

    def shown(self) -> list[tuple[str, str]]:
        """Every setting's name and value as text fit for a screen: secrets are masked."""
        return [
            (item.metadata["name"], _shown(item.name, getattr(self, item.name)))
            for item in fields(self)
        ]

    def secrets(self) -> tuple[str, ...]:
        """What must never appear in a log, an error or a page."""
        passwords = [urlsplit(url).password for url in (self.database_url, *self.feeds)]
        found = [self.token, self.shortener_key, *passwords]
        return tuple(secret for secret in found if secret)


def load_environ(environ: Mapping[str, str], folder: Path) -> tuple[dict[str, str], list[str]]:
    """Join the `.env` file of a folder, if there is one, below an environment.

    A line is `NAME=value`, optionally after `export` and in quotes; `#` begins a comment. Gives
    the joined environment and a fault for each line that is neither.
    """
    file = folder / ".env"
    if not file.is_file():
        return dict(environ), []
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return dict(environ), [".env: cannot be read as text in UTF-8; save it so"]
    joined: dict[str, str] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        stated = line.strip()
        match = ASSIGNMENT.fullmatch(stated)
        if match is not None:
            joined[match["name"]] = _unquoted(match["value"])
        elif stated and not stated.startswith("#"):
            faults.append(f".env, line {number}: write NAME=value")
    return {**joined, **environ}, faults


def read_settings(environ: Mapping[str, str], *, needs_token: bool = False) -> Settings:
    """Read every setting. Raises SettingsError with every fault, each in words that say the cure.

    An empty value counts as not set. `needs_token` makes a missing bot token a fault.
    """
    settings, faults = try_settings(environ, needs_token=needs_token)
    if faults:
        raise SettingsError(faults)
    return settings


def try_settings(
    environ: Mapping[str, str], *, needs_token: bool = False
) -> tuple[Settings, list[str]]:
    """Read every setting; gives them, each faulty one at its default, with every fault."""
    reader = _Reader(environ)
    public_url = reader.take("SEBAR_PUBLIC_URL", None, _web_address)
    settings = Settings(
        token=reader.take("SEBAR_TELEGRAM_TOKEN", None, _token),
        api_url=reader.take("SEBAR_TELEGRAM_API_URL", Settings().api_url, _web_address),
        feeds=reader.take("SEBAR_FEEDS", (), _feeds),
        channels=reader.take("SEBAR_CHANNELS", (), _channels),
        editors=reader.take("SEBAR_EDITORS", (), _editors),
        approval=reader.take("SEBAR_APPROVAL", "auto", _approval),
        hold_s=reader.take("SEBAR_HOLD", 0.0, _seconds),
        withdraw=reader.take("SEBAR_WITHDRAW", "ask", _withdrawal),
        public_url=public_url,
        port=reader.take("PORT", 8080, _port),
        bind=reader.take("SEBAR_BIND", "0.0.0.0" if public_url else "127.0.0.1", _address),
        database_url=reader.take("DATABASE_URL", Settings().database_url, _database),
        poll_interval_s=reader.take("SEBAR_POLL_INTERVAL", 60.0, _positive),
        rate=reader.take("SEBAR_RATE", FREE_RATE, _positive),
        burst=reader.take("SEBAR_BURST", 5, _count),
        locale=reader.take("SEBAR_LOCALE", "id", _locale),
        zone=reader.take("SEBAR_TIMEZONE", Settings().zone, _zone),
        shortener=reader.take("SEBAR_SHORTENER", "none", _shortener),
        shortener_key=reader.take("SEBAR_SHORTENER_KEY", None, str),
        copy=reader.take("SEBAR_COPY", "canonical", _copy),
        utm=reader.take("SEBAR_UTM", default=True, read=_switch),
        allow_private=reader.take("SEBAR_ALLOW_PRIVATE", default=False, read=_switch),
        log=reader.take("SEBAR_LOG", "text", _log_form),
        templates=reader.take("SEBAR_TEMPLATES", None, _folder),
    )
    return settings, reader.faults + _joint_faults(settings, reader, needs_token=needs_token)


class _Reader:
    """Reads one setting after another and collects what is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []
        self.faulty: set[str] = set()

    def take(self, name: str, default: T, read: Callable[[str], T]) -> T:
        text = self._environ.get(name, "").strip()
        if not text:
            return default
        try:
            return read(text)
        except ValueError as error:
            self.faults.append(f"{name}: {error}")
            self.faulty.add(name)
            return default


def _joint_faults(settings: Settings, reader: _Reader, *, needs_token: bool) -> list[str]:
    faults = []
    if needs_token and settings.token is None and "SEBAR_TELEGRAM_TOKEN" not in reader.faulty:
        faults.append(
            "SEBAR_TELEGRAM_TOKEN is missing: ask @BotFather for a token and set it,"
            " or try `sebar demo`, which needs none"
        )
    if settings.shortener == "own" and settings.public_url is None:
        faults.append("SEBAR_SHORTENER: own short links need SEBAR_PUBLIC_URL")
    if settings.copy == "short" and settings.shortener == "none":
        faults.append("SEBAR_COPY: short links need SEBAR_SHORTENER")
    if settings.shortener in KEYED_SHORTENERS and settings.shortener_key is None:
        faults.append(f"SEBAR_SHORTENER_KEY is missing: {settings.shortener} needs one")
    cloud = settings.api_url == Settings().api_url
    if cloud and (settings.public_url or "").startswith("http://"):
        faults.append("SEBAR_PUBLIC_URL: Telegram calls webhooks by https:// only")
    return faults


def _token(text: str) -> str:
    if not TOKEN.fullmatch(text):
        raise ValueError("not a bot token; it looks like 123456:ABC-def, as @BotFather gave it")
    return text


def _web_address(text: str) -> str:
    if not _is_web_address(text):
        raise ValueError(f"{_masked_url(text)!r} is not an address that begins with https://")
    return text.rstrip("/")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _feeds(text: str) -> tuple[str, ...]:
    addresses = text.split()
    wrong = [_masked_url(address) for address in addresses if not _is_web_address(address)]
    if wrong:
        raise ValueError(f"not a web address: {', '.join(wrong)}; write https://… for each")
    return tuple(dict.fromkeys(addresses))


def _channels(text: str) -> tuple[ChannelSetting, ...]:
    channels, faults = [], []
    for word in text.split():
        try:
            channels.append(_channel(word))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(channels)


def _channel(word: str) -> ChannelSetting:
    match = CHANNEL.fullmatch(word)
    if match is None:
        raise ValueError(
            f"{word!r} is not a chat; write @name or a numeric id, then /thread and"
            " ?tag=Politik&silent=1 where wanted"
        )
    query = parse_qs(match["query"] or "", keep_blank_values=True)
    unknown = sorted(set(query) - {"tag", "silent"})
    if unknown:
        raise ValueError(f"{word!r}: unknown {', '.join(unknown)}; known are tag and silent")
    chat = match["chat"]
    if chat.lstrip("-").strip("0") == "" or match["thread"] == "0":
        raise ValueError(f"{word!r}: 0 is no chat and no thread")
    if any(not tag.strip() for tag in query.get("tag", [])):
        raise ValueError(f"{word!r}: a tag is empty")
    return ChannelSetting(
        chat=chat if chat.startswith("@") else int(chat),
        thread_id=int(match["thread"] or 0),
        tags=tuple(tag.strip() for tag in query.get("tag", []) if tag.strip()),
        silent=_switch(query.get("silent", ["off"])[-1]),
    )


def _editors(text: str) -> tuple[int, ...]:
    words = re.split(r"[\s,]+", text.strip(", "))
    wrong = [word for word in words if not re.fullmatch(r"[0-9]{1,18}", word)]
    if wrong:
        raise ValueError(
            f"not a Telegram user id: {', '.join(wrong)}; it is a number, which /start shows"
        )
    return tuple(dict.fromkeys(int(word) for word in words))


def _approval(text: str) -> Literal["auto", "editor"]:
    if text == "auto":
        return "auto"
    if text == "editor":
        return "editor"
    raise ValueError(f"{text!r} is neither auto nor editor")


def _copy(text: str) -> Literal["canonical", "short"]:
    if text == "canonical":
        return "canonical"
    if text == "short":
        return "short"
    raise ValueError(f"{text!r} is neither canonical nor short")


def _withdrawal(text: str) -> Literal["ask", "auto"]:
    if text == "ask":
        return "ask"
    if text == "auto":
        return "auto"
    raise ValueError(f"{text!r} is neither ask nor auto")


def _log_form(text: str) -> Literal["text", "json"]:
    if text == "text":
        return "text"
    if text == "json":
        return "json"
    raise ValueError(f"{text!r} is neither text nor json")


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number that can be used")
    return number


def _seconds(text: str) -> float:
    number = _number(text)
    if number < 0:
        raise ValueError(f"{text!r} is less than 0")
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if number <= 0:
        raise ValueError(f"{text!r} is not more than 0")
    return number


def _address(text: str) -> str:
    try:
        return str(ip_address("127.0.0.1" if text == "localhost" else text.strip("[]")))
    except ValueError:
        raise ValueError(
            f"{text!r} is no address of this machine; write one like 127.0.0.1 or 0.0.0.0"
        ) from None


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port, a number from 0 to 65535")
    return int(text)


def _database(text: str) -> str:
    if text.startswith("postgres://"):
        text = "postgresql://" + text.removeprefix("postgres://")
    if text.startswith("postgresql://"):
        try:
            urlsplit(text)
        except ValueError:
            raise ValueError(
                "not a readable address; write special characters of the password"
                " percent-encoded, as in %5B for ["
            ) from None
        return text
    if text.startswith("sqlite:///") and text != "sqlite:///":
        return text
    scheme = text.split(":", 1)[0]
    raise ValueError(
        f"{scheme!r} is no database that Sebar knows; write sqlite:///path/to/file.db"
        " or postgresql://user:password@host/name"
    )


def _locale(text: str) -> str:
    if text not in LOCALES:
        raise ValueError(f"{text!r} is no language that Sebar speaks; known: {', '.join(LOCALES)}")
    return text


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone; write one like Asia/Jakarta") from None


def _shortener(text: str) -> str:
    name = text.lower()
    if name not in {"none", "own"} | SHORTENERS:
        raise ValueError(f"{text!r} is unknown; known: none, own, {', '.join(sorted(SHORTENERS))}")
    return name


def _switch(text: str) -> bool:
    try:
        return WORDS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither on nor off") from None


def _folder(text: str) -> Path:
    folder = Path(text)
    if not folder.is_dir():
        raise ValueError(f"{text!r} is not a folder")
    return folder


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] in "\"'":
        end = value.find(value[0], 1)
        if end > 0:
            return value[1:end]
    return value.split(" #", 1)[0].rstrip()


def _shown(name: str, value: object) -> str:
    if value is None or value == ():
        return "(not set)"
    if name in {"token", "shortener_key"}:
        return "***"
    if isinstance(value, bool):
        return "on" if value else "off"
    items = value if isinstance(value, tuple) else (value,)
    return " ".join(_shown_item(item) for item in items)


def _shown_item(item: object) -> str:
    if isinstance(item, ChannelSetting):
        return str(item.chat)
    return _masked_url(item) if isinstance(item, str) and "://" in item else str(item)


def _masked_url(url: str) -> str:
    """The address with its password, if it carries one, masked."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return "(unreadable)"
    if not password:
        return url
    user = quote(parts.username or "", safe="")
    host = parts.netloc.rsplit("@", 1)[1]
    return urlunsplit(parts._replace(netloc=f"{user}:***@{host}"))
