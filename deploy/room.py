"""Room for the pods of a rollout: which of them fit on no node, and how many old pods may leave for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

FINISHED = ("Succeeded", "Failed")
"""Phases of pods that hold nothing any more; an evicted pod stays listed."""
REMEDY = "add a node, free one, or lower cpu_request, memory_request or max_replicas"


@dataclass(frozen=True)
class Room:
    """How the pods of a Deployment fit on the nodes.

    running: ready pods of the newest revision; starting: those that have a node and are not ready; waiting: those that
    fit on no node; old: pods of other revisions that are still there; leaving: pods that are being deleted; reason:
    what the scheduler says of a pod that waits.
    """

    running: int
    starting: int
    waiting: int
    old: int
    leaving: int
    reason: str = ""

    @classmethod
    def of(cls, pods: list[dict[str, Any]], newest: set[str]) -> Room:
        """Count pods. newest: names of the pods of the newest revision."""
        present = [pod for pod in pods if pod.get("status", {}).get("phase") not in FINISHED]
        leaving = [pod for pod in present if pod["metadata"].get("deletionTimestamp")]
        ours = [pod for pod in present if pod["metadata"]["name"] in newest and pod not in leaving]
        reasons = list(filter(None, map(unschedulable, ours)))
        running = sum(map(ready, ours))
        return cls(
            running=running,
            starting=len(ours) - running - len(reasons),
            waiting=len(reasons),
            old=sum(pod["metadata"]["name"] not in newest for pod in present),
            leaving=len(leaving),
            reason=reasons[0] if reasons else "",
        )

    def is_full(self, desired: int, minimum: int) -> bool:
        """Return whether all that fits is of the newest revision and runs, the least replicas among it."""
        enough = self.running >= min(minimum, desired)
        settled = not (self.old or self.starting or self.leaving)
        return enough and settled and self.waiting > 0 and self.running + self.waiting >= desired

    @property
    def is_stuck(self) -> bool:
        """Return whether new pods wait for room that old ones hold, and nothing else is on its way."""
        return self.waiting > 0 and self.old > 0 and not (self.starting or self.leaving)

    def __str__(self) -> str:
        """Say what does not fit; "" when everything does."""
        if not self.waiting:
            return ""
        return f"{self.waiting} new pod(s) fit on no node ({self.reason.rstrip('.')})"


def ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod is ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def unschedulable(pod: dict[str, Any]) -> str | None:
    """Return why a pod fits on no node, as the scheduler says it; None for any other pod."""
    for condition in pod.get("status", {}).get("conditions", []):
        if (condition["type"], condition["status"], condition.get("reason")) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        ):
            message = str(condition.get("message") or "no node has room")
            return message.partition(". ")[0]  # after it: what was tried to make room
    return None


def floor(available: int, minimum: int) -> int:
    """Return how many pods stay available while old ones leave for new ones.

    A quarter leaves at a time, as Kubernetes does by default, one at least; the HPA's minimum always stays.
    """
    return max(minimum, available - max(1, available // 4))


def unavailable_percent(desired: int, kept: int) -> int:
    """Return maxUnavailable (%) with which `kept` of `wanted` pods stay available.

    A percentage, which the controller rounds down: it allows less when the HPA wants fewer pods meanwhile.
    """
    return math.ceil(100 * max(0, desired - kept) / desired) if desired else 0


def least_available(desired: int, percent: int) -> int:
    """Return how many of `wanted` pods stay available with this maxUnavailable (%)."""
    return desired - desired * percent // 100
