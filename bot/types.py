"""The nouns of Sebar: frozen values that cross module boundaries. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


class Platform(StrEnum):
    """Where a share goes: the first four have a text of their own, the others a link.

    OTHER is a short link that names no platform.
    """

    TELEGRAM = "telegram"
    WHATSAPP = "whatsapp"
    LINE = "line"
    PLAIN = "plain"
    FACEBOOK = "facebook"
    X = "x"
    THREADS = "threads"
    EMAIL = "email"
    COPY = "copy"
    QR = "qr"
    OTHER = "other"


class ClickKind(StrEnum):
    """Who followed a short link or pressed a button."""

    READER = "reader"
    PREVIEW = "preview"
    PRESS = "press"


class ChatType(StrEnum):
    """Telegram's kinds of chat (Bot API, `Chat.type`)."""

    PRIVATE = "private"
    GROUP = "group"
    SUPERGROUP = "supergroup"
    CHANNEL = "channel"


class Action(StrEnum):
    """What a delivery does to its destination."""

    SEND = "send"
    EDIT = "edit"
    RETRACT = "retract"


class DeliveryState(StrEnum):
    """Where a delivery stands: pending → sending → sent | unknown | failed | cancelled."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    CANCELLED = "cancelled"


class BroadcastState(StrEnum):
    """Where a broadcast stands: draft → scheduled → open; cancelled before, retracted after."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    OPEN = "open"
    CANCELLED = "cancelled"
    RETRACTED = "retracted"


class Pace(StrEnum):
    """When a chat gets stories: each at once, or in digests."""

    ONCE = "once"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


class Preview(StrEnum):
    """How a message shows the page that it links to."""

    LARGE = "large"
    SMALL = "small"
    NONE = "none"


class Listing(StrEnum):
    """Why stories come as one list: a digest's pace, or that quiet hours have ended."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a feed, or one article page, as its source states it.

    Every text is plain: entities decoded, markup gone, white space folded. What the source does
    not say is None (or empty), never invented. Times are aware UTC datetimes or carry the zone
    that the source named.
    """

    title: str
    url: str | None = None
    guid: str | None = None
    summary: str = ""
    body: str = ""
    author: str | None = None
    editor: str | None = None
    image_url: str | None = None
    tags: tuple[str, ...] = ()
    published_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeedForPoll:
    """A feed under claim: what a conditional fetch of it needs, and what its pace depends on.

    `url` is where it is polled; `found` says that this is not the address that the operator named,
    `is_site` that the latter is a site's. `moved_to` is where the last `moves` polls in a row were
    redirected for good. `repeats` counts answers with an unchanged body that validators should have
    spared. `gap_after` is the newest story below which some are still missing, None for no gap.
    """

    id: int
    url: str
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    baseline_at: datetime | None = None
    failures: int = 0
    attempt: int = 0
    found: bool = False
    is_site: bool = False
    moved_to: str | None = None
    moves: int = 0
    repeats: int = 0
    pace_s: float | None = None
    changed_at: datetime | None = None
    gap_after: int | None = None
    gap_polls: int = 0


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A fetched and parsed feed.

    `entries` is None where the server or the body says that nothing changed. Validators are kept
    verbatim (RFC 9110, section 8.8). `url` is the address after redirects, `found_url` the feed's
    where a site's was asked, `moved_to` where redirects for good lead; `older_url` may have what
    came before. `fresh_s` is how long the server calls its answer fresh, `pace_s` how often the
    feed says that it changes, `made_by` the software that it names if we know it; None where they
    do not say.
    """

    url: str
    entries: tuple[Entry, ...] | None
    title: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    hub_url: str | None = None
    self_url: str | None = None
    found_url: str | None = None
    moved_to: str | None = None
    older_url: str | None = None
    repeats: int = 0
    fresh_s: float | None = None
    pace_s: float | None = None
    made_by: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Our normalised record of an entry.

    `url` is the canonical URL ("" where a previewed source names none), `code` a short public name
    that never changes, `id` is 0 until the story is stored, `revision` counts from 1.
    """

    url: str
    code: str
    title: str
    summary: str = ""
    body: str = ""
    author: str | None = None
    editor: str | None = None
    image_url: str | None = None
    tags: tuple[str, ...] = ()
    published_at: datetime | None = None
    updated_at: datetime | None = None
    guid: str | None = None
    id: int = 0
    feed_id: int = 0
    revision: int = 1
    seen_at: datetime | None = None
    short_url: str | None = None


@dataclass(frozen=True, slots=True)
class Click:
    """How often one kind of click fell on a story through one platform."""

    story_id: int
    platform: Platform
    kind: ClickKind
    number: int = 1


@dataclass(frozen=True, slots=True)
class LinkedStory:
    """What a short link needs to know of its story; `url` is "" where it has none."""

    id: int
    url: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class KnownStory:
    """What sifting needs to know of a stored story."""

    id: int
    feed_id: int
    guid: str | None
    key: str | None
    digest: str
    revision: int
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """A story as a poll saw it: the content, its comparison key and its digest."""

    story: Story
    key: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Post:
    """A post as the archive of a WordPress site states it; `entry` is what a feed would say of it.

    A protected post asks readers for a password.
    """

    id: int
    entry: Entry
    modified_at: datetime | None
    protected: bool = False


class Presence(StrEnum):
    """What a look at a page found: it is there, it is certainly gone, or nobody can tell."""

    HERE = "here"
    GONE = "gone"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a page; `url` is the address after redirects."""

    presence: Presence
    url: str


@dataclass(frozen=True, slots=True)
class Button:
    """One inline button: a text and exactly one of the three things it does.

    Limits (Bot API, InlineKeyboardButton): callback_data 1-64 bytes, copy_text 1-256 characters.
    """

    text: str
    url: str | None = None
    copy_text: str | None = None
    callback_data: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered Telegram message with its buttons; frozen when approved or opened.

    `html` is in Telegram's HTML mode, `text` what a reader sees of it (sent as it is where the
    markup is refused), `preview_url` the page whose preview is shown, None for no preview. How it
    is shown is the chat's wish, so that `preview` is not kept with the message.
    """

    html: str
    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    preview_url: str | None = None
    preview: Preview = Preview.LARGE


@dataclass(frozen=True, slots=True)
class ShareLinks:
    """Links that open a platform's composer, filled in with one story.

    None where the platform takes nothing but a URL and the story has none.
    """

    facebook: str | None
    x: str
    whatsapp: str
    telegram: str | None
    line: str
    line_desktop: str | None
    threads: str
    email: str


@dataclass(frozen=True, slots=True)
class ShareTexts:
    """A story's text for each platform; `telegram` is the message as the reader sees it."""

    telegram: str
    whatsapp: str
    line: str
    plain: str


@dataclass(frozen=True, slots=True)
class ShareSheet:
    """All forms of one story."""

    story: Story
    texts: ShareTexts
    message: Message
    links: ShareLinks
    copy_url: str | None


@dataclass(frozen=True, slots=True)
class Chat:
    """A Telegram chat that the bot knows. `telegram_id` is None until an @name is resolved.

    `zone` is the IANA name of its zone, None where its wishes name no hour.
    """

    id: int
    telegram_id: int | None
    type: ChatType
    username: str | None = None
    title: str | None = None
    language: str | None = None
    closed_at: datetime | None = None
    closed_reason: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What narrows a wish besides tags: keywords to include, keywords and tags to leave out."""

    keywords: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When stories come: at once or in digests, and never in quiet hours.

    Hours are 0-23 of the chat's zone, `weekday` 0 is Monday. Quiet hours begin at `quiet_from` and
    end at `quiet_until`, None for none; `urgent` lets urgent stories through them.
    """

    pace: Pace = Pace.ONCE
    hour: int = 7
    weekday: int = 0
    quiet_from: int | None = None
    quiet_until: int | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """A chat's standing wish; no tags and no keywords means every story.

    `thread_id` 0 is no topic.
    """

    chat_id: int
    thread_id: int = 0
    tags: tuple[str, ...] = ()
    silent: bool = False
    narrowing: Narrowing = Narrowing()
    rhythm: Rhythm = Rhythm()
    preview: Preview = Preview.LARGE


@dataclass(frozen=True, slots=True)
class Member:
    """One chat of the audience with its live wishes, as it is exported and imported."""

    chat: Chat
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True, slots=True)
class ChannelSetting:
    """One chat of SEBAR_CHANNELS: `chat` is an @name or a numeric id."""

    chat: str | int
    thread_id: int = 0
    tags: tuple[str, ...] = ()
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a delivery goes: a numeric chat id, or an @name whose id is not known yet."""

    chat: int | str
    thread_id: int = 0
    silent: bool = False


class Reach(StrEnum):
    """Whom a broadcast is for.

    WISHING are the subscriptions whose wish is for the story, EVERYONE all live ones.
    """

    WISHING = "wishing"
    EVERYONE = "everyone"
    TAGS = "tags"
    CHATS = "chats"


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a broadcast is for: `tags` belong to Reach.TAGS, `chats` (row ids) to Reach.CHATS.

    With tags it goes to those who would get a story of these tags. Chosen chats need not subscribe.
    """

    reach: Reach = Reach.WISHING
    tags: tuple[str, ...] = ()
    chats: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Editor:
    """Somebody who may do what editors do.

    An owner is named by SEBAR_EDITORS, and then `appointed_by` is None. `name` is "" until it is
    known.
    """

    telegram_id: int
    name: str
    is_owner: bool
    appointed_by: int | None = None
    appointed_at: datetime | None = None


class ActKind(StrEnum):
    """What an editor does, as the audit trail names it."""

    APPOINT = "appoint"
    DISMISS = "dismiss"
    DRAFT = "draft"
    AUDIENCE = "audience"
    EDIT = "edit"
    SEND = "send"
    SCHEDULE = "schedule"
    SKIP = "skip"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    RESEND = "resend"
    CORRECT = "correct"
    RETRACT = "retract"
    CONFIRM = "confirm"
    SIGN_IN = "sign in"
    SIGN_OUT = "sign out"
    TEMPLATE = "template"
    EXPORT = "export"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Act:
    """One line of the audit trail; `refused` is an attempt by somebody without the right.

    `name` and `title` are the editor's and the story's as they are known now, "" where they are
    not.
    """

    id: int
    editor: int
    kind: ActKind
    done_at: datetime
    refused: bool = False
    story_id: int | None = None
    broadcast_id: int | None = None
    detail: str = ""
    name: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """The editorial act of sending one story.

    `message` is None until it is frozen; `fanning` says that deliveries are still being made.
    `revision` counts the states of the message from 1. `decided_by` is the editor who let it go out
    or called it off, None where nobody has; `written` that the words are an editor's own.
    """

    id: int
    story_id: int
    state: BroadcastState
    due_at: datetime | None
    message: Message | None
    created_by: int | None = None
    fanning: bool = False
    revision: int = 1
    urgent: bool = False
    audience: Audience = Audience()
    decided_by: int | None = None
    decided_at: datetime | None = None
    paused_at: datetime | None = None
    stopped_at: datetime | None = None
    written: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One claimed row of the outbox; `attempt` is the fence that its outcome must match.

    `revision` says which state of the broadcast's message it carries. `message_id` is the message
    to edit or retract, None for a send. `floor_id` is the last message id that was known where
    this one gets its own, None where none was.
    """

    id: int
    broadcast_id: int
    revision: int
    action: Action
    chat_id: int
    chat_type: ChatType
    destination: Destination
    attempt: int
    failures: int = 0
    probes: int = 0
    message_id: int | None = None
    floor_id: int | None = None
    preview: Preview = Preview.LARGE


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message as a platform's API takes it: the parts of a request that are alike for all chats.

    `markup` is what a probe sends; None where the message carries no buttons.
    """

    text: str
    body: bytes
    markup: bytes | None


class ProbeAnswer(StrEnum):
    """What a probe of one message id found in a chat."""

    HERE = "here"
    OTHER = "other"
    NOTHING = "nothing"


class Step(StrEnum):
    """What becomes of a delivery."""

    SENT = "sent"
    RETRY = "retry"
    HOLD_CHAT = "hold chat"
    UNKNOWN = "unknown"
    MOVED = "moved"
    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A step with what it needs: a message id, a moment, a reason, a chat's new id."""

    step: Step
    reason: str = ""
    at: datetime | None = None
    message_id: int | None = None
    telegram_id: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A delivery with its verdict, to be recorded."""

    delivery: Delivery
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of a publication: the chat's numeric id and the message's id in it."""

    telegram_id: int
    message_id: int


@dataclass(frozen=True, slots=True)
class BroadcastReport:
    """How many deliveries of one broadcast stand in each state."""

    broadcast_id: int
    counts: dict[DeliveryState, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All deliveries of the broadcast."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Hub:
    """A feed's hub under claim: what is asked of it, for which topic, under which callback token.

    `mode` is subscribe or unsubscribe; `ends_at` when the lease that it granted ends, None without
    one; `failures` counts the requests since it last confirmed one, with this.
    """

    id: int
    hub_url: str
    topic_url: str
    token: str
    secret: str
    mode: str
    attempt: int = 0
    failures: int = 0
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PushBody:
    """What a hub sent: the body as it came, and the headers that tell how to read it."""

    body: bytes
    content_type: str | None = None
    encoding: str | None = None
    links: str | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """A kept push under claim, with the feed that it is for."""

    id: int
    hub_id: int
    feed_id: int
    feed_url: str
    topic_url: str
    attempt: int
    sent: PushBody


Row = dict[str, Any]
