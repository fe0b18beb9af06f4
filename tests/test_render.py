"""Share sheets of every kind of story, and newsrooms' own templates."""

from __future__ import annotations

import json
import random
import re
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import corpus
import pytest
import tdlib
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.errors import TemplateError
from bot.links import canonical
from bot.render import Renderer
from bot.telegram_html import MarkupError, check_link, escape
from bot.text import for_telegram, is_blank, lines, one_line, utf16_length
from bot.types import ShareSheet, Story

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "data" / "golden"
WIB = ZoneInfo("Asia/Jakarta")

SEED = Story(
    url="https://bantenraya.co/2023/10/11/polres-metro-tangerang-gelar-rakor-lintas-sektoral/",
    code="abcdefghijkl",
    title="Polres Metro Tangerang Gelar Rakor Lintas Sektoral",
    summary="Polres Metro Tangerang Kota, Polda Metro Jaya mengelar rapat koordinasi (Rakor) "
    "lintas sektoral. Hal itu dilakukan guna mewujudkan situasi Kamtibmas yang aman dan kondusif "
    "pada Pemilu 2024 mendatang.",
    author="red",
    editor="dwi teguh",
    published_at=datetime(2023, 10, 11, tzinfo=WIB),
)


def make_renderer(
    custom: Path | None = None, *, locale: str = "id", utm: bool = True, builtin: Path | None = None
) -> Renderer:
    return Renderer(
        locale=locale, zone=WIB, utm=utm, builtin=builtin or ROOT / "templates", custom=custom
    )


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return make_renderer()


# What WhatsApp marks, after the working model of a public bridge (opening at a word's edge,
# closing before a character that is no ASCII letter or digit).
SPANS = [re.compile(rf"([\s>_~*]|^){mark}(.+?){mark}([^a-zA-Z\d]|$)") for mark in (r"\*", "_", "~")]
CODE = [re.compile(r"```(.|\n)+?```"), re.compile(r"`[^`\n]+`")]
LISTS = re.compile(r"^\s*([-*] |> |\d+\. )", re.MULTILINE)


def whatsapp_marks(text: str) -> list[str]:
    marks = [found[0] for code in CODE for found in code.finditer(text)]
    marks += [found[0] for found in LISTS.finditer(text)]
    for line in text.split("\n"):
        marks += [found[2] for span in SPANS for found in span.finditer(line)]
    return marks


def seen(text: str) -> str:
    """What a reader sees of a neutralised text, directional controls aside."""
    plain = re.sub("[\u2060\u202a-\u202e\u2066-\u2069]", "", text)
    return plain.replace("\u2217", "*").replace("\u02cb", "`")


def texts_of(link: str) -> list[str]:
    assert link.isascii()
    assert "+" not in link
    values = parse_qs(urlsplit(link).query, strict_parsing=True, keep_blank_values=True)
    return [value for name in ("text", "subject", "body") for value in values.get(name, [])]


def assert_sound(sheet: ShareSheet) -> None:
    assert_telegram_sound(sheet)
    assert_whatsapp_sound(sheet)
    assert_links_sound(sheet)
    texts = asdict(sheet.texts)
    json.dumps([texts, asdict(sheet.message), asdict(sheet.links)], ensure_ascii=False).encode()
    assert utf16_length(sheet.texts.line) <= 5000
    url = canonical(sheet.story.url)
    if url and utf16_length(url) <= 3800:
        assert sheet.texts.telegram.endswith(url) or len(escape(url).encode()) > 10_000
        assert sheet.texts.plain.splitlines()[-1] == (canonical(sheet.story.short_url or "") or url)
    assert not any(is_blank(text) for text in texts.values())


def assert_telegram_sound(sheet: ShareSheet) -> None:
    message = sheet.message
    parsed = tdlib.parse_html(message.html)
    assert parsed.text == message.text == sheet.texts.telegram
    assert tdlib.as_sent(parsed.text).strip(" \n") == parsed.text
    assert utf16_length(parsed.text) <= 4096
    assert len(parsed.entities) <= 100
    assert len(message.html.encode()) <= 32_768
    assert not set(parsed.text) & set("\u202a\u202b\u202d\u202e")
    if message.preview_url and message.preview_url in parsed.text:
        assert is_link_kept(message.preview_url, parsed)
    assert_buttons_sound(sheet)


def is_link_kept(url: str, parsed: tdlib.TdText) -> bool:
    try:
        check_link(url)
    except MarkupError:
        return True
    last = parsed.entities[-1]
    return last.type == "TextUrl" and last.offset + last.length == utf16_length(parsed.text)


def assert_buttons_sound(sheet: ShareSheet) -> None:
    buttons = [button for row in sheet.message.buttons for button in row]
    for button in buttons:
        stated = [button.url, button.copy_text, button.callback_data]
        assert sum(value is not None for value in stated) == 1
        if button.url is not None:
            assert check_link(button.url) == button.url
            assert len(button.url) <= 2000
        assert button.copy_text is None or 0 < utf16_length(button.copy_text) <= 256
        assert button.callback_data is None or 0 < len(button.callback_data.encode()) <= 64
    assert len(json.dumps([asdict(button) for button in buttons])) < 10_240


def assert_whatsapp_sound(sheet: ShareSheet) -> None:
    text = sheet.texts.whatsapp
    assert utf16_length(text) <= 4096
    is_neutralised = len(sheet.story.url) < 1500
    marks = whatsapp_marks(text if is_neutralised else re.sub(r"\nhttps?://\S+$", "", text))
    title = text.split("\n")[0]
    if not is_blank(sheet.story.title):
        assert marks == [title[1:-1]]
        meant = one_line(lines(sheet.story.title))
        assert seen(title[1:-1]) == seen(meant) or title.endswith("…*")
    else:
        assert marks in ([], ["(tanpa judul)"])


def assert_links_sound(sheet: ShareSheet) -> None:
    meant = lines(sheet.story.title)
    for name, link in asdict(sheet.links).items():
        if link is None:
            continue
        assert len(link) <= 2000, name
        texts = texts_of(link)
        if texts and len(meant) < 200 and not is_blank(meant):
            shared = "\n".join(texts).replace("\r\n", "\n")
            assert any(seen(form)[:60] in seen(shared) for form in (meant, one_line(meant))), name
        for value in texts:
            value.encode()
    url = canonical(sheet.story.url)
    if url and len(url) < 300 and url.isascii():
        leaving = canonical(sheet.story.short_url or "") or url.split("#")[0]
        assert parse_qs(urlsplit(sheet.links.facebook).query)["u"][0].startswith(leaving)
        stated = sheet.story.title + sheet.story.summary
        assert url in stated or url not in texts_of(sheet.links.telegram or "")[0]


fragments = st.sampled_from([
    "*bold*", "_it_", "~st~", "```", "`", "- ", "\n- x", "> ", "1. ", "<b>", "</b>", "&amp;", "&",
    "<", ">", '"', "'", "#", "%", "%0A", "+", " ", "\n", "\r\n", "\t", "\0", "\u202e", "\u202c",
    "\u2066", "\u2069", "\u200e", "\u200f", "\u200b", "\u2028", "\u030a", "\u0333", "A\u030a",
    "\ud800", "\udc00", "\ufffe", "\ufeff", "👨‍👩‍👧", "🇮🇩", "👍🏽", "مرحبا", "שלום", "漢字", "é",
    "e\u0301", "…", "https://a.b/_x_", "@nama_akun", "x" * 500, "kata " * 300,
    "\U000e0041", "\u3164",
])  # fmt: skip
everything = st.text(st.characters(), max_size=30)
hostile = st.lists(fragments | everything, max_size=8).map("".join)
long = st.builds(lambda text, times: (text * times)[:100_000], hostile, st.integers(1, 3000))
urls = st.one_of(
    st.just(""),
    st.sampled_from([
        "https://a.b/", "http://localhost/x", "javascript:alert(1)", "https://münchen.de/ä?q=ü#x",
        "https://a.b/" + "x" * 300, "https://a.b/?" + "&" * 3800, "https://a.b/" + "é" * 1500,
        "https://a.b/" + "y" * 5000, 'https://a.b/"><b>', "https://a.b/~*y*/*_x_/_~z~/__x__", "HTTP://U:P@A.B:80",
        "https://a.b/\u202ecod", "https://[::1]/", "https://a.b/x?utm_source=z#:~:text=q", "\ud800",
    ]),
    hostile.map("https://a.b/".__add__),
    hostile,
)  # fmt: skip
stories = st.builds(
    Story,
    url=urls,
    code=st.sampled_from(["", "abcdefghijkl", "x" * 80]),
    title=st.one_of(hostile, long),
    summary=st.one_of(hostile, long),
    short_url=st.sampled_from([None, "https://s.id/x", "not a url"]),
)


@settings(max_examples=500, deadline=None)
@given(stories)
@example(Story(url="", code="", title="", summary=""))
@example(Story(url="", code="", title=" \u200b\u2800 ", summary="\n\t"))
@example(Story(url="https://a.b/", code="", title="", summary="hanya isi"))
@example(Story(url="https://a.b/~*y*/*_x_/_~z~/__x__", code="", title="*a*", summary="_b_"))
def test_any_story_renders_within_every_platforms_rules(renderer, story):
    assert_sound(renderer.share_sheet(story))


def test_two_thousand_random_hostile_stories_render(renderer):
    chance = random.Random(20_231_011)
    alphabet = [
        *map(chr, range(0x250)),
        *"*_~`<>&\n\u202e\u2066\ud83d\ude00😀漢",
        *map(chr, range(0x2000, 0x2070)),
    ]

    def field() -> str:
        size = chance.choice([0, 1, 5, 40, 40, 200, 700])
        if chance.random() < 0.3:
            return "".join(chr(chance.randrange(0x110000)) for _ in range(min(size, 300)))
        return "".join(chance.choices(alphabet, k=size))

    for _ in range(2000):
        url = chance.choice(["", "https://a.b/", "https://a.b/" + field(), field()])
        assert_sound(
            renderer.share_sheet(Story(url=url, code="abc", title=field(), summary=field()))
        )


def test_the_seeds_story_renders_as_agreed(renderer):
    sheet = asdict(renderer.share_sheet(SEED))
    del sheet["story"]
    assert sheet == json.loads((GOLDEN / "seed-id.json").read_text(), object_hook=as_tuples)


def as_tuples(value: dict[str, object]) -> dict[str, object]:
    rows = value.get("buttons")
    return {**value, "buttons": tuple(map(tuple, rows))} if isinstance(rows, list) else value


@pytest.mark.parametrize("part", ["x", "kata ", "&", "😀", "\u202e", "*_~` ", "\ud800", "\n- "])
def test_fields_of_100_000_characters_take_no_time(renderer, part):
    text = (part * 100_000)[:100_000]
    story = replace(SEED, title=text, summary=text, body=text)
    took = []
    for _ in range(3):
        begun = time.process_time()
        assert_sound(renderer.share_sheet(story))
        took.append(time.process_time() - begun)
    assert min(took) < 0.15  # with TDLib's own share of it; 20-40 ms without


@pytest.mark.parametrize("part", ["*_", "_", "*~_>", "&", '"', "é", "😀", "\u200f", "<", "a_ "])
def test_what_grows_on_its_way_still_fits(renderer, part):
    text = (part * 100_000)[:100_000]
    for size in (1000, 3600, 3890, 3900, 5000):
        url = ("https://a.b/" + text)[:size]
        assert_sound(renderer.share_sheet(replace(SEED, url=url, title=text, summary=text)))
        assert_sound(renderer.share_sheet(replace(SEED, url=url)))


def test_the_summary_is_shortened_first_and_at_a_word(renderer):
    sheet = renderer.share_sheet(replace(SEED, title="Judul " * 662, summary="kata " * 5000))
    title, *rest = sheet.texts.telegram.split("\n\n")
    assert not title.endswith("…")
    assert rest == [SEED.url]
    sheet = renderer.share_sheet(replace(SEED, summary="kata " * 5000))
    _, summary, _ = sheet.texts.telegram.split("\n\n")
    assert summary.endswith("kata…")
    assert 300 <= len(summary) <= 600


def test_a_title_too_long_alone_is_shortened_and_the_link_kept(renderer):
    sheet = renderer.share_sheet(replace(SEED, title="kata " * 2000))
    for text in (sheet.texts.telegram, sheet.texts.whatsapp, sheet.texts.line, sheet.texts.plain):
        assert "kata…" in text
        assert SEED.url in text.split("\n")[-1]


def test_a_long_summary_ends_at_a_sentence_where_one_ends_in_time(renderer):
    summary = "Kalimat pertama yang cukup panjang sekali. " * 40
    _, shown, _ = renderer.share_sheet(replace(SEED, summary=summary)).texts.telegram.split("\n\n")
    assert shown.endswith("sekali. …")


def test_links_carry_their_platforms_tag_and_the_copied_url_none(renderer):
    sheet = renderer.share_sheet(SEED)
    for name, link in asdict(sheet.links).items():
        assert f"utm_source={name.removesuffix('_desktop')}" in unquote(link)
    assert "utm_source=whatsapp" in sheet.texts.whatsapp
    assert "utm_source=telegram" in sheet.message.html
    assert sheet.copy_url == sheet.message.preview_url == SEED.url
    assert "utm_" not in sheet.texts.telegram


def test_without_utm_every_link_is_clean():
    sheet = make_renderer(utm=False).share_sheet(SEED)
    assert "utm_" not in json.dumps(asdict(sheet), default=str)


def test_a_short_url_leaves_instead_of_the_canonical_one(renderer):
    sheet = renderer.share_sheet(replace(SEED, short_url="https://s.id/abc"))
    for link in asdict(sheet.links).values():
        assert "https://s.id/abc" in unquote(link)
        assert "bantenraya" not in link
    assert '<a href="https://s.id/abc">https://bantenraya.co/' in sheet.message.html
    assert sheet.texts.whatsapp.endswith("\nhttps://s.id/abc")
    assert sheet.copy_url == sheet.message.preview_url == SEED.url


def test_the_share_row_has_the_seeds_order(renderer):
    sheet = renderer.share_sheet(SEED)
    labels = [[button.text for button in row] for row in sheet.message.buttons]
    assert labels == [
        ["Facebook", "X", "WhatsApp"], ["Telegram", "LINE", "Salin tautan"], ["Berita terkait"],
    ]  # fmt: skip
    assert sheet.message.buttons[2][0].callback_data == "related:abcdefghijkl"
    assert len(renderer.share_sheet(SEED, related=False).message.buttons) == 2


def test_a_url_too_long_to_copy_leaves_the_button_out(renderer):
    fits = replace(SEED, url="https://a.b/" + "x" * 244)
    assert renderer.share_sheet(fits).message.buttons[1][-1].copy_text == fits.url
    over = replace(SEED, url=fits.url + "x")
    sheet = renderer.share_sheet(over)
    assert [button.text for button in sheet.message.buttons[1]] == ["Telegram", "LINE"]
    assert sheet.copy_url == over.url


def test_a_story_without_url_has_no_link_line(renderer):
    sheet = renderer.share_sheet(replace(SEED, url=""))
    assert sheet.links.facebook is sheet.links.telegram is sheet.links.line_desktop is None
    assert sheet.copy_url is sheet.message.preview_url is None
    assert "http" not in sheet.texts.plain + sheet.texts.telegram + sheet.texts.whatsapp
    assert "selengkapnya" not in sheet.texts.whatsapp


@pytest.mark.parametrize("blank", ["", "  ", "\n\t", "\u200b\u3164"])
def test_a_story_without_title_is_its_summary(renderer, blank):
    sheet = renderer.share_sheet(replace(SEED, title=blank))
    assert sheet.texts.plain == f"{SEED.summary}\n{SEED.url}"
    assert "<b>" not in sheet.message.html
    assert "Polres" in unquote(sheet.links.x)
    assert "**" not in sheet.texts.whatsapp


def test_a_date_at_the_calendars_end_renders(renderer):
    for moment in (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)):
        assert_sound(renderer.share_sheet(replace(SEED, published_at=moment)))


def test_a_story_that_says_nothing_is_called_untitled(renderer):
    sheet = renderer.share_sheet(Story(url="", code="", title="", summary=" "))
    assert sheet.texts.plain == "(tanpa judul)"
    assert make_renderer(locale="en_GB").share_sheet(sheet.story).texts.line == "(untitled)"


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Harga *Naik* 10%", "*Harga ∗Naik∗ 10%*"),
        ("_Sinyal_ baru", "*\u2060_Sinyal_ baru*"),
        ("a_b_c dan 5*3", "*a_b_c dan 5∗3*"),
        ("Isra Mi`raj", "*Isra Mi`raj*"),
        ("kode `x` ini", "*kode ˋxˋ ini*"),
    ],
)
def test_whatsapp_marks_are_neutralised_only_where_needed(renderer, title, shown):
    text = renderer.share_sheet(replace(SEED, title=title)).texts.whatsapp
    assert text.split("\n")[0] == shown


@pytest.mark.parametrize("line", ["- satu", "* satu", "> satu", "1. satu", "12. satu"])
def test_lines_do_not_become_lists_or_quotes_in_whatsapp(renderer, line):
    text = renderer.share_sheet(replace(SEED, summary=f"awal\n{line}\nakhir")).texts.whatsapp
    assert whatsapp_marks(text) == [SEED.title]
    assert line in seen(text)


def test_a_usual_url_stands_unchanged_in_whatsapp(renderer):
    for url in ("https://a.b/__hal.html", "https://a.b/a_b~c*d", "https://a.b/?__a=1&b=2"):
        assert url in renderer.share_sheet(replace(SEED, url=url)).texts.whatsapp


def test_what_telegram_changes_is_changed_before(renderer):
    title = "A\u030angstro\u0308m \u202e\u200e\u200fx\u0333"
    sheet = renderer.share_sheet(replace(SEED, title=title))
    assert sheet.texts.telegram.split("\n")[0] == for_telegram(title) == "Ångström \u200fx"


def test_a_directional_override_stays_in_its_own_title(renderer):
    sheet = renderer.share_sheet(replace(SEED, title="abc \u202e\u2067def", summary=""))
    for text in asdict(sheet.texts).values():
        assert not set(text) & set("\u202e\u2067")
    balanced = "abc \u2067def\u2069 \u202bghi\u202c"
    sheet = renderer.share_sheet(replace(SEED, title=balanced))
    assert balanced in sheet.texts.line
    assert balanced in unquote(sheet.links.x)


def write(folder: Path, name: str, source: str) -> Path:
    path = folder / "share" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return path


def test_a_newsrooms_template_comes_first(tmp_path):
    write(tmp_path, "telegram.html.j2", "<i>{{ title }}</i> {{ story.author or '' }}\n{{ url }}")
    write(tmp_path, "id/plain.txt.j2", "{{ title|upper }} {{ link }}")
    renderer = make_renderer(tmp_path)
    sheet = renderer.share_sheet(replace(SEED, title="A < B"))
    assert renderer.faults == ()
    assert sheet.message.html == f"<i>A &lt; B</i> red\n{SEED.url}"
    assert sheet.message.text == f"A < B red\n{SEED.url}"
    assert sheet.texts.plain == f"A < B {SEED.url}"
    assert sheet.texts.line.startswith("A < B\n\n")


FAULTY = [
    ("{{ title }}\n{% if %}", 2, "Expected an expression"),
    ("{{ title }}\n\n{{ titel }}", 3, "'titel' is undefined"),
    ("{{ title.__class__ }}", 1, "unsafe"),
    ("{{ title }}<br>\n", 1, 'Unsupported start tag "br"'),
    ("x\n<b>{{ title }}", 2, "Can't find end tag corresponding to start tag \"b\""),
    ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", 1, "steps"),
    ("{% for a in range(10 ** 9) %}x{% endfor %}", 1, "number"),
    ("{{ 'x' * 1000000000 }}", 1, "numbers only"),
    ("{% set x = namespace(t=title) %}{% for i in 'a' * 9 %}{% endfor %}", 1, "numbers only"),
    ("{% set x = namespace(t='x') %}\n{% for i in range(99) %}{% set x.t=x.t~x.t %}{% endfor %}",
     2, "longer"),
    ("{% for i in range(9000) %}{{ title }}{% endfor %}", 1, "characters"),
    ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", 1, ""),
    ("{{ 'a'.replace('a', title) }}", 1, "unsafe"),
    ("{{ '%999999999d' % 1 }}", 1, "numbers only"),
    ("{% include 'plain.txt.j2' %}", 1, "no loader"),
    ("{{ story.tags }}", 1, "a list cannot be printed"),
    ("{{ 1 / 0 }}", 1, "division"),
    ("{{ title }}{{ story.body }}{{ story.body }}", 1, "longer"),
    ("{{ title }}" + "x" * 4096, None, "too much"),
    ("{% set a = (title, title) %}{{ 'x' ~ ((a, a), a) }}", 1, "a list cannot be printed"),
    ("{# nothing #}", None, "writes nothing"),
    ("{{ title|nofilter }}", 1, "nofilter"),
    ("<a href='https://a.b'>" * 101 + "x" + "</a>" * 101, None, "entities"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "line", "reason"), FAULTY)
def test_a_faulty_template_is_named_and_the_built_in_one_used(tmp_path, source, line, reason):
    path = write(tmp_path, "telegram.html.j2", source)
    begun = time.process_time()
    renderer = make_renderer(tmp_path)
    assert time.process_time() - begun < 3
    (fault,) = renderer.faults
    assert isinstance(fault, TemplateError)
    assert (fault.file, fault.line) == (str(path), line)
    assert reason in fault.reason
    assert renderer.share_sheet(SEED) == make_renderer().share_sheet(SEED)


def test_a_template_without_the_summary_is_shortened_by_its_title(tmp_path):
    write(tmp_path, "telegram.html.j2", "{% filter upper %}{{ title }}{% endfilter %}")
    renderer = make_renderer(tmp_path)
    assert renderer.faults == ()
    sheet = renderer.share_sheet(replace(SEED, title="kata " * 2000, summary="isi " * 200))
    assert sheet.message.html.endswith("KATA…")


def test_a_misnamed_template_and_a_missing_folder_are_faults(tmp_path):
    path = write(tmp_path, "telegrm.html.j2", "x")
    (fault,) = make_renderer(tmp_path).faults
    assert fault.file == str(path)
    assert "telegram.html.j2" in fault.reason
    (fault,) = make_renderer(tmp_path / "none").faults
    assert "not a folder" in fault.reason


def test_a_template_that_is_not_utf8_is_a_fault(tmp_path):
    write(tmp_path, "plain.txt.j2", "").write_bytes(b"\xff\xfe")
    (fault,) = make_renderer(tmp_path).faults
    assert "cannot be read" in fault.reason


def test_a_template_that_fails_on_one_story_falls_back_for_it(tmp_path, caplog):
    write(tmp_path, "plain.txt.j2", "{{ title }}{% if story.author == 'x' %}{{ 1 / 0 }}{% endif %}")
    renderer = make_renderer(tmp_path)
    assert renderer.share_sheet(SEED).texts.plain == SEED.title
    assert renderer.share_sheet(replace(SEED, author="x")).texts.plain.endswith(SEED.url)
    assert "template failed" in caplog.text


@settings(max_examples=100, deadline=None)
@given(story=stories)
def test_a_template_with_all_fields_bears_any_story(tmp_path_factory, story):
    folder = tmp_path_factory.getbasetemp() / "all-fields"
    source = "<b>{{ title }}</b>\n{{ summary }}\n{{ story.body|truncate(200) }}\n{{ url }}"
    write(folder, "telegram.html.j2", source)
    renderer = make_renderer(folder)
    assert renderer.faults == ()
    sheet = renderer.share_sheet(replace(story, body=story.summary))
    parsed = tdlib.parse_html(sheet.message.html)
    assert parsed.text == sheet.message.text
    assert utf16_length(parsed.text) <= 4096


def test_chat_macros_are_found_by_language_and_escaped(tmp_path):
    chat = tmp_path / "templates" / "chat"
    chat.mkdir(parents=True)
    (chat / "id.html.j2").write_text(
        "{% macro hi(name) %}\n<b>Halo {{ name }}</b>\n{% endmacro %}\n"
        "{% macro only() %}satu{% endmacro %}"
    )
    (chat / "en.html.j2").write_text("{% macro hi(name) %}Hello {{ name }}{% endmacro %}")
    for path in (ROOT / "templates" / "share").iterdir():
        write(tmp_path / "templates", path.name, path.read_text())
    renderer = make_renderer(builtin=tmp_path / "templates")
    assert renderer.chat("id", "hi", name="<x>&\ud800") == "<b>Halo &lt;x&gt;&amp;\ufffd</b>"
    assert renderer.chat("en-GB", "hi", name="x") == "Hello x"
    assert renderer.chat("fr", "hi", name="x") == "<b>Halo x</b>"
    assert renderer.chat("en", "only") == "satu"
    with pytest.raises(TemplateError, match="has no macro nope"):
        renderer.chat("en", "nope")


def test_pages_are_escaped_and_know_the_newsrooms_time(tmp_path):
    web = tmp_path / "templates" / "web"
    web.mkdir(parents=True)
    (web / "base.html.j2").write_text("<p>{% block body %}{% endblock %}</p>")
    (web / "story.html.j2").write_text(
        "{% extends 'web/base.html.j2' %}{% block body %}"
        "{{ title }} {{ (at|local).strftime('%H:%M %Z') }}{% endblock %}"
    )
    for path in (ROOT / "templates" / "share").iterdir():
        write(tmp_path / "templates", path.name, path.read_text())
    renderer = make_renderer(builtin=tmp_path / "templates")
    page = renderer.page("story", title="<b>", at=datetime(2023, 10, 11, 1, 2, tzinfo=UTC))
    assert page == "<p>&lt;b&gt; 08:02 WIB</p>"


@pytest.mark.timeout(110)
def test_every_title_and_summary_of_feedparsers_corpus_renders(renderer):
    import feedparser  # noqa: PLC0415

    entries = 0
    for path in sorted(corpus.corpus_dir().rglob("*.xml")):
        if path.stat().st_size < 50_000:
            for entry in feedparser.parse(path.read_bytes()).entries:
                title, summary = str(entry.get("title", "")), str(entry.get("summary", ""))
                url = str(entry.get("link", ""))
                assert_sound(renderer.share_sheet(Story(url, "abc", title, summary)))
                entries += 1
    assert entries > 1000
