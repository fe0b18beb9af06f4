"""What the flows need of the world, as Protocols; adapters: db, feeds, publisher, shorten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from bot.types import (
        Destination,
        Entry,
        FeedForPoll,
        FeedPage,
        Hub,
        KnownStory,
        Look,
        Message,
        Post,
        Prepared,
        ProbeAnswer,
        Push,
        Receipt,
        Row,
        Sighting,
        Story,
    )

T = TypeVar("T")


class Transaction(Protocol):
    """An open transaction; SQL is neutral, with :named parameters."""

    def fetch(self, sql: str, **params: Any) -> list[Row]:
        """Run a query (or a statement with RETURNING) and give its rows."""
        ...

    def execute(self, sql: str, **params: Any) -> int:
        """Run a statement and give the number of rows that it changed."""
        ...

    def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of parameters."""
        ...

    def post(self, story_id: int, terms: Iterable[int]) -> None:
        """Make a story findable by its terms: ids of words, negative for one in the title too.

        What differs by driver is how stories are found by terms: this and the next three.
        """
        ...

    def unpost(self, story_id: int, terms: Iterable[int]) -> None:
        """Take back what `post` did with the very same terms."""
        ...

    def holding(
        self, groups: Sequence[Sequence[int]], without: Sequence[int], limit: int
    ) -> list[int]:
        """Ids of the stories that hold a term of each group and none of `without`.

        The last stored come first. There is at least one group, and no group is empty.
        """
        ...

    def tally(self, weights: Mapping[int, float], limit: int) -> list[tuple[int, float]]:
        """Ids of the stories whose terms weigh most, with the weight, the heaviest first."""
        ...


class Database(Protocol):
    """The narrow driver below the Store."""

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction off the event loop; commit, or roll back if it raises."""
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`, which only reads what is committed; no writer holds it up."""
        ...

    async def close(self) -> None:
        """Finish what runs and let go of the database."""
        ...


class FeedSource(Protocol):
    """Where entries come from."""

    async def fetch(self, feed: FeedForPoll) -> FeedPage:
        """Fetch a feed conditionally and parse it. Raises SourceError."""
        ...

    async def fetch_older(self, url: str) -> FeedPage:
        """Fetch what came before a page of a feed. Raises SourceError."""
        ...

    async def read_article(self, url: str) -> Entry:
        """Fetch one article page and read it. Raises SourceError."""
        ...


class Archive(Protocol):
    """What a site says of its stories beyond its feed."""

    async def find(self, feed_url: str) -> str | None:
        """The address of a feed's WordPress API; None where its site has none or refuses it.

        Raises FetchError where the site cannot be asked now.
        """
        ...

    async def list_posts(self, api_url: str, wanted: Sequence[Story]) -> list[Post]:
        """The public posts that are these stories, in no order. Raises SourceError."""
        ...

    async def list_public(self, api_url: str, wanted: Sequence[Story]) -> list[int]:
        """Ids of those stories that the site shows to everybody. Raises SourceError."""
        ...

    async def list_modified(self, api_url: str, since: datetime) -> list[Post]:
        """Public posts modified at or after a moment, the earliest first. Raises SourceError."""
        ...

    async def look(self, url: str) -> Look:
        """See whether a page is there."""
        ...


class Enricher(Protocol):
    """What fills in what a feed leaves out."""

    async def enrich(self, feed_id: int, sightings: Sequence[Sighting]) -> list[Sighting]:
        """The sightings, in their order, with what their pages say besides; in bounded time."""
        ...

    async def enrich_revised(
        self, feed_id: int, revised: Sequence[tuple[KnownStory, Sighting]]
    ) -> list[tuple[KnownStory, Sighting]]:
        """The same for revisions, which keep what was known before."""
        ...


class HubSide(Protocol):
    """The hubs that feeds name."""

    async def ask(self, hub: Hub, callback: str) -> None:
        """Ask a hub for what `hub.mode` says. Raises FetchError."""
        ...

    async def read_push(self, push: Push) -> FeedPage:
        """Parse what a hub sent. Raises SourceError."""
        ...


class Publisher(Protocol):
    """A platform's API. Every method but `prepare` raises PublishError."""

    def prepare(self, message: Message) -> Prepared:
        """Encode a message once for all the chats that it goes to."""
        ...

    async def send(self, destination: Destination, prepared: Prepared) -> Receipt:
        """Publish a message."""
        ...

    async def edit(self, destination: Destination, message_id: int, prepared: Prepared) -> None:
        """Replace a published message; nothing to change counts as done."""
        ...

    async def retract(self, destination: Destination, message_id: int) -> None:
        """Delete a published message. Raises MessageKept where it is too old for that."""
        ...

    async def probe(
        self, destination: Destination, message_id: int, prepared: Prepared
    ) -> ProbeAnswer:
        """Ask whether a message id in a chat is this very message."""
        ...


class Shortener(Protocol):
    """Where short URLs come from."""

    async def shorten(self, story: Story) -> str:
        """Give a short URL that leads to a story with a URL. Raises ShortenError."""
        ...
