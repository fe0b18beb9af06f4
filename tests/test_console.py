"""The console over HTTP: its doors, its pages, its forms."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from consoles import EDITOR, OWNER, TOKEN, served
from factories import NOW, opened_broadcast, stored_story, subscribed_chat

from bot.types import ActKind, BroadcastState
from bot.web.console.proof import proof_key, read_proof
from bot.web.console.shown import telegram_shown, whatsapp_shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consoles import Desk

    from bot.store import Store

PAGES = ["", "calendar", "audience", "templates", "templates/telegram", "feeds", "log", "new"]
ADDRESSES = [
    *PAGES,
    "stories/1",
    "stories/1/correct",
    "broadcasts/1",
    "broadcasts/1/events",
    "nothing/here",
]
FORMS = [
    "out",
    "new",
    "audience/export",
    "stories/1/draft",
    "stories/1/correct",
    "stories/1/retract",
    *(
        f"broadcasts/1/{act}"
        for act in ("send", "schedule", "cancel", "audience", "edit", "pause", "resume", "stop")
    ),
    "broadcasts/1/resend",
    "templates/line",
    "templates/line/preview",
    "templates/line/restore",
]


@pytest_asyncio.fixture
async def desk(store: Store) -> AsyncIterator[Desk]:
    async with served(store) as desk:
        yield desk


async def refusals(desk: Desk) -> list[tuple[int, ActKind]]:
    acts = await desk.editing.list_acts(OWNER, desk.now, 50)
    return [(act.editor, act.kind) for act in acts if act.refused]


async def test_a_link_signs_in_once(desk: Desk) -> None:
    link = await desk.link()
    async with desk.visitor() as first:
        answer = await first.get(link)
        assert answer.status == 200
        assert "Masuk" in await answer.text()
        answer = await first.sign_in(link)
        assert (answer.status, answer.headers["Location"]) == (303, "/console/")
        assert "Berita" in await first.text("/console/")
        assert (await first.get(link)).status == 410
    async with desk.visitor() as second:
        assert (await second.sign_in(link)).status == 410
        assert (await second.get("/console/")).status == 403


async def test_two_presses_at_once_make_one_session(desk: Desk) -> None:
    link = await desk.link()
    async with desk.visitor() as visitor:
        await visitor.get(link)
        presses = [visitor.client.post(link, allow_redirects=False) for _ in range(5)]
        answers = await asyncio.gather(*presses)
        assert sorted(answer.status for answer in answers) == [303, 410, 410, 410, 410]


async def test_a_link_is_for_the_browser_that_opens_it_first(desk: Desk) -> None:
    link = await desk.link()
    async with desk.visitor() as first, desk.visitor() as second:
        await first.get(link)
        assert (await second.sign_in(link)).status == 403
        assert (await second.get("/console/")).status == 403
        assert (await first.sign_in(link)).status == 303


async def test_previews_use_no_link_up(desk: Desk) -> None:
    link = await desk.link()
    async with desk.visitor(**{"User-Agent": "TelegramBot (like TwitterBot)"}) as preview:
        assert (await preview.get(link)).status == 200
        assert (await preview.client.head(link)).status == 200
    async with desk.visitor() as visitor:
        await visitor.client.get(link, headers={"Sec-Purpose": "prefetch;prerender"})
    async with desk.visitor() as editor:
        assert (await editor.sign_in(link)).status == 303


async def test_a_link_is_late_after_five_minutes(desk: Desk) -> None:
    link, kept = await desk.link(), await desk.link()
    async with desk.visitor() as visitor:
        await visitor.get(kept)
        desk.wait(minutes=5)
        assert (await visitor.sign_in(link)).status == 410
        assert (await visitor.client.post(kept, allow_redirects=False)).status == 410


async def test_unknown_links_are_not_tried_for_long(desk: Desk) -> None:
    link = await desk.link()
    async with desk.visitor() as visitor:
        statuses = [(await visitor.get(f"/console/in/{'x' * 43}")).status for _ in range(12)]
        assert statuses == [404] * 10 + [429] * 2
        assert (await visitor.get(link)).headers["Retry-After"] == "60"
        desk.wait(minutes=1)
        assert (await visitor.sign_in(link)).status == 303


async def test_a_session_ends_after_twelve_idle_hours(desk: Desk) -> None:
    async with desk.editor() as editor:
        for _ in range(3):
            desk.wait(hours=11, minutes=59)
            assert (await editor.get("/console/")).status == 200
        desk.wait(hours=12)
        assert (await editor.get("/console/")).status == 403


async def test_signing_out_ends_every_session(desk: Desk) -> None:
    open_link = await desk.link()
    async with desk.editor() as here, desk.editor() as there, desk.editor() as third:
        assert (await here.post("/console/out")).status == 200
        for one in (here, there, third):
            assert (await one.get("/console/")).status == 403
        assert (await there.sign_in(open_link)).status == 404


async def test_a_dismissed_editors_open_page_is_closed(desk: Desk) -> None:
    await desk.editing.appoint(OWNER, EDITOR, "Rina", NOW)
    story = await stored_story(desk.store)
    async with desk.editor(EDITOR) as editor:
        csrf = await editor.csrf()
        await desk.editing.dismiss(OWNER, EDITOR, NOW)
        path = f"/console/stories/{story.id}/draft"
        assert (await editor.post(path, csrf=csrf)).status == 403
        assert (await editor.get("/console/")).status == 403
    assert await desk.editing.story_broadcasts(story.id) == []
    assert (EDITOR, ActKind.LOOK) in await refusals(desk)


async def test_a_link_of_somebody_dismissed_opens_nothing(desk: Desk) -> None:
    async with desk.visitor() as visitor:
        assert (await visitor.sign_in(await desk.link(EDITOR))).status == 403
        assert (await visitor.get("/console/")).status == 403
    assert (EDITOR, ActKind.SIGN_IN) in await refusals(desk)


async def test_readers_see_no_page(desk: Desk) -> None:
    story = await stored_story(desk.store, title="Rahasia redaksi")
    await opened_broadcast(desk.store, story)
    async with desk.visitor() as reader:
        for path in ADDRESSES:
            answer = await reader.get(f"/console/{path}")
            assert answer.status == 403, path
            assert "Rahasia" not in await answer.text()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_forged_forms_change_nothing(desk: Desk) -> None:
    story = await stored_story(desk.store)
    await opened_broadcast(desk.store, story)
    async with desk.visitor() as reader, desk.editor() as editor, desk.editor() as other:
        strange = await other.csrf()
        own = await editor.csrf()
        for path in (f"/console/{form}" for form in FORMS):
            assert (await reader.post(path, csrf="x")).status == 403, path
            for csrf in ("é", strange):
                assert (await editor.post(path, csrf=csrf)).status == 403, path
            answer = await editor.client.post(
                path, data={"csrf": own}, headers={"Sec-Fetch-Site": "cross-site"}
            )
            assert answer.status == 403, path
            answer = await editor.client.post(path, json={"csrf": own})
            assert answer.status == 415, path
    (broadcast,) = await desk.editing.story_broadcasts(story.id)
    assert broadcast.state is BroadcastState.OPEN
    assert (OWNER, ActKind.LOOK) in await refusals(desk)


async def test_cookies_and_headers_are_strict_behind_https(store: Store) -> None:
    async with served(store, "https://sebar.example") as desk, desk.visitor() as visitor:
        link = await desk.link()
        cookies = [(await visitor.get(link)).headers["Set-Cookie"]]
        browser = cookies[0].partition(";")[0]
        answer = await visitor.client.post(link, headers={"Cookie": browser}, allow_redirects=False)
        cookies.append(answer.headers["Set-Cookie"])
        for cookie in cookies:
            assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/console"} <= set(
                cookie.split("; ")
            )
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        assert answer.headers["Cache-Control"] == "no-store"
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def init_data(person: int, at: int, token: str = TOKEN, **more: str) -> str:
    fields = {"auth_date": str(at), "user": json.dumps({"id": person}), **more}
    text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    fields["hash"] = hmac.new(proof_key(token), text.encode(), hashlib.sha256).hexdigest()
    return urlencode(fields)


async def test_telegrams_word_signs_an_editor_in_once(desk: Desk) -> None:
    proof = init_data(OWNER, int(NOW.timestamp()), signature="abc")
    async with desk.visitor() as visitor:
        answer = await visitor.client.post(
            "/console/app", data={"proof": proof}, allow_redirects=False
        )
        assert answer.status == 303
        assert (await visitor.get("/console/")).status == 200
        assert (await visitor.get("/console/app")).status == 303
    async with desk.visitor() as thief:
        answer = await thief.client.post("/console/app", data={"proof": proof})
        assert answer.status == 410
        reader = init_data(99, int(NOW.timestamp()))
        answer = await thief.client.post("/console/app", data={"proof": reader})
        assert answer.status == 403
        assert (await thief.get("/console/")).status == 403


@pytest.mark.parametrize(
    "proof",
    [
        "",
        "x",
        "hash=",
        init_data(OWNER, int(NOW.timestamp()), token="654321:other"),
        init_data(OWNER, int(NOW.timestamp()) - 301),
        init_data(OWNER, int(NOW.timestamp()) + 3600),
        init_data(OWNER, int(NOW.timestamp())).replace("%3A+7", "%3A+8"),
        init_data(OWNER, int(NOW.timestamp())) + "&user=%7B%22id%22%3A8%7D",
        init_data(OWNER, 10**40),
        init_data(OWNER, int(NOW.timestamp()), user="[]"),
        init_data(OWNER, int(NOW.timestamp()), user='{"id": true}'),
        "a" * 9000,
    ],
)
def test_a_forged_or_old_word_is_not_believed(proof: str) -> None:
    assert read_proof(proof, proof_key(TOKEN), NOW) is None


@pytest.mark.parametrize("language", ["id", "en"])
async def test_every_page_says_something_where_there_is_nothing(desk: Desk, language: str) -> None:
    async with desk.editor(**{"Accept-Language": language}) as editor:
        for path in PAGES:
            text = await editor.text(f"/console/{path}")
            assert f'<html lang="{language}">' in text
            assert "<h1>" in text
        assert (await editor.get("/console/stories/1")).status == 404
        assert (await editor.get("/console/broadcasts/x")).status == 404
        assert (await editor.get("/console/templates/x")).status == 404
        assert (await editor.get("/console/nothing")).status == 404


async def test_stories_are_listed_found_and_escaped(desk: Desk) -> None:
    await stored_story(desk.store, 1, title="Banjir <b>besar</b> & surut")
    async with desk.editor() as editor:
        text = await editor.text("/console/")
        assert "Banjir &lt;b&gt;besar&lt;/b&gt; &amp; surut" in text
        assert "Banjir" in await editor.text("/console/?q=banjir")
        assert "Tidak ada berita yang cocok" in await editor.text("/console/?q=zzz")
        assert (await editor.get("/console/?q=%00%22%3E&page=9999999999999999")).status == 200


async def test_a_story_goes_from_draft_to_open_once(desk: Desk) -> None:
    story = await stored_story(desk.store)
    await subscribed_chat(desk.store)
    async with desk.editor() as editor:
        answer = await editor.post(f"/console/stories/{story.id}/draft")
        page = answer.headers["Location"]
        again = await editor.post(f"/console/stories/{story.id}/draft")
        assert again.headers["Location"] == page
        text = await editor.text(page)
        assert "Kirim sekarang (1)" in text
        assert story.title in text
        csrf = await editor.csrf()
        presses = [editor.post(f"{page}/send", csrf=csrf, revision="1") for _ in range(4)]
        places = [answer.headers["Location"] for answer in await asyncio.gather(*presses)]
        assert sorted(place.partition("said=")[2] for place in places) == [
            "decided",
            "decided",
            "decided",
            "sending",
        ]
        assert "Siaran keluar sekarang." in await editor.text(f"{page}?said=sending")
    (broadcast,) = await desk.editing.story_broadcasts(story.id)
    assert (broadcast.state, broadcast.decided_by) == (BroadcastState.SCHEDULED, OWNER)


async def test_what_is_scheduled_stands_in_the_calendar(desk: Desk) -> None:
    story = await stored_story(desk.store)
    async with desk.editor() as editor:
        page = (await editor.post(f"/console/stories/{story.id}/draft")).headers["Location"]
        assert (await editor.post(f"{page}/schedule", at="kapan saja")).status == 422
        assert (await editor.post(f"{page}/schedule", at="besok 06.00")).status == 303
        text = await editor.text("/console/calendar")
        assert "06:00" in text
        assert "Rabu, 25 November 2026" in text
        assert (await editor.post(f"{page}/cancel")).status == 303
        assert "06:00" not in await editor.text("/console/calendar")


async def test_faulty_words_are_refused_with_the_reason(desk: Desk) -> None:
    story = await stored_story(desk.store)
    async with desk.editor() as editor:
        page = (await editor.post(f"/console/stories/{story.id}/draft")).headers["Location"]
        answer = await editor.post(f"{page}/edit", html="<b>lupa menutup")
        assert answer.status == 422
        assert "&lt;b&gt;lupa menutup" in await answer.text()
        assert (await editor.post(f"{page}/edit", html="<b>Lengkap</b>")).status == 303
        assert "<b>Lengkap</b>" in await editor.text(page)
        assert (await editor.post(f"{page}/audience", reach="tags", tags=" , ")).status == 422
        assert (await editor.post(f"{page}/audience", reach="chats")).status == 422
        answer = await editor.post(f"{page}/audience", reach="tags", tags="Politik, Politik")
        assert answer.status == 303


async def test_a_correction_and_a_retraction_want_a_second_look(desk: Desk) -> None:
    story = await stored_story(desk.store)
    await subscribed_chat(desk.store)
    await opened_broadcast(desk.store, story)
    path = f"/console/stories/{story.id}"
    async with desk.editor() as editor:
        assert (await editor.post(f"{path}/correct")).status == 422
        answer = await editor.post(f"{path}/correct", html="Yang <i>benar</i>", marked="1")
        text = await answer.text()
        assert "Yang <i>benar</i>" in text
        assert 'name="step" value="make"' in text
        states = await desk.store.list_message_states(story.id)
        assert "benar" not in states[0].message.html
        answer = await editor.post(f"{path}/correct", html="Yang <i>benar</i>", step="make")
        assert answer.headers["Location"].startswith(f"{path}?said=corrected")
        states = await desk.store.list_message_states(story.id)
        assert "benar" in states[0].message.html
        assert "Yang <i>benar</i>" in await editor.text(path)
        answer = await editor.post(f"{path}/retract")
        assert "said=retracted" in answer.headers["Location"]
        assert "said=decided" in (await editor.post(f"{path}/retract")).headers["Location"]
        assert "ditarik" in await editor.text(path)


async def test_a_template_is_tried_checked_kept_and_undone(desk: Desk) -> None:
    story = await stored_story(desk.store)
    path = "/console/templates/plain"
    async with desk.editor() as editor:
        answer = await editor.post(path, source="{{ title }}\n{{ nope }}")
        assert answer.status == 422
        text = await answer.text()
        assert "baris 2" in text
        assert "{{ nope }}" in text
        assert await desk.store.list_templates() == []
        answer = await editor.post(f"{path}/preview", source="KABAR {{ title }}")
        assert f"KABAR {story.title}" in await answer.text()
        answer = await editor.post(path, source="KABAR {{ title }}", step="look")
        assert await desk.store.list_templates() == []
        assert (await editor.post(path, source="KABAR {{ title }}\r\n{{ url }}")).status == 303
        assert desk.renderer.share_sheet(story).texts.plain == f"KABAR {story.title}\n{story.url}"
        assert f"KABAR {story.title}" in await editor.text(f"/console/stories/{story.id}")
        assert (await editor.post(f"{path}/restore")).status == 303
        assert "KABAR" not in desk.renderer.share_sheet(story).texts.plain
        first = (await desk.store.list_templates())[0].id - 1
        assert (await editor.post(f"{path}/restore", id=str(first))).status == 303
        assert "KABAR" in desk.renderer.share_sheet(story).texts.plain
        assert (await editor.post(f"{path}/restore", id="999")).status == 404
        for bomb in (
            "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
            "{{ title.__class__ }}",
            "{" * 20_000,
            "",
            "x" * 20_001,
        ):
            assert (await editor.post(path, source=bomb)).status == 422


async def test_the_ledger_names_chats_and_reasons(desk: Desk) -> None:
    story = await stored_story(desk.store)
    chat = await subscribed_chat(desk.store)
    broadcast_id = await opened_broadcast(desk.store, story)
    await desk.store.close_chat(chat.id, "bot was blocked by the user", NOW)
    page = f"/console/broadcasts/{broadcast_id}"
    async with desk.editor() as editor:
        text = await editor.text(f"{page}?show=refused")
        assert "1001" in text
        assert "bot was blocked" in text
        assert "Tidak ada baris" in await editor.text(f"{page}?show=sent")
        assert (await editor.get(f"{page}?show=%27&after=x")).status == 200
        closed = await editor.text("/console/audience?closed=1")
        assert "bot was blocked" in closed
        events = await (await editor.get(f"{page}/events")).text()
        assert events.startswith("event: progress\ndata: ")
        assert events.endswith("event: end\ndata: \n\n")


async def test_the_audience_is_searched_and_exported(desk: Desk) -> None:
    await subscribed_chat(desk.store, 1001, "Politik")
    await subscribed_chat(desk.store, 1002)
    async with desk.editor() as editor:
        found = await editor.text("/console/audience?q=1002")
        assert "1002" in found
        assert "1001" not in found
        assert (await editor.get("/console/audience?q=%25%5C_")).status == 200
        answer = await editor.post("/console/audience/export")
        assert await answer.text() == '{"telegram_id": 1001}\n'
        assert "attachment" in answer.headers["Content-Disposition"]
        assert "mengunduh audiens" in await editor.text("/console/log")


def test_messages_are_shown_as_html_of_our_own() -> None:
    html = '<b>A <i>b</i></b> \N{GRINNING FACE}<a href="https://x.example/?a=1&amp;b=2">c</a>&lt;'
    assert telegram_shown(html) == (
        "<b>A <i>b</i></b> \N{GRINNING FACE}"
        '<a href="https://x.example/?a=1&amp;b=2" rel="noopener noreferrer" target="_blank">c</a>'
        "&lt;"
    )
    assert telegram_shown("<script>x</script>") == "&lt;script&gt;x&lt;/script&gt;"
    assert whatsapp_shown("*A <x>*\n_b:_ 2*3*4 a_b_c") == (
        "<b>A &lt;x&gt;</b>\n<i>b:</i> 2*3*4 a_b_c"
    )


async def test_nothing_of_a_session_outlives_its_clock(desk: Desk) -> None:
    async with desk.editor():
        desk.wait(days=2)
        await desk.link()
        assert await desk.store.find_console_session("x", desk.now - timedelta(days=2)) is None
