"""The image, in the conditions of a pod: uid 1034, nothing to write on but two folders, half a CPU and 1 GiB."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from contextlib import contextmanager

import httpx
import pytest

from bento_service.schema import EXAMPLE_REQUEST
from loadtest import processes
from tests.image.conftest import wait_for

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

CONTEXT = str(EXAMPLE_REQUEST["context"])
LIMIT_BYTES = 450e6
CAPABILITIES = [
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
]
"""What containerd grants unless it is told otherwise."""


def command(containers, image, name, *words, port=0):
    """`ctr run` as a pod's kubelet would have it."""
    locked = ["--read-only", "--seccomp", *(f"--cap-drop=CAP_{capability}" for capability in CAPABILITIES)]
    scratch = [
        f"--mount=type=tmpfs,src=tmpfs,dst={path},options=rw:nosuid:nodev:mode=1777:size=64m"
        for path in ("/tmp", "/home/bentoml/bentoml")
    ]
    limits = ["--cpu-quota", "50000", "--cpu-period", "100000", "--memory-limit", str(2**30)]
    run = ["ctr", "--address", str(containers.socket), "run", "--rm", "--net-host", *locked, *scratch, *limits]
    return [*run, "--env", f"BENTOML_PORT={port}", image.reference, name, *words]


@contextmanager
def serving(containers, image, tmp_path):
    """The image's own command, answering. Yields its URL, its process and its log."""
    port, log = processes.free_port(), tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(containers, image, f"qna-{port}", port=port), stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: process.poll() is not None or httpx.get(f"{url}/readyz", timeout=30).status_code == 200)
        assert process.poll() is None, log.read_text()
        yield url, f"qna-{port}", process, log
    finally:
        containers.ctr("tasks", "kill", "--signal", "SIGKILL", f"qna-{port}", check=False)
        process.wait(timeout=30)


def inside(containers, image, *words):
    """Run a command in a container of the image and return what it printed."""
    name = f"qna-inside-{processes.free_port()}"
    done = subprocess.run(command(containers, image, name, *words), capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def requests(url):
    """How many the service has answered, and how many it has begun, by one reading of its metrics."""
    metrics = httpx.get(f"{url}/metrics", timeout=30).text
    counts = (rf'_{which}\{{endpoint="/answer".*\}} (.+)' for which in ("request_total", "request_in_progress"))
    return [sum(float(found) for found in re.findall(count, metrics)) for count in counts]


def test_it_is_small(image, capsys):
    with capsys.disabled():
        print(f"\n{image.reference.rpartition('@')[2]}: {image.unpacked / 1e6:.0f} MB unpacked")
    assert image.unpacked <= LIMIT_BYTES


def test_it_answers_in_a_pods_conditions(containers, image, tmp_path):
    with serving(containers, image, tmp_path) as (url, name, _, log):
        found = httpx.post(f"{url}/answer", json=EXAMPLE_REQUEST, timeout=30).json()
        assert CONTEXT[found["start_pos"] : found["end_pos"]] == found["answer"]
        assert httpx.get(f"{url}/health", timeout=30).json()["bento"].startswith("extractive-qa:")
        assert "bentoml_service_request_total" in httpx.get(f"{url}/metrics", timeout=30).text
        status = containers.ctr("tasks", "exec", "--exec-id", "status", name, "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["1034"] * 4
        assert {fields[which].strip("0") for which in ("CapEff", "CapPrm", "CapBnd")} == {""}
        assert fields["NoNewPrivs"] == "1"
        assert "France" not in log.read_text()


@pytest.mark.parametrize("program", ["gcc", "cc", "make", "git", "curl"])
def test_it_has_no_tools_to_build_with(containers, image, program):
    status, _, _ = inside(containers, image, "/bin/sh", "-c", f"command -v {program}")
    assert status != 0


def test_it_verifies_itself(containers, image):
    status, printed, errors = inside(containers, image, "python", "-m", "bento_service", "verify")
    assert status == 0, errors
    report = json.loads(printed)
    assert report["model"].startswith("extractive-qa:")
    assert report["files"] == 5


def test_its_bill_of_materials_lists_what_it_holds(containers, image):
    code = "import importlib.metadata as m, json; print(json.dumps([[d.name, d.version] for d in m.distributions()]))"
    status, printed, errors = inside(containers, image, "python", "-c", code)
    assert status == 0, errors
    status, bill, errors = inside(containers, image, "cat", "/home/bentoml/bento/src/requirements/serve.cdx.json")
    assert status == 0, errors
    listed = [[part["name"], part["version"]] for part in json.loads(bill)["components"]]
    assert sorted(listed) == sorted(json.loads(printed))


def test_nothing_else_can_be_written(containers, image):
    status, _, errors = inside(containers, image, "/bin/sh", "-c", "echo > /home/bentoml/bento/changed")
    assert status != 0
    assert "Read-only file system" in errors


def test_it_ends_when_its_worker_dies(containers, image, tmp_path):
    with serving(containers, image, tmp_path) as (_, name, process, _):
        containers.ctr("tasks", "kill", "--signal", "SIGKILL", name)
        assert process.wait(timeout=30) != 0


def test_it_answers_what_it_has_begun_before_it_stops(containers, image, tmp_path):
    body = {"question": "What is the capital?", "context": CONTEXT * 800}
    with serving(containers, image, tmp_path) as (url, name, process, log):
        httpx.post(f"{url}/answer", json=body, timeout=60)  # or it does not know yet how much it can read in time
        statuses = []
        askers = [
            threading.Thread(
                target=lambda: statuses.append(httpx.post(f"{url}/answer", json=body, timeout=60).status_code)
            )
            for _ in range(16)
        ]
        for asker in askers:
            asker.start()
        wait_for(lambda: sum(requests(url)) == 1 + len(askers))
        assert len(statuses) < len(askers), "nothing is left to be answered"
        containers.ctr("tasks", "kill", "--signal", "SIGTERM", name)
        for asker in askers:
            asker.join()
        assert statuses == [200] * len(askers), log.read_text()
        assert process.wait(timeout=30) == 0
