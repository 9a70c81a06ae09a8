"""The state of a HorizontalPodAutoscaler and its arithmetic.

The formula is the one under "Algorithm details" of
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

TOLERANCE = 0.1
"""The HPA does not scale while the ratio of use to target differs from 1 by no more than this."""


class Autoscaler(NamedTuple):
    """The state of an HPA. cpu_percent: share of the CPU request over all pods; None while it reads `unknown`."""

    minimum: int
    maximum: int
    target_percent: int
    current: int
    desired: int
    cpu_percent: int | None

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Autoscaler:
        """Read the object as the API returns it."""
        spec, state = manifest["spec"], manifest.get("status", {})
        current = [m["resource"]["current"] for m in state.get("currentMetrics") or [] if m.get("type") == "Resource"]
        return cls(
            minimum=spec["minReplicas"],
            maximum=spec["maxReplicas"],
            target_percent=spec["metrics"][0]["resource"]["target"]["averageUtilization"],
            current=state.get("currentReplicas", 0),
            desired=state.get("desiredReplicas", 0),
            cpu_percent=current[0].get("averageUtilization") if current else None,
        )


def recommended_replicas(replicas: int, used: float, target: float, tolerance: float = TOLERANCE) -> int:
    """Return ceil(replicas x used / target), or `replicas` within the tolerance.

    used: mean of the pods. target: in the same unit.
    """
    ratio = used / target
    return replicas if abs(ratio - 1) <= tolerance else math.ceil(replicas * ratio)


def settled_replicas(replicas: int, used: float, target: float, minimum: int) -> int:
    """Return the number of replicas at which scaling down ends while each pod uses the same amount."""
    while (fewer := max(minimum, recommended_replicas(replicas, used, target))) < replicas:
        replicas = fewer
    return replicas


def idle_limit(target: float, minimum: int, tolerance: float = TOLERANCE) -> float:
    """Return the most that an idle pod may use for an HPA to return to its minimum, in the target's unit.

    The last step is from m + 1 to m replicas. It needs ceil((m + 1) x used / target) = m, so `used` is at most
    target x m / (m + 1). The tolerance is the stricter limit from nine replicas on.
    """
    return target * min(minimum / (minimum + 1), 1 - tolerance)
