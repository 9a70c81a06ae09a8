"""Reads the state of the service on a cluster: its autoscaler, its pods, and how many requests each pod answered."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from deploy.autoscaling import Autoscaler
from deploy.cluster import Cluster
from deploy.errors import DeployError, Refused
from deploy.objects.common import SERVING, labels
from deploy.objects.scaling import AUTOSCALER
from deploy.objects.serving import DEPLOYMENT, SERVICE
from deploy.quantities import millicores
from loadtest.samples import ClusterState, Pod

_ANSWERED = re.compile(r'^bentoml_service_request_total\{[^}]*endpoint="/answer"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)


class Watch:
    """The service in a namespace of a cluster. port: the port that its pods listen on."""

    def __init__(self, cluster: Cluster, namespace: str, port: int) -> None:
        self._cluster, self._namespace, self._port = cluster, namespace, port

    def state(self, *, answered: bool = False) -> ClusterState:
        """Return the replicas now; an empty state when the cluster does not answer.

        answered: also ask each pod how many requests it has answered, which costs it some CPU.
        """
        try:
            return ClusterState(self.autoscaler(), self.pods(answered=answered))
        except DeployError:
            return ClusterState()

    def autoscaler(self) -> Autoscaler:
        """Return the HPA's state. Raises DeployError when there is none, or no cluster."""
        manifest = self._cluster.get("HorizontalPodAutoscaler", AUTOSCALER, self._namespace)
        if manifest is None:
            raise Refused(f"there is no HPA {self._namespace}/{AUTOSCALER}; run `python -m deploy apply` first", 404)
        return Autoscaler.of(manifest)

    def require_metrics(self) -> None:
        """Raise Refused when the cluster has no metrics API, without which an HPA never scales."""
        try:
            self._cluster.find("PodMetrics", self._namespace)
        except Refused as error:
            if error.status == 403:  # the API is there, but these credentials may not read it
                return
            raise Refused(
                f"the metrics API does not answer, so that the HPA reads no CPU and never scales ({error}); "
                "install metrics-server, or see `kubectl get apiservice v1beta1.metrics.k8s.io`",
                error.status,
            ) from error

    def pods(self, *, answered: bool = False) -> dict[str, Pod]:
        """Return the pods that are ready, by name."""
        pods = self._cluster.find("Pod", self._namespace, labels(SERVING))
        used: dict[str, float] = {}
        with suppress(DeployError):  # a new pod has no metrics yet
            for metrics in self._cluster.find("PodMetrics", self._namespace):
                used[metrics["metadata"]["name"]] = sum(millicores(c["usage"]["cpu"]) for c in metrics["containers"])
        names = [pod["metadata"]["name"] for pod in pods if _ready(pod)]
        return {name: Pod(used.get(name), self._answered(name) if answered else None) for name in names}

    def requested(self) -> float:
        """Return the CPU that a pod of the Deployment requests (millicores)."""
        deployment = self._cluster.get("Deployment", DEPLOYMENT, self._namespace)
        if deployment is None:
            raise Refused(f"there is no Deployment {self._namespace}/{DEPLOYMENT}", 404)
        containers = deployment["spec"]["template"]["spec"]["containers"]
        return sum(millicores(container["resources"]["requests"]["cpu"]) for container in containers)

    def url(self) -> str:
        """Return the service's address from outside the cluster: its port on a node. Raises DeployError."""
        service = self._cluster.get("Service", SERVICE, self._namespace) or {"spec": {"ports": []}}
        ports = [port["nodePort"] for port in service["spec"]["ports"] if "nodePort" in port]
        addresses = {
            address["type"]: address["address"]
            for node in reversed(self._cluster.find("Node"))
            for address in node["status"].get("addresses", [])
        }
        node = addresses.get("ExternalIP") or addresses.get("InternalIP")
        if not ports or node is None:
            raise Refused(
                f"Service {self._namespace}/{SERVICE} has no port on a node; name its address with --url", 404
            )
        return f"http://{node}:{ports[0]}"

    def _answered(self, pod: str) -> float | None:
        try:
            text = self._cluster.metrics(pod, self._port, self._namespace)
        except DeployError:  # the pod is being deleted
            return None
        return sum(map(float, _ANSWERED.findall(text)))


def _ready(pod: dict[str, Any]) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
