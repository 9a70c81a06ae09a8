"""The pods of the service on a cluster: which are ready, and what becomes of them."""

from __future__ import annotations

import json
import time
from typing import Any

from kubernetes import client

from deploy.objects.common import SERVING, labels
from deploy.objects.serving import DEPLOYMENT
from tests.e2e.deployment import core

LIMIT_S = 300


def wait_for(condition, what: str, limit_s: float = LIMIT_S) -> float:
    """Wait until the condition is true, and return how long it took (s)."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + limit_s, f"not there after {limit_s} s: {what}"
        time.sleep(0.5)
    return time.monotonic() - began


def incarnation(pod) -> tuple[str, int]:
    """What a pod is until it is replaced or its container is restarted."""
    return pod["metadata"]["uid"], sum(state["restartCount"] for state in pod["status"].get("containerStatuses", []))


def ready(cluster, settings, without=()) -> list[dict[str, Any]]:
    """Return the pods that are ready and not about to end, but not those of these incarnations."""
    return [
        pod
        for pod in cluster.find("Pod", settings.serving_namespace, labels(SERVING))
        if "deletionTimestamp" not in pod["metadata"]
        and incarnation(pod) not in without
        and {"Ready": "True"}.items() <= {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}.items()
    ]


def whole_again(cluster, settings, number: int, *lost) -> float:
    """Wait until this many pods are ready, none of them one that was lost; return how long it took (s)."""
    gone = {incarnation(pod) for pod in lost}
    return wait_for(lambda: len(ready(cluster, settings, without=gone)) == number, "pods in place of those lost")


def deployed_image(cluster, settings) -> str:
    deployment = cluster.get("Deployment", DEPLOYMENT, settings.serving_namespace)
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def pull_failure(cluster, settings) -> str:
    """Return the message of a pod whose image can't be pulled, "" without one."""
    pods = cluster.find("Pod", settings.serving_namespace, labels(SERVING))
    waiting = [c["state"].get("waiting", {}) for pod in pods for c in pod["status"].get("containerStatuses", [])]
    return next((w.get("message", "") for w in waiting if w.get("reason") in ("ErrImagePull", "ImagePullBackOff")), "")


def evict(cluster, settings, pods, number: int, *, until_refused: bool = False) -> str:
    """Evict pods as `kubectl drain` does, again while the budget refuses; return its last refusal.

    Fails when fewer than one less than `number` are ready: more than the budget allows. until_refused: return then.
    """
    refusal = ""
    for pod in pods:
        name = pod["metadata"]["name"]
        while True:
            assert len(ready(cluster, settings)) >= number - 1, "more pods have left than the budget allows"
            body = client.V1Eviction(metadata=client.V1ObjectMeta(name=name))
            try:
                core().create_namespaced_pod_eviction(name, settings.serving_namespace, body)
            except client.ApiException as error:
                if error.status == 429:
                    refusal = json.loads(error.body or "{}")["message"]
                    if until_refused:
                        return refusal
                elif error.status != 404:  # it has left
                    raise
                else:
                    break
            else:
                break
            time.sleep(1)
    return refusal
