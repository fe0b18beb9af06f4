"""What the sandbox's world is made of. These records change as the world does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

PRESENT = frozenset({"creator", "administrator", "member", "restricted"})
POSTING_RIGHTS = frozenset({"can_post_messages", "can_edit_messages", "can_delete_messages"})
GENERAL_TOPIC = 1


@dataclass(slots=True, kw_only=True)
class User:
    """An account. `blocked` and `started` speak of this user and the bot."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = ""
    is_bot: bool = False
    started: bool = False
    blocked: bool = False
    deactivated: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A user's standing in a chat: a Bot API status, and an administrator's rights."""

    status: str
    rights: frozenset[str] = frozenset()

    @property
    def present(self) -> bool:
        """Whether the user is in the chat."""
        return self.status in PRESENT

    def may(self, right: str) -> bool:
        """Whether an administrator holds a right; the creator holds all."""
        return self.status == "creator" or (self.status == "administrator" and right in self.rights)


@dataclass(slots=True)
class Topic:
    """A forum's topic; its id is the message thread id."""

    id: int
    name: str
    closed: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A text with its entities in the Bot API's form; offsets in UTF-16 code units."""

    text: str = ""
    entities: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """A photo or a document: its bytes, or the address that it was sent by."""

    file_id: str
    name: str
    mime: str
    data: bytes = b""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says in one of its versions; `text` is the caption of media."""

    kind: str = "text"
    text: Text = field(default_factory=Text)
    markup: Json | None = None
    preview: Json | None = None
    media: Media | None = None
    service: Json | None = None


@dataclass(slots=True, kw_only=True)
class Post:
    """A message. `versions` holds what it said before, oldest first, with the time it ended."""

    id: int
    chat_id: int
    date: int
    content: Content
    sender_id: int = 0
    sender_chat_id: int = 0
    outgoing: bool = False
    thread_id: int = 0
    reply_to: int = 0
    forward: Json | None = None
    via_bot_id: int = 0
    inline_id: str = ""
    silent: bool = False
    protected: bool = False
    edited_at: int = 0
    deleted_at: float = 0.0
    versions: list[tuple[float, Content]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Chat:
    """A chat with its members and messages; a private chat has its user's id."""

    id: int
    type: str
    title: str = ""
    username: str = ""
    is_forum: bool = False
    members: dict[int, Member] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)
    last_id: int = 0
    upgraded_to: int = 0
    deleted: bool = False
    muted: frozenset[str] = frozenset()

    def member(self, user_id: int) -> Member:
        """Give a user's standing; one who never came has left."""
        return self.members.get(user_id, Member("left"))


@dataclass(slots=True, kw_only=True)
class Pressed:
    """A pressed callback button, and what the bot answered; None while it has not."""

    id: str
    user_id: int
    data: str
    asked_at: float
    answer: Json | None = None


@dataclass(slots=True, kw_only=True)
class Asked:
    """An inline query, and the bot's answer; None while it has not answered."""

    id: str
    user_id: int
    query: str
    asked_at: float
    answer: Json | None = None
    contents: dict[str, Content] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the Bot API as the ledger keeps it; `fault` names the one that struck."""

    number: int
    at: float
    method: str
    params: Json
    status: int
    reply: Json | None
    fault: str = ""
