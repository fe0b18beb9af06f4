"""The chat's texts: the same macros in every language, and commands as Telegram takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from chatting import TEMPLATES, world

from bot.chat import commands
from bot.chat.commands import publish_commands
from bot.sandbox.faults import Fault
from bot.sandbox.profile import commands_for

if TYPE_CHECKING:
    from pathlib import Path

MACRO = re.compile(r"{% macro (\w+\([^)]*\))")


def macros(language: str) -> list[str]:
    return MACRO.findall((TEMPLATES / "chat" / f"{language}.html.j2").read_text("utf-8"))


def test_every_language_has_the_same_macros_with_the_same_values() -> None:
    assert macros("id") == macros("en")
    assert len(macros("id")) > 40


def test_every_macro_that_the_code_names_exists_and_every_macro_is_named() -> None:
    bot = TEMPLATES.parent / "bot"
    code = "".join(path.read_text("utf-8") for path in bot.rglob("*.py"))
    inner = {"linked", "lines", "tag_list", "there", "naming", "choice_lines", "rhythm_lines"}
    inner |= {"moment", "share_counts"}
    named = {name.partition("(")[0] for name in macros("id")} - inner
    assert {name for name in named if f'"{name}"' not in code} == set()
    used = re.findall(r'(?:say|render|label|Toast)\(\s*"(\w+)"|"(toast_\w+)"', code)
    assert {first or second for first, second in used} <= named


@pytest.mark.parametrize("command", [*commands.READERS, *commands.EDITORS, commands.START])
def test_names_and_lines_are_what_telegram_takes(command: commands.Command) -> None:
    for name in command.names:
        assert re.fullmatch(r"[a-z0-9_]{1,32}", name)
    for language in ("id", "en"):
        assert 1 <= len(command.menu(language).description) <= 256


async def test_menus_are_in_the_readers_language_and_by_kind_of_chat(tmp_path: Path) -> None:
    async with world(tmp_path) as chat:
        box = chat.sandbox
        for user_id, language in ((1, "id"), (2, "en"), (3, "fr")):
            box.add_user("A", user_id=user_id, language_code=language)
        box.add_supergroup("Warga", 2, chat_id=-1001, members=[1])
        await publish_commands(chat.bot)
        names = [[c["command"] for c in commands_for(box, user, user)] for user in (1, 2, 3)]
        assert names[0] == names[2]
        assert {"terbaru", "cari", "langganan"} <= set(names[0])
        assert {"latest", "search", "subscribe"} <= set(names[1])
        assert "langganan" not in [c["command"] for c in commands_for(box, -1001, 1)]
        assert "subscribe" in [c["command"] for c in commands_for(box, -1001, 2)]
        assert chat.failures() == []


async def test_a_menu_that_telegram_refuses_is_only_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as chat:
        chat.sandbox.faults.plan(Fault(method="setMyCommands", code=500, times=None))
        await publish_commands(chat.bot)
    assert "commands not published" in caplog.text
