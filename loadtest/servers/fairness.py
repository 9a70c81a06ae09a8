"""Measures how long short questions wait beside long contexts, and how many of either are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent
from tabulate import tabulate

from loadtest import questions
from loadtest.questions import Question
from loadtest.servers.drive import Load, drive

LONG_CHARACTERS = 100_000
"""The longest context that the service takes."""


def measure(
    url: str, examples: Sequence[Question], *, long: int = 12, short: int = 2, seconds: float = 60
) -> dict[str, Any]:
    """Send `long` long contexts and `short` short questions at a time, for `seconds` seconds.

    Requests that are under way at the end are waited for.
    """
    contexts = [questions.of_length(examples, LONG_CHARACTERS)]
    loads = [
        gevent.spawn(drive, url, requests, concurrency=count, seconds=seconds)
        for requests, count in ((contexts, long), (examples, short))
    ]
    gevent.joinall(loads, raise_error=True)
    return {
        "long_at_once": long,
        "short_at_once": short,
        "long": _row(loads[0].value),
        "short": _row(loads[1].value),
    }


def _row(load: Load) -> dict[str, Any]:
    return {
        "answers": len(load.latencies_s),
        "failures": dict(load.failures),
        "p50_ms": load.percentile_ms(50),
        "p95_ms": load.percentile_ms(95),
        "max_ms": load.percentile_ms(100),
    }


def table(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    rows = []
    for kind in ("short", "long"):
        row = report[kind]
        failures = ", ".join(f"{count} x {reason}" for reason, count in row["failures"].items()) or "none"
        latencies = [row[name] for name in ("p50_ms", "p95_ms", "max_ms")]
        rows.append([kind, report[f"{kind}_at_once"], row["answers"], *latencies, failures])
    return tabulate(
        rows,
        ("", "at once", "answers", "p50 ms", "p95 ms", "max ms", "failures"),
        tablefmt="plain",
        floatfmt=("", "", "", ".0f", ".0f", ".0f", ""),
        colalign=("left", *["right"] * 5, "left"),
    )
