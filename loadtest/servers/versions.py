"""Compares the service of this checkout with that of another one, in turn: what a change of the code costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from loadtest.questions import Question
from loadtest.servers.drive import drive
from loadtest.servers.server import Server

OTHER = "other"
"""Name of the other checkout's server."""
RESAMPLES = 1_000
"""Of the rounds, for the interval: enough for two digits."""


def compare(
    ours: Server, other: Server, questions: Sequence[Question], *, concurrency: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """Give each server a turn of `seconds` in every round, and return the answers a second and CPU time of each turn.

    The servers begin a round by turns, so that a machine that becomes slower affects both alike. more_cpu_ms: what an
    answer takes more of ours, in the median of the rounds; interval_ms: its 90 % interval, bootstrapped.
    """
    servers = (ours, other)
    turns: dict[str, list[dict[str, float]]] = {server.name: [] for server in servers}
    for server in servers:
        _turn(server, questions, concurrency, seconds)  # the first answers are slower
    for number in range(rounds):
        for server in servers if number % 2 else reversed(servers):
            turns[server.name].append(_turn(server, questions, concurrency, seconds))
    more = [mine["cpu_ms"] - theirs["cpu_ms"] for mine, theirs in zip(*turns.values(), strict=True)]
    drawn = np.random.default_rng(0).choice(more, (RESAMPLES, rounds))
    return {
        "concurrency": concurrency,
        "turns": turns,
        "more_cpu_ms": float(np.median(more)),
        "interval_ms": [float(end) for end in np.percentile(np.median(drawn, axis=1), (5, 95))],
    }


def _turn(server: Server, questions: Sequence[Question], concurrency: int, seconds: float) -> dict[str, float]:
    cpu_s = server.cpu_s()
    load = drive(server.url, questions, concurrency=concurrency, seconds=seconds)
    if load.failures:
        raise RuntimeError(f"the {server.name} failed: {dict(load.failures)}")
    return {"rate": load.rate, "cpu_ms": 1e3 * (server.cpu_s() - cpu_s) / len(load.latencies_s)}


def table(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    medians = {
        name: [float(np.median([turn[figure] for turn in turns])) for figure in ("rate", "cpu_ms")]
        for name, turns in report["turns"].items()
    }
    rows = [(name, *figures) for name, figures in medians.items()]
    servers = tabulate(rows, ("", "answers/s", "CPU ms"), tablefmt="plain", floatfmt=("", ".1f", ".2f"))
    more, share, (low, high) = report["more_cpu_ms"], report["more_cpu_ms"] / medians[OTHER][1], report["interval_ms"]
    interval = f"90 % interval {low:+.3f} to {high:+.3f} ms"
    return f"{servers}\nan answer takes {more:+.3f} ms of CPU time ({share:+.1%}), {interval}"
