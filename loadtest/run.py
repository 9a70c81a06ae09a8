"""Plain load on a URL, with thresholds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.shapes import Stage, Walk
from loadtest.swarm import Swarm, swarm
from loadtest.verdict import Check
from loadtest.watch import Sample, Watch, sample

SAMPLE_S = 1.0


@dataclass(frozen=True)
class Thresholds:
    """What the load must show. failure_ratio: of all requests; p95_ms: median over the run; rate: requests a second."""

    failure_ratio: float = 0.0
    p95_ms: float | None = None
    rate: float | None = None


@dataclass
class Recording:
    """What happened. ended: seconds of each stage; errors: how often what went wrong."""

    samples: list[Sample] = field(default_factory=list)
    ended: dict[str, float] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)


def record(
    locusts: Swarm,
    stages: Sequence[Stage],
    recording: Recording,
    say: Callable[[Sample], None],
    watch: Watch | None = None,
    answered_in: str = "",
) -> float:
    """Drive the load through the stages, record a sample a second, and return when it began.

    answered_in: the stage in which each pod is asked for its count too.
    """
    walk, begun = Walk(stages), time.monotonic()
    while (tick := walk.tick()) is not None:
        locusts.resize(tick.users, tick.spawn_rate)
        figures = locusts.figures()
        recording.errors = figures.errors
        recording.samples.append(sample(begun, tick.stage, figures, watch, answered=tick.stage == answered_in))
        say(recording.samples[-1])
        time.sleep(SAMPLE_S)
    recording.ended = walk.ended
    return begun


def run(
    url: str,
    stages: Sequence[Stage],
    folder: Path,
    say: Callable[[Sample], None],
    *,
    workers: int = 1,
    data: tuple[Path, ...] = (),
) -> Recording:
    """Drive the load through the stages; a last sample counts what was on its way."""
    recording = Recording()
    with swarm(url, folder / "locust.log", workers, data) as locusts:
        begun = record(locusts, stages, recording, say)
        figures = locusts.figures()
        recording.errors = figures.errors
        recording.samples.append(sample(begun, recording.samples[-1].stage, figures))
    return recording


def judge(samples: Sequence[Sample], thresholds: Thresholds) -> list[Check]:
    """Return the checks that were asked for; a run without a request fails."""
    last = samples[-1]
    ratio = last.failures / last.requests if last.requests else 1.0
    checks = [
        Check("requests", str(last.requests), "at least 1", last.requests > 0),
        Check("failures", f"{ratio:.2%}", f"at most {thresholds.failure_ratio:.2%}", ratio <= thresholds.failure_ratio),
    ]
    if thresholds.p95_ms is not None:
        found = [taken.p95_ms for taken in samples if taken.p95_ms is not None]
        middle = statistics.median(found) if found else float("nan")
        bound = thresholds.p95_ms
        checks.append(Check("p95", f"{middle:.0f} ms", f"at most {bound:.0f} ms", middle <= bound))
    if thresholds.rate is not None:
        rate = last.requests / last.second if last.second else 0.0
        checks.append(Check("rate", f"{rate:.1f}/s", f"at least {thresholds.rate:.1f}/s", rate >= thresholds.rate))
    return checks
