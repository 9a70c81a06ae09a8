"""The criteria of a verdict, and the thresholds of plain load."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.samples import Sample


@dataclass(frozen=True)
class Criterion:
    """One part of a verdict. why: an explanation or a remedy; "" for none."""

    name: str
    observed: str
    expected: str
    passed: bool
    why: str = ""


@dataclass(frozen=True)
class Thresholds:
    """Limits of plain load; None leaves one out.

    failure_ratio: of all requests, at most. p95_ms: the median over the run, at most. rate: at least, requests/s.
    """

    failure_ratio: float = 0.0
    p95_ms: float | None = None
    rate: float | None = None


def judge(samples: Sequence[Sample], thresholds: Thresholds) -> list[Criterion]:
    """Return a criterion per threshold; a run without a single request fails."""
    last = samples[-1]
    ratio = last.failures / last.requests if last.requests else 1.0
    limit = thresholds.failure_ratio
    criteria = [
        Criterion("requests", str(last.requests), "at least 1", last.requests > 0),
        Criterion("failures", f"{ratio:.2%}", f"at most {limit:.2%}", ratio <= limit),
    ]
    if thresholds.p95_ms is not None:
        p95_ms = median_p95_ms(samples)
        passed = p95_ms <= thresholds.p95_ms
        criteria.append(Criterion("p95", f"{p95_ms:.0f} ms", f"at most {thresholds.p95_ms:.0f} ms", passed))
    if thresholds.rate is not None:
        rate = last.requests / last.second if last.second else 0.0
        passed = rate >= thresholds.rate
        criteria.append(Criterion("rate", f"{rate:.1f}/s", f"at least {thresholds.rate:.1f}/s", passed))
    return criteria


def median_p95_ms(samples: Sequence[Sample]) -> float:
    """Return the median of the samples' 95th percentiles (ms); NaN without any."""
    values = [sample.p95_ms for sample in samples if sample.p95_ms is not None]
    return statistics.median(values) if values else float("nan")
