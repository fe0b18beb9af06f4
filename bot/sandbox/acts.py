"""What the bot does to chats and messages, under the rules that Telegram has for bots."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from bot.sandbox import wire
from bot.sandbox.markup import reply_markup
from bot.sandbox.records import GENERAL_TOPIC, Chat, Content, Json, Post
from bot.sandbox.refusals import Refusal, bad, forbidden, unfit, upgraded

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.sandbox.state import Sandbox

Need = Literal["read", "edit", "write"]

OLDEST_DELETABLE_S = 2 * 86_400
DELETE_MANY = 100
_KIND_NAMES = {"text": "text messages", "photo": "photos", "document": "documents"}
_MUTES = {"text": "messages", "photo": "photos", "document": "documents"}


def reach(sandbox: Sandbox, chat_id: Any, need: Need) -> Chat:
    """Give the chat that an argument names, if the bot has the access it needs.

    Raises Refusal. Source: Bot API server, check_chat and check_chat_access.
    """
    chat = _named(sandbox, chat_id)
    if chat is None:
        raise bad("chat not found")
    if chat.type == "private":
        _reach_private(sandbox, chat, need)
    elif need != "read" and chat.upgraded_to:
        raise upgraded(chat.upgraded_to)
    elif chat.deleted and chat.type == "group":
        raise forbidden("the group chat was deleted")
    else:
        _reach_shared(sandbox, chat, need)
    return chat


def find(sandbox: Sandbox, args: Json, need: Need, what: str) -> Post:
    """Give the standing message that chat_id and message_id name. Raises Refusal."""
    chat = reach(sandbox, args["chat_id"], need)
    return standing(chat, args["message_id"], what)


def standing(chat: Chat, post_id: Any, what: str) -> Post:
    """Give a message that was not deleted. Raises Refusal."""
    post = chat.posts.get(post_id)
    if post is None or post.deleted_at:
        raise bad(f"{what} not found")
    return post


def send(sandbox: Sandbox, args: Json, content: Content, *, origin: Json | None = None) -> Post:
    """Send a new message as the arguments say. Raises Refusal, and then nothing was sent."""
    chat = reach(sandbox, args.get("chat_id"), "write")
    content = replace(content, markup=_markup(chat, args))
    _check_rights(sandbox, chat, content.kind)
    thread_id = _thread(sandbox, chat, args.get("message_thread_id", 0))
    reply_to = _replied(sandbox, chat, args.get("reply_parameters"))
    _pace(sandbox, chat, args)
    channel = chat.type == "channel"
    return sandbox.put(
        Post(
            id=sandbox.next_id(chat),
            chat_id=chat.id,
            date=int(sandbox.now()),
            content=content,
            sender_id=0 if channel else sandbox.bot.id,
            sender_chat_id=chat.id if channel else 0,
            outgoing=True,
            thread_id=thread_id,
            reply_to=reply_to,
            forward=origin,
            silent=args.get("disable_notification", False),
            protected=args.get("protect_content", False),
        )
    )


def forward(sandbox: Sandbox, args: Json) -> Post:
    """Forward a message. Raises Refusal."""
    source = reach(sandbox, args["from_chat_id"], "read")
    original = standing(source, args["message_id"], "message to forward")
    if original.protected or original.content.kind == "service":
        raise bad("message can't be forwarded")
    origin = wire.origin_json(sandbox, original)
    return send(sandbox, args, replace(original.content, markup=None), origin=origin)


def edit(sandbox: Sandbox, args: Json, change: Callable[[Content], Content]) -> Json | bool:
    """Edit a message, and give it; True for one that was sent by inline mode. Raises Refusal."""
    inline_id = args.get("inline_message_id", "")
    if inline_id and ("chat_id" in args or "message_id" in args):
        raise unfit("inline_message_id excludes chat_id and message_id")
    post = _inline(sandbox, inline_id) if inline_id else _own(sandbox, args)
    chat = sandbox.chats[post.chat_id]
    content = replace(change(post.content), markup=_markup(chat, args, editing=True))
    if content == post.content:
        raise bad(
            "message is not modified: specified new message content and reply markup are exactly "
            "the same as a current content and reply markup of the message"
        )
    _pace(sandbox, chat, args)
    sandbox.revise(post, content)
    return True if inline_id else wire.message_json(sandbox, post)


def delete(sandbox: Sandbox, post: Post) -> None:
    """Delete a message. Raises Refusal. Source: TDLib, can_delete_message."""
    if post.deleted_at:
        return
    chat = sandbox.chats[post.chat_id]
    me = chat.member(sandbox.bot.id)
    old = sandbox.now() - post.date >= OLDEST_DELETABLE_S
    if chat.type in {"supergroup", "channel"}:
        own = post.outgoing and (chat.type == "supergroup" or me.may("can_post_messages"))
        if old or not (own or me.may("can_delete_messages")):
            raise bad("Message can't be deleted")
    elif old or (chat.type == "group" and not post.outgoing and me.status != "administrator"):
        raise bad("Message can't be deleted for everyone")
    sandbox.erase(post)


def _named(sandbox: Sandbox, chat_id: Any) -> Chat | None:
    if chat_id is None:
        raise bad("chat_id is empty")
    if isinstance(chat_id, int):
        return sandbox.chats.get(chat_id)
    name = str(chat_id).removeprefix("@").lower()
    if not str(chat_id).startswith("@") or not name:
        return None
    public = (chat for chat in sandbox.chats.values() if chat.username.lower() == name)
    return next(public, None)


def _reach_private(sandbox: Sandbox, chat: Chat, need: Need) -> None:
    user = sandbox.users[chat.id]
    if not user.started:
        if _met(sandbox, user.id):
            raise forbidden("bot can't initiate conversation with a user")
        raise bad("chat not found")
    if need == "read":
        return
    if user.deactivated:
        raise forbidden("user is deactivated")
    if user.blocked:
        raise forbidden("bot was blocked by the user")


def _met(sandbox: Sandbox, user_id: int) -> bool:
    shared = (chat for chat in sandbox.chats.values() if chat.type != "private")
    return any(
        chat.member(user_id).present and chat.member(sandbox.bot.id).present for chat in shared
    )


def _reach_shared(sandbox: Sandbox, chat: Chat, need: Need) -> None:
    me = chat.member(sandbox.bot.id)
    if chat.deleted or me.status == "kicked":
        if need != "read" or chat.type != "group":
            raise forbidden(f"bot was kicked from the {chat.type} chat")
    elif not me.present and (need != "read" or (chat.type != "group" and not chat.username)):
        raise forbidden(f"bot is not a member of the {chat.type} chat")


def _check_rights(sandbox: Sandbox, chat: Chat, kind: str) -> None:
    me = chat.member(sandbox.bot.id)
    if chat.type == "channel" and not me.may("can_post_messages"):
        raise bad("Need administrator rights in the channel chat")
    if chat.type not in {"group", "supergroup"} or me.status == "administrator":
        return
    if me.status == "restricted" or _MUTES[kind] in chat.muted:
        raise bad(f"Not enough rights to send {_KIND_NAMES[kind]} to the chat")


def _thread(sandbox: Sandbox, chat: Chat, thread_id: int) -> int:
    if chat.type == "private":
        if thread_id:
            raise bad("Message thread not found")
        return 0
    if not chat.is_forum:
        return 0
    topic = chat.topics.get(thread_id or GENERAL_TOPIC)
    if thread_id == GENERAL_TOPIC or topic is None or topic.deleted:
        raise bad("Message thread not found")
    if topic.closed and not chat.member(sandbox.bot.id).may("can_manage_topics"):
        raise bad("TOPIC_CLOSED")
    return thread_id


def _replied(sandbox: Sandbox, chat: Chat, given: Any) -> int:
    if not given:
        return 0
    if not isinstance(given, dict):
        raise bad("Object expected as reply parameters")
    known = {"message_id", "chat_id", "allow_sending_without_reply", "quote", "quote_parse_mode"}
    if unknown := set(given) - known:
        raise unfit(f"reply_parameters: the sandbox does not know {min(unknown)!r}")
    post_id = given.get("message_id")
    if not isinstance(post_id, int):
        raise bad('Field "message_id" must be of type Number')
    source = chat
    if "chat_id" in given:
        source = reach(sandbox, given["chat_id"], "read")
    try:
        standing(source, post_id, "message to be replied")
    except Refusal:
        if not given.get("allow_sending_without_reply"):
            raise
        return 0
    return post_id if source is chat else 0


def _markup(chat: Chat, args: Json, *, editing: bool = False) -> Json | None:
    kind = "supergroup" if args.get("inline_message_id") else chat.type
    return reply_markup(args.get("reply_markup"), chat_type=kind, editing=editing)


def _pace(sandbox: Sandbox, chat: Chat, args: Json) -> None:
    if sandbox.pace:
        group = chat.type in {"group", "supergroup"}
        paid = args.get("allow_paid_broadcast", False)
        sandbox.pace.admit(chat.id, sandbox.now(), group=group, paid=paid)


def _inline(sandbox: Sandbox, inline_id: str) -> Post:
    place = sandbox.inline_posts.get(inline_id)
    if place is None:
        raise bad("MESSAGE_ID_INVALID")
    return standing(sandbox.chats[place[0]], place[1], "message to edit")


def _own(sandbox: Sandbox, args: Json) -> Post:
    if "chat_id" not in args and "message_id" not in args:
        raise bad("Message identifier is not specified")
    chat = reach(sandbox, args.get("chat_id"), "edit")
    post = standing(chat, args.get("message_id"), "message to edit")
    if not _editable(sandbox, chat, post):
        raise bad("Message can't be edited")
    return post


def _editable(sandbox: Sandbox, chat: Chat, post: Post) -> bool:
    """Source: TDLib, can_edit_message."""
    if post.forward or post.content.service is not None:
        return False
    if post.content.markup and "inline_keyboard" not in post.content.markup:
        return False
    if post.via_bot_id:
        return True
    me = chat.member(sandbox.bot.id)
    if chat.type == "channel":
        return me.may("can_edit_messages") or (post.outgoing and me.may("can_post_messages"))
    return post.outgoing
