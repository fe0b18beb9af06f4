"""Canonical addresses, keys and share links."""

from __future__ import annotations

import re
from dataclasses import asdict
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
import tdlib
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.links import (
    canonical,
    quoted_length,
    share_links,
    shown,
    story_code,
    story_key,
    tagged,
)
from bot.telegram_html import MarkupError, check_link, escape
from bot.text import lines


@pytest.mark.parametrize(
    ("stated", "clean"),
    [
        ("https://a.b/x?utm_source=q&p=5&UTM_Medium=z&fbclid=1", "https://a.b/x?p=5"),
        ("https://a.b/?p=1&page_id=2&attachment_id=3&cat=4&paged=5&lang=id&ref=q&x", None),
        ("https://a.b/x?utm%5Fsource=q", "https://a.b/x"),
        ("https://a.b/x?a=1&amp;utm_medium=q", "https://a.b/x?a=1"),
        ("https://a.b/x?mc_cid=1&_ga=2&igshid=3&msclkid=4&gclid=5&srsltid=6&at_medium=7&b=8", "https://a.b/x?b=8"),
        ("https://a.b/x?gas=1&at_time=2&utm=3&spmx=4&mc_id=5", None),
        ("https://a.b/x?", "https://a.b/x"),
        ("https://a.b/x#", "https://a.b/x"),
        ("https://a.b/x#:~:text=kata", "https://a.b/x"),
        ("https://a.b/x#bab:~:text=kata", "https://a.b/x#bab"),
        ("https://a.b/x#comment-12", "https://a.b/x"),
        ("https://a.b/x#comments", "https://a.b/x"),
        ("https://a.b/x#respond", "https://a.b/x"),
        ("https://a.b/x#commentary", None),
        ("https://a.b/x#!/jalan", None),
        ("https://a.b/2023/10/11/cerita/amp/", "https://a.b/2023/10/11/cerita/"),
        ("https://a.b/cerita-1/amp", "https://a.b/cerita-1"),
        ("https://a.b/cerita/?amp", "https://a.b/cerita/"),
        ("https://a.b/cerita/?amp=1&p=2", "https://a.b/cerita/?p=2"),
        ("https://a.b/cerita/?amp=50", None),
        ("https://a.b/amp/", None),
        ("https://a.b/tag/amp/", None),
        ("https://a.b/id/amp/", None),
        ("https://a.b/2023/10/amp/", None),
        ("https://a.b/lampu/ramp/", None),
        ("HTTPS://A.B:443/X", "https://a.b/X"),
        ("http://a.b:80/", "http://a.b/"),
        ("http://a.b:443/", None),
        ("https://a.b:8443/", None),
        ("https://user:pass@a.b/", "https://a.b/"),
        ("https://a.b\\@c.d/", "https://a.b/@c.d/"),
        ("https://MÜNCHEN.de/Ä", "https://münchen.de/Ä"),
        ("https://xn--mnchen-3ya.de/", None),
        ("https://a.b/%c3%a4%2F%41?q=%20+", None),
        ('https://a.b/x y"<>`{}|^', "https://a.b/x%20y%22%3C%3E%60%7B%7D%7C%5E"),
        ("https://a.b/\u202e\u200bx\u030a", "https://a.b/%E2%80%AE%E2%80%8Bx%CC%8A"),
        ("  https://a.b/x\n", "https://a.b/x"),
        ("https://a.b/pan\njang", "https://a.b/panjang"),
        ("//a.b/x", "https://a.b/x"),
        ("https://[::1]:8080/", None),
        ("https://a.b", None),
        ("http://localhost:8080/x", None),
    ],
)  # fmt: skip
def test_canonical_cleans_what_it_should_and_nothing_else(stated, clean):
    assert canonical(stated) == (stated if clean is None else clean)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/x", "javascript:alert(1)", "mailto:a@b.c", "ftp://a.b/", "https://",
        "https://a b.c/", "https://a.b:99999/", "https://a.b:x/", "https://[1]/", "https://./",
        "data:,x", "https://.a.b/", "https://a..b/", "https://a%20b.c/", "https://a\u202eb.c/", "tg://resolve?domain=x",
    ],
)  # fmt: skip
def test_what_is_no_web_address_has_no_canonical_form(url):
    assert canonical(url) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.b/x/", "https://www.a.b/x"),
        ("https://m.detik.com/x", "https://detik.com/x"),
        ("https://a.b/index.php?p=5", "https://a.b/?p=5"),
        ("https://a.b/x/index.php/", "https://a.b/x"),
        ("https://münchen.de/", "https://xn--mnchen-3ya.de"),
        ("https://straße.de/", "https://xn--strae-oqa.de"),
        ("https://a.b/%7euser/%c3%a4", "https://a.b/~user/ä"),
        ("https://a.b/?b=2&a=1", "https://a.b/?a=1&b=2&utm_source=x"),
        ("https://a.b/x#bab-2", "https://a.b/x"),
        ("https://a.b./x", "https://a.b/x"),
        ("http://a.b:443/x", "https://a.b/x"),
        ("https://a.b/cerita/amp/?amp=1", "https://a.b/cerita"),
    ],
)
def test_spellings_of_one_story_have_one_key(one, other):
    assert story_key(one) == story_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.b/?p=5", "https://a.b/?p=6"),
        ("https://a.b/X", "https://a.b/x"),
        ("https://a.b/#!/x", "https://a.b/#!/y"),
        ("https://a.b/a%2Fb", "https://a.b/a/b"),
        ("https://m.co/x", "https://co/x"),
        ("https://a.b:8080/", "https://a.b/"),
        ("https://straße.de/", "https://strasse.de/"),
        ("urn:a", "urn:b"),
    ],
)
def test_different_stories_have_different_keys(one, other):
    assert story_key(one) != story_key(other)


addresses = st.one_of(
    st.text(st.characters()),
    st.lists(
        st.sampled_from([
            "https://", "http://", "//", "www.", "m.", "a.b", "MÜ.de", "[::1]", "user@", ":80", ":",
            "/", "amp", "index.php", "?", "&", "utm_source=x", "amp=1", "p=5", "=", "#", ":~:text=",
            "comment-1", "!", "%", "%41", "%zz", " ", "\n", "\\", "é", "\u202e", "\ud800", "\0",
            "x", "..", "%2f", "<", '"', "。",
        ]),
        max_size=9,
    ).map("".join),
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(addresses)
@example("https://www.www.a.b/index.php/index.php//")
def test_canonical_and_key_are_stable(url):
    clean = canonical(url)
    key = story_key(url)
    assert canonical(clean) == clean
    assert story_key(key) == key
    clean.encode()
    if clean:
        assert story_key(clean) == key
        assert re.fullmatch(r"https?://\S+", clean)
        assert clean.isprintable()


def rooted(url):
    """The parts of an address; an empty path is the root."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path or "/")


@settings(max_examples=500, deadline=None)
@given(addresses)
@example("https://a$b.c/'x'")
def test_telegram_keeps_every_canonical_address_with_a_dotted_host(url):
    clean = canonical(url)
    if not clean or "." not in urlsplit(clean).netloc:
        return
    for link in (clean, tagged(clean, "telegram")):
        parsed = tdlib.parse_html(f'<a href="{escape(link)}">{escape(clean)}</a>')
        assert parsed.text == clean
        (entity,) = parsed.entities
        assert rooted(entity.argument) == rooted(link)


@given(st.text(st.characters()))
def test_codes_are_short_names_that_survive_any_link(key):
    assert re.fullmatch("[a-z2-7]{12}", story_code(key))
    assert story_code(key) == story_code(key)
    assert story_code(key) != story_code(key + "x")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.b/x", "https://a.b/x?T"),
        ("https://a.b/?p=1", "https://a.b/?p=1&T"),
        ("https://a.b/x#bab", "https://a.b/x?T#bab"),
        ("https://a.b/x?#bab?", "https://a.b/x?T#bab?"),
        ("https://a.b/x?UTM_source=mail", "https://a.b/x?UTM_source=mail"),
        ("", ""),
    ],
)
def test_tags_stand_before_the_fragment(url, expected):
    tags = "utm_source=line&utm_medium=share&utm_campaign=sebar"
    assert tagged(url, "line") == expected.replace("T#", f"{tags}#").replace(
        "?T", f"?{tags}"
    ).replace("&T", f"&{tags}")


@settings(max_examples=300, deadline=None)
@given(addresses)
def test_tags_go_again_with_canonical(url):
    clean = canonical(url)
    assert canonical(tagged(clean, "x")) == clean


TITLE = "A & B #1 100% \"q\" 'r' 😀 مرحبا + <i>\nbaris dua"
URL = "https://a.b/x?p=1&lang=id#bab"


def values(link: str) -> dict[str, str]:
    return {key: value[0] for key, value in parse_qs(urlsplit(link).query).items()}


def test_links_have_the_forms_that_the_platforms_document():
    links = share_links(TITLE, "Isi.", URL, utm=False)
    quoted = "https%3A%2F%2Fa.b%2Fx%3Fp%3D1%26lang%3Did%23bab"
    assert links.facebook == f"https://www.facebook.com/sharer/sharer.php?u={quoted}"
    assert links.x.startswith("https://x.com/intent/tweet?text=A%20%26%20B%20%231%20100%25")
    assert values(links.x) == {"text": TITLE, "url": URL}
    assert links.whatsapp.startswith("https://wa.me/?text=")
    assert values(links.whatsapp) == {"text": f"{TITLE}\n\nIsi.\n\n{URL}"}
    assert links.telegram.startswith("https://t.me/share/url?url=")
    assert values(links.telegram) == {"url": URL, "text": f"{TITLE}\n\nIsi."}
    assert links.line.startswith("https://line.me/R/share?text=")
    assert values(links.line) == {"text": f"{TITLE}\n\nIsi.\n\n{URL}"}
    assert links.line_desktop.startswith("https://social-plugins.line.me/lineit/share?url=")
    assert values(links.line_desktop) == {"url": URL, "text": f"{TITLE}\n\nIsi."}
    assert links.threads.startswith("https://www.threads.com/intent/post?text=")
    assert values(links.threads) == {"text": TITLE, "url": URL}
    assert links.email.startswith("mailto:?subject=A%20%26%20B")
    mail = values(links.email)
    assert mail["subject"] == TITLE.replace("\n", " ")
    assert mail["body"] == f"{TITLE}\n\nIsi.\n\n{URL}".replace("\n", "\r\n")


def test_ready_messages_are_taken_whole_where_they_fit():
    links = share_links("J", "I", URL, whatsapp="*J*\nhttps://a.b/", line="J https://a.b/")
    assert values(links.whatsapp) == {"text": "*J*\nhttps://a.b/"}
    assert values(links.line) == {"text": "J https://a.b/"}
    links = share_links("J", "I", URL, whatsapp="é" * 900)
    assert values(links.whatsapp)["text"].startswith("J\n\nI\n\nhttps://a.b/x")


def test_x_gets_no_more_than_280_by_its_own_count():
    for title in ("kata " * 100, "漢" * 300, "a" * 400):
        text = values(share_links(title, "", URL).x)["text"]
        weight = sum(1 if character < "\u1100" or character == "…" else 2 for character in text)
        assert 230 < weight <= 280 - 24 + 1
        assert text.endswith("…")


def test_without_url_the_links_carry_text_alone():
    for url in ("", "javascript:alert(1)", "https://"):
        links = share_links(TITLE, "", url)
        assert links.facebook is links.telegram is links.line_desktop is None
        assert values(links.x) == values(links.whatsapp) == values(links.line) == {"text": TITLE}


def test_a_url_that_cannot_fit_is_left_out_and_never_cut():
    links = share_links("Judul", "Isi", "https://a.b/" + "é" * 400)
    assert links.facebook is None
    assert values(links.x) == {"text": "Judul"}
    barely = "https://a.b/" + "x" * 1850
    assert values(share_links("Judul", "Isi", barely).facebook)["u"] == barely


@settings(max_examples=400, deadline=None)
@given(
    st.text(st.characters(), max_size=60).flatmap(lambda t: st.integers(1, 200).map(t.__mul__)),
    st.text(st.characters(), max_size=60),
    addresses | st.integers(1, 2100).map(lambda size: "https://a.b/" + "x" * size),
    st.sampled_from([2000, 1200]),
)
def test_no_link_is_too_long_or_cut_inside_a_character(title, text, url, limit):
    for name, link in asdict(share_links(title, text, url, limit=limit)).items():
        if link is None:
            continue
        assert len(link) <= limit, name
        assert link.isascii()
        assert not set(link) & set('+ "<>')
        assert "�" not in unquote(re.sub("%EF%BF%BD", "", link), errors="replace")
        if name != "email":
            assert check_link(link) == link


def test_a_short_title_arrives_whole_through_every_link():
    for title in (
        "100% + 5 & #tag?",
        "“kutip” 'x' \"y\"",
        "שלום עולם",
        "🇮🇩👨‍👩‍👧",
        "a\nb",
        "%0A%41",
    ):
        links = asdict(share_links(title, "", "https://a.b/"))
        del links["facebook"]
        for link in links.values():
            shared = values(link)
            assert lines(title) in (shared.get("text"), shared.get("subject")) or title in (
                shared.get("body", "").replace("\r\n", "\n") + shared.get("text", "")
            )


@given(st.text(st.characters(codec="utf-8")))
def test_the_length_of_an_encoded_value_is_known_without_encoding_it(text):
    assert quoted_length(text) == len(quote(text, safe=""))


def test_refused_hosts_are_not_canonical():
    for host in ('a"b.c', "a{b}.c", "a`b.c", "a^b.c", "a|b.c"):
        with pytest.raises(MarkupError):
            check_link(f"https://{host}/")
        assert canonical(f"https://{host}/") == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:secret@kabar.example/feed/", "https://kabar.example/feed/"),
        (
            "https://kabar.example:8443/feed/?apikey=secret&x=1",
            "https://kabar.example:8443/feed/?apikey&x",
        ),
        ("http://[::1]:80/f", "http://[::1]:80/f"),
        ("http://[bad/f", "(unreadable address)"),
        ("https://kabar.example/feed/", "https://kabar.example/feed/"),
    ],
)
def test_a_shown_address_keeps_no_secret(url: str, expected: str) -> None:
    assert shown(url) == expected
