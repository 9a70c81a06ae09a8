"""Whether the new pods of a rollout fit on the nodes, and how many old pods may end to make room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

FINISHED = ("Succeeded", "Failed")
"""Phases of pods that use no resources; an evicted pod stays in the list."""
REMEDY = "add a node, free one, or lower cpu_request, memory_request or max_replicas"


@dataclass(frozen=True)
class Room:
    """Counts of the pods of a Deployment by state.

    running: ready pods of the newest revision. starting: those with a node that are not ready. waiting: those that fit
    on no node. old: present pods of other revisions. leaving: pods that are being deleted. reason: the scheduler's
    message about a waiting pod.
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
        newest_pods = [pod for pod in present if pod["metadata"]["name"] in newest and pod not in leaving]
        reasons = list(filter(None, map(unschedulable, newest_pods)))
        running = sum(map(ready, newest_pods))
        return cls(
            running=running,
            starting=len(newest_pods) - running - len(reasons),
            waiting=len(reasons),
            old=sum(pod["metadata"]["name"] not in newest for pod in present),
            leaving=len(leaving),
            reason=reasons[0] if reasons else "",
        )

    def is_full(self, desired: int, minimum: int) -> bool:
        """Return whether only pods of the newest revision run, at least the minimum, and the others fit on no node."""
        enough = self.running >= min(minimum, desired)
        settled = not (self.old or self.starting or self.leaving)
        return enough and settled and self.waiting > 0 and self.running + self.waiting >= desired

    @property
    def is_stuck(self) -> bool:
        """Return whether new pods wait for the room of old pods, and no pod is starting or being deleted."""
        return self.waiting > 0 and self.old > 0 and not (self.starting or self.leaving)

    def __str__(self) -> str:
        """Return a line about the pods that fit on no node; "" when all fit."""
        if not self.waiting:
            return ""
        return f"{self.waiting} new pod(s) fit on no node ({self.reason.rstrip('.')})"


def ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod is ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def unschedulable(pod: dict[str, Any]) -> str | None:
    """Return the scheduler's reason why a pod fits on no node; None for any other pod."""
    for condition in pod.get("status", {}).get("conditions", []):
        if (condition["type"], condition["status"], condition.get("reason")) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        ):
            message = str(condition.get("message") or "no node has room")
            return message.partition(". ")[0]  # after it: what was tried to make room
    return None


def available_floor(available: int, minimum: int) -> int:
    """Return how many pods stay available while old pods end to make room.

    A quarter of the pods ends at a time, as by Kubernetes' default, and at least one. The HPA's minimum always stays.
    """
    return max(minimum, available - max(1, available // 4))


def unavailable_percent(desired: int, kept: int) -> int:
    """Return the maxUnavailable (%) with which `kept` of `desired` pods stay available.

    The controller rounds a percentage down, so it allows fewer unavailable pods after the HPA has scaled down.
    """
    return math.ceil(100 * max(0, desired - kept) / desired) if desired else 0


def least_available(desired: int, percent: int) -> int:
    """Return how many of `desired` pods stay available with this maxUnavailable (%)."""
    return desired - desired * percent // 100
