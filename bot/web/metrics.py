"""Metrics in Prometheus's text format, from what the database says."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bot.links import shown
from bot.types import ClickKind, DeliveryState, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from bot.store import FeedHealth, OutboxHealth, Store

    # Labels and value.
    Sample = tuple[dict[str, str], float]

HUB_STATES = ("idle", "verified", "denied")


async def metrics_text(store: Store, now: datetime) -> str:
    """All metrics in Prometheus's text format."""
    families = [
        *_outbox_families(await store.outbox_health(), now),
        *_feed_families(await store.list_feed_health(), now),
        *_click_families(await store.count_all_clicks()),
        await _hub_families(store, now),
    ]
    return "".join(families)


def _outbox_families(outbox: OutboxHealth, now: datetime) -> list[str]:
    states: list[Sample] = [
        ({"state": state}, float(outbox.counts.get(state, 0))) for state in DeliveryState
    ]
    age: list[Sample] = [({}, _age_s(outbox.oldest_due_at, now))]
    return [
        _family("sebar_deliveries", "Deliveries by state.", states),
        _family("sebar_outbox_oldest_seconds", "How long the oldest due delivery has waited.", age),
    ]


def _feed_families(feeds: Sequence[FeedHealth], now: datetime) -> list[str]:
    named = [({"feed": shown(feed.url)}, feed) for feed in feeds]
    polled = [(label, feed) for label, feed in named if feed.polled_at is not None]
    changed = [(label, feed.changed_at) for label, feed in named if feed.changed_at is not None]
    return [
        _family(
            "sebar_feed_failures",
            "Failed polls of a feed in a row.",
            [(label, float(feed.failures)) for label, feed in named],
        ),
        _family(
            "sebar_feed_up",
            "Whether the last poll of a feed went well.",
            [(label, float(feed.error is None)) for label, feed in polled],
        ),
        _family(
            "sebar_feed_failing_seconds",
            "How long a feed has failed.",
            [(label, _age_s(feed.failing_at, now)) for label, feed in named],
        ),
        _family(
            "sebar_feed_changed_timestamp_seconds",
            "When a feed last brought a story or a change.",
            [(label, moment.timestamp()) for label, moment in changed],
        ),
        _family(
            "sebar_feed_polled_timestamp_seconds",
            "When a feed was last polled.",
            [(label, feed.polled_at.timestamp()) for label, feed in polled if feed.polled_at],
        ),
    ]


def _click_families(clicks: Mapping[tuple[Platform, ClickKind], int]) -> list[str]:
    meanings = {
        ClickKind.READER: ("sebar_clicks", "Short links followed by readers, by platform."),
        ClickKind.PREVIEW: (
            "sebar_previews",
            "Short links looked at by crawlers or ahead of time, by platform.",
        ),
        ClickKind.PRESS: (
            "sebar_presses",
            "Buttons below stories that readers pressed, by platform.",
        ),
    }
    return [
        _family(name, meaning, _by_platform(clicks, kind), kind="counter")
        for kind, (name, meaning) in meanings.items()
    ]


async def _hub_families(store: Store, now: datetime) -> str:
    """What WebSub does: subscriptions by state, pushes by what became of them."""
    hubs = await store.list_hub_health(now)
    pushes = await store.count_pushes()
    states = Counter(hub.state for hub in hubs)
    taken = float(pushes.pop("taken", 0))
    return "".join(
        [
            _family(
                "sebar_hubs",
                "Hubs that feeds name, by the state of our subscription there.",
                [({"state": state}, float(states[state])) for state in HUB_STATES],
            ),
            _family(
                "sebar_hubs_trusted",
                "Hubs that told the latest story, so that their feeds are polled slowly.",
                [({}, float(sum(hub.trusted for hub in hubs)))],
            ),
            _family("sebar_pushes", "Pushes taken.", [({}, taken)], kind="counter"),
            _family(
                "sebar_pushes_ignored",
                "Pushes without effect, by reason.",
                [({"reason": reason}, float(number)) for reason, number in pushes.items()],
                kind="counter",
            ),
        ]
    )


def _by_platform(clicks: Mapping[tuple[Platform, ClickKind], int], kind: ClickKind) -> list[Sample]:
    return [
        ({"platform": platform}, float(clicks.get((platform, kind), 0))) for platform in Platform
    ]


def _age_s(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def _family(
    name: str,
    meaning: str,
    samples: Iterable[Sample],
    *,
    kind: str = "gauge",
) -> str:
    name += "_total" if kind == "counter" else ""
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inner = ",".join(f'{label}="{_label(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inner}}} {value:.15g}" if inner else f"{name} {value:.15g}")
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
