"""Raises the load until the autoscaler has scaled the service up, stops it, and waits until it has scaled down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.cluster.verdict import BASELINE, COOL, HOLD, RAMP, SCALED, SETTLE
from loadtest.cluster.watch import Watch
from loadtest.run import Recording, record
from loadtest.samples import Sample
from loadtest.shapes import Stage
from loadtest.swarm import swarm


@dataclass(frozen=True)
class AutoscalePlan:
    """How much load there is, and for how long.

    base_users: users of the baseline; if the HPA's target is low, a single user may scale the service up.
    hold_s and cool_s: deadlines; the stage ends as soon as the replicas are as expected. replicas: the number expected
    under load; None for the HPA's maximum. workers: processes that send requests.
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
    url: str,
    watch: Watch,
    plan: AutoscalePlan,
    folder: Path,
    show: Callable[[Sample], None],
    data: tuple[Path, ...] = (),
) -> Recording:
    """Drive the load through all stages and record it.

    Raises RuntimeError when Locust ends, DeployError when there is no HPA or no metrics API.
    """
    first = watch.autoscaler()
    watch.require_metrics()
    expected = first.maximum if plan.replicas is None else plan.replicas

    def scaled_up(sample: Sample) -> bool:
        return len(sample.pods) >= expected

    def at_minimum(sample: Sample) -> bool:
        desired = None if sample.autoscaler is None else sample.autoscaler.desired
        return len(sample.pods) == desired == first.minimum

    stages = [
        Stage(SETTLE, 0, plan.cool_s, until=at_minimum),
        Stage(BASELINE, plan.base_users, plan.baseline_s),
        Stage(RAMP, plan.users, plan.ramp_s, ramp_s=plan.ramp_s),
        Stage(HOLD, plan.users, plan.hold_s, until=scaled_up),
        Stage(SCALED, plan.users, plan.scaled_s),
        Stage(COOL, 0, plan.cool_s, until=at_minimum),
    ]
    with swarm(url, folder / "locust.log", plan.workers, data) as locust:
        return record(locust, stages, show, lambda stage: watch.state(answered=stage == SCALED))
