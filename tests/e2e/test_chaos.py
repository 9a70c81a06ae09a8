"""What a service under a steady load loses when parts of it, or of the cluster, fail; and how long until it is whole.

The load is that of tests/e2e/traffic.py. Each scenario gives a row of the table that is printed at the end and kept in
runs/e2e/chaos.json. What is planned (a rollout, a drain) fails no request at all. What breaks a pod fails first
attempts for as long as the cluster takes to notice, and no request that is sent again. Times have about three times of
what was seen on one node of two cores that were busy with other things.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.stream import stream
from tabulate import tabulate

from deploy.objects.storage import FOLDER
from deploy.settings import variable
from tests import tiny
from tests.e2e import node
from tests.e2e.deployment import CAPTURED, administrator, core, deploy, deploying, ended
from tests.e2e.pods import LIMIT_S, deployed_image, evict, incarnation, pull_failure, ready, wait_for, whole_again
from tests.e2e.traffic import ATTEMPTS, PER_S, Traffic

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

REPLICAS = 3
SETTINGS = {"max-replicas": str(REPLICAS), "scale-down-s": "15", "cpu-percent": "1"}
"""Any load keeps the HPA at its maximum."""
STEADY = 3 * PER_S
"""How many requests in a row are answered at once when the service is well."""
UNNOTICED = 6 * PER_S // REPLICAS
"""Requests to a pod whose process has ended, for 6 s at most: kubelet, endpoints and proxies take 1 s each."""
FROZEN = 18 * PER_S // REPLICAS
"""Requests to a frozen pod, for 18 s at most: its readiness probe takes 8 s, its liveness probe would take 30."""
METRICS = "v1beta1.metrics.k8s.io"
FILL = """
import os, time
for _ in range(40):
    if os.fork() == 0:
        held = bytearray(b"x") * (40 * 2**20)
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""
"""Fills a container's memory with processes that are each smaller than the service, the one that the kernel ends."""


@dataclass
class Outcome:
    """A row of the table. failed: requests whose first attempt failed. lost: those that no attempt saved."""

    scenario: str
    requests: int = 0
    failed: int = 0
    lost: int = 0
    whole_s: float = 0
    reasons: str = ""
    message: str = ""


@pytest.fixture(scope="module")
def outcomes(request) -> Iterator[list[Outcome]]:
    rows: list[Outcome] = []
    yield rows
    CAPTURED.mkdir(parents=True, exist_ok=True)
    (CAPTURED / "chaos.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    shown = [{**asdict(row), "message": textwrap.shorten(row.message, 80)} for row in rows]
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n\n{tabulate(shown, headers='keys', floatfmt='.0f', tablefmt='github')}")


@pytest.fixture(scope="module")
def service(cluster, image, settings) -> Iterator[Traffic]:
    """The load on the deployed service, once the HPA has its maximum."""
    applied = deploy("apply", flags=image)
    assert applied.returncode == 0, applied.stderr[-4000:]
    addresses = core().list_node().items[0].status.addresses
    address = next(found.address for found in addresses if found.type == "InternalIP")
    with Traffic(f"http://{address}:{settings.node_port}") as traffic:
        wait_for(lambda: len(ready(cluster, settings)) == REPLICAS, "the HPA's maximum")
        yield traffic


@pytest.fixture
def scenario(cluster, settings, service, outcomes):
    """A block's outcome: what the load loses from its begin until all pods are ready and all requests are answered."""

    @contextmanager
    def observed(name: str) -> Iterator[Outcome]:
        wait_for(lambda: len(ready(cluster, settings)) == REPLICAS, "the pods of before")
        service.settle(STEADY, LIMIT_S)
        begin, outcome = service.sent, Outcome(name)
        yield outcome
        wait_for(lambda: len(ready(cluster, settings)) == REPLICAS, "all pods")
        service.settle(STEADY, LIMIT_S)
        problems = service.problems(begin)
        outcome.requests, outcome.failed = len(problems), sum(map(bool, problems))
        outcome.lost = sum(len(attempts) == ATTEMPTS for attempts in problems)
        reasons = Counter(reason for attempts in problems for reason in attempts)
        outcome.reasons = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        outcomes.append(outcome)

    return observed


@pytest.fixture
def victim(cluster, settings, service):
    """The pod of the service with the fewest restarts, which the kubelet restarts without a pause."""
    wait_for(lambda: len(ready(cluster, settings)) == REPLICAS, "the pods of before")
    return min(ready(cluster, settings), key=lambda pod: incarnation(pod)[1])


def status(image) -> dict[str, Any]:
    return json.loads(deploy("status", "--output", "json", flags=image).stdout)


def state(image, pod) -> str:
    """What `deploy status` says of a pod."""
    return next(found["state"] for found in status(image)["pods"] if found["name"] == pod["metadata"]["name"])


def last_line(text: str, having: str) -> str:
    """The last line that holds a text."""
    lines = [line for line in text.splitlines() if having in line]
    assert lines, f"no line has {having!r}:\n{text[-4000:]}"
    return lines[-1]


def test_a_pod_that_is_deleted(cluster, settings, scenario, victim):
    with scenario("pod deleted") as outcome:
        core().delete_namespaced_pod(victim["metadata"]["name"], settings.serving_namespace)
        outcome.whole_s = whole_again(cluster, settings, REPLICAS, victim)
    assert outcome.failed == 0  # it answers until every proxy has taken it out
    assert outcome.whole_s < 60


@pytest.mark.parametrize(
    ("name", "signal", "most_failed", "within_s"),
    [("pod killed", "SIGKILL", UNNOTICED, 60), ("pod frozen", "SIGSTOP", FROZEN, 100)],
)
def test_a_pod_whose_process_ends_or_stops(
    cluster, image, settings, scenario, victim, name, signal, most_failed, within_s
):
    with scenario(name) as outcome:
        node.send(signal, victim)
        outcome.whole_s = whole_again(cluster, settings, REPLICAS, victim)
        outcome.message = state(image, victim)
    assert "Error, exit code 137" in outcome.message
    assert outcome.lost == 0
    assert outcome.failed <= most_failed
    assert outcome.whole_s < within_s


def test_a_container_without_memory(cluster, image, settings, scenario, victim):
    with scenario("out of memory") as outcome:
        filling = stream(
            core().connect_get_namespaced_pod_exec,
            victim["metadata"]["name"],
            settings.serving_namespace,
            container="service",
            command=["python", "-c", FILL],
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        outcome.whole_s = whole_again(cluster, settings, REPLICAS, victim)
        filling.close()
        outcome.message = state(image, victim)
    assert "OOMKilled, exit code 137" in outcome.message
    assert outcome.lost == 0
    assert outcome.failed <= UNNOTICED
    assert outcome.whole_s < 60


def test_a_node_that_is_drained(cluster, settings, scenario):
    node.need_a_cluster_of_our_own()
    with scenario("node drained") as outcome:
        pods = ready(cluster, settings)
        drained = pods[0]["spec"]["nodeName"]
        leaving = [pod for pod in pods if pod["spec"]["nodeName"] == drained]
        alone = len(core().list_node().items) == 1
        began = time.monotonic()
        core().patch_node(drained, {"spec": {"unschedulable": True}})
        try:
            refusal = evict(cluster, settings, leaving, REPLICAS, until_refused=alone)
        finally:
            core().patch_node(drained, {"spec": {"unschedulable": None}})
        assert not alone or refusal, "the budget has let the last pods go"
        evict(cluster, settings, leaving, REPLICAS)
        whole_again(cluster, settings, REPLICAS, *leaving)
        outcome.whole_s, outcome.message = time.monotonic() - began, refusal
    assert outcome.failed == 0
    assert outcome.whole_s < 90


def test_a_registry_that_comes_back_during_apply(cluster, image, settings, scenario, other_image):
    node.need(node.STOP_REGISTRY, node.START_REGISTRY)
    new = other_image()
    with scenario("registry gone for a while during apply") as outcome:
        node.run(node.STOP_REGISTRY)
        with deploying("apply", flags=[*image, *new]) as process:
            try:
                wait_for(lambda: pull_failure(cluster, settings), "a pull that fails")
                outcome.message = pull_failure(cluster, settings)
            finally:
                node.run(node.START_REGISTRY)
            began = time.monotonic()
            done = ended(process)
            outcome.whole_s = time.monotonic() - began
    assert done.returncode == 0, done.stderr[-4000:]
    assert outcome.failed == 0
    assert outcome.whole_s < 120


def test_a_registry_that_stays_away_during_apply(cluster, image, settings, scenario, other_image):
    node.need(node.STOP_REGISTRY, node.START_REGISTRY)
    new = other_image()
    before = deployed_image(cluster, settings)
    with scenario("registry gone during apply") as outcome:
        node.run(node.STOP_REGISTRY)
        try:
            began = time.monotonic()
            done = deploy("apply", flags=[*image, *new])
            outcome.whole_s = time.monotonic() - began
        finally:
            node.run(node.START_REGISTRY)
        outcome.message = last_line(done.stderr, "rolled back")
    assert done.returncode == 6
    assert "the registry does not answer the node" in done.stderr
    assert deployed_image(cluster, settings) == before
    assert outcome.failed == 0
    assert outcome.whole_s < 150


def test_an_autoscaler_without_metrics(cluster, image, settings, scenario):
    node.need_a_cluster_of_our_own()
    services = client.ApiregistrationV1Api(administrator())
    serving: Any = services.read_api_service(METRICS)
    with scenario("metrics API gone") as outcome:
        services.patch_api_service(METRICS, {"spec": {"service": {"name": "nowhere"}}})
        try:
            wait_for(lambda: status(image)["autoscaler"]["problem"], "an HPA that says that it is blind")
            outcome.message = status(image)["autoscaler"]["problem"]
            began = time.monotonic()
            while time.monotonic() < began + 60:  # four times as long as it takes an HPA that sees to scale down
                assert len(ready(cluster, settings)) == REPLICAS
                time.sleep(1)
        finally:
            services.patch_api_service(METRICS, {"spec": {"service": {"name": serving.spec.service.name}}})
        outcome.whole_s = wait_for(lambda: not status(image)["autoscaler"]["problem"], "an HPA that sees")
    assert "FailedGetResourceMetric" in outcome.message
    assert outcome.failed == 0
    assert outcome.whole_s < 60


def test_an_api_server_that_restarts_during_apply(cluster, image, settings, scenario, other_image):
    node.need(node.RESTART_API)
    new = other_image()
    with scenario("API server restarted during apply") as outcome, deploying("apply", flags=[*image, *new]) as process:
        wait_for(lambda: deployed_image(cluster, settings).endswith(new[-1]), "the new image in the Deployment")
        began = time.monotonic()
        node.run(node.RESTART_API)
        done = ended(process)
        outcome.whole_s = time.monotonic() - began
        outcome.message = last_line(done.stderr, "answers again after")
    assert done.returncode == 0, done.stderr[-4000:]
    assert status(image)["deployment"]["passed"]
    assert outcome.failed == 0
    assert outcome.whole_s < 150


def test_two_that_apply_at_once(cluster, image, settings, scenario, other_image):
    both = [[*image, *other_image()] for _ in range(2)]
    with (
        scenario("two apply at once") as outcome,
        deploying("apply", flags=both[0]) as first,
        deploying("apply", flags=both[1]) as second,
    ):
        began = time.monotonic()
        winner, loser = sorted((ended(first), ended(second)), key=lambda done: done.returncode)
        outcome.whole_s = time.monotonic() - began
        outcome.message = last_line(loser.stderr, "something else applied it meanwhile")
    assert (winner.returncode, loser.returncode) == (0, 6)
    assert deployed_image(cluster, settings) == winner.stdout.strip()
    assert status(image)["deployment"]["passed"]
    assert outcome.failed == 0
    assert outcome.whole_s < 120


def test_a_volume_that_is_full_while_a_model_is_stored(image, settings, scenario, victim, monkeypatch):
    if not os.environ.get(variable("training_image")):
        pytest.skip("training has an image of its own: set QNA_DEPLOY_TRAINING_IMAGE")
    node.need_processes(node.container(victim))
    volume = Path(settings.storage_path)

    def train(seed: int):
        monkeypatch.setenv(
            variable("train_arguments"), shlex.join([*tiny.flags(Path(FOLDER, "base")), f"--seed={seed}"])
        )
        return deploy("train", flags=image)

    with scenario("volume full while a model is stored") as outcome, node.mounted(volume):
        for file in tiny.make_base(volume / "base").iterdir():
            file.chmod(0o644)  # safetensors keeps its files from the Job's user
        first = train(seed=1)
        assert first.returncode == 0, first.stderr[-4000:]
        stored = contents(volume / "bentoml")
        # Room for a run, whose folder holds its model until it is stored, but not for all of that in the store.
        node.resize(volume, shutil.disk_usage(volume).used + sum(stored.values()) * 3 // 2)
        full = train(seed=2)
        assert full.returncode == 5, full.stderr[-4000:]
        outcome.message = last_line(full.stderr, "could not be stored")
        assert contents(volume / "bentoml") == stored
        node.resize(volume, node.ROOM)
        began = time.monotonic()
        again = train(seed=2)
        outcome.whole_s = time.monotonic() - began
    assert again.returncode == 0, again.stderr[-4000:]
    assert again.stdout not in ("", first.stdout)
    assert outcome.failed == 0


def contents(folder: Path) -> dict[Path, int]:
    """Return the files below a folder with their sizes (bytes)."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
