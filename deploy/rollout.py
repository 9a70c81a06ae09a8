"""From an applied Deployment to one that answers, or back to the last one that did."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from deploy import evidence, progress, render, room
from deploy.cluster import Cluster
from deploy.errors import DeployError, RolloutFailed
from deploy.kinds import described
from deploy.objects.common import SERVING, labels
from deploy.objects.serving import DEPLOYMENT, PORT_NAME, SERVICE
from deploy.progress import Lasting
from deploy.room import Room
from deploy.settings import Settings

PASSED = "extractive-qa/passed"
"""Annotation of the Deployment: the template's hash of its last revision that was available and answered.

Not the revision's number: rolled back to, a revision gets a new one.
"""
REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_GRACE_S = 45
_ANSWER_S = 60
_SETTLE_S = 15
"""How long pods have to fit on no node before that counts (s): the scheduler tries again after 10 s at most."""
_UNSEEN_S = 20
"""After how long a controller that does nothing is named (s); a healthy one takes well under a second."""
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
    present = []
    for owned in cluster.find("ReplicaSet", namespace, labels(SERVING)):
        number = owned["metadata"].get("annotations", {}).get(REVISION)
        template = owned["spec"]["template"]
        own = {name: value for name, value in template["metadata"]["labels"].items() if name != _HASH}
        if number is not None:
            plain = {"metadata": {"labels": own}, "spec": template["spec"]}
            present.append(Revision(owned["metadata"]["labels"][_HASH], int(number), plain))
    return present


class Rollout:
    """The Deployment of one set of settings, on one cluster. report: gets a line of progress at a time."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        report: Callable[[str], None],
        *,
        poll_s: float = 1.0,
        grace_s: float = _GRACE_S,
        answer_s: float = _ANSWER_S,
        settle_s: float = _SETTLE_S,
        unseen_s: float = _UNSEEN_S,
    ) -> None:
        self._cluster, self._settings, self._report = cluster, settings, report
        self._poll_s, self._grace_s, self._answer_s = poll_s, grace_s, answer_s
        self._settle_s, self._unseen_s = settle_s, unseen_s
        self._template: dict[str, Any] | None = None  # of the revision that is rolled back to
        self._unavailable = 0  # maxUnavailable in percent, while there is no room for a pod beside the old ones
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
        target = next(
            (revision for revision in others if revision.hash == passed),
            max(others, key=lambda revision: revision.number),
        )
        self._to(target)
        return target.image

    def wait(self) -> None:
        """Wait until all replicas that fit on the nodes are the newest revision's and available. Raises RolloutFailed.

        Replicas that fit nowhere are named; the HPA may want more than there is room for.
        """
        try:
            self._wait()
        except DeployError:
            with suppress(DeployError):  # the first error says more
                self._give_way(0)
            raise
        self._give_way(0)

    def _wait(self) -> None:
        deadline = time.monotonic() + self._settings.rollout_deadline_s
        trouble, unseen, full, stuck = Lasting(), Lasting(), Lasting(), Lasting()
        reported = ""
        while True:
            deployment = self._deployment()
            pods, fit = self._newest_pods(deployment)
            idle = unseen.seconds(progress.is_idle(deployment)) >= self._unseen_s
            hints = (str(fit), progress.NO_CONTROLLER if idle else "")
            now = "; ".join(filter(None, (progress.summary(deployment), *hints)))
            if now != reported:
                self._report(f"{DEPLOYMENT}: {now}")
                reported = now
            if progress.is_rolled_out(deployment):
                return
            desired, least = deployment["spec"].get("replicas", 1), self._settings.min_replicas
            if full.seconds(progress.is_seen(deployment) and fit.is_full(desired, least)) > self._settle_s:
                self._report(f"{DEPLOYMENT}: rolled out as far as there is room; {room.REMEDY}")
                return
            if stuck.seconds(progress.is_seen(deployment) and fit.is_stuck) > self._settle_s:
                self._make_room(deployment)
                stuck = Lasting()
            self._keep_the_least(desired)
            broken = next(filter(None, map(evidence.trouble, pods)), None)
            failure = broken or progress.failure(deployment)
            problem = None
            if trouble.seconds(failure is not None) >= self._grace_s and failure is not None:
                problem = f"can't be rolled out: {failure}"
            elif time.monotonic() > deadline:
                problem = f"is not rolled out after {self._settings.rollout_deadline_s} s ({now})"
            if problem is not None:
                lacking = f"; {fit}: {self._no_room()}" if fit.waiting and broken is None else ""
                facts = evidence.collect(self._cluster, deployment, pods)
                raise RolloutFailed(f"{self._what} {problem}{lacking}{facts}")
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
            self._report(f"{DEPLOYMENT}: scaled from {replicas} to {least} replicas")
            self._cluster.merge("Deployment", DEPLOYMENT, self._namespace, {"spec": {"replicas": least}})

    def _undo(self, passed: str | None) -> str:
        """Undo a rollout that failed, and say what came of it."""
        if passed is None:
            return "nothing to roll back to: no revision has passed before"
        try:
            if self._now().hash == passed:
                if not progress.is_seen(self._deployment()):
                    return "nothing was rolled back: once the controller runs it rolls this out; then run `apply` again"
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
        self._template = revision.template
        self._apply(0)
        self._wake()
        self.wait()
        self.ask()
        self._pass()

    def _apply(self, unavailable: int) -> None:
        """Apply the Deployment with this maxUnavailable (%); 0 is what the manifests say."""
        (deployment,) = (
            manifest for manifest in render.objects(self._settings, "serving") if manifest["kind"] == "Deployment"
        )
        if self._template is not None:
            deployment["spec"]["template"] = self._template
        if unavailable:
            deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = f"{unavailable}%"
        self._cluster.apply(deployment, force=True)
        self._unavailable = unavailable

    def _give_way(self, percent: int) -> None:
        """Let so many percent of the replicas be unavailable."""
        if percent != self._unavailable:
            self._apply(percent)

    def _make_room(self, deployment: dict[str, Any]) -> None:
        """Let old pods leave, where the controller would wait for room for one more for good."""
        desired, available = deployment["spec"].get("replicas", 1), deployment["status"].get("availableReplicas", 0)
        kept = room.floor(available, self._settings.min_replicas)
        if kept < available:
            self._report(f"{DEPLOYMENT}: no room for a pod beside the old ones; old ones leave first, {kept} stay")
        else:
            self._report(f"{DEPLOYMENT}: {self._no_room()}")
        self._give_way(max(self._unavailable, room.unavailable_percent(desired, kept)))

    def _keep_the_least(self, desired: int) -> None:
        """Take back what was given, when fewer pods are wanted than it was meant for."""
        least = self._settings.min_replicas
        if self._unavailable and room.least_available(desired, self._unavailable) < min(desired, least):
            self._give_way(100 * max(0, desired - least) // desired if desired else 0)

    def _no_room(self) -> str:
        least = self._settings.min_replicas
        return f"old pods make room only while more than min_replicas ({least}) are available; {room.REMEDY}"

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

    def _newest_pods(self, deployment: dict[str, Any]) -> tuple[list[dict[str, Any]], Room]:
        """Return the pods of the revision that is being rolled out, and how they fit beside the others."""
        number = deployment["metadata"].get("annotations", {}).get(REVISION)
        hashes = {
            revision.hash for revision in revisions(self._cluster, self._namespace) if str(revision.number) == number
        }
        pods = self._cluster.find("Pod", self._namespace, labels(SERVING))
        newest = [pod for pod in pods if pod["metadata"]["labels"].get(_HASH) in hashes]
        return newest, Room.of(pods, {pod["metadata"]["name"] for pod in newest})
