"""Who follows a link: a person, or a machine that looks at it for one. Pure.

Machines are told by the names that their makers document. What does not announce itself as a
machine counts as a reader: apps that open pages for people name themselves, too.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST_AGENT_CHARS: Final = 512

# Names of fetchers that hold none of the words of _MACHINE_WORDS.
_NAMES: Final = (
    "facebookexternalhit",
    "facebookcatalog",
    "facebot",
    "facebookplatform",
    "meta-external",
    "meta-webindexer",
    "line-poker",
    "whatsapp/",
    "slack-imgproxy",
    "skypeuripreview",
    "google-inspectiontool",
    "google-read-aloud",
    "google-safety",
    "google-extended",
    "google-cloudvertexbot",
    "googleother",
    "google favicon",
    "google web preview",
    "mediapartners-google",
    "apis-google",
    "feedfetcher-google",
    "chrome-lighthouse",
    "bingpreview",
    "microsoftpreview",
    "bitlybot",
    "applenewsbot",
    "yahoo! slurp",
    "vkshare",
    "kakaotalk-scrap",
    "snap url preview",
    "embedly",
    "iframely",
    "cardyb",
    "nuzzel",
    "flipboardproxy",
    "quora link preview",
    "outbrain",
    "w3c_validator",
    "ia_archiver",
    "archive.org_bot",
    "chatgpt-user",
    "oai-searchbot",
    "claude-user",
    "perplexity-user",
    "headlesschrome",
    "phantomjs",
    "mastodon/",
    "pleroma",
    "misskey",
    "synapse (",
    "matrix-media",
    "zoominfo",
    "barkrowler",
    "uptimerobot",
    "pingdom",
)
_MACHINE_WORDS: Final = r"(?<!cu)bots?(?![a-z])|crawler|spider(?![a-z])|scraper|link[-_ ]?preview"
_MACHINE: Final = re.compile(f"{_MACHINE_WORDS}|{'|'.join(map(re.escape, _NAMES))}")
# A page's address beside the product is how a robot says whose it is (RFC 9309, section 2.2.1).
_OWNER: Final = re.compile(r"\+?https?://")
_AHEAD: Final = re.compile("prefetch|prerender|preview")


def is_machine(agent: str | None) -> bool:
    """Whether a User-Agent is that of a preview or search crawler rather than a reader's.

    Source: the documented names of Telegram, WhatsApp, LINE, Meta, X, Slack, Discord, Google,
    Microsoft, Apple and others; RFC 9309, section 2.2.1.
    """
    name = (agent or "")[:LONGEST_AGENT_CHARS].lower()
    return _MACHINE.search(name) is not None or _OWNER.search(name) is not None


def is_ahead_of_time(purpose: str | None) -> bool:
    """Whether a purpose header says that nobody looks yet: prefetch, prerender or preview.

    Source: Fetch standard, Sec-Purpose; Purpose and X-Purpose, as browsers sent them before.
    """
    return _AHEAD.search((purpose or "").lower()) is not None
