import itertools
from typing import Any

import pytest

from deploy import render
from deploy.apply import apply
from deploy.errors import RolloutFailed
from deploy.objects.common import SERVING, labels
from deploy.revisions import REVISION
from deploy.rollout import PASSED, QUESTION, Rollout
from tests.deploy.api import DROP
from tests.deploy.conftest import SETTINGS

NAMESPACE, NAME = "serving-model-env", "model-inference"
ANSWER = {"answer": "a span", "confidence": 0.9, "start_pos": 20, "end_pos": 26}
OLD_IMAGE = "registry.example/ada/reader@sha256:" + "2" * 64


def available(deployment):
    """What the controller notes when all is well."""
    desired = deployment["spec"].setdefault("replicas", 2)
    deployment["status"] = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": desired,
        "updatedReplicas": desired,
        "availableReplicas": desired,
    }


def condition(kind, status, reason, message="because"):
    def step(deployment):
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "conditions": [{"type": kind, "status": status, "reason": reason, "message": message}],
        }

    return step


def replica_set(api, revision, image):
    template: dict[str, Any] = {"metadata": {"labels": labels(SERVING) | {"pod-template-hash": f"h{revision}"}}}
    template["spec"] = {"containers": [{"name": "service", "image": image}]}
    about = {"labels": template["metadata"]["labels"], "annotations": {REVISION: revision}}
    api.put("ReplicaSet", f"{NAME}-{revision}", NAMESPACE, metadata=about, spec={"template": template})


@pytest.fixture
def deployed(api, cluster):
    """The rendered objects, applied: revision 2 of a Deployment whose revision 1 had passed."""
    assert QUESTION["context"][20:26] == ANSWER["answer"]
    api.answers["/answer"] = ANSWER
    apply(cluster, itertools.chain(*render.manifests(SETTINGS).values()), lambda _: None)
    deployment = api.the("Deployment", NAME)
    deployment["metadata"]["annotations"] = {REVISION: "2", PASSED: "h1"}
    deployment["spec"]["replicas"] = 2
    replica_set(api, "1", OLD_IMAGE)
    replica_set(api, "2", SETTINGS.serving_reference)
    return deployment


def rollout(cluster, reported, settings=SETTINGS, **more):
    patience = {"poll_s": 0.001, "grace_s": 0.01, "answer_s": 0.05} | more
    return Rollout(cluster, settings, reported.append, **patience)


def image(api):
    return api.the("Deployment", NAME)["spec"]["template"]["spec"]["containers"][0]["image"]


def recover(api):
    """Play the controller from now on: what is applied becomes available."""
    api.steps["Deployment", NAME] = [available] * 100


def test_what_is_available_and_answers_has_passed(api, cluster, reported, deployed):
    api.script("Deployment", NAME, lambda _: None, lambda _: None, available)
    assert rollout(cluster, reported).finish() == ANSWER
    assert api.the("Deployment", NAME)["metadata"]["annotations"][PASSED] == "h2"
    assert reported[-1] == f"{NAME}: 2 of 2 replicas updated, 2 available"


def test_an_image_that_another_apply_brings_meanwhile_is_reported(api, cluster, reported, deployed):
    def replaced(deployment):
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = OLD_IMAGE
        available(deployment)

    api.script("Deployment", NAME, lambda _: None, lambda _: None, replaced)
    with pytest.raises(RolloutFailed, match="something else applied it meanwhile") as caught:
        rollout(cluster, reported).finish()
    assert f"has {OLD_IMAGE}, not {SETTINGS.serving_reference}" in str(caught.value)
    assert api.the("Deployment", NAME)["metadata"]["annotations"][PASSED] == "h1"


def test_what_the_controller_has_not_seen_yet_is_not_rolled_out(api, cluster, reported, deployed):
    def stale(deployment):
        available(deployment)
        deployment["status"]["observedGeneration"] = deployment["metadata"]["generation"] - 1

    api.script("Deployment", NAME, stale, stale, stale, available)
    rollout(cluster, reported).finish()
    assert not api.steps["Deployment", NAME]


def test_endpoints_may_come_late(api, cluster, reported, deployed):
    available(deployed)
    api.fail("POST", "/proxy/answer", 503, "no endpoints available", times=2)
    assert rollout(cluster, reported, answer_s=10).finish() == ANSWER


@pytest.mark.parametrize("wrong", [{"answer": "another"}, {"confidence": 2}])
def test_a_wrong_answer_is_rolled_back(api, cluster, reported, deployed, wrong):
    available(deployed)
    api.answers["/answer"] = [ANSWER | wrong, ANSWER]
    recover(api)
    with pytest.raises(RolloutFailed, match="answers wrongly") as caught:
        rollout(cluster, reported).finish()
    assert f"rolled back to revision 1, the last that passed, with {OLD_IMAGE}" in str(caught.value)
    assert image(api) == OLD_IMAGE


FAILURES = {
    "deadline": condition("Progressing", "False", "ProgressDeadlineExceeded"),
    "quota": condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: small"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_the_controller_gives_up_is_rolled_back(api, cluster, reported, deployed, failure):
    api.script("Deployment", NAME, *[FAILURES[failure]] * 60, *[available] * 100)
    with pytest.raises(RolloutFailed) as caught:
        rollout(cluster, reported).finish()
    message = str(caught.value)
    assert message.startswith(f"Deployment {NAMESPACE}/{NAME} can't be rolled out: ")
    assert {"deadline": "ProgressDeadlineExceeded: because", "quota": "exceeded quota: small"}[failure] in message
    assert image(api) == OLD_IMAGE
    assert "pod-template-hash" not in api.the("Deployment", NAME)["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff"])
def test_pods_without_hope_are_rolled_back_with_their_log(api, cluster, reported, deployed, reason):
    state = {"waiting": {"reason": reason, "message": "back-off"}}
    api.put(
        "Pod",
        f"{NAME}-x",
        NAMESPACE,
        metadata={"labels": labels(SERVING) | {"pod-template-hash": "h2"}},
        spec={"containers": [{"name": "service"}]},
        status={"phase": "Pending", "containerStatuses": [{"name": "service", "state": state}]},
    )
    api.logs[f"{NAME}-x", "service"] = [b"2026-01-01T00:00:00Z error: model.yaml is missing\n"]
    api.script("Deployment", NAME, *[lambda _: None] * 60, *[available] * 100)
    with pytest.raises(RolloutFailed, match=f"{reason}: back-off") as caught:
        rollout(cluster, reported).finish()
    assert "error: model.yaml is missing" in str(caught.value)
    assert image(api) == OLD_IMAGE


def test_pods_of_another_revision_are_no_obstacle(api, cluster, reported, deployed):
    api.put(
        "Pod",
        f"{NAME}-old",
        NAMESPACE,
        metadata={"labels": labels(SERVING) | {"pod-template-hash": "h1"}},
        spec={"containers": [{"name": "service"}]},
        status={"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
    )
    api.script("Deployment", NAME, *[lambda _: None] * 40, available)
    assert rollout(cluster, reported).finish() == ANSWER


def test_without_a_revision_that_passed_nothing_is_rolled_back(api, cluster, reported, deployed):
    del deployed["metadata"]["annotations"][PASSED]
    api.script("Deployment", NAME, *[FAILURES["deadline"]] * 100)
    with pytest.raises(RolloutFailed, match="nothing to roll back to: no revision has passed before"):
        rollout(cluster, reported).finish()
    assert image(api) == SETTINGS.serving_reference


def test_a_revision_that_is_gone_is_reported(api, cluster, reported, deployed):
    deployed["metadata"]["annotations"][PASSED] = "h9"
    api.script("Deployment", NAME, *[FAILURES["deadline"]] * 200)
    with pytest.raises(RolloutFailed, match="the revision that had passed is not on the cluster any more"):
        rollout(cluster, reported).finish()


def test_a_deployment_that_is_deleted_meanwhile_is_reported(api, cluster, reported, deployed):
    api.script("Deployment", NAME, lambda _: None, lambda _: None, None)
    with pytest.raises(RolloutFailed, match="was it deleted meanwhile"):
        rollout(cluster, reported).finish()


def test_a_rollout_that_takes_too_long_says_how_far_it_is(api, cluster, reported, deployed):
    hasty = Rollout(cluster, SETTINGS.model_copy(update={"rollout_deadline_s": 0}), reported.append, poll_s=0.001)
    with pytest.raises(RolloutFailed, match=r"is not rolled out after 0 s \(0 of 2 replicas updated"):
        hasty.wait()


def test_a_drop_while_it_is_watched_is_no_failure(api, cluster, reported, deployed):
    api.fail("GET", f"/deployments/{NAME}", DROP, times=3)
    available(deployed)
    assert rollout(cluster, reported).finish() == ANSWER


def test_rolling_back_by_hand_goes_to_the_revision_before(api, cluster, reported, deployed):
    deployed["metadata"]["annotations"][PASSED] = "h2"
    recover(api)
    assert rollout(cluster, reported).roll_back() == OLD_IMAGE
    assert image(api) == OLD_IMAGE


def test_the_first_revision_has_nothing_before_it(api, cluster, reported, deployed):
    deployed["metadata"]["annotations"] = {REVISION: "2", PASSED: "h2"}
    del api.objects["ReplicaSet", NAMESPACE, f"{NAME}-1"]
    with pytest.raises(RolloutFailed, match="no other revision"):
        rollout(cluster, reported).roll_back()


def test_a_rollback_that_fails_is_reported_too(api, cluster, reported, deployed):
    api.script("Deployment", NAME, *[FAILURES["deadline"]] * 500)
    with pytest.raises(RolloutFailed, match=r"rolling back to the revision that had passed failed too: .*because"):
        rollout(cluster, reported).finish()


def test_what_fails_again_after_it_had_passed_is_left(api, cluster, reported, deployed):
    deployed["metadata"]["annotations"][PASSED] = "h2"
    api.script("Deployment", NAME, *[FAILURES["deadline"]] * 100)
    with pytest.raises(RolloutFailed, match="this is the revision that had passed before"):
        rollout(cluster, reported).finish()


@pytest.mark.parametrize("replicas", [0, 1])
def test_there_are_the_least_replicas_before_it_is_waited_for(api, cluster, reported, deployed, replicas):
    deployed["spec"]["replicas"] = replicas
    api.script("Deployment", NAME, *[lambda _: None] * 3, available)
    assert rollout(cluster, reported).finish() == ANSWER
    assert api.the("Deployment", NAME)["spec"]["replicas"] == 2
    assert reported[0] == f"{NAME}: scaled from {replicas} to 2 replicas"


def test_a_controller_that_does_nothing_is_named_while_it_is_waited_for(api, cluster, reported, deployed):
    """The Deployment is changed, and its status stays that of the generation before."""
    available(deployed)
    deployed["metadata"]["annotations"] = {REVISION: "1", PASSED: "h1"}
    deployed["metadata"]["generation"] += 1
    with pytest.raises(RolloutFailed) as caught:
        rollout(cluster, reported, idle_s=0.01, settings=SETTINGS.model_copy(update={"rollout_deadline_s": 1})).finish()
    remedy = "check that kube-controller-manager runs (`kubectl -n kube-system get pods`)"
    assert remedy in reported[-1]
    message = str(caught.value)
    assert message.startswith(f"Deployment {NAMESPACE}/{NAME} is not rolled out after 1 s (2 of 2 replicas updated")
    assert remedy in message
    assert "nothing was rolled back: once the controller runs it rolls this out" in message


def test_a_controller_that_comes_back_is_waited_for(api, cluster, reported, deployed):
    api.script("Deployment", NAME, *[lambda _: None] * 60, available)
    assert rollout(cluster, reported, idle_s=0.001).finish() == ANSWER
    assert any("kube-controller-manager" in line for line in reported)
    assert "kube-controller-manager" not in reported[-1]
