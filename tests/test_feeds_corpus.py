"""feedparser's own corpus: our reading beside feedparser's, every difference with its reason."""

from __future__ import annotations

import ast
import re
import time
import warnings
from typing import TYPE_CHECKING
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

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://127.0.0.1:8097/feed"
MAX_CPU_S = 1.0
SUFFIXES = (".xml", ".json")
FIELD = re.compile(r"entries\[(\d+)\]\['(title|link|id|guid)(?:_detail'\]\['value)?'\]")

GUESSED = "neither header nor document names a charset; both readings are wrong"
SILENT = "an entry with an id and nothing else is left out"
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


@pytest.mark.parametrize("shape", sorted(hostile_feeds()))
def test_no_input_takes_long(shape):
    body = hostile_feeds()[shape]()
    assert MAX_BODY_BYTES * 0.9 < len(body) <= MAX_BODY_BYTES
    started = time.process_time()
    sight(ours(body))
    assert time.process_time() - started < MAX_CPU_S
