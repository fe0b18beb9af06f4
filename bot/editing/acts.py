"""The editorial acts; each checks the right and writes the trail in the transaction of its deed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime, tzinfo

    from bot.editing.values import Decision, Draft, Outcomes, Progress, Stats
    from bot.ports import FeedSource
    from bot.render import Renderer
    from bot.store import Store
    from bot.types import Act, ActKind, Audience, Broadcast, Editor, Message, Story


@dataclass(frozen=True, slots=True)
class EditingPolicy:
    """What the operator decides: who owns the newsroom, its zone, messages per second."""

    owners: frozenset[int]
    zone: tzinfo
    rate: float


class Editing:
    """What editors do, from any surface. Each method raises NotAllowedError, and notes it."""

    def __init__(
        self,
        store: Store,
        source: FeedSource,
        renderer: Renderer,
        message_of: Callable[[Story], Awaitable[Message]],
        policy: EditingPolicy,
    ) -> None:
        self._store = store
        self._source = source
        self._renderer = renderer
        self._message_of = message_of
        self._policy = policy

    async def is_editor(self, user_id: int) -> bool:
        """Whether somebody may do what editors do."""
        raise NotImplementedError

    async def list_editors(self, editor: int, now: datetime) -> list[Editor]:
        """Owners and appointed editors."""
        raise NotImplementedError

    async def appoint(self, editor: int, user_id: int, name: str, now: datetime) -> bool:
        """Make somebody an editor; an owner's right. False where they are one."""
        raise NotImplementedError

    async def dismiss(self, editor: int, user_id: int, now: datetime) -> bool:
        """End somebody's being an editor; an owner's right. False where they are none."""
        raise NotImplementedError

    async def note_refused(
        self, user_id: int, kind: ActKind, now: datetime, detail: str = ""
    ) -> None:
        """Write an attempt without the right into the trail."""
        raise NotImplementedError

    async def note_act(self, editor: int, kind: ActKind, now: datetime, detail: str = "") -> None:
        """Check the right, and write an act into the trail that no other method is for."""
        raise NotImplementedError

    async def list_acts(
        self, editor: int, now: datetime, limit: int, before_id: int | None = None
    ) -> list[Act]:
        """The audit trail, the newest first."""
        raise NotImplementedError

    async def draft(self, editor: int, story: Story, now: datetime) -> Draft:
        """Prepare a broadcast of a story."""
        raise NotImplementedError

    async def draft_url(self, editor: int, url: str, now: datetime) -> Draft:
        """Prepare a broadcast of the article at an address. Raises SourceError."""
        raise NotImplementedError

    async def draft_text(self, editor: int, html: str, now: datetime) -> Draft:
        """Prepare a broadcast of the editor's own text, in Telegram's HTML. Raises MarkupError."""
        raise NotImplementedError

    async def find_draft(self, broadcast_id: int) -> Draft | None:
        """A broadcast with what a decision needs to know."""
        raise NotImplementedError

    async def edit_text(self, editor: int, broadcast_id: int, html: str, now: datetime) -> Decision:
        """Replace the text of what has not gone out. Raises MarkupError."""
        raise NotImplementedError

    async def choose_audience(
        self, editor: int, broadcast_id: int, audience: Audience, now: datetime
    ) -> Decision:
        """Say whom a broadcast that has not gone out is for."""
        raise NotImplementedError

    async def approve(
        self,
        editor: int,
        broadcast_id: int,
        now: datetime,
        *,
        urgent: bool = False,
        revision: int | None = None,
    ) -> Decision:
        """Let a broadcast go out now; `revision` is the state of its message that was shown."""
        raise NotImplementedError

    async def schedule(
        self,
        editor: int,
        broadcast_id: int,
        due_at: datetime,
        now: datetime,
        *,
        urgent: bool = False,
        revision: int | None = None,
    ) -> Decision:
        """Let a broadcast go out at a moment; also moves one that is scheduled."""
        raise NotImplementedError

    async def cancel(self, editor: int, broadcast_id: int, now: datetime) -> Decision:
        """Call a broadcast off that has not gone out (Skip, Stop of the countdown, Cancel)."""
        raise NotImplementedError

    async def pause(self, editor: int, broadcast_id: int, now: datetime) -> bool:
        """Let nothing more of a running broadcast go out for now."""
        raise NotImplementedError

    async def resume(self, editor: int, broadcast_id: int, now: datetime) -> bool:
        """Let a paused broadcast go on."""
        raise NotImplementedError

    async def stop(self, editor: int, broadcast_id: int, now: datetime) -> bool:
        """Let nothing more of a broadcast go out, for good."""
        raise NotImplementedError

    async def resend_failed(self, editor: int, broadcast_id: int, now: datetime) -> int:
        """Try again where a broadcast was refused; gives the number of destinations."""
        raise NotImplementedError

    async def correct(
        self,
        editor: int,
        story_id: int,
        now: datetime,
        *,
        html: str | None = None,
        url: str | None = None,
        marked: bool = False,
    ) -> int | None:
        """Give what was sent of a story another text or address, everywhere.

        `marked` adds a visible line. Gives the number of messages, None where it is withdrawn.
        """
        raise NotImplementedError

    async def retract(self, editor: int, story_id: int, now: datetime) -> int | None:
        """Take back a story everywhere; None where that was done before."""
        raise NotImplementedError

    async def list_drafts(self, editor: int, now: datetime) -> list[Draft]:
        """What waits for a decision, oldest first."""
        raise NotImplementedError

    async def list_scheduled(self, editor: int, now: datetime) -> list[Draft]:
        """What waits for its moment, the next first."""
        raise NotImplementedError

    async def list_running(self, editor: int, now: datetime) -> list[Progress]:
        """Broadcasts that are under way or paused, the newest first."""
        raise NotImplementedError

    async def progress(self, broadcast_id: int) -> Progress | None:
        """How a broadcast does."""
        raise NotImplementedError

    async def outcomes(self, story_id: int) -> Outcomes:
        """What became of the last correction and the retraction of a story."""
        raise NotImplementedError

    async def stats(self, editor: int, days: int, now: datetime) -> Stats:
        """The last days in numbers."""
        raise NotImplementedError

    async def story_broadcasts(self, story_id: int) -> Sequence[Broadcast]:
        """All broadcasts of a story, the newest first."""
        raise NotImplementedError
