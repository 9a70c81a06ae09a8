"""Load that rises until the autoscaler has reacted, stays, and goes: with everything that happened meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.run import Recording, record
from loadtest.shapes import Stage
from loadtest.swarm import swarm
from loadtest.verdict import BASELINE, COOL, HOLD, RAMP, SCALED, SETTLE
from loadtest.watch import Sample, Watch


@dataclass(frozen=True)
class Plan:
    """How much load, and for how long. hold_s and cool_s: deadlines; they end as soon as the replicas are there.

    base_users: of the baseline; at a low target of the HPA, one user scales already.
    """

    users: int = 40
    base_users: int = 0
    baseline_s: float = 20
    ramp_s: float = 30
    hold_s: float = 300
    scaled_s: float = 60
    cool_s: float = 600
    replicas: int | None = None
    workers: int = 1


def autoscale(
    url: str, watch: Watch, plan: Plan, folder: Path, say: Callable[[Sample], None], data: tuple[Path, ...] = ()
) -> Recording:
    """Drive the load and record. Raises RuntimeError when Locust ends, DeployError when there is no HPA or
    no metrics API."""
    first = watch.autoscaler()
    watch.require_metrics()
    wanted = first.maximum if plan.replicas is None else plan.replicas
    recording = Recording()

    def latest() -> Sample:
        return recording.samples[-1]

    def back() -> bool:
        if not recording.samples:
            return False
        scaler = latest().autoscaler
        return len(latest().pods) == first.minimum and scaler is not None and scaler.desired == first.minimum

    stages = [
        Stage(SETTLE, 0, plan.cool_s, until=back),
        Stage(BASELINE, plan.base_users, plan.baseline_s),
        Stage(RAMP, plan.users, plan.ramp_s, ramp_s=plan.ramp_s),
        Stage(HOLD, plan.users, plan.hold_s, until=lambda: len(latest().pods) >= wanted),
        Stage(SCALED, plan.users, plan.scaled_s),
        Stage(COOL, 0, plan.cool_s, until=back),
    ]
    with swarm(url, folder / "locust.log", plan.workers, data) as locusts:
        record(locusts, stages, recording, say, watch, answered_in=SCALED)
    return recording
