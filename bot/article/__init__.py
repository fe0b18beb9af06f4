"""An article's page to the same entry that a feed gives."""

from __future__ import annotations

from bot.article.read import parse_article

__all__ = ["parse_article"]
