"""Collects the evidence for a failure: states of containers, events and relevant lines of the log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from deploy.cluster import Cluster
from deploy.errors import DeployError

_NOT_PULLED = "the image can't be pulled; check its name and digest, and the registry's Secret"
_PERSISTENT_REASONS = {
    "ImagePullBackOff": _NOT_PULLED,
    "ErrImagePull": _NOT_PULLED,
    "InvalidImageName": "the image's name is none; check the settings",
    "CreateContainerConfigError": "a Secret or ConfigMap that the pod names is missing",
    "RunContainerError": "the container can't be started",
    "CrashLoopBackOff": "the container starts and ends again; its log says why",
}
"""Reasons of waiting containers that rarely go away, each with a remedy."""
_NO_REGISTRY = "the registry does not answer the node; check that it runs and that nodes reach it, then run this again"
_NO_CONNECTION = re.compile(
    r"connection refused|no such host|no route to host|network is unreachable|timeout|deadline exceeded", re.I
)
"""What a container runtime says of a registry that it does not reach."""
_MEMORY = {"service": "memory_limit", "verify": "memory_limit", "train": "train_memory", "kaniko": "build_memory"}
"""The setting of a container's memory limit, by the container's name."""
_NOT_STARTED = ("StartError", "ContainerCannotRun")
"""Reasons of containers that never ran, of containerd and of Docker; such a container has no log."""
_TAIL = 400
"""Lines of a log that are read; under load, most of them are of requests."""
_LINES = 15
_EVENTS = 8
_REQUEST = re.compile(
    r"^\{\"time\": \"[^\"]+\", \"request_id\": |\(scheme=\w+,method=\w+,path=|\"(GET|POST|HEAD|PUT) \S+ HTTP/"
)
"""A line of a request: the service's own, BentoML's or uvicorn's."""
_ERROR = re.compile(r"\b(error|critical|fatal|exception|traceback|killed|out of memory)\b|\w(Error|Exception)\b", re.I)


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the states of a pod's containers, init containers first."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def persistent_problem(pod: dict[str, Any]) -> str | None:
    """Return a line about a problem that keeps a pod from running and rarely goes away; None if there is none."""
    for container in containers(pod):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _PERSISTENT_REASONS:
            ended = end(pod, container)
            message = waiting.get("message", "").strip() or container.get("image", "")
            why = _PERSISTENT_REASONS[waiting["reason"]] if ended is None else ended
            if why == _NOT_PULLED and _NO_CONNECTION.search(message):
                why = _NO_REGISTRY
            return f"{waiting['reason']}: {message}; {why}"
    return None


def end(pod: dict[str, Any], container: dict[str, Any]) -> str | None:
    """Return how a container failed last, with a remedy; None if it has not failed."""
    state, before = container.get("state", {}), container.get("lastState", {})
    ended = state.get("terminated") or before.get("terminated")
    if ended is None or ended.get("exitCode", 0) == 0:
        return None
    name, code = container.get("name", ""), ended["exitCode"]
    if ended.get("reason") in _NOT_STARTED:
        return f"container {name} could not be started ({ended['reason']}): {ended.get('message', '').strip()}"
    if ended.get("reason") != "OOMKilled":
        killed = f" by signal {code - 128}" if code > 128 else ""
        return (
            f"container {name} ended with exit code {code}{killed} ({ended.get('reason', 'Error')}); its log says why"
        )
    setting = _MEMORY.get(name)
    remedy = "give it more memory" if setting is None else f"raise {setting}"
    remedy += ", or lower max_concurrency" if name == "service" else ""
    return f"container {name} was OOMKilled (exit code {code}) at its memory limit of {_limit(pod, name)}; {remedy}"


def _limit(pod: dict[str, Any], name: str) -> str:
    spec = pod.get("spec", {})
    for container in [*spec.get("containers", []), *spec.get("initContainers", [])]:
        if container["name"] == name:
            return str(container.get("resources", {}).get("limits", {}).get("memory", "all that its node has"))
    return "unknown size"


def restarts(pod: dict[str, Any]) -> str:
    """Return how often a pod's containers were restarted and how they ended last; "" without restarts."""
    message = []
    for container in containers(pod):
        if count := container.get("restartCount", 0):
            ended = container.get("lastState", {}).get("terminated", {})
            why = f"{ended.get('reason', 'unknown')}, exit code {ended.get('exitCode', 'unknown')}"
            message.append(f"restarted {count} time{'s' if count > 1 else ''}, last: {why}")
    return ", ".join(message)


def progress(pod: dict[str, Any]) -> str:
    """Return a pod's phase, or that it ends, the reasons why its containers wait, and their restarts."""
    status = pod.get("status", {})
    waiting = [c["state"]["waiting"].get("reason", "") for c in containers(pod) if "waiting" in c.get("state", {})]
    unmet = [
        f"{condition.get('reason', '')}: {condition.get('message', '')}"
        for condition in status.get("conditions", [])
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    reasons = ", ".join(filter(None, [*dict.fromkeys(waiting), *unmet, restarts(pod)]))
    phase = "Terminating" if "deletionTimestamp" in pod["metadata"] else str(status.get("phase", "Pending"))
    return phase + (f" ({reasons})" if reasons else "")


def events(cluster: Cluster, namespace: str, names: set[str]) -> list[str]:
    """Return a line for each of the last events of these objects, oldest first."""
    relevant = [event for event in cluster.find("Event", namespace) if event["involvedObject"].get("name") in names]
    relevant.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    return [
        f"{event.get('type', '')} {event['involvedObject']['kind']}/{event['involvedObject']['name']} "
        f"{event.get('reason', '')}: {event.get('message', '').strip()}"
        for event in relevant[-_EVENTS:]
    ]


def collect(cluster: Cluster, owner: dict[str, Any], pods: list[dict[str, Any]]) -> str:
    """Return conditions, terminations of containers, events, and lines of the log of one pod.

    Parts that can't be read are left out, so that the failure itself is always reported.
    """
    namespace = owner["metadata"]["namespace"]
    conditions = [
        f"{condition['type']}={condition['status']} {condition.get('reason', '')}: {condition.get('message', '')}"
        for condition in owner.get("status", {}).get("conditions", [])
    ]
    names = {owner["metadata"]["name"], *(pod["metadata"]["name"] for pod in pods)}
    ends = [(pod["metadata"]["name"], end(pod, container)) for pod in pods for container in containers(pod)]
    parts = {
        "conditions": conditions,
        "containers": [f"{name}: {ended}" for name, ended in ends if ended is not None][:_EVENTS],
        "events": _read_or_empty(lambda: events(cluster, namespace, names)),
        "log": _read_or_empty(lambda: _tail(cluster, pods)),
    }
    return "".join(
        f"\n{title}:\n" + "\n".join(f"  {line}" for line in lines) for title, lines in parts.items() if lines
    )


def _read_or_empty(read: Any) -> list[str]:
    try:
        lines: list[str] = read()
    except DeployError:
        return []
    return lines


def _tail(cluster: Cluster, pods: list[dict[str, Any]]) -> list[str]:
    """Return relevant lines of the log of the newest pod that failed, or of the newest pod if none failed."""
    by_age = sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)
    failed = [(pod, c) for pod in by_age for c in containers(pod) if persistent_problem(pod) or end(pod, c)]
    failed = [(pod, c) for pod, c in failed if end(pod, c)] or failed
    if not by_age:
        return []
    pod, container = failed[0] if failed else (by_age[0], {"name": by_age[0]["spec"]["containers"][0]["name"]})
    metadata = pod["metadata"]
    # The log of a restarted container does not show why it ended.
    previous = "running" in container.get("state", {}) and bool(container.get("lastState", {}).get("terminated"))
    read = cluster.log(metadata["name"], container["name"], metadata["namespace"], tail=_TAIL, previous=previous)
    return relevant_lines([line.text for line in read])


def relevant_lines(lines: Sequence[str]) -> list[str]:
    """Return at most 15 lines: errors with the indented lines below them, then the last lines.

    Lines of the log of requests are left out.
    """
    kept = [line for line in lines if line.strip() and not _REQUEST.search(line)]
    errors: list[int] = []
    for number, line in enumerate(kept):
        follows = bool(errors) and errors[-1] == number - 1 and line[:1].isspace()
        if follows or _ERROR.search(line):
            errors.append(number)
    first = errors[-_LINES:]
    rest = [number for number in range(len(kept)) if number not in first]
    return [kept[number] for number in [*first, *rest[max(0, len(rest) - (_LINES - len(first))) :]]]
