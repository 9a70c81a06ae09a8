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
"""How long a pod may have a problem such as ImagePullBackOff, in seconds: a registry may show an image late."""
_MARGIN_S = 120
"""How long after its deadline a Job may still run before the wait ends, in seconds."""
_GONE_S = 120


def run(
    cluster: Cluster,
    objects: list[dict[str, Any]],
    report: Callable[[str], None],
    *,
    poll_s: float = 1.0,
    grace_s: float = _GRACE_S,
    margin_s: float = _MARGIN_S,
) -> str:
    """Apply the objects of a Job, follow it and return the termination message of its container.

    report: called with each line of progress or log. Raises JobFailed when the previous Job still runs, and when the
    Job fails, is late or is deleted. The message has its conditions, events and the end of its log.
    """
    (job,) = (manifest for manifest in objects if manifest["kind"] == "Job")
    _delete_previous(cluster, job, poll_s)
    apply(cluster, objects, report)
    limit_s = job["spec"]["activeDeadlineSeconds"] + margin_s
    return _Follower(cluster, job, report, poll_s, grace_s, limit_s).follow()


def termination_message(cluster: Cluster, name: str, namespace: str) -> str | None:
    """Return the termination message of a finished Job; None if it did not succeed or is gone."""
    job = cluster.get("Job", name, namespace)
    if job is None or not _condition(job, "Complete"):
        return None
    return _message(cluster.find("Pod", namespace, {"job-name": name}))


def _delete_previous(cluster: Cluster, job: dict[str, Any], poll_s: float) -> None:
    """Delete the finished Job of the previous run, since the template of a Job is immutable."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    previous = cluster.get("Job", name, namespace)
    if previous is None:
        return
    description = described("Job", name, namespace)
    if not _condition(previous, "Complete") and not _condition(previous, "Failed"):
        end = f"kubectl -n {namespace} delete job {name}"
        raise JobFailed(f"{description} is still running; wait for it, or end it with `{end}`")
    cluster.delete("Job", name, namespace)
    deadline = time.monotonic() + _GONE_S
    while cluster.get("Job", name, namespace) is not None:
        if time.monotonic() > deadline:
            raise JobFailed(
                f"{description} of a run before is still there {_GONE_S} s after it was deleted; see its finalizers"
            )
        time.sleep(poll_s)


class _Follower:
    """Polls one Job, so that a dropped connection loses nothing."""

    def __init__(
        self,
        cluster: Cluster,
        job: dict[str, Any],
        report: Callable[[str], None],
        poll_s: float,
        grace_s: float,
        limit_s: float,
    ) -> None:
        self._cluster, self._report = cluster, report
        self._poll_s, self._grace_s, self._limit_s = poll_s, grace_s, limit_s
        self._name, self._namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        self._read_up_to: dict[tuple[str, str], str] = {}
        self._finished: set[tuple[str, str]] = set()
        self._last_report = ""
        self._problem_since: float | None = None

    def follow(self) -> str:
        deadline = time.monotonic() + self._limit_s
        description = described("Job", self._name, self._namespace)
        while True:
            job = self._cluster.get("Job", self._name, self._namespace)
            if job is None:
                raise JobFailed(f"{description} was deleted while it ran; run this again")
            pods = self._cluster.find("Pod", self._namespace, {"job-name": self._name})
            self._progress(pods)
            self._logs(pods)
            if _condition(job, "Complete"):
                return _message(pods) or ""
            if (failed := _condition(job, "Failed")) is not None:
                timed_out = failed.get("reason") == "DeadlineExceeded"
                outcome = "took longer than it may (see its deadline in the settings)" if timed_out else "failed"
                raise JobFailed(f"{description} {outcome}{evidence.collect(self._cluster, job, pods)}")
            if (problem := self._lasting_problem(job, pods)) is not None:
                raise JobFailed(f"{description} can't run: {problem}{evidence.collect(self._cluster, job, pods)}")
            if time.monotonic() > deadline:
                raise JobFailed(
                    f"{description} has neither ended nor failed after {self._limit_s:g} s; is the cluster's Job "
                    f"controller running?{evidence.collect(self._cluster, job, pods)}"
                )
            time.sleep(self._poll_s)

    def _progress(self, pods: list[dict[str, Any]]) -> None:
        """Report the state of the pods when it has changed."""
        states = [f"{pod['metadata']['name']} {evidence.progress(pod)}" for pod in pods]
        state = f"{self._name}: " + (", ".join(states) or "waiting for a pod")
        if state != self._last_report:
            self._report(state)
            self._last_report = state

    def _logs(self, pods: list[dict[str, Any]]) -> None:
        """Report new lines of the containers' logs, until a container ends or its log is silent."""
        for pod in sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", "")):
            for container in evidence.containers(pod):
                key = (pod["metadata"]["name"], container["name"])
                state = container.get("state", {})
                if key in self._finished or not {"running", "terminated"} & set(state):
                    continue
                self._read(*key)
                if "terminated" in state:
                    self._finished.add(key)

    def _read(self, pod: str, container: str) -> None:
        since = self._read_up_to.get((pod, container))
        try:
            for line in self._cluster.log(pod, container, self._namespace, since):
                # `since` has a resolution of a second, so lines may be read twice.
                if since is None or line.time > since:
                    self._report(f"{container} | {line.text}")
                    self._read_up_to[pod, container] = line.time
        except Unreachable as error:
            self._report(f"{self._name}: {error}")

    def _lasting_problem(self, job: dict[str, Any], pods: list[dict[str, Any]]) -> str | None:
        """Return the problem that keeps the Job from running, once it has lasted for the grace period."""
        problem = next(filter(None, map(evidence.persistent_problem, pods)), None)
        if problem is None and not pods:
            refused = evidence.events(self._cluster, self._namespace, {job["metadata"]["name"]})
            problem = next((line for line in reversed(refused) if "FailedCreate" in line), None)
        if problem is None:
            self._problem_since = None
            return None
        now = time.monotonic()
        self._problem_since = now if self._problem_since is None else self._problem_since
        return problem if now - self._problem_since >= self._grace_s else None


def _condition(job: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """Return the condition of this type if it is true."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["type"] == kind and condition["status"] == "True":
            problem: dict[str, Any] = condition
            return problem
    return None


def _message(pods: list[dict[str, Any]]) -> str | None:
    """Return the termination message of the container that succeeded."""
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            ended = container.get("state", {}).get("terminated", {})
            if ended.get("exitCode") == 0 and ended.get("message"):
                return str(ended["message"]).strip()
    return None
