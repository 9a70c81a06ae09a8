"""What a controller and a kubelet do to a Job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.deploy.state import Api, Object


def finished(kind: str, reason: str = "") -> Callable[[Object], None]:
    """Return the step that ends a Job. kind: Complete or Failed."""

    def step(job: Object) -> None:
        job["status"] = {"conditions": [{"type": kind, "status": "True", "reason": reason, "message": "because"}]}

    return step


def pod(api: Api, job: str, container: str, namespace: str, message: str = "", **state: Any) -> None:
    """Give a Job its pod `<job>-x1`, whose container has ended well with this message, or is in another state."""
    state = state or {"terminated": {"exitCode": 0, "message": message}}
    api.put(
        "Pod",
        f"{job}-x1",
        namespace,
        metadata={"labels": {"job-name": job}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        spec={"containers": [{"name": container}]},
        status={"phase": "Running", "containerStatuses": [{"name": container, "image": "an-image", "state": state}]},
    )
