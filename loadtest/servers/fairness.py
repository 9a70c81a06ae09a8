"""How long short questions wait beside long contexts, and whether either is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent

from loadtest import questions
from loadtest.questions import Question
from loadtest.servers.drive import Load, drive

LONG_CHARACTERS = 100_000
"""The longest context that the service takes."""


def measure(
    url: str, asked: Sequence[Question], *, long: int = 12, short: int = 2, seconds: float = 60
) -> dict[str, Any]:
    """Ask long contexts and short questions at once for so many seconds, `long` and `short` of them at a time.

    A long request that is under way then is waited for.
    """
    contexts = [questions.of_length(asked, LONG_CHARACTERS)]
    loads = [
        gevent.spawn(drive, url, what, concurrency=count, seconds=seconds)
        for what, count in ((contexts, long), (asked, short))
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
    """Lay out a report for a person."""
    lines = [f"{'':6} {'at once':>7} {'answers':>8} {'p50 ms':>8} {'p95 ms':>8} {'max ms':>8}  failures"]
    for kind in ("short", "long"):
        row = report[kind]
        failures = ", ".join(f"{count} x {what}" for what, count in row["failures"].items()) or "none"
        lines.append(
            f"{kind:6} {report[f'{kind}_at_once']:7} {row['answers']:8} {row['p50_ms']:8.0f} {row['p95_ms']:8.0f} "
            f"{row['max_ms']:8.0f}  {failures}"
        )
    return "\n".join(lines)
