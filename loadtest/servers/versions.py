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
FIGURES = {"cpu_ms": "an answer takes", "loop_ms": "of it on the event loop"}
"""The figures of a turn, with the beginnings of the table's lines. The event loop does all the work on a short context
except for the engine's, so that its time varies far less.
"""
RESAMPLES = 1_000
"""Bootstrap resamples of the rounds: enough for two digits of the interval."""


def compare(
    ours: Server, other: Server, questions: Sequence[Question], *, concurrency: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """Give each server a turn of `seconds` in every round, and return the answers a second and CPU time of each turn.

    The servers alternate in beginning a round, so that a slow minute of the machine affects both equally. more: for
    each of FIGURES, how much more of it an answer of ours takes (ms): the median of the rounds, and its bootstrapped 90
    % interval.
    """
    servers = (ours, other)
    turns: dict[str, list[dict[str, float]]] = {server.name: [] for server in servers}
    for server in servers:
        _turn(server, questions, concurrency, seconds)  # the first answers are slower
    for number in range(rounds):
        for server in servers if number % 2 else reversed(servers):
            turns[server.name].append(_turn(server, questions, concurrency, seconds))
    return {"concurrency": concurrency, "turns": turns, "more": {figure: _more(turns, figure) for figure in FIGURES}}


def _turn(server: Server, questions: Sequence[Question], concurrency: int, seconds: float) -> dict[str, float]:
    cpu_s, loop_s = server.cpu_s(), server.main_threads_s()
    load = drive(server.url, questions, concurrency=concurrency, seconds=seconds)
    if load.failures:
        raise RuntimeError(f"the {server.name} failed: {dict(load.failures)}")
    per_answer = 1e3 / len(load.latencies_s)
    cpu_ms, loop_ms = per_answer * (server.cpu_s() - cpu_s), per_answer * (server.main_threads_s() - loop_s)
    return {"rate": load.rate, "cpu_ms": cpu_ms, "loop_ms": loop_ms}


def _more(turns: dict[str, list[dict[str, float]]], figure: str) -> dict[str, Any]:
    differences = [mine[figure] - theirs[figure] for mine, theirs in zip(*turns.values(), strict=True)]
    drawn = np.random.default_rng(0).choice(differences, (RESAMPLES, len(differences)))
    interval = [float(end) for end in np.percentile(np.median(drawn, axis=1), (5, 95))]
    return {"ms": float(np.median(differences)), "interval_ms": interval}


def table(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    medians = {
        name: [float(np.median([turn[figure] for turn in turns])) for figure in ("rate", *FIGURES)]
        for name, turns in report["turns"].items()
    }
    rows = [(name, *figures) for name, figures in medians.items()]
    header = ("", "answers/s", "CPU ms", "event loop ms")
    servers = tabulate(rows, header, tablefmt="plain", floatfmt=("", ".1f", ".2f", ".3f"))
    cpu_ms = medians[OTHER][1]
    lines = [f"{label} {_amount(report['more'][figure], cpu_ms)}" for figure, label in FIGURES.items()]
    return "\n".join((servers, *lines))


def _amount(more: dict[str, Any], cpu_ms: float) -> str:
    low, high = more["interval_ms"]
    share = f"{more['ms'] / cpu_ms:+.1%} of an answer's CPU time"
    return f"{more['ms']:+.3f} ms ({share}), 90 % interval {low:+.3f} to {high:+.3f} ms"
