"""Own short links: where they lead, who is counted, what is popular."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from factories import NOW, entry, stored_story
from hypothesis import given
from hypothesis import strategies as st

from bot.clicks import FRESH_FOR, MOST_KNOWN, MOST_UNKNOWN, Clicks
from bot.db import open_database
from bot.errors import DatabaseError
from bot.identity import sight_entry
from bot.links import canonical, in_ascii, read_short_code, short_link, story_code, story_key
from bot.qr import MOST_BYTES, qr_png, qr_svg
from bot.render import Renderer
from bot.store import Store
from bot.store.clicks import warmed
from bot.types import Click, ClickKind, Platform
from bot.visitors import is_ahead_of_time, is_machine
from bot.web.metrics import metrics_text
from bot.web.short import ShortLinks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.types import LinkedStory, Story

TEMPLATES = Path(__file__).parent.parent / "templates"
JAKARTA = ZoneInfo("Asia/Jakarta")
PUBLIC = "https://go.example"
PHONE = (
    "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Mobile Safari/537.36"
)
MACHINES = [
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "WhatsApp/2.24.9.78 A",
    "WhatsApp/2.2587.9 W",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "facebookexternalhit/1.1;line-poker/1.0",
    "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "meta-externalfetcher/1.1",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slackbot 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    (
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like"
        " Gecko) Chrome/131.0.0.0 Mobile Safari/537.36 (compatible; GoogleOther)"
    ),
    "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
    "AdsBot-Google (+http://www.google.com/adsbot.html)",
    "Mediapartners-Google",
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0;"
        " +http://www.bing.com/bingbot.htm) Chrome/131.0.0.0 Safari/537.36"
    ),
    "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b",
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)"
    ),
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
    "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Baiduspider+(+http://www.baidu.com/search/spider.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "kakaotalk-scrap/1.0; +https://devtalk.kakao.com/t/scrap/33984",
    "http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.social/) Bot",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0",
]
PEOPLE = [
    PHONE,
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
        " Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
        " Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.31.108;FBBV/611]"
    ),
    (
        "Mozilla/5.0 (Linux; Android 13; SM-A135F; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/470.0.0.0;]"
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
        " Gecko) Mobile/15E148 Safari Line/14.9.0"
    ),
    (
        "Mozilla/5.0 (Linux; Android 13; Pixel 6; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36 Line/14.9.0/IAB"
    ),
    (
        "Mozilla/5.0 (Linux; Android 13; SM-A536B) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/131.0.0.0 Mobile Safari/537.36 Telegram-Android/11.2.3 (Samsung SM-A536B)"
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
        " Gecko) Mobile/15E148 Twitter for iPhone/10.50"
    ),
    "Mozilla/5.0 (Linux; Android 12; CPH2209) AppleWebKit/537.36 Instagram 300.0.0.29.110 Android",
    "Mozilla/5.0 (Linux; Android 11; CUBOT X50) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile",
    "Mozilla/5.0 (Linux; Android 9; CUBOT_NOTE_20) AppleWebKit/537.36 Chrome/99.0 Mobile",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Slack_SSB/4.41.97 Chrome/130 Mobile",
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
        " discord/1.0.9170 Chrome/128.0.6613.186 Electron/32.2.2 Safari/537.36"
    ),
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80/191.273; U; id) Presto/2.12.423 Version/12.16",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "",
    None,
]

Client = TestClient[web.Request, web.Application]


class Moment:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def clicks(store: Store) -> Clicks:
    return Clicks(store, JAKARTA, utm=True)


@pytest.fixture
async def client(clicks: Clicks, moment: Moment) -> AsyncIterator[Client]:
    async with TestClient(TestServer(served(clicks, moment))) as client:
        yield client


def served(clicks: Clicks, moment: Moment, locale: str = "id") -> web.Application:
    """The short links as an application of their own."""
    renderer = Renderer(locale=locale, zone=UTC, utm=True, builtin=TEMPLATES)
    app = web.Application()
    ShortLinks(clicks, renderer, moment).add_to(app)
    return app


def sharing(**changes: object) -> Renderer:
    defaults = {"locale": "id", "zone": UTC, "utm": True, "builtin": TEMPLATES, "short_at": PUBLIC}
    return Renderer(**(defaults | changes))


def path_of(story: Story, platform: Platform) -> str:
    return urlsplit(short_link(PUBLIC, story.code, platform)).path


async def counted(store: Store, clicks: Clicks) -> Counter[tuple[Platform, ClickKind]]:
    await clicks.flush(NOW)
    return Counter(await store.count_all_clicks())


async def withdraw(store: Store, story: Story) -> None:
    await store._database.run(
        lambda tx: tx.execute("UPDATE stories SET withdrawn_at = 1 WHERE id = :id", id=story.id)
    )


async def test_each_platform_has_a_link_that_leads_to_the_story(
    client: Client, store: Store, clicks: Clicks
) -> None:
    story = await stored_story(store)
    for platform in Platform:
        for path in (path_of(story, platform), path_of(story, platform) + "/"):
            answer = await client.get(path, allow_redirects=False, headers={"User-Agent": PHONE})
            assert answer.status == 302
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Set-Cookie" not in answer.headers
            location = answer.headers["Location"]
            assert story_key(location) == story_key(story.url)
            source = [] if platform is Platform.OTHER else [str(platform)]
            assert parse_qs(urlsplit(location).query).get("utm_source", []) == source
    expected = {(platform, ClickKind.READER): 2 for platform in Platform}
    assert await counted(store, clicks) == expected


async def test_links_sent_before_there_were_platforms_go_on_working(
    client: Client, store: Store
) -> None:
    story = await stored_story(store)
    answer = await client.get(f"/s/{story.code}", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, story.url)


async def test_parameters_that_apps_add_and_capitals_change_nothing(
    client: Client, store: Store
) -> None:
    story = await stored_story(store)
    path = path_of(story, Platform.FACEBOOK)
    for asked in (f"{path}?fbclid=abc&url=https://evil.example/", f"/s/{path[3:].upper()}"):
        answer = await client.get(asked, allow_redirects=False)
        assert urlsplit(answer.headers["Location"]).hostname == "kabar.example"


@pytest.mark.parametrize("agent", MACHINES)
def test_machines_are_no_readers(agent: str) -> None:
    assert is_machine(agent)


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_are_readers_whatever_app_they_read_in(agent: str | None) -> None:
    assert not is_machine(agent)


@pytest.mark.parametrize(
    ("purpose", "ahead"),
    [
        ("prefetch", True),
        ("prefetch;prerender", True),
        ("prefetch;anonymous-client-ip", True),
        ("Preview", True),
        ("", False),
        (None, False),
    ],
)
def test_a_page_fetched_ahead_of_time_has_no_reader_yet(purpose: str | None, ahead: bool) -> None:
    assert is_ahead_of_time(purpose) is ahead


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": "WhatsApp/2.23.20.0"},
        {"User-Agent": PHONE, "Sec-Purpose": "prefetch;prerender"},
        {"User-Agent": PHONE, "Purpose": "prefetch"},
        {"User-Agent": PHONE, "X-Moz": "prefetch"},
    ],
)
async def test_previews_are_counted_apart(
    client: Client, store: Store, clicks: Clicks, headers: dict[str, str]
) -> None:
    story = await stored_story(store)
    path = path_of(story, Platform.WHATSAPP)
    assert (await client.get(path, allow_redirects=False, headers=headers)).status == 302
    assert await counted(store, clicks) == {(Platform.WHATSAPP, ClickKind.PREVIEW): 1}
    assert await store.list_popular(NOW, 5) == []


async def test_head_is_answered_like_get_and_is_no_reader(
    client: Client, store: Store, clicks: Clicks
) -> None:
    story = await stored_story(store)
    path = path_of(story, Platform.LINE)
    answer = await client.head(path, allow_redirects=False, headers={"User-Agent": PHONE})
    assert (answer.status, answer.headers["Location"][:22]) == (302, "https://kabar.example/")
    assert await counted(store, clicks) == {(Platform.LINE, ClickKind.PREVIEW): 1}
    assert (await client.head("/s/aaaaaaaaaaaaw")).status == 404


UNKNOWN_CODES = [
    "nothing",
    "aaaaaaaaaaaa",
    "aaaaaaaaaaaaw",
    "aaaaaaaaaaaa1",
    "aaaaaaaaaaaaww",
    "https:%2F%2Fevil.example",
    "%2F%2Fevil.example%2F",
    "..%2F..%2Fetc",
    "a" * 4000,
    "%00",
    "%F0%9F%98%80",
    "' OR 1=1 --",
    "aaaaaaaaaaaa%0d%0aX-Evil:%201",
]


async def test_an_unknown_code_gets_a_small_page(client: Client) -> None:
    for code in UNKNOWN_CODES:
        answer = await client.get(f"/s/{code}", allow_redirects=False)
        text = await answer.text()
        assert answer.status == 404, code
        assert "Location" not in answer.headers
        assert answer.content_type == "text/html"
        assert "Tautan tidak ditemukan" in text
        assert len(text) < 2_000
        assert code not in text


async def test_pages_speak_the_newsrooms_language(
    store: Store, clicks: Clicks, moment: Moment
) -> None:
    async with TestClient(TestServer(served(clicks, moment, "en"))) as client:
        answer = await client.get("/s/nothing")
        assert "Link not found" in await answer.text()


async def test_a_withdrawn_story_is_gone_with_words(
    client: Client, store: Store, clicks: Clicks, moment: Moment
) -> None:
    story = await stored_story(store)
    path = path_of(story, Platform.TELEGRAM)
    assert (await client.get(path, allow_redirects=False)).status == 302
    await withdraw(store, story)
    moment.now += FRESH_FOR
    answer = await client.get(path, allow_redirects=False)
    assert (answer.status, "Location" in answer.headers) == (410, False)
    assert "ditarik" in await answer.text()
    assert await counted(store, clicks) == {(Platform.TELEGRAM, ClickKind.READER): 1}
    assert await store.list_popular(NOW, 5) == []


async def test_a_revised_address_is_followed_within_seconds(
    client: Client, store: Store, moment: Moment
) -> None:
    story = await stored_story(store)
    path = path_of(story, Platform.COPY)
    await client.get(path, allow_redirects=False)
    await store._database.run(
        lambda tx: tx.execute("UPDATE stories SET url = 'https://kabar.example/baru/'")
    )
    moment.now += FRESH_FOR
    answer = await client.get(path, allow_redirects=False)
    assert answer.headers["Location"].startswith("https://kabar.example/baru/?utm_source=copy&")


async def test_an_address_in_any_script_goes_into_a_header(client: Client, store: Store) -> None:
    story = await stored_story(store, url="https://كتاب.example/berita/日本?q=é#bagian-ü")
    answer = await client.get(path_of(story, Platform.X), allow_redirects=False)
    location = answer.headers["Location"]
    assert location.isascii()
    assert location.startswith("https://xn--mgbce3h.example/berita/%E6%97%A5%E6%9C%AC?q=%C3%A9&utm")
    assert location.endswith("#bagian-%C3%BC")
    assert story_key(location) == story_key(story.url)


@given(st.text(max_size=60).map(lambda text: f"https://kabar.example/{text}") | st.text())
def test_what_a_header_carries_is_one_address_of_the_web_or_nothing(url: str) -> None:
    address = in_ascii(url)
    assert address == "" or address.startswith(("http://", "https://"))
    assert address.isascii()
    assert not any(character.isspace() or not character.isprintable() for character in address)
    assert bool(address) == bool(canonical(url))
    assert story_key(address) == (story_key(url) if address else "")


@given(st.text(max_size=20))
def test_no_text_but_a_code_is_read_as_one(text: str) -> None:
    read = read_short_code(text)
    if read is not None:
        assert short_link("", *read) == f"/s/{text.lower()}"


@given(st.text(), st.sampled_from(Platform))
def test_a_short_link_is_read_back(key: str, platform: Platform) -> None:
    code = story_code(key)
    assert read_short_code(urlsplit(short_link(PUBLIC, code, platform)).path[3:]) == (
        code,
        platform,
    )


def test_neighbouring_stories_have_codes_far_apart() -> None:
    codes = [story_code(f"https://kabar.example/berita-{number}") for number in range(200)]
    shared = [
        sum(a == b for a, b in zip(one, other, strict=True)) for one, other in pairwise(codes)
    ]
    assert len(set(codes)) == 200
    assert max(shared) <= 5


def test_every_link_of_a_message_is_its_platforms_own() -> None:
    story = replace(sight_entry(entry(1)).story, id=7)
    sheet = sharing().share_sheet(story)

    def own(platform: Platform) -> str:
        return short_link(PUBLIC, story.code, platform)

    for name, link in asdict(sheet.links).items():
        platform = Platform(name.removesuffix("_desktop"))
        assert own(platform) in unquote(link)
        assert unquote(link).count(PUBLIC) == 1
        assert "kabar.example" not in unquote(link)
    assert f'<a href="{own(Platform.TELEGRAM)}">{story.url}</a>' in sheet.message.html
    assert sheet.texts.whatsapp.endswith(own(Platform.WHATSAPP))
    assert sheet.texts.line.endswith(own(Platform.LINE))
    assert sheet.texts.plain.endswith(own(Platform.PLAIN))
    assert sheet.message.preview_url == sheet.copy_url == story.url
    copy = [button.copy_text for row in sheet.message.buttons for button in row if button.copy_text]
    assert copy == [story.url]
    listed = sharing().list_message([story])
    assert own(Platform.TELEGRAM) in listed.html


def test_the_copy_button_copies_the_short_link_if_the_newsroom_wants_it() -> None:
    story = replace(sight_entry(entry(1)).story, id=7)
    sheet = sharing(copy_short=True).share_sheet(story)
    assert sheet.copy_url == short_link(PUBLIC, story.code, Platform.COPY)
    copy = [button.copy_text for row in sheet.message.buttons for button in row if button.copy_text]
    assert copy == [sheet.copy_url]
    foreign = replace(story, short_url="https://is.gd/a1")
    renderer = sharing(copy_short=True, short_at=None)
    assert renderer.share_sheet(foreign).copy_url == "https://is.gd/a1"
    assert renderer.share_sheet(story).copy_url == story.url


@pytest.mark.parametrize("changes", [{"id": 0}, {"url": "", "id": 7}])
def test_what_is_not_stored_or_has_no_address_has_no_short_link(changes: dict[str, object]) -> None:
    story = replace(sight_entry(entry(1)).story, **changes)
    sheet = sharing(copy_short=True).share_sheet(story)
    assert PUBLIC not in f"{sheet}"


async def test_clicks_are_written_in_groups_by_the_newsrooms_day(
    store: Store, clicks: Clicks
) -> None:
    story, other = await stored_story(store, 1), await stored_story(store, 2)
    late = NOW.replace(hour=16, minute=59, second=59)
    target = await clicks.find(f"{story.code}w", late)
    second = await clicks.find(f"{other.code}f", late)
    assert target is not None
    assert second is not None
    for _ in range(3):
        clicks.count(target, ClickKind.READER)
    clicks.count(second, ClickKind.PREVIEW)
    clicks.count_press(other.id)
    assert await clicks.flush(late)
    assert not await clicks.flush(late)
    clicks.count(target, ClickKind.READER)
    assert await clicks.flush(late + timedelta(seconds=1))
    first, last = date(2026, 11, 24), date(2026, 11, 25)
    assert await store.list_clicks(first, last) == [
        Click(story.id, Platform.WHATSAPP, ClickKind.READER, 4),
        Click(other.id, Platform.FACEBOOK, ClickKind.PREVIEW, 1),
        Click(other.id, Platform.TELEGRAM, ClickKind.PRESS, 1),
    ]
    assert await store.list_clicks(last, last) == [
        Click(story.id, Platform.WHATSAPP, ClickKind.READER, 1)
    ]
    assert await store.list_clicks(first, first, story.id) == [
        Click(story.id, Platform.WHATSAPP, ClickKind.READER, 3)
    ]


async def test_two_processes_count_together(store: Store) -> None:
    story = await stored_story(store)
    both = [Clicks(store, JAKARTA, utm=True) for _ in range(2)]
    for clicks in both:
        target = await clicks.find(f"{story.code}t", NOW)
        assert target is not None
        for _ in range(50):
            clicks.count(target, ClickKind.READER)
    await asyncio.gather(*(clicks.flush(NOW) for clicks in both))
    assert await store.count_all_clicks() == {(Platform.TELEGRAM, ClickKind.READER): 100}
    (popular,) = await store.list_popular(NOW, 5)
    assert popular.id == story.id


class Away:
    """A store whose database comes and goes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False
        self.asked = 0

    async def find_linked_story(self, code: str) -> LinkedStory | None:
        self.asked += 1
        if self.away:
            raise DatabaseError("away")
        return await self._store.find_linked_story(code)

    async def count_clicks(self, *details: object) -> None:
        if self.away:
            raise DatabaseError("away")
        await self._store.count_clicks(*details)


async def test_while_the_database_is_away_known_links_lead_on_and_no_click_is_lost(
    store: Store, moment: Moment
) -> None:
    story = await stored_story(store)
    faulty = Away(store)
    clicks = Clicks(faulty, JAKARTA, utm=True)
    path = path_of(story, Platform.TELEGRAM)
    async with TestClient(TestServer(served(clicks, moment))) as client:
        assert (await client.get(path, allow_redirects=False)).status == 302
        faulty.away = True
        moment.now += timedelta(hours=1)
        assert (await client.get(path, allow_redirects=False)).status == 302
        answer = await client.get("/s/aaaaaaaaaaaat", allow_redirects=False)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        for _ in range(2):
            with pytest.raises(DatabaseError):
                await clicks.flush(NOW)
    faulty.away = False
    assert await counted(store, clicks) == {(Platform.TELEGRAM, ClickKind.READER): 2}


async def test_many_at_once_ask_the_database_once(store: Store) -> None:
    story = await stored_story(store)
    asked = Away(store)
    clicks = Clicks(asked, JAKARTA, utm=True)
    for code in (f"{story.code}w", "aaaaaaaaaaaaw"):
        asked.asked = 0
        found = await asyncio.gather(*(clicks.find(code, NOW) for _ in range(50)))
        await clicks.find(code, NOW + FRESH_FOR / 2)
        assert len(set(found)) == 1
        assert asked.asked == 1


async def test_memory_is_bounded_whatever_is_asked_for(store: Store) -> None:
    class Everything:
        async def find_linked_story(self, code: str) -> LinkedStory | None:
            return await store.find_linked_story(code) if code in known else None

    story = await stored_story(store)
    known = {story.code}
    clicks = Clicks(Everything(), JAKARTA, utm=True)
    for number in range(MOST_UNKNOWN + 10):
        assert await clicks.find(story_code(str(number)), NOW) is None
    assert len(clicks._unknown) == MOST_UNKNOWN
    spelled = [
        "".join(c.upper() if number >> place & 1 else c for place, c in enumerate(story.code))
        for number in range(2**12)
    ]
    codes = dict.fromkeys(code + mark for mark in "twlfxhecpqTWL" for code in spelled)
    assert len(codes) > MOST_KNOWN
    for code in list(codes)[: MOST_KNOWN + 10]:
        await clicks.find(code, NOW)
    assert len(clicks._known) == MOST_KNOWN
    assert not clicks._asked


async def test_short_urls_of_a_shortener_that_is_given_up_are_forgotten(store: Store) -> None:
    story = await stored_story(store)
    await store.record_short_url(story.id, "https://is.gd/a1")
    await store.forget_short_urls()
    assert await store.find_story(story.id) == story


async def test_popular_is_what_was_opened_lately(store: Store) -> None:
    old, new, seen = [await stored_story(store, number) for number in (1, 2, 3)]

    async def opened(story: Story, number: int, hours_ago: float, kind=ClickKind.READER) -> None:
        moment = NOW - timedelta(hours=hours_ago)
        await store.count_clicks(
            [Click(story.id, Platform.LINE, kind, number)], moment.date(), moment
        )

    async def popular(**later: float) -> list[int]:
        return [story.id for story in await store.list_popular(NOW + timedelta(**later), 5)]

    assert await popular() == []
    await opened(seen, 1000, 0, ClickKind.PREVIEW)
    assert await popular() == []
    await opened(old, 40, 72)
    await opened(new, 4, 24)
    await opened(new, 2, 0, ClickKind.PRESS)
    assert await popular() == [old.id, new.id]
    await opened(new, 2, 0)
    assert await popular() == [new.id, old.id]
    assert [story.id for story in await store.list_popular(NOW, 1)] == [new.id]
    await withdraw(store, new)
    assert await popular() == [old.id]
    assert await popular(days=30) == []


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 40)), min_size=1, max_size=20),
    st.floats(0, 10),
)
def test_heat_is_the_sum_of_hits_halved_daily(
    hits: list[tuple[int, float]], later_days: float
) -> None:
    heat, moment = 0.0, NOW
    moments = []
    for number, days in hits:
        moment += timedelta(days=days)
        heat = warmed(heat, number, moment)
        moments.append((number, moment))
    now = moment + timedelta(days=later_days)
    left = sum(number * 0.5 ** ((now - at) / timedelta(days=1)) for number, at in moments)
    age = (now - moment) / timedelta(days=1)
    measured = 2 ** (heat - moment.timestamp() / 86_400) * 0.5**age
    assert measured == pytest.approx(left, rel=1e-6)


async def test_metrics_count_clicks_and_previews_by_platform(
    client: Client, store: Store, clicks: Clicks
) -> None:
    story = await stored_story(store)
    path = path_of(story, Platform.THREADS)
    await client.get(path, allow_redirects=False, headers={"User-Agent": PHONE})
    await client.get(path, allow_redirects=False, headers={"User-Agent": "Twitterbot/1.0"})
    await clicks.flush(NOW)
    text = await metrics_text(store, NOW)
    assert 'sebar_clicks_total{platform="threads"} 1\n' in text
    assert 'sebar_previews_total{platform="threads"} 1\n' in text
    assert 'sebar_clicks_total{platform="whatsapp"} 0\n' in text
    assert "# TYPE sebar_clicks_total counter\n" in text


async def test_nothing_of_who_clicked_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    database = await open_database(f"sqlite:///{file}")
    store = Store(database)
    clicks = Clicks(store, JAKARTA, utm=True)
    story = await stored_story(store)
    async with TestClient(TestServer(served(clicks, Moment()))) as client:
        headers = {"User-Agent": "Unikum/1.0", "X-Forwarded-For": "203.0.113.77", "Cookie": "a=zz9"}
        path = path_of(story, Platform.WHATSAPP)
        await client.get(path, allow_redirects=False, headers=headers)
    await clicks.flush(NOW)
    await database.close()
    kept = b"".join(part.read_bytes() for part in tmp_path.iterdir())
    assert b"whatsapp" in kept
    for trace in (b"Unikum", b"203.0.113.77", b"127.0.0.1", b"zz9"):
        assert trace not in kept


def test_a_qr_code_is_a_picture_of_an_address() -> None:
    url = short_link(PUBLIC, "abcdefghijkl", Platform.QR)
    assert qr_png(url).startswith(b"\x89PNG\r\n\x1a\n")
    assert qr_png(url) == qr_png(url) != qr_png(url + "x")
    picture = ET.fromstring(qr_svg(url))
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert picture.get("viewBox") == "0 0 37 37"
    assert qr_png("https://a.b/" + "x" * (MOST_BYTES - 12))
    for wrong in ("", "x" * (MOST_BYTES + 1)):
        with pytest.raises(ValueError, match="holds 1 to"):
            qr_svg(wrong)
