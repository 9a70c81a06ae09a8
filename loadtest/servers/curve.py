"""What a request costs by the length of its context, and by the number of questions in it."""

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
"""Characters of the context."""
BATCHES = (1, 2, 4, 8, 16, 32, 64)
REQUEST_S = 120


def measure(server: Server, asked: Sequence[Question], *, repeats: int = 3) -> dict[str, Any]:
    """Time requests one at a time: the fastest of `repeats` in seconds, by length and by batch size.

    slope: the exponent of the time's growth with the length over the last decade; 1 is linear.
    """
    bodies = {length: questions.of_length(asked, length).body for length in LENGTHS}
    batches = {
        size: json.dumps({"queries": [json.loads(asked[i % len(asked)].body) for i in range(size)]}).encode()
        for size in BATCHES
    }
    by_length = {length: _fastest(server, "/answer", body, repeats) for length, body in bodies.items()}
    by_batch = {size: _fastest(server, "/answers", body, repeats) for size, body in batches.items()}
    decade = [(length, seconds) for length, seconds in by_length.items() if length >= LENGTHS[-1] / 10]
    lengths, seconds = np.log(np.array(decade)).T
    slope, _ = np.polyfit(lengths, seconds, 1)
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
