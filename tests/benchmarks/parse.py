"""CPU milliseconds a feed: ours beside feedparser, fastfeedparser and a bare expat walk.

Run from the checkout: `python -m tests.benchmarks.parse` or `python tests/benchmarks/parse.py`.
Rounds are interleaved (A B C, A B C, …); medians of process time.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.parsers import expat
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parents[2]))

import fastfeedparser
import feedparser

from bot.feeds import parse_feed

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
PARAGRAPH = (
    '<p>Kegiatan itu dipimpin langsung oleh <a href="https://kabar.example/a">Kapolres</a> Kota, '
    "Kombes Pol Zain &amp; kawan &#8211; di ruang Rupatama Mapolres, dan dihadiri para pejabat "
    "daerah yang menyiapkan pengamanan bersama sampai seluruh tahapan selesai.</p>\n"
)


def rss_item(number: int, paragraphs: int) -> str:
    return (
        f"<item><title>Judul &#8211; nomor {number}</title>"
        f"<link>https://kabar.example/2026/{number}/</link><dc:creator><![CDATA[red]]></dc:creator>"
        f"<pubDate>Mon, 24 Aug 2026 08:00:{number % 60:02} +0000</pubDate>"
        "<category><![CDATA[Politik]]></category><category><![CDATA[Banten]]></category>"
        f'<guid isPermaLink="false">https://kabar.example/?p={number}</guid>'
        "<description><![CDATA[<p>Ringkasan &#8230; [&#8230;]</p>]]></description>"
        f"<content:encoded><![CDATA[{PARAGRAPH * paragraphs}]]></content:encoded></item>"
    )


def rss(items: int, paragraphs: int) -> bytes:
    written = "".join(rss_item(number, paragraphs) for number in range(items))
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Kabar</title>'
        f"{written}</channel></rss>"
    ).encode()


def atom(entries: int, paragraphs: int) -> bytes:
    content = (PARAGRAPH * paragraphs).replace("&", "&amp;").replace("<", "&lt;")
    written = "".join(
        f"<entry><title>Judul {number}</title><link href='https://kabar.example/{number}'/>"
        f"<id>tag:kabar.example,2026:{number}</id><updated>2026-08-24T08:00:00Z</updated>"
        f"<author><name>red</name></author><content type='html'>{content}</content></entry>"
        for number in range(entries)
    )
    return (
        f"<feed xmlns='http://www.w3.org/2005/Atom'><title>Kabar</title>{written}</feed>".encode()
    )


def walk(body: bytes) -> None:
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda _name, _attrs: None
    parser.EndElementHandler = lambda _name: None
    parser.CharacterDataHandler = lambda _text: None
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(body, True)  # noqa: FBT003 (the only signature)


def ours(body: bytes) -> None:
    zone = ZoneInfo("Asia/Jakarta")
    parse_feed(body, content_type=None, url="https://kabar.example/feed/", zone=zone)


def measure(parsers: dict[str, Callable[[bytes], object]], body: bytes) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in parsers}
    for _ in range(ROUNDS):
        for name, parse in parsers.items():
            started = time.process_time()
            parse(body)
            times[name].append((time.process_time() - started) * 1000)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    parsers: dict[str, Callable[[bytes], object]] = {
        "sebar": ours,
        "feedparser": feedparser.parse,
        "fastfeedparser": fastfeedparser.parse,
        "expat, bare": walk,
    }
    for name, body in (
        ("wp10", rss(10, 24)),
        ("wp10, broken", rss(10, 24).replace(b"</channel>", b"& </channel>")),
        ("atom50", atom(50, 8)),
        ("rss1000", rss(1000, 3)),
    ):
        figures = measure(parsers, body)
        shown = "  ".join(f"{parser} {taken:8.2f}" for parser, taken in figures.items())
        print(f"{name:12} {len(body) / 1000:7.0f} kB  ms: {shown}")


if __name__ == "__main__":
    main()
