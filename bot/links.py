"""Addresses: the canonical URL of a story, its keys, its tags, and links that share it. Pure."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from bot.text import lines, one_line, repair, shorten
from bot.types import Platform, ShareLinks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_LINK_CHARS: Final = 2_000
MAX_X_CHARS: Final = 280
X_URL_CHARS: Final = 23
MAX_THREADS_CHARS: Final = 500
_LEAST_THREADS_TITLE: Final = 200
MAX_SUBJECT_CHARS: Final = 800
_LONGEST_FORM: Final = 100
_PROBE: Final = "x"
CODE_CHARS: Final = 12

_MARKS: Final = {
    Platform.TELEGRAM: "t",
    Platform.WHATSAPP: "w",
    Platform.LINE: "l",
    Platform.PLAIN: "p",
    Platform.FACEBOOK: "f",
    Platform.X: "x",
    Platform.THREADS: "h",
    Platform.EMAIL: "e",
    Platform.COPY: "c",
    Platform.QR: "q",
    Platform.OTHER: "",
}
_MARKED: Final = {mark: platform for platform, mark in _MARKS.items()}
_SHORT_CODE: Final = re.compile(f"([a-z2-7]{{{CODE_CHARS}}})([a-z]?)")

_ENDS: Final = "".join(map(chr, range(0x21)))
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65_535

_SHAPE: Final = re.compile(
    r"(?i:(https?)):[/\\]{2,}([^/\\?#]*)([^?#]*)(?:\?([^#]*))?(?:\#(.*))?", re.DOTALL
)
_PORT: Final = re.compile(r"(.*?)(?::(\d*))?", re.DOTALL)
_HOST: Final = re.compile(r"[0-9a-z._~!$&'()*+,;=\-\x80-\U0010ffff]+")
_UNSAFE: Final = re.compile('[\x20"<>^`{|}\\\\\u0333\u033f\u030a]')
_ESCAPE: Final = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_UNRESERVED_BYTES: Final = "".join(_UNRESERVED).encode()

_TRACKING: Final = re.compile(
    r"""
      (?: utm | mtm | hmb | otm | oly | vero ) _ .*
    | ga_ (?: source | medium | term | content | campaign | place )
    | at_ (?: medium | campaign | custom\d* | platform | creation | variant | network | format )
    | itm_ (?: campaign | medium | source )
    | vn_ (?: source | medium | campaign | term | content )
    | fb_ (?: action_ids | action_types | source | ref | comment_id )
    | mc_ (?: cid | eid | tc ) | ml_subscriber (?: _hash )? | s_cid
    | _ga | _gl | _openstat | _branch_match_id | __twitter_impression
    | __s | __hs (?: tc | sc | fp ) | _hs (?: enc | mi ) | hsctatracking
    | (?: fb | g | d | y | ym | tw | tt ) clid | msclkid | rb_clickid | wickedid | li_fat_id
    | gbraid | wbraid | gclsrc | gad_source | gad_campaignid | srsltid | gs_l
    | igsh (?: id )? | mkt_tok | cmpid | ncid | wt_mc | wtrid | echobox | spm | tracking_source
    """,
    re.VERBOSE,
)
_AMP_PATH: Final = re.compile(r"(.*/([^/]+)/)amp(/?)", re.IGNORECASE)
_AMP_SUBJECTS: Final = frozenset(
    {"tag", "tags", "topic", "topics", "topik", "category", "kategori", "author", "search", "label"}
)
_LANGUAGE_OR_DATE: Final = re.compile(r"/[A-Za-z]{2}/|.*/(?:19|20)\d\d(?:/\d\d?){0,2}/")
_DROPPED_FRAGMENT: Final = re.compile(
    r"comments?(?:[-_=/]?\d+|[-_].*)?|respond|echobox=.*", re.IGNORECASE
)
_FOLDED_PREFIXES: Final = ("www.", "m.")
_IGNORED_END: Final = re.compile(r"(?:/index\.php|/)+$")
_DOTS: Final = re.compile("[\u3002\uff0e\uff61]")

# X counts these as one, everything else as two.
_X_LIGHT: Final = re.compile("[\0-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")


class _Address(NamedTuple):
    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    fragment: str

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        query = f"?{self.query}" if self.query else ""
        fragment = f"#{self.fragment}" if self.fragment else ""
        return f"{self.scheme}://{self.host}{port}{self.path}{query}{fragment}"


def canonical(url: str) -> str:
    """Clean an address for sending and copying.

    Tracking parameters, AMP forms, text and comment fragments, credentials and default ports go;
    the order of parameters, percent-encoding, letter case of the path and the publisher's own
    trailing slash stay. Characters that would end the link in a chat are percent-encoded.
    Empty where `url` is no http or https address with a host.
    """
    address = _split(url)
    return "" if address is None else str(address)


def shown(url: str) -> str:
    """An address fit for a page or a log: without what may be a secret in it.

    User, password and the values of the query are left out.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(unreadable address)"
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    names = "&".join(part.partition("=")[0] for part in parts.query.split("&"))
    return f"{parts.scheme}://{place}{parts.path}" + (f"?{names}" if names else "")


def story_key(url: str) -> str:
    """Give the key by which two addresses are one story's; never shown, never opened.

    Beyond `canonical`: one scheme, no www. or m., no trailing slash or index.php, hosts in
    punycode, one spelling of percent-encoding, parameters sorted. Another kind of address
    (urn:, tag:) is its own key.
    """
    address = _split(url)
    if address is None:
        return repair(url).strip()
    fragment = address.fragment if address.fragment.startswith(("!", "/")) else ""
    port = None if address.port in _DEFAULT_PORTS.values() else address.port
    parameters = sorted(filter(None, _normalised(address.query).split("&")))
    return str(
        address._replace(
            scheme="https",
            host=_key_host(address.host),
            port=port,
            path=_IGNORED_END.sub("", _normalised(address.path)),
            query="&".join(parameters),
            fragment=_normalised(fragment),
        )
    )


def story_code(key: str) -> str:
    """Name a story in public links: CODE_CHARS of a-z and 2-7, always the same for one key."""
    digest = hashlib.blake2b(repair(key).encode(), digest_size=10).digest()
    return base64.b32encode(digest).decode().lower()[:CODE_CHARS]


def short_link(public_url: str, story_code: str, platform: Platform) -> str:
    """Give the short link of ours by which a story leaves through a platform.

    It ends in the story's code and the platform's mark; without one it was made before there were
    marks, or for no platform.
    """
    return f"{public_url}/s/{story_code}{_MARKS[platform]}"


def read_short_code(text: str) -> tuple[str, Platform] | None:
    """Read what stands behind /s/ in a short link: the story's code and the platform.

    In any letter case; None where it can be no code.
    """
    found = _SHORT_CODE.fullmatch(text.lower())
    if found is None or found[2] not in _MARKED:
        return None
    return found[1], _MARKED[found[2]]


def in_ascii(url: str) -> str:
    """A canonical URL as an HTTP header carries it: host in punycode, all else percent-encoded.

    Empty where `url` is no http or https address. Source: RFC 3986, RFC 3492.
    """
    address = _split(url)
    if address is None:
        return ""
    host, path, query, fragment = (
        _punycode(address.host),
        *(_encoded(part) for part in (address.path, address.query, address.fragment)),
    )
    return str(address._replace(host=host, path=path, query=query, fragment=fragment))


def tagged(url: str, platform: str) -> str:
    """Add our utm parameters before the fragment; a URL that has a utm_source keeps its own."""
    if not url or re.search(r"[?&]utm_source=", url, re.IGNORECASE):
        return url
    address, mark, fragment = url.partition("#")
    joint = "?" if "?" not in address else "" if address.endswith(("?", "&")) else "&"
    tags = f"utm_source={quote(platform, safe='')}&utm_medium=share&utm_campaign=sebar"
    return f"{address}{joint}{tags}{mark}{fragment}"


def share_links(
    title: str,
    text: str,
    url: str,
    *,
    utm: bool = True,
    short: Mapping[str, str] | None = None,
    whatsapp: str = "",
    line: str = "",
    limit: int = MAX_LINK_CHARS,
) -> ShareLinks:
    """Make the links that open each platform's composer, filled in.

    `short` names the short URL that leaves through a platform in the place of the tagged one.
    `whatsapp` and `line` are the messages for those two; where one is empty or its link would be
    too long, title, text and URL stand in. Every value is percent-encoded whole. No link is longer
    than `limit` characters: its text is shortened at a word, its URL never; a URL that cannot fit
    is left out. With no http or https URL the links carry the text alone.
    Source: the platforms' own pages on share links and web intents; RFC 6068.
    """
    title, text = (lines(part[: 5 * MAX_LINK_CHARS]) for part in (title, text))
    address = canonical(url)
    leaving = short if short and address else {}
    story = _Shared(title or text, text if title else "", address, utm, limit, leaving)
    return ShareLinks(
        facebook=story.link("https://www.facebook.com/sharer/sharer.php?u={url}", "facebook"),
        x=story.x(),
        whatsapp=story.message("https://wa.me/?text={text}", "whatsapp", whatsapp),
        telegram=story.link("https://t.me/share/url?url={url}&text={text}", "telegram"),
        line=story.message("https://line.me/R/share?text={text}", "line", line),
        line_desktop=story.link(
            "https://social-plugins.line.me/lineit/share?url={url}&text={text}", "line"
        ),
        threads=story.threads(),
        email=story.email(),
    )


class _Shared(NamedTuple):
    title: str
    text: str
    url: str
    utm: bool
    limit: int
    short: Mapping[str, str]

    def address(self, platform: str) -> str:
        tags = tagged(self.url, platform) if self.utm else self.url
        address = self.short.get(platform, tags)
        fits = len(quote(address, safe="")) < self.limit - _LONGEST_FORM
        return address if fits else self.url

    def whole(self) -> str:
        return "\n\n".join(filter(None, (self.title, self.text)))

    def link(self, form: str, platform: str) -> str | None:
        """Fill a form that needs the URL; None without one or where it cannot fit."""
        address = quote(self.address(platform), safe="")
        return self._fit(lambda text: _fill(form, text, address), self.whole()) if address else None

    def message(self, form: str, platform: str, message: str) -> str:
        ready = _fill(form, repair(message))
        if message and len(ready) <= self.limit:
            return ready
        tail = f"\n\n{self.address(platform)}" if self.url else ""
        return self._either(
            lambda text: _fill(form, (text + tail).strip()), lambda text: _fill(form, text)
        )

    def x(self) -> str:
        title = shorten(self.title, MAX_X_CHARS - (X_URL_CHARS + 1 if self.url else 0), _x_length)
        return self._intent("https://x.com/intent/tweet?text={text}", "x", title)

    def threads(self) -> str:
        address = self.address("threads")
        room = max(MAX_THREADS_CHARS - len(address) - 1, _LEAST_THREADS_TITLE)
        title = shorten(self.title, room)
        return self._intent("https://www.threads.com/intent/post?text={text}", "threads", title)

    def email(self) -> str:
        subject = shorten(one_line(self.title), MAX_SUBJECT_CHARS, quoted_length)
        body = self.text if subject == self.title else self.whole()
        head = f"mailto:?subject={quote(subject, safe='')}&body="
        tail = f"\n\n{self.address('email')}" if self.url else ""
        return self._either(
            lambda text: head + _mail_body((text + tail).strip()),
            lambda text: head + _mail_body(text),
            body,
        )

    def _intent(self, form: str, platform: str, text: str) -> str:
        address = quote(self.address(platform), safe="")
        suffix = f"&url={address}" if address else ""
        return self._either(
            lambda text: _fill(form, text) + suffix, lambda text: _fill(form, text), text
        )

    def _either(
        self,
        with_url: Callable[[str], str],
        without: Callable[[str], str],
        text: str | None = None,
    ) -> str:
        text = self.whole() if text is None else text
        return self._fit(with_url, text) or self._fit(without, text) or without("")

    def _fit(self, form: Callable[[str], str], text: str) -> str | None:
        if len(form("")) > self.limit:
            return None
        return form(shorten(text, self.limit - len(form(_PROBE)) + len(_PROBE), _cost))


def quoted_length(text: str) -> int:
    """Length of a text as a percent-encoded value, without encoding it."""
    encoded = text.encode()
    return len(encoded) + 2 * len(encoded.translate(None, _UNRESERVED_BYTES))


def _cost(text: str) -> int:
    """Length of a text in a link at most: a line's end is two characters in a mail."""
    return quoted_length(text) + len("%0D") * text.count("\n")


def _fill(form: str, text: str, address: str = "") -> str:
    return form.format(text=quote(text, safe=""), url=address)


def _mail_body(text: str) -> str:
    return quote(text.replace("\n", "\r\n"), safe="")


def _x_length(text: str) -> int:
    """Count as X does, emoji sequences by their parts. Source: X's character counting page."""
    return 2 * len(text) - len(_X_LIGHT.findall(text))


def _split(url: str) -> _Address | None:
    """Take an address apart and clean its parts; None where it is not http or https."""
    url = re.sub("[\t\r\n]", "", repair(url).strip(_ENDS))
    found = _SHAPE.fullmatch(f"https:{url}" if url.startswith("//") else url)
    if found is None:
        return None
    scheme = found[1].lower()
    place = _PORT.fullmatch(found[2].rpartition("@")[2])
    host = _clean_host(place[1]) if place else ""
    port = ((place[2] if place else "") or "").lstrip("0")
    if not host or len(port) > len(str(_MAX_PORT)) or int(port or "0") > _MAX_PORT:
        return None
    stated = int(port) if port else None
    return _Address(
        scheme,
        host,
        None if stated == _DEFAULT_PORTS[scheme] else stated,
        _without_amp(_safe(found[3].replace("\\", "/"))),
        _safe(_without_tracking(found[4] or "")),
        _safe(_kept_fragment(found[5] or "")),
    )


def _clean_host(host: str) -> str:
    """Lower a host's case; empty where it can be no host."""
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1].replace('%', '?'))}]"
        except ValueError:
            return ""
    host = unicodedata.normalize("NFC", unquote(host).lower())
    usable = _HOST.fullmatch(host) and host.isprintable() and not _UNSAFE.search(host)
    return host if usable and all(_DOTS.sub(".", host).removesuffix(".").split(".")) else ""


def _safe(part: str) -> str:
    """Percent-encode what would end or disturb a link in running text."""
    if part.isascii() and part.isprintable() and _UNSAFE.search(part) is None:
        return part
    return "".join(
        quote(character, safe="")
        if _UNSAFE.match(character) or not character.isprintable()
        else character
        for character in part
    )


def _without_amp(path: str) -> str:
    found = _AMP_PATH.fullmatch(path)
    if found is None:
        return path
    if found[2].lower() in _AMP_SUBJECTS or _LANGUAGE_OR_DATE.fullmatch(found[1]):
        return path
    return found[1] if found[3] else found[1].removesuffix("/")


def _without_tracking(query: str) -> str:
    return "&".join(parameter for parameter in query.split("&") if not _is_dropped(parameter))


def _is_dropped(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    name = unquote(name).lower().removeprefix("amp;")
    return _TRACKING.fullmatch(name) is not None or (name == "amp" and value in ("", "1"))


def _kept_fragment(fragment: str) -> str:
    fragment = fragment.partition(":~:")[0]
    return "" if _DROPPED_FRAGMENT.fullmatch(fragment) else fragment


def _normalised(part: str) -> str:
    def escape(found: re.Match[str]) -> str:
        character = chr(int(found[0][1:], 16))
        return character if character in _UNRESERVED else found[0].upper()

    return _ESCAPE.sub(escape, _encoded(part))


def _encoded(part: str) -> str:
    return re.sub("[^\x21-\x7e]", lambda found: quote(found[0], safe=""), part)


def _punycode(host: str) -> str:
    if host.startswith("["):
        return host
    labels = _DOTS.sub(".", unicodedata.normalize("NFKC", host)).strip(".").split(".")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )


def _key_host(host: str) -> str:
    host = _punycode(host)
    while host.startswith(_FOLDED_PREFIXES) and "." in host.partition(".")[2]:
        host = host.partition(".")[2]
    return host
