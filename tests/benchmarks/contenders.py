"""Runs one of the senders that `deliver.py` compares, in a process of its own.

`python contenders.py NAME URL NUMBER` prints the CPU microseconds a message and the rate.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import uvloop

# Imported only where it runs: what one brings along would burden the others.
CONTENDERS = {
    "sebar": ("ours", "sebar", asyncio.run),
    "sebar_paid": ("ours", "sebar_paid", asyncio.run),
    "ptb": ("with_ptb", "ptb", asyncio.run),
    "ptb_limiter": ("with_ptb", "ptb_limiter", asyncio.run),
    "aiogram": ("with_aiogram", "aiogram_bot", asyncio.run),
    "bare": ("bare", "bare", uvloop.run),
}


def main() -> None:
    name, url, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    module, function, run = CONTENDERS[name]
    send = getattr(import_module(module), function)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(send(url, number, Path(folder)))))


if __name__ == "__main__":
    main()
