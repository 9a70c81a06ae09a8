"""Whether the nodes have room for the serving pods, for one more in a rollout, and for the Jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deploy import render
from deploy.cluster import Cluster
from deploy.findings import Finding, error, ok, warning
from deploy.objects.common import SERVING, labels
from deploy.quantities import millicores, whole_bytes
from deploy.settings import Settings


def capacity(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Count how many pods fit into what each node has left."""
    free = _free(cluster)
    cpu, memory = int(millicores(settings.cpu_request)), whole_bytes(settings.memory_request)
    fit = sum(min(cpu_left // cpu, memory_left // memory) for cpu_left, memory_left in free)
    yield _replicas(fit + len(_running(cluster, settings)), settings)
    for run, cpu_wanted, memory_wanted in (
        ("training", settings.train_cpu, settings.train_memory),
        ("build", settings.build_cpu, settings.build_memory),
    ):
        needed = (int(millicores(cpu_wanted)), whole_bytes(memory_wanted))
        if not any(c >= needed[0] and m >= needed[1] for c, m in free):
            remedy = f"free or add a node, or lower {run.removesuffix('ing')}_cpu and {run.removesuffix('ing')}_memory"
            yield error(f"no node has {cpu_wanted} CPU and {memory_wanted} left for the {run} Job", remedy)


def _replicas(fit: int, settings: Settings) -> Finding:
    """Compare what fits with what the HPA may want and with what a rollout takes: its new pods come before old ones go.

    At as many replicas as fit, no new pod can be scheduled before an old one is ended (see `room`).
    """
    surge, least, most = _surge(settings), settings.min_replicas, settings.max_replicas
    pods = f"pods of {settings.cpu_request} CPU and {settings.memory_request}"
    if fit < least:
        return error(f"{fit} of at least {least} {pods} fit", "add nodes, or lower cpu_request and memory_request")
    if fit < least + surge:
        remedy = "add nodes, or lower cpu_request, memory_request" + (" or min_replicas" if least > surge else "")
        return error(f"{fit} {pods} fit, and a rollout of min_replicas {least} takes {least + surge}", remedy)
    if fit < most + surge:
        message = f"{fit} {pods} fit, and a rollout at max_replicas {most} takes {most + surge}"
        fewer = f"while the HPA wants more than {fit - surge}, it ends old pods before new ones are ready"
        return warning(f"{message}: {fewer}", f"add nodes, or set max_replicas to {fit - surge}")
    return ok(f"{most} {pods} fit, and the {surge} more that a rollout takes")


def _surge(settings: Settings) -> int:
    """Return how many pods a rollout adds before it ends old ones."""
    (deployment,) = (manifest for manifest in render.objects(settings, "serving") if manifest["kind"] == "Deployment")
    return int(deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"])


def _free(cluster: Cluster) -> list[tuple[int, int]]:
    """Return what each node has left for requests: millicores and bytes."""
    left = {
        node["metadata"]["name"]: (
            int(millicores(node["status"]["allocatable"]["cpu"])),
            whole_bytes(node["status"]["allocatable"]["memory"]),
        )
        for node in cluster.find("Node")
        if not node["spec"].get("unschedulable")
    }
    for pod in cluster.find("Pod"):
        node = pod["spec"].get("nodeName")
        if node in left and pod["status"].get("phase") in ("Pending", "Running"):
            cpu, memory = left[node]
            for container in pod["spec"]["containers"]:
                requests = container.get("resources", {}).get("requests", {})
                cpu -= int(millicores(requests.get("cpu", "0")))
                memory -= whole_bytes(requests.get("memory", "0"))
            left[node] = (cpu, memory)
    return list(left.values())


def _running(cluster: Cluster, settings: Settings) -> list[dict[str, Any]]:
    """Return serving pods that are there already: they take room that is theirs."""
    pods = cluster.find("Pod", settings.serving_namespace, labels(SERVING))
    return [pod for pod in pods if pod["status"].get("phase") == "Running"]
