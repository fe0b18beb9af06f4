from __future__ import annotations

from email.utils import parsedate_to_datetime
from hashlib import md5
from typing import TYPE_CHECKING

import feedparser

if TYPE_CHECKING:
    from wordpress import Answer, Post, WordPress

pytest_plugins = ("wordpress",)


def after_the_second(wordpress: WordPress, modified: str) -> None:
    """Wait until a change can have a Last-Modified of its own: WordPress counts whole seconds."""
    while wordpress.get("/readme.html").headers["date"] == modified:
        pass


def entry_of(wordpress: WordPress, post: Post) -> feedparser.FeedParserDict:
    """Find a post in the feed by its guid: posts of one second come in no certain order."""
    entries = feedparser.parse(wordpress.get("/feed/").body).entries
    return next(entry for entry in entries if entry.id == post.guid)


def conditional(wordpress: WordPress, *, etag: str = "", modified: str = "") -> Answer:
    headers = {"If_None_Match": etag, "If_Modified_Since": modified}
    return wordpress.get("/feed/", **{name: value for name, value in headers.items() if value})


def test_a_published_post_is_in_the_feed_and_on_the_site(wordpress: WordPress) -> None:
    post = wordpress.publish("Siaga & “Waspada” – 100%", "<p>Air naik di hulu.</p>")
    entry = entry_of(wordpress, post)
    assert entry.title == "Siaga & “Waspada” – 100%"
    assert entry.link == post.url
    assert not entry.guidislink
    assert entry.published.endswith(" +0000")
    assert entry.summary == "Air naik di hulu."
    assert wordpress.get(post.url.removeprefix(wordpress.url)).status == 200


def test_the_feed_says_that_it_is_rss(wordpress: WordPress) -> None:
    answer = wordpress.get("/feed/")
    assert answer.headers["content-type"].lower() == "application/rss+xml; charset=utf-8"


def test_the_guid_is_the_number_of_what_was_a_draft_else_the_first_address(
    wordpress: WordPress,
) -> None:
    at_once = wordpress.publish("Terbit langsung")
    draft = wordpress.publish("Konsep dulu", status="draft")
    published = wordpress.edit(draft, status="publish")
    assert at_once.guid == at_once.url
    assert published.guid == f"{wordpress.url}/?p={draft.id}" != published.url


def test_an_edit_changes_title_and_link_but_neither_guid_nor_date(wordpress: WordPress) -> None:
    post = wordpress.publish("Judul lama", slug="judul-lama")
    before = entry_of(wordpress, post)
    edited = wordpress.edit(post, title="Judul baru", slug="judul-baru")
    after = entry_of(wordpress, post)
    assert (after.title, after.link) == ("Judul baru", edited.url)
    assert after.link != before.link
    assert (after.id, after.published) == (before.id, before.published)


def test_a_trashed_post_leaves_feed_and_site(wordpress: WordPress) -> None:
    post = wordpress.publish("Akan ditarik")
    assert wordpress.trash(post).status == "trash"
    feed = feedparser.parse(wordpress.get("/feed/").body)
    assert post.guid not in [entry.id for entry in feed.entries]
    assert wordpress.get(post.url.removeprefix(wordpress.url)).status == 404


def test_the_etag_is_made_of_the_time_of_the_last_change(wordpress: WordPress) -> None:
    wordpress.publish("Berita terbaru")
    headers = wordpress.get("/feed/").headers
    modified = headers["last-modified"]
    assert headers["etag"] == f'"{md5(modified.encode()).hexdigest()}"'
    assert parsedate_to_datetime(modified) is not None


def test_an_unchanged_feed_answers_304_to_either_or_both_validators(wordpress: WordPress) -> None:
    headers = wordpress.get("/feed/").headers
    etag, modified = headers["etag"], headers["last-modified"]
    for answer in (
        conditional(wordpress, etag=etag),
        conditional(wordpress, modified=modified),
        conditional(wordpress, etag=etag, modified=modified),
    ):
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag


def test_of_two_validators_both_must_match(wordpress: WordPress) -> None:
    headers = wordpress.get("/feed/").headers
    etag, modified = headers["etag"], headers["last-modified"]
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    assert conditional(wordpress, etag=etag, modified=old).status == 200
    assert conditional(wordpress, etag=f"W/{etag}", modified=modified).status == 200
    assert conditional(wordpress, etag=f"W/{etag}").status == 200


def test_a_new_post_ends_the_304(wordpress: WordPress) -> None:
    headers = wordpress.get("/feed/").headers
    etag, modified = headers["etag"], headers["last-modified"]
    after_the_second(wordpress, modified)
    post = wordpress.publish("Sesudah jeda")
    answer = conditional(wordpress, etag=etag, modified=modified)
    assert answer.status == 200
    assert post.guid in [entry.id for entry in feedparser.parse(answer.body).entries]


def test_the_feed_holds_ten_posts_and_its_second_page_the_rest(wordpress: WordPress) -> None:
    for number in range(11):
        wordpress.publish(f"Berita {number}", date_gmt=f"2024-01-{number + 1:02}T00:00:00")
    first = feedparser.parse(wordpress.get("/feed/").body).entries
    second = feedparser.parse(wordpress.get("/feed/?paged=2").body).entries
    assert len(first) == 10
    assert second
    assert not {entry.id for entry in first} & {entry.id for entry in second}
    assert wordpress.get("/feed/?paged=99").status == 404
