"""From a story to all its share forms, and from names and values to chat messages and pages."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound

from bot.errors import TemplateError
from bot.links import (
    MAX_LINK_CHARS,
    canonical,
    quoted_length,
    share_links,
    short_link,
    tagged,
)
from bot.render.bounded import ShareTemplate
from bot.telegram_html import MarkupError, escape, parse
from bot.text import (
    ELLIPSIS,
    as_telegram_sends,
    for_telegram,
    is_blank,
    lead,
    lines,
    one_line,
    repair,
    shorten,
    utf16_length,
    whatsapp_text,
    whatsapp_title,
    whatsapp_url,
)
from bot.types import Button, Listing, Message, Platform, ShareLinks, ShareSheet, ShareTexts, Story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import tzinfo
    from pathlib import Path

SUMMARY_CHARS: Final = (300, 600)
LINK_SUMMARY_CHARS: Final = (100, 280)
MAX_UNITS: Final = {
    Platform.TELEGRAM: 4_096,
    Platform.WHATSAPP: 4_096,
    Platform.LINE: 5_000,
    Platform.PLAIN: 5_000,
}
MAX_TELEGRAM_BYTES: Final = 32_768
MAX_LINK_BYTES: Final = 24_000
MAX_TELEGRAM_ENTITIES: Final = 100
MAX_COPY_CHARS: Final = 256
MAX_CALLBACK_BYTES: Final = 64
MAX_BUTTONS_BYTES: Final = 9_500
SMALL_LINK_CHARS: Final = 1_200

_FILES: Final = {
    Platform.TELEGRAM: "telegram.html.j2",
    Platform.WHATSAPP: "whatsapp.txt.j2",
    Platform.LINE: "line.txt.j2",
    Platform.PLAIN: "plain.txt.j2",
}
MAX_LISTED: Final = 30
MAX_LISTED_TITLE: Final = 110
MAX_LISTED_LINK_CHARS: Final = 900
_MAX_FIELD_CHARS: Final = 6_000
_LEAST_SUMMARY: Final = 40
_ROOM_BESIDE_URL: Final = 200
_MAX_TRIES: Final = 20
# What is copied or read as plain text is the clean address.
_UNTAGGED: Final = frozenset({Platform.PLAIN, Platform.COPY})
_LINKED: Final = (
    Platform.FACEBOOK,
    Platform.X,
    Platform.WHATSAPP,
    Platform.TELEGRAM,
    Platform.LINE,
    Platform.THREADS,
    Platform.EMAIL,
)
_WHATSAPP_FORM: Final = len("https://wa.me/?text=")
_LINE_FORM: Final = len("https://line.me/R/share?text=")


@dataclass(frozen=True, slots=True)
class _Words:
    read_more: str
    copy: str
    related: str
    untitled: str
    send: str
    skip: str
    retract: str
    listed: str


_WORDS: Final = {
    "id": _Words(
        "Baca selengkapnya:",
        "Salin tautan",
        "Berita terkait",
        "(tanpa judul)",
        "Kirim",
        "Lewati",
        "Tarik",
        "berita lainnya",
    ),
    "en": _Words(
        "Read more:",
        "Copy link",
        "Related",
        "(untitled)",
        "Send",
        "Skip",
        "Retract",
        "more stories",
    ),
}
_OTHER_LANGUAGE: Final = "en"
_DIGESTS: Final = {
    "id": {
        Listing.HOURLY: "Ringkasan per jam",
        Listing.DAILY: "Ringkasan harian",
        Listing.WEEKLY: "Ringkasan mingguan",
        Listing.QUIET: "Selama jam tenang",
    },
    "en": {
        Listing.HOURLY: "Hourly digest",
        Listing.DAILY: "Daily digest",
        Listing.WEEKLY: "Weekly digest",
        Listing.QUIET: "While it was quiet",
    },
}


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a share template gets; title and summary become shorter until the message fits."""

    title: str
    summary: str
    link: str
    url: str
    story: Story
    published_at: datetime | None
    read_more: str
    locale: str

    def shorter(
        self, excess: int, measure: Callable[[str], int], *, in_vain: bool
    ) -> _Draft | None:
        """Take off what is too much, of the summary first; None where nothing is left to take.

        `in_vain`: the last shortening changed nothing, so the template does not use the summary.
        """
        if self.summary:
            room = 0 if in_vain else measure(self.summary) - excess
            summary = shorten(self.summary, room, measure) if room >= _LEAST_SUMMARY else ""
            return replace(self, summary=summary)
        size = measure(self.title)
        # A template may make more of a title than its own length: then half of it at a time.
        room = max(size - excess, size // 2)
        return replace(self, title=shorten(self.title, room, measure)) if room > 1 else None


class Renderer:
    """Renders stories for every platform, and templates for the surfaces.

    `builtin` is the folder that holds share/, chat/ and web/; share templates in `custom`, in the
    sandbox, come before the built-in ones, and stored ones before these. `faults` names every
    custom template that is not used, and why. `locale` chooses the language of public texts, `zone`
    that of times. `short_at` is the public address that serves our own short links, None where they
    are not used; `copy_short` says that the copy button copies the short URL.
    """

    def __init__(
        self,
        *,
        locale: str,
        zone: tzinfo,
        utm: bool,
        builtin: Path,
        custom: Path | None = None,
        short_at: str | None = None,
        copy_short: bool = False,
    ) -> None:
        self._locale = _language(locale)
        self._words = _WORDS.get(self._locale, _WORDS[_OTHER_LANGUAGE])
        self._zone = zone
        self._utm = utm
        self._short_at = short_at
        self._copy_short = copy_short
        self._log = logging.getLogger("bot.render")
        self._surfaces = Environment(
            loader=FileSystemLoader(builtin),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._surfaces.filters["local"] = self._local
        self._builtin = {
            platform: ShareTemplate.read(_first(_candidates(builtin, self._locale, name)))
            for platform, name in _FILES.items()
        }
        self._custom: dict[Platform, ShareTemplate] = {}
        self._stored: dict[Platform, ShareTemplate] = {}
        self._given: dict[Platform, str] = {}
        self.faults = tuple(self._load_custom(custom)) if custom else ()

    def share_sheet(self, story: Story, *, related: bool = True) -> ShareSheet:
        """Render all share forms of a story, for any story whatsoever.

        Texts keep within MAX_UNITS (UTF-16 code units): the summary is shortened first, the title
        only if it alone is too long, the URL never; a URL too long for its message is left out.
        `related` adds the button that asks the bot for related stories.
        """
        clean = _cleaned(story)
        html = self._text(Platform.TELEGRAM, clean)
        texts = ShareTexts(
            telegram=parse(html).text,
            whatsapp=self._text(Platform.WHATSAPP, clean),
            line=self._text(Platform.LINE, clean),
            plain=self._text(Platform.PLAIN, clean),
        )
        links = self._links(clean, texts, MAX_LINK_CHARS)
        buttons = self._buttons(clean, links, related=related)
        if _size_bytes(buttons) > MAX_BUTTONS_BYTES:
            small = self._links(clean, texts, SMALL_LINK_CHARS)
            buttons = self._buttons(clean, small, related=related)
        message = Message(html, texts.telegram, buttons, clean.url or None)
        return ShareSheet(story, texts, message, links, self._copied(clean) or None)

    def list_message(self, stories: Sequence[Story], listing: Listing | None = None) -> Message:
        """Render several stories as one Telegram message: a line each, in the order given.

        `listing` says whose digest it is, None for what came too fast to go singly.

        At most MAX_LISTED stories; a title is cut to MAX_LISTED_TITLE UTF-16 units. The button
        asks for what is related to the first, and makes the message one that can be told apart.
        """
        items = [self._listed(_cleaned(story)) for story in stories[:MAX_LISTED]]
        heading = self._heading(len(items), listing)
        template = self._surfaces.get_template("share/list.html.j2")
        html = as_telegram_sends(template.render(heading=heading, items=items)).strip()
        data = f"related:{stories[0].code}"
        buttons = ((Button(self._words.related, callback_data=data),),)
        return Message(html, parse(html).text, buttons)

    @property
    def locale(self) -> str:
        """The language of public texts."""
        return self._locale

    def words(self) -> dict[str, str]:
        """Give the words of an editor's decisions in the locale's language."""
        words = self._words
        return {"send": words.send, "skip": words.skip, "retract": words.retract}

    def chat(self, language: str, name: str, /, **values: Any) -> str:
        """Render the macro `name` of templates/chat/<language>.html.j2: Telegram HTML, escaped.

        A language without a template, or without this macro, falls back to the locale's.
        Raises TemplateError where that has no such macro either.
        """
        languages = dict.fromkeys((_language(language), self._locale, *_WORDS))
        for file in (f"chat/{code}.html.j2" for code in languages):
            try:
                macro = getattr(self._surfaces.get_template(file).module, name, None)
            except TemplateNotFound:
                continue
            if macro is not None:
                return as_telegram_sends(str(macro(**values))).strip()
        raise TemplateError(f"chat/{self._locale}.html.j2", None, f"has no macro {name}")

    def page(self, name: str, /, **values: Any) -> str:
        """Render templates/web/<name>.html.j2, every value escaped."""
        return repair(self._surfaces.get_template(f"web/{name}.html.j2").render(values))

    def link(self, story: Story, platform: Platform) -> str:
        """Give the address by which a story leaves through a platform; empty where it has none.

        Our own short link for a stored story, else a shortener's, else the canonical URL with the
        platform's tags.
        """
        url = canonical(story.url)
        if url and self._short_at is not None and story.id:
            return short_link(self._short_at, story.code, platform)
        if url and story.short_url:
            return canonical(story.short_url) or url
        return tagged(url, platform) if self._utm and platform not in _UNTAGGED else url

    def use_stored(self, sources: Mapping[Platform, str]) -> list[TemplateError]:
        """Let these templates come before all others, in place of those that did so far.

        Gives the fault of each that is not used, when they are given for the first time.
        """
        if sources == self._given:
            return []
        used, faults = {}, []
        for platform, source in sources.items():
            try:
                used[platform] = self._tried(platform, _written(platform, source))
            except TemplateError as error:
                faults.append(error)
        self._stored, self._given = used, dict(sources)
        return faults

    def try_template(
        self, platform: Platform, source: str, stories: Sequence[Story] = ()
    ) -> list[str]:
        """Check a template that is not in use, and render these stories with it.

        Gives Telegram HTML for Telegram, else plain text. Raises TemplateError.
        """
        template = self._tried(platform, _written(platform, source))
        return [self._fitted(platform, template, _cleaned(story)) for story in stories]

    def template_source(self, platform: Platform) -> str:
        """Give the template that is used where none is stored."""
        return (self._custom.get(platform) or self._builtin[platform]).source

    def _tried(self, platform: Platform, template: ShareTemplate) -> ShareTemplate:
        """Give a template that bears all samples. Raises TemplateError."""
        for sample in _samples():
            self._fitted(platform, template, _cleaned(sample))
        return template

    def _chosen(self, platform: Platform) -> Iterator[ShareTemplate]:
        """Give the newsroom's own templates, the first choice first."""
        return (chosen[platform] for chosen in (self._stored, self._custom) if platform in chosen)

    def _copied(self, story: Story) -> str:
        """Give the copyable URL."""
        return self.link(story, Platform.COPY) if self._copy_short else story.url

    def _listed(self, story: Story) -> dict[str, str]:
        title = shorten(one_line(story.title) or self._words.untitled, MAX_LISTED_TITLE)
        _, link = self._addresses(Platform.TELEGRAM, story)
        fits = len(link) <= MAX_LISTED_LINK_CHARS
        return {"title": title, "link": link if fits else ""}

    def _heading(self, number: int, listing: Listing | None) -> str:
        if listing is None:
            return f"{number} {self._words.listed}"
        names = _DIGESTS.get(self._locale, _DIGESTS[_OTHER_LANGUAGE])
        if names is _DIGESTS["id"]:
            return f"{names[listing]}: {number} berita"
        return f"{names[listing]}: {number} {'story' if number == 1 else 'stories'}"

    def _local(self, moment: datetime) -> datetime:
        """Give a moment in the newsroom's zone; as it is at the calendar's very ends."""
        try:
            return moment.astimezone(self._zone)
        except OverflowError:
            return moment

    def _text(self, platform: Platform, story: Story) -> str:
        for template in self._chosen(platform):
            try:
                return self._fitted(platform, template, story)
            except TemplateError as error:
                self._log.exception(
                    "template failed",
                    extra={"template": error.file, "line": error.line, "story": story.code},
                )
        return self._fitted(platform, self._builtin[platform], story)

    def _fitted(self, platform: Platform, template: ShareTemplate, story: Story) -> str:
        draft = self._draft(platform, story)
        if platform is Platform.TELEGRAM:
            return _fit(template, draft, _html_of, _telegram_excess)
        form = _whatsapp_of if platform is Platform.WHATSAPP else _text_of
        return _fit(template, draft, form, lambda out: utf16_length(out) - MAX_UNITS[platform])

    def _draft(self, platform: Platform, story: Story) -> _Draft:
        title, summary = one_line(story.title), story.summary
        if platform is Platform.TELEGRAM:
            title, summary = for_telegram(title), for_telegram(summary)
        elif platform is Platform.PLAIN:
            summary = one_line(summary)
        title = "" if is_blank(title) else title
        if is_blank(summary) or summary.casefold() == title.casefold():
            summary = ""
        url, link = self._addresses(platform, story)
        if not (title or summary or url):
            title = self._words.untitled
        return _Draft(
            title=shorten(title, MAX_UNITS[platform]),
            summary=lead(summary, least=SUMMARY_CHARS[0], most=SUMMARY_CHARS[1]),
            link=link,
            url=url,
            story=story,
            published_at=self._local(story.published_at) if story.published_at else None,
            read_more=self._words.read_more,
            locale=self._locale,
        )

    def _addresses(self, platform: Platform, story: Story) -> tuple[str, str]:
        """Give the canonical URL and the one that leaves; both empty where none can fit."""
        room = MAX_UNITS[platform] - _ROOM_BESIDE_URL
        url = story.url
        if utf16_length(url) > room:
            return "", ""
        choices = [self.link(story, platform), url]
        if platform is Platform.WHATSAPP:
            choices = [*map(whatsapp_url, choices), url]
        link = next(choice for choice in choices if utf16_length(choice) <= room)
        if platform is Platform.TELEGRAM and len(escape(url + link).encode()) > MAX_LINK_BYTES:
            return "", ""
        return url, link

    def _links(self, story: Story, texts: ShareTexts, limit: int) -> ShareLinks:
        draft = self._draft(Platform.PLAIN, story)
        return share_links(
            draft.title if is_blank(story.title) else story.title,
            lead(draft.summary, least=LINK_SUMMARY_CHARS[0], most=LINK_SUMMARY_CHARS[1]),
            story.url,
            utm=self._utm,
            short={platform: self.link(story, platform) for platform in _LINKED},
            whatsapp=self._for_link(
                Platform.WHATSAPP, story, texts.whatsapp, limit - _WHATSAPP_FORM
            ),
            line=self._for_link(Platform.LINE, story, texts.line, limit - _LINE_FORM),
            limit=limit,
        )

    def _for_link(self, platform: Platform, story: Story, text: str, room: int) -> str:
        """Give a message that fits into a link, "" where none of its form does."""
        if quoted_length(text) <= room:
            return text
        template = next(self._chosen(platform), self._builtin[platform])
        form = _whatsapp_of if platform is Platform.WHATSAPP else _text_of
        draft = self._draft(platform, story)
        try:
            return _fit(template, draft, form, lambda out: quoted_length(out) - room, quoted_length)
        except TemplateError:
            return ""

    def _buttons(
        self, story: Story, links: ShareLinks, *, related: bool
    ) -> tuple[tuple[Button, ...], ...]:
        url = self._copied(story)
        data = f"related:{story.code}"
        rows: tuple[tuple[Button | None, ...], ...] = (
            (
                _to("Facebook", links.facebook),
                _to("X", links.x),
                _to("WhatsApp", links.whatsapp),
            ),
            (
                _to("Telegram", links.telegram),
                _to("LINE", links.line_desktop),
                Button(self._words.copy, copy_text=url)
                if 0 < utf16_length(url) <= MAX_COPY_CHARS
                else None,
            ),
            (
                Button(self._words.related, callback_data=data)
                if related and story.code and len(data.encode()) <= MAX_CALLBACK_BYTES
                else None,
            ),
        )
        kept = (tuple(button for button in row if button) for row in rows)
        return tuple(row for row in kept if row)

    def _load_custom(self, folder: Path) -> Iterator[TemplateError]:
        """Compile and try a newsroom's templates; yield the fault of each that is not used."""
        share = folder / "share"
        if not folder.is_dir():
            yield TemplateError(str(folder), None, "is not a folder")
            return
        for path in sorted(share.rglob("*.j2")):
            if path.name not in _FILES.values():
                names = ", ".join(_FILES.values())
                yield TemplateError(str(path), None, f"is no share template; they are {names}")
        for platform, name in _FILES.items():
            for path in filter(lambda path: path.exists(), _candidates(folder, self._locale, name)):
                try:
                    template = self._tried(platform, ShareTemplate.read(path))
                except TemplateError as error:
                    yield error
                else:
                    self._custom.setdefault(platform, template)


def _fit(
    template: ShareTemplate,
    draft: _Draft,
    form: Callable[[ShareTemplate, _Draft], str],
    excess: Callable[[str], int],
    measure: Callable[[str], int] = utf16_length,
) -> str:
    """Render until nothing is in excess. Raises TemplateError where shortening does not help."""
    last = None
    for _ in range(_MAX_TRIES):
        output = form(template, draft)
        try:
            over = excess(output)
        except MarkupError as error:
            raise TemplateError(template.file, _line_of(template, error), str(error)) from error
        if over <= 0:
            if is_blank(output):
                raise TemplateError(template.file, None, "it writes nothing")
            return output
        shorter = draft.shorter(over, measure, in_vain=over == last)
        if shorter is None:
            break
        draft, last = shorter, over
    raise TemplateError(template.file, None, "it writes too much, even without the summary")


def _cleaned(story: Story) -> Story:
    """Clean what every form needs, once; lines of the title and the summary stay lines."""
    return replace(
        story,
        url=canonical(story.url),
        short_url=canonical(story.short_url or "") or None,
        title=_capped(story.title),
        summary=_capped(story.summary),
    )


def _values(draft: _Draft) -> dict[str, Any]:
    return {
        "title": draft.title,
        "summary": draft.summary,
        "link": draft.link,
        "url": draft.url,
        "story": draft.story,
        "published_at": draft.published_at,
        "read_more": draft.read_more,
        "locale": draft.locale,
    }


def _html_of(template: ShareTemplate, draft: _Draft) -> str:
    return as_telegram_sends(template.render(_values(draft))).strip(" \n")


def _text_of(template: ShareTemplate, draft: _Draft) -> str:
    rendered = repair(template.render(_values(draft)))
    return rendered.replace("\0", "").strip()


def _whatsapp_of(template: ShareTemplate, draft: _Draft) -> str:
    title, summary = whatsapp_title(draft.title), whatsapp_text(draft.summary)
    return _text_of(template, replace(draft, title=title, summary=summary))


def _telegram_excess(html: str) -> int:
    """By how much a message is over Telegram's limits. Raises MarkupError."""
    parsed = parse(html)
    if len(parsed.entities) > MAX_TELEGRAM_ENTITIES:
        raise MarkupError(f"It has more than {MAX_TELEGRAM_ENTITIES} entities")
    if html and is_blank(parsed.text):
        raise MarkupError("Text must be non-empty")
    return max(
        utf16_length(parsed.text) - MAX_UNITS[Platform.TELEGRAM],
        len(html.encode()) - MAX_TELEGRAM_BYTES,
    )


def _line_of(template: ShareTemplate, error: MarkupError) -> int | None:
    """Find the template's line with the tag that Telegram's words name."""
    _, quoted, rest = str(error).partition('tag "')
    return template.line_of(f"<{rest.partition(chr(34))[0]}") if quoted else None


def _capped(text: str) -> str:
    """Clean a field, of which no message can show more than its first characters."""
    text = text.strip()
    clean = lines(text[:_MAX_FIELD_CHARS])
    return clean + ELLIPSIS if len(text) > _MAX_FIELD_CHARS and not is_blank(clean) else clean


def _to(text: str, url: str | None) -> Button | None:
    return Button(text, url=url) if url else None


def _size_bytes(buttons: tuple[tuple[Button, ...], ...]) -> int:
    shown = [
        [
            {
                "text": b.text,
                "url": b.url,
                "copy_text": b.copy_text,
                "callback_data": b.callback_data,
            }
            for b in row
        ]
        for row in buttons
    ]
    return len(json.dumps(shown))


def _language(code: str) -> str:
    return code.replace("_", "-").partition("-")[0].lower()


def _candidates(folder: Path, language: str, name: str) -> tuple[Path, Path]:
    return folder / "share" / language / name, folder / "share" / name


def _written(platform: Platform, source: str) -> ShareTemplate:
    """Compile what an editor wrote; browsers send its line ends as two characters."""
    return ShareTemplate(_FILES[platform], source.replace("\r\n", "\n"), platform.value)


def _first(paths: tuple[Path, Path]) -> Path:
    return next((path for path in paths if path.exists()), paths[-1])


def _samples() -> tuple[Story, ...]:
    """Stories that a template must bear: a usual one, one that says little, a hostile one."""
    usual = Story(
        url="https://example.com/2023/10/11/rapat-koordinasi/?p=1&lang=id",
        code="contohcontoh",
        title="Rapat Koordinasi Lintas Sektoral & Pemilu",
        summary="Polres menggelar rapat koordinasi lintas sektoral. Hal itu dilakukan guna aman.",
        body="Polres menggelar rapat koordinasi lintas sektoral.",
        author="red",
        editor="dwi teguh",
        image_url="https://example.com/a.jpg",
        tags=("Pemilu 2024", "Tangerang"),
        published_at=datetime(2023, 10, 11, 8, tzinfo=UTC),
        updated_at=datetime(2023, 10, 11, 9, tzinfo=UTC),
    )
    bare = Story(url="", code="contohcontoh", title="Judul", summary="Isi saja.")
    hostile = replace(
        usual,
        title="<b>*_~`&\"'</b> " + "judul " * 1_000,
        summary="<a href='x'>*_~` " + "kata & " * 3_000,
        body="x<y " * 25_000,
        tags=tuple(f"<{number}>" for number in range(50)),
    )
    return usual, bare, hostile
