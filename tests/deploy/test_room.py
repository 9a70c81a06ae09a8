"""Rollouts where fewer pods fit than the HPA wants, under the controller's own arithmetic."""

import itertools

import pytest

from deploy import render, room
from deploy.apply import apply
from deploy.errors import RolloutFailed
from deploy.rollout import PASSED, Rollout
from tests.deploy.conftest import SETTINGS
from tests.deploy.controller import Controller
from tests.deploy.test_rollout import ANSWER, NAME, NAMESPACE

NEW = SETTINGS.model_copy(update={"digest": "sha256:" + "3" * 64})


def start(api, cluster, desired, capacity, **more):
    """Run SETTINGS' image as far as it fits, passed; then apply NEW's."""
    api.answers["/answer"] = ANSWER
    apply(cluster, itertools.chain(*render.manifests(SETTINGS).values()), lambda _: None)
    deployment = api.the("Deployment", NAME)
    deployment["metadata"].setdefault("annotations", {})
    deployment["spec"]["replicas"] = desired
    control = Controller(api, NAMESPACE, capacity, **more)
    control.settle(deployment)
    deployment["metadata"]["annotations"][PASSED] = passed(api)
    apply(cluster, render.objects(NEW, "serving"), lambda _: None)
    api.script("Deployment", NAME, *[control] * 5000)
    return control


def passed(api):
    """Return the hash of the newest ReplicaSet."""
    owners = [owner for (kind, _, _), owner in api.objects.items() if kind == "ReplicaSet"]
    newest = max(owners, key=lambda owner: int(owner["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))
    return newest["metadata"]["labels"]["pod-template-hash"]


def rollout(cluster, reported, settings=NEW, deadline_s=20, **more):
    hasty = settings.model_copy(update={"rollout_deadline_s": deadline_s})
    patience = {"poll_s": 0.0005, "grace_s": 0.05, "answer_s": 0.05, "settle_s": 0.02, "idle_s": 5} | more
    return Rollout(cluster, hasty, reported.append, **patience)


def running(control):
    return {pod["spec"]["containers"][0]["image"] for pod in control.pods() if "nodeName" in pod["spec"]}


def strategy(api):
    return api.the("Deployment", NAME)["spec"]["strategy"]["rollingUpdate"]


@pytest.mark.parametrize(("desired", "capacity", "kept"), [(10, 8, 6), (10, 3, 2), (3, 3, 2), (10, 10, 8), (4, 5, 4)])
def test_a_rollout_goes_as_far_as_there_is_room(api, cluster, reported, desired, capacity, kept):
    """A quarter of what is available leaves at a time, and min_replicas, 2, always stay."""
    control = start(api, cluster, desired, capacity)
    assert rollout(cluster, reported).finish() == ANSWER
    assert running(control) == {NEW.serving_reference}
    assert control.available() == min(desired, capacity)
    assert control.least == kept
    assert strategy(api) == {"maxSurge": 1, "maxUnavailable": 0}
    named = any("fit on no node (0/1 nodes are available: 1 Insufficient cpu)" in line for line in reported)
    assert named == (capacity <= desired)
    if capacity < desired:
        assert "rolled out as far as there is room; add a node" in reported[-1]


def test_at_the_least_replicas_none_leaves_and_the_remedy_is_reported(api, cluster, reported):
    control = start(api, cluster, desired=2, capacity=2)
    with pytest.raises(RolloutFailed) as caught:
        rollout(cluster, reported, deadline_s=1).finish()
    message = str(caught.value)
    assert "1 new pod(s) fit on no node (0/1 nodes are available: 1 Insufficient cpu)" in message
    assert "old pods make room only while more than min_replicas (2) are available; add a node, free one" in message
    assert control.least == 2
    assert any("min_replicas (2)" in line for line in reported)  # long before it fails


def test_what_crashes_is_rolled_back_where_not_all_fit(api, cluster, reported):
    control = start(api, cluster, desired=10, capacity=8, broken={NEW.serving_reference})
    with pytest.raises(RolloutFailed, match="CrashLoopBackOff") as caught:
        rollout(cluster, reported).finish()
    assert "rolled back to revision" in str(caught.value)
    assert running(control) == {SETTINGS.serving_reference}
    assert control.available() == 8
    assert control.least >= 6
    assert strategy(api) == {"maxSurge": 1, "maxUnavailable": 0}


def shrinking(api, cluster, reported, desired):
    """Roll out while the HPA wants fewer pods from the moment on when old ones leave."""

    def report(line):
        reported.append(line)
        if "old ones leave first" in line:
            api.the("Deployment", NAME)["spec"]["replicas"] = desired

    return Rollout(cluster, NEW, report, poll_s=0.0005, grace_s=0.05, answer_s=0.05, settle_s=0.02)


@pytest.mark.parametrize(("capacity", "desired"), [(8, 2), (8, 3), (4, 6)])
def test_fewer_pods_that_are_wanted_meanwhile_stay_at_their_minimum(api, cluster, reported, capacity, desired):
    control = start(api, cluster, desired=10, capacity=capacity)
    shrinking(api, cluster, reported, desired).finish()
    assert running(control) == {NEW.serving_reference}
    assert control.least >= 2


def test_what_was_meant_for_more_pods_is_taken_back(api, cluster, reported):
    """4 of 10 pods fit and 3 stay: 70 %. Of 3 pods that would leave 1, so that only a third may go."""
    control = start(api, cluster, desired=10, capacity=4)
    shrinking(api, cluster, reported, 3).finish()
    assert running(control) == {NEW.serving_reference}
    assert control.strategies == [0, "70%", "33%", 0]


@pytest.mark.parametrize(("available", "least", "kept"), [(8, 2, 6), (10, 2, 8), (3, 2, 2), (2, 2, 2), (1, 2, 2)])
def test_a_quarter_leaves_and_the_minimum_stays(available, least, kept):
    assert room.available_floor(available, least) == kept


@pytest.mark.parametrize(("desired", "kept"), [(10, 6), (10, 2), (7, 4), (3, 2), (2, 2), (30, 11)])
def test_the_percentage_keeps_as_many_as_it_is_meant_to(desired, kept):
    assert room.least_available(desired, room.unavailable_percent(desired, kept)) == kept
