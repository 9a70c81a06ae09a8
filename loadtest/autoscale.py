"""Load that rises until the autoscaler has reacted, stays, and goes: with everything that happened meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.shapes import Stage, Walk
from loadtest.swarm import swarm
from loadtest.verdict import BASELINE, COOL, HOLD, RAMP, SCALED
from loadtest.watch import Sample, Watch, sample

SAMPLE_S = 1.0


@dataclass(frozen=True)
class Plan:
    """How much load, and for how long. hold_s and cool_s: deadlines; they end as soon as the replicas are there."""

    users: int = 40
    base_users: int = 1
    baseline_s: float = 20
    ramp_s: float = 30
    hold_s: float = 300
    scaled_s: float = 60
    cool_s: float = 600
    replicas: int | None = None
    workers: int = 1


@dataclass
class Recording:
    """What happened. ended: seconds of each stage; errors: how often what went wrong."""

    samples: list[Sample] = field(default_factory=list)
    ended: dict[str, float] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)


def autoscale(
    url: str, watch: Watch, plan: Plan, folder: Path, say: Callable[[Sample], None], data: tuple[Path, ...] = ()
) -> Recording:
    """Drive the load and record. Raises RuntimeError when Locust ends, DeployError when there is no HPA."""
    first = watch.autoscaler()
    wanted = first.maximum if plan.replicas is None else plan.replicas
    recording = Recording()

    def latest() -> Sample:
        return recording.samples[-1]

    def back() -> bool:
        scaler = latest().autoscaler
        return len(latest().pods) == first.minimum and scaler is not None and scaler.desired == first.minimum

    stages = [
        Stage(BASELINE, plan.base_users, plan.baseline_s),
        Stage(RAMP, plan.users, plan.ramp_s, ramp_s=plan.ramp_s),
        Stage(HOLD, plan.users, plan.hold_s, until=lambda: len(latest().pods) >= wanted),
        Stage(SCALED, plan.users, plan.scaled_s),
        Stage(COOL, 0, plan.cool_s, until=back),
    ]
    with swarm(url, folder / "locust.log", plan.workers, data) as locusts:
        walk, begun = Walk(stages), time.monotonic()
        while (tick := walk.tick()) is not None:
            locusts.resize(tick.users, tick.spawn_rate)
            figures = locusts.figures()
            recording.errors = figures.errors
            recording.samples.append(sample(begun, tick.stage, figures, watch, answered=tick.stage == SCALED))
            say(latest())
            time.sleep(SAMPLE_S)
        recording.ended = walk.ended
    return recording
