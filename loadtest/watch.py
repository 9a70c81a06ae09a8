"""What a cluster does under load, once a second: the autoscaler, the pods, and the requests that each got."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from deploy.autoscaling import Autoscaler
from deploy.cluster import Cluster
from deploy.errors import DeployError, Refused
from deploy.objects.common import SERVING, labels
from deploy.objects.scaling import AUTOSCALER
from deploy.objects.serving import DEPLOYMENT, SERVICE
from deploy.quantities import millicores
from loadtest.swarm import Figures

_ANSWERED = re.compile(r'^bentoml_service_request_total\{[^}]*endpoint="/answer"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)


@dataclass(frozen=True)
class Pod:
    """A pod that is ready. millicores: what it uses; answered: requests since its start. None: not known."""

    millicores: float | None = None
    answered: float | None = None


@dataclass(frozen=True)
class Sample:
    """One second. second: since the start. pods: those that are ready, by name."""

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

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"autoscaler": None if self.autoscaler is None else self.autoscaler._asdict()}


def sample(begun: float, stage: str, figures: Figures, watch: Watch | None = None, *, answered: bool = False) -> Sample:
    """Take a sample; a cluster that does not answer for once leaves its part of it empty.

    answered: ask each pod for its count too, which costs it some millicores.
    """
    taken = Sample(
        second=round(time.monotonic() - begun, 1),
        stage=stage,
        users=figures.users,
        requests=figures.requests,
        failures=figures.failures,
        # Once it has stopped, Locust repeats its last ones.
        rate=round(figures.rate, 2) if figures.users else 0.0,
        p50_ms=figures.p50_ms if figures.users else None,
        p95_ms=figures.p95_ms if figures.users else None,
    )
    if watch is None:
        return taken
    with suppress(DeployError):
        return Sample(**(vars(taken) | {"autoscaler": watch.autoscaler(), "pods": watch.pods(answered=answered)}))
    return taken


class Watch:
    """The service's namespace on a cluster. port: of its pods."""

    def __init__(self, cluster: Cluster, namespace: str, port: int) -> None:
        self._cluster, self._namespace, self._port = cluster, namespace, port

    def autoscaler(self) -> Autoscaler:
        """Return what the HPA says. Raises DeployError when there is none, or no cluster."""
        manifest = self._cluster.get("HorizontalPodAutoscaler", AUTOSCALER, self._namespace)
        if manifest is None:
            raise Refused(f"there is no HPA {self._namespace}/{AUTOSCALER}; run `python -m deploy apply` first", 404)
        return Autoscaler.of(manifest)

    def require_metrics(self) -> None:
        """Raise Refused when the cluster has no metrics API, without which an HPA never scales."""
        try:
            self._cluster.find("PodMetrics", self._namespace)
        except Refused as error:
            if error.status == 403:  # it is there, and not for these credentials
                return
            raise Refused(
                f"the metrics API does not answer, so that the HPA reads no CPU and never scales ({error}); "
                "install metrics-server, or see `kubectl get apiservice v1beta1.metrics.k8s.io`",
                error.status,
            ) from error

    def pods(self, *, answered: bool = False) -> dict[str, Pod]:
        """Return the pods that are ready."""
        pods = self._cluster.find("Pod", self._namespace, labels(SERVING))
        used: dict[str, float] = {}
        with suppress(DeployError):  # metrics come late, and may be away for a while
            for measured in self._cluster.find("PodMetrics", self._namespace):
                used[measured["metadata"]["name"]] = sum(millicores(c["usage"]["cpu"]) for c in measured["containers"])
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
        """Return where the service is reached from outside: its port on a node. Raises DeployError."""
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
        except DeployError:  # it is just going
            return None
        return sum(map(float, _ANSWERED.findall(text)))


def _ready(pod: dict[str, Any]) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
