"""What the bot tells of itself: commands by scope and language, names, descriptions, menu."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bot.sandbox import acts
from bot.sandbox.refusals import bad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.sandbox.records import Json
    from bot.sandbox.state import Sandbox

COMMANDS = 100
COMMAND_CHARS = 32
DESCRIPTION_CHARS = 256

_WIDE_SCOPES = frozenset(
    {"default", "all_private_chats", "all_group_chats", "all_chat_administrators"}
)
_CHAT_SCOPES = frozenset({"chat", "chat_administrators", "chat_member"})
_TEXTS = {"Name": ("name", 64), "Description": ("description", 512)}
_TEXTS["ShortDescription"] = ("short_description", 120)


def table() -> dict[str, tuple[str, Callable[[Sandbox, Json], Any]]]:
    """Give the methods of this part: parameters and act by name."""
    rows: dict[str, tuple[str, Callable[[Sandbox, Json], Any]]] = {
        "setMyCommands": ("commands:json! scope:json language_code", _set_commands),
        "getMyCommands": ("scope:json language_code", _get_commands),
        "deleteMyCommands": ("scope:json language_code", _delete_commands),
        "setChatMenuButton": ("chat_id:chat menu_button:json", _set_menu),
        "getChatMenuButton": ("chat_id:chat", _get_menu),
        "setMyDefaultAdministratorRights": ("rights:json for_channels:bool", _set_rights),
    }
    for title, (field, chars) in _TEXTS.items():
        rows[f"setMy{title}"] = (f"{field} language_code", _setter(field, chars))
        rows[f"getMy{title}"] = ("language_code", _getter(field))
    return rows


def commands_for(sandbox: Sandbox, chat_id: int, user_id: int) -> list[Json]:
    """Give the commands that a user's app shows in a chat.

    Source: Bot API, "Determining list of commands".
    """
    language = sandbox.users[user_id].language_code
    for scope in _scopes(sandbox, chat_id, user_id):
        for code in (language, ""):
            if commands := sandbox.profile.get(("commands", *scope, code)):
                return list(commands)
    return []


def _scopes(sandbox: Sandbox, chat_id: int, user_id: int) -> Iterator[tuple[str, int, int]]:
    chat = sandbox.chats[chat_id]
    if chat.type == "private":
        yield ("chat", chat_id, 0)
        yield ("all_private_chats", 0, 0)
    else:
        admin = chat.member(user_id).status in {"creator", "administrator"}
        yield ("chat_member", chat_id, user_id)
        if admin:
            yield ("chat_administrators", chat_id, 0)
        yield ("chat", chat_id, 0)
        if admin:
            yield ("all_chat_administrators", 0, 0)
        yield ("all_group_chats", 0, 0)
    yield ("default", 0, 0)


def _set_commands(sandbox: Sandbox, args: Json) -> bool:
    commands = args["commands"]
    if not isinstance(commands, list):
        raise bad("Expected an Array of BotCommand")
    if len(commands) > COMMANDS:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    sandbox.profile[_key(sandbox, args)] = [_command(item) for item in commands]
    sandbox.emit("commands", 0)
    return True


def _get_commands(sandbox: Sandbox, args: Json) -> list[Json]:
    return list(sandbox.profile.get(_key(sandbox, args), ()))


def _delete_commands(sandbox: Sandbox, args: Json) -> bool:
    sandbox.profile.pop(_key(sandbox, args), None)
    sandbox.emit("commands", 0)
    return True


def _command(item: Any) -> Json:
    if not isinstance(item, dict):
        raise bad("Can't parse BotCommand: expected an Object")
    name, description = item.get("command"), item.get("description")
    for field, value in (("command", name), ("description", description)):
        if not isinstance(value, str):
            raise bad(f"Can't parse BotCommand: Can't find field \"{field}\"")
    assert isinstance(name, str)
    assert isinstance(description, str)
    name, description = name.removeprefix("/").strip(), description.strip()
    if not name:
        raise bad("Command must be non-empty")
    if len(name) > COMMAND_CHARS:
        raise bad(f"Command length must not exceed {COMMAND_CHARS}")
    if not re.fullmatch("[a-z0-9_]+", name):
        raise bad("BOT_COMMAND_INVALID")
    if not description:
        raise bad("Command description must be non-empty")
    if len(description) > DESCRIPTION_CHARS:
        raise bad(f"Command description length must not exceed {DESCRIPTION_CHARS}")
    return {"command": name, "description": description}


def _key(sandbox: Sandbox, args: Json) -> tuple[str, str, int, int, str]:
    scope = args.get("scope") or {"type": "default"}
    if not isinstance(scope, dict):
        raise bad("Can't parse BotCommandScope: BotCommandScope must be an Object")
    kind = str(scope.get("type"))
    language = _language(args)
    if kind in _WIDE_SCOPES:
        return ("commands", kind, 0, 0, language)
    if kind not in _CHAT_SCOPES:
        raise bad("Can't parse BotCommandScope: Unsupported type specified")
    chat = acts.reach(sandbox, scope.get("chat_id"), "read")
    user_id = scope.get("user_id", 0) if kind == "chat_member" else 0
    if not isinstance(user_id, int) or (kind == "chat_member" and user_id not in sandbox.users):
        raise bad("Can't parse BotCommandScope: Invalid user_id specified")
    return ("commands", kind, chat.id, user_id, language)


def _language(args: Json) -> str:
    language = str(args.get("language_code", ""))
    if language and not re.fullmatch("[a-z]{2}", language):
        raise bad("Invalid language code specified")
    return language


def _setter(field: str, chars: int) -> Callable[[Sandbox, Json], bool]:
    def act(sandbox: Sandbox, args: Json) -> bool:
        value = args.get(field, "")
        if len(value) > chars:
            raise bad(f"{field.replace('_', ' ')} is too long")
        sandbox.profile[(field, _language(args))] = value
        return True

    return act


def _getter(field: str) -> Callable[[Sandbox, Json], Json]:
    def act(sandbox: Sandbox, args: Json) -> Json:
        codes = (_language(args), "")
        values = (sandbox.profile.get((field, code), "") for code in codes)
        default = sandbox.bot.first_name if field == "name" else ""
        return {field: next(filter(None, values), default)}

    return act


def _set_menu(sandbox: Sandbox, args: Json) -> bool:
    button = args.get("menu_button") or {"type": "default"}
    if not isinstance(button, dict):
        raise bad("Can't parse menu button: MenuButton must be an Object")
    if button.get("type") not in ("default", "commands", "web_app"):
        raise bad("Can't parse menu button: MenuButton has unsupported type")
    sandbox.profile[("menu", args.get("chat_id", 0))] = button
    return True


def _get_menu(sandbox: Sandbox, args: Json) -> Any:
    default = sandbox.profile.get(("menu", 0), {"type": "commands"})
    return sandbox.profile.get(("menu", args.get("chat_id", 0)), default)


def _set_rights(sandbox: Sandbox, args: Json) -> bool:
    sandbox.profile[("rights", args.get("for_channels", False))] = args.get("rights")
    return True
