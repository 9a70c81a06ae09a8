"""The commands as accounts with few rights type them: an administrator has applied its part, and no more."""

import json

import pytest

from deploy import render
from deploy.__main__ import main
from deploy.apply import ADMINISTRATORS, apply
from deploy.revisions import REVISION
from tests.deploy.conftest import SETTINGS
from tests.deploy.job_controller import finished, pod
from tests.deploy.test_commands import FLAGS, IMAGE
from tests.deploy.test_preflight import ready  # noqa: F401  # a fixture
from tests.deploy.test_rollout import ANSWER, available, replica_set

DEPLOYER, NOBODY = "training-model-env:qna-deployer", "default:nobody"


@pytest.fixture
def administered(api, cluster):
    """A cluster with an administrator's part alone, asked by the deployer."""
    part = render.objects(SETTINGS, "namespaces", "access", "storage")
    apply(cluster, [manifest for manifest in part if manifest["kind"] in ADMINISTRATORS], lambda _: None)
    api.user = DEPLOYER
    return api


@pytest.fixture
def answering(administered):
    """The same, with a controller that makes everything available at once."""

    def controller(deployment):
        available(deployment)
        deployment["metadata"].setdefault("annotations", {})[REVISION] = "1"
        replica_set(administered, "1", IMAGE)

    administered.answers["/answer"] = ANSWER
    administered.script("Deployment", "model-inference", *[controller] * 50)
    return administered


def test_the_server_drops_what_a_real_one_drops(administered):
    assert "storageClassName" not in administered.the("PersistentVolume", "train-model-pv")["spec"]


def test_the_deployer_applies_beside_what_an_administrator_has_applied(answering, capsys):
    assert main(["apply", *FLAGS, "--output", "json"]) == 0
    actions = {entry["name"]: entry["action"] for entry in json.loads(capsys.readouterr().out)["applied"]}
    assert actions["PersistentVolume train-model-pv"] == "kept"
    assert actions["ClusterRole qna-deployer-training-model-env"] == "kept"
    assert actions["PersistentVolumeClaim training-model-env/train-model-pvc"] == "created"
    assert actions["Deployment serving-model-env/model-inference"] == "created"


def test_the_deployer_runs_jobs(administered, capsys):
    pod(administered, "train-model-job", "train", "training-model-env", "extractive-qa:abc")
    administered.script("Job", "train-model-job", finished("Complete"))
    assert main(["train", *FLAGS]) == 0
    assert capsys.readouterr().out == "extractive-qa:abc\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ["--storage-size", "2Gi"],
            "PersistentVolume train-model-pv is not what these settings make, and these credentials may not change it: "
            "spec.capacity.storage is 1Gi, and these settings make it 2Gi",
        ),
        (["--storage-path", "/srv/model"], "spec.hostPath.path is /mnt/model, and these settings make it /srv/model"),
        (["--volume", "mine"], "ClusterRole qna-deployer-training-model-env is not what these settings make"),
    ],
)
def test_a_setting_that_differs_from_the_administrators_is_named(answering, capsys, flags, expected):
    assert main(["apply", *FLAGS, *flags]) == 4
    message = capsys.readouterr().err
    assert expected in message
    assert "deploy with the settings that it was applied with, or have an administrator apply 00-namespaces" in message
    assert "ask an administrator for this right" not in message


def test_an_amount_that_is_written_in_another_way_is_the_same(answering):
    assert main(["apply", *FLAGS, "--storage-size", "1024Mi"]) == 0


def test_a_volume_that_nobody_has_applied_is_reported(answering, capsys):
    del answering.objects["PersistentVolume", "", "train-model-pv"]
    assert main(["apply", *FLAGS]) == 4
    message = capsys.readouterr().err
    assert "PersistentVolume train-model-pv is not on the cluster, and these credentials may not create it" in message


@pytest.fixture
def looked_at(ready, cluster):  # noqa: F811
    """A cluster that has everything, the administrator's part included."""
    apply(cluster, render.objects(SETTINGS, "namespaces", "access", "storage"), lambda _: None)
    return ready


def lines(printed):
    return {line.split()[1]: line for line in printed.splitlines() if not line.startswith(" ")}


def test_the_preflight_of_the_deployer_knows_all_but_the_secrets(looked_at, capsys):
    looked_at.user = DEPLOYER
    assert main(["preflight", *FLAGS, "--output", "json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    unknown = [finding["check"] for finding in findings if finding["level"] != "ok"]
    assert unknown == ["registry secret", "registry secret"]
    assert {"capacity", "node port", "permissions"} <= {entry["check"] for entry in findings if entry["level"] == "ok"}


def test_the_preflight_of_the_deployer_finds_what_differs(looked_at, capsys):
    looked_at.user = DEPLOYER
    assert main(["preflight", *FLAGS, "--storage-size", "2Gi"]) == 7
    printed = capsys.readouterr()
    assert "spec.capacity.storage is 1Gi, and these settings make it 2Gi" in printed.out
    assert printed.err.endswith("the cluster is not ready: permissions\n")


def test_the_preflight_of_who_may_do_nothing_names_the_permissions(looked_at, capsys):
    looked_at.user = NOBODY
    assert main(["preflight", *FLAGS, "--output", "json"]) == 7
    printed = capsys.readouterr()
    errors = [entry for entry in json.loads(printed.out) if entry["level"] == "error"]
    assert [entry["check"] for entry in errors] == ["permissions"]
    assert "in serving-model-env, patch NetworkPolicy, Deployment, Service" in errors[0]["message"]
    assert "; read Namespace training-model-env, Namespace serving-model-env and 13 more" in errors[0]["message"]
    assert "metrics-server" not in printed.out
    assert printed.err.endswith("error: the cluster is not ready: permissions\n")


def test_a_namespace_that_is_being_deleted_is_no_missing_right(answering, capsys):
    main(["apply", *FLAGS])
    answering.user, answering.linger = None, 10**6
    answering.delete("Namespace", "", "serving-model-env")
    del answering.objects["Deployment", "serving-model-env", "model-inference"]
    assert main(["apply", *FLAGS]) == 4
    message = capsys.readouterr().err
    assert "the namespace is still being deleted; run this again once it is gone" in message
    assert "ask an administrator" not in message
