"""The methods of the Bot API that a newsroom's bot calls, and what each takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bot.sandbox import acts, profile, wire
from bot.sandbox.markup import inline_results, link_preview
from bot.sandbox.parameters import Parameters, Upload
from bot.sandbox.records import Content, Json, Media, Member
from bot.sandbox.refusals import bad
from bot.sandbox.texts import CAPTION_CHARS, TEXT_CHARS, formatted
from bot.sandbox.updates import KINDS, Webhook
from bot.telegram_html import MarkupError, check_link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.sandbox.state import Sandbox

    Act = Callable[[Sandbox, Json], Any] | Callable[[Sandbox, Json], Awaitable[Any]]

LONGEST_POLL_S = 50
QUERY_LIVES_S = 60
ANSWER_CHARS = 200
PHOTO_BYTES = 10 * 1024 * 1024
DOCUMENT_BYTES = 50 * 1024 * 1024

_SEND = (
    " chat_id:chat! message_thread_id:int disable_notification:bool protect_content:bool"
    " allow_paid_broadcast:bool message_effect_id reply_parameters:json reply_markup:json "
)
_CAPTION = " caption parse_mode caption_entities:json "
_ABOVE = " show_caption_above_media:bool "
_EDIT = " chat_id:chat message_id:int inline_message_id reply_markup:json "
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_CHAT_ACTIONS = frozenset(
    {
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its name as documented, its parameters, and what it does."""

    name: str
    parameters: Parameters
    act: Act


def methods() -> dict[str, Method]:
    """Give every method by its name in lower case: names are case-insensitive."""
    table: dict[str, tuple[str, Act]] = {
        "getMe": ("", _get_me),
        "getUpdates": ("offset:int limit:int timeout:int allowed_updates:json", _get_updates),
        "setWebhook": (
            (
                "url ip_address max_connections:int allowed_updates:json drop_pending_updates:bool"
                " secret_token"
            ),
            _set_webhook,
        ),
        "deleteWebhook": ("drop_pending_updates:bool", _delete_webhook),
        "getWebhookInfo": ("", _webhook_info),
        "sendMessage": (
            _SEND + "text! parse_mode entities:json link_preview_options:json",
            _send_message,
        ),
        "sendPhoto": (_SEND + _CAPTION + _ABOVE + "photo:file! has_spoiler:bool", _send_photo),
        "sendDocument": (
            _SEND + _CAPTION + "document:file! disable_content_type_detection:bool",
            _send_document,
        ),
        "forwardMessage": (
            (
                "chat_id:chat! from_chat_id:chat! message_id:int! message_thread_id:int"
                " disable_notification:bool protect_content:bool"
            ),
            _forward_message,
        ),
        "copyMessage": (
            _SEND + "from_chat_id:chat! message_id:int!",
            _copy_message,
        ),
        "editMessageText": (
            _EDIT + "text! parse_mode entities:json link_preview_options:json",
            _edit_text,
        ),
        "editMessageCaption": (_EDIT + _CAPTION + _ABOVE, _edit_caption),
        "editMessageReplyMarkup": (_EDIT, _edit_markup),
        "deleteMessage": ("chat_id:chat! message_id:int!", _delete_message),
        "deleteMessages": ("chat_id:chat! message_ids:json!", _delete_messages),
        "sendChatAction": ("chat_id:chat! message_thread_id:int action!", _chat_action),
        "answerCallbackQuery": (
            ("callback_query_id! text show_alert:bool url cache_time:int"),
            _answer_callback,
        ),
        "answerInlineQuery": (
            (
                "inline_query_id! results:json! cache_time:int is_personal:bool next_offset"
                " button:json"
            ),
            _answer_inline,
        ),
        "getChat": ("chat_id:chat!", _get_chat),
        "getChatMember": ("chat_id:chat! user_id:int!", _get_member),
        "getChatAdministrators": ("chat_id:chat!", _get_administrators),
        "getChatMemberCount": ("chat_id:chat!", _count_members),
        "leaveChat": ("chat_id:chat!", _leave),
    }
    table |= profile.table()
    return {
        name.lower(): Method(name, Parameters.of(line), act) for name, (line, act) in table.items()
    }


def _get_me(sandbox: Sandbox, _args: Json) -> Json:
    return wire.user_json(sandbox.bot) | {
        "can_join_groups": True,
        "can_read_all_group_messages": sandbox.reads_everything,
        "supports_inline_queries": sandbox.inline_enabled,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
    }


async def _get_updates(sandbox: Sandbox, args: Json) -> list[Json]:
    sandbox.updates.allow(_kinds(args))
    limit = min(max(args.get("limit", 100), 1), 100)
    timeout_s = min(max(args.get("timeout", 0), 0), LONGEST_POLL_S)
    return await sandbox.updates.poll(args.get("offset", 0), limit, timeout_s)


def _set_webhook(sandbox: Sandbox, args: Json) -> bool:
    if not args.get("url"):
        return _delete_webhook(sandbox, args)
    try:
        url = check_link(args["url"])
    except MarkupError as error:
        raise bad("invalid webhook URL specified") from error
    secret = args.get("secret_token", "")
    if len(secret) > 256:
        raise bad("secret token is too long")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", secret):
        raise bad("secret token contains unallowed characters")
    sandbox.updates.allow(_kinds(args))
    if args.get("drop_pending_updates"):
        sandbox.updates.pending.clear()
    connections = min(max(args.get("max_connections", 40), 1), 100_000)
    sandbox.updates.set_webhook(Webhook(url, secret, connections))
    return True


def _delete_webhook(sandbox: Sandbox, args: Json) -> bool:
    if args.get("drop_pending_updates"):
        sandbox.updates.pending.clear()
    sandbox.updates.set_webhook(None)
    return True


def _webhook_info(sandbox: Sandbox, _args: Json) -> Json:
    webhook = sandbox.updates.webhook or Webhook("")
    body: Json = {
        "url": webhook.url,
        "has_custom_certificate": False,
        "pending_update_count": len(sandbox.updates.pending),
    }
    if webhook.error:
        body |= {"last_error_date": webhook.error_at, "last_error_message": webhook.error}
    if webhook.url:
        body |= {
            "max_connections": webhook.max_connections,
            "allowed_updates": sorted(sandbox.updates.allowed),
        }
    return body


def _kinds(args: Json) -> list[str] | None:
    kinds = args.get("allowed_updates")
    if kinds is None:
        return None
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise bad("Expected an Array of String")
    return [kind for kind in kinds if kind in KINDS]


def _send_message(sandbox: Sandbox, args: Json) -> Json:
    post = acts.send(sandbox, args, _text_content(args))
    return wire.message_json(sandbox, post)


def _text_content(args: Json) -> Content:
    text = formatted(
        args["text"], args.get("parse_mode", ""), args.get("entities"), limit_chars=TEXT_CHARS
    )
    return Content(text=text, preview=link_preview(args.get("link_preview_options")))


def _send_photo(sandbox: Sandbox, args: Json) -> Json:
    return _send_media(sandbox, args, "photo")


def _send_document(sandbox: Sandbox, args: Json) -> Json:
    return _send_media(sandbox, args, "document")


def _send_media(sandbox: Sandbox, args: Json, kind: str) -> Json:
    media = _media(sandbox, args[kind], kind)
    content = Content(kind=kind, text=_caption(args), media=media)
    post = acts.send(sandbox, args, content)
    sandbox.media[media.file_id] = media
    return wire.message_json(sandbox, post)


def _media(sandbox: Sandbox, given: str | Upload, kind: str) -> Media:
    file_id = f"AgACAgUAAxkD{sandbox.number():012d}"
    if isinstance(given, Upload):
        if len(given.data) > (PHOTO_BYTES if kind == "photo" else DOCUMENT_BYTES):
            raise bad("file is too big")
        if not given.data:
            raise bad("file must be non-empty")
        if kind == "photo" and not given.data.startswith(_IMAGES):
            raise bad("IMAGE_PROCESS_FAILED")
        return Media(file_id, given.name, given.mime, data=given.data)
    if given in sandbox.media:
        return sandbox.media[given]
    if "://" not in given:
        raise bad("Wrong file identifier/HTTP URL specified")
    try:
        return Media(file_id, "", "", url=check_link(given))
    except MarkupError as error:
        raise bad("Wrong HTTP URL specified") from error


def _caption(args: Json) -> Any:
    return formatted(
        args.get("caption", ""),
        args.get("parse_mode", ""),
        args.get("caption_entities"),
        limit_chars=CAPTION_CHARS,
    )


def _forward_message(sandbox: Sandbox, args: Json) -> Json:
    return wire.message_json(sandbox, acts.forward(sandbox, args))


def _copy_message(sandbox: Sandbox, args: Json) -> Json:
    source = acts.reach(sandbox, args["from_chat_id"], "read")
    original = acts.standing(source, args["message_id"], "message to copy")
    if original.protected or original.content.kind == "service":
        raise bad("message can't be copied")
    post = acts.send(sandbox, args, replace(original.content, markup=None))
    return {"message_id": post.id}


def _edit_text(sandbox: Sandbox, args: Json) -> Json | bool:
    content = _text_content(args)

    def change(old: Content) -> Content:
        if old.kind != "text":
            raise bad("There is no text in the message to edit")
        return content

    return acts.edit(sandbox, args, change)


def _edit_caption(sandbox: Sandbox, args: Json) -> Json | bool:
    caption = _caption(args)

    def change(old: Content) -> Content:
        if old.kind == "text":
            raise bad("There is no caption in the message to edit")
        return replace(old, text=caption)

    return acts.edit(sandbox, args, change)


def _edit_markup(sandbox: Sandbox, args: Json) -> Json | bool:
    return acts.edit(sandbox, args, lambda old: old)


def _delete_message(sandbox: Sandbox, args: Json) -> bool:
    acts.delete(sandbox, acts.find(sandbox, args, "write", "message to delete"))
    return True


def _delete_messages(sandbox: Sandbox, args: Json) -> bool:
    ids = args["message_ids"]
    if not isinstance(ids, list) or not ids:
        raise bad("Message identifiers are not specified")
    if len(ids) > acts.DELETE_MANY:
        raise bad("Too many message identifiers specified")
    chat = acts.reach(sandbox, args["chat_id"], "write")
    for post in [chat.posts[name] for name in ids if isinstance(name, int) and name in chat.posts]:
        acts.delete(sandbox, post)
    return True


def _chat_action(sandbox: Sandbox, args: Json) -> bool:
    if args["action"] not in _CHAT_ACTIONS:
        raise bad("Wrong parameter action in request")
    chat = acts.reach(sandbox, args["chat_id"], "write")
    sandbox.emit("action", chat.id, action=args["action"])
    return True


async def _answer_callback(sandbox: Sandbox, args: Json) -> bool:
    query = sandbox.pressed.get(args["callback_query_id"])
    if not query or query.answer is not None or sandbox.now() - query.asked_at > QUERY_LIVES_S:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    if len(args.get("text", "")) > ANSWER_CHARS:
        raise bad("MESSAGE_TOO_LONG")
    if "url" in args and not args["url"].startswith(f"https://t.me/{sandbox.bot.username}?start="):
        raise bad("URL_INVALID")
    answer: Json = {name: args[name] for name in ("text", "show_alert", "url") if name in args}
    async with sandbox.answered:
        query.answer = answer
        sandbox.answered.notify_all()
    return True


async def _answer_inline(sandbox: Sandbox, args: Json) -> bool:
    query = sandbox.asked.get(args["inline_query_id"])
    contents = inline_results(args["results"])
    if len(args.get("next_offset", "").encode()) > 64:
        raise bad("NEXT_OFFSET_INVALID")
    if not query or query.answer is not None or sandbox.now() - query.asked_at > QUERY_LIVES_S:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    async with sandbox.answered:
        query.contents = contents
        query.answer = {
            "results": args["results"],
            "next_offset": args.get("next_offset", ""),
            "button": args.get("button"),
        }
        sandbox.answered.notify_all()
    return True


def _get_chat(sandbox: Sandbox, args: Json) -> Json:
    return wire.full_chat_json(sandbox, acts.reach(sandbox, args["chat_id"], "read"))


def _get_member(sandbox: Sandbox, args: Json) -> Json:
    need: acts.Need = "read" if args["user_id"] == sandbox.bot.id else "edit"
    chat = acts.reach(sandbox, args["chat_id"], need)
    user = sandbox.users.get(args["user_id"])
    if user is None or (chat.type == "private" and user.id not in {chat.id, sandbox.bot.id}):
        raise bad("PARTICIPANT_ID_INVALID")
    member = Member("member") if chat.type == "private" else chat.member(user.id)
    return wire.member_json(user, member, chat.type)


def _get_administrators(sandbox: Sandbox, args: Json) -> list[Json]:
    chat = acts.reach(sandbox, args["chat_id"], "edit")
    if chat.type == "private":
        raise bad("there are no administrators in the private chat")
    return [
        wire.member_json(sandbox.users[name], member, chat.type)
        for name, member in chat.members.items()
        if member.status in {"creator", "administrator"}
        and (name == sandbox.bot.id or not sandbox.users[name].is_bot)
    ]


def _count_members(sandbox: Sandbox, args: Json) -> int:
    chat = acts.reach(sandbox, args["chat_id"], "read")
    if chat.type == "private":
        return 2
    return sum(member.present for member in chat.members.values())


def _leave(sandbox: Sandbox, args: Json) -> bool:
    chat = acts.reach(sandbox, args["chat_id"], "edit")
    if chat.type == "private":
        raise bad("chat member status can't be changed in private chats")
    sandbox.set_member(chat.id, sandbox.bot.id, Member("left"), sandbox.bot.id)
    return True
