"""feedparser's own test corpus: 2,245 feeds with what each of them is expected to say."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

VERSION = "6.0.14"
INSTALL = f"pip download --no-deps --no-binary feedparser feedparser=={VERSION}"


def corpus_dir() -> Path:
    """Give the folder of the corpus, fetched once and kept under the system's temporary folder.

    Skips the test, naming the line that gets the corpus, where it cannot be had; fails instead
    where SEBAR_TEST_REQUIRE is "all".
    """
    kept = Path(tempfile.gettempdir()) / f"feedparser-{VERSION}-corpus"
    tests = kept / f"feedparser-{VERSION}" / "tests"
    if not tests.is_dir():
        try:
            _fetch(kept)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, StopIteration) as error:
            _give_up(error)
    return tests


def _fetch(kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent) as work:
        folder = Path(work)
        command = [sys.executable, "-m", *INSTALL.split(), "--quiet", "--dest", str(folder)]
        subprocess.run(command, check=True, timeout=100, capture_output=True)
        archive = next(folder.glob("feedparser-*.tar.gz"))
        with tarfile.open(archive) as source:
            source.extractall(folder / "corpus", filter="data")
        if not kept.exists():
            (folder / "corpus").rename(kept)


def _give_up(error: Exception) -> None:
    reason = f"feedparser's corpus is not to be had ({error}); get it with: {INSTALL}"
    if os.environ.get("SEBAR_TEST_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)
