"""What a delivery costs: Sebar's whole path beside python-telegram-bot, aiogram and bare aiohttp.

`python tests/benchmarks/deliver.py [ROUNDS]`. Each sender is a process of its own against a fast
local Bot API in another; all send the same message with its share row. Rounds are interleaved;
medians of the sender's CPU microseconds a message and of messages a second.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from bot_api import served

ROUNDS = 5
SENDERS = {
    "sebar": ("Sebar: claim, send, record, durable", 20_000),
    "ptb": ("python-telegram-bot, a committed row each", 1_000),
    "ptb_limiter": ("python-telegram-bot with AIORateLimiter, the same", 1_000),
    "aiogram": ("aiogram 3, a committed row each", 2_000),
    "bare": ("aiohttp on uvloop, ready bodies, no record", 20_000),
    "sebar_paid": ("Sebar at the paid 1,000 a second", 10_000),
}


def measure(name: str, number: int) -> dict[str, float]:
    with served() as url:
        command = [sys.executable, str(Path(__file__).with_name("contenders.py"))]
        done = subprocess.run(
            [*command, name, url, str(number)], check=True, capture_output=True, text=True
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    named = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.machine()}, {os.cpu_count()} cores"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in SENDERS}
    for _ in range(rounds):
        for name, (_, number) in SENDERS.items():
            taken[name].append(measure(name, number))
    cpu = {n: statistics.median(one["cpu_us"] for one in runs) for n, runs in taken.items()}
    rate = {n: statistics.median(one["rate"] for one in runs) for n, runs in taken.items()}
    print(f"{processor()}, Python {platform.python_version()}, medians of {rounds}\n")
    print("| sender | CPU µs a message | of Sebar's | messages a second |\n|---|---|---|---|")
    for name, (meaning, _) in SENDERS.items():
        ratio = cpu[name] / cpu["sebar"]
        print(f"| {meaning} | {cpu[name]:,.0f} | {ratio:.2f} | {rate[name]:,.0f} |")
    print(f"\nThe paid 1,000 a second takes {cpu['sebar_paid'] / 10:,.1f} % of a core.")


if __name__ == "__main__":
    main()
