"""Measures how much memory the service takes with stored models, and compares it with the expected memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bento_service import artifact
from bento_service.model_store import ServedModel
from bento_service.reading.cpus import cpu_count
from loadtest import questions
from loadtest.questions import Question
from loadtest.servers.drive import drive
from loadtest.servers.server import alone

CHARACTERS = 4_000
"""Length of the contexts: their windows are as long as the model's."""
ROUNDS = 3
"""Requests of each client; there are two clients for each CPU."""
_PARTS = (artifact.GRAPH, artifact.WEIGHTS)


def measure(examples: Sequence[Question], folder: Path, tag: str) -> dict[str, Any]:
    """Serve a stored model as a container does, send requests, and return the memory (MB). The log goes to `folder`.

    expected_mb: what `artifact.needed_mb` expects before the start. peak_mb: the greatest resident memory since then.
    """
    model = ServedModel(tag).resolve()
    stored = Path(model.path)
    sizes = {name: path.stat().st_size / 1e6 for name in _PARTS if (path := stored / name).exists()}
    question = questions.of_length(examples, CHARACTERS)
    places = 2 * cpu_count()
    with alone(examples[0], folder, str(model.tag)) as server:
        drive(server.url, [question], concurrency=places, count=ROUNDS * places)
        peak_mb = server.peak_mb()
    expected_mb = artifact.needed_mb(stored)
    return {
        "model": str(model.tag),
        "cpus": cpu_count(),
        "graph_mb": sizes[artifact.GRAPH],
        "weights_mb": sizes.get(artifact.WEIGHTS, 0.0),
        "expected_mb": expected_mb,
        "peak_mb": peak_mb,
        "ratio": expected_mb / peak_mb,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the memory of models as text for a terminal."""
    cells = [(r["model"], r["graph_mb"], r["weights_mb"], r["expected_mb"], r["peak_mb"], r["ratio"]) for r in rows]
    headers = ("model", "graph", "weights", "expected", "peak", "expected/peak")
    formats = ("", ".0f", ".0f", ".0f", ".0f", ".2f")
    return f"{tabulate(cells, headers, tablefmt='plain', floatfmt=formats)}\nMB, on {rows[0]['cpus']} CPUs"
