"""A newsroom's feeds in a process of their own, as WordPress writes them.

`python feed_site.py PORT` serves `/KIND/NUMBER/feed/`: ten items, about 80 kB. KIND "validated"
has an ETag and answers 304, "bare" has no validators. `POST /next` lets each feed gain a story.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import subprocess
import sys
import urllib.request
from functools import lru_cache
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 10
PARAGRAPHS = 16
SYLLABLES = "ba ka ta sa ma la ra na da ga pa ja wi di ke pe ber ter men nga yang an kan"
MODIFIED = b"Mon, 24 Aug 2026 08:00:00 GMT"
HEAD_END = b"\r\n\r\n"


@lru_cache(1)
def words() -> list[str]:
    chance = random.Random(1)
    parts = SYLLABLES.split()
    return ["".join(chance.choices(parts, k=chance.randint(1, 4))) for _ in range(4000)]


def paragraph(chance: random.Random) -> str:
    many = [words()[int(4000 * chance.random() ** 3)] for _ in range(42)]
    many[9] = f'<a href="https://kabar.example/tag/{many[9]}/">{many[9]}</a>'
    many[20] += " &amp;"
    many[30] = f"<strong>{many[30]}</strong>"
    return (
        f'<p class="wp-block-paragraph">&#8220;{" ".join(many)}&#8221; &#8211; kata Zain.</p>\n\n'
    )


@lru_cache(20_000)
def item(feed: int, number: int) -> str:
    chance = random.Random(feed * 1000 + number)
    link = f"https://kabar{feed}.example/2026/08/judul-berita-nomor-{number}/"
    picture = (
        f'<figure class="wp-block-image size-large"><img decoding="async" width="1024" height="683"'
        f' src="https://kabar{feed}.example/wp-content/uploads/2026/08/{number}.jpg" alt=""/>'
        "<figcaption>Foto bersama</figcaption></figure>\n\n"
    )
    body = picture + "".join(paragraph(chance) for _ in range(PARAGRAPHS))
    title = " ".join(chance.choices(words(), k=9)).title()
    excerpt = " ".join(chance.choices(words(), k=55))
    return f"""
	<item>
		<title>{title} &#8211; {number}</title>
		<link>{link}</link>
					<comments>{link}#respond</comments>

		<dc:creator><![CDATA[redaksi]]></dc:creator>
		<pubDate>Mon, 24 Aug 2026 08:{number // 60 % 60:02}:{number % 60:02} +0000</pubDate>
				<category><![CDATA[Politik]]></category>
		<category><![CDATA[Banten]]></category>
		<guid isPermaLink="false">https://kabar{feed}.example/?p={number}</guid>

					<description><![CDATA[{excerpt} [&#8230;]]]></description>
										<content:encoded><![CDATA[
{body}]]></content:encoded>

					<wfw:commentRss>{link}feed/</wfw:commentRss>
			<slash:comments>0</slash:comments>


			</item>
"""


def feed(number: int, newest: int) -> bytes:
    """A feed whose newest story has this number."""
    items = "".join(item(number, newest - at) for at in range(ITEMS))
    return f"""<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"
	xmlns:content="http://purl.org/rss/1.0/modules/content/"
	xmlns:wfw="http://wellformedweb.org/CommentAPI/"
	xmlns:dc="http://purl.org/dc/elements/1.1/"
	xmlns:atom="http://www.w3.org/2005/Atom"
	xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"
	xmlns:slash="http://purl.org/rss/1.0/modules/slash/"
	>

<channel>
	<title>Kabar {number}</title>
	<atom:link href="https://kabar{number}.example/feed/" rel="self" type="application/rss+xml" />
	<link>https://kabar{number}.example</link>
	<description>Kabar dari daerah</description>
	<lastBuildDate>Mon, 24 Aug 2026 08:00:00 +0000</lastBuildDate>
	<language>id</language>
	<sy:updatePeriod>
	hourly	</sy:updatePeriod>
	<sy:updateFrequency>
	1	</sy:updateFrequency>
	<generator>https://wordpress.org/?v=6.5</generator>
{items}	</channel>
</rss>
""".encode()


class Site(asyncio.Protocol):
    """Answers on one connection."""

    newest = ITEMS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while HEAD_END in self._read:
            head, _, self._read = self._read.partition(HEAD_END)
            self._transport.write(self._answer(head))

    def _answer(self, head: bytes) -> bytes:
        method, path = head.split(b" ", 2)[:2]
        if method == b"POST":
            Site.newest += 1
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        kind, number = path.split(b"/")[1:3]
        mark = b'"%d"' % Site.newest
        if kind == b"validated":
            validators = b"ETag: %b\r\nLast-Modified: %b\r\n" % (mark, MODIFIED)
            if b"if-none-match: " + mark in head.replace(b"If-None-Match", b"if-none-match"):
                return b"HTTP/1.1 304 Not Modified\r\n%b\r\n" % validators
        else:
            validators = b""
        body = feed(int(number), Site.newest)
        kind = b"Content-Type: application/rss+xml; charset=UTF-8\r\n"
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        return b"HTTP/1.1 200 OK\r\n" + kind + validators + length + body


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Serve in a process of its own; gives the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, str(port)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def publish_next(site: str) -> None:
    """Let each feed gain a story."""
    request = urllib.request.Request(f"{site}/next", method="POST")
    urllib.request.urlopen(request, timeout=10).close()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Site, "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
