"""The sandbox's updates, queries, people, misfortunes and remote control."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from sandboxed import article, connected, keyboard, refusal, until
from telegram import (
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    InlineKeyboardButton,
    Update,
)
from telegram.error import (
    ChatMigrated,
    Conflict,
    Forbidden,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.sandbox import TOKEN, Sandbox
from bot.sandbox.faults import Fault, Pace
from bot.sandbox.methods import methods
from bot.sandbox.profile import commands_for
from bot.sandbox.refusals import Refusal
from bot.sandbox.texts import formatted
from bot.telegram_html import escape, utf16_length

pytest_plugins = ("sandbox_served",)


async def test_updates_come_in_order_and_are_confirmed(bot, sandbox, world):
    sandbox.say(world.reader_id, world.reader_id, "/latest 3")
    updates = await bot.get_updates()
    assert [u.message.text for u in updates if u.message] == ["/start", "/latest 3"]
    assert updates[-1].message.entities[0].type == "bot_command"
    again = await bot.get_updates(offset=updates[-1].update_id)
    assert [u.update_id for u in again] == [updates[-1].update_id]
    assert await bot.get_updates(offset=updates[-1].update_id + 1) == ()


async def test_a_long_poll_wakes_at_the_next_update(bot, sandbox, world):
    await bot.get_updates(offset=-1)
    last = max(sandbox.updates.pending)
    waiting = asyncio.ensure_future(bot.get_updates(offset=last + 1, timeout=20))
    await until(lambda: sandbox.updates._waiting)
    sandbox.say(world.reader_id, world.reader_id, "halo")
    async with asyncio.timeout(5):
        assert [u.message.text for u in await waiting] == ["halo"]


@pytest.mark.usefixtures("world")
async def test_a_second_poll_ends_the_first_with_409(bot, sandbox):
    last = max(sandbox.updates.pending)
    first = asyncio.ensure_future(bot.get_updates(offset=last + 1, timeout=20))
    await until(lambda: sandbox.updates._waiting)
    await bot.get_updates(offset=last + 1)
    with pytest.raises(Conflict, match="terminated by other getUpdates request; make sure that"):
        await first


async def test_allowed_updates_are_remembered(bot, sandbox, world):
    await bot.get_updates(offset=-1, allowed_updates=["callback_query"])
    pending = len(sandbox.updates.pending)
    sandbox.say(world.reader_id, world.reader_id, "a")
    await bot.get_updates()
    sandbox.say(world.reader_id, world.reader_id, "b")
    assert len(sandbox.updates.pending) == pending


async def test_a_webhook_gets_each_chats_updates_in_order_until_it_takes_them(bot, sandbox, world):
    seen: list[tuple[int, str]] = []
    refuse = {world.group_id}

    async def hook(request: web.Request) -> web.Response:
        assert request.headers["X-Telegram-Bot-Api-Secret-Token"] == "rahasia"
        update = Update.de_json(await request.json(), None)
        message = update.effective_message
        if not message:
            return web.Response()
        if message.chat.id in refuse:
            refuse.discard(message.chat.id)
            return web.Response(status=500)
        seen.append((message.chat.id, message.text))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    assert await bot.set_webhook(f"http://127.0.0.1:{port}/hook", secret_token="rahasia")
    with pytest.raises(Conflict, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    for n in range(3):
        sandbox.say(world.reader_id, world.group_id, f"/g{n}")
        sandbox.say(world.reader_id, world.reader_id, f"/p{n}")
    await until(lambda: not sandbox.updates.pending)
    group = [text for chat, text in seen if chat == world.group_id]
    private = [text for chat, text in seen if chat == world.reader_id]
    assert group == ["/g0", "/g1", "/g2"]
    assert private == ["/start", "/p0", "/p1", "/p2"]
    info = await bot.get_webhook_info()
    assert "500" in info.last_error_message
    await bot.delete_webhook()
    await bot.get_updates()
    await runner.cleanup()


async def test_a_bad_secret_is_refused(bot):
    call = bot.set_webhook("https://a.co/h", secret_token="a b")
    assert await refusal(call) == "secret token contains unallowed characters"


async def test_privacy_mode_hides_small_talk_in_groups(bot, sandbox, world):
    await bot.get_updates(offset=-1)
    mine = await bot.send_message(world.group_id, "halo")
    sandbox.say(world.reader_id, world.group_id, "obrolan")
    sandbox.say(world.reader_id, world.group_id, "/latest@lain_bot")
    sandbox.say(world.reader_id, world.group_id, "/latest@sebar_bot")
    sandbox.say(world.reader_id, world.group_id, "balas", reply_to=mine.message_id)
    sandbox.say(world.reader_id, world.group_id, "hai @sebar_bot")
    texts = [u.message.text for u in await bot.get_updates() if u.message]
    assert texts[-3:] == ["/latest@sebar_bot", "balas", "hai @sebar_bot"]
    assert "obrolan" not in texts


async def test_membership_changes_reach_the_bot(bot, sandbox, world):
    await bot.get_updates(offset=-1)
    sandbox.block(world.reader_id)
    sandbox.remove_bot(world.channel_id, world.editor_id)
    changes = [u.my_chat_member for u in await bot.get_updates() if u.my_chat_member]
    assert [(c.chat.type, c.new_chat_member.status) for c in changes[-2:]] == [
        ("private", "kicked"),
        ("channel", "kicked"),
    ]
    assert changes[-1].old_chat_member.can_post_messages


async def test_channel_posts_of_people_reach_the_bot(bot, sandbox, world):
    await bot.get_updates(offset=-1)
    sandbox.say(world.editor_id, world.channel_id, "tangan")
    assert (await bot.get_updates())[-1].channel_post.text == "tangan"


async def test_a_press_waits_for_the_bots_answer(bot, sandbox, world):
    markup = keyboard(InlineKeyboardButton("Terkait", callback_data="related:1"))
    sent = await bot.send_message(world.reader_id, "a", reply_markup=markup)
    await bot.get_updates(offset=-1)
    pressed = sandbox.press(world.reader_id, world.reader_id, sent.message_id, "related:1")
    query = (await bot.get_updates())[-1].callback_query
    assert (query.data, query.message.message_id) == ("related:1", sent.message_id)
    await bot.answer_callback_query(query.id, "Siap", show_alert=True)
    assert await sandbox.answer_of(pressed) == {"text": "Siap", "show_alert": True}
    late = bot.answer_callback_query(query.id)
    assert "query is too old" in await refusal(late)
    with pytest.raises(KeyError):
        sandbox.press(world.reader_id, world.reader_id, sent.message_id, "none:1")


async def test_an_answer_comes_too_late(bot, sandbox, world):
    markup = keyboard(InlineKeyboardButton("a", callback_data="a:1"))
    sent = await bot.send_message(world.reader_id, "a", reply_markup=markup)
    pressed = sandbox.press(world.reader_id, world.reader_id, sent.message_id, "a:1")
    sandbox.advance(61)
    assert "query is too old" in await refusal(bot.answer_callback_query(pressed.id))
    assert await sandbox.answer_of(pressed, timeout_s=0) is None


async def test_a_chosen_inline_result_arrives_via_the_bot(bot, sandbox, world):
    await bot.get_updates(offset=-1)
    asked = sandbox.ask_inline(world.reader_id, "pemilu")
    query = (await bot.get_updates())[-1].inline_query
    assert query.query == "pemilu"
    markup = keyboard(InlineKeyboardButton("a", callback_data="related:1"))
    await bot.answer_inline_query(query.id, [article("1", reply_markup=markup)])
    assert (await sandbox.answer_of(asked))["results"][0]["title"] == "Judul"
    post = sandbox.choose(asked.id, "1", world.group_id)
    message = (await bot.get_updates())[-1].message
    assert (message.text, message.via_bot.username) == ("isi", "sebar_bot")
    sandbox.press(world.reader_id, world.group_id, post.id, "related:1")
    pressed = (await bot.get_updates())[-1].callback_query
    assert pressed.message is None
    assert await bot.edit_message_text("baru", inline_message_id=pressed.inline_message_id)


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([article("1"), article("1")], "result_id_duplicate"),
        ([article("1" * 65)], "result_id_invalid"),
        ([article("1", "<p>")], "can't parse entities: unsupported start tag"),
        ([article(str(n)) for n in range(51)], "too many inline query results specified"),
        ([article("1", "a" * 4097)], "message is too long"),
    ],
)
async def test_inline_results_that_telegram_refuses(bot, sandbox, world, results, reason):
    asked = sandbox.ask_inline(world.reader_id, "a")
    data = {"inline_query_id": asked.id, "results": results}
    assert reason in await refusal(bot._post("answerInlineQuery", data))


async def test_chats_and_their_people(bot, world):
    chat = await bot.get_chat(world.channel)
    assert (chat.id, chat.type, chat.title) == (world.channel_id, "channel", "Kabar Banten Raya")
    admins = await bot.get_chat_administrators(world.channel)
    assert {admin.status for admin in admins} == {"creator", "administrator"}
    assert (await bot.get_chat_member(world.group_id, world.reader_id)).status == "member"
    assert (await bot.get_chat_member(world.group_id, world.editor_id)).status == "creator"
    assert await bot.get_chat_member_count(world.group_id) == 3
    assert await bot.leave_chat(world.group_id)
    with pytest.raises(Forbidden, match="bot is not a member of the supergroup chat"):
        await bot.send_message(world.group_id, "a")


async def test_commands_by_scope_and_language(bot, sandbox, world):
    await bot.set_my_commands([("help", "Help")])
    await bot.set_my_commands([("bantuan", "Bantuan")], language_code="id")
    await bot.set_my_commands([("mulai", "Mulai")], BotCommandScopeAllPrivateChats(), "id")
    own = BotCommandScopeChat(world.reader_id)
    assert (await bot.get_my_commands(language_code="id"))[0].command == "bantuan"
    assert await bot.get_my_commands(own) == ()
    shown = [
        commands_for(sandbox, chat, world.reader_id)[0]["command"]
        for chat in (world.reader_id, world.group_id)
    ]
    assert shown == ["mulai", "bantuan"]
    await bot.delete_my_commands(BotCommandScopeAllPrivateChats(), "id")
    assert commands_for(sandbox, world.reader_id, world.reader_id)[0]["command"] == "bantuan"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("Help", "x"), "bot_command_invalid"),
        (("a" * 33, "x"), "command length must not exceed 32"),
        (("a", "x" * 257), "command description length must not exceed 256"),
        (("a", " "), "command description must be non-empty"),
    ],
)
async def test_commands_that_telegram_refuses(bot, command, reason):
    assert await refusal(bot.set_my_commands([command])) == reason


async def test_names_menus_and_actions(bot, world):
    await bot.set_my_name("Sebar Banten")
    assert (await bot.get_my_name()).name == "Sebar Banten"
    await bot.set_my_short_description("Kabar", "id")
    assert (await bot.get_my_short_description("id")).short_description == "Kabar"
    assert await bot.set_chat_menu_button()
    assert await bot.send_chat_action(world.reader_id, "typing")
    assert "wrong parameter action" in await refusal(
        bot.send_chat_action(world.reader_id, "dancing")
    )


async def test_a_planned_429_says_when_to_come_back(base, http, sandbox, world):
    sandbox.faults.plan(Fault(method="sendMessage", chat=world.channel_id, retry_after=7))
    args = {"chat_id": world.channel, "text": "a"}
    async with http.post(f"{base}/bot{TOKEN}/sendMessage", json=args) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert await answer.json() == {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 7",
            "parameters": {"retry_after": 7},
        }
    async with http.post(f"{base}/bot{TOKEN}/sendMessage", json=args) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("fault", "error", "arrives"),
    [
        (Fault(code=500), NetworkError, 0),
        (Fault(then="garbage", code=502), NetworkError, 0),
        (Fault(then="garbage", code=502, effect=True), NetworkError, 1),
        (
            Fault(code=403, description="Forbidden: bot was kicked from the channel chat"),
            Forbidden,
            0,
        ),
        (Fault(retry_after=3), RetryAfter, 0),
        (Fault(code=400, description="Bad Request: x", migrate_to=-1005), ChatMigrated, 0),
        (Fault(then="drop"), NetworkError, 0),
        (Fault(then="drop", effect=True), NetworkError, 1),
        (Fault(then="answer", delay_s=1.0), TimedOut, 1),
    ],
)
async def test_planned_faults_strike_once(base, sandbox, world, fault, error, arrives):
    async with connected(base, read_timeout=0.3) as bot:
        sandbox.faults.plan(fault)
        fault.method = "sendMessage"
        with pytest.raises(error):
            await bot.send_message(world.channel, "a")
        assert len(sandbox.sent(world.channel_id)) == arrives
        await bot.send_message(world.channel, "b")
        assert len(sandbox.sent(world.channel_id)) == arrives + 1


async def test_the_pace_is_kept_as_telegram_does(bot, sandbox, world):
    sandbox.pace = Pace(chat_burst=2, group_per_minute=3)
    for _ in range(2):
        await bot.send_message(world.group_id, "a")
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(world.group_id, "a")
    assert caught.value.retry_after.total_seconds() == 1
    await bot.send_message(world.channel, "a")
    sandbox.advance(1)
    await bot.send_message(world.group_id, "a")
    sandbox.advance(5)
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(world.group_id, "a")
    assert caught.value.retry_after.total_seconds() == 54


async def test_the_ledger_keeps_every_call(bot, sandbox, world):
    await bot.send_message(world.reader_id, "a")
    with pytest.raises(TelegramError):
        await bot.send_message(42, "a")
    calls = [call for call in sandbox.calls if call.method == "sendMessage"]
    assert [call.status for call in calls] == [200, 400]
    assert calls[0].params == {"chat_id": world.reader_id, "text": "a"}
    assert calls[0].reply["result"]["text"] == "a"


async def test_another_process_can_build_and_play_a_world(base, http, sandbox):
    async def do(verb: str, **args: Any) -> Any:
        async with http.post(f"{base}/_sandbox/{verb}", json=args) as answer:
            body = await answer.json()
            assert body["ok"], body
            return body["result"]

    ani = (await do("user", first_name="Ani", language_code="en"))["id"]
    chat = (await do("supergroup", title="G", owner=ani, forum=True))["id"]
    await do("add_bot", chat_id=chat, actor=ani)
    topic = (await do("topic", chat_id=chat, name="T"))["message_thread_id"]
    await do("say", user_id=ani, chat_id=ani, text="/start")
    await do("fault", method="sendMessage", then="error", code=500)
    async with connected(base) as bot:
        with pytest.raises(NetworkError):
            await bot.send_message(ani, "a")
        markup = keyboard(InlineKeyboardButton("a", callback_data="a:1"))
        sent = await bot.send_message(ani, "a", reply_markup=markup)
        await bot.send_message(chat, "b", message_thread_id=topic)
        press = asyncio.ensure_future(
            do("press", user_id=ani, chat_id=ani, post_id=sent.message_id, data="a:1")
        )
        await until(lambda: sandbox.pressed)
        await bot.answer_callback_query(next(iter(sandbox.pressed)), "ya")
        assert (await press)["answer"] == {"text": "ya"}
    async with http.get(f"{base}/_sandbox/chats/{chat}/messages") as answer:
        assert [m.get("text") for m in await answer.json()] == [None, "b"]
    async with http.get(f"{base}/_sandbox/calls?method=sendMessage") as answer:
        assert [call["status"] for call in await answer.json()] == [500, 200, 200]
    async with http.get(f"{base}/_sandbox/world?user={ani}") as answer:
        assert {c["id"] for c in (await answer.json())["chats"]} == {ani, chat}


async def test_the_control_wants_json_and_says_what_is_wrong(base, http, world):
    async with http.post(f"{base}/_sandbox/say", data="{}") as answer:
        assert answer.status == 415
    async with http.post(f"{base}/_sandbox/say", json={"user_id": 1}) as answer:
        assert answer.status == 400
    async with http.post(f"{base}/_sandbox/nothing", json={}) as answer:
        assert answer.status == 404
    args = {"user_id": world.reader_id, "chat_id": world.channel_id, "text": "a"}
    async with http.post(f"{base}/_sandbox/say", json=args) as answer:
        assert answer.status == 403


async def test_events_stream_what_happens(base, http, bot, world):
    async with http.get(f"{base}/_sandbox/events") as stream:
        assert await stream.content.readline() == b": open\n"
        sent = await bot.send_message(world.channel, "a")
        await sent.edit_text("b")
        await sent.delete()
        kinds = []
        while len(kinds) < 3:
            line = await stream.content.readline()
            if line.startswith(b"data: "):
                kinds.append(json.loads(line[6:])["kind"])
    assert kinds == ["posted", "edited", "deleted"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
BUTTON = st.dictionaries(
    st.sampled_from(["text", "url", "callback_data", "copy_text", "switch_inline_query", "style"]),
    JSON,
)
MARKUP = st.fixed_dictionaries({"inline_keyboard": st.lists(st.lists(BUTTON, max_size=3))}) | JSON
ARGUMENTS = st.fixed_dictionaries(
    {"text": st.text(min_size=1, alphabet=st.characters(categories=["L", "P", "S", "Z", "Cc"]))},
    optional={
        "parse_mode": st.sampled_from(["HTML", "", "x"]),
        "entities": JSON,
        "link_preview_options": JSON,
        "reply_parameters": JSON,
        "reply_markup": MARKUP,
        "message_thread_id": st.integers(),
    },
)


@given(ARGUMENTS)
def test_whatever_is_sent_is_taken_or_refused_in_words(given):
    sandbox = Sandbox()
    user = sandbox.add_user("A", started=True)
    raw = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }
    method = methods()["sendmessage"]
    message, reason = None, ""
    try:
        args = method.parameters.read(method.name, raw | {"chat_id": str(user.id)})
        message = json.loads(json.dumps(method.act(sandbox, args)))
    except Refusal as refusal:
        reason = refusal.description
    assert [post.id for post in sandbox.sent(user.id)] == (
        [message["message_id"]] if message else []
    )
    assert bool(message) != reason.startswith("Bad Request: ")


SPANS = st.lists(
    st.tuples(st.sampled_from(["b", "i", "code", "blockquote"]), st.text(max_size=12)), max_size=6
)


@given(SPANS)
def test_a_parsed_text_is_trimmed_and_its_entities_lie_inside(spans):
    html = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in spans)
    try:
        taken = formatted(html, "HTML", None, limit_chars=4096)
    except Refusal:
        return
    size = utf16_length(taken.text)
    assert taken.text == taken.text.rstrip(" \n")
    for entity in taken.entities:
        assert entity["offset"] >= 0
        assert entity["length"] > 0
        assert entity["offset"] + entity["length"] <= size
    assert formatted(taken.text, "", None, limit_chars=4096).text == taken.text.lstrip(" \n")


async def test_lone_surrogates_are_no_text(base, http, world):
    for args in ({"text": "\ud800"}, {"text": "a", "reply_markup": {"\ud800": 1}}):
        body = {"chat_id": world.reader_id, **args}
        async with http.post(f"{base}/bot{TOKEN}/sendMessage", json=body) as answer:
            assert (await answer.json())["description"] == (
                "Bad Request: strings must be encoded in UTF-8"
            )
