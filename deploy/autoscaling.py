"""What a HorizontalPodAutoscaler says, and its arithmetic: pure.

The latter as the Kubernetes documentation gives it, under "Algorithm details" and "Configurable scaling behavior" of
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

TOLERANCE = 0.1
"""Share by which use may differ from its target without a change."""


class Policy(NamedTuple):
    """How much may change in a period (s): so many pods, or so many percent of those at its begin."""

    kind: Literal["Pods", "Percent"]
    value: int
    period_s: int = 15


SCALE_UP = (Policy("Percent", 100), Policy("Pods", 4))
SCALE_DOWN = (Policy("Percent", 100),)
"""What Kubernetes does by default, and the manifests say."""


class Autoscaler(NamedTuple):
    """What an HPA says. cpu_percent: of the request, over all pods; None while it reads `unknown`."""

    minimum: int
    maximum: int
    target_percent: int
    current: int
    desired: int
    cpu_percent: int | None

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Autoscaler:
        """Read the object as the API has it."""
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


def recommended(replicas: int, used: float, target: float, tolerance: float = TOLERANCE) -> int:
    """Return ceil(replicas x used / target), and no change within the tolerance.

    used: of a pod, on average; target: in the same unit.
    """
    ratio = used / target
    return replicas if abs(ratio - 1) <= tolerance else math.ceil(replicas * ratio)


def most(replicas: int, policies: Sequence[Policy] = SCALE_UP) -> int:
    """Return how many replicas there may be a period later; of several policies the one that allows most holds."""
    return max(
        replicas + policy.value if policy.kind == "Pods" else math.ceil(replicas * (1 + policy.value / 100))
        for policy in policies
    )


def least(replicas: int, policies: Sequence[Policy] = SCALE_DOWN) -> int:
    """Return how few replicas there may be a period later."""
    return max(
        0,
        min(
            replicas - policy.value if policy.kind == "Pods" else math.floor(replicas * (1 - policy.value / 100))
            for policy in policies
        ),
    )


def stabilised(wishes: Sequence[tuple[float, int]], now: float, window_s: float) -> int:
    """Return the greatest wish of the window: pods go only when none of it wanted more.

    wishes: (second, replicas), the last of them now.
    """
    return max(replicas for second, replicas in wishes if second > now - window_s or second == now)


def settled(replicas: int, used: float, target: float, minimum: int) -> int:
    """Return where idle replicas come to rest, when each goes on using as much."""
    while (fewer := max(minimum, recommended(replicas, used, target))) < replicas:
        replicas = fewer
    return replicas


def idle_limit(target: float, minimum: int, tolerance: float = TOLERANCE) -> float:
    """Return what an idle pod may use at most for an HPA to go back to its minimum, in the target's unit.

    The last step is the hardest: from m + 1 replicas ceil((m + 1) x used / target) has to be m, so that used is at
    most target x m / (m + 1); and below the tolerance, which only counts from nine replicas on.
    """
    return target * min(minimum / (minimum + 1), 1 - tolerance)
