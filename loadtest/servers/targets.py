"""The targets of the comparison: what the service should reach beside the baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loadtest.servers.server import BASELINE, SERVICE


@dataclass(frozen=True)
class Target:
    """A figure of the comparison, and its bound."""

    name: str
    observed: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure keeps its bound."""
        return self.observed >= self.bound if self.at_least else self.observed <= self.bound


def targets(report: dict[str, Any]) -> Iterator[Target]:
    """Yield every target that the report has the figures for."""
    at = {(row["server"], row["concurrency"]): row for row in report["rows"]}

    def ratio(figure: str, concurrency: int) -> float:
        return float(at[SERVICE, concurrency][figure] / at[BASELINE, concurrency][figure])

    if (SERVICE, 8) in at:
        yield Target("answers/s at concurrency 8, over the baseline's", ratio("rate", 8), 4, at_least=True)
        yield Target("p95 at concurrency 8, over the baseline's", ratio("p95_ms", 8), 1 / 4)
    if (SERVICE, 1) in at:
        yield Target("p50 at concurrency 1, over the baseline's", ratio("p50_ms", 1), 1 / 3)
    first = report["first_answer_s"]
    yield Target("start to first answer, over the baseline's", first[SERVICE] / first[BASELINE], 1 / 2)
    greatest = {name: max(row["memory_mb"] for row in report["rows"] if row["server"] == name) for name in first}
    yield Target("greatest memory, over the baseline's", greatest[SERVICE] / greatest[BASELINE], 1 / 2)
    if soak := report["soak"]:
        yield Target(f"failures in {soak['requests']} requests", sum(soak["failures"].values()), 0)
        yield Target("memory growth once settled", soak["end_mb"] / soak["settled_mb"] - 1, 0.05)
