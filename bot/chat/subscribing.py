"""Subscriptions and settings of chats, topics and channels; who may change them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from telegram import ChatMemberAdministrator, ChatMemberOwner
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, Forbidden

from bot.chat.answers import known_chat
from bot.store.rows import tag_key
from bot.text import one_line
from bot.types import Button, ChatType, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telegram import ChatFullInfo, ChatMember

    from bot.chat.answers import Ask

LONGEST_TAG_CHARS: Final = 64
MOST_TAGS: Final = 30
KNOWN_TAGS: Final = 1_000
NO_RIGHTS: Final = "channel_no_rights"
LANGUAGE_NAMES: Final = {"id": "Bahasa Indonesia", "en": "English"}

_CHANNEL: Final = re.compile(
    r"(?:@|(?:https?://)?t\.me/)([A-Za-z]\w{3,31})/?(?:\s+(.*))?", re.DOTALL | re.ASCII
)
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
        tags=kept.tags if kept else (),
        unseen=unseen,
        place=target.name,
        silent=bool(kept and kept.silent),
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
        await ask.say("still_subscribed", tags=left.tags, place=target.name)


async def settings(ask: Ask) -> None:
    """Show what the chat gets and how, with buttons to change it."""
    await ask.send(await settings_message(ask))


async def settings_message(ask: Ask) -> Message:
    """Make the message that shows the settings of the chat or topic."""
    subscription = await ask.desk.store.find_subscription(ask.chat.id, ask.thread_id)
    language = LANGUAGE_NAMES.get(ask.language, ask.language)
    html = ask.render("settings", subscription=subscription, language_name=language)
    languages = tuple(
        Button(name, callback_data=f"settings:language:{code}")
        for code, name in LANGUAGE_NAMES.items()
        if code != ask.language
    )
    if subscription is None:
        begin = Button(ask.label("label_subscribe"), callback_data="subscribe:")
        return Message(html, "", (languages, (begin,)))
    label, choice = ("label_sound", "off") if subscription.silent else ("label_silent", "on")
    wish = (
        Button(ask.label(label), callback_data=f"settings:silent:{choice}"),
        Button(ask.label("label_unsubscribe"), callback_data="unsubscribe:"),
    )
    return Message(html, "", (languages, wish))


async def change_setting(ask: Ask) -> Ask | None:
    """Do what a settings button says; gives the question as it reads now, None for no such."""
    store = ask.desk.store
    match ask.words.split(":"):
        case ["language", code] if code in LANGUAGE_NAMES:
            await store.record_language(ask.chat.id, code)
            return replace(ask, language=code)
        case ["silent", ("on" | "off") as choice]:
            await store.record_silence(
                ask.chat.id, ask.thread_id, silent=choice == "on", now=ask.desk.clock()
            )
            return ask
        case _:
            return None


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
