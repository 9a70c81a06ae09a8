"""The whole path, as it is typed, on the cluster that KUBECONFIG names, in namespaces of its own.

KUBECONFIG is an administrator's, who applies what only an administrator may: namespaces, access and the volume. All
else is done as the account `qna-deployer`, whose rights are the least that docs/deploy.md names.

Image and registry come from the environment, as for every deployment: QNA_DEPLOY_REGISTRY, QNA_DEPLOY_SERVING_IMAGE
and so on. With QNA_DEPLOY_TRAINING_IMAGE the serving image is trained and built on the cluster first; without, it has
to be in the registry. QNA_E2E_KEEP=1 leaves everything where it is. Events and logs go to runs/e2e.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config

from deploy import settings
from deploy.apply import ADMINISTRATORS, apply
from deploy.cluster import Cluster
from deploy.errors import DeployError
from deploy.objects.access import DEPLOYER
from tests.commands import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(5400)]

CAPTURED = ROOT / "runs/e2e"
ACCOUNT = CAPTURED / "deployer.kubeconfig"
ADMINISTRATOR = os.environ.get("KUBECONFIG", "")
NOWHERE = "sha256:" + "0" * 64
GONE_S = 120


@pytest.fixture(scope="module")
def flags():
    """Namespaces, a port and a volume that are nobody else's."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster: set KUBECONFIG to the file that names one")
    if not os.environ.get(settings.variable("registry")):
        pytest.skip("no registry: set QNA_DEPLOY_REGISTRY and QNA_DEPLOY_SERVING_IMAGE to where the image is")
    own = secrets.token_hex(3)
    chosen = {
        "training-namespace": f"qna-e2e-{own}-training",
        "serving-namespace": f"qna-e2e-{own}-serving",
        "volume": f"qna-e2e-{own}",
        "storage-path": f"/tmp/qna-e2e-{own}",
        "node-port": str(30100 + secrets.randbelow(2600)),
        "rollout-deadline-s": "300",
    }
    words = [word for name, value in chosen.items() for word in (f"--{name}", value)]
    cluster = Cluster.connect()
    namespaces = [chosen["training-namespace"], chosen["serving-namespace"]]
    administer(cluster, words)
    yield words
    capture(cluster, namespaces)
    if os.environ.get("QNA_E2E_KEEP") != "1":
        gone = deploy("delete", "--yes", "--purge", flags=words, account=ADMINISTRATOR)
        assert gone.returncode == 0, gone.stderr
        deadline = time.monotonic() + GONE_S
        while any(cluster.get("Namespace", name) for name in namespaces) and time.monotonic() < deadline:
            time.sleep(1)
        assert not [name for name in namespaces if cluster.get("Namespace", name)]


def administer(cluster, flags):
    """Apply what only an administrator may, and write the deployer's KUBECONFIG."""
    rendered = deploy("render", "--output", "json", flags=flags, account=ADMINISTRATOR)
    objects = [made for made in json.loads(rendered.stdout)["items"] if made["kind"] in ADMINISTRATORS]
    apply(cluster, objects, lambda _: None)
    place = next(made["metadata"]["namespace"] for made in objects if made["metadata"]["name"] == DEPLOYER)
    token = core().create_namespaced_service_account_token(DEPLOYER, place, {"spec": {"expirationSeconds": 7200}})
    known = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    used = next(c["context"]["user"] for c in known["contexts"] if c["name"] == known["current-context"])
    known["users"] = [{"name": used, "user": {"token": token.status.token}}]
    CAPTURED.mkdir(parents=True, exist_ok=True)
    ACCOUNT.write_text(yaml.safe_dump(known))
    ACCOUNT.chmod(0o600)


def core():
    """The official client's API, for what `python -m deploy` never does."""
    config.load_kube_config(os.environ["KUBECONFIG"])
    return client.CoreV1Api()


def deploy(*words, flags, account=None):
    """Run `python -m deploy` as a person does, as the deployer or another account (its KUBECONFIG)."""
    command = [sys.executable, "-m", "deploy", *words, *flags]
    environment = {**os.environ, "KUBECONFIG": account or str(ACCOUNT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=5000)
    CAPTURED.mkdir(parents=True, exist_ok=True)
    with (CAPTURED / "commands.log").open("a", encoding="utf-8") as log:
        log.write(f"$ python -m deploy {' '.join([*words, *flags])}\n{done.stdout}{done.stderr}")
        log.write(f"(exit code {done.returncode})\n\n")
    return done


def capture(cluster, namespaces):
    """Keep what the cluster says of it: events, pods, and the logs of all containers."""
    for namespace in namespaces:
        folder = CAPTURED / namespace
        folder.mkdir(parents=True, exist_ok=True)
        pods = cluster.find("Pod", namespace)
        for kind, found in (("events", cluster.find("Event", namespace)), ("pods", pods)):
            (folder / f"{kind}.json").write_text(json.dumps(found, indent=1))
        for pod in pods:
            for container in pod["spec"]["containers"]:
                name = pod["metadata"]["name"]
                with suppress(DeployError):
                    lines = cluster.log(name, container["name"], namespace, tail=2000)
                    (folder / f"{name}.log").write_text("\n".join(line.text for line in lines))


@pytest.fixture(scope="module")
def image(flags):
    """Flags that name the image: as it was built here, or as the environment says."""
    if not os.environ.get(settings.variable("training_image")):
        return flags
    trained = deploy("train", flags=flags)
    assert trained.returncode == 0, trained.stderr[-4000:]
    assert trained.stdout.startswith("extractive-qa:")
    again = deploy("train", flags=flags)
    assert again.stdout == trained.stdout
    assert "not made again" in again.stderr
    packaged = deploy("package", flags=flags)
    assert packaged.returncode == 0, packaged.stderr[-4000:]
    assert packaged.stdout.startswith("extractive-qa:")
    built = deploy("build", flags=flags)
    assert built.returncode == 0, built.stderr[-4000:]
    return [*flags, "--digest", built.stdout.strip()]


def test_the_cluster_is_ready(flags):
    done = deploy("preflight", flags=flags)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_proves_its_model(image):
    done = deploy("verify", "--output", "json", flags=image)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    assert report["model"].startswith("extractive-qa:")
    assert report["files"] == 5


def test_it_is_applied_and_answers(image):
    done = deploy("apply", "--output", "json", flags=image)
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout)["answer"]["answer"]
    again = deploy("apply", "--output", "json", flags=image)
    assert {entry["action"] for entry in json.loads(again.stdout)["applied"]} == {"unchanged", "kept"}


def test_status_shows_it(image):
    found = json.loads(deploy("status", "--output", "json", flags=image).stdout)
    assert found["service"]["model"].startswith("extractive-qa:")
    assert found["deployment"]["available"] >= 2
    assert found["deployment"]["passed"] is True


def test_load_from_inside_is_answered(image):
    if not os.environ.get(settings.variable("training_image")):
        pytest.skip("Locust is in the training image: set QNA_DEPLOY_TRAINING_IMAGE")
    done = deploy("load", "--load-shape", "steps:users=4,step=2,seconds=10", flags=image)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "0(0.00%)" in done.stderr


def test_an_image_that_is_not_there_is_rolled_back(image):
    done = deploy("apply", flags=[*image, "--digest", NOWHERE])
    assert done.returncode == 6
    assert "can't be rolled out: " in done.stderr
    assert "rolled back to revision 1, the last that passed" in done.stderr
    found = json.loads(deploy("status", "--output", "json", flags=image).stdout)
    assert not found["deployment"]["image"].endswith(NOWHERE)
    assert found["service"]["model"].startswith("extractive-qa:")


def test_a_dry_run_of_the_server_finds_nothing_to_change(image):
    done = deploy("apply", "--dry-run", "server", "--output", "json", flags=image)
    assert {entry["action"] for entry in json.loads(done.stdout)["applied"]} <= {"unchanged", "configured", "kept"}
