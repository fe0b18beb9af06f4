"""feedparser's own corpus: our reading beside feedparser's, every difference with its reason."""

from __future__ import annotations

import ast
import re
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import feedparser
import pytest
from corpus import corpus_dir
from hostile_feeds import hostile_feeds

from bot.errors import ParseError
from bot.feeds import parse_feed
from bot.feeds.parse import MAX_BODY_BYTES
from bot.identity import sight
from bot.markup import folded, text_lines, title_text, web_url

URL = "http://127.0.0.1:8097/feed"
MAX_CPU_S = 1.0
GENERATED = Path(__file__).parent / "data" / "feeds"
SUFFIXES = (".xml", ".json")
FIELD = re.compile(r"entries\[(\d+)\]\['(title|link|id|guid)(?:_detail'\]\['value)?'\]")

GUESSED = "neither header nor document names a charset; both readings are wrong"
SILENT = "an entry with an id and nothing else is left out"
CDF = "the base that a channel of Microsoft's CDF of 1997 names is not looked for"
IMAGES = "the title of an image inside a category is not the category's"
SHORT = "an id that is no address is no link"
BUTTON = "a lone x is the name of a share button"
NOT_TEXT = "a declaration and a link without words hold no text"
ELSEWHERE = "the entry's own address is resolved, not the page's that a header names"
UNMET = {
    ("wellformed/atom10/entry_id_with_attributes.xml", "id"): SILENT,
    ("wellformed/base/http_entry_id_base_content_location.xml", "id"): SILENT,
    ("wellformed/base/http_entry_id_base_docuri.xml", "id"): SILENT,
    ("wellformed/base/http_item_link_base_content_location.xml", "link"): ELSEWHERE,
    ("wellformed/rss/entity_in_doctype.xml", "id"): SILENT,
    ("wellformed/rss/item_guid_not_permalink_not_url.xml", "id"): SILENT,
}
KNOWN = {
    "illformed/chardet/eucjp.xml": GUESSED,
    "illformed/chardet/euckr.xml": GUESSED,
    "illformed/chardet/gb2312.xml": GUESSED,
    "illformed/chardet/shiftjis.xml": GUESSED,
    "wellformed/atom10/entry_id_with_attributes.xml": SILENT,
    "wellformed/base/cdf_item_abstract_xml_base.xml": CDF,
    "wellformed/base/http_entry_id_base_content_location.xml": SILENT,
    "wellformed/base/http_entry_id_base_docuri.xml": SILENT,
    "wellformed/lang/http_content_language_entry_title_inherit_2.xml": SHORT,
    "wellformed/node_precedence/atom10_id.xml": SILENT,
    "wellformed/rss/item_category_image.xml": IMAGES,
    "wellformed/rss/item_description_br_shorttag.xml": BUTTON,
    "wellformed/rss/item_description_not_a_doctype.xml": NOT_TEXT,
}


@pytest.fixture(scope="module")
def corpus() -> list[Path]:
    folder = corpus_dir()
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)


def header_of(body):
    """Give the Content-Type that the corpus's own server would send."""
    found = re.search(
        rb"^Header:\s*Content-type:\s*([^\r\n]+)", body[:2000], re.IGNORECASE | re.MULTILINE
    )
    return found[1].decode("latin-1").strip() if found else None


def ours(body):
    try:
        return parse_feed(body, content_type=header_of(body), url=URL, zone=ZoneInfo("UTC")).entries
    except ParseError:
        return ()


def theirs(body):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = header_of(body)
        headers = {"content-type": header} if header else {}
        entries = feedparser.parse(body, response_headers=headers, sanitize_html=False).entries
    return [entry for entry in entries if says_something(entry)]


def says_something(entry):
    texts = [entry.get("title", ""), entry.get("summary", "")]
    texts += [part.get("value", "") for part in entry.get("content", [])]
    return any(text_lines(text) for text in texts) or bool(web_url(entry.get("link", ""), URL))


def differs(one, other):
    """Say whether our entry is not what feedparser found: title as text, link, id."""
    titles = forms("title", one.get("title", "")) - {""}
    link = web_url(one.get("link", ""), URL)
    return (
        (titles and other.title not in titles)
        or (link and link != other.url)
        or (one.get("id") and one["id"] != other.guid)
        or (text_lines(one.get("summary", "")) and not other.summary and not other.title)
    )


def test_the_corpus_is_whole(corpus):
    assert len(corpus) > 2200


def test_no_file_raises_or_takes_long(corpus):
    for path in corpus:
        started = time.process_time()
        ours(path.read_bytes())
        assert time.process_time() - started < MAX_CPU_S, path


def test_what_differs_from_feedparser_differs_for_a_reason(corpus):
    compared, different = 0, set()
    for path in corpus:
        body = path.read_bytes()
        expected = theirs(body)
        if not expected:
            continue
        compared += 1
        found = ours(body)
        if len(found) != len(expected) or any(map(differs, expected, found)):
            different.add("/".join(path.parts[path.parts.index("tests") + 1 :]))
    assert compared > 500
    assert sorted(different) == sorted(KNOWN)


def expectations(body):
    """Give what a file of the corpus expects of an entry: (place, field, value)."""
    stated = re.search(rb"^Expect:\s*(.+?)\s*$", body[:4000], re.MULTILINE)
    line = re.sub(
        r"\b(?:not )?bozo and ", "", stated[1].decode("utf-8", "replace") if stated else ""
    )
    try:
        tree = ast.parse(line, mode="eval")
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq)):
            continue
        field, value = FIELD.fullmatch(ast.unparse(node.left)), node.comparators[0]
        if field and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield int(field[1]), "id" if field[2] == "guid" else field[2], value.value


def forms(field, value):
    """Give what our normaliser makes of a stated value; all that say nothing are one."""
    if field == "link":
        return {web_url(value, URL) or ""}
    if field == "id":
        return {folded(value)}
    return {folded(value), title_text(value), " ".join(text_lines(value))}


def test_what_the_corpus_expects_is_met_as_often_as_by_feedparser(corpus):
    unmet, met, met_by_feedparser = set(), 0, 0
    for path in corpus:
        body = path.read_bytes()
        for at, field, value in expectations(body):
            expected = forms(field, value)
            entries, others = ours(body)[at:], theirs(body)[at:]
            names = {"title": "title", "link": "url", "id": "guid"}
            found = (getattr(entries[0], names[field]) if entries else None) or ""
            other = forms(field, others[0].get(field, "")) if others else {""}
            met += found in expected
            met_by_feedparser += not expected.isdisjoint(other)
            if found not in expected:
                unmet.add(("/".join(path.parts[path.parts.index("tests") + 1 :]), field))
    assert unmet == set(UNMET)
    assert met > 150
    assert met >= met_by_feedparser


@pytest.mark.parametrize(
    ("name", "url", "guid", "image"),
    [
        (
            "wordpress",
            "https://teluk.example/2026/02/panen-cumi/",
            "https://teluk.example/?p=118",
            "https://teluk.example/wp-content/uploads/cumi-1024x683.jpg",
        ),
        (
            "blogger",
            "https://teluk.example/2026/02/panen-cumi.html",
            "tag:blogger.com,1999:blog-42.post-118",
            "https://blogger.googleusercontent.com/img/a/s320/cumi.jpg",
        ),
        (
            "ghost",
            "https://teluk.example/panen-cumi/",
            "65c6f1a2b3c4d5e6f7a8b9c0",
            "https://teluk.example/content/images/2026/02/cumi.jpg",
        ),
        (
            "drupal",
            "https://teluk.example/node/118",
            "118 at https://teluk.example",
            "https://teluk.example/sites/default/files/cumi.jpg",
        ),
        (
            "hugo",
            "https://teluk.example/posts/panen-cumi/",
            "https://teluk.example/posts/panen-cumi/",
            None,
        ),
        (
            "jekyll",
            "https://teluk.example/2026/02/10/panen-cumi.html",
            "https://teluk.example/2026/02/10/panen-cumi",
            "https://teluk.example/assets/cumi.jpg",
        ),
        (
            "medium",
            "https://medium.example/teluk/panen-cumi-118?source=rss----42---4",
            "https://medium.example/p/118",
            "https://cdn.medium.example/max/1024/cumi.jpeg",
        ),
    ],
)
def test_what_generators_write_is_read(name, url, guid, image):
    body = (GENERATED / f"{name}.xml").read_bytes()
    (entry,) = ours(body)
    (expected,) = theirs(body)
    assert not differs(expected, entry)
    assert re.fullmatch("Nelayan (“Teluk” )?Panen Cumi & Kerang", entry.title)
    assert (entry.url, entry.guid, entry.image_url) == (url, guid, image)
    assert "Perahu pulang lebih awal pagi ini" in entry.summary
    assert "appeared first" not in entry.summary + entry.body
    assert entry.author == (None if name == "hugo" else "Rina Wulandari")
    assert entry.published_at == datetime(2026, 2, 10, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize("shape", sorted(hostile_feeds()))
def test_no_input_takes_long(shape):
    body = hostile_feeds()[shape]()
    assert MAX_BODY_BYTES * 0.9 < len(body) <= MAX_BODY_BYTES
    started = time.process_time()
    sight(ours(body))
    assert time.process_time() - started < MAX_CPU_S
