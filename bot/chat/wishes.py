"""The settings of a chat, topic or channel: pages of one message, turned and changed by buttons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from bot.chat.stories import title_of
from bot.store.rows import tag_key
from bot.telegram_html import parse
from bot.text import shorten, utf16_length
from bot.types import Button, Message, Narrowing, Pace, Preview, Rhythm, Subscription
from bot.wishes import INDONESIAN_ZONES, find_zone, keyword_key, read_words, zone_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bot.chat.answers import Ask, Buttons
    from bot.types import Chat

LANGUAGE_NAMES: Final = {"id": "Bahasa Indonesia", "en": "English"}
LOOKED_AT: Final = 20
LONGEST_TITLE_CHARS: Final = 80
LONGEST_LABEL_CHARS: Final = 28
OFFERED_TAGS: Final = 12
# A keyboard takes about 10,000 bytes.
MOST_BUTTONS: Final = 24
# A message takes 4,096 units; a page is longer by its tags only.
PAGE_UNITS: Final = 4_000
MOST_WORDS: Final = 40
HOURS_IN_DAY: Final = 24
HOURS_IN_ROW: Final = 6
NIGHTS: Final = ((21, 5), (22, 6), (23, 7))

KEYWORD_TOPICS: Final = frozenset({"kata", "keyword", "keywords", "word", "words"})
ZONE_TOPICS: Final = frozenset({"zona", "zone", "timezone"})
_PACES: Final = {
    Pace.ONCE: "label_once",
    Pace.HOURLY: "label_hourly",
    Pace.DAILY: "label_daily",
    Pace.WEEKLY: "label_weekly",
}
_PREVIEWS: Final = {
    Preview.LARGE: "label_large",
    Preview.SMALL: "label_small",
    Preview.NONE: "label_none",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The chat and topic whose settings are meant, and the question about them.

    `name` and `mark` are empty for where it was asked; else they say which channel, to the reader
    and in callback data.
    """

    ask: Ask
    chat: Chat
    thread_id: int
    name: str = ""
    mark: str = ""

    @property
    def key(self) -> tuple[int, int]:
        """Give the place as the store names it."""
        return self.chat.id, self.thread_id

    @property
    def zone(self) -> str:
        """Give the name of the zone that hours are in."""
        return self.chat.zone or self.ask.desk.zone.key

    def clock(self) -> str:
        """Say what the clocks show there."""
        return f"{self.ask.desk.clock().astimezone(zone_of(self.zone)):%H:%M}"

    def button(self, label: str, does: str, *, is_set: bool = False) -> Button:
        """Give a button of the settings; `is_set` shows that this is how it is."""
        text = shorten(label, LONGEST_LABEL_CHARS)
        return Button(f"✓ {text}" if is_set else text, callback_data=f"settings:{self.mark}{does}")

    def named(self, name: str, does: str, *, is_set: bool = False) -> Button:
        """Give a button whose label is a macro."""
        return self.button(self.ask.label(name), does, is_set=is_set)

    async def find(self) -> Subscription | None:
        """Give the live wish of the place."""
        return await self.ask.desk.store.find_subscription(*self.key)


async def settings_page(place: Place, page: str = "home") -> Message:
    """Make a page of the settings; every page but the first is about a live wish."""
    wish = await place.find()
    if wish is None:
        return _no_wish(place)
    match page:
        case "what":
            return await _what(place, wish)
        case "when":
            return _when(place, wish)
        case "quiet":
            return _quiet(place, wish)
        case "look":
            return _look(place, wish)
        case "zone":
            return _zone(place)
        case _:
            return _home(place, wish)


async def change_setting(place: Place, words: str) -> tuple[Place, str] | None:
    """Do what a settings button says; gives the place as it is now and the page to show.

    None for a button that means nothing.
    """
    verb, _, value = words.partition(":")
    if not value:
        return (place, verb) if verb in _PAGES else await _change_all(place, verb)
    change = _CHANGES.get(verb)
    if change is None:
        return None
    return await change(place, value)


async def add_words(place: Place, words: str) -> str:
    """Let typed words narrow the wish further; gives the name of what to say, empty for done.

    A word that is now wanted is left out no more, and the other way round. A place without a
    wish gets one.
    """
    tags, added = read_words(words)
    if not (tags or added.keywords or added.without or added.without_tags):
        return "words_unusable"
    wish = await place.find() or Subscription(*place.key)
    choice = _merged(wish, tags, added)
    if _size(*choice) > MOST_WORDS:
        return "words_too_many"
    await place.ask.desk.store.record_choice(place.key, *choice, place.ask.desk.clock())
    return ""


async def set_zone(place: Place, name: str) -> Place | None:
    """Keep the zone that somebody typed; None where there is no such zone."""
    zone = find_zone(name)
    if zone is None:
        return None
    await place.ask.desk.store.record_zone(place.chat.id, zone, place.ask.desk.clock())
    return replace(place, chat=replace(place.chat, zone=zone))


def _no_wish(place: Place) -> Message:
    html = _rendered(place, "settings", None)
    begin = place.named("label_subscribe", "begin")
    if not place.name:
        begin = replace(begin, callback_data="subscribe:")
    return Message(html, "", (_languages(place), (begin,)))


def _home(place: Place, wish: Subscription) -> Message:
    label, choice = ("label_sound", "off") if wish.silent else ("label_silent", "on")
    end = place.named("label_unsubscribe", "end")
    if not place.name:
        end = replace(end, callback_data="unsubscribe:")
    buttons = (
        (place.named("label_what", "what"), place.named("label_when", "when")),
        (place.named("label_quiet", "quiet"), place.named("label_look", "look")),
        (place.named(label, f"silent:{choice}"), *_languages(place)),
        (end,),
    )
    return Message(_rendered(place, "settings", wish), "", buttons)


async def _what(place: Place, wish: Subscription) -> Message:
    looked_at = await place.ask.desk.store.list_chosen(place.key, LOOKED_AT)
    titles = [
        shorten(title_of(story), LONGEST_TITLE_CHARS) for story, is_wanted in looked_at if is_wanted
    ]
    html = _what_text(place, wish, titles, len(looked_at))
    tags = [place.button(text, f"tag:{mark}") for text, mark in await _tag_marks(place, wish)]
    drops = [place.button(f"✕ {text}", f"drop:{mark}") for text, mark in _word_marks(wish)]
    buttons = (
        *_rows(tags[:MOST_BUTTONS], 3),
        *_rows(drops[:MOST_BUTTONS], 2),
        (place.named("label_everything", "all"), place.named("label_back", "home")),
    )
    return Message(html, "", buttons)


def _what_text(place: Place, wish: Subscription, titles: list[str], number: int) -> str:
    """The words of the page, with as many titles as there is room for."""
    for shown in range(len(titles), -1, -1):
        html = place.ask.render(
            "settings_what",
            subscription=wish,
            place=place.name,
            titles=titles[:shown],
            wanted=len(titles),
            number=number,
        )
        if utf16_length(parse(html).text) <= PAGE_UNITS:
            break
    return html


def _when(place: Place, wish: Subscription) -> Message:
    rhythm = wish.rhythm
    paces = [
        place.named(label, f"pace:{pace}", is_set=rhythm.pace is pace)
        for pace, label in _PACES.items()
    ]
    hours: list[Button] = []
    days: list[Button] = []
    if rhythm.pace in {Pace.DAILY, Pace.WEEKLY}:
        hours = [
            place.button(f"{hour:02}", f"hour:{hour}", is_set=rhythm.hour == hour)
            for hour in range(HOURS_IN_DAY)
        ]
    if rhythm.pace is Pace.WEEKLY:
        names = place.ask.label("label_days").split()
        days = [
            place.button(name, f"day:{day}", is_set=rhythm.weekday == day)
            for day, name in enumerate(names)
        ]
    buttons = (
        *_rows(paces, 2),
        *_rows(days, 4),
        *_rows(hours, HOURS_IN_ROW),
        (place.named("label_zone", "zone"), place.named("label_back", "home")),
    )
    return Message(_rendered(place, "settings_when", wish), "", buttons)


def _quiet(place: Place, wish: Subscription) -> Message:
    begin, end = wish.rhythm.quiet_from, wish.rhythm.quiet_until
    nights = [
        place.button(f"{a:02}–{b:02}", f"quiet:{a}-{b}", is_set=(begin, end) == (a, b))
        for a, b in NIGHTS
    ]
    finer: Buttons = ()
    if begin is not None and end is not None:
        moved = ((begin - 1, end), (begin + 1, end), (begin, end - 1), (begin, end + 1))
        labels = ("‹ {0}", "{0} ›", "‹ {1}", "{1} ›")
        around = [(a % HOURS_IN_DAY, b % HOURS_IN_DAY) for a, b in moved]
        finer = (
            tuple(
                place.button(label.format(f"{a:02}", f"{b:02}"), f"quiet:{a}-{b}")
                for (a, b), label in zip(around, labels, strict=True)
                if a != b
            ),
            (
                place.named(
                    "label_urgent",
                    f"urgent:{'off' if wish.rhythm.urgent else 'on'}",
                    is_set=wish.rhythm.urgent,
                ),
            ),
        )
    buttons = (
        tuple(nights),
        *finer,
        (place.named("label_never_quiet", "quiet:off", is_set=begin is None),),
        (place.named("label_zone", "zone"), place.named("label_back", "home")),
    )
    return Message(_rendered(place, "settings_quiet", wish), "", buttons)


def _look(place: Place, wish: Subscription) -> Message:
    previews = tuple(
        place.named(label, f"preview:{kind}", is_set=wish.preview is kind)
        for kind, label in _PREVIEWS.items()
    )
    html = _rendered(place, "settings_look", wish)
    return Message(html, "", (previews, (place.named("label_back", "home"),)))


def _zone(place: Place) -> Message:
    zones = [
        place.button(short.upper(), f"zone:{name}", is_set=place.zone == name)
        for short, name in INDONESIAN_ZONES.items()
    ]
    html = place.ask.render("settings_zone", place=place.name, zone=place.zone, now=place.clock())
    return Message(html, "", (tuple(zones), (place.named("label_back", "home"),)))


def _rendered(place: Place, name: str, wish: Subscription | None) -> str:
    return place.ask.render(
        name,
        subscription=wish,
        place=place.name,
        language_name=LANGUAGE_NAMES.get(_language(place), _language(place)),
        zone=place.zone,
        now=place.clock(),
    )


def _language(place: Place) -> str:
    """The language of the place; where it was asked, that of the question."""
    return (place.chat.language or place.ask.desk.locale) if place.name else place.ask.language


def _languages(place: Place) -> tuple[Button, ...]:
    return tuple(
        place.button(name, f"language:{code}")
        for code, name in LANGUAGE_NAMES.items()
        if code != _language(place)
    )


def _rows(buttons: Sequence[Button], width: int) -> Iterator[tuple[Button, ...]]:
    return (tuple(buttons[start : start + width]) for start in range(0, len(buttons), width))


def _mark(kind: str, key: str) -> str:
    """A short name for a tag or word in callback data, which is too small for some of them."""
    return blake2b(f"{kind}:{key}".encode(), digest_size=5).hexdigest()


async def _offered_tags(place: Place, wish: Subscription) -> dict[str, str]:
    """Tags to press, by their comparison keys: the place's own, then what stories use most."""
    own = {tag_key(tag): tag for tag in (*wish.tags, *wish.narrowing.without_tags)}
    used = await place.ask.desk.store.list_tags(OFFERED_TAGS)
    return own | {key: key for key in used if key not in own}


async def _tag_marks(place: Place, wish: Subscription) -> list[tuple[str, str]]:
    wanted = {tag_key(tag) for tag in wish.tags}
    left_out = {tag_key(tag) for tag in wish.narrowing.without_tags}
    signs = dict.fromkeys(wanted, "✓ ") | dict.fromkeys(left_out, "✗ ")
    return [
        (signs.get(key, "") + tag, _mark("tag", key))
        for key, tag in (await _offered_tags(place, wish)).items()
    ]


def _word_marks(wish: Subscription) -> list[tuple[str, str]]:
    narrowing = wish.narrowing
    return [(word, _mark("keyword", keyword_key(word))) for word in narrowing.keywords] + [
        (f"-{word}", _mark("without", keyword_key(word))) for word in narrowing.without
    ]


async def _change_all(place: Place, verb: str) -> tuple[Place, str] | None:
    store, now = place.ask.desk.store, place.ask.desk.clock()
    if verb == "all":
        await store.record_choice(place.key, (), Narrowing(), now)
        return place, "what"
    if verb == "begin":
        await store.open_chat(place.chat.id)
        await store.subscribe(*place.key, (), now)
        return place, "home"
    if verb == "end":
        await store.unsubscribe(*place.key, (), now)
        return place, "home"
    return None


async def _change_language(place: Place, code: str) -> tuple[Place, str] | None:
    if code not in LANGUAGE_NAMES:
        return None
    await place.ask.desk.store.record_language(place.chat.id, code)
    chat = replace(place.chat, language=code)
    ask = place.ask if place.name else replace(place.ask, language=code)
    return replace(place, chat=chat, ask=ask), "home"


async def _change_sound(place: Place, choice: str) -> tuple[Place, str] | None:
    if choice not in {"on", "off"}:
        return None
    await place.ask.desk.store.record_silence(
        *place.key, silent=choice == "on", now=place.ask.desk.clock()
    )
    return place, "home"


async def _change_preview(place: Place, kind: str) -> tuple[Place, str] | None:
    if kind not in set(Preview):
        return None
    await place.ask.desk.store.record_preview(place.key, Preview(kind))
    return place, "look"


async def _change_pace(place: Place, pace: str) -> tuple[Place, str] | None:
    if pace not in set(Pace):
        return None
    return await _change_rhythm(place, "when", lambda rhythm: replace(rhythm, pace=Pace(pace)))


async def _change_hour(place: Place, value: str) -> tuple[Place, str] | None:
    hour = _hour(value)
    if hour is None:
        return None
    return await _change_rhythm(place, "when", lambda rhythm: replace(rhythm, hour=hour))


async def _change_day(place: Place, value: str) -> tuple[Place, str] | None:
    day = _hour(value)
    if day is None or day > 6:
        return None
    return await _change_rhythm(place, "when", lambda rhythm: replace(rhythm, weekday=day))


async def _change_quiet(place: Place, value: str) -> tuple[Place, str] | None:
    begin, _, end = value.partition("-")
    hours = (None, None) if value == "off" else (_hour(begin), _hour(end))
    if value != "off" and (None in hours or hours[0] == hours[1]):
        return None
    return await _change_rhythm(
        place,
        "quiet",
        lambda rhythm: replace(rhythm, quiet_from=hours[0], quiet_until=hours[1]),
    )


async def _change_urgent(place: Place, choice: str) -> tuple[Place, str] | None:
    if choice not in {"on", "off"}:
        return None
    return await _change_rhythm(
        place, "quiet", lambda rhythm: replace(rhythm, urgent=choice == "on")
    )


async def _change_zone(place: Place, name: str) -> tuple[Place, str] | None:
    changed = await set_zone(place, name)
    return None if changed is None else (changed, "zone")


async def _change_tag(place: Place, mark: str) -> tuple[Place, str] | None:
    """A tag that is pressed is wanted, pressed again left out, then neither."""
    wish = await place.find()
    if wish is None:
        return None
    offered = await _offered_tags(place, wish)
    key = next((key for key in offered if _mark("tag", key) == mark), None)
    if key is None:
        return None
    tags = [tag for tag in wish.tags if tag_key(tag) != key]
    without = [tag for tag in wish.narrowing.without_tags if tag_key(tag) != key]
    if len(tags) < len(wish.tags):
        without.append(offered[key])
    elif len(without) == len(wish.narrowing.without_tags):
        tags.append(offered[key])
    narrowing = replace(wish.narrowing, without_tags=tuple(without))
    return await _choose(place, tags, narrowing)


async def _drop_word(place: Place, mark: str) -> tuple[Place, str] | None:
    wish = await place.find()
    if wish is None:
        return None
    narrowing = replace(
        wish.narrowing,
        keywords=_unmarked(wish.narrowing.keywords, "keyword", mark),
        without=_unmarked(wish.narrowing.without, "without", mark),
    )
    return await _choose(place, wish.tags, narrowing)


async def _choose(
    place: Place, tags: Sequence[str], narrowing: Narrowing
) -> tuple[Place, str] | None:
    if _size(tags, narrowing) <= MOST_WORDS:
        store = place.ask.desk.store
        await store.record_choice(place.key, tags, narrowing, place.ask.desk.clock())
    return place, "what"


async def _change_rhythm(
    place: Place, page: str, change: Callable[[Rhythm], Rhythm]
) -> tuple[Place, str] | None:
    wish = await place.find()
    if wish is not None:
        await place.ask.desk.store.record_rhythm(
            place.key, change(wish.rhythm), place.zone, place.ask.desk.clock()
        )
    return place, page


def _hour(value: str) -> int | None:
    sane = value.isascii() and value.isdecimal() and len(value) <= 2
    return int(value) if sane and int(value) < HOURS_IN_DAY else None


def _unmarked(words: Iterable[str], kind: str, mark: str) -> tuple[str, ...]:
    return tuple(word for word in words if _mark(kind, keyword_key(word)) != mark)


def _merged(
    wish: Subscription, tags: Sequence[str], added: Narrowing
) -> tuple[tuple[str, ...], Narrowing]:
    """The tags and words of a wish with those that were added; what is newer wins."""
    before = wish.narrowing
    return (
        _joined(wish.tags, tags, added.without_tags, tag_key),
        Narrowing(
            _joined(before.keywords, added.keywords, added.without, keyword_key),
            _joined(before.without, added.without, added.keywords, keyword_key),
            _joined(before.without_tags, added.without_tags, tags, tag_key),
        ),
    )


def _joined(
    before: Iterable[str],
    added: Iterable[str],
    not_any_more: Iterable[str],
    key: Callable[[str], str],
) -> tuple[str, ...]:
    gone = set(map(key, not_any_more)) - set(map(key, added))
    both = {key(word): word for word in (*before, *added)}
    return tuple(word for found, word in both.items() if found not in gone)


def _size(tags: Sequence[str], narrowing: Narrowing) -> int:
    lists = (tags, narrowing.keywords, narrowing.without, narrowing.without_tags)
    return sum(map(len, lists))


_PAGES: Final = frozenset({"home", "what", "when", "quiet", "look", "zone"})
_CHANGES: Final = {
    "language": _change_language,
    "silent": _change_sound,
    "preview": _change_preview,
    "pace": _change_pace,
    "hour": _change_hour,
    "day": _change_day,
    "quiet": _change_quiet,
    "urgent": _change_urgent,
    "zone": _change_zone,
    "tag": _change_tag,
    "drop": _drop_word,
}
