"""What a poll costs: Sebar's whole path beside lemon24/reader and aiohttp with feedparser.

`python tests/benchmarks/feeds.py [ROUNDS [FEEDS]]`. Each updater is a process of its own with a
database on this disk, against a site in another process; feeds of ten items, 80 kB each.
Rounds are interleaved; medians with the lowest and the highest of the updater's CPU milliseconds
a feed, its threads and system calls included.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from deliver import processor
from feed_site import feed, served

ROUNDS, FEEDS = 5, 200
UPDATERS = {
    "sebar": "Sebar: claim, fetch, parse, sift, record, durable",
    "sebar_uvloop": "the same on uvloop",
    "feedparser": "aiohttp + feedparser, a transaction a feed",
    "reader": "lemon24/reader, `update_feeds`",
}


def measure(name: str, number: int) -> dict[str, float]:
    with served() as site:
        command = [sys.executable, str(Path(__file__).with_name("feed_passes.py"))]
        done = subprocess.run(
            [*command, name, site, str(number)], check=True, stdout=subprocess.PIPE, text=True
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    number = int(sys.argv[2]) if len(sys.argv) > 2 else FEEDS
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in UPDATERS}
    for _ in range(rounds):
        for name in UPDATERS:
            taken[name].append(measure(name, number))
    passes = list(taken["sebar"][0])
    print(f"{processor()}, {number} feeds of {len(feed(0, 10)) / 1000:.0f} kB, {rounds} rounds\n")
    print("| CPU ms a feed | " + " | ".join(passes) + " |")
    print("|---" * (len(passes) + 1) + "|")
    for name, meaning in UPDATERS.items():
        print(f"| {meaning} | " + " | ".join(shown(taken, name, at) for at in passes) + " |")


def shown(taken: dict[str, list[dict[str, float]]], name: str, at: str) -> str:
    """Median, spread, and how many times Sebar's."""
    spent = [figures[at] for figures in taken[name]]
    ours = statistics.median(figures[at] for figures in taken["sebar"])
    middle = statistics.median(spent)
    return f"{middle:.3f} ({min(spent):.3f}–{max(spent):.3f}), {middle / ours:.1f}×"


if __name__ == "__main__":
    main()
