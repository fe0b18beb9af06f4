"""axe-core, which finds what people with disabilities cannot use on a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

VERSION = "4.14.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sebar" / "axe"
SCRIPT = CACHE / "node_modules" / "axe-core" / "axe.min.js"

needs_axe = pytest.mark.skipif(
    not SCRIPT.exists() and os.environ.get("SEBAR_TEST_REQUIRE") != "all",
    reason=f"no axe-core: npm install --ignore-scripts --prefix {CACHE} axe-core@{VERSION}",
)


async def faults_of(page: Page) -> list[str]:
    """What a page does wrong, serious or worse."""
    await page.evaluate(SCRIPT.read_text("utf-8"))
    found = await page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{one['id']}: {node['html']} {node['failureSummary']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
