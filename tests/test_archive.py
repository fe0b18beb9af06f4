"""A WordPress site's REST API, as an archive of stories that have left the feed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from bot.errors import FetchError
from bot.feeds import WordPressArchive, guarded, places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

SINCE = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@asynccontextmanager
async def archive(
    answer: Answer, *, named: bool = True
) -> AsyncIterator[tuple[str, WordPressArchive]]:
    """A site with this API, whose address the operator has named or not."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with guarded(places([url] if named else [])) as session:
            yield url, WordPressArchive(session, total_s=5)
    finally:
        await runner.cleanup()


def posts(query: dict[str, str], number: int) -> web.Response:
    """A page of posts that were all modified in the same second."""
    size, page = int(query["per_page"]), int(query.get("page", "1"))
    start = (page - 1) * size
    if page > 1 and start >= number:
        return web.json_response({"code": "rest_post_invalid_page_number"}, status=400)
    modified = (SINCE + timedelta(seconds=9)).strftime("%Y-%m-%dT%H:%M:%S")
    return web.json_response(
        [
            {
                "id": one,
                "link": f"https://kabar.example/{one}/",
                "title": {"rendered": f"Berita {one}"},
                "modified_gmt": modified,
            }
            for one in range(start + 1, min(start + size, number) + 1)
        ]
    )


@pytest.mark.parametrize("number", [0, 1, 20, 25, 60])
async def test_posts_modified_in_one_second_are_all_read(number: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return posts(dict(request.query), number)

    async with archive(answer) as (url, site):
        found = await site.list_modified(f"{url}wp-json/", SINCE)
    assert [post.id for post in found] == list(range(1, number + 1))


async def test_a_site_that_gives_the_same_page_for_ever_is_not_read_for_ever() -> None:
    asked = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return posts({"per_page": request.query["per_page"]}, 1000)

    async with archive(answer) as (url, site):
        found = await site.list_modified(f"{url}wp-json/", SINCE)
    assert (len(found), asked) == (20, 10)


async def test_an_archive_leads_nowhere_inside() -> None:
    async def secret(_: web.Request) -> web.Response:
        return web.json_response([])

    async with archive(secret, named=False) as (inside, _):

        async def lead(_: web.Request) -> web.Response:
            raise web.HTTPFound(inside)

        async with archive(lead) as (url, site):
            with pytest.raises(FetchError):
                await site.list_modified(f"{url}wp-json/", SINCE)
            with pytest.raises(FetchError):
                await site.find(f"{url}feed/")
