"""Secrets that open something: made so that nobody guesses them, kept so that nobody reads them."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """A secret of 256 bits, fit for an address."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """A token as it is stored."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
