"""Drives load through stages with Locust, and records a sample a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.samples import ClusterState, Sample
from loadtest.shapes import Stage, Walk
from loadtest.swarm import Swarm, swarm

SAMPLE_S = 1.0
"""Interval between two samples (s)."""


@dataclass
class Recording:
    """A run as it was recorded. ended: seconds that each stage lasted; errors: how often each error occurred."""

    samples: list[Sample] = field(default_factory=list)
    ended: dict[str, float] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)


def record(
    locust: Swarm,
    stages: Sequence[Stage],
    recording: Recording,
    show: Callable[[Sample], None],
    observe: Callable[[str], ClusterState] | None = None,
) -> float:
    """Drive the load through the stages, add a sample a second to `recording`, and return when the run began.

    show: is called with each sample. observe: returns the state of the cluster in the stage of that name.
    """
    walk, begun = Walk(stages), time.monotonic()
    while (tick := walk.tick()) is not None:
        locust.resize(tick.users, tick.spawn_rate)
        figures, second = locust.figures(), time.monotonic() - begun
        state = None if observe is None else observe(tick.stage)
        recording.errors = figures.errors
        recording.samples.append(Sample.of(second, tick.stage, figures, state))
        show(recording.samples[-1])
        time.sleep(SAMPLE_S)
    recording.ended = walk.ended
    return begun


def run(
    url: str,
    stages: Sequence[Stage],
    folder: Path,
    show: Callable[[Sample], None],
    *,
    workers: int = 1,
    data: tuple[Path, ...] = (),
) -> Recording:
    """Drive the load through the stages and record it; a last sample counts the requests that were under way."""
    recording = Recording()
    with swarm(url, folder / "locust.log", workers, data) as locust:
        begun = record(locust, stages, recording, show)
        figures, second = locust.figures(), time.monotonic() - begun
        recording.errors = figures.errors
        recording.samples.append(Sample.of(second, recording.samples[-1].stage, figures))
    return recording
