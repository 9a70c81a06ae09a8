"""The progress of a rollout, read from the status of its Deployment."""

from __future__ import annotations

import time
from typing import Any

NO_CONTROLLER = (
    "the Deployment controller has done nothing about this: check that kube-controller-manager runs "
    "(`kubectl -n kube-system get pods`), or ask the operator of the control plane"
)


class Condition:
    """Measures for how long a condition has been true without interruption."""

    def __init__(self) -> None:
        self._since: float | None = None

    def seconds(self, is_true: bool) -> float:
        """Record whether the condition is true now, and return for how many seconds it has been; 0 if it is not."""
        if not is_true:
            self._since = None
            return 0.0
        self._since = time.monotonic() if self._since is None else self._since
        return time.monotonic() - self._since


def is_observed(deployment: dict[str, Any]) -> bool:
    """Return whether the controller has observed this generation."""
    return bool(deployment.get("status", {}).get("observedGeneration", 0) >= deployment["metadata"]["generation"])


def is_idle(deployment: dict[str, Any]) -> bool:
    """Return whether the controller has not observed this generation, or has created no pod of it."""
    desired, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    no_pod_created = desired > 0 and not status.get("updatedReplicas", 0) and failure(deployment) is None
    return not is_observed(deployment) or no_pod_created


def is_rolled_out(deployment: dict[str, Any]) -> bool:
    """Return whether all replicas are of this generation and available."""
    status, desired = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        is_observed(deployment)
        and status.get("updatedReplicas", 0) == desired
        and status.get("availableReplicas", 0) >= desired
        and status.get("replicas", 0) == desired
    )


def summary(deployment: dict[str, Any]) -> str:
    """Return a line with the number of updated and available replicas."""
    status, desired = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return (
        f"{status.get('updatedReplicas', 0)} of {desired} replicas updated, "
        f"{status.get('availableReplicas', 0)} available"
    )


def failure(deployment: dict[str, Any]) -> str | None:
    """Return why the controller has given up or can't make pods; conditions of an older generation do not count."""
    if not is_observed(deployment):
        return None
    for condition in deployment.get("status", {}).get("conditions", []):
        gave_up = condition["type"] == "Progressing" and condition["status"] == "False"
        if gave_up or (condition["type"] == "ReplicaFailure" and condition["status"] == "True"):
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return None
