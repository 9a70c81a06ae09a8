"""Checks that the nodes have room for the serving pods, for a rollout and for the Jobs."""

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
    """Check how many pods fit into the free resources of the nodes."""
    free = _free(cluster)
    cpu, memory = int(millicores(settings.cpu_request)), whole_bytes(settings.memory_request)
    fit = sum(min(cpu_left // cpu, memory_left // memory) for cpu_left, memory_left in free)
    yield _replicas(fit + len(_running(cluster, settings)), settings)
    for job, cpu_request, memory_request in (
        ("training", settings.train_cpu, settings.train_memory),
        ("build", settings.build_cpu, settings.build_memory),
    ):
        needed = (int(millicores(cpu_request)), whole_bytes(memory_request))
        if not any(c >= needed[0] and m >= needed[1] for c, m in free):
            remedy = f"free or add a node, or lower {job.removesuffix('ing')}_cpu and {job.removesuffix('ing')}_memory"
            yield error(f"no node has {cpu_request} CPU and {memory_request} left for the {job} Job", remedy)


def _replicas(fit: int, settings: Settings) -> Finding:
    """Compare the pods that fit with the limits of the HPA and the surge of a rollout.

    Without room for the surge, a rollout ends an old pod before it starts a new one (see `room`).
    """
    surge, minimum, maximum = _surge(settings), settings.min_replicas, settings.max_replicas
    pods = f"pods of {settings.cpu_request} CPU and {settings.memory_request}"
    if fit < minimum:
        return error(f"{fit} of at least {minimum} {pods} fit", "add nodes, or lower cpu_request and memory_request")
    if fit < minimum + surge:
        remedy = "add nodes, or lower cpu_request, memory_request" + (" or min_replicas" if minimum > surge else "")
        return error(f"{fit} {pods} fit, and a rollout of min_replicas {minimum} takes {minimum + surge}", remedy)
    if fit < maximum + surge:
        message = f"{fit} {pods} fit, and a rollout at max_replicas {maximum} takes {maximum + surge}"
        fewer = f"while the HPA wants more than {fit - surge}, it ends old pods before new ones are ready"
        return warning(f"{message}: {fewer}", f"add nodes, or set max_replicas to {fit - surge}")
    return ok(f"{maximum} {pods} fit, and the {surge} more that a rollout takes")


def _surge(settings: Settings) -> int:
    """Return the maxSurge of the Deployment."""
    (deployment,) = (manifest for manifest in render.objects(settings, "serving") if manifest["kind"] == "Deployment")
    return int(deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"])


def _free(cluster: Cluster) -> list[tuple[int, int]]:
    """Return the free resources of each node: millicores and bytes."""
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
    """Return the running serving pods, which count as room for serving pods."""
    pods = cluster.find("Pod", settings.serving_namespace, labels(SERVING))
    return [pod for pod in pods if pod["status"].get("phase") == "Running"]
