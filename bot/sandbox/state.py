"""The sandbox's world: people, chats and messages in memory, and what people do in them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.sandbox import wire
from bot.sandbox.faults import Faults
from bot.sandbox.records import (
    GENERAL_TOPIC,
    POSTING_RIGHTS,
    Asked,
    Chat,
    Content,
    Member,
    Post,
    Pressed,
    Text,
    Topic,
    User,
)
from bot.sandbox.refusals import bad, forbidden
from bot.sandbox.texts import TEXT_CHARS, cut, formatted, with_found
from bot.sandbox.updates import Updates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bot.sandbox.faults import Pace
    from bot.sandbox.records import Call, Json, Media

BOT_ID = 7_000_000_001
TOKEN = f"{BOT_ID}:AAE-sandbox-token-for-the-demo-only"
FIRST_USER_ID = 5_000_001
FIRST_GROUP_ID = -4_000_001
FIRST_SUPERGROUP_ID = -1_002_000_000_001
LISTENER_EVENTS = 10_000


class Sandbox:
    """One bot's Telegram.

    `now` gives epoch seconds; `advance` moves this world's clock against it. Everything runs on
    one event loop. A verb that names a chat, user or message which is not there raises KeyError,
    one that Telegram's rules forbid a person raises Refusal.
    """

    def __init__(
        self,
        token: str = TOKEN,
        *,
        username: str = "sebar_bot",
        name: str = "Sebar",
        now: Callable[[], float] = time.time,
        pace: Pace | None = None,
    ) -> None:
        self.token = token
        self.bot = User(
            id=int(token.partition(":")[0]), first_name=name, username=username, is_bot=True
        )
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.chats: dict[int, Chat] = {}
        self.updates = Updates()
        self.faults = Faults()
        self.pace = pace
        self.calls: list[Call] = []
        self.pressed: dict[str, Pressed] = {}
        self.asked: dict[str, Asked] = {}
        self.media: dict[str, Media] = {}
        self.profile: dict[tuple[str | int, ...], Any] = {}
        self.inline_posts: dict[str, tuple[int, int]] = {}
        self.reads_everything = False
        self.inline_enabled = True
        self.inline_feedback = False
        self._now = now
        self._skew_s = 0.0
        self._account_last_id = 0
        self._last_number = 0
        self._listeners: set[asyncio.Queue[Json]] = set()
        self.answered = asyncio.Condition()

    def now(self) -> float:
        """Give this world's time, epoch seconds."""
        return self._now() + self._skew_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._skew_s += seconds

    def number(self) -> int:
        """Give a number that nothing else in this world has: for queries and files."""
        self._last_number += 1
        return self._last_number

    def add_user(
        self,
        first_name: str,
        *,
        user_id: int = 0,
        last_name: str = "",
        username: str = "",
        language_code: str = "id",
        started: bool = False,
    ) -> User:
        """Add a person, with the private chat that they could start with the bot."""
        number = user_id or FIRST_USER_ID
        while not user_id and number in self.users:
            number += 1
        user = User(
            id=number,
            first_name=first_name,
            last_name=last_name,
            username=username,
            language_code=language_code,
            started=started,
        )
        self.users[number] = user
        self.chats[number] = Chat(id=number, type="private", members={number: Member("member")})
        self.emit("chats", number)
        return user

    def add_group(
        self, title: str, owner: int, *, members: Iterable[int] = (), chat_id: int = 0
    ) -> Chat:
        """Add a basic group; `add_bot` brings the bot in."""
        number = chat_id or self._free_id(FIRST_GROUP_ID)
        return self._add_chat(Chat(id=number, type="group", title=title), owner, members)

    def add_supergroup(
        self,
        title: str,
        owner: int,
        *,
        username: str = "",
        forum: bool = False,
        members: Iterable[int] = (),
        chat_id: int = 0,
    ) -> Chat:
        """Add a supergroup; a forum has topics, General from the start."""
        number = chat_id or self._free_id(FIRST_SUPERGROUP_ID)
        chat = Chat(id=number, type="supergroup", title=title, username=username, is_forum=forum)
        chat.last_id = 1
        if forum:
            chat.topics[GENERAL_TOPIC] = Topic(GENERAL_TOPIC, "General")
        return self._add_chat(chat, owner, members)

    def add_channel(
        self,
        title: str,
        owner: int,
        *,
        username: str = "",
        members: Iterable[int] = (),
        chat_id: int = 0,
    ) -> Chat:
        """Add a channel; its first message is the service message of its creation."""
        number = chat_id or self._free_id(FIRST_SUPERGROUP_ID)
        chat = Chat(id=number, type="channel", title=title, username=username)
        chat.last_id = 1
        return self._add_chat(chat, owner, members)

    def add_bot(
        self,
        chat_id: int,
        actor: int,
        *,
        status: str = "",
        rights: Iterable[str] | None = None,
    ) -> None:
        """Bring the bot into a chat: an administrator in channels, else a member."""
        chat = self.chats[chat_id]
        status = status or ("administrator" if chat.type == "channel" else "member")
        standard = POSTING_RIGHTS | {"can_manage_chat"} if chat.type == "channel" else ()
        chosen = frozenset(standard if rights is None else rights) & wire.ALL_RIGHTS
        self.set_member(chat_id, self.bot.id, Member(status, chosen), actor)

    def set_member(self, chat_id: int, user_id: int, member: Member, actor: int) -> None:
        """Change a user's standing; the bot's own reaches it as my_chat_member."""
        chat = self.chats[chat_id]
        old = chat.member(user_id)
        chat.members[user_id] = member
        own = user_id == self.bot.id
        if old == member or not (own or chat.member(self.bot.id).may("can_manage_chat")):
            return
        user = self.users[user_id]
        body = {
            "chat": wire.chat_json(self, chat),
            "from": wire.user_json(self.users[actor]),
            "date": int(self.now()),
            "old_chat_member": wire.member_json(user, old, chat.type),
            "new_chat_member": wire.member_json(user, member, chat.type),
        }
        self.updates.add("my_chat_member" if own else "chat_member", chat_id, body)
        self.emit("chats", chat_id)

    def remove_bot(self, chat_id: int, actor: int, *, kick: bool = True) -> None:
        """Put the bot out of a chat."""
        self.set_member(chat_id, self.bot.id, Member("kicked" if kick else "left"), actor)

    def block(self, user_id: int) -> None:
        """Let a person block the bot."""
        self._set_blocked(user_id, blocked=True)

    def unblock(self, user_id: int) -> None:
        """Let a person unblock the bot."""
        self._set_blocked(user_id, blocked=False)

    def speak(self, user_id: int, language_code: str) -> None:
        """Let a person change the language of their app."""
        self.users[user_id].language_code = language_code
        self.emit("commands", user_id)

    def deactivate(self, user_id: int) -> None:
        """Delete a person's account."""
        self.users[user_id].deactivated = True

    def mute(self, chat_id: int, kinds: Iterable[str] = ("messages",)) -> None:
        """Forbid ordinary members to send messages, photos or documents; nothing frees them."""
        self.chats[chat_id].muted = frozenset(kinds)

    def delete_chat(self, chat_id: int) -> None:
        """Delete a group or channel."""
        self.chats[chat_id].deleted = True
        self.emit("chats", chat_id)

    def upgrade(self, chat_id: int) -> Chat:
        """Turn a basic group into a supergroup; both tell of it in service messages."""
        old = self.chats[chat_id]
        new = Chat(
            id=self._free_id(FIRST_SUPERGROUP_ID),
            type="supergroup",
            title=old.title,
            members=dict(old.members),
        )
        self.chats[new.id] = new
        owner = next(iter(old.members))
        self._serve(old, owner, {"migrate_to_chat_id": new.id})
        old.upgraded_to = new.id
        self._serve(new, owner, {"migrate_from_chat_id": old.id})
        self.emit("chats", new.id)
        return new

    def add_topic(self, chat_id: int, name: str) -> int:
        """Open a topic in a forum and give its thread id."""
        chat = self.chats[chat_id]
        owner = next(iter(chat.members))
        service = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        post = self._serve(chat, owner, service)
        post.thread_id = post.id
        chat.topics[post.id] = Topic(post.id, name)
        return post.id

    def close_topic(self, chat_id: int, topic_id: int, *, closed: bool = True) -> None:
        """Close a topic, or open it again."""
        self.chats[chat_id].topics[topic_id].closed = closed

    def delete_topic(self, chat_id: int, topic_id: int) -> None:
        """Delete a topic."""
        self.chats[chat_id].topics[topic_id].deleted = True

    def say(
        self,
        user_id: int,
        chat_id: int,
        text: str,
        *,
        thread_id: int = 0,
        reply_to: int = 0,
        parse_mode: str = "",
    ) -> Post:
        """Let a person send a text; in a channel it is a channel post. Raises Refusal."""
        content = Content(text=formatted(text, parse_mode, None, limit_chars=TEXT_CHARS))
        if not content.text.text:
            raise bad("Message text is empty")
        return self._said(user_id, chat_id, content, thread_id=thread_id, reply_to=reply_to)

    def edit_said(self, chat_id: int, post_id: int, text: str) -> Post:
        """Let a person edit their text."""
        post = self.chats[chat_id].posts[post_id]
        self.revise(post, replace(post.content, text=with_found(Text(text))))
        self._tell(self.chats[chat_id], post)
        return post

    def forward(self, user_id: int, chat_id: int, from_chat_id: int, post_id: int) -> Post:
        """Let a person forward a message."""
        original = self.chats[from_chat_id].posts[post_id]
        return self._said(
            user_id, chat_id, original.content, forward=wire.origin_json(self, original)
        )

    def press(self, user_id: int, chat_id: int, post_id: int, data: str) -> Pressed:
        """Let a person press the callback button that carries `data`; KeyError for no such."""
        post = self.chats[chat_id].posts[post_id]
        if post.deleted_at or data not in _callbacks(post.content.markup):
            raise KeyError(data)
        pressed = Pressed(
            id=str(4_000_000_000_000 + self.number()),
            user_id=user_id,
            data=data,
            asked_at=self.now(),
        )
        self.pressed[pressed.id] = pressed
        body: Json = {"id": pressed.id, "from": wire.user_json(self.users[user_id])}
        if post.inline_id:
            body["inline_message_id"] = post.inline_id
        else:
            body["message"] = wire.message_json(self, post)
        body |= {"chat_instance": str(7_000_000_000 + abs(chat_id)), "data": data}
        self.updates.add("callback_query", chat_id, body)
        return pressed

    async def answer_of(self, query: Pressed | Asked, timeout_s: float = 10.0) -> Json | None:
        """Wait for the bot's answer to a button or an inline query; None if it never came."""
        try:
            async with asyncio.timeout(timeout_s), self.answered:
                await self.answered.wait_for(lambda: query.answer is not None)
        except TimeoutError:
            return None
        return query.answer

    def ask_inline(
        self, user_id: int, query: str, *, offset: str = "", chat_type: str = "sender"
    ) -> Asked:
        """Let a person type "@bot query" in a chat of the given type."""
        if not self.inline_enabled:
            raise bad("BOT_INLINE_DISABLED")
        asked = Asked(
            id=str(6_000_000_000_000 + self.number()),
            user_id=user_id,
            query=query[:256],
            asked_at=self.now(),
        )
        self.asked[asked.id] = asked
        body = {
            "id": asked.id,
            "from": wire.user_json(self.users[user_id]),
            "query": asked.query,
            "offset": offset,
            "chat_type": chat_type,
        }
        self.updates.add("inline_query", user_id, body)
        return asked

    def choose(self, asked_id: str, result_id: str, chat_id: int, *, thread_id: int = 0) -> Post:
        """Let the person who asked insert a result; KeyError where there is none such."""
        asked = self.asked[asked_id]
        content = asked.contents[result_id]
        inline_id = f"inline-{self.number():08d}" if content.markup else ""
        post = self._said(
            asked.user_id,
            chat_id,
            content,
            thread_id=thread_id,
            via_bot_id=self.bot.id,
            inline_id=inline_id,
        )
        if self.inline_feedback:
            chosen: Json = {
                "result_id": result_id,
                "from": wire.user_json(self.users[asked.user_id]),
                "query": asked.query,
            }
            more = {"inline_message_id": inline_id} if inline_id else {}
            self.updates.add("chosen_inline_result", asked.user_id, chosen | more)
        return post

    def put(self, post: Post) -> Post:
        """Keep a new message, numbered as Telegram numbers: see `next_id`."""
        self.chats[post.chat_id].posts[post.id] = post
        if post.inline_id:
            self.inline_posts[post.inline_id] = (post.chat_id, post.id)
        self.emit("posted", post.chat_id, message=self.view(post))
        return post

    def next_id(self, chat: Chat) -> int:
        """Give the next message id.

        Channels and supergroups number their own; private chats and basic groups share the one
        counter of the bot's account.
        """
        if chat.type in {"supergroup", "channel"}:
            chat.last_id += 1
            return chat.last_id
        self._account_last_id += 1
        return self._account_last_id

    def revise(self, post: Post, content: Content) -> None:
        """Replace what a message says, and remember what it said."""
        post.versions.append((self.now(), post.content))
        post.content = content
        post.edited_at = int(self.now())
        self.emit("edited", post.chat_id, message=self.view(post))

    def erase(self, post: Post) -> None:
        """Delete a message; the record stays."""
        post.deleted_at = self.now()
        self.emit("deleted", post.chat_id, message=self.view(post))

    def view(self, post: Post) -> Json:
        """Give a message as it stands, with its past: for the chat page and for tests."""
        past = [{"until": until, **wire.content_json(content)} for until, content in post.versions]
        return wire.message_json(self, post) | {
            "outgoing": post.outgoing,
            "silent": post.silent,
            "deleted_at": post.deleted_at or None,
            "versions": past,
        }

    def messages(self, chat_id: int) -> list[Json]:
        """Give all messages of a chat, oldest first, the deleted among them."""
        return [self.view(post) for post in self.chats[chat_id].posts.values()]

    def sent(self, chat_id: int) -> list[Post]:
        """Give the bot's own messages that stand in a chat, oldest first."""
        posts = self.chats[chat_id].posts.values()
        return [post for post in posts if post.outgoing and not post.deleted_at]

    def listen(self) -> asyncio.Queue[Json]:
        """Give a queue of all that happens from now on; `unlisten` ends it."""
        queue: asyncio.Queue[Json] = asyncio.Queue(LISTENER_EVENTS)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: asyncio.Queue[Json]) -> None:
        """Stop a queue of `listen`."""
        self._listeners.discard(queue)

    def emit(self, kind: str, chat_id: int, **more: Any) -> None:
        """Tell the listeners; one that no longer reads is dropped."""
        for queue in list(self._listeners):
            try:
                queue.put_nowait({"kind": kind, "chat_id": chat_id, **more})
            except asyncio.QueueFull:
                self._listeners.discard(queue)

    def _free_id(self, first: int) -> int:
        number = first
        while number in self.chats:
            number -= 1
        return number

    def _add_chat(self, chat: Chat, owner: int, members: Iterable[int]) -> Chat:
        chat.members[owner] = Member("creator")
        chat.members.update({user: Member("member") for user in members})
        self.chats[chat.id] = chat
        self.emit("chats", chat.id)
        return chat

    def _set_blocked(self, user_id: int, *, blocked: bool) -> None:
        user = self.users[user_id]
        if user.blocked == blocked:
            return
        user.blocked = blocked
        states = ("member", "kicked") if blocked else ("kicked", "member")
        old, new = (wire.member_json(self.bot, Member(state), "private") for state in states)
        body = {
            "chat": wire.chat_json(self, self.chats[user_id]),
            "from": wire.user_json(user),
            "date": int(self.now()),
            "old_chat_member": old,
            "new_chat_member": new,
        }
        self.updates.add("my_chat_member", user_id, body)

    def _serve(self, chat: Chat, user_id: int, service: Json) -> Post:
        content = Content(kind="service", service=service)
        post = self.put(
            Post(
                id=self.next_id(chat),
                chat_id=chat.id,
                date=int(self.now()),
                content=content,
                sender_id=user_id,
            )
        )
        self._tell(chat, post)
        return post

    def _said(self, user_id: int, chat_id: int, content: Content, **more: Any) -> Post:
        chat = self.chats[chat_id]
        user = self.users[user_id]
        _check_speaker(chat, user)
        if chat.type == "private":
            user.started = True
            if user.blocked:
                self.unblock(user_id)
        channel = chat.type == "channel"
        post = self.put(
            Post(
                id=self.next_id(chat),
                chat_id=chat.id,
                date=int(self.now()),
                content=content,
                sender_id=0 if channel else user_id,
                sender_chat_id=chat_id if channel else 0,
                **more,
            )
        )
        self._tell(chat, post)
        return post

    def _tell(self, chat: Chat, post: Post) -> None:
        """Tell the bot of a message, if Telegram would."""
        if chat.type != "private" and not chat.member(self.bot.id).present:
            return
        if chat.type in {"group", "supergroup"} and not self._reads(chat, post):
            return
        kind = "channel_post" if chat.type == "channel" else "message"
        kind = f"edited_{kind}" if post.edited_at else kind
        self.updates.add(kind, chat.id, wire.message_json(self, post))

    def _reads(self, chat: Chat, post: Post) -> bool:
        """Whether the bot in privacy mode sees a group's message."""
        if self.reads_everything or post.content.service is not None or post.via_bot_id:
            return True
        if chat.member(self.bot.id).status == "administrator":
            return True
        replied = chat.posts.get(post.reply_to)
        return bool(replied and replied.outgoing) or any(self._calls_me(post.content.text))

    def _calls_me(self, text: Text) -> Iterator[bool]:
        for entity in text.entities:
            part = cut(text.text, entity).lower()
            if entity["type"] == "mention":
                yield part == f"@{self.bot.username}".lower()
            if entity["type"] == "bot_command":
                yield part.partition("@")[2] in {"", self.bot.username.lower()}


def _check_speaker(chat: Chat, user: User) -> None:
    """Raise Refusal unless a person may write in a chat."""
    member = chat.member(user.id)
    if user.deactivated or not member.present or chat.deleted or chat.upgraded_to:
        raise forbidden("the user cannot write in this chat")
    if chat.type == "channel" and not member.may("can_post_messages"):
        raise forbidden("only administrators post in this channel")


def _callbacks(markup: Json | None) -> set[str]:
    rows = (markup or {}).get("inline_keyboard", ())
    return {button["callback_data"] for row in rows for button in row if "callback_data" in button}
