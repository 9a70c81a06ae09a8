"""`python -m bento_service`, as a container runs it: one process that serves or verifies."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from bento_service.schema import EXAMPLE_REQUEST
from tests.commands import ROOT
from tests.servers import serve_alone

CONTEXT = str(EXAMPLE_REQUEST["context"])


def run(*words, home, **environment):
    return subprocess.run(
        [sys.executable, "-m", "bento_service", *words],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def alone(tiny_store, tmp_path_factory):
    """The source tree, served by one process."""
    with serve_alone(ROOT, tmp_path_factory.mktemp("alone"), BENTOML_HOME=str(tiny_store)) as running:
        yield running


def test_one_process_answers(alone):
    assert httpx.post(f"{alone.url}/answer", json=EXAMPLE_REQUEST, timeout=30).status_code == 200
    children = subprocess.run(["ps", "--ppid", str(alone.pid), "--no-headers"], capture_output=True, text=True).stdout
    assert not children


def test_metrics_are_counted(alone):
    counts: list[float] = []
    for _ in range(2):
        httpx.post(f"{alone.url}/answer", json=EXAMPLE_REQUEST, timeout=30)
        metrics = httpx.get(f"{alone.url}/metrics", timeout=30).text
        assert "bentoml_service_request_total" in metrics
        counts += map(float, re.findall(r"^extractive_qa_confidence_count (.+)$", metrics, re.MULTILINE))
    assert counts[1] == counts[0] + 1


def test_a_model_is_verified_by_answering(tiny_store, tiny_model):
    done = run("verify", home=tiny_store)
    report = json.loads(done.stdout)
    assert (report["model"], report["bento"], report["files"]) == (f"extractive-qa:{tiny_model.name}", None, 5)
    assert CONTEXT[report["start_pos"] : report["end_pos"]] == report["answer"]
    assert report["metrics"] == json.loads((tiny_model / "metrics.json").read_text())["served"]["overall"]


def test_a_models_folder_is_put_into_the_store_once(tiny_model, tmp_path):
    tag = run("store", str(tiny_model), home=tmp_path).stdout.strip()
    assert run("store", str(tiny_model), home=tmp_path).stdout.strip() == tag
    assert len(list(tmp_path.glob("models/extractive-qa/*/model.yaml"))) == 1
    report = json.loads(run("verify", home=tmp_path).stdout)
    assert report["model"] == tag
    assert report["metrics"] == json.loads((tiny_model / "metrics.json").read_text())["served"]["overall"]


def test_a_folder_that_is_no_whole_model_leaves_the_store_empty(tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "changed")
    (tmp_path / "changed" / "reader.json").write_text("{}")
    for folder, message in (("changed", "reader.json has changed"), ("nowhere", "SHA256SUMS is missing")):
        done = run("store", str(tmp_path / folder), home=tmp_path / "home")
        assert done.returncode == 1
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("home/models/*/*"))


def test_a_missing_model_is_said_in_one_line(tmp_path):
    done = run("verify", home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the BentoML store has no model extractive-qa:latest; run `make train`")
    assert len(done.stderr.splitlines()) == 1


def test_a_model_that_cannot_be_loaded_ends_the_process(tmp_path):
    done = run("serve", "--port", "0", home=tmp_path)
    assert done.returncode == 1
    assert "run `make train`" in done.stderr.splitlines()[-1]


def test_a_taken_port_is_said(tiny_store):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--host", "127.0.0.1", "--port", port, home=tiny_store)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr


def test_what_has_begun_is_answered_after_sigterm(tiny_store, tmp_path):
    body = {"question": "Which city?", "context": CONTEXT * 800}
    statuses = []
    with serve_alone(ROOT, tmp_path, BENTOML_HOME=str(tiny_store)) as server:
        asker = threading.Thread(
            target=lambda: statuses.append(httpx.post(f"{server.url}/answer", json=body, timeout=30).status_code)
        )
        asker.start()
        while 'in_progress{endpoint="/answer"' not in httpx.get(f"{server.url}/metrics", timeout=30).text:
            assert asker.is_alive()
        os.kill(server.pid, signal.SIGTERM)
        asker.join()
    assert statuses == [200]
