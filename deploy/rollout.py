"""Follow a rollout until the service answers, or roll back to the last revision that passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from deploy import evidence, progress, render, room
from deploy.cluster import Cluster
from deploy.errors import DeployError, RolloutFailed
from deploy.kinds import described
from deploy.objects.common import SERVING, labels
from deploy.objects.serving import DEPLOYMENT, PORT_NAME, SERVICE
from deploy.progress import Condition
from deploy.revisions import HASH, REVISION, Revision, revisions
from deploy.room import Room
from deploy.settings import Settings

PASSED = "extractive-qa/passed"
"""Annotation of the Deployment: the pod template hash of the last revision that was available and answered.

It is not the revision's number, since a rollback gives the revision a new number.
"""
_GRACE_S = 45
_ANSWER_S = 60
_SETTLE_S = 15
"""How long a pod must be unschedulable before old pods make room, in seconds. The scheduler retries within 10 s."""
_IDLE_S = 20
"""After how many seconds an idle Deployment controller is reported; a healthy one reacts within a second."""
QUESTION = {
    "question": "What does the service return?",
    "context": "The service returns a span of the context, with its exact character offsets.",
}


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
        idle_s: float = _IDLE_S,
    ) -> None:
        self._cluster, self._settings, self._report = cluster, settings, report
        self._poll_s, self._grace_s, self._answer_s = poll_s, grace_s, answer_s
        self._settle_s, self._idle_s = settle_s, idle_s
        self._template: dict[str, Any] | None = None  # of the revision that is rolled back to
        self._max_unavailable = 0  # percent; above 0 while a new pod has no room beside the old ones
        self._namespace = settings.serving_namespace
        self._description = described("Deployment", DEPLOYMENT, self._namespace)

    def finish(self) -> dict[str, Any]:
        """Wait until the Deployment is rolled out and answers, mark its revision as passed and return the answer.

        Raises RolloutFailed after rolling back to the last revision that passed, if there is another one.
        """
        passed = self._deployment()["metadata"].get("annotations", {}).get(PASSED)
        try:
            self._scale_to_minimum()
            self.wait()
            answer = self.check_answer()
        except RolloutFailed as error:
            raise RolloutFailed(f"{error}\n{self._roll_back_after_failure(passed)}") from error
        self._check_image()
        self._mark_passed()
        return answer

    def roll_back(self) -> str:
        """Roll back to the last revision that passed, or to the previous one if that is the current revision.

        Returns its image. Raises RolloutFailed when there is no other revision, or when it does not answer.
        """
        passed = self._deployment()["metadata"].get("annotations", {}).get(PASSED)
        current = self._current_revision()
        others = [revision for revision in revisions(self._cluster, self._namespace) if revision.hash != current.hash]
        if not others:
            raise RolloutFailed(f"{self._description} has no other revision to roll back to")
        target = next(
            (revision for revision in others if revision.hash == passed),
            max(others, key=lambda revision: revision.number),
        )
        self._roll_out_revision(target)
        return target.image

    def wait(self) -> None:
        """Wait until all replicas that fit on the nodes are of the newest revision and available.

        Replicas that fit on no node are reported, since the HPA may ask for more than the nodes hold. Raises
        RolloutFailed.
        """
        try:
            self._wait()
        except DeployError:
            with suppress(DeployError):  # the first error is the cause
                self._set_max_unavailable(0)
            raise
        self._set_max_unavailable(0)

    def _wait(self) -> None:
        deadline = time.monotonic() + self._settings.rollout_deadline_s
        failing, controller_idle, full, stuck = Condition(), Condition(), Condition(), Condition()
        reported = ""
        while True:
            deployment = self._deployment()
            pods, fit = self._newest_pods(deployment)
            idle = controller_idle.seconds(progress.is_idle(deployment)) >= self._idle_s
            hints = (str(fit), progress.NO_CONTROLLER if idle else "")
            state = "; ".join(filter(None, (progress.summary(deployment), *hints)))
            if state != reported:
                self._report(f"{DEPLOYMENT}: {state}")
                reported = state
            if progress.is_rolled_out(deployment):
                return
            desired, minimum = deployment["spec"].get("replicas", 1), self._settings.min_replicas
            if full.seconds(progress.is_observed(deployment) and fit.is_full(desired, minimum)) > self._settle_s:
                self._report(f"{DEPLOYMENT}: rolled out as far as there is room; {room.REMEDY}")
                return
            if stuck.seconds(progress.is_observed(deployment) and fit.is_stuck) > self._settle_s:
                self._make_room(deployment)
                stuck = Condition()
            self._restore_minimum(desired)
            pod_problem = next(filter(None, map(evidence.persistent_problem, pods)), None)
            failure = pod_problem or progress.failure(deployment)
            problem = None
            if failing.seconds(failure is not None) >= self._grace_s and failure is not None:
                problem = f"can't be rolled out: {failure}"
            elif time.monotonic() > deadline:
                problem = f"is not rolled out after {self._settings.rollout_deadline_s} s ({state})"
            if problem is not None:
                missing_room = f"; {fit}: {self._no_room_message()}" if fit.waiting and pod_problem is None else ""
                facts = evidence.collect(self._cluster, deployment, pods)
                raise RolloutFailed(f"{self._description} {problem}{missing_room}{facts}")
            time.sleep(self._poll_s)

    def check_answer(self) -> dict[str, Any]:
        """Ask a question through the Service, check the answer and return it. Raises RolloutFailed.

        Refusals are retried for a while, since endpoints appear some time after pods are ready.
        """
        deadline = time.monotonic() + self._answer_s
        while True:
            try:
                answer: dict[str, Any] = self._cluster.call_service(
                    SERVICE, PORT_NAME, self._namespace, "/answer", QUESTION
                )
                break
            except DeployError as error:
                if time.monotonic() > deadline:
                    raise RolloutFailed(str(error)) from error
                time.sleep(self._poll_s)
        span = QUESTION["context"][answer["start_pos"] : answer["end_pos"]]
        if answer["answer"] != span or not 0 <= answer["confidence"] <= 1:
            raise RolloutFailed(f"{described('Service', SERVICE, self._namespace)} answers wrongly: {answer}")
        return answer

    def _check_image(self) -> None:
        """Raise RolloutFailed if the Deployment has another image: two `apply` at once own the same fields."""
        present = self._deployment()["spec"]["template"]["spec"]["containers"][0]["image"]
        if present != self._settings.serving_reference:
            raise RolloutFailed(
                f"{self._description} has {present}, not {self._settings.serving_reference}: something else applied it "
                "meanwhile; run this again if it should have this image"
            )

    def _mark_passed(self) -> None:
        self._cluster.merge(
            "Deployment",
            DEPLOYMENT,
            self._namespace,
            {"metadata": {"annotations": {PASSED: self._current_revision().hash}}},
        )

    def _scale_to_minimum(self) -> None:
        """Scale a Deployment with fewer replicas up to the minimum.

        The HPA scales a new Deployment too late for the rollout, and never scales one that has 0 replicas.
        """
        replicas, minimum = self._deployment()["spec"].get("replicas", 1), self._settings.min_replicas
        if replicas < minimum:
            self._report(f"{DEPLOYMENT}: scaled from {replicas} to {minimum} replicas")
            self._cluster.merge("Deployment", DEPLOYMENT, self._namespace, {"spec": {"replicas": minimum}})

    def _roll_back_after_failure(self, passed: str | None) -> str:
        """Roll back to the revision that passed, and return a line about the result."""
        if passed is None:
            return "nothing to roll back to: no revision has passed before"
        try:
            if self._current_revision().hash == passed:
                if not progress.is_observed(self._deployment()):
                    return "nothing was rolled back: once the controller runs it rolls this out; then run `apply` again"
                return "nothing was rolled back: this is the revision that had passed before"
            target = next(
                (revision for revision in revisions(self._cluster, self._namespace) if revision.hash == passed), None
            )
            if target is None:
                return "nothing was rolled back: the revision that had passed is not on the cluster any more"
            self._roll_out_revision(target)
        except DeployError as error:
            return f"rolling back to the revision that had passed failed too: {error}"
        return f"rolled back to revision {target.number}, the last that passed, with {target.image}"

    def _roll_out_revision(self, revision: Revision) -> None:
        """Roll out a revision by its own template, wait for it, check its answer and mark it as passed."""
        self._template = revision.template
        self._apply_deployment(0)
        self._scale_to_minimum()
        self.wait()
        self.check_answer()
        self._mark_passed()

    def _apply_deployment(self, unavailable: int) -> None:
        """Apply the Deployment with this maxUnavailable (%); the manifests have 0."""
        (deployment,) = (
            manifest for manifest in render.objects(self._settings, "serving") if manifest["kind"] == "Deployment"
        )
        if self._template is not None:
            deployment["spec"]["template"] = self._template
        if unavailable:
            deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = f"{unavailable}%"
        self._cluster.apply(deployment, force=True)
        self._max_unavailable = unavailable

    def _set_max_unavailable(self, percent: int) -> None:
        """Apply another maxUnavailable (%) if it differs from the current one."""
        if percent != self._max_unavailable:
            self._apply_deployment(percent)

    def _make_room(self, deployment: dict[str, Any]) -> None:
        """Let the controller end old pods first, when there is no room for an additional pod."""
        desired, available = deployment["spec"].get("replicas", 1), deployment["status"].get("availableReplicas", 0)
        kept = room.available_floor(available, self._settings.min_replicas)
        if kept < available:
            self._report(f"{DEPLOYMENT}: no room for a pod beside the old ones; old ones leave first, {kept} stay")
        else:
            self._report(f"{DEPLOYMENT}: {self._no_room_message()}")
        self._set_max_unavailable(max(self._max_unavailable, room.unavailable_percent(desired, kept)))

    def _restore_minimum(self, desired: int) -> None:
        """Lower maxUnavailable when the HPA has scaled down and it would break min_replicas."""
        minimum = self._settings.min_replicas
        if self._max_unavailable and room.least_available(desired, self._max_unavailable) < min(desired, minimum):
            self._set_max_unavailable(100 * max(0, desired - minimum) // desired if desired else 0)

    def _no_room_message(self) -> str:
        minimum = self._settings.min_replicas
        return f"old pods make room only while more than min_replicas ({minimum}) are available; {room.REMEDY}"

    def _current_revision(self) -> Revision:
        """Return the current revision of the Deployment."""
        number = self._deployment()["metadata"].get("annotations", {}).get(REVISION)
        for revision in revisions(self._cluster, self._namespace):
            if str(revision.number) == number:
                return revision
        raise RolloutFailed(f"{self._description} has no ReplicaSet of its revision {number}; run this again")

    def _deployment(self) -> dict[str, Any]:
        deployment = self._cluster.get("Deployment", DEPLOYMENT, self._namespace)
        if deployment is None:
            raise RolloutFailed(f"{self._description} is not on the cluster; was it deleted meanwhile? Run `apply`")
        return deployment

    def _newest_pods(self, deployment: dict[str, Any]) -> tuple[list[dict[str, Any]], Room]:
        """Return the pods of the newest revision, and how many of them fit on the nodes."""
        number = deployment["metadata"].get("annotations", {}).get(REVISION)
        hashes = {
            revision.hash for revision in revisions(self._cluster, self._namespace) if str(revision.number) == number
        }
        pods = self._cluster.find("Pod", self._namespace, labels(SERVING))
        newest = [pod for pod in pods if pod["metadata"]["labels"].get(HASH) in hashes]
        return newest, Room.of(pods, {pod["metadata"]["name"] for pod in newest})
