"""Feeds of five million bytes that are made to be slow: one shape each."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 5_000_000
HEAD = "<?xml version='1.0'?><rss version='2.0'><channel><title>Kabar</title>"
TAIL = "</channel></rss>"
HUNDRED = " ".join(f"a{number}=''" for number in range(100))


def filled(before: str, part: str, after: str) -> bytes:
    """A document with `part` in it as often as it takes."""
    room = SIZE - len((before + after).encode())
    return (before + part * (room // len(part.encode())) + after).encode()


def item(part: str, element: str = "description") -> bytes:
    """One item whose field is filled with `part`."""
    before = f"{HEAD}<item><title>Judul</title><link>https://k.example/1</link><{element}>"
    return filled(before, part, f"</{element}></item>{TAIL}")


def cdata(part: str, element: str = "description") -> bytes:
    """One item whose field is a CDATA section filled with `part`."""
    return (
        item(part, element)
        .replace(f"<{element}>".encode(), f"<{element}><![CDATA[".encode(), 1)
        .replace(f"</{element}></item>".encode(), f"]]></{element}></item>".encode(), 1)[:SIZE]
    )


def numbered(before: str, make: Callable[[int], str], after: str) -> bytes:
    """A document of parts that all differ."""
    parts, size = [], SIZE - len(before) - len(after)
    for number in count():
        part = make(number)
        size -= len(part)
        if size < 0:
            break
        parts.append(part)
    return (before + "".join(parts) + after).encode()


def hostile_feeds() -> dict[str, Callable[[], bytes]]:
    """Each shape by its name, made when called."""
    items = f"{HEAD}<item><title>a</title><link>https://k.example/1</link>"
    mixed = "Kéadaan ".encode("latin-1") + "Kéadaan ".encode()
    entity = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10 if n else 'ha'}'>" for n in range(12))
    return {
        "attributes of one tag": lambda: numbered(
            f"{HEAD}<item ", lambda n: f"a{n}='b' ", f"></item>{TAIL}"
        ),
        "attributes of one tag, broken": lambda: numbered(
            f"{HEAD}& <item ", lambda n: f"a{n}='b' ", ">"
        ),
        "attributes of many tags": lambda: filled(HEAD, f"<a {HUNDRED}/>", TAIL),
        "attributes that hold ends of tags": lambda: numbered(
            f"{HEAD}<item ", lambda n: f"a{n}='>' ", f"></item>{TAIL}"
        ),
        "attributes in a text": lambda: cdata("<a b c d e=f g='h' i=\"j\" k>"),
        "one attribute without end": lambda: filled(f"{HEAD}<item a='", "b", ""),
        "one long attribute": lambda: filled(f"{HEAD}<item a='", "b", f"'></item>{TAIL}"),
        "namespaces": lambda: numbered("<rss ", lambda n: f"xmlns:n{n}='u{n}' ", f">{TAIL}"),
        "namespaces within namespaces": lambda: numbered(
            HEAD, lambda n: f"<n{n}:a xmlns:n{n}='u{n}'>", ""
        ),
        "nesting": lambda: filled(HEAD, "<a>", ""),
        "nesting, closed": lambda: filled(HEAD, "<a>", "</a>" * 1000),
        "nested items": lambda: filled(HEAD, "<item><title>a", ""),
        "nested bases": lambda: filled(HEAD, "<a xml:base='b/'>", ""),
        "items": lambda: filled(HEAD, "<item><title>a</title></item>", TAIL),
        "items without end": lambda: filled(HEAD, "<item><title>a</title>", ""),
        "fields of one item": lambda: filled(
            items, "<description>a</description>", f"</item>{TAIL}"
        ),
        "categories": lambda: numbered(
            items, lambda n: f"<category>t{n}</category>", f"</item>{TAIL}"
        ),
        "unclosed tags": lambda: filled(HEAD, "<item <title <a ", ""),
        "unclosed quotes": lambda: filled(HEAD, "<a b=\"c' ", ""),
        "less-than signs": lambda: filled(HEAD, "<", ""),
        "less-than signs in a text": lambda: cdata("<"),
        "less-than and exclamation signs": lambda: filled(HEAD, "<!", ""),
        "comments without end": lambda: filled(HEAD, "<!-- ", ""),
        "comments": lambda: filled(HEAD, "<!--a-->", TAIL),
        "comments in a text": lambda: cdata("<!-- a > b --><!--"),
        "sections without end": lambda: filled(HEAD, "<![CDATA[", ""),
        "sections": lambda: filled(
            f"{items}<description>", "<![CDATA[a]]>", f"</description></item>{TAIL}"
        ),
        "one long section": lambda: cdata("kata "),
        "ends without starts": lambda: filled(HEAD, "</item></a>", ""),
        "instructions": lambda: filled(HEAD, "<?a ", ""),
        "entities": lambda: item("&amp;"),
        "entities of HTML": lambda: item("&eacute;&#8211;&#x2013;"),
        "entities escaped twice": lambda: cdata("&amp;amp;#38;"),
        "ampersands": lambda: item("&"),
        "semicolons and ampersands": lambda: cdata("&a&;"),
        "entities declared within each other": lambda: (
            f"<?xml version='1.0'?><!DOCTYPE r [{entity}]><rss><channel><item><title>&e11;"
            f"</title></item>{'&e11;' * 900_000}{TAIL}"
        ).encode()[:SIZE],
        "entities declared": lambda: numbered(
            "<!DOCTYPE r [", lambda n: f"<!ENTITY e{n} 'x'>", f"]><rss>{TAIL}"
        ),
        "a doctype without end": lambda: filled("<!DOCTYPE r [", "<!ENTITY a 'b", ""),
        "white space": lambda: item(" "),
        "white space before everything": lambda: filled("", " \n", f"{HEAD}{TAIL}"),
        "lines": lambda: cdata("a\n \n"),
        "breaks": lambda: cdata("<br>"),
        "white space within tags": lambda: filled(HEAD, "<a          ", ""),
        "white space within tags of a text": lambda: cdata("<a\t\t\t= '   "),
        "pictures": lambda: cdata("<img src='a' width='1'>"),
        "pictures without end": lambda: cdata("<img src='a' \""),
        "scripts": lambda: cdata("<script>a</script>"),
        "scripts without end": lambda: cdata("<script>"),
        "silent elements": lambda: cdata("<svg><button>"),
        "blocks": lambda: cdata("<p>kata</p>"),
        "controls": lambda: item("\x01\u200b\u202e"),
        "directions": lambda: cdata("\u202e\u2066"),
        "surrogates": lambda: item("&#xd800;&#xdfff;"),
        "a long title": lambda: item("&lt;b>kata", "title"),
        "a long link": lambda: item("a/../", "link"),
        "a long date": lambda: item("1 Jan 2026 ", "pubDate"),
        "a long author": lambda: item("a@b.c (d) ", "author"),
        "a long guid": lambda: item("https://a ", "guid"),
        "tails of excerpts": lambda: cdata("The post a appeared first on b. Read more [&#8230;] "),
        "dashes and counters": lambda: cdata("<p>Baca Juga: - dibaca 1 kali – (foto: a)</p>"),
        "charsets mixed": lambda: (
            HEAD.encode()
            + b"<item><title>a</title><description>"
            + mixed * (4_990_000 // len(mixed))
        ),
        "UTF-16": lambda: item("<a>kata</a> ").decode()[: SIZE // 2 - 2].encode("utf-16"),
        "declared as UTF-16": lambda: b"<?xml version='1.0' encoding='UTF-16'?>" + item("é")[42:],
        "declared as Shift-JIS": lambda: item("\uff71")[:-200].replace(
            b"version='1.0'", b"version='1.0' encoding='shift_jis'", 1
        ),
        "not text": lambda: bytes(range(256)) * (SIZE // 256),
        "JSON, nested": lambda: b'{"items":' + b"[" * (SIZE - 20),
        "JSON items": lambda: b'{"items":[' + b'{"id":1,"title":"a"},' * 230_000 + b"{}]}",
        "JSON, one long text": lambda: (
            b'{"items":[{"id":1,"content_html":"' + b"<p>a" * 1_240_000 + b'"}]}'
        ),
    }
