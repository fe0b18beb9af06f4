"""Subscriptions and settings of chats, topics and channels; who may change them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from telegram import ChatMemberAdministrator, ChatMemberOwner
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, Forbidden

from bot.chat.answers import known_chat
from bot.chat.wishes import KEYWORD_TOPICS, ZONE_TOPICS, Place, add_words, set_zone, settings_page
from bot.store.rows import tag_key
from bot.text import one_line
from bot.types import ChatType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telegram import ChatFullInfo, ChatMember

    from bot.chat.answers import Ask

LONGEST_TAG_CHARS: Final = 64
MOST_TAGS: Final = 30
KNOWN_TAGS: Final = 1_000
NO_RIGHTS: Final = "channel_no_rights"

_CHANNEL: Final = re.compile(
    r"(?:@|(?:https?://)?t\.me/)([A-Za-z]\w{3,31})/?(?:\s+(.*))?", re.DOTALL | re.ASCII
)
_MARKED: Final = re.compile(r"@(-?\d{1,15}):(.+)", re.ASCII)
_QUOTED: Final = re.compile(r'["“”«»]([^"“”«»]*)["“”«»]')
_TRIMMED: Final = '# "“”«»'
_ADMINISTRATORS: Final = frozenset({ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR})


@dataclass(frozen=True, slots=True)
class Target:
    """The chat and topic whose subscription is meant; `name` is empty for where it was asked."""

    chat_id: int
    thread_id: int
    words: str
    name: str = ""


async def subscribe(ask: Ask) -> None:
    """Let every new story, or those of tags, come to the chat or channel that is meant."""
    target = await _target(ask, posts=True)
    if target is None:
        return
    tags = await _tags(ask, target.words)
    if target.words and not tags:
        await ask.say("tags_unusable")
        return
    await say_subscribed(ask, target, tags)


async def say_subscribed(ask: Ask, target: Target, tags: Sequence[str]) -> None:
    """Subscribe, and say exactly what will come."""
    store = ask.desk.store
    await store.open_chat(target.chat_id)
    await store.subscribe(target.chat_id, target.thread_id, tags, ask.desk.clock())
    kept = await store.find_subscription(target.chat_id, target.thread_id)
    unseen = [tag for tag in tags if not await store.list_latest(1, 0, tag)]
    await ask.say(
        "subscribed",
        subscription=kept,
        unseen=unseen,
        place=target.name,
    )


async def unsubscribe(ask: Ask) -> None:
    """End a subscription, or take tags from it."""
    target = await _target(ask, posts=False)
    if target is None:
        return
    tags = await _tags(ask, target.words)
    if target.words and not tags:
        await ask.say("tags_unusable")
        return
    await say_unsubscribed(ask, target, tags)


async def say_unsubscribed(ask: Ask, target: Target, tags: Sequence[str]) -> None:
    """Unsubscribe, and say what still comes."""
    store = ask.desk.store
    if await store.find_subscription(target.chat_id, target.thread_id) is None:
        await ask.say("not_subscribed", place=target.name)
        return
    left = await store.unsubscribe(target.chat_id, target.thread_id, tags, ask.desk.clock())
    if left is None:
        await ask.say("unsubscribed", place=target.name)
    else:
        await ask.say("still_subscribed", subscription=left, place=target.name)


async def settings(ask: Ask) -> None:
    """Show what a chat or channel gets and how, with buttons to change it; take typed words."""
    named = _CHANNEL.fullmatch(ask.words) if ask.is_private else None
    topic, _, words = (named[2] or "" if named else ask.words).strip().partition(" ")
    changes = topic.casefold() in KEYWORD_TOPICS | ZONE_TOPICS and bool(words.strip())
    if named or changes:
        target = await _target(ask, posts=False)
        if target is None:
            return
        place = await _place(ask, target)
    else:
        place = Place(ask, ask.chat, ask.thread_id)
    await _say_settings(place, topic.casefold(), words.strip())


async def _say_settings(place: Place, topic: str, words: str) -> None:
    page, ask = "home", place.ask
    if topic in ZONE_TOPICS:
        page, changed = "zone", await set_zone(place, words) if words else place
        if changed is None:
            await ask.say("zone_unknown", zone=words)
            return
        place = changed
    elif topic in KEYWORD_TOPICS:
        page = "what"
        if words and (refusal := await add_words(place, words)):
            await ask.say(refusal)
            return
        await ask.desk.store.open_chat(place.chat.id)
    await ask.send(await settings_page(place, page))


async def _place(ask: Ask, target: Target) -> Place:
    """The place of a target, with the mark that its buttons bear."""
    if not target.name:
        return Place(ask, ask.chat, target.thread_id)
    chat = await ask.desk.store.get_chat(target.chat_id)
    return Place(ask, chat, 0, target.name, f"@{chat.telegram_id}:")


async def pressed_place(ask: Ask) -> tuple[Place, str] | None:
    """The place that a settings button is about and what it says; None where it is not theirs."""
    marked = _MARKED.fullmatch(ask.words)
    if marked is None:
        here = Place(ask, ask.chat, ask.thread_id)
        return (here, ask.words) if await may_manage(ask) else None
    telegram_id = int(marked[1])
    chat = await ask.desk.store.find_chat(telegram_id)
    if chat is None or not ask.is_private or ask.user is None:
        return None
    try:
        administers = await _is_administrator(ask, telegram_id)
    except Forbidden:
        return None
    name = chat.username or chat.title or str(telegram_id)
    return (Place(ask, chat, 0, name, f"@{telegram_id}:"), marked[2]) if administers else None


async def stop(ask: Ask) -> None:
    """Delete what is known of a chat, and say so."""
    if not await may_manage(ask):
        await ask.say("only_administrators")
        return
    await ask.desk.store.forget_chat(ask.chat.id, ask.desk.clock())
    await ask.say("stopped", is_private=ask.is_private)


async def may_manage(ask: Ask) -> bool:
    """Whether who asks may change the subscription of the chat where they ask.

    In private everybody; in a channel who posts in its name; in a group its administrators, also
    anonymous ones, who speak for the group itself.
    """
    if ask.is_private or ask.speaks_for == ask.telegram_id:
        return True
    if ask.speaks_for is not None or ask.user is None:
        return False
    return await _is_administrator(ask, ask.telegram_id)


async def _is_administrator(ask: Ask, telegram_id: int) -> bool:
    """Whether the person who asks administers a chat; one whom it never saw does not."""
    assert ask.user is not None
    try:
        member = await ask.bot.get_chat_member(telegram_id, ask.user.id)
    except BadRequest:
        return False
    return member.status in _ADMINISTRATORS


async def _target(ask: Ask, *, posts: bool) -> Target | None:
    """Give the subscription that is meant; None where it was said why not.

    With `posts` the bot must be able to post there.
    """
    named = _CHANNEL.fullmatch(ask.words) if ask.is_private else None
    if named:
        return await _named_target(ask, f"@{named[1]}", named[2] or "", posts=posts)
    if not await may_manage(ask):
        await ask.say("only_administrators")
        return None
    return Target(ask.chat.id, ask.thread_id, ask.words)


async def _named_target(ask: Ask, name: str, words: str, *, posts: bool) -> Target | None:
    """Give the channel of that name where the asker administers it and the bot is in it."""
    try:
        chat = await ask.bot.get_chat(name)
        own = await ask.bot.get_chat_member(chat.id, ask.bot.id)
        administers = await _is_administrator(ask, chat.id)
    except (BadRequest, Forbidden):
        await ask.say("channel_unknown", channel=name)
        return None
    refusal = _refusal(chat, own, administers=administers)
    if refusal and (posts or refusal != NO_RIGHTS):
        await ask.say(refusal, channel=name)
        return None
    record = await known_chat(ask.desk, chat, None)
    return Target(record.id, 0, words, name)


def _refusal(chat: ChatFullInfo, own: ChatMember, *, administers: bool) -> str:
    """Name the words that say why not; empty for no reason."""
    if chat.type == ChatType.PRIVATE:
        return "channel_unknown"
    if not administers:
        return "channel_not_yours"
    if own.status in {ChatMemberStatus.LEFT, ChatMemberStatus.BANNED}:
        return "channel_unknown"
    posts = isinstance(own, ChatMemberOwner) or (
        isinstance(own, ChatMemberAdministrator) and own.can_post_messages
    )
    return NO_RIGHTS if chat.type == ChatType.CHANNEL and not posts else ""


async def _tags(ask: Ask, words: str) -> list[str]:
    """Read tags: by commas and spaces; quotes, and being a known tag, keep a phrase together."""
    if not words:
        return []
    known = set(await ask.desk.store.list_tags(KNOWN_TAGS))
    return read_tags(words, known)


def read_tags(words: str, known: set[str]) -> list[str]:
    """Give the tags in words, each once, in their order; what has no letter or digit is none.

    At most MOST_TAGS tags of LONGEST_TAG_CHARS characters. `known` are comparison keys.
    """
    tags: list[str] = []
    end = 0
    for quoted in _QUOTED.finditer(words):
        tags += _loose_tags(words[end : quoted.start()], known)
        tags.append(quoted[1])
        end = quoted.end()
    tags += _loose_tags(words[end:], known)
    tidy = (one_line(tag).strip(_TRIMMED)[:LONGEST_TAG_CHARS].strip() for tag in tags)
    return list({tag_key(tag): tag for tag in tidy if re.search(r"\w", tag)}.values())[:MOST_TAGS]


def _loose_tags(words: str, known: set[str]) -> list[str]:
    tags: list[str] = []
    for part in words.replace(";", ",").split(","):
        tags += [part] if tag_key(part.strip()) in known else part.split()
    return tags
