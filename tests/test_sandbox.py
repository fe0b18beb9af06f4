"""The sandbox against python-telegram-bot: what the Bot API grants and how it refuses."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from telegram import (
    Bot,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQueryResultArticle,
    InputTextMessageContent,
    LinkPreviewOptions,
    MessageEntity,
    ReplyKeyboardMarkup,
    ReplyParameters,
    SwitchInlineQueryChosenChat,
    Update,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from bot.sandbox import TOKEN, Sandbox, demo_world, serve
from bot.sandbox.faults import Fault, Pace
from bot.sandbox.methods import methods
from bot.sandbox.profile import commands_for
from bot.sandbox.refusals import Refusal
from bot.sandbox.texts import formatted
from bot.telegram_html import escape, utf16_length

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
URL_BUTTON = InlineKeyboardButton("Baca", url="https://bantenraya.co/a")


class Clock:
    def __init__(self) -> None:
        self.time = 1_760_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(autouse=True)
def _timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose python-telegram-bot's coming behaviour, for it warns of the present one."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(TOKEN, now=Clock())


@pytest.fixture
async def base(sandbox: Sandbox) -> AsyncIterator[str]:
    runner = await serve(sandbox, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def bot(base: str) -> AsyncIterator[Bot]:
    async with connected(base) as bot:
        yield bot


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def connected(base: str, token: str = TOKEN, read_timeout: float = 5) -> Bot:
    request = HTTPXRequest(read_timeout=read_timeout)
    polling = HTTPXRequest(read_timeout=read_timeout)
    return Bot(token, base_url=f"{base}/bot", request=request, get_updates_request=polling)


@pytest.fixture
def world(sandbox: Sandbox) -> Any:
    world = demo_world(sandbox)
    sandbox.say(world.reader_id, world.reader_id, "/start")
    return world


def keyboard(*buttons: InlineKeyboardButton) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([list(buttons)])


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(10):
        while not condition():
            await turn()


async def turn() -> None:
    await asyncio.sleep(0)


async def refusal(call: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        await call
    return caught.value.message.lower()


async def test_getme_names_the_bot(bot):
    me = await bot.get_me()
    assert (me.username, me.is_bot, me.supports_inline_queries) == ("sebar_bot", True, True)


async def test_an_unknown_token_is_unauthorized(base, http):
    async with http.get(f"{base}/bot1:x/getMe") as answer:
        assert answer.status == 401
        assert await answer.json() == {
            "ok": False,
            "error_code": 401,
            "description": "Unauthorized",
        }
    with pytest.raises(InvalidToken):
        async with connected(base, "123:wrong"):
            pass


async def test_an_unknown_method_is_not_found(base, http):
    async with http.get(f"{base}/bot{TOKEN}/getNothing") as answer:
        body = await answer.json()
    assert (body["error_code"], body["description"]) == (404, "Not Found: method not found")


@pytest.mark.parametrize("way", ["query", "form", "json", "multipart"])
async def test_parameters_come_by_query_form_json_and_multipart(base, http, world, way):
    args = {"chat_id": str(world.reader_id), "text": "a & b"}
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in args.items():
        form.add_field(name, value)
    how = {
        "query": {"params": args},
        "form": {"data": args},
        "json": {"json": args | {"chat_id": world.reader_id}},
        "multipart": {"data": form},
    }[way]
    method = http.get if way == "query" else http.post
    async with method(f"{base}/bot{TOKEN}/SENDMESSAGE", **how) as answer:
        body = await answer.json()
    assert body["result"]["text"] == "a & b"


async def test_an_unknown_parameter_is_named(base, http, world):
    args = {"chat_id": world.reader_id, "text": "a", "disable_web_preview": "true"}
    async with http.post(f"{base}/bot{TOKEN}/sendMessage", json=args) as answer:
        body = await answer.json()
    assert body["error_code"] == 400
    assert "'disable_web_preview'" in body["description"]


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"text": "a"}, "Bad Request: chat_id is empty"),
        ({"chat_id": 1, "text": ""}, "Bad Request: message text is empty"),
        ({"chat_id": 1, "text": "a", "reply_markup": "{"}, "reply keyboard markup JSON object"),
        ({"chat_id": 1, "text": "a", "disable_notification": "maybe"}, "must be a Boolean"),
        ({"chat_id": 1, "text": "a", "message_thread_id": "x"}, "must be an Integer"),
        ({"chat_id": "abc", "text": "a"}, "Bad Request: chat not found"),
    ],
)
async def test_an_ill_formed_argument_is_refused(base, http, args, reason):
    async with http.post(f"{base}/bot{TOKEN}/sendMessage", json=args) as answer:
        body = await answer.json()
    assert body["error_code"] == 400
    assert reason in body["description"]


async def test_a_body_that_is_not_json_is_refused(base, http):
    headers = {"Content-Type": "application/json"}
    async with http.post(f"{base}/bot{TOKEN}/getMe", data="{", headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("method", methods().values(), ids=lambda method: method.name)
def test_every_parameter_is_one_that_the_bot_api_has(method):
    known = inspect.signature(getattr(Bot, method.name)).parameters
    assert set(method.parameters.kinds) <= set(known)


async def test_html_becomes_text_and_entities(bot, world):
    sent = await bot.send_message(
        world.reader_id,
        '  <b>Judul &amp; 😀</b>\n<a href="https://bantenraya.co">baca</a> \n',
        parse_mode="HTML",
    )
    assert sent.text == "Judul & 😀\nbaca"
    assert [(e.type, e.offset, e.length) for e in sent.entities] == [
        ("bold", 0, 10),
        ("text_link", 11, 4),
    ]
    assert sent.entities[1].url == "https://bantenraya.co/"


async def test_links_hashtags_and_commands_are_found(bot, world):
    sent = await bot.send_message(world.reader_id, "/help lihat https://a.co/b. #Pemilu @sebar_bot")
    assert [sent.parse_entity(e) for e in sent.entities] == [
        "/help",
        "https://a.co/b",
        "#Pemilu",
        "@sebar_bot",
    ]


async def test_entities_may_come_with_the_text(bot, world):
    bold = MessageEntity("bold", 0, 2)
    sent = await bot.send_message(world.reader_id, "halo", entities=[bold])
    assert sent.entities == (bold,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<p>a</p>", 'can\'t parse entities: unsupported start tag "p" at byte offset 0'),
        ("<b>a", "can't parse entities: can't find end tag corresponding to start tag \"b\""),
        (" \n\u200b ", "text must be non-empty"),
        ("a" * 4097, "message is too long"),
        ("<b>" + "a" * 33_000 + "</b>", "text is too long"),
    ],
)
async def test_a_text_that_telegram_refuses(bot, world, text, reason):
    assert await refusal(bot.send_message(world.reader_id, text, parse_mode="HTML")) == reason


async def test_the_length_counts_after_parsing(bot, world):
    sent = await bot.send_message(world.reader_id, f"<b>{'&amp;' * 4096}</b>", parse_mode="HTML")
    assert len(sent.text) == 4096


async def test_only_html_is_spoken(bot, world):
    call = bot.send_message(world.reader_id, "a", parse_mode="Textile")
    assert await refusal(call) == "unsupported parse_mode"


async def test_buttons_and_preview_come_back(bot, world):
    markup = keyboard(
        URL_BUTTON,
        InlineKeyboardButton("Salin", copy_text=CopyTextButton("https://bantenraya.co/a")),
        InlineKeyboardButton("Terkait", callback_data="related:1"),
        InlineKeyboardButton("Bagikan", switch_inline_query="a"),
    )
    preview = LinkPreviewOptions(url="https://bantenraya.co/a", prefer_large_media=True)
    sent = await bot.send_message(
        world.reader_id, "a", reply_markup=markup, link_preview_options=preview
    )
    assert sent.reply_markup == markup
    assert sent.link_preview_options == preview


@pytest.mark.parametrize(
    ("button", "reason"),
    [
        ({"url": "http://localhost/a"}, "url 'http://localhost/a' is invalid: wrong http url"),
        ({"url": "ftp://a.co/b"}, "is invalid: unsupported url protocol"),
        ({"callback_data": "é" * 33}, "button_data_invalid"),
        ({"copy_text": {"text": "a" * 257}}, "button_copy_text_invalid"),
        ({}, "text buttons are unallowed in the inline keyboard"),
        ({"url": "https://a.co", "callback_data": "a"}, "more than one action"),
        ({"url": "https://a.co", "colour": "red"}, "unknown field 'colour'"),
        ({"switch_inline_query_chosen_chat": {"query": "a"}}, "at least one chat type"),
    ],
)
async def test_a_button_that_telegram_refuses(base, http, world, button, reason):
    args = {
        "chat_id": world.reader_id,
        "text": "a",
        "reply_markup": {"inline_keyboard": [[{"text": "b", **button}]]},
    }
    async with http.post(f"{base}/bot{TOKEN}/sendMessage", json=args) as answer:
        body = await answer.json()
    assert body["error_code"] == 400
    assert reason in body["description"].lower()


async def test_callback_data_of_64_bytes_and_copy_text_of_256_chars_pass(bot, world):
    markup = keyboard(
        InlineKeyboardButton("a", callback_data="é" * 32),
        InlineKeyboardButton("b", copy_text=CopyTextButton("é" * 256)),
    )
    await bot.send_message(world.reader_id, "a", reply_markup=markup)


async def test_too_many_buttons_are_too_long(bot, world):
    rows = [[InlineKeyboardButton("a", callback_data=str(n))] for n in range(101)]
    call = bot.send_message(world.reader_id, "a", reply_markup=InlineKeyboardMarkup(rows))
    assert await refusal(call) == "reply markup is too long"


@pytest.mark.parametrize(
    "button",
    [
        InlineKeyboardButton("a", switch_inline_query=""),
        InlineKeyboardButton("a", switch_inline_query_current_chat="x"),
        InlineKeyboardButton(
            "a",
            switch_inline_query_chosen_chat=SwitchInlineQueryChosenChat(allow_user_chats=True),
        ),
    ],
)
async def test_channels_refuse_switch_inline_buttons(bot, world, button):
    call = bot.send_message(world.channel, "a", reply_markup=keyboard(button))
    assert "button in a channel chat, because users" in await refusal(call)


async def test_a_large_preview_without_url_is_a_bug_of_ours(bot, world):
    preview = LinkPreviewOptions(prefer_large_media=True)
    call = bot.send_message(world.reader_id, "a", link_preview_options=preview)
    assert "has no effect" in await refusal(call)


async def test_a_stranger_is_not_found_and_an_acquaintance_must_start(bot, sandbox, world):
    stranger = sandbox.add_user("Siti")
    assert await refusal(bot.send_message(stranger.id, "a")) == "chat not found"
    with pytest.raises(Forbidden, match="can't initiate conversation with a user"):
        await bot.send_message(world.editor_id, "a")


async def test_blocked_and_deactivated_users_are_forbidden(bot, sandbox, world):
    sandbox.block(world.reader_id)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(world.reader_id, "a")
    sandbox.say(world.reader_id, world.reader_id, "/start")
    await bot.send_message(world.reader_id, "a")
    sandbox.deactivate(world.reader_id)
    with pytest.raises(Forbidden, match="user is deactivated"):
        await bot.send_message(world.reader_id, "a")


@pytest.mark.parametrize("kind", ["group", "supergroup", "channel"])
async def test_kicked_and_never_in_are_told_apart(bot, sandbox, world, kind):
    chat = getattr(sandbox, f"add_{kind}")("X", world.editor_id)
    with pytest.raises(Forbidden, match=f"bot is not a member of the {kind} chat"):
        await bot.send_message(chat.id, "a")
    sandbox.add_bot(chat.id, world.editor_id)
    await bot.send_message(chat.id, "a")
    sandbox.remove_bot(chat.id, world.editor_id)
    with pytest.raises(Forbidden, match=f"bot was kicked from the {kind} chat"):
        await bot.send_message(chat.id, "a")


async def test_a_deleted_group_is_gone(bot, sandbox, world):
    group = sandbox.add_group("X", world.editor_id)
    sandbox.add_bot(group.id, world.editor_id)
    sandbox.delete_chat(group.id)
    with pytest.raises(Forbidden, match="the group chat was deleted"):
        await bot.send_message(group.id, "a")


async def test_a_channel_wants_an_administrator(bot, sandbox, world):
    sandbox.add_bot(world.channel_id, world.editor_id, rights=["can_manage_chat"])
    reason = await refusal(bot.send_message(world.channel, "a"))
    assert reason == "need administrator rights in the channel chat"


async def test_a_muted_group_refuses_members_but_not_administrators(bot, sandbox, world):
    sandbox.mute(world.group_id, ["messages", "photos"])
    reason = await refusal(bot.send_message(world.group_id, "a"))
    assert reason == "not enough rights to send text messages to the chat"
    reason = await refusal(bot.send_photo(world.group_id, "https://a.co/a.jpg"))
    assert reason == "not enough rights to send photos to the chat"
    sandbox.add_bot(world.group_id, world.editor_id, status="administrator")
    await bot.send_message(world.group_id, "a")


async def test_an_upgraded_group_names_its_new_id(bot, sandbox, world):
    group = sandbox.add_group("X", world.editor_id)
    sandbox.add_bot(group.id, world.editor_id)
    new = sandbox.upgrade(group.id)
    with pytest.raises(ChatMigrated) as caught:
        await bot.send_message(group.id, "a")
    assert caught.value.new_chat_id == new.id
    await bot.send_message(new.id, "a")


async def test_topics_open_closed_deleted_and_general(bot, sandbox, world):
    forum = sandbox.add_supergroup("Forum", world.editor_id, forum=True)
    sandbox.add_bot(forum.id, world.editor_id)
    topic = sandbox.add_topic(forum.id, "Politik")
    sent = await bot.send_message(forum.id, "a", message_thread_id=topic)
    assert (sent.message_thread_id, sent.is_topic_message) == (topic, True)
    assert (await bot.send_message(forum.id, "a")).message_thread_id is None
    wrong = bot.send_message(forum.id, "a", message_thread_id=1)
    assert await refusal(wrong) == "message thread not found"
    sandbox.close_topic(forum.id, topic)
    closed = bot.send_message(forum.id, "a", message_thread_id=topic)
    assert await refusal(closed) == "topic_closed"
    sandbox.delete_topic(forum.id, topic)
    gone = bot.send_message(forum.id, "a", message_thread_id=topic)
    assert await refusal(gone) == "message thread not found"


async def test_thread_ids_mean_nothing_in_plain_groups_and_are_refused_in_private(bot, world):
    sent = await bot.send_message(world.group_id, "a", message_thread_id=77)
    assert sent.message_thread_id is None
    call = bot.send_message(world.reader_id, "a", message_thread_id=77)
    assert await refusal(call) == "message thread not found"


async def test_a_channel_post_speaks_for_its_channel(bot, world):
    post = await bot.send_message(world.channel, "a", disable_notification=True)
    assert post.from_user is None
    assert post.sender_chat.username == "kabarbantenraya"
    assert post.chat.id == world.channel_id


async def test_replies_name_the_message_or_fail(bot, sandbox, world):
    said = sandbox.say(world.reader_id, world.reader_id, "tanya")
    sent = await bot.send_message(
        world.reader_id, "jawab", reply_parameters=ReplyParameters(said.id)
    )
    assert sent.reply_to_message.text == "tanya"
    lost = ReplyParameters(9999)
    call = bot.send_message(world.reader_id, "a", reply_parameters=lost)
    assert await refusal(call) == "message to be replied not found"
    kind = ReplyParameters(9999, allow_sending_without_reply=True)
    sent = await bot.send_message(world.reader_id, "a", reply_parameters=kind)
    assert sent.reply_to_message is None


async def test_ids_count_per_channel_but_per_account_in_private(bot, sandbox, world):
    other = sandbox.add_user("Siti")
    group = sandbox.add_group("X", world.editor_id)
    sandbox.add_bot(group.id, world.editor_id)
    first = sandbox.say(other.id, other.id, "/start").id
    ids = [(await bot.send_message(chat, "a")).message_id for chat in (other.id, group.id)]
    assert ids == [first + 1, first + 2]
    assert sandbox.say(world.reader_id, world.reader_id, "x").id == first + 3
    posts = [(await bot.send_message(world.channel, "a")).message_id for _ in range(2)]
    assert posts == [2, 3]
    assert (await bot.send_message(world.group_id, "a")).message_id == 2


async def test_an_edit_replaces_text_and_buttons(bot, sandbox, world):
    sent = await bot.send_message(world.reader_id, "a", reply_markup=keyboard(URL_BUTTON))
    edited = await sent.edit_text("<i>b</i>", parse_mode="HTML")
    assert (edited.text, edited.reply_markup) == ("b", None)
    assert edited.edit_date is not None
    view = sandbox.messages(world.reader_id)[-1]
    assert [version["text"] for version in view["versions"]] == ["a"]


async def test_an_edit_that_changes_nothing_is_refused(bot, world):
    markup = keyboard(URL_BUTTON)
    sent = await bot.send_message(world.reader_id, "<b>a</b> ", "HTML", reply_markup=markup)
    same = "message is not modified: specified new message content and reply markup are exactly"
    text = bot.edit_message_text(
        " <b>a</b>", world.reader_id, sent.message_id, parse_mode="HTML", reply_markup=markup
    )
    assert (await refusal(text)).startswith(same)
    probe = bot.edit_message_reply_markup(world.reader_id, sent.message_id, reply_markup=markup)
    assert (await refusal(probe)).startswith(same)


async def test_what_cannot_be_edited(bot, sandbox, world):
    said = sandbox.say(world.reader_id, world.reader_id, "a")
    call = bot.edit_message_text("b", world.reader_id, said.id)
    assert await refusal(call) == "message can't be edited"
    call = bot.edit_message_text("b", world.reader_id, 9999)
    assert await refusal(call) == "message to edit not found"
    call = bot.edit_message_reply_markup(world.channel, 9999)
    assert await refusal(call) == "message to edit not found"
    photo = await bot.send_photo(world.reader_id, PNG)
    call = bot.edit_message_text("b", world.reader_id, photo.message_id)
    assert await refusal(call) == "there is no text in the message to edit"
    menu = ReplyKeyboardMarkup([["a"]])
    sent = await bot.send_message(world.reader_id, "a", reply_markup=menu)
    call = bot.edit_message_text("b", world.reader_id, sent.message_id)
    assert await refusal(call) == "message can't be edited"


async def test_a_deleted_message_is_not_found(bot, sandbox, world):
    sent = await bot.send_message(world.channel, "a")
    assert await sent.delete()
    assert sandbox.sent(world.channel_id) == []
    assert await refusal(sent.edit_text("b")) == "message to edit not found"
    assert await refusal(sent.delete()) == "message to delete not found"
    assert await bot.delete_messages(world.channel, [sent.message_id, 999])


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("reader_id", "message can't be deleted for everyone"),
        ("channel_id", "message can't be deleted"),
    ],
)
async def test_after_48_hours_a_message_stays(bot, sandbox, world, place, reason):
    sent = await bot.send_message(getattr(world, place), "a")
    sandbox.advance(48 * 3600 - 60)
    await (await bot.send_message(getattr(world, place), "b")).delete()
    sandbox.advance(61)
    assert await refusal(sent.delete()) == reason
    assert await sent.edit_text("Berita ditarik")


async def test_deleting_others_messages_takes_the_right(bot, sandbox, world):
    said = sandbox.say(world.reader_id, world.group_id, "a")
    call = bot.delete_message(world.group_id, said.id)
    assert await refusal(call) == "message can't be deleted"
    sandbox.add_bot(
        world.group_id, world.editor_id, status="administrator", rights=["can_delete_messages"]
    )
    assert await bot.delete_message(world.group_id, said.id)


async def test_photos_by_upload_url_and_id(bot, world):
    sent = await bot.send_photo(world.reader_id, PNG, caption="<b>a</b>", parse_mode="HTML")
    assert (sent.caption, sent.caption_entities[0].type) == ("a", "bold")
    again = await bot.send_photo(world.channel, sent.photo[-1].file_id)
    assert again.photo[-1].file_id == sent.photo[-1].file_id
    assert (await bot.send_photo(world.reader_id, "https://a.co/a.jpg")).photo
    assert (await sent.edit_caption("b")).caption == "b"
    assert await refusal(bot.send_photo(world.reader_id, b"not an image")) == "image_process_failed"
    assert "wrong file identifier" in await refusal(bot.send_photo(world.reader_id, "nonsense"))
    call = bot.send_photo(world.reader_id, PNG, caption="a" * 1025)
    assert await refusal(call) == "message caption is too long"


async def test_forward_and_copy(bot, world):
    post = await bot.send_message(world.channel, "a")
    forwarded = await post.forward(world.reader_id)
    assert forwarded.forward_origin.message_id == post.message_id
    assert await refusal(forwarded.edit_text("b")) == "message can't be edited"
    copied = await post.copy(world.reader_id)
    assert copied.message_id == forwarded.message_id + 1
    kept = await bot.send_message(world.channel, "a", protect_content=True)
    assert await refusal(kept.forward(world.reader_id)) == "message can't be forwarded"


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


def article(name: str, text: str = "<b>isi</b>", **more: Any) -> InlineQueryResultArticle:
    return InlineQueryResultArticle(
        name, "Judul", InputTextMessageContent(text, parse_mode="HTML"), **more
    )


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
