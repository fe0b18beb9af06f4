"""A story ready to be shared: as its own message, or as texts, links and a QR code."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeGuard

from telegram.error import BadRequest

from bot.chat.pages import TEXTS, in_rows
from bot.chat.stories import title_of
from bot.qr import qr_png
from bot.text import utf16_length
from bot.types import Button, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.chat.answers import Ask, Buttons
    from bot.types import ShareSheet, Story

# A copyable text stands below its platform's name in a message of at most 4,096 units.
COPYABLE_UNITS: Final = 4_000
COPY_BUTTON_UNITS: Final = 256
BUTTONS_BYTES: Final = 8_000
BUTTONS_IN_ROW: Final = 3
QR_BYTES: Final = 600

_log = logging.getLogger(__name__)


async def say_share(ask: Ask, story: Story) -> None:
    """Give a story's texts, each ready to copy, then its links as buttons.

    Several messages belong into a private chat; elsewhere it is the story's own message.
    """
    if not ask.is_private:
        await say_card(ask, story)
        return
    sheet = ask.desk.renderer.share_sheet(story)
    texts = {
        "Telegram": sheet.texts.telegram,
        "WhatsApp": sheet.texts.whatsapp,
        "LINE": sheet.texts.line,
        ask.label("label_plain"): sheet.texts.plain,
    }
    for platform, text in texts.items():
        for part in parts(text, COPYABLE_UNITS):
            await ask.say("copyable", buttons=_copy(ask, part), platform=platform, text=part)
    await _say_links(ask, sheet)


async def _say_links(ask: Ask, sheet: ShareSheet) -> None:
    """Give the links as buttons below a QR code of the address; without it where there is none."""
    url, buttons = sheet.copy_url, share_buttons(ask, sheet)
    picture = await asyncio.to_thread(qr_png, url) if _fits_qr(url) else None
    html = ask.render("share_links", title=title_of(sheet.story), qr=picture is not None)
    message = Message(html, "", buttons)
    if picture is not None:
        try:
            await ask.send_photo(picture, message)
        except BadRequest as error:
            _log.warning("picture refused", extra={"reason": str(error)})
        else:
            return
    await ask.send(message)


async def say_card(ask: Ask, story: Story) -> None:
    """Show a story as its own message with its share row, and the way to its texts."""
    known = story.id > 0
    message = ask.desk.renderer.share_sheet(story, related=known).message
    if known:
        message = replace(message, buttons=(*message.buttons, (_texts_button(ask, story),)))
    await ask.send(message)


def parts(text: str, limit: int) -> Iterator[str]:
    """Cut a text into parts of at most `limit` UTF-16 units, at line ends or spaces if it can."""
    while utf16_length(text) > limit:
        end = len(text.encode("utf-16-le")[: limit * 2].decode("utf-16-le", "ignore"))
        cut = max(text.rfind("\n", end // 2, end), text.rfind(" ", end // 2, end)) + 1 or end
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    yield text


def share_buttons(ask: Ask, sheet: ShareSheet) -> Buttons:
    """The links of a share sheet as buttons, and the copy button; within Telegram's limits."""
    links = (
        ("Facebook", sheet.links.facebook),
        ("X", sheet.links.x),
        ("WhatsApp", sheet.links.whatsapp),
        ("Telegram", sheet.links.telegram),
        ("LINE", sheet.links.line_desktop),
        ("Threads", sheet.links.threads),
    )
    buttons: list[Button] = []
    room = BUTTONS_BYTES
    for text, url in links:
        if url and len(url.encode()) <= room:
            buttons.append(Button(text, url=url))
            room -= len(url.encode())
    copy = [button for row in sheet.message.buttons for button in row if button.copy_text]
    own = [(Button(ask.label("label_copy"), copy_text=button.copy_text),) for button in copy]
    return (*in_rows(buttons, BUTTONS_IN_ROW), *own)


def without_callback(message: Message, bot_name: str, code: str) -> Message:
    """Give a story's message with a link to the bot in the place of its related button."""
    link = start_link(bot_name, "related", code)
    rows = (
        tuple(Button(b.text, url=link) if b.callback_data else b for b in row)
        for row in message.buttons
    )
    return replace(message, buttons=tuple(rows))


def start_link(bot_name: str, wish: str, code: str) -> str:
    """Give the link that opens the bot with a wish: what is "related" to a story, or to "share" it.

    Source: Telegram's deep links; the parameter is at most 64 of A-Z, a-z, 0-9, _ and -.
    """
    return f"https://t.me/{bot_name}?start={wish}_{code}"


def _fits_qr(url: str | None) -> TypeGuard[str]:
    """Whether an address makes a code that a camera reads from a screen."""
    return bool(url) and len((url or "").encode()) <= QR_BYTES


def _texts_button(ask: Ask, story: Story) -> Button:
    label = ask.label("label_texts")
    if ask.is_private:
        return Button(label, callback_data=f"latest:{TEXTS}{story.code}")
    return Button(label, url=start_link(ask.bot.username, "share", story.code))


def _copy(ask: Ask, text: str) -> Buttons:
    if not 0 < utf16_length(text) <= COPY_BUTTON_UNITS:
        return ()
    return ((Button(ask.label("label_copy_text"), copy_text=text),),)
