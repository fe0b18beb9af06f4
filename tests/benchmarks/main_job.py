"""What a newsroom waits for: from publishing to the reader's chat, start-up, memory at rest.

    python tests/benchmarks/main_job.py [STORIES]

Runs the service as a process of its own on the sample newsroom, with a poll a second, over real
HTTP; stories are published at random moments.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from service import eventually, free_port, service, telegram  # noqa: E402

from bot.sandbox.newsroom import Submission, load_newsroom, newsroom_app  # noqa: E402

DATA = Path(__file__).parents[2] / "data" / "newsroom"
READER = 1001
STORIES = 20


def now() -> datetime:
    return datetime.now(UTC)


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def measure(stories: int) -> None:
    newsroom = load_newsroom(DATA, now())
    port = free_port()
    site = newsroom_app(newsroom, DATA, base_url=f"http://127.0.0.1:{port}/newsroom", clock=now)
    with tempfile.TemporaryDirectory() as folder:
        async with telegram(port, newsroom=site) as api:
            api.sandbox.add_user("Budi", user_id=READER)
            started = time.monotonic()
            feed = f"{api.url}/newsroom/feed/"
            async with service(Path(folder), api, feed, SEBAR_POLL_INTERVAL="1") as running:
                start_up_s = time.monotonic() - started
                api.sandbox.say(READER, READER, "/langganan")
                await eventually(lambda: api.sandbox.sent(READER), "an answer")
                await asyncio.sleep(3)
                assert running.process is not None
                rest_mb = memory_mb(running.process.pid)
                waits = []
                for number in range(stories):
                    await asyncio.sleep(1 + random.random())
                    title = f"Berita ukur nomor {number:03}"
                    newsroom.publish(now(), Submission(title=title, body="Isi berita."))
                    began = time.monotonic()
                    await eventually(
                        lambda t=title: any(
                            t in post.content.text.text for post in api.sandbox.sent(READER)
                        ),
                        title,
                    )
                    waits.append(time.monotonic() - began)
    print(f"start-up to ready:      {start_up_s:.2f} s")
    print(f"memory at rest:         {rest_mb:.0f} MB")
    print(
        f"publish to chat:        median {statistics.median(waits):.2f} s,"
        f" longest {max(waits):.2f} s"
        f" ({stories} stories, a poll a second)"
    )


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else STORIES))
