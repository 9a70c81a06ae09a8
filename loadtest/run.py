"""Drives load through stages with Locust, and records a sample a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.samples import ClusterState, Sample
from loadtest.shapes import Stage, Walk
from loadtest.swarm import Figures, Swarm, swarm

SAMPLE_S = 1.0
"""Interval between two samples (s)."""


@dataclass
class Recording:
    """A run as it was recorded. begun: the clock's time at its start (s).

    stage_s: how long each stage lasted (s). errors: how often each error occurred.
    """

    begun: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)
    stage_s: dict[str, float] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    def add(self, stage: str, figures: Figures, cluster: ClusterState | None = None) -> Sample:
        """Add a sample of now, and return it."""
        sample = Sample.of(time.monotonic() - self.begun, stage, figures, cluster)
        self.samples.append(sample)
        self.errors = figures.errors
        return sample


def record(
    locust: Swarm,
    stages: Sequence[Stage],
    show: Callable[[Sample], None],
    observe: Callable[[str], ClusterState] | None = None,
) -> Recording:
    """Drive the load through the stages, and return the recording with a sample a second.

    show: is called with each sample. observe: returns the state of the cluster in the stage of that name.
    """
    recording, walk, last = Recording(), Walk(stages), None
    while (tick := walk.tick(last)) is not None:
        locust.resize(tick.users, tick.spawn_rate)
        cluster = None if observe is None else observe(tick.stage)
        last = recording.add(tick.stage, locust.figures(), cluster)
        show(last)
        time.sleep(SAMPLE_S)
    recording.stage_s = walk.stage_s
    return recording


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
    with swarm(url, folder / "locust.log", workers, data) as locust:
        recording = record(locust, stages, show)
        recording.add(recording.samples[-1].stage, locust.figures())
    return recording
