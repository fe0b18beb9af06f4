"""Runs one of the updaters that `feeds.py` compares, in a process of its own.

`python feed_passes.py NAME SITE NUMBER` prints the CPU milliseconds a feed of each pass: all
stories new, answered 304, unchanged without validators, one new of ten.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from feed_site import publish_next

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Update = Callable[[], Awaitable[None]]

# Imported only where it runs: what one brings along would burden the others.
UPDATERS = {
    "sebar": ("feeds_sebar", "updater"),
    "sebar_uvloop": ("feeds_sebar", "updater"),
    "reader": ("feeds_reader", "updater"),
    "feedparser": ("feeds_feedparser", "updater"),
}


async def measured(number: int, update: Update) -> float:
    """CPU of this process in milliseconds a feed, threads and system calls included."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    await update()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent_s / number * 1000


async def passes(name: str, site: str, number: int, folder: Path) -> dict[str, float]:
    module, function = UPDATERS[name]
    updater = getattr(import_module(module), function)
    figures: dict[str, float] = {}
    for kind, unchanged in (("validated", "304"), ("bare", "unchanged")):
        urls = [f"{site}/{kind}/{feed}/feed/" for feed in range(number)]
        async with updater(folder / f"{kind}.db", urls) as update:
            figures["new" if kind == "bare" else "new, validated"] = await measured(number, update)
            figures[unchanged] = await measured(number, update)
            figures[f"{unchanged}, again"] = await measured(number, update)
            publish_next(site)
            figures[f"one new, {kind}"] = await measured(number, update)
    return figures


def main() -> None:
    name, site, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    run = import_module("uvloop").run if name.endswith("_uvloop") else asyncio.run
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(passes(name, site, number, Path(folder)))))


if __name__ == "__main__":
    main()
