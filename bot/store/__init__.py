"""Every query, as verbs of the domain: one verb, one transaction, no network inside.

Verbs: `get_` raises, `find_` may give None, `list_`, `claim_` takes under a lease, `record_` and
`mark_` write. Every verb raises DatabaseError where the database cannot serve.
"""

from __future__ import annotations

from bot.store.audience import AudienceVerbs
from bot.store.broadcasts import BroadcastVerbs, Crowd, StoryBroadcast
from bot.store.changes import (
    Absence,
    ArchiveForVisit,
    ChangeVerbs,
    FeedListing,
    Visit,
)
from bot.store.clicks import ClickVerbs
from bot.store.console import ConsoleVerbs, LinkState, StoredTemplate
from bot.store.deliveries import (
    ClaimPlan,
    DeliveryVerbs,
    KnownIds,
    Neighbour,
    NotedMessage,
    OutboxHealth,
    Unconfirmed,
)
from bot.store.digests import DigestVerbs, DueDigest, ListPart
from bot.store.editing import Correction, EditingVerbs, Sending
from bot.store.feeds import FeedAlert, FeedHealth, FeedVerbs
from bot.store.glances import (
    AudienceGlance,
    FeedGlance,
    GlanceVerbs,
    LedgerLine,
    MessageState,
    StoryGlance,
)
from bot.store.hubs import HubDoor, HubHealth, HubVerbs
from bot.store.inbox import InboxVerbs, Lease
from bot.store.newsroom import NewsroomVerbs, PollPlan, Recorded
from bot.store.notices import Notice, NoticeVerbs
from bot.store.reading import ReadingVerbs
from bot.store.relevance import Asked, Indexed, Link, Related, RelevanceVerbs, Vocabulary
from bot.store.retractions import RetractionVerbs
from bot.store.statistics import SpanNumbers, StatisticsVerbs
from bot.store.trail import TrailVerbs, Warrant
from bot.store.wishes import WishVerbs

__all__ = [
    "Absence",
    "ArchiveForVisit",
    "Asked",
    "AudienceGlance",
    "ClaimPlan",
    "Correction",
    "Crowd",
    "DueDigest",
    "FeedAlert",
    "FeedGlance",
    "FeedHealth",
    "FeedListing",
    "HubDoor",
    "HubHealth",
    "Indexed",
    "KnownIds",
    "Lease",
    "LedgerLine",
    "Link",
    "LinkState",
    "ListPart",
    "MessageState",
    "Neighbour",
    "NotedMessage",
    "Notice",
    "OutboxHealth",
    "PollPlan",
    "Recorded",
    "Related",
    "Sending",
    "SpanNumbers",
    "Store",
    "StoredTemplate",
    "StoryBroadcast",
    "StoryGlance",
    "Unconfirmed",
    "Visit",
    "Vocabulary",
    "Warrant",
]


class Store(
    FeedVerbs,
    HubVerbs,
    NewsroomVerbs,
    AudienceVerbs,
    WishVerbs,
    DigestVerbs,
    BroadcastVerbs,
    ChangeVerbs,
    RetractionVerbs,
    EditingVerbs,
    NoticeVerbs,
    TrailVerbs,
    StatisticsVerbs,
    ReadingVerbs,
    RelevanceVerbs,
    DeliveryVerbs,
    InboxVerbs,
    ClickVerbs,
    ConsoleVerbs,
    GlanceVerbs,
):
    """The one door to the database."""
