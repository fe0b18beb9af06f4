"""The error tree.

SebarError
├── SettingsError          a setting is wrong or missing
├── SourceError            a feed or page could not be read
│   ├── FetchError         its server could not be reached, refused, or broke a limit
│   └── ParseError         it answered with something that is no feed or article
├── TemplateError          a newsroom's template is faulty
├── DatabaseError          the database could not be reached or refused a statement
├── NotFoundError          what was asked for is not in the database
├── NotAllowedError        somebody without the right wants what editors do
├── ImportFault            a line of an export is not one
├── ShortenError           no short link could be had
└── PublishError           a platform did not take a message
    ├── DestinationMoved   the chat has a new id
    ├── DestinationGone    the chat refuses the bot for good
    ├── DestinationRefused the chat refuses this, for now
    ├── MessageRejected    the body or markup is not accepted
    ├── MessageGone        the message to change is no longer there
    ├── MessageKept        the message can no longer be deleted
    ├── RetryLater         the request certainly had no effect; try again
    ├── OutcomeUnknown     nobody knows whether the request had an effect
    └── TokenRejected      the bot's token is not accepted
"""

from __future__ import annotations


class SebarError(Exception):
    """Anything that Sebar itself raises."""


class SettingsError(SebarError):
    """Settings are wrong or missing; `faults` names every one, in words that say the cure."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class SourceError(SebarError):
    """A feed or page could not be read; the text is a reason that an editor understands."""


class FetchError(SourceError):
    """The server could not be reached, refused, or broke a limit.

    `status` is the HTTP status or None; `retry_after_s` what the server asked for, in seconds.
    """

    def __init__(
        self, reason: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after_s = retry_after_s


class ParseError(SourceError):
    """The body is not a feed or an article."""


class TemplateError(SebarError):
    """A newsroom's template is faulty."""

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class DatabaseError(SebarError):
    """The database could not be reached or refused a statement."""


class NotFoundError(SebarError):
    """What was asked for is not in the database."""


class NotAllowedError(SebarError):
    """Somebody without the right wants what editors, or owners, do."""


class ImportFault(SebarError):
    """A line of an export is not one; nothing after it was taken over."""


class ShortenError(SebarError):
    """No short link could be had."""


class PublishError(SebarError):
    """A platform did not take a message."""


class DestinationMoved(PublishError):
    """The chat has a new id (a group became a supergroup)."""

    def __init__(self, telegram_id: int) -> None:
        super().__init__(f"chat moved to {telegram_id}")
        self.telegram_id = telegram_id


class DestinationGone(PublishError):
    """The chat refuses the bot for good: blocked, kicked, deleted, never started."""


class DestinationRefused(PublishError):
    """The chat refuses this, for now: no rights, topic closed."""


class MessageRejected(PublishError):
    """The body or markup is not accepted."""


class MessageGone(PublishError):
    """The message to edit or delete is not there, or can no longer be changed."""


class MessageKept(PublishError):
    """The message is there, but too old to be deleted."""


class RetryLater(PublishError):
    """The request certainly had no effect.

    `after_s` is what the server asked for, None where the request never left.
    """

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class OutcomeUnknown(PublishError):
    """The answer was lost: nobody knows whether the request had an effect."""


class TokenRejected(PublishError):
    """The bot's token is not accepted: everything stops."""
