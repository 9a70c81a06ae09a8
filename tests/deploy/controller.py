"""What Kubernetes does about a Deployment, a step each time that it is read.

The Deployment controller's arithmetic is that of `pkg/controller/deployment/rolling.go`; beside it run a ReplicaSet
controller, a scheduler for nodes that have room for so many pods, and a kubelet.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass, field

from deploy.revisions import REVISION
from tests.deploy.state import Api, Object

HASH = "pod-template-hash"


@dataclass
class Controller:
    """A control plane and its nodes. capacity: pods that fit; broken: images whose pods crash.

    least: the fewest pods that were available since `settle`. strategies: every maxUnavailable there was, in order.
    """

    api: Api
    namespace: str
    capacity: int
    broken: set[str] = field(default_factory=set)
    least: int = 1000
    strategies: list[int | str] = field(default_factory=list)
    _count: int = 0

    def __call__(self, deployment: Object) -> None:
        """Take one step."""
        given = deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]
        self.strategies += [] if self.strategies[-1:] == [given] else [given]
        self._kubelet()
        self._schedule()
        new, old = self._sets(deployment)
        if not self._scale_up(deployment, new, old):
            self._scale_down(deployment, new, old)
        for owner in (new, *old):
            self._sync(owner)
        self._status(deployment, new, old)

    def settle(self, deployment: Object, steps: int = 100) -> None:
        """Take so many steps, and count from then on how many pods are available."""
        for _ in range(steps):
            self(deployment)
        self.least = 1000

    def pods(self, owner: Object | None = None, *, gone: bool = False) -> list[Object]:
        """Return pods, of one ReplicaSet or of all; gone: those that are being deleted too."""
        return [
            pod
            for (kind, _, _), pod in self.api.objects.items()
            if kind == "Pod"
            and (owner is None or pod["metadata"]["labels"][HASH] == owner["metadata"]["labels"][HASH])
            and (gone or not pod["metadata"].get("deletionTimestamp"))
        ]

    def available(self, owner: Object | None = None) -> int:
        """Return how many pods are ready."""
        return sum(_condition(pod, "Ready") for pod in self.pods(owner))

    def _kubelet(self) -> None:
        """End pods that are being deleted, and start those that have a node."""
        for pod in self.pods(gone=True):
            if pod["metadata"].get("deletionTimestamp"):
                del self.api.objects["Pod", self.namespace, pod["metadata"]["name"]]
            elif pod["spec"]["containers"][0]["image"] in self.broken and pod["spec"].get("nodeName"):
                state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
                pod["status"]["containerStatuses"] = [{"name": "service", "state": state}]
            elif pod["spec"].get("nodeName"):
                pod["status"] |= {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}

    def _schedule(self) -> None:
        for pod in self.pods():
            if pod["spec"].get("nodeName"):
                continue
            taken = sum("nodeName" in other["spec"] for other in self.pods(gone=True))
            if taken < self.capacity:
                pod["spec"]["nodeName"] = "node"
                pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
            else:
                tried = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
                message = f"0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, {tried}"
                why = {"reason": "Unschedulable", "message": message}
                pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False"} | why]

    def _sets(self, deployment: Object) -> tuple[Object, list[Object]]:
        """Return the ReplicaSet of the present template, made if need be, and the others."""
        template = copy.deepcopy(deployment["spec"]["template"])
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        name = f"{deployment['metadata']['name']}-{digest}"
        owners = [owner for (kind, _, _), owner in self.api.objects.items() if kind == "ReplicaSet"]
        numbers = [int(owner["metadata"]["annotations"][REVISION]) for owner in owners]
        current = next((owner for owner in owners if owner["metadata"]["name"] == name), None)
        if current is None:
            marked = template["metadata"]["labels"] | {HASH: digest}
            template["metadata"]["labels"] = marked
            about = {"labels": marked, "annotations": {REVISION: "0"}}
            current = self.api.put(
                "ReplicaSet", name, self.namespace, metadata=about, spec={"template": template, "replicas": 0}
            )
        if int(current["metadata"]["annotations"][REVISION]) < max(numbers, default=0) or not numbers:
            current["metadata"]["annotations"][REVISION] = str(max(numbers, default=0) + 1)
        deployment["metadata"]["annotations"][REVISION] = current["metadata"]["annotations"][REVISION]
        return current, [owner for owner in owners if owner is not current]

    def _scale_up(self, deployment: Object, new: Object, old: list[Object]) -> bool:
        desired, total = deployment["spec"]["replicas"], sum(owner["spec"]["replicas"] for owner in (new, *old))
        room = desired + deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] - total
        more = min(room, desired - new["spec"]["replicas"])
        if new["spec"]["replicas"] > desired:
            new["spec"]["replicas"] = desired
            return True
        if more > 0:
            new["spec"]["replicas"] += more
        return more > 0

    def _scale_down(self, deployment: Object, new: Object, old: list[Object]) -> None:
        least = deployment["spec"]["replicas"] - _unavailable(deployment)
        total = sum(owner["spec"]["replicas"] for owner in (new, *old))
        most = total - least - (new["spec"]["replicas"] - self.available(new))
        for owner in old:  # those that are not available go first
            unhealthy = owner["spec"]["replicas"] - self.available(owner)
            fewer = max(0, min(most, unhealthy))
            owner["spec"]["replicas"] -= fewer
            most -= fewer
        most = min(most, self.available() - least)
        for owner in old:
            fewer = max(0, min(most, owner["spec"]["replicas"]))
            owner["spec"]["replicas"] -= fewer
            most -= fewer

    def _sync(self, owner: Object) -> None:
        """Make or delete pods of a ReplicaSet; those without a node go first, then those that are not ready."""
        pods = sorted(self.pods(owner), key=lambda pod: ("nodeName" in pod["spec"], _condition(pod, "Ready")))
        for pod in pods[: max(0, len(pods) - owner["spec"]["replicas"])]:
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            if "nodeName" not in pod["spec"]:
                del self.api.objects["Pod", self.namespace, pod["metadata"]["name"]]
        for _ in range(owner["spec"]["replicas"] - len(pods)):
            self._count += 1
            self.api.put(
                "Pod",
                f"{owner['metadata']['name']}-{self._count}",
                self.namespace,
                metadata={"labels": owner["metadata"]["labels"]},
                spec=copy.deepcopy(owner["spec"]["template"]["spec"]),
                status={"phase": "Pending"},
            )

    def _status(self, deployment: Object, new: Object, old: list[Object]) -> None:
        self.least = min(self.least, self.available())
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(self.pods()),
            "updatedReplicas": len(self.pods(new)),
            "availableReplicas": self.available(),
        }


def _condition(pod: Object, kind: str) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def _unavailable(deployment: Object) -> int:
    """Resolve maxUnavailable: a percentage is rounded down."""
    given = deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]
    return int(deployment["spec"]["replicas"] * int(given[:-1]) / 100) if isinstance(given, str) else int(given)
