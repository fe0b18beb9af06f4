"""Article pages: the seed's, others of its kind, English ones, blogs, and what is no article."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.article import parse_article
from bot.article.prose import is_dateline, is_noise, story_lines, without_dateline
from bot.errors import ParseError

JAKARTA = ZoneInfo("Asia/Jakarta")
PAGES = Path(__file__).parent / "data" / "pages"
URL = "https://kabar.co.id/berita/1"
MAX_CPU_S = 2.0

LEAD = (
    "Pemerintah Kota Tangerang menyiapkan seribu paket bantuan untuk warga yang terdampak banjir "
    "di tiga kecamatan sejak Senin malam."
)
SECOND = "Wali Kota mengatakan bantuan disalurkan bertahap melalui posko di setiap kelurahan."
THIRD = "Warga diminta tetap waspada karena hujan diperkirakan masih turun sampai akhir pekan."
STORY = f"<p>{LEAD}</p><p>{SECOND}</p><p>{THIRD}</p>"
LD = '<script type="application/ld+json">{}</script>'
BODY = f"{LEAD}\n{SECOND}\n{THIRD}"


def read(html, url=URL, content_type="text/html; charset=utf-8"):
    body = html if isinstance(html, bytes) else html.encode()
    return parse_article(body, content_type=content_type, url=url, zone=JAKARTA)


def page(inside, head="<title>Banjir di Tangerang - Kabar</title>"):
    return f"<html><head>{head}</head><body><h1>Banjir di Tangerang</h1>{inside}</body></html>"


def seed(name="seed.html"):
    return read((PAGES / name).read_bytes(), url="https://bantenraya.co/rakor/")


# --- the seed's page


def test_the_seeds_page_is_read_as_a_reader_reads_it():
    entry = seed()
    assert entry.title == "Polres Metro Tangerang Gelar Rakor Lintas Sektoral"
    assert entry.published_at is not None
    assert entry.published_at.isoformat() == "2023-10-11T00:00:00+07:00"
    assert (entry.author, entry.editor) == ("red", "dwi teguh")
    assert entry.image_url == "https://bantenraya.co/wp-content/uploads/2023/10/rakor.jpg"
    assert entry.summary.startswith(
        "Polres Metro Tangerang Kota, Polda Metro Jaya mengelar rapat koordinasi (Rakor) lintas "
        "sektoral."
    )
    assert entry.url == "https://bantenraya.co/rakor/"
    assert (entry.tags, entry.guid, entry.updated_at) == ((), None, None)


def test_the_seeds_body_is_its_eleven_paragraphs_and_nothing_else():
    paragraphs = seed().body.split("\n")
    assert len(paragraphs) == 11
    assert paragraphs[1].startswith("Kegiatan tersebut dipimpin")
    assert paragraphs[-1].endswith("yang akan di mulai pada 19 Oktober 2023.")
    for furniture in (
        "Baca Juga", "ADVERTISEMENT", "SCROLL", "Kotamen gelar", "Antisipasi Kerawanan", "Penulis",
        "bantenraya.co", "Berita", "facebook", "dicopy", "kali dibaca", "Copyright",
    ):  # fmt: skip
        assert furniture not in seed().body


def test_json_ld_comes_before_what_is_seen():
    entry = seed("seed-jsonld.html")
    assert entry.published_at is not None
    assert entry.published_at.isoformat() == "2023-10-11T14:05:00+07:00"
    assert entry.author == "Rani Pratiwi"
    assert entry.editor == "dwi teguh"
    assert entry.tags == ("Tangerang", "Pemilu 2024", "Polres Metro Tangerang Kota")
    assert entry.image_url is not None
    assert entry.image_url.endswith("rakor-besar.jpg")
    assert entry.body == seed().body
    assert entry.summary == seed().summary


def test_open_graph_comes_before_what_is_seen():
    entry = seed("seed-og.html")
    assert entry.title == "Polres Metro Tangerang Gelar Rakor Lintas Sektoral"
    assert entry.published_at is not None
    assert entry.published_at.isoformat() == "2023-10-11T07:05:00+00:00"
    assert entry.author == "red"
    assert entry.tags == ("Tangerang", "Pemilu 2024")
    assert entry.image_url is not None
    assert entry.image_url.endswith("rakor-og.jpg")
    assert entry.summary == seed().summary


def test_where_both_disagree_json_ld_wins():
    entry = seed("seed-both.html")
    assert entry.title == "Polres Metro Tangerang Gelar Rakor Lintas Sektoral"
    assert entry.published_at is not None
    assert entry.published_at.isoformat() == "2023-10-11T14:05:00+07:00"


# --- other pages of its kind


def test_div_soup_is_read_by_its_structure():
    entry = read(
        f"""<html><head><title>Banjir Tangerang, Bantuan Disiapkan | Kabar</title></head><body>
        <div class=a><div>Selasa, 24 November 2026</div><a href=/>Home</a> <a href=/x>News</a></div>
        <div class=b><div class=t>Banjir Tangerang, Bantuan Disiapkan</div>
        <div>Reporter: Andi Saputra | Editor: Budi</div><div>Kamis, 5 Juni 2025 | 14.05 WIB</div>
        <div><img src=/a.jpg alt="Warga di Ciledug, Senin."></div>
        <div>Warga di Ciledug, Senin.</div>
        <div>KABAR.CO.ID, TANGERANG - {LEAD}</div><div>{SECOND}</div><div>Baca Juga: Lain</div>
        <div>{THIRD}</div><div>Berita Terkait</div><div><a href=/1>Judul lain yang panjang sekali di
        daftar ini</a><div>Jumat, 1 Mei 2026</div></div></div></body></html>"""
    )
    assert entry.title == "Banjir Tangerang, Bantuan Disiapkan"
    assert entry.published_at is not None
    assert entry.published_at.isoformat() == "2025-06-05T14:05:00+07:00"
    assert (entry.author, entry.editor) == ("Andi Saputra", "Budi")
    assert entry.body == BODY
    assert entry.image_url == "https://kabar.co.id/a.jpg"


def test_paragraphs_parted_by_line_breaks_are_read():
    entry = read(
        page(
            f"<div>TANGERANG, kabar.co.id – {LEAD}<br><br>{SECOND}<br><br>{THIRD}<br>"
            "Penulis: Sinta</div>"
        )
    )
    assert entry.body == BODY
    assert entry.author == "Sinta"


def test_a_page_laid_out_in_a_table_is_read():
    html = (
        "<table><tr><td><h1>Judul ini panjang</h1></td></tr><tr><td>Rabu, 11 Oktober 2023</td></tr>"
        f"<tr><td>{LEAD}<br><br>{SECOND}<br><br>{THIRD}</td></tr></table>"
    )
    entry = read(html)
    assert entry.body == BODY
    assert entry.published_at is not None


def test_a_page_in_capitals_is_read():
    entry = read(page(f"<p>PENULIS : RED</p><p>SERANG – {LEAD.upper()}</p><p>{SECOND.upper()}</p>"))
    assert entry.summary == LEAD.upper()
    assert entry.author == "RED"


def test_an_english_page_is_read():
    entry = read(
        """<html><head><title>City prepares aid - The Daily</title></head><body>
        <nav>Home</nav><article>
        <h1>City prepares aid</h1><p>By John Smith</p><p><time datetime="2023-10-11T09:00:00Z">
        October 11, 2023</time> · Updated October 12, 2023</p>
        <p>LONDON, Oct 11 (Reuters) - The city prepared
        a thousand packages of aid on Monday for residents hit by floods.</p><p>Advertisement</p>
        <p>The mayor said that help would be distributed gradually in each ward.</p>
        <h2>Related articles</h2><p><a href=/2>Another story entirely</a> October 1, 2024</p>
        </article></body></html>"""
    )
    assert entry.author == "John Smith"
    assert entry.published_at is not None
    assert entry.published_at.isoformat() == "2023-10-11T09:00:00+00:00"
    assert entry.updated_at is not None
    assert entry.summary.startswith("The city prepared a thousand packages")
    assert len(entry.body.split("\n")) == 2


def test_a_bare_page_invents_nothing():
    entry = read(page(STORY))
    assert (entry.title, entry.body, entry.summary) == ("Banjir di Tangerang", BODY, LEAD)
    assert entry.published_at is entry.updated_at is entry.author is entry.editor is None
    assert entry.image_url is None
    assert entry.tags == ()


@pytest.mark.parametrize(
    "foreign",
    [
        "<div class=top>Jumat, 14 Mei 2025</div><div class=c><h1>Banjir di Tangerang</h1>{}</div>",
        "<h1>Banjir di Tangerang</h1>{}<h3>Berita Terbaru</h3><div>Rabu, 12 Februari 2025</div>",
        "<h1>Banjir di Tangerang</h1>{}<aside>Rabu, 12 Februari 2025 - 15:31 WIB</aside>",
        "<nav>Rabu, 12 Februari 2025</nav><h1>Banjir di Tangerang</h1>{}",
        "<h1>Banjir di Tangerang</h1>{}<p>Operasi mulai pada 19 Mei 2023 di seluruh kota ini.</p>",
    ],
)
def test_dates_of_other_things_are_not_the_storys(foreign):
    assert read(foreign.format(STORY)).published_at is None


@pytest.mark.parametrize(
    ("line", "author", "editor"),
    [
        ("<p>Penulis : red</p><p>Editor : dwi teguh</p>", "red", "dwi teguh"),
        ("<p>Penulis: Ana | Editor: Budi Santoso</p>", "Ana", "Budi Santoso"),
        ("<p>Reporter : Ana<br>Editor : Budi</p>", "Ana", "Budi"),
        ("<div>Penulis</div><div>Ana Maria</div>", "Ana Maria", None),
        ("<div><b>Editor:</b> <a href=/budi>Budi</a></div>", None, "Budi"),
        ("<p>Oleh: Ana - Rabu, 11 Oktober 2023 | 10:00 WIB</p>", "Ana", None),
        ("<p>Pewarta: Ana Maria Editor: Budi</p>", "Ana Maria", "Budi"),
        ("<p>Penulis : Ana, Cici</p><p>Editor : Budi (bd)</p>", "Ana, Cici", "Budi"),
    ],
)
def test_bylines_are_read_above_and_below_the_story(line, author, editor):
    for html in (page(line + STORY), page(STORY + line)):
        entry = read(html)
        assert (entry.author, entry.editor) == (author, editor)
        assert entry.body == BODY


@pytest.mark.parametrize(
    "line",
    [
        '<a rel="author" href="/ana">Ana Maria</a>',
        '<p><time datetime="2023-10-11">11 Oktober</time> <span rel="author">Ana Maria</span></p>',
        '<address><a rel="Author nofollow" href="/ana">By Ana Maria</a></address>',
        '<div><span rel="author"><a href="/ana">Ana Maria</a></span> <a href="/k">Kota</a></div>',
        '<a rel="author" href="/ana">View all posts</a> <a rel="author" href="/ana">Ana Maria</a>',
    ],
)
def test_a_name_that_is_marked_as_the_authors_is_the_author(line):
    for html in (page(line + STORY), page(STORY + line)):
        assert (read(html).author, read(html).body) == ("Ana Maria", BODY)


def test_the_author_that_a_related_story_marks_is_not_this_storys():
    assert (
        read(page(f"{STORY}<h3>Berita Terkait</h3><a rel=author href=/x>Lain</a>")).author is None
    )


def test_bylines_of_related_stories_are_not_the_storys():
    html = page(f"{STORY}<h3>Berita Terkait</h3><div>Penulis : Orang Lain</div>")
    assert read(html).author is None


def test_captions_subtitle_and_dateline_above_the_lead_are_left_out():
    caption = "<p>Petugas membagikan bantuan kepada warga di posko kelurahan, Senin.</p>"
    html = page(f"{caption}{caption}<p>Subjudul pendek</p><p>kabar.co.id | SERANG</p>{STORY}")
    assert read(html).body == BODY


def test_short_paragraphs_before_the_lead_are_kept():
    assert read(page(f"<p>Kami tiba.</p>{STORY}")).body == f"Kami tiba.\n{BODY}"


def test_tags_are_those_beside_the_story():
    html = page(
        f"{STORY}<p>Tags: <a rel=tag href=/tag/banjir>Banjir</a> <a href=/tag/kota/>Kota</a></p>"
        "<h3>Berita Terbaru</h3><a rel='category tag' href=/category/x>Lain</a>"
    )
    assert read(html).tags == ("Banjir", "Kota")


RELATED = "<h3>Berita Terkait</h3><ul><li><a href=/2>Judul lain yang panjang</a></li></ul>"
LINKED = "<a {}href=/tag/banjir>Banjir</a>", "<a {}href=/tag/kota/>Kota</a>"


@pytest.mark.parametrize("rel", ["", "rel=tag "])
@pytest.mark.parametrize(
    "block",
    [
        "<div class=tags>Tags: {}, {}</div>",
        "<div>Tag : {} {}</div><h3>Berita Terbaru</h3><a href=/category/x/>Lain</a>",
        "<div><span>TOPIK TERKAIT:</span><ul><li>{}</li><li>{}</li></ul></div><p>Lain</p>",
        "<p>Kata kunci: {} {}</p><div><a href=/tag/lain>Lain</a> <a href=/9>Judul lagi</a></div>",
    ],
)
def test_a_tags_block_below_the_related_stories_is_the_storys(block, rel):
    tags = block.format(*(link.format(rel) for link in LINKED))
    assert read(page(STORY + RELATED + tags)).tags == ("Banjir", "Kota")


@pytest.mark.parametrize(
    "block",
    [
        "<div>Tags: {}</div><div>Tags: {}</div>",
        "<aside>Tags: {} {}</aside>",
        "<h3>Tag Populer</h3><div>{} {}</div>",
        "<div>Tags: <a href=/2>Bukan</a></div>",
    ],
)
def test_tags_of_other_stories_are_not_the_storys(block):
    tags = block.format(*(link.format("") for link in LINKED))
    assert read(page(STORY + RELATED + tags)).tags == ()


def test_charsets_of_pages_are_found_out():
    for encoding, meta in (("utf-8", "utf-8"), ("cp1252", "iso-8859-1"), ("cp1252", "utf-8")):
        html = page(f"<p>“Café” – {LEAD}</p>{STORY}", head=f"<meta charset={meta}>")
        assert read(html.encode(encoding), content_type=None).body.startswith("“Café”")


# --- metas


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://www.kabar.co.id/banjir/", "https://www.kabar.co.id/banjir/"),
        ("/banjir/", "https://kabar.co.id/banjir/"),
        ("https://kabar.co.id/", URL),
        ("https://lain.co.id/banjir/", URL),
        ("javascript:alert(1)", URL),
        ("", URL),
    ],
)
def test_the_canonical_link_counts_if_it_is_this_sites(link, url):
    assert read(page(STORY, head=f'<link rel="canonical" href="{link}">')).url == url


def test_without_an_address_the_canonical_link_is_the_address():
    html = page(STORY, head='<link rel="canonical" href="https://kabar.co.id/banjir/">')
    assert read(html, url=None).url == "https://kabar.co.id/banjir/"
    assert read(page(STORY), url=None).url is None


@pytest.mark.parametrize(
    "head",
    [
        '<link rel="canonical" href="HTTPS://kabar.co.id/banjir/">',
        '<link rel="canonical" href="https://kabar.co.id/">',
        '<link rel="canonical" href="/banjir/"><meta property="og:url" content="https://kabar.co.id/b">',
        LD.format('{"@type":"Article","headline":"J","url":"https://kabar.co.id/b"}'),
    ],
)
def test_the_picture_of_a_saved_page_is_resolved_against_the_address_that_it_states(head):
    html = page(f'<img src="/foto/banjir.jpg">{STORY}', head=head)
    assert read(html, url=None).image_url == "https://kabar.co.id/foto/banjir.jpg"
    assert (
        read(html, url="https://arsip.co.id/1").image_url == "https://arsip.co.id/foto/banjir.jpg"
    )


def test_a_relative_picture_of_a_page_that_states_no_address_is_none():
    assert read(page(f'<img src="/foto/banjir.jpg">{STORY}'), url=None).image_url is None


def og(name, value):
    return f'<meta property="og:{name}" content="{value}">'


@pytest.mark.parametrize(
    "description",
    [
        "Portal berita nomor satu di dunia maya internasional",
        LEAD[:90] + "…",
        "Banjir di Tangerang",
    ],
)
def test_a_description_that_is_not_the_storys_gives_way_to_its_lead(description):
    assert read(page(STORY, head=og("description", description))).summary == LEAD


def test_an_editors_description_is_the_summary():
    stated = "Seribu paket bantuan untuk warga terdampak banjir di Tangerang disalurkan bertahap."
    assert read(page(STORY, head=og("description", stated))).summary == stated


def test_a_generic_account_gives_way_to_the_named_author():
    head = '<meta name="author" content="admin">'
    assert read(page(f"<p>Penulis: Ana</p>{STORY}", head=head)).author == "Ana"
    assert read(page(STORY, head=head)).author == "admin"
    account, named = "<a rel=author href=/a>admin</a>", '<meta name="author" content="Ana">'
    assert read(page(account + STORY, head=named)).author == "Ana"
    assert read(page(account + STORY)).author == "admin"


@pytest.mark.parametrize(
    "json",
    [
        '{"@type":"NewsArticle","headline":"Judul &amp; isi","author":"Ana"}',
        '[{"@type":["NewsArticle"],"headline":"Judul & isi","author":[{"name":"Ana"}]}]',
        (
            '{"@graph":[{"@type":"Person","@id":"#a","name":"Ana"},'
            '{"@type":"BlogPosting","headline":"Judul & isi","author":{"@id":"#a"}}]}'
        ),
        (
            '{"@type":"WebPage","mainEntity":{"@type":"https://schema.org/Article",'
            '"headline":"Judul & isi","author":{"@type":"Person","name":"Ana"}}}'
        ),
        '{"@type":"Article","headline":"Judul & isi","author":"Ana","description":"a\nb"}',
    ],
)
def test_json_ld_is_read_in_all_its_forms(json):
    entry = read(page(STORY, head=LD.format("{broken") + LD.format(json)))
    assert (entry.title, entry.author) == ("Judul & isi", "Ana")
    assert entry.body == BODY


def test_json_ld_of_other_stories_is_not_this_ones():
    others = (
        '[{"@type":"NewsArticle","headline":"Lain","url":"/2"},'
        '{"@type":"NewsArticle","headline":"Lagi","url":"/3"}]'
    )
    assert read(page(STORY, head=LD.format(others))).title == "Banjir di Tangerang"


def test_a_page_drawn_by_scripts_is_read_from_its_json_ld():
    json = (
        '{"@type":"NewsArticle","headline":"Judul","datePublished":"2024-01-02","image":"/i.jpg"}'
    )
    entry = read(f"<html><head>{LD.format(json)}</head><body><div id=app></div></body></html>")
    assert (entry.title, entry.image_url) == ("Judul", "https://kabar.co.id/i.jpg")
    assert entry.published_at is not None
    assert entry.published_at.isoformat() == "2024-01-02T00:00:00+07:00"


OG_ONLY = og("title", "Harga Cabai &amp; Bawang") + og("description", "Harga cabai naik di pasar.")


@pytest.mark.parametrize(
    "meta",
    [
        '<meta property="article:published_time" content="2024-02-01T10:00:00+07:00">',
        '<meta property="article:tag" content="Ekonomi">',
        '<meta property="article:section" content="Ekonomi">',
        og("type", "Article"),
    ],
)
def test_metas_that_only_articles_have_make_an_article(meta):
    entry = read(f"<html><head>{OG_ONLY}{meta}</head><body><div id=app></div></body></html>")
    assert (entry.title, entry.summary) == ("Harga Cabai & Bawang", "Harga cabai naik di pasar.")


def test_a_title_for_sharing_and_a_text_make_an_article():
    text = "<p>Harga cabai naik sejak Senin di pasar induk.</p>"
    assert read(f"<head>{OG_ONLY}</head><h1>Harga Cabai</h1>{text}").body == text[3:-4]
    for head in ("", OG_ONLY + og("type", "website")):
        with pytest.raises(ParseError, match="no article"):
            read(f"<head>{head}</head><h1>Harga Cabai</h1>{text}")
    with pytest.raises(ParseError, match="no article"):
        read(f"<head>{OG_ONLY}</head><h1>Harga Cabai</h1>")


BLOG = (
    '<title>Why I left | Ana Blog</title><link rel="canonical" href="https://kabar.co.id/">'
    "<h1>Ana Blog</h1><article><header><h2>Why I left</h2></header>"
    "<p>By Ana Maria on March 3, 2024</p>{}<p>Share this: Twitter Facebook</p></article>"
    "<footer><p>All of these words belong to Ana, who wrote them one by one.</p></footer>"
).replace("h2", "h1")


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("<p>I left on a rainy Tuesday, and I slept well.</p><p>Then it got better.</p>",
         "I left on a rainy Tuesday, and I slept well.\nThen it got better."),
        ("<p>I left.</p>", "I left."),
        ("<p>I left.</p><h2>Related posts</h2><p>Why I stayed.</p>", "I left."),
        ("<p>I left.</p><div><p>Then it got better.</p></div>", "I left.\nThen it got better."),
    ],
)  # fmt: skip
def test_a_short_post_is_an_article_if_the_page_marks_it_as_one(text, body):
    entry = read(BLOG.format(text))
    assert (entry.title, entry.body, entry.author) == ("Why I left", body, "Ana Maria")
    assert entry.published_at is not None
    assert entry.url == URL
    assert read(BLOG.format(text), url=None).url is None


def test_a_front_pages_short_cards_are_no_article():
    cards = "".join(f"<article><h1>Judul {n}</h1><p>Isinya.</p></article>" for n in range(3))
    linked = "<article><h1><a href=/1>Judul yang panjang</a></h1><p>Isinya.</p></article>"
    for html in (cards, linked, "<article><h1>Judul</h1></article>", "<h1>Judul</h1><p>Isi.</p>"):
        with pytest.raises(ParseError, match="no article"):
            read(html)


# --- what is no article

TEASER = f"<article><h2><a href=/{{}}>Judul nomor {{}} yang panjang</a></h2><p>{LEAD}</p></article>"


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("", "empty"),
        ("halo", "no article"),
        ("<html><title>Just a moment...</title><body><h1>Checking</h1></body></html>", "challenge"),
        (
            "<h1>Kabar</h1>" + "<div><a href=/1>Judul berita yang panjang</a></div>" * 40,
            "no article",
        ),
        ("<title>Kabar</title>" + "".join(TEASER.format(n, n) for n in range(9)), "no article"),
        ("x" * 5_000_001, "larger than 5 MB"),
    ],
)
def test_what_is_no_article_is_named(html, reason):
    with pytest.raises(ParseError, match=reason):
        read(html)


# --- hostile pages

SIZE = 4_900_000
HOSTILE = {
    "nesting": lambda: "<div>" * (SIZE // 5),
    "formatting": lambda: "<b>" * (SIZE // 3),
    "paragraphs": lambda: "<p>" * 60_000 + ("<p>" + LEAD) * (SIZE // 140),
    "deep story": lambda: "<div>" * 60_000 + ("<p>" + LEAD) * 20_000,
    "attributes": lambda: "<div " + " ".join(f"a{i}=1" for i in range(400_000)) + ">",
    "hidden attributes": lambda: "<div " + " ".join(f"a{i}='<'" for i in range(400_000)) + ">",
    "open tags": lambda: "<a " * (SIZE // 3),
    "open quotes": lambda: '<a href="' * (SIZE // 9),
    "images": lambda: f"<img src=x alt='{LEAD}'>" * (SIZE // 150),
    "links": lambda: "<p>" + "<a href=/tag/x>y" * (SIZE // 17),
    "headings": lambda: "<h1>Judul yang panjang sekali" * (SIZE // 30),
    "one line": lambda: "<p>" + "A - " * (SIZE // 4),
    "labels": lambda: "<p>Penulis : a | Editor : b " * (SIZE // 28),
    "dates": lambda: "<p>1 Mei 2020 " * (SIZE // 15),
    "lists": lambda: f"<p>{LEAD}<p>Berita Terkait" * (SIZE // 160),
    "json": lambda: LD.format("[" * (SIZE - 100)),
    "json objects": lambda: LD.format('[{"@type":"Article","headline":"x"},' * (SIZE // 40)),
    "metas": lambda: "<meta name=a content=b>" * (SIZE // 24),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_five_megabytes_of_anything_cost_little(name):
    html = f"<h1>Judul yang panjang</h1>{HOSTILE[name]()}".encode()[:5_000_000]
    started = time.process_time()
    with contextlib.suppress(ParseError):
        read(html)
    assert time.process_time() - started < MAX_CPU_S


PIECES = st.lists(
    st.sampled_from(
        ["<p>", "</p>", "<div>", "</div>", "<h1>", "</h1>", "<a href='", "'>", "</a>", "<script>",
         LEAD,
         "<!--", "-->", "<", ">", "&amp;", "Penulis : ", "Editor", " | ", "Rabu, 11 Oktober 2023",
         "<time datetime='2023-10-11'>", "<img src='/a.jpg' alt='b'>", "<title>", "</title>",
         "<meta property=og:title content='", "Berita Terkait", "SERANG – ", "\x00", "\ud800",
         "<nav>",
         LD.format('{"@type":"Article","headline":"J","author":{"@id":"#"}}')]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(PIECES)
def test_any_page_gives_an_entry_or_a_reason(html):
    try:
        entry = read(html.encode("utf-8", "surrogatepass"))
    except ParseError as error:
        assert str(error) != ""  # noqa: PT017 (an entry is as good an outcome)
        return
    assert entry.title == " ".join(entry.title.split()) != ""
    for text in (entry.title, entry.summary, entry.body, entry.author or "", entry.editor or ""):
        text.encode()


# --- prose


@pytest.mark.parametrize(
    "head",
    [
        "TANGERANG, bantenraya.co – ", "KOTA TANGERANG – ", "Jakarta, CNN Indonesia -- ",
        "JAKARTA (ANTARA) - ", "LONDON, Oct 11 (Reuters) — ", "SERANG, BANTENRAYA.COM- ",
        "Liputan6.com, Jakarta - ", "TEMPO.CO, Jakarta - ", "Jakarta - ", "JAKARTA SELATAN - ",
        "TANGERANG, (bantenraya.co) - ", "Tangerang, bantenraya.co | ", "WASHINGTON (AP) — ",
        "bantenraya.co | TANGERANG - ", "REPUBLIKA.CO.ID, JAKARTA -- ",
        "PANDEGLANG, BANTEN RAYA – ",
        "TANGERANG: ", "KOMPAS.com - ", "TANGERANG (11/10/2023) — ", "TANGERANG, (11/10) – ",
        "TANGERANG, Rabu (11/10/2023) – ", "TANGERANG, 11/10/2023 — ",
        "Serang (Rabu, 11-10-2023) - ",
        "TANGERANG, kabar.co.id (11/10) – ", "KOTA TANGERANG [11/10/23] - ",
    ],
)  # fmt: skip
def test_datelines_are_taken_off(head):
    assert without_dateline(head + "Polres menggelar rapat.") == "Polres menggelar rapat."


@pytest.mark.parametrize(
    "text",
    [
        "Jakarta - Bandung kini ditempuh dalam satu jam.",
        "KPK – Polri bersinergi memberantas korupsi.",
        "Persib - Persija bermain imbang di Bandung.",
        "Kapolres Metro Tangerang - Kombes Zain - mengatakan demikian.",
        "Indonesia - Malaysia sepakat soal perbatasan.",
        "Polres Metro Tangerang Kota, Polda Metro Jaya mengelar rapat koordinasi.",
        "POLRES METRO TANGERANG KOTA - POLDA METRO JAYA MENGGELAR RAPAT.",
        "Jakarta, Bandung, dan Surabaya - tiga kota besar - banjir.",
        "Warga - termasuk anak-anak - mengungsi.",
        "Polres (11/10) – Kapolres memimpin rapat.",
        "(11/10) – Polres menggelar rapat.",
        "Persib (2-1) – Persija takluk di kandang.",
        "Serang balik! Tim tuan rumah menang.",
    ],
)
def test_no_word_of_the_story_is_taken_for_a_dateline(text):
    assert without_dateline(text) == text
    assert not is_dateline(text)


@pytest.mark.parametrize(
    "line",
    ["bantenraya.co | TANGERANG", "TANGERANG", "Jakarta, 11 Oktober 2023", "Jakarta (11/10/2023)"],
)
def test_a_dateline_of_its_own_is_nothing(line):
    assert without_dateline(line) == ""


@given(st.text(max_size=200))
def test_a_dateline_leaves_the_end_of_any_text(text):
    assert text.endswith(without_dateline(text))


@pytest.mark.parametrize(
    "line",
    [
        "ADVERTISEMENT", "ads", "SCROLL TO RESUME CONTENT", "Baca Juga :  51 Personel",
        "BACA JUGA: X",
        "facebook twitter whatsapp telegram line copy", "facebook icon twitter icon", "Share",
        "URL berhasil dicopy", "Berita ini 13 kali dibaca", "1.234 views",
        "Ikuti kami di Google News",
    ],
)  # fmt: skip
def test_furniture_is_known(line):
    assert is_noise(line)
    assert story_lines([line, LEAD]) == [LEAD]
