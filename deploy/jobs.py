"""One Job of the pipeline: it replaces the Job of the previous run and is followed until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deploy import evidence
from deploy.apply import apply
from deploy.cluster import Cluster
from deploy.errors import JobFailed, Unreachable
from deploy.kinds import described

_GRACE_S = 60
"""How long what seldom passes may last: a registry may be slow to show what was pushed."""
_MARGIN_S = 120
"""What a Job may be late beyond its own deadline, for a controller to notice (s)."""
_GONE_S = 120


def run(
    cluster: Cluster,
    objects: list[dict[str, Any]],
    report: Callable[[str], None],
    *,
    poll_s: float = 1.0,
    grace_s: float = _GRACE_S,
) -> str:
    """Apply a run's objects, follow its Job and return its container's termination message.

    report: gets a line of progress or of the log at a time. Raises JobFailed when the Job fails, is late or is deleted,
    with its conditions, events and the end of its log, and when the Job of a run before is still at work.
    """
    (job,) = (manifest for manifest in objects if manifest["kind"] == "Job")
    _make_room(cluster, job, poll_s)
    apply(cluster, objects, report)
    return _Follower(cluster, job, report, poll_s, grace_s).follow()


def termination_message(cluster: Cluster, name: str, namespace: str) -> str | None:
    """Return the termination message of a Job that has run before; None when it did not succeed or is gone."""
    job = cluster.get("Job", name, namespace)
    if job is None or not _condition(job, "Complete"):
        return None
    return _message(cluster.find("Pod", namespace, {"job-name": name}))


def _make_room(cluster: Cluster, job: dict[str, Any], poll_s: float) -> None:
    """Delete the Job of a run before: what a Job runs can't be changed."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    before = cluster.get("Job", name, namespace)
    if before is None:
        return
    what = described("Job", name, namespace)
    if not _condition(before, "Complete") and not _condition(before, "Failed"):
        end = f"kubectl -n {namespace} delete job {name}"
        raise JobFailed(f"{what} is still running; wait for it, or end it with `{end}`")
    cluster.delete("Job", name, namespace)
    deadline = time.monotonic() + _GONE_S
    while cluster.get("Job", name, namespace) is not None:
        if time.monotonic() > deadline:
            raise JobFailed(
                f"{what} of a run before is still there {_GONE_S} s after it was deleted; see its finalizers"
            )
        time.sleep(poll_s)


class _Follower:
    """Watches one Job by asking again and again: nothing is lost when a connection drops."""

    def __init__(
        self, cluster: Cluster, job: dict[str, Any], report: Callable[[str], None], poll_s: float, grace_s: float
    ) -> None:
        self._cluster, self._report, self._poll_s, self._grace_s = cluster, report, poll_s, grace_s
        self._name, self._namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        self._limit_s = job["spec"]["activeDeadlineSeconds"] + _MARGIN_S
        self._read_until: dict[tuple[str, str], str] = {}
        self._done: set[tuple[str, str]] = set()
        self._said = ""
        self._trouble_since: float | None = None

    def follow(self) -> str:
        deadline = time.monotonic() + self._limit_s
        what = described("Job", self._name, self._namespace)
        while True:
            job = self._cluster.get("Job", self._name, self._namespace)
            if job is None:
                raise JobFailed(f"{what} was deleted while it ran; run this again")
            pods = self._cluster.find("Pod", self._namespace, {"job-name": self._name})
            self._progress(pods)
            self._logs(pods)
            if _condition(job, "Complete"):
                return _message(pods) or ""
            if (failed := _condition(job, "Failed")) is not None:
                late = failed.get("reason") == "DeadlineExceeded"
                how = "took longer than it may (see its deadline in the settings)" if late else "failed"
                raise JobFailed(f"{what} {how}{evidence.collect(self._cluster, job, pods)}")
            if (hopeless := self._hopeless(job, pods)) is not None:
                raise JobFailed(f"{what} can't run: {hopeless}{evidence.collect(self._cluster, job, pods)}")
            if time.monotonic() > deadline:
                raise JobFailed(
                    f"{what} has neither ended nor failed after {self._limit_s} s; is the cluster's Job controller "
                    f"running?{evidence.collect(self._cluster, job, pods)}"
                )
            time.sleep(self._poll_s)

    def _progress(self, pods: list[dict[str, Any]]) -> None:
        """Say how the pods are, whenever it has changed."""
        states = [f"{pod['metadata']['name']} {evidence.progress(pod)}" for pod in pods]
        now = f"{self._name}: " + (", ".join(states) or "waiting for a pod")
        if now != self._said:
            self._report(now)
            self._said = now

    def _logs(self, pods: list[dict[str, Any]]) -> None:
        """Say what containers have written since last time, and go on until they end or fall silent."""
        for pod in sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", "")):
            for container in evidence.containers(pod):
                key = (pod["metadata"]["name"], container["name"])
                state = container.get("state", {})
                if key in self._done or not {"running", "terminated"} & set(state):
                    continue
                self._read(*key)
                if "terminated" in state:
                    self._done.add(key)

    def _read(self, pod: str, container: str) -> None:
        since = self._read_until.get((pod, container))
        try:
            for line in self._cluster.log(pod, container, self._namespace, since):
                # `since` is to the second: what was read before comes again.
                if since is None or line.time > since:
                    self._report(f"{container} | {line.text}")
                    self._read_until[pod, container] = line.time
        except Unreachable as error:
            self._report(f"{self._name}: {error}")

    def _hopeless(self, job: dict[str, Any], pods: list[dict[str, Any]]) -> str | None:
        """Return what keeps the Job from running, once it has lasted."""
        problem = next(filter(None, map(evidence.trouble, pods)), None)
        if problem is None and not pods:
            refused = evidence.events(self._cluster, self._namespace, {job["metadata"]["name"]})
            problem = next((line for line in reversed(refused) if "FailedCreate" in line), None)
        if problem is None:
            self._trouble_since = None
            return None
        now = time.monotonic()
        self._trouble_since = now if self._trouble_since is None else self._trouble_since
        return problem if now - self._trouble_since >= self._grace_s else None


def _condition(owner: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """Return a condition that holds."""
    for condition in owner.get("status", {}).get("conditions", []):
        if condition["type"] == kind and condition["status"] == "True":
            problem: dict[str, Any] = condition
            return problem
    return None


def _message(pods: list[dict[str, Any]]) -> str | None:
    """Return what the container of a pod that succeeded left as its termination message."""
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            ended = container.get("state", {}).get("terminated", {})
            if ended.get("exitCode") == 0 and ended.get("message"):
                return str(ended["message"]).strip()
    return None
