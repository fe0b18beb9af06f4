"""The sandbox's messages, proved by python-telegram-bot: what is granted, how it refuses."""

from __future__ import annotations

import inspect

import aiohttp
import pytest
from sandboxed import URL_BUTTON, connected, keyboard, refusal
from telegram import (
    Bot,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    ReplyKeyboardMarkup,
    ReplyParameters,
    SwitchInlineQueryChosenChat,
)
from telegram.error import (
    ChatMigrated,
    Forbidden,
    InvalidToken,
)

from bot.sandbox import TOKEN
from bot.sandbox.methods import methods

pytest_plugins = ("sandbox_served",)

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


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
