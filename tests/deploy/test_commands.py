"""The commands, as they are typed, on a cluster of objects alone."""

import json

import pytest

from deploy.__main__ import main
from deploy.objects.common import SERVING, labels
from deploy.patience import ATTEMPTS
from deploy.revisions import REVISION
from deploy.rollout import PASSED
from tests.deploy.api import DROP
from tests.deploy.job_controller import finished, pod
from tests.deploy.test_rollout import ANSWER, available, replica_set

DIGEST = "sha256:" + "1" * 64
FLAGS = ["--registry", "registry.example", "--digest", DIGEST]
IMAGE = f"registry.example/ashutoshj/qna_service@{DIGEST}"


@pytest.fixture
def answering(api, cluster):
    """A cluster whose controller makes everything available at once."""
    api.answers |= {
        "/answer": ANSWER,
        "/health": {"model": {"tag": "extractive-qa:abc"}, "bento": "extractive-qa:def", "version": "0.1.0"},
    }

    def controller(deployment):
        available(deployment)
        deployment["metadata"].setdefault("annotations", {})[REVISION] = "1"
        replica_set(api, "1", IMAGE)

    api.script("Deployment", "model-inference", *[controller] * 50)
    return api


def test_apply_rolls_out_by_digest_and_asks(answering, capsys):
    assert main(["apply", *FLAGS, "--output", "json"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["image"] == IMAGE
    assert report["answer"] == ANSWER
    assert {entry["action"] for entry in report["applied"]} == {"created"}
    assert "Deployment serving-model-env/model-inference created" in printed.err


def test_an_api_server_that_is_away_for_a_while_is_waited_for(answering, capsys):
    answering.fail("GET", "/replicasets", DROP, times=3 * ATTEMPTS)
    answering.fail("PATCH", "/deployments/model-inference", 503, times=3 * ATTEMPTS)
    assert main(["apply", *FLAGS]) == 0
    reported = capsys.readouterr().err
    assert reported.count(f"{answering.url} does not answer; waiting for it, 600 s at most") == 2
    assert reported.count(f"{answering.url} answers again after") == 2
    assert PASSED in answering.the("Deployment", "model-inference")["metadata"]["annotations"]


def test_a_dry_run_of_the_client_needs_no_cluster(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert main(["apply", *FLAGS, "--dry-run", "client"]) == 0
    assert "Deployment serving-model-env/model-inference" in capsys.readouterr().out


def test_a_dry_run_of_the_server_changes_nothing(answering, capsys):
    assert main(["apply", *FLAGS, "--dry-run", "server"]) == 0
    assert not answering.objects


def test_status_tells_what_runs(answering, capsys):
    main(["apply", *FLAGS])
    answering.the("HorizontalPodAutoscaler", "qna-hpa")["status"] = {
        "desiredReplicas": 2,
        "currentMetrics": [{"type": "Resource", "resource": {"current": {"averageUtilization": 3}}}],
    }
    about = {"labels": labels(SERVING)}
    answering.put("Pod", "model-inference-x", "serving-model-env", metadata=about, status={"phase": "Running"})
    capsys.readouterr()
    assert main(["status", *FLAGS]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown == {
        "model": "extractive-qa:abc",
        "Bento": "extractive-qa:def",
        "image": IMAGE,
        "replicas": "2 of 2 available",
        "revision": "1, passed",
        "HPA": "2 to 10, wants 2",
        "CPU": "3 % of the request, 5 % wanted",
        "pod": "model-inference-x Running",
    }


def scaler(status):
    rows = status.splitlines()
    return next(row for row in rows if row.startswith("HPA")), next(row for row in rows if row.startswith("CPU"))


def test_status_says_of_an_autoscaler_without_a_metric_that_it_has_not_decided(answering, capsys):
    """An HPA has no status at first, and then conditions, 0 desired replicas and no metric."""
    main(["apply", *FLAGS])
    capsys.readouterr()
    main(["status", *FLAGS])
    hpa, cpu = scaler(capsys.readouterr().out)
    assert (
        hpa
        == "HPA       2 to 10, has not decided yet: it reads its first metric up to a minute after the pods are ready"
    )
    assert cpu == "CPU       not read yet, 5 % wanted"
    why = {"reason": "FailedGetResourceMetric", "message": "no metrics returned from resource metrics API"}
    answering.the("HorizontalPodAutoscaler", "qna-hpa")["status"] = {
        "currentReplicas": 2,
        "desiredReplicas": 0,
        "currentMetrics": None,
        "conditions": [{"type": "ScalingActive", "status": "False"} | why],
    }
    assert main(["status", *FLAGS, "--output", "json"]) == 0
    message = json.loads(capsys.readouterr().out)["autoscaler"]
    assert message["desired"] is None
    assert message["problem"] == f"has not decided: {why['reason']}: {why['message']}"


def test_status_says_of_an_autoscaler_that_lost_its_metrics_that_it_scales_nothing(answering, capsys):
    """Such an HPA keeps the replicas that it wanted last, and the last metric."""
    main(["apply", *FLAGS])
    why = {"reason": "FailedGetResourceMetric", "message": "the server is currently unable to handle the request"}
    answering.the("HorizontalPodAutoscaler", "qna-hpa")["status"] = {
        "currentReplicas": 3,
        "desiredReplicas": 3,
        "currentMetrics": [{"type": "Resource", "resource": {"current": {"averageUtilization": 40}}}],
        "conditions": [{"type": "ScalingActive", "status": "False"} | why],
    }
    capsys.readouterr()
    assert main(["status", *FLAGS]) == 0
    hpa, cpu = scaler(capsys.readouterr().out)
    assert hpa == f"HPA       2 to 10, wants 3; scales nothing now: {why['reason']}: {why['message']}"
    assert cpu == "CPU       40 % of the request when it was last read, 5 % wanted"


def test_status_tells_restarts_and_their_reason(answering, capsys):
    about = {"labels": labels(SERVING)}
    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    container = {"name": "service", "state": {"running": {}}, "lastState": killed, "restartCount": 2}
    state = {"phase": "Running", "containerStatuses": [container]}
    answering.put("Pod", "model-inference-x", "serving-model-env", metadata=about, status=state)
    main(["status", *FLAGS])
    message = "model-inference-x Running (restarted 2 times, last: OOMKilled, exit code 137)"
    assert message in capsys.readouterr().out


def test_status_of_nothing_says_so(api, cluster, capsys):
    assert main(["status", *FLAGS]) == 0
    assert "nothing is deployed; run `python -m deploy apply`" in capsys.readouterr().out


def test_delete_leaves_the_models(answering, capsys):
    main(["apply", *FLAGS])
    assert main(["delete", *FLAGS, "--yes"]) == 0
    left = {(kind, name) for kind, _, name in answering.objects}
    assert left == {
        ("Namespace", "training-model-env"),
        ("PersistentVolume", "train-model-pv"),
        ("PersistentVolumeClaim", "train-model-pvc"),
    }
    assert main(["delete", *FLAGS, "--yes", "--purge"]) == 0
    assert not answering.objects


def test_delete_asks_first(answering, capsys, monkeypatch):
    main(["apply", *FLAGS])
    before = len(answering.objects)
    assert main(["delete", *FLAGS]) == 1  # nobody is there to be asked
    assert "nothing was deleted; give --yes" in capsys.readouterr().err
    assert len(answering.objects) == before


def test_preflight_ends_with_its_own_code(api, cluster, capsys):
    assert main(["preflight", *FLAGS]) == 7
    printed = capsys.readouterr()
    assert "-> install metrics-server" in printed.out
    assert "error: the cluster is not ready: " in printed.err


def test_a_cluster_that_is_not_there_has_its_own_code(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert main(["status", *FLAGS]) == 3
    assert "set KUBECONFIG" in capsys.readouterr().err


def test_a_build_without_a_bento_says_what_to_do(api, cluster, capsys):
    assert main(["build", "--registry", "registry.example"]) == 5
    assert "run `python -m deploy package`, or set --tag" in capsys.readouterr().err


def test_verify_tells_what_the_image_says_of_its_model_and_keeps_it(api, cluster, capsys, tmp_path):
    reported = {
        "bento": "extractive-qa:b",
        "model": "extractive-qa:m",
        "files": 5,
        "metrics": {"f1": 77.8432, "total": 163},
    }
    reported |= {"metrics": {"f1": 77.8432, "total": 163}, "answer": "Paris", "confidence": 0.9446}

    api.script("Job", "copy-model-job", finished("Complete"))
    pod(api, "copy-model-job", "verify", "serving-model-env", json.dumps(reported))
    assert main(["verify", *FLAGS, "--result", str(tmp_path / "new" / "verified")]) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "new" / "verified").read_text() == printed
    assert dict(line.split(maxsplit=1) for line in printed.splitlines()) == {
        "model": "extractive-qa:m",
        "Bento": "extractive-qa:b",
        "files": "5, as they were stored",
        "f1": "77.84",
        "total": "163",
        "answer": "Paris (0.94)",
    }


def test_a_training_that_leaves_no_tag_is_a_failure(api, cluster, capsys):
    api.script("Job", "train-model-job", finished("Complete"))
    assert main(["train", *FLAGS]) == 5
    assert "left '' instead of a tag" in capsys.readouterr().err
