"""How far a Deployment's controller is, from what the Deployment says: pure."""

from __future__ import annotations

import time
from typing import Any

NO_CONTROLLER = (
    "the Deployment controller has done nothing about this: check that kube-controller-manager runs "
    "(`kubectl -n kube-system get pods`), or ask whoever runs the control plane"
)


class Lasting:
    """How long something has held without a break."""

    def __init__(self) -> None:
        self._since: float | None = None

    def seconds(self, holds: bool) -> float:
        """Note whether it holds now, and return for how long it has (s); 0 when it does not."""
        if not holds:
            self._since = None
            return 0.0
        self._since = time.monotonic() if self._since is None else self._since
        return time.monotonic() - self._since


def is_seen(deployment: dict[str, Any]) -> bool:
    """Return whether the controller has seen this generation."""
    return bool(deployment.get("status", {}).get("observedGeneration", 0) >= deployment["metadata"]["generation"])


def is_idle(deployment: dict[str, Any]) -> bool:
    """Return whether the controller has done nothing about this generation: not seen it, or made no pod of it."""
    desired, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    made_none = desired > 0 and not status.get("updatedReplicas", 0) and failure(deployment) is None
    return not is_seen(deployment) or made_none


def is_rolled_out(deployment: dict[str, Any]) -> bool:
    """Return whether the controller has seen this generation, and all replicas are its and available."""
    status, desired = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        is_seen(deployment)
        and status.get("updatedReplicas", 0) == desired
        and status.get("availableReplicas", 0) >= desired
        and status.get("replicas", 0) == desired
    )


def summary(deployment: dict[str, Any]) -> str:
    """Return how many replicas are updated and available, in a line."""
    status, desired = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return (
        f"{status.get('updatedReplicas', 0)} of {desired} replicas updated, "
        f"{status.get('availableReplicas', 0)} available"
    )


def failure(deployment: dict[str, Any]) -> str | None:
    """Return why the controller has given up, or can't make pods; what it says of an older generation is over."""
    if not is_seen(deployment):
        return None
    for condition in deployment.get("status", {}).get("conditions", []):
        gave_up = condition["type"] == "Progressing" and condition["status"] == "False"
        if gave_up or (condition["type"] == "ReplicaFailure" and condition["status"] == "True"):
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return None
