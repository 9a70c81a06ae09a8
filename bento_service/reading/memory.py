"""How much memory a stored model needs to be served, and how much this process may use."""

from __future__ import annotations

from pathlib import Path

from bento_service.reading import cgroups
from bento_service.reading.cpus import cpu_count

MB = 10**6
SERVICE_MB = 250
"""The service without a model (MB)."""
FIRST_SESSION, SECOND_SESSION = 2.0, 1.5
"""Memory of the first and the second session, in multiples of the graph's size. With several CPUs there are two."""
WEIGHTS = 1.0
"""Memory of separate weights in each session, in multiples of their size: each rearranges them for the processor."""
NO_LIMIT = 2**60
"""A limit of version 1 of control groups above this (bytes) means that there is none."""


def needed_mb(graph_bytes: float, weights_bytes: float = 0, *, cpus: int | None = None) -> int:
    """Return how much memory (MB) the service needs with a graph and separate weights of these sizes."""
    sessions = 2 if (cpu_count() if cpus is None else cpus) > 1 else 1
    of_graph = sum((FIRST_SESSION, SECOND_SESSION)[:sessions]) * graph_bytes
    return round(SERVICE_MB + (of_graph + sessions * WEIGHTS * weights_bytes) / MB)


def limit_mb(root: Path = cgroups.ROOT, membership: Path = cgroups.MEMBERSHIP) -> int | None:
    """Return how much memory the control groups of this process grant (MB); None without a limit."""
    limit = cgroups.least("memory", _limit_v2, _limit_v1, root, membership)
    return None if limit is None else int(limit / MB)


def _limit_v2(folder: Path) -> float | None:
    try:
        limit = (folder / "memory.max").read_text().strip()
        return None if limit == "max" else int(limit)
    except (OSError, ValueError):
        return None


def _limit_v1(folder: Path) -> float | None:
    try:
        limit = int((folder / "memory.limit_in_bytes").read_text())
        return None if limit >= NO_LIMIT else limit
    except (OSError, ValueError):
        return None
