"""What a cluster says of pods that do not do what they should: states, events and the end of the log."""

from __future__ import annotations

from typing import Any

from deploy.cluster import Cluster
from deploy.errors import DeployError

_HOPELESS = {
    "ImagePullBackOff": "the image can't be pulled; check its name and digest, and the registry's Secret",
    "ErrImagePull": "the image can't be pulled; check its name and digest, and the registry's Secret",
    "InvalidImageName": "the image's name is none; check the settings",
    "CreateContainerConfigError": "a Secret or ConfigMap that the pod names is missing",
    "RunContainerError": "the container can't be started",
    "CrashLoopBackOff": "the container starts and ends again; its log says why",
}
"""Reasons for which a container waits that seldom pass, with what to do."""
_TAIL = 40
_EVENTS = 8


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the states of a pod's containers, those that run first before the others."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def trouble(pod: dict[str, Any]) -> str | None:
    """Return what keeps a pod from running, in a line; None while there is hope."""
    for container in containers(pod):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _HOPELESS:
            said = waiting.get("message", "").strip()
            return f"{waiting['reason']}: {said or container.get('image', '')}; {_HOPELESS[waiting['reason']]}"
    return None


def progress(pod: dict[str, Any]) -> str:
    """Return a pod's phase, and what its containers or the scheduler wait for."""
    status = pod.get("status", {})
    waiting = [c["state"]["waiting"].get("reason", "") for c in containers(pod) if "waiting" in c.get("state", {})]
    unmet = [
        f"{condition.get('reason', '')}: {condition.get('message', '')}"
        for condition in status.get("conditions", [])
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    reasons = ", ".join(filter(None, [*dict.fromkeys(waiting), *unmet]))
    return str(status.get("phase", "Pending")) + (f" ({reasons})" if reasons else "")


def events(cluster: Cluster, namespace: str, names: set[str]) -> list[str]:
    """Return the last events of these objects, oldest first, a line each."""
    found = [event for event in cluster.find("Event", namespace) if event["involvedObject"].get("name") in names]
    found.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    return [
        f"{event.get('type', '')} {event['involvedObject']['kind']}/{event['involvedObject']['name']} "
        f"{event.get('reason', '')}: {event.get('message', '').strip()}"
        for event in found[-_EVENTS:]
    ]


def collect(cluster: Cluster, owner: dict[str, Any], pods: list[dict[str, Any]]) -> str:
    """Return all there is to know of a failure: conditions, events, and the end of the newest pod's log.

    What can't be read is left out: the failure itself has to be said in any case.
    """
    namespace = owner["metadata"]["namespace"]
    conditions = [
        f"{condition['type']}={condition['status']} {condition.get('reason', '')}: {condition.get('message', '')}"
        for condition in owner.get("status", {}).get("conditions", [])
    ]
    names = {owner["metadata"]["name"], *(pod["metadata"]["name"] for pod in pods)}
    parts = {
        "conditions": conditions,
        "events": _readable(lambda: events(cluster, namespace, names)),
        "log": _readable(lambda: _tail(cluster, pods)),
    }
    return "".join(
        f"\n{title}:\n" + "\n".join(f"  {line}" for line in lines) for title, lines in parts.items() if lines
    )


def _readable(read: Any) -> list[str]:
    try:
        lines: list[str] = read()
    except DeployError:
        return []
    return lines


def _tail(cluster: Cluster, pods: list[dict[str, Any]]) -> list[str]:
    if not pods:
        return []
    newest = max(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""))
    about, container = newest["metadata"], newest["spec"]["containers"][0]["name"]
    return [line.text for line in cluster.log(about["name"], container, about["namespace"], tail=_TAIL)]
