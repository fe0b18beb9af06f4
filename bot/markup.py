"""Bytes to characters, markup to tokens, markup to plain text: linear in whatever it is given."""

from __future__ import annotations

import codecs
import html
import re
import sys
from html.entities import html5
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ATTRIBUTES = 64
MAX_TAG_ATTRIBUTES = 50_000
MAX_ENTITY_CHARS = 32
MAX_UNFINISHED = 3
MAX_URL_CHARS = 8_000
MAX_TITLE_CHARS = 50_000
MAX_TEXT_CHARS = 1_000_000

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BARE_STARTS = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
    (b"\x4c\x6f\xa7\x94", "cp037"),
)
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_INNER_CHARSET = re.compile(
    rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']\s*([\w.:-]{2,40})"
    rb"|<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})",
    re.IGNORECASE,
)
# Browsers read these labels as their supersets (WHATWG Encoding, section 4.2).
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
_WIDE = frozenset({"gb18030", "big5", "cp932", "euc_jp", "cp949", "hz"})
_C1 = {chr(code): bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
_UNDECODED = {
    0xDC00 + code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0x100)
}

_ATTRIBUTE = (
    r"[\s/]*+([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+))?)?"
)
_BARE_ATTRIBUTE = _ATTRIBUTE.replace("(?:", "(").replace("(", "(?:")
_TAG = re.compile(
    r"<(/?)([a-zA-Z_][^\s/><=\"']*+)(?=[\s/>])"
    rf"((?:{_BARE_ATTRIBUTE}){{0,{MAX_TAG_ATTRIBUTES}}}+)[\s/]*+>"
)
_TAG_START = re.compile(r"</?[a-zA-Z_][^\s/><=\"']*+[\s/>]")
_OPENER = re.compile(r"<(?=[a-zA-Z_/!?])")
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_FIELD_END = re.compile(r"</(?:item|entry|title|link|description|summary|content|guid|category)\b")
_ENTITY = re.compile(
    rf"(&(?:#[0-9]{{1,7}}|#[xX][0-9a-fA-F]{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,{MAX_ENTITY_CHARS}}});)"
)
_COMMON = {
    **{f"&{name};": html5[f"{name};"] for name in ("amp", "lt", "gt", "quot", "nbsp", "apos")},
    **{f"&#{code};": chr(code) for code in (160, *range(8211, 8231))},
    **{f"&#0{code};": chr(code) for code in (38, 39)},
}
_RAW = frozenset(("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"))

_BLOCKS = (
    "address|article|aside|blockquote|br|caption|center|dd|details|div|dl|dt|fieldset|figcaption|"
    "figure|footer|form|h1|h2|h3|h4|h5|h6|header|hr|legend|li|main|menu|nav|ol|p|pre|section|summary|table|"
    "tbody|td|tfoot|th|thead|tr|ul"
)
_INLINE = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|del|dfn|em|embed|font|i|img|ins|kbd|mark|nobr|q|s|"
    "applet|blink|iframe|marquee|object|param|picture|source|"
    "link|meta|frame|frameset|noframes|samp|small|span|strike|strong|sub|sup|time|tt|u|var|wbr"
)
BLOCK_NAMES = frozenset(_BLOCKS.split("|"))
_BLOCK_TAG = re.compile(rf"</?(?=[a-zA-Z])(?:{_BLOCKS})(?:[\s/][^<>]*)?>", re.IGNORECASE)
_KNOWN_TAG = re.compile(rf"</?(?=[a-zA-Z])(?:{_INLINE})(?:[\s/][^<>]*)?>", re.IGNORECASE)
_ANY_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_TRAP_TAG = re.compile(
    r"<(?:[!?]|script|style|noscript|template|svg|iframe|textarea|title|select|button|audio|video)",
    re.IGNORECASE,
)
_TRAP_VALUE = re.compile(r"=\s*(?:\"[^\"<>]*[<>]|'[^'<>]*[<>])")
_NAMED = re.compile(r"/?([a-zA-Z][^\s/]*)")
_OPEN_VALUE = re.compile(r"=\s*(?:\"[^\"]*|'[^']*)\Z")
_TRAPS = frozenset(
    (
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "iframe",
        "textarea",
        "title",
        "select",
        "button",
        "audio",
        "video",
    )
)
_GAPS = {
    **dict.fromkeys(
        ("p", "/p", "br", "br /", "br/", "div", "/div", "li", "/li", "h2", "/h2"), "\v"
    ),
    **dict.fromkeys(("a", "/a", "strong", "/strong", "em", "/em", "b", "/b", "i", "/i"), ""),
    **dict.fromkeys(("span", "/span"), ""),
}
SILENT = frozenset(
    (
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "iframe",
        "textarea",
        "select",
        "button",
        "audio",
        "video",
        "object",
        "canvas",
        "math",
        "noembed",
        "noframes",
        "head",
    )
)
_SILENCED = SILENT | _TRAPS
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u2060\ufeff\ufffe\uffff\ufff9-\ufffb\ud800-\udfff]"
)
_CHALLENGE = re.compile(
    r"just a moment\.\.\.|cf-browser-verification|cf_chl_opt|challenge-platform"
    r"|attention required!"
    r"|ddos protection by|checking your browser|captcha-delivery|_incapsula_"
    r"|sucuri website firewall",
    re.IGNORECASE,
)
_IMG = re.compile(r"<img\b((?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+)>", re.IGNORECASE)
# An address that needs neither decoding nor resolving; at most MAX_URL_CHARS.
_PLAIN_URL = re.compile(
    r"https?://[a-zA-Z0-9.-]{1,255}(?::[1-9][0-9]{0,3})?"
    r"(?:/[\w/.~%+,@:!$*=-]{0,2500})?(?:\?[\w/.~%+,@:!$*=&-]{1,2500})?(?:#[\w/.~%=-]{1,2000})?",
    re.ASCII,
)
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0]+")
_NO_IMAGE = re.compile(
    r"/~r/|pixel\.|/pixel|s\.w\.org/images/core/emoji|gravatar\.com|feeds\.wordpress\.com|"
    r"/(?:spacer|blank|1x1|icon)s?[./-]|\bstats?\.|doubleclick",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"<(?:script|style)\b", re.IGNORECASE)


class Token(NamedTuple):
    """A piece of markup.

    `kind` is "start", "end", "empty" (`<x/>`), "text" (entities not yet decoded), "cdata", or
    "raw" (the inside of a script and its like). `text` is the tag's name or the characters,
    `attrs` a start tag's attributes as written, for `attributes`.
    """

    kind: str
    text: str
    attrs: str = ""


def decode(body: bytes, content_type: str | None) -> str:
    """Turn the bytes of a feed or page into characters, whatever they claim to be.

    A byte order mark decides; then what is valid UTF-8 with characters beyond ASCII is UTF-8,
    since other encodings do not look like it by chance; then the first that fits of the header's
    and the document's charset. What fits nothing is read as UTF-8 with its stray bytes taken for
    windows-1252. Never raises.
    Source: WHATWG Encoding (labels), RFC 7303 (order of header and declaration).
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body.decode(name, "replace").lstrip("\ufeff")
    claims = _claims(body, content_type)
    wide = next((name for name in claims if name in _WIDE or name.startswith("iso2022")), None)
    if wide and (text := _strict(body, wide)) and not _surely_utf8(body):
        return text
    for mark, name in _BARE_STARTS:
        if body.startswith(mark) and (text := _strict(body[: len(body) & ~3], name)):
            return text
    for name in ("utf-8", *claims):
        if (text := _strict(body, name)) is not None:
            return text
    return body.decode("utf-8", "surrogateescape").translate(_UNDECODED)


def _claims(body: bytes, content_type: str | None) -> list[str]:
    inner = _INNER_CHARSET.search(body[:4096])
    labels = [
        header[1] if content_type and (header := _HEADER_CHARSET.search(content_type)) else "",
        (inner[1] or inner[2]).decode("ascii", "replace") if inner else "",
    ]
    return [name for label in labels if (name := _codec(label))]


def _codec(label: str) -> str | None:
    try:
        name = codecs.lookup(label).name if label else "utf-8"
        "".encode(name)
    except (LookupError, ValueError):
        return None
    if name.startswith(("utf-16", "utf-32", "utf-8")):
        return None
    return _SUPERSETS.get(name, name)


def _strict(body: bytes, name: str) -> str | None:
    try:
        return body.decode(name)
    except (UnicodeError, LookupError):
        return None


def _surely_utf8(body: bytes) -> bool:
    text = _strict(body, "utf-8")
    return text is not None and len(body) - len(text) >= 8


def tokens(markup: str, *, xml: bool, max_tags: int) -> Iterator[Token]:
    """Cut markup of any quality into tokens.

    In order, nothing lost: what is no tag is text. `xml` knows CDATA sections and takes no element
    for raw text. Ends after `max_tags` tags, so that the cost has a bound.
    Source: HTML Living Standard, section 13.2.5 (attributes end where browsers end them).
    """
    return _Scanner(markup, xml=xml).tokens(max_tags)


class _Scanner:
    """A walk over one text; remembers what it does not hold, so as not to search for it again."""

    def __init__(self, markup: str, *, xml: bool) -> None:
        self._markup = markup
        self._xml = xml
        self._absent: set[str] = set()
        self._unfinished = 0

    def tokens(self, max_tags: int) -> Iterator[Token]:
        markup, at, begun, count = self._markup, 0, 0, 0
        while (
            count < max_tags
            and self._unfinished < MAX_UNFINISHED
            and (opener := _OPENER.search(markup, at))
        ):
            at = opener.start()
            end, found = self._markup_at(at)
            if end == at:
                at += 1
                continue
            if at > begun:
                yield Token("text", markup[begun:at])
            yield from found
            count += 1
            at = begun = end
        if begun < len(markup) and count < max_tags:
            yield Token("text", markup[begun:])

    def _markup_at(self, at: int) -> tuple[int, tuple[Token, ...]]:
        """Give the end and the tokens of the markup that begins at a "<"; none if it is text."""
        if tag := self._tag(at):
            name = tag[2] if self._xml else tag[2].lower()
            end = tag.end()
            kind = "end" if tag[1] else "empty" if self._markup[end - 2] == "/" else "start"
            found = Token(kind, name, tag[3])
            if kind != "start" or self._xml or name not in _RAW:
                return end, (found,)
            close = re.compile(rf"</{name}\b", re.IGNORECASE).search(self._markup, end)
            inside = close.start() if close else len(self._markup)
            return inside, (found, Token("raw", self._markup[end:inside]))
        if self._xml and self._markup.startswith("<![CDATA[", at):
            end = self._section_end(at)
            return end, (Token("cdata", self._markup[at + 9 : end].removesuffix("]]>")),)
        if self._markup.startswith(("<!", "<?", "</"), at):
            return self._declaration_end(at), ()
        return at, ()

    def _tag(self, at: int) -> re.Match[str] | None:
        tag = _TAG.match(self._markup, at)
        if tag is None and _TAG_START.match(self._markup, at):
            self._unfinished += 1
        return tag

    def _section_end(self, at: int) -> int:
        """Give the end of a CDATA section; one without its own end stops before an end tag."""
        end, following = self._find("]]>", at), self._find("<![CDATA[", at + 9)
        if end >= 0 and not 0 <= following < end:
            return end + 3
        close = _FIELD_END.search(self._markup, at)
        limit = end + 3 if end >= 0 else len(self._markup)
        return min(close.start(), limit) if close else limit

    def _declaration_end(self, at: int) -> int:
        """Give where a comment, doctype, instruction or stray end tag ends."""
        closer = ">"
        if self._markup.startswith("<!--", at):
            closer = "-->"
        elif self._xml and self._markup.startswith("<?", at):
            closer = "?>"
        elif self._xml and self._markup[at : at + 9].upper() == "<!DOCTYPE":
            subset = self._markup.find("[", at, max(self._find(">", at), at))
            closer = "]>" if subset >= 0 else ">"
        found = self._find(closer, at + 2)
        return found + len(closer) if found >= 0 else at + 2

    def _find(self, wanted: str, at: int) -> int:
        if wanted in self._absent:
            return -1
        found = self._markup.find(wanted, at)
        if found < 0:
            self._absent.add(wanted)
        return found


def attributes(written: str) -> dict[str, str]:
    """Read a start tag's attributes: names in lower case, entities decoded, the first 64."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTES.finditer(written):
        value = match[2] or match[3] or match[4] or ""
        found.setdefault(match[1].lower(), unescape(value))
        if len(found) >= MAX_ATTRIBUTES:
            break
    return found


def unescape(text: str) -> str:
    """Decode character references that are written whole, with their semicolon.

    Others stay: "Tom &parah" is no pilcrow.
    """
    if "&" not in text:
        return text
    parts = _ENTITY.split(text)
    parts[1::2] = [_COMMON.get(part) or _character(part) for part in parts[1::2]]
    return "".join(parts)


def _character(reference: str) -> str:
    name = reference[1:]
    if name[0] != "#":
        return html5.get(name, reference)
    code = int(name[2:-1], 16) if name[1] in "xX" else int(name[1:-1])
    return chr(code) if code <= sys.maxunicode else "\ufffd"


def decoded(text: str) -> str:
    """Decode character references, and once more where that uncovers another one."""
    once = unescape(text)
    return unescape(once) if "&" in once else once


def folded(text: str) -> str:
    """Put a text on one line: white space folded, what no reader can see taken out."""
    if text.isprintable() and "  " not in text:
        return text.strip()
    return " ".join(_visible(text).split())


def _visible(text: str) -> str:
    return _UNSEEN.sub(_seen, text) if _UNSEEN.search(text) else text


def _seen(unseen: re.Match[str]) -> str:
    return _C1.get(unseen[0], "")


def title_text(markup: str) -> str:
    """Give a title as one plain line.

    Only tags that HTML knows are taken out, so that "Harga < 5 ribu" and "Array<String>" survive.
    """
    markup = markup[:MAX_TITLE_CHARS]
    if _SCRIPT.search(markup):
        markup = " ".join(_spoken(_one_line(markup)))
    if "<" in markup:
        markup = _KNOWN_TAG.sub("", _BLOCK_TAG.sub(" ", markup))
    return folded(decoded(markup))


def text_lines(markup: str) -> list[str]:
    """Give the plain text of HTML, a line for each block or line break; no line is empty.

    Scripts, styles, forms' controls and comments say nothing. HTML that was escaped once too often
    is read as HTML.
    """
    markup = markup[:MAX_TEXT_CHARS]
    lines = _lines(markup)
    if "<" not in markup and any(_BLOCK_TAG.search(line) for line in lines):
        return _lines("\n".join(lines))
    return lines


def _lines(markup: str) -> list[str]:
    if "<" not in markup:
        text = markup.replace("\r", "\n").replace("\n", "\v")
    else:
        markup = _one_line(markup)
        text = _untagged(markup) or _untagged_with_care(markup)
    return [line for part in decoded(text).split("\v") if (line := folded(part))]


def _one_line(text: str) -> str:
    return text.replace("\v", " ")


def _untagged(markup: str) -> str | None:
    """Take out regular tags and what says nothing, a line's end for a block; None if irregular."""
    text, *pieces = markup.split("<")
    parts, silent, gaps = [text], "", _GAPS.copy()
    for piece in pieces:
        tag, end, text = piece.partition(">")
        if silent:
            if _closes(tag, silent):
                silent = ""
                parts.append(text)
            continue
        gap = gaps.get(tag) if end else None
        if gap is None:
            gap = _gap(tag) if end else None
            if gap is None:
                return None
            if gap in _TRAPS:
                silent = gap
                continue
            gaps[tag] = gap
        parts.append(gap + text)
    return "".join(parts)


def _untagged_with_care(markup: str) -> str:
    if _TRAP_TAG.search(markup) or _TRAP_VALUE.search(markup):
        return "".join(_spoken(markup))
    return _ANY_TAG.sub("", _BLOCK_TAG.sub("\v", markup))


def _gap(tag: str) -> str | None:
    """Say what stands for a tag: a line's end for a block, "" for others, a silent one's name.

    None where the tag has to be read with care.
    """
    named = _NAMED.match(tag)
    if named is None:
        return "" if tag.startswith("!--") and tag.endswith("--") and len(tag) > 4 else None
    if (tag.count('"') % 2 or "'" in tag) and _OPEN_VALUE.search(tag):
        return None
    name = named[1].lower()
    if name in _SILENCED and tag[0] != "/" and tag[-1] != "/":
        return name if name in _TRAPS else None
    return "\v" if name in BLOCK_NAMES else ""


def _closes(tag: str, name: str) -> bool:
    return (
        tag[1 : len(name) + 1].lower() == name
        and tag[0] == "/"
        and not tag[len(name) + 1 : len(name) + 2].isalnum()
    )


def _spoken(markup: str) -> Iterator[str]:
    silent = ""
    for token in tokens(markup, xml=False, max_tags=100_000):
        if silent:
            silent = "" if token.kind == "end" and token.text == silent else silent
        elif token.kind == "text":
            yield token.text
        elif token.kind == "start" and token.text in SILENT:
            silent = token.text
        elif token.kind != "raw" and token.text in BLOCK_NAMES:
            yield "\v"


def escaped(text: str) -> str:
    """Write plain characters as HTML."""
    return html.escape(text, quote=False)


def is_challenge(text: str) -> bool:
    """Say whether a page is a guard's ("checking your browser") instead of the site's."""
    return bool(_CHALLENGE.search(text[:50_000]))


def join(base: str, url: str) -> str:
    """Resolve an address against another; one that cannot be resolved stays as it is."""
    try:
        return urljoin(base, url.strip()) if base else url.strip()
    except ValueError:
        return url.strip()


def web_url(link: str, base: str) -> str | None:
    """Give an absolute http(s) address, its scheme in lower case; None for anything else.

    Source: RFC 3986, section 3.1.
    """
    if _PLAIN_URL.fullmatch(link) or not link:
        return link or None
    link = unescape(_BLANKS.sub(" ", link).strip())
    if not link or len(link) > MAX_URL_CHARS:
        return None
    link = join(base, link.replace(" ", "%20"))
    try:
        parts = urlsplit(link)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    if not valid or "<" in link:
        return None
    return parts.scheme + folded(link).replace(" ", "")[len(parts.scheme) :]


def first_image(markup: str, base: str) -> str | None:
    """Give the first picture of some HTML that a reader would see; no counters, emoji, icons."""
    if "<img" not in markup and "<IMG" not in markup:
        return None
    for number, tag in enumerate(_IMG.finditer(markup)):
        if number >= 10:
            break
        if found := image_source(attributes(tag[1]), base):
            return found
    return None


def image_source(attrs: dict[str, str], base: str) -> str | None:
    """Give the address that an img element shows, None for what is too small to be a picture."""
    if any(_is_small(attrs.get(side, "")) for side in ("width", "height")):
        return None
    for name in ("data-src", "data-lazy-src", "data-original", "src"):
        found = web_url(attrs.get(name, ""), base)
        if found and not _NO_IMAGE.search(found):
            return found
    return None


def _is_small(size: str) -> bool:
    digits = re.match(r"\d{1,5}", size)
    return bool(digits) and int(digits[0] if digits else 0) < 50
