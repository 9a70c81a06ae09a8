"""Real parts, small: a tiny random network, trained and stored once a session by the real command."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import httpx
import pytest

# Both are read when a library is imported: no test asks a hub, and none reports its use.
os.environ |= {"HF_HUB_OFFLINE": "1", "BENTOML_DO_NOT_TRACK": "True"}

from deploy import patience
from deploy.cluster import Cluster
from deploy.settings import ESTABLISHED
from tests import tiny
from tests.deploy import api as apis
from tests.servers import serve
from training.network import base

REQUEST_S = 30
"""A request that takes longer hangs (s)."""


def pytest_configure(config: pytest.Config) -> None:
    """Take a pipeline's settings out of the environment: only the path on a real cluster is to read them."""
    if config.getoption("markexpr") != "e2e":
        for name in list(os.environ):
            if name.startswith("QNA_") or name in {*ESTABLISHED.values(), "K8S_SECRET_FILE", "KUBECONFIG"}:
                del os.environ[name]


@pytest.fixture(scope="session")
def tokenizer_file() -> Path:
    """all-MiniLM-L6-v2's tokenizer.json."""
    return base.find(base.MINILM).folder / "tokenizer.json"


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> Path:
    """A random BERT of one layer with the real vocabulary: real code paths in milliseconds."""
    pytest.importorskip("torch", reason="trains a network, and torch is not installed")
    return tiny.make_base(tmp_path_factory.mktemp("tiny-base"))


@pytest.fixture(scope="session")
def tiny_settings(tiny_base) -> list[str]:
    """Flags of `python -m training train` for a run of seconds, whose model the gate lets through."""
    return tiny.flags(tiny_base)


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory, request) -> Path:
    """A BENTOML_HOME with `extractive-qa:<version>`, made by the real training command.

    An interpreter without torch is handed one that another made, as TESTS_STORE (`make test-pythons`).
    """
    home = tmp_path_factory.mktemp("tiny-bentoml")
    if handed := os.environ.get("TESTS_STORE"):
        return Path(shutil.copytree(handed, home, dirs_exist_ok=True))
    tiny.make_store(home, request.getfixturevalue("tiny_base"))
    return home


@pytest.fixture(scope="session")
def tiny_model(tiny_store) -> Path:
    """The folder of the tiny stored model."""
    return next((tiny_store / "models" / "extractive-qa").glob("*/model.onnx")).parent


@pytest.fixture(scope="session")
def server(tiny_store, tmp_path_factory):
    """The service, with the tiny model and the default limits."""
    with serve(tiny_store, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    """An HTTP client of `server`."""
    with httpx.Client(base_url=server.url, timeout=REQUEST_S) as http:
        yield http


@pytest.fixture
def api():
    """A cluster of objects alone, behind a server that speaks the Kubernetes API."""
    with apis.running() as running:
        yield running


@pytest.fixture
def cluster(api, tmp_path, monkeypatch):
    """A connection to `api`, as KUBECONFIG names it, that does not wait between attempts."""
    monkeypatch.setenv("KUBECONFIG", str(apis.kubeconfig(api.url, tmp_path / "kubeconfig")))
    monkeypatch.setattr(patience, "PAUSE_S", 0.001)
    with Cluster.connect() as connected:
        yield connected
