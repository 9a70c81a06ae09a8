"""From an applied Deployment to one that answers, or back to the last one that did."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from deploy import evidence, render
from deploy.cluster import Cluster
from deploy.errors import DeployError, RolloutFailed
from deploy.kinds import described
from deploy.objects.common import SERVING, labels
from deploy.objects.serving import DEPLOYMENT, PORT_NAME, SERVICE
from deploy.settings import Settings

PASSED = "extractive-qa/passed"
"""Annotation of the Deployment: the template's hash of its last revision that was available and answered.

Not the revision's number: rolled back to, a revision gets a new one.
"""
REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_GRACE_S = 45
_ANSWER_S = 60
QUESTION = {
    "question": "What does the service return?",
    "context": "The service returns a span of the context, with its exact character offsets.",
}


class Revision(NamedTuple):
    """A revision that the cluster still has. hash: its template's; number: greater is newer."""

    hash: str
    number: int
    template: dict[str, Any]

    @property
    def image(self) -> str:
        """The image of its pods."""
        return str(self.template["spec"]["containers"][0]["image"])


def revisions(cluster: Cluster, namespace: str) -> list[Revision]:
    """Return every revision of the Deployment that the cluster still has."""
    found = []
    for owned in cluster.find("ReplicaSet", namespace, labels(SERVING)):
        number = owned["metadata"].get("annotations", {}).get(REVISION)
        template = owned["spec"]["template"]
        own = {name: value for name, value in template["metadata"]["labels"].items() if name != _HASH}
        if number is not None:
            plain = {"metadata": {"labels": own}, "spec": template["spec"]}
            found.append(Revision(owned["metadata"]["labels"][_HASH], int(number), plain))
    return found


class Rollout:
    """The Deployment of one set of settings, on one cluster. say: gets a line of progress at a time."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        say: Callable[[str], None],
        *,
        poll_s: float = 1.0,
        grace_s: float = _GRACE_S,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._cluster, self._settings, self._say = cluster, settings, say
        self._poll_s, self._grace_s, self._answer_s = poll_s, grace_s, answer_s
        self._namespace = settings.serving_namespace
        self._what = described("Deployment", DEPLOYMENT, self._namespace)

    def finish(self) -> dict[str, Any]:
        """Wait until the Deployment is rolled out and answers, note its revision as passed, and return the answer.

        Raises RolloutFailed; then the last revision that passed, if there is another one, has been rolled out again.
        """
        passed = self._deployment()["metadata"].get("annotations", {}).get(PASSED)
        try:
            self._wake()
            self.wait()
            answer = self.ask()
        except RolloutFailed as error:
            raise RolloutFailed(f"{error}\n{self._undo(passed)}") from error
        self._pass()
        return answer

    def back(self) -> str:
        """Roll back to the last revision that passed or, if that is the present one, to the one before.

        Returns its image. Raises RolloutFailed when there is none, or when it does not answer either.
        """
        passed = self._deployment()["metadata"].get("annotations", {}).get(PASSED)
        now = self._now()
        others = [revision for revision in revisions(self._cluster, self._namespace) if revision.hash != now.hash]
        if not others:
            raise RolloutFailed(f"{self._what} has no other revision to roll back to")
        target = next((one for one in others if one.hash == passed), max(others, key=lambda one: one.number))
        self._to(target)
        return target.image

    def wait(self) -> None:
        """Wait until all replicas are the newest revision's and available. Raises RolloutFailed."""
        deadline = time.monotonic() + self._settings.rollout_deadline_s
        said, trouble_since = "", None
        while True:
            deployment = self._deployment()
            if (now := _progress(deployment)) != said:
                self._say(f"{DEPLOYMENT}: {now}")
                said = now
            if _rolled_out(deployment):
                return
            pods = self._newest_pods(deployment)
            found = _failure(deployment) or next(filter(None, map(evidence.trouble, pods)), None)
            if found is None:
                trouble_since = None
            else:
                trouble_since = trouble_since or time.monotonic()
                if time.monotonic() - trouble_since >= self._grace_s:
                    said = evidence.collect(self._cluster, deployment, pods)
                    raise RolloutFailed(f"{self._what} can't be rolled out: {found}{said}")
            if time.monotonic() > deadline:
                said = evidence.collect(self._cluster, deployment, pods)
                raise RolloutFailed(
                    f"{self._what} is not rolled out after {self._settings.rollout_deadline_s} s ({now}){said}"
                )
            time.sleep(self._poll_s)

    def ask(self) -> dict[str, Any]:
        """Ask a question through the Service and return the answer, checked. Raises RolloutFailed.

        Endpoints follow pods with some delay, so that a first refusal is none.
        """
        deadline = time.monotonic() + self._answer_s
        while True:
            try:
                answer: dict[str, Any] = self._cluster.ask(SERVICE, PORT_NAME, self._namespace, "/answer", QUESTION)
                break
            except DeployError as error:
                if time.monotonic() > deadline:
                    raise RolloutFailed(str(error)) from error
                time.sleep(self._poll_s)
        span = QUESTION["context"][answer["start_pos"] : answer["end_pos"]]
        if answer["answer"] != span or not 0 <= answer["confidence"] <= 1:
            raise RolloutFailed(f"{described('Service', SERVICE, self._namespace)} answers wrongly: {answer}")
        return answer

    def _pass(self) -> None:
        self._cluster.merge(
            "Deployment", DEPLOYMENT, self._namespace, {"metadata": {"annotations": {PASSED: self._now().hash}}}
        )

    def _wake(self) -> None:
        """Give a new Deployment, or one that was scaled to nothing, its least replicas.

        An HPA would do so for the new one, but only some time after this is over; 0 replicas it leaves alone.
        """
        replicas, least = self._deployment()["spec"].get("replicas", 1), self._settings.min_replicas
        if replicas < least:
            self._say(f"{DEPLOYMENT}: scaled from {replicas} to {least} replicas")
            self._cluster.merge("Deployment", DEPLOYMENT, self._namespace, {"spec": {"replicas": least}})

    def _undo(self, passed: str | None) -> str:
        """Undo a rollout that failed, and say what came of it."""
        if passed is None:
            return "nothing to roll back to: no revision has passed before"
        try:
            if self._now().hash == passed:
                return "nothing was rolled back: this is the revision that had passed before"
            target = next(
                (revision for revision in revisions(self._cluster, self._namespace) if revision.hash == passed), None
            )
            if target is None:
                return "nothing was rolled back: the revision that had passed is not on the cluster any more"
            self._to(target)
        except DeployError as error:
            return f"rolling back to the revision that had passed failed too: {error}"
        return f"rolled back to revision {target.number}, the last that passed, with {target.image}"

    def _to(self, revision: Revision) -> None:
        """Roll a revision out again under its own template, wait for it, ask it, and note that it passed."""
        (deployment,) = (made for made in render.objects(self._settings, "serving") if made["kind"] == "Deployment")
        deployment["spec"]["template"] = revision.template
        self._cluster.apply(deployment, force=True)
        self._wake()
        self.wait()
        self.ask()
        self._pass()

    def _now(self) -> Revision:
        """Return the revision that the Deployment is at."""
        number = self._deployment()["metadata"].get("annotations", {}).get(REVISION)
        for revision in revisions(self._cluster, self._namespace):
            if str(revision.number) == number:
                return revision
        raise RolloutFailed(f"{self._what} has no ReplicaSet of its revision {number}; run this again")

    def _deployment(self) -> dict[str, Any]:
        deployment = self._cluster.get("Deployment", DEPLOYMENT, self._namespace)
        if deployment is None:
            raise RolloutFailed(f"{self._what} is not on the cluster; was it deleted meanwhile? Run `apply`")
        return deployment

    def _newest_pods(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the pods of the revision that is being rolled out."""
        number = deployment["metadata"].get("annotations", {}).get(REVISION)
        hashes = {
            revision.hash for revision in revisions(self._cluster, self._namespace) if str(revision.number) == number
        }
        pods = self._cluster.find("Pod", self._namespace, labels(SERVING))
        return [pod for pod in pods if pod["metadata"]["labels"].get(_HASH) in hashes]


def _rolled_out(deployment: dict[str, Any]) -> bool:
    """Return whether the controller has seen this generation, and all replicas are its and available."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("availableReplicas", 0) >= wanted
        and status.get("replicas", 0) == wanted
    )


def _progress(deployment: dict[str, Any]) -> str:
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return (
        f"{status.get('updatedReplicas', 0)} of {wanted} replicas updated, "
        f"{status.get('availableReplicas', 0)} available"
    )


def _failure(deployment: dict[str, Any]) -> str | None:
    """Return why the controller has given up, or can't make pods; what it says of an older generation is over."""
    if deployment.get("status", {}).get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return None
    for condition in deployment.get("status", {}).get("conditions", []):
        gave_up = condition["type"] == "Progressing" and condition["status"] == "False"
        if gave_up or (condition["type"] == "ReplicaFailure" and condition["status"] == "True"):
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return None
