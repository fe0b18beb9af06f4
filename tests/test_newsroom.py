from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import feedparser
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html

from bot.sandbox.newsroom import Newsroom, Submission, load_newsroom, newsroom_app
from bot.sandbox.newsroom_feeds import FeedView, write_atom, write_json_feed, write_rss
from bot.sandbox.newsroom_pages import dated_time, long_date
from bot.sandbox.newsroom_stories import Article, NothingToChangeError, Site, slugify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FOLDER = Path(__file__).parent.parent / "data" / "newsroom"
NOW = datetime(2026, 3, 10, 5, 0, 0, 250_000, tzinfo=UTC)
BASE = "http://127.0.0.1:8080/newsroom"
SEED_SLUG = "polres-metro-tangerang-gelar-rakor-lintas-sektoral"


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float = 1) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def newsroom() -> Newsroom:
    return load_newsroom(FOLDER, NOW)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(newsroom: Newsroom, clock: Clock) -> AsyncIterator[TestClient]:
    root = web.Application()
    root.add_subapp("/newsroom/", newsroom_app(newsroom, FOLDER, base_url=f"{BASE}/", clock=clock))
    async with TestClient(TestServer(root)) as opened:
        yield opened


async def text_of(client: TestClient, path: str) -> str:
    async with client.get(f"/newsroom{path}") as response:
        assert response.status == 200
        return await response.text()


async def order(client: TestClient, verb: str, **request: object) -> dict[str, str]:
    async with client.post(f"/newsroom/{verb}", **request) as response:
        assert response.status == 200
        return await response.json()


async def status_of(client: TestClient, path: str, **headers: str) -> int:
    async with client.get(f"/newsroom{path}", headers=headers, allow_redirects=False) as response:
        return response.status


def path_of(url: str) -> str:
    return url.removeprefix(BASE)


def stories() -> list[dict[str, object]]:
    data = json.loads((FOLDER / "stories.json").read_text(encoding="utf-8"))
    return [*data["published"], *data["prepared"]]


def test_every_storys_title_and_slug_is_unique() -> None:
    titles = {story["title"] for story in stories()}
    corrected = {story.get("corrected_title", story["slug"]) for story in stories()}
    slugs = {story["slug"] for story in stories()}
    assert len(titles | corrected) == 2 * len(stories())
    assert len(slugs) == len(stories()) >= 24


def test_every_story_is_complete_and_its_picture_small() -> None:
    for story in stories():
        assert 3 <= len(story["paragraphs"]) <= 7
        assert all(story[name] for name in ("section", "place", "caption", "author", "editor"))
        assert story["tags"]
        assert (FOLDER / str(story["image"])).stat().st_size <= 15_000
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 400_000


def test_the_newest_story_is_an_hour_old_and_the_seed_story_the_oldest(newsroom: Newsroom) -> None:
    articles = newsroom.newest()
    assert NOW - articles[0].published_at == timedelta(hours=1, microseconds=250_000)
    assert articles[-1].slug == SEED_SLUG
    assert long_date(articles[-1].published_at) == "Rabu, 11 Oktober 2023"
    assert NOW - articles[-2].published_at < timedelta(weeks=4)


def test_the_text_names_the_day_of_publication(newsroom: Newsroom) -> None:
    assert "Selasa (10/3)" in newsroom.newest()[0].lead
    assert not any("{" in text for article in newsroom.newest() for text in article.paragraphs)


def test_related_stories_share_tags_first(newsroom: Newsroom) -> None:
    flood = newsroom.newest()[0]
    related = newsroom.related(flood, 8)
    assert flood not in related
    assert all("Banjir" in article.tags for article in related[:1])
    assert "Warga Labuan Gotong Royong Bersihkan Saluran Air Cegah Banjir" in [
        article.title for article in related
    ]


def test_dates_are_written_as_the_theme_writes_them() -> None:
    moment = datetime(2025, 2, 12, 8, 31, tzinfo=UTC)
    assert dated_time(moment) == "Rabu, 12 Februari 2025 - 15:31 WIB"
    assert dated_time(moment, short_month=True) == "Rabu, 12 Feb 2025 - 15:31 WIB"


@pytest.mark.parametrize("path", ["/feed/", "/feed/atom/"])
async def test_feed_holds_the_ten_newest_in_order(
    client: TestClient, newsroom: Newsroom, path: str
) -> None:
    feed = feedparser.parse(await text_of(client, path))
    newest = newsroom.newest()[:10]
    assert not feed.bozo
    assert [entry.title for entry in feed.entries] == [article.title for article in newest]
    assert [entry.link for entry in feed.entries] == [f"{BASE}/{one.slug}/" for one in newest]
    assert [entry.id for entry in feed.entries] == [f"{BASE}/?p={one.id}" for one in newest]
    first = feed.entries[0]
    assert first.author == "Rina Kurnia"
    assert datetime(*first.published_parsed[:6], tzinfo=UTC) == newest[0].published_at
    assert [tag.term for tag in first.tags] == ["Tangerang", "Banjir", "Cuaca", "Kota Tangerang"]
    assert first.summary.startswith("Pemerintah Kota Tangerang menetapkan status siaga")
    assert first.summary.endswith("[&hellip;]")
    assert "<p>Warga diminta memindahkan" in first.content[0].value


async def test_rss_has_wordpress_shape(client: TestClient) -> None:
    text = await text_of(client, "/feed/")
    assert f'<guid isPermaLink="false">{BASE}/?p=' in text
    assert " +0000</pubDate>" in text
    assert "<dc:creator><![CDATA[" in text
    assert " [&hellip;]]]></description>" in text
    assert "<content:encoded><![CDATA[" in text


async def test_second_page_of_a_feed_goes_on_where_the_first_ended(
    client: TestClient, newsroom: Newsroom
) -> None:
    feed = feedparser.parse(await text_of(client, "/feed/?paged=2"))
    assert [entry.title for entry in feed.entries] == [one.title for one in newsroom.newest()[10:]]
    assert await status_of(client, "/feed/?paged=3") == 404


async def test_json_feed_states_every_story_and_its_next_page(
    client: TestClient, newsroom: Newsroom
) -> None:
    feed = json.loads(await text_of(client, "/feed/json/"))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert [item["title"] for item in feed["items"]] == [
        one.title for one in newsroom.newest()[:10]
    ]
    assert feed["items"][0]["image"] == f"{BASE}/assets/banjir.png"
    following = json.loads(await text_of(client, path_of(feed["next_url"])))
    assert len(following["items"]) == len(newsroom.newest()) - 10
    assert "next_url" not in following


@pytest.mark.parametrize("path", ["/category/tangerang/feed/", "/tag/banjir/feed/"])
async def test_feed_of_a_section_or_tag_holds_only_its_stories(
    client: TestClient, path: str
) -> None:
    feed = feedparser.parse(await text_of(client, path))
    wanted = "Banjir" if "tag" in path else "Tangerang"
    assert feed.entries
    assert all(wanted in [tag.term for tag in entry.tags] for entry in feed.entries)


@pytest.mark.parametrize("path", ["/feed/", "/feed/atom/", "/feed/json/"])
async def test_unchanged_feed_answers_304_until_something_changes(
    client: TestClient, path: str
) -> None:
    async with client.get(f"/newsroom{path}") as response:
        etag, modified = response.headers["ETag"], response.headers["Last-Modified"]
    conditions = [
        {"If-None-Match": etag},
        {"If-Modified-Since": modified},
        {"If-None-Match": etag, "If-Modified-Since": modified},
    ]
    for headers in conditions:
        assert await status_of(client, path, **headers) == 304
    await order(client, "publish")
    for headers in conditions:
        assert await status_of(client, path, **headers) == 200


async def test_of_two_validators_both_must_match(client: TestClient) -> None:
    async with client.get("/newsroom/feed/") as response:
        etag, modified = response.headers["ETag"], response.headers["Last-Modified"]
    old = "Mon, 01 Jan 2024 00:00:00 GMT"
    both = {"If-None-Match": etag, "If-Modified-Since": old}
    assert await status_of(client, "/feed/", **both) == 200
    both = {"If-None-Match": f"W/{etag}", "If-Modified-Since": modified}
    assert await status_of(client, "/feed/", **both) == 200
    assert await status_of(client, "/feed/", **{"If-Modified-Since": "kemarin"}) == 200


async def test_304_has_no_body_but_the_validators(client: TestClient) -> None:
    async with client.get("/newsroom/feed/") as full:
        etag, modified = full.headers["ETag"], full.headers["Last-Modified"]
    async with client.get("/newsroom/feed/", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        assert await response.read() == b""
        assert response.headers["ETag"] == etag
        assert response.headers["Last-Modified"] == modified


async def test_two_changes_within_one_second_have_validators_of_their_own(
    client: TestClient,
) -> None:
    seen = set()
    for verb in ("publish", "publish", "correct", "withdraw"):
        await order(client, verb)
        async with client.get("/newsroom/feed/") as response:
            seen.add((response.headers["ETag"], response.headers["Last-Modified"]))
    assert len({etag for etag, _ in seen}) == len({date for _, date in seen}) == 4


async def test_every_article_page_holds_the_themes_pieces(
    client: TestClient, newsroom: Newsroom
) -> None:
    for article in newsroom.newest():
        text = await text_of(client, f"/{article.slug}/")
        page = html.document_fromstring(text)
        words = " ".join(page.text_content().split())
        assert page.findtext(".//h1") == article.title
        assert [node.text for node in page.findall(".//h1/../p/time")] == [
            long_date(article.published_at)
        ]
        assert "facebook twitter whatsapp telegram line copy URL berhasil dicopy" in words
        assert "facebook icon twitter icon whatsapp icon telegram icon line icon copy" in words
        assert words.count(article.caption) == 2
        assert f"{article.subtitle} kabarbanten.example | {article.place}" in words
        assert text.count("<p>ADVERTISEMENT</p><p>ads</p><p>SCROLL TO RESUME CONTENT</p>") == 1
        assert text.count("Baca Juga :") == 2
        assert f"Penulis : {article.author} Editor : {article.editor}" in words
        assert text.count("<h2>Berita Terkait</h2>") == 2
        assert text.count("<h2>Berita Terbaru</h2>") == 1
        assert f"Berita ini {article.reads + 1} kali dibaca" in words
        assert f"{dated_time(newsroom.related(article, 1)[0].published_at)}" in words


async def test_article_page_describes_itself_in_its_head(client: TestClient) -> None:
    page = html.document_fromstring(await text_of(client, f"/{SEED_SLUG}/"))
    said = {node.get("property"): node.get("content") for node in page.iter("meta")}
    assert said["og:title"] == "Polres Metro Tangerang Gelar Rakor Lintas Sektoral"
    assert said["og:url"] == f"{BASE}/{SEED_SLUG}/"
    assert said["og:image"] == f"{BASE}/assets/pemilu.png"
    assert said["article:published_time"] == "2023-10-11T16:20:00+07:00"
    assert page.find(".//link[@rel='canonical']").get("href") == f"{BASE}/{SEED_SLUG}/"
    feeds = [node.get("href") for node in page.findall(".//link[@rel='alternate']")]
    assert feeds == [f"{BASE}/feed/", f"{BASE}/feed/atom/", f"{BASE}/feed/json/"]


async def test_every_link_within_the_site_leads_somewhere(client: TestClient) -> None:
    seen: set[str] = set()
    waiting = ["/", "/feed/", f"/{SEED_SLUG}/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        async with client.get(f"/newsroom{path}") as response:
            assert response.status == 200, path
            if response.content_type == "text/html":
                page = html.document_fromstring(await response.text())
                urls = page.xpath("//@href | //@src")
                waiting += [path_of(url) for url in urls if url.startswith(BASE)]
    assert len(seen) > 50
    assert "/?paged=2" in seen
    assert "/assets/style.css" in seen


async def test_pages_are_well_formed(client: TestClient) -> None:
    await order(client, "publish", json={"title": "A & B <b> \"q\" 'x'", "body": "<script>&"})
    for path in ("/", "/a-b-b-q-x/", f"/{SEED_SLUG}/", "/category/tangerang/", "/tag/banjir/"):
        text = await text_of(client, path)
        parser = html.HTMLParser(recover=True)
        html.document_fromstring(text, parser=parser)
        faults = [fault.message for fault in parser.error_log if "invalid" not in fault.message]
        assert faults == []
        assert "<script>&" not in text


async def test_unknown_addresses_answer_404(client: TestClient) -> None:
    for path in (
        "/nope/",
        "/nope",
        "/?p=9999",
        "/category/nope/",
        "/tag/nope/feed/",
        "/assets/stories.json",
        "/assets/..%2Fstories.json",
        "/?paged=99",
    ):
        assert await status_of(client, path) == 404, path


async def test_old_forms_of_addresses_lead_to_the_proper_one(
    client: TestClient, newsroom: Newsroom
) -> None:
    article = newsroom.newest()[0]
    for path in (f"/?p={article.id}", f"/{article.slug}"):
        async with client.get(f"/newsroom{path}", allow_redirects=False) as response:
            assert response.status == 301
            assert response.headers["Location"] == f"{BASE}/{article.slug}/"
    async with client.get("/newsroom/feed?paged=2", allow_redirects=False) as response:
        assert response.headers["Location"] == f"{BASE}/feed/?paged=2"


async def test_readings_are_counted_but_not_by_head(client: TestClient) -> None:
    assert "Berita ini 14 kali dibaca" in await text_of(client, f"/{SEED_SLUG}/")
    async with client.head(f"/newsroom/{SEED_SLUG}/") as response:
        assert response.status == 200
    assert "Berita ini 15 kali dibaca" in await text_of(client, f"/{SEED_SLUG}/")


async def test_publish_puts_the_next_prepared_story_on_top(
    client: TestClient, newsroom: Newsroom, clock: Clock
) -> None:
    clock.tick(90)
    answer = await order(client, "publish")
    assert answer["title"] == "Tinggi Muka Air Cisadane Turun, Status Siaga Banjir Dicabut"
    entry = feedparser.parse(await text_of(client, "/feed/")).entries[0]
    assert (entry.title, entry.link) == (answer["title"], answer["url"])
    assert entry.published == "Tue, 10 Mar 2026 05:01:30 +0000"
    assert newsroom.newest()[0].title in await text_of(client, path_of(answer["url"]))
    assert newsroom.newest()[0].title in await text_of(client, "/")


async def test_prepared_stories_come_round_again_as_new_ones(client: TestClient) -> None:
    answers = [await order(client, "publish") for _ in range(20)]
    assert len({answer["title"] for answer in answers}) == 20
    assert len({answer["url"] for answer in answers}) == 20
    assert answers[8]["title"] == f"{answers[0]['title']} (Bagian 2)"
    assert answers[16]["title"] == f"{answers[0]['title']} (Bagian 3)"


@pytest.mark.parametrize("kind", ["json", "data"])
async def test_publish_takes_a_story_of_the_senders_own(client: TestClient, kind: str) -> None:
    story = {
        "title": "Pasar & Jalan  “Baru” ]]> Dibuka",
        "summary": "Ringkasan ]]> pendek.",
        "body": "Alinea <satu>\nlanjut.\n\nAlinea dua.",
        "tags": "Pasar, Jalan ]]> Raya" if kind == "data" else ["Pasar", "Jalan ]]> Raya"],
    }
    answer = await order(client, "publish", **{kind: story})
    assert answer["url"] == f"{BASE}/pasar-jalan-baru-dibuka/"
    root = etree.fromstring((await text_of(client, "/feed/")).encode())
    item = root.find("channel/item")
    assert item.findtext("title") == "Pasar & Jalan “Baru” ]]> Dibuka"
    assert html.fromstring(item.findtext("description")).text == "Ringkasan ]]> pendek."
    assert "<p>Alinea &lt;satu&gt; lanjut.</p>\n<p>Alinea dua.</p>" in item.findtext(
        "{http://purl.org/rss/1.0/modules/content/}encoded"
    )
    tags = [node.text for node in item.findall("category")]
    assert tags == ["Tangerang", "Pasar", "Jalan ]]> Raya"]


async def test_two_stories_of_one_title_have_pages_of_their_own(client: TestClient) -> None:
    answers = [await order(client, "publish", json={"title": "Sama"}) for _ in range(2)]
    await order(client, "withdraw")
    answers.append(await order(client, "publish", json={"title": "Sama"}))
    assert [path_of(answer["url"]) for answer in answers] == ["/sama/", "/sama-2/", "/sama-3/"]


async def test_a_title_cannot_take_the_sites_own_addresses(client: TestClient) -> None:
    assert (await order(client, "publish", json={"title": "Feed"}))["url"] == f"{BASE}/feed-2/"
    assert "/berita-" in (await order(client, "publish", json={"title": "新聞"}))["url"]


@pytest.mark.parametrize(
    "request_body",
    [
        {"data": b"{", "headers": {"Content-Type": "application/json"}},
        {"data": b"\xff\xfe", "headers": {"Content-Type": "application/json"}},
        {"data": b"[" * 100_000, "headers": {"Content-Type": "application/json"}},
        {"json": ["title"]},
        {"json": {"body": "tanpa judul"}},
        {"json": {"title": " "}},
        {"json": {"title": "\ud800"}},
        {"json": {"title": 5}},
        {"json": {"title": "A", "tags": [1]}},
        {"json": {"title": "A", "tags": {"a": 1}}},
        {"json": {"title": "A", "body": []}},
        {"data": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": b"--b\r\nx", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
        {"data": b"title=\xff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {
            "data": b"title=x",
            "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=nope"},
        },
    ],
)
async def test_a_faulty_story_is_refused_with_a_reason(
    client: TestClient, newsroom: Newsroom, request_body: dict[str, object]
) -> None:
    before = newsroom.newest()
    async with client.post("/newsroom/publish", **request_body) as response:
        assert response.status == 400
        assert (await response.json())["error"]
    assert newsroom.newest() == before


async def test_correct_changes_title_and_modified_time_only(
    client: TestClient, clock: Clock
) -> None:
    await order(client, "publish")
    before = feedparser.parse(await text_of(client, "/feed/atom/")).entries[0]
    clock.tick(60)
    answer = await order(client, "correct")
    after = feedparser.parse(await text_of(client, "/feed/atom/")).entries[0]
    assert answer["title"] == after.title != before.title
    assert (after.id, after.link, after.published) == (before.id, before.link, before.published)
    assert after.updated == "2026-03-10T05:01:00Z" != before.updated
    page = await text_of(client, path_of(answer["url"]))
    assert f'<h1 class="entry-title">{answer["title"]}</h1>' in page


async def test_each_correction_changes_the_title_again(client: TestClient) -> None:
    await order(client, "publish", json={"title": "Judul"})
    titles = [(await order(client, "correct"))["title"] for _ in range(3)]
    assert titles == ["Judul (Ralat 1)", "Judul (Ralat 2)", "Judul (Ralat 3)"]
    assert (await order(client, "correct", json={"title": "Lain"}))["title"] == "Lain"


async def test_withdrawn_story_is_gone_from_page_and_feed(client: TestClient) -> None:
    published = await order(client, "publish")
    withdrawn = await order(client, "withdraw")
    assert withdrawn == published
    assert await status_of(client, path_of(published["url"])) == 404
    assert published["title"] not in await text_of(client, "/feed/")
    assert published["title"] not in await text_of(client, "/")


async def test_nothing_left_to_correct_or_withdraw_is_said(client: TestClient) -> None:
    for _ in range(17):
        await order(client, "withdraw")
    for verb in ("withdraw", "correct"):
        async with client.post(f"/newsroom/{verb}") as response:
            assert response.status == 409
            assert (await response.json())["error"] == "Tidak ada berita yang terbit."
    assert feedparser.parse(await text_of(client, "/feed/")).entries == []
    await order(client, "publish")


def test_a_newsroom_without_prepared_stories_says_so() -> None:
    empty = Newsroom(Site("N", "n.example", ""), [], [])
    with pytest.raises(NothingToChangeError):
        empty.publish(NOW)


async def test_orders_need_post(client: TestClient) -> None:
    for verb in ("publish", "correct", "withdraw"):
        assert await status_of(client, f"/{verb}") in {404, 405}


def test_slug_keeps_letters_and_digits_only() -> None:
    assert slugify("Isra Mi’raj: 51 Café!") == "isra-miraj-51-cafe"
    assert slugify("新聞") == ""
    assert len(slugify("kata " * 100)) <= 80


@given(
    title=st.text(min_size=1),
    summary=st.text(),
    body=st.text(),
    tags=st.lists(st.text(), max_size=3),
)
def test_whatever_is_published_the_feeds_stay_well_formed(
    title: str, summary: str, body: str, tags: list[str]
) -> None:
    newsroom = Newsroom(Site("N & <n>", "n.example", "t"), [], [])
    article = newsroom.publish(NOW, Submission(title, summary, body, tuple(tags)))
    view = view_of(newsroom)
    item = etree.fromstring(write_rss(view).encode()).find("channel/item")
    assert (item.findtext("title") or "") == article.title
    assert [node.text for node in item.findall("category")] == list(
        dict.fromkeys([article.section, *article.tags])
    )
    assert etree.fromstring(write_atom(view).encode()) is not None
    assert json.loads(write_json_feed(view).encode())["items"][0]["title"] == article.title


def view_of(newsroom: Newsroom) -> FeedView:
    articles: list[Article] = newsroom.newest()
    return FeedView(newsroom.site, BASE, f"{BASE}/feed/", f"{BASE}/", articles, NOW)
