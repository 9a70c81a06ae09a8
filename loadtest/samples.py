"""Samples of a run: the load, the latency and, on a cluster, the replicas at that second."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.autoscaling import Autoscaler
    from loadtest.swarm import Figures


@dataclass(frozen=True)
class Pod:
    """A pod that is ready. millicores: its CPU usage; answered: requests since its start. None: not known."""

    millicores: float | None = None
    answered: float | None = None


@dataclass(frozen=True)
class ClusterState:
    """The service's replicas at one moment; empty when the cluster did not answer. pods: the ready ones, by name."""

    autoscaler: Autoscaler | None = None
    pods: dict[str, Pod] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One second of a run. second: since the start (s); rate: requests a second; pods: the ready ones, by name."""

    second: float
    stage: str
    users: int
    requests: int
    failures: int
    rate: float
    p50_ms: float | None
    p95_ms: float | None
    autoscaler: Autoscaler | None = None
    pods: dict[str, Pod] = field(default_factory=dict)

    @classmethod
    def of(cls, second: float, stage: str, figures: Figures, cluster: ClusterState | None = None) -> Sample:
        """Combine Locust's figures with the state of the cluster; None: no cluster is watched."""
        state = ClusterState() if cluster is None else cluster
        loaded = figures.users > 0  # after a stop Locust repeats its last rate and latencies
        return cls(
            second=round(second, 1),
            stage=stage,
            users=figures.users,
            requests=figures.requests,
            failures=figures.failures,
            rate=round(figures.rate, 2) if loaded else 0.0,
            p50_ms=figures.p50_ms if loaded else None,
            p95_ms=figures.p95_ms if loaded else None,
            autoscaler=state.autoscaler,
            pods=state.pods,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the sample as values that JSON can hold."""
        return asdict(self) | {"autoscaler": None if self.autoscaler is None else self.autoscaler._asdict()}
