"""The sandbox's records in the Bot API's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.sandbox.records import Chat, Content, Json, Member, Post, User

RIGHTS = (
    "can_manage_chat",
    "can_change_info",
    "can_delete_messages",
    "can_invite_users",
    "can_restrict_members",
    "can_promote_members",
    "can_manage_video_chats",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)
CHANNEL_RIGHTS = ("can_post_messages", "can_edit_messages", "can_manage_direct_messages")
GROUP_RIGHTS = ("can_pin_messages", "can_manage_topics", "can_manage_tags")
ALL_RIGHTS = frozenset(RIGHTS + CHANNEL_RIGHTS + GROUP_RIGHTS)


class World(Protocol):
    """What a message needs to name its people and chats."""

    @property
    def users(self) -> Mapping[int, User]:
        """Accounts by id, the bot's among them."""
        ...

    @property
    def chats(self) -> Mapping[int, Chat]:
        """Chats by id."""
        ...


def user_json(user: User) -> Json:
    """Give a User object."""
    body: Json = {"id": user.id, "is_bot": user.is_bot, "first_name": user.first_name}
    for name in ("last_name", "username", "language_code"):
        if value := getattr(user, name):
            body[name] = value
    return body


def chat_json(world: World, chat: Chat) -> Json:
    """Give a Chat object."""
    if chat.type == "private":
        user = user_json(world.users[chat.id])
        for name in ("is_bot", "language_code"):
            user.pop(name, None)
        return user | {"type": "private"}
    body: Json = {"id": chat.id, "title": chat.title}
    if chat.username:
        body["username"] = chat.username
    body["type"] = chat.type
    if chat.is_forum:
        body["is_forum"] = True
    return body


def full_chat_json(world: World, chat: Chat) -> Json:
    """Give a ChatFullInfo object."""
    body = chat_json(world, chat) | {
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(
            (
                "unlimited_gifts",
                "limited_gifts",
                "unique_gifts",
                "premium_subscription",
                "gifts_from_channels",
            ),
            False,
        ),
    }
    if chat.username:
        body["active_usernames"] = [chat.username]
    if chat.type in {"group", "supergroup"}:
        sends = ("messages", "photos", "documents")
        body["permissions"] = {f"can_send_{kind}": kind not in chat.muted for kind in sends}
    return body


def member_json(user: User, member: Member, chat_type: str) -> Json:
    """Give a ChatMember object."""
    body: Json = {"user": user_json(user), "status": member.status}
    if member.status == "creator":
        body["is_anonymous"] = False
    elif member.status == "administrator":
        body |= {"can_be_edited": False, "is_anonymous": False}
        names = RIGHTS + (CHANNEL_RIGHTS if chat_type == "channel" else GROUP_RIGHTS)
        body |= {name: name in member.rights for name in names}
        body["can_manage_voice_chats"] = body["can_manage_video_chats"]
    elif member.status == "kicked":
        body["until_date"] = 0
    elif member.status == "restricted":
        body |= {"until_date": 0, "is_member": True} | _restricted()
    return body


def message_json(world: World, post: Post, *, with_reply: bool = True) -> Json:
    """Give a Message object; the replied message comes without the one it replies to."""
    chat = world.chats[post.chat_id]
    body: Json = {"message_id": post.id}
    if post.sender_id:
        body["from"] = user_json(world.users[post.sender_id])
    if post.sender_chat_id:
        body["sender_chat"] = chat_json(world, world.chats[post.sender_chat_id])
    body |= {"chat": chat_json(world, chat), "date": post.date}
    if post.edited_at:
        body["edit_date"] = post.edited_at
    if post.thread_id:
        body |= {"message_thread_id": post.thread_id, "is_topic_message": True}
    if post.forward:
        body |= post.forward
    replied = chat.posts.get(post.reply_to)
    if with_reply and replied and not replied.deleted_at:
        body["reply_to_message"] = message_json(world, replied, with_reply=False)
    if post.via_bot_id:
        body["via_bot"] = user_json(world.users[post.via_bot_id])
    if post.protected:
        body["has_protected_content"] = True
    return body | content_json(post.content)


def content_json(content: Content) -> Json:
    """Give the fields of a Message that say what it holds."""
    if content.service is not None:
        return dict(content.service)
    body: Json = {}
    if content.media is not None:
        body |= _media_json(content)
    name = "text" if content.kind == "text" else "caption"
    if content.text.text:
        body[name] = content.text.text
        if content.text.entities:
            entities = "entities" if name == "text" else "caption_entities"
            body[entities] = [dict(entity) for entity in content.text.entities]
    if content.preview and content.kind == "text":
        body["link_preview_options"] = content.preview
    if content.markup and "inline_keyboard" in content.markup:
        body["reply_markup"] = content.markup
    return body


def origin_json(world: World, post: Post) -> Json:
    """Give what a forwarded copy says of the message that it was forwarded from."""
    chat = world.chats[post.chat_id]
    if post.forward:
        return dict(post.forward)
    if chat.type == "channel":
        origin: Json = {
            "type": "channel",
            "date": post.date,
            "chat": chat_json(world, chat),
            "message_id": post.id,
        }
        old: Json = {"forward_from_chat": origin["chat"], "forward_from_message_id": post.id}
    else:
        sender = user_json(world.users[post.sender_id])
        origin = {"type": "user", "date": post.date, "sender_user": sender}
        old = {"forward_from": sender}
    return {"forward_origin": origin} | old | {"forward_date": post.date}


def _media_json(content: Content) -> Json:
    media = content.media
    assert media is not None
    file: Json = {"file_id": media.file_id, "file_unique_id": f"u{media.file_id[-12:]}"}
    if media.data:
        file["file_size"] = len(media.data)
    if content.kind == "photo":
        return {"photo": [file | {"width": 1280, "height": 720}]}
    return {"document": file | {"file_name": media.name, "mime_type": media.mime}}


def _restricted() -> Json:
    names = (
        "can_send_messages",
        "can_send_audios",
        "can_send_documents",
        "can_send_photos",
        "can_send_videos",
        "can_send_video_notes",
        "can_send_voice_notes",
        "can_send_polls",
        "can_send_other_messages",
        "can_add_web_page_previews",
        "can_react_to_messages",
        "can_edit_tag",
        "can_change_info",
        "can_invite_users",
        "can_pin_messages",
        "can_manage_topics",
    )
    return dict.fromkeys(names, False)
