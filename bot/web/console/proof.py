"""Telegram's word for who opened a page inside it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

PROOF_LIVES: Final = timedelta(minutes=5)
CLOCKS_DIFFER: Final = timedelta(minutes=1)
LONGEST_PROOF_CHARS: Final = 8_192


def proof_key(token: str) -> bytes:
    """The key by which Telegram signs what it tells a bot's pages.

    Source: Bot API, Validating data received via the Mini App.
    """
    return hmac.new(b"WebAppData", token.encode(), hashlib.sha256).digest()


def read_proof(init_data: str, key: bytes, now: datetime) -> int | None:
    """The Telegram user who opened the page; None where Telegram does not say so, or not lately.

    Source: Bot API, Validating data received via the Mini App.
    """
    if len(init_data) > LONGEST_PROOF_CHARS:
        return None
    try:
        pairs = parse_qsl(init_data, keep_blank_values=True, strict_parsing=True)
        fields = dict(pairs)
        stated = fields.pop("hash", "")
        if len(pairs) != len(fields) + 1:
            return None
        text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
        expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), stated.encode()):
            return None
        signed_at = datetime.fromtimestamp(int(fields["auth_date"]), UTC)
        user = json.loads(fields["user"])["id"]
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None
    if not -CLOCKS_DIFFER <= now - signed_at <= PROOF_LIVES or type(user) is not int:
        return None
    return user
