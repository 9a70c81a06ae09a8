"""Measures the response time by the length of the context, and by the number of questions in a request."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from loadtest import questions
from loadtest.questions import Question
from loadtest.servers.server import Server, post

LENGTHS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""Lengths of the context (characters)."""
BATCHES = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of questions in a request."""
REQUEST_S = 120
"""Deadline of a request (s)."""


def measure(
    server: Server,
    examples: Sequence[Question],
    *,
    lengths: Sequence[int] = LENGTHS,
    batch_sizes: Sequence[int] = BATCHES,
    repeats: int = 3,
) -> dict[str, Any]:
    """Time requests one at a time: the fastest of `repeats` in seconds, by length and by batch size.

    The slope is the exponent with which the time grows over the last decade of lengths; 1 is linear.
    """
    bodies = {length: questions.of_length(examples, length).body for length in lengths}
    batches = {
        size: json.dumps({"queries": [json.loads(examples[i % len(examples)].body) for i in range(size)]}).encode()
        for size in batch_sizes
    }
    by_length = {length: _fastest(server, "/answer", body, repeats) for length, body in bodies.items()}
    by_batch = {size: _fastest(server, "/answers", body, repeats) for size, body in batches.items()}
    decade = [(length, seconds) for length, seconds in by_length.items() if length >= max(lengths) / 10]
    log_lengths, log_seconds = np.log(np.array(decade)).T
    slope, _ = np.polyfit(log_lengths, log_seconds, 1)
    return {"by_length": by_length, "by_batch": by_batch, "slope": float(slope)}


def _fastest(server: Server, path: str, body: bytes, repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        begun = time.monotonic()
        status = post(server.port, path, body, timeout_s=REQUEST_S)
        seconds.append(time.monotonic() - begun)
        if status != http.client.OK:
            raise RuntimeError(f"{path} answered {status} to {len(body)} bytes")
    return min(seconds)


def table(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    by_length = [(length, seconds, 1e6 * seconds / length) for length, seconds in report["by_length"].items()]
    by_batch = [(count, seconds, 1e3 * seconds / count) for count, seconds in report["by_batch"].items()]
    floatfmt = ("", ".3f", ".1f")
    return "\n".join(
        [
            tabulate(by_length, ("characters", "s", "ms/1,000"), tablefmt="plain", floatfmt=floatfmt),
            tabulate(by_batch, ("questions", "s", "ms each"), tablefmt="plain", floatfmt=floatfmt),
            f"beyond {LENGTHS[-1] // 10} characters the time grows with their number to the {report['slope']:.2f}",
        ]
    )
