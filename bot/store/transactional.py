"""One store verb, one transaction: `@transactional`, or `@reading` where nothing is written."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bot.ports import Database, Transaction

P = ParamSpec("P")
T = TypeVar("T")
V = TypeVar("V", bound="Verbs")


class Verbs:
    """Verbs over one database; each is a method marked `@transactional` or `@reading`."""

    def __init__(self, database: Database) -> None:
        self._database = database


def transactional(
    verb: Callable[Concatenate[V, Transaction, P], T],
) -> Callable[Concatenate[V, P], Coroutine[Any, Any, T]]:
    """Make a plain method over an open transaction into an awaitable that runs in its own.

    The method runs off the event loop and cannot await, so no network call gets into a transaction.
    Raises DatabaseError.
    """

    @wraps(verb)
    async def run(self: V, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.run(lambda tx: verb(self, tx, *args, **kwargs))

    return run


def reading(
    verb: Callable[Concatenate[V, Transaction, P], T],
) -> Callable[Concatenate[V, P], Coroutine[Any, Any, T]]:
    """Like `transactional`, for a verb that only reads: it does not wait for those that write."""

    @wraps(verb)
    async def run(self: V, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.read(lambda tx: verb(self, tx, *args, **kwargs))

    return run
