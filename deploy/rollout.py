"""From an applied Deployment to one that answers, or back to the last one that did."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deploy import evidence, render
from deploy.cluster import Cluster, described
from deploy.errors import DeployError, RolloutFailed
from deploy.objects.common import SERVING, labels
from deploy.objects.serving import DEPLOYMENT, PORT_NAME, SERVICE
from deploy.settings import Settings

PASSED = "extractive-qa/passed-revision"
"""Annotation of the Deployment: its last revision that was available and answered."""
_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_GRACE_S = 45
_ANSWER_S = 60
QUESTION = {
    "question": "What does the service return?",
    "context": "The service returns a span of the context, with its exact character offsets.",
}


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
        before = self._deployment()["metadata"].get("annotations", {}).get(PASSED)
        try:
            self.wait()
            answer = self.ask()
        except RolloutFailed as error:
            raise RolloutFailed(f"{error}\n{self._back(before)}") from error
        self._pass()
        return answer

    def back(self) -> str:
        """Roll back to the last revision that passed before the present one did, and return its image.

        Raises RolloutFailed when there is none, or when it does not answer either.
        """
        deployment = self._deployment()
        now = deployment["metadata"].get("annotations", {}).get(_REVISION)
        passed = deployment["metadata"].get("annotations", {}).get(PASSED)
        earlier = [revision for revision in self._revisions() if revision != now]
        if passed is not None and passed != now:
            target = passed
        elif earlier:
            target = max(earlier, key=int)
        else:
            raise RolloutFailed(f"{self._what} has no other revision to roll back to")
        return self._to(target)

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
        revision = self._deployment()["metadata"]["annotations"][_REVISION]
        self._cluster.annotate("Deployment", DEPLOYMENT, self._namespace, {PASSED: revision})

    def _back(self, passed: str | None) -> str:
        """Undo a rollout that failed, and say what came of it."""
        if passed is None:
            return "nothing to roll back to: no revision has passed before"
        if self._deployment()["metadata"]["annotations"].get(_REVISION) == passed:
            return f"nothing was rolled back: this is revision {passed}, which had passed before"
        try:
            return f"rolled back to revision {passed}, the last that passed, with {self._to(passed)}"
        except DeployError as error:
            return f"rolling back to revision {passed} failed too: {error}"

    def _to(self, revision: str) -> str:
        """Roll a revision out again under its own template, wait for it, and return its image."""
        template = self._revisions().get(revision)
        if template is None:
            raise RolloutFailed(f"{self._what} has no revision {revision} any more")
        (deployment,) = (
            made
            for objects in render.manifests(self._settings).values()
            for made in objects
            if made["kind"] == "Deployment"
        )
        deployment["spec"]["template"] = template
        self._cluster.apply(deployment, force=True)
        self.wait()
        self.ask()
        self._pass()
        return str(template["spec"]["containers"][0]["image"])

    def _revisions(self) -> dict[str, dict[str, Any]]:
        """Return the pod template of each revision that the cluster still has."""
        found = {}
        for owned in self._cluster.find("ReplicaSet", self._namespace, labels(SERVING)):
            revision = owned["metadata"].get("annotations", {}).get(_REVISION)
            template = owned["spec"]["template"]
            own = {name: value for name, value in template["metadata"]["labels"].items() if name != _HASH}
            if revision is not None:
                found[revision] = {"metadata": {"labels": own}, "spec": template["spec"]}
        return found

    def _deployment(self) -> dict[str, Any]:
        deployment = self._cluster.get("Deployment", DEPLOYMENT, self._namespace)
        if deployment is None:
            raise RolloutFailed(f"{self._what} is not on the cluster; was it deleted meanwhile? Run `apply`")
        return deployment

    def _newest_pods(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the pods of the revision that is being rolled out."""
        revision = deployment["metadata"].get("annotations", {}).get(_REVISION)
        hashes = {
            owned["metadata"]["labels"].get(_HASH)
            for owned in self._cluster.find("ReplicaSet", self._namespace, labels(SERVING))
            if owned["metadata"].get("annotations", {}).get(_REVISION) == revision
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
