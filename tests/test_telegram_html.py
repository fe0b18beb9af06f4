"""bot.telegram_html against TDLib's own parser: same acceptance, same words, same entities."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import tdlib
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.telegram_html import Entity, MarkupError, check_link, escape, parse, utf16_length

TD_NAMES = {
    "Bold": "bold",
    "Italic": "italic",
    "Underline": "underline",
    "Strikethrough": "strikethrough",
    "Spoiler": "spoiler",
    "Code": "code",
    "Pre": "pre",
    "PreCode": "pre",
    "TextUrl": "text_link",
    "MentionName": "text_mention",
    "BlockQuote": "blockquote",
    "ExpandableBlockQuote": "expandable_blockquote",
    "CustomEmoji": "custom_emoji",
    "DateTime": "date_time",
}

TAGS = [
    "a", "b", "strong", "i", "em", "s", "strike", "del", "u", "ins", "tg-spoiler", "span",
    "tg-emoji", "tg-time", "pre", "code", "blockquote", "B", "br", "p", "",
]  # fmt: skip
ATTRIBUTES = [
    ' href="https://example.com/x?a=1&amp;b=2"', " href='http://a.b'", ' href="nodot"', " href",
    ' href=""', ' href="tg://user?id=123"', ' href="tg:user?id=0"', ' href="tg://resolve?x=1"',
    ' href="javascript:alert(1)"', ' href="mailto:a@b.c"', " href=example.com", " href=a/b",
    ' class="tg-spoiler"', " class=tg-spoiler", ' class="language-py"', ' class="x"',
    ' emoji-id="5368324170671202286"', ' emoji-id="0"', " emoji-id=12", " expandable",
    ' expandable=""', ' unix="1700000000"', ' unix="-5"', ' format="wDT"', ' format="R"',
    ' format="x"', " = ", ' "', "/", " /", " x=", " x='", " \t\n\v", "\0", "\f",
]  # fmt: skip
TEXTS = [
    "x", "é", "😀", "&amp;", "&lt;", "&gt", "&quot;", "&nbsp;", "&#39;", "&#x27", "&#xd83d;",
    "&#xD83D;&#xDE00;", "&#0;", "&#1114110;", "&#1114111;", "&#0000065;", "&#00000065;", "&#x;",
    "&", "&#", " ", "\n", "\r", "\0", ">", '"', "/", "a.b", "\u202e", "\ufdd0", "\ufffe",
]  # fmt: skip

pieces = st.one_of(
    st.sampled_from(TEXTS),
    st.builds(lambda tag, attributes: f"<{tag}{''.join(attributes)}>",
              st.sampled_from(TAGS), st.lists(st.sampled_from(ATTRIBUTES), max_size=2)),
    st.sampled_from(TAGS).map("</{}>".format),
    st.sampled_from(["<", "</", "</b ", "</b >", "<b", "<b ", "</>"]),
)  # fmt: skip


def nest(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    wrapped = st.builds(
        lambda tag, attributes, body: f"<{tag}{''.join(attributes)}>{body}</{tag}>",
        st.sampled_from(TAGS[:17]),
        st.lists(st.sampled_from(ATTRIBUTES), max_size=2),
        inner,
    )
    return wrapped | st.lists(inner, max_size=3).map("".join)


nested = st.recursive(st.sampled_from(TEXTS), nest, max_leaves=6)


def td_shape(entity: tdlib.TdEntity) -> tuple[object, ...]:
    return TD_NAMES[entity.type], entity.offset, entity.length, entity.argument


def our_shape(entity: Entity) -> tuple[object, ...]:
    arguments = (entity.url, entity.language, entity.user_id, entity.custom_emoji_id)
    argument = next((str(a) for a in (*arguments, entity.unix_time) if a is not None), "")
    return entity.type, entity.offset, entity.length, argument


def assert_agrees(html: str) -> None:
    try:
        theirs = tdlib.parse_html(html)
    except tdlib.TdError as error:
        reason = str(error)
        with pytest.raises(MarkupError, match=f"^{re.escape(reason)}$"):
            parse(html)
        return
    ours = parse(html)
    assert ours.text == theirs.text
    assert Counter(map(our_shape, ours.entities)) == Counter(map(td_shape, theirs.entities))
    places = [(e.type, e.offset, e.length) for e in ours.entities]
    assert places == [td_shape(e)[:3] for e in theirs.entities]


@settings(max_examples=1500, deadline=None)
@given(st.lists(pieces, max_size=9).map("".join))
@example('<b>x</b> <a href="https://e.com">q</a>')
@example("<a>t.me/x</a>")
@example("<b><i>😀</b></i>")
def test_broken_markup_is_judged_as_by_tdlib(html):
    assert_agrees(html)


@settings(max_examples=1500, deadline=None)
@given(nested)
@example('<pre><code class="language-py">x</code></pre>')
@example('<code class="language-py"><pre>x</pre></code>')
@example('<code class="language-py">x</code>')
def test_nested_markup_is_read_as_by_tdlib(html):
    assert_agrees(html)


@settings(max_examples=500, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_read_as_by_tdlib(text):
    assert_agrees(text)
    assert_agrees(f'<a href="{text}">x</a>')


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60))
def test_escaped_text_comes_back_whole(text):
    safe = text.encode("utf-8", "replace").decode()
    assert parse(f"<b>{escape(safe)}</b>").text == safe


URL_PARTS = [
    "http://", "https://", "HTTPS://", "ftp://", "tg:", "tg://", "ton:", "tonsite://", "a.b", "a",
    "user@", "u:p@", ":80", ":0", ":099", ":65536", ":", "[::1]", "[1", "]", "/", "?", "#", "%41",
    "%", " ", "\n", "é", "münchen.de", ".", "_", "\\", "|", "resolve", "?domain=x", "\0", "^", "*",
]  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(URL_PARTS), max_size=6).map("".join))
@example("tg://user?id=1099511627775")
@example("tg://user?id=1099511627776")
@example("tg://user#?id=5")
@example("https://[::1]:8080/x")
@example("https://[::1%25eth0]/x")
def test_links_are_kept_dropped_and_rewritten_as_by_tdlib(link):
    assert_agrees(f'<a href="{escape(link)}">x</a>')


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("http://localhost:8080/", "Wrong HTTP URL"),
        ("", "URL host is empty"),
        ("https://a.b:99999/", "Wrong port number specified in the URL"),
        ("javascript:alert(1)", "Wrong port number specified in the URL"),
        ("https://a b.c/", "Disallowed character in URL host"),
        ("ftp://a.b/", "Unsupported URL protocol"),
    ],
)
def test_a_refused_link_names_the_reason(link, reason):
    with pytest.raises(MarkupError, match=f"^{reason}$"):
        check_link(link)


def test_lone_surrogates_are_refused_in_the_servers_words():
    with pytest.raises(MarkupError, match="Text must be encoded in UTF-8"):
        parse("a\ud800b")


def test_a_source_over_the_limit_is_refused():
    assert_agrees("x" * 65_536)
    assert_agrees("x" * 65_537)


def test_lengths_are_in_utf16_units():
    assert [utf16_length(text) for text in ("", "ab", "é", "😀", "\ud800")] == [0, 2, 1, 2, 1]
