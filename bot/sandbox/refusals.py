"""How the sandbox says no: the Bot API's error answers, in its own words."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An error answer: `code` is also the HTTP status; `parameters` as in ResponseParameters.

    Source: Bot API, "Making requests".
    """

    def __init__(
        self, code: int, description: str, parameters: dict[str, Any] | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters or {}

    def body(self) -> dict[str, Any]:
        """Give the JSON answer."""
        body: dict[str, Any] = {
            "ok": False,
            "error_code": self.code,
            "description": self.description,
        }
        return body | {"parameters": self.parameters} if self.parameters else body


def bad(reason: str) -> Refusal:
    """Give a 400; the first letter is lowered unless the reason is a bare server code."""
    return Refusal(400, f"Bad Request: {_lowered(reason)}")


def unfit(reason: str) -> Refusal:
    """Give a 400 that the real server would not give: a fault of the caller's that it hides."""
    return Refusal(400, f"Bad Request: sandbox: {reason}")


def forbidden(reason: str) -> Refusal:
    """Give a 403."""
    return Refusal(403, f"Forbidden: {reason}")


def conflict(reason: str) -> Refusal:
    """Give a 409."""
    return Refusal(409, f"Conflict: {reason}")


def too_many(retry_after_s: int) -> Refusal:
    """Give a 429 that asks for a pause of whole seconds."""
    return Refusal(
        429,
        f"Too Many Requests: retry after {retry_after_s}",
        {"retry_after": retry_after_s},
    )


def upgraded(chat_id: int) -> Refusal:
    """Give the 400 of a basic group that became the supergroup `chat_id`."""
    reason = "Bad Request: group chat was upgraded to a supergroup chat"
    return Refusal(400, reason, {"migrate_to_chat_id": chat_id})


def _lowered(reason: str) -> str:
    second = reason[1:2]
    if second == "_" or ("A" <= second <= "Z"):
        return reason
    return reason[:1].lower() + reason[1:]
