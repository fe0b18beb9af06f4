"""Where entries come from: feeds and article pages over HTTP."""

from __future__ import annotations

from bot.feeds.guard import guarded, places, public_socket
from bot.feeds.parse import ParsedFeed, parse_feed
from bot.feeds.source import HttpSource, Limits, parse_source
from bot.feeds.websub import HttpHubs
from bot.feeds.wordpress import WordPressArchive

__all__ = [
    "HttpHubs",
    "HttpSource",
    "Limits",
    "ParsedFeed",
    "WordPressArchive",
    "guarded",
    "parse_feed",
    "parse_source",
    "places",
    "public_socket",
]
