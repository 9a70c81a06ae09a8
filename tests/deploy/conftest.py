"""A cluster of objects alone, and everything that it takes to speak with it."""

from __future__ import annotations

import pytest

from deploy import cluster as clusters
from deploy.cluster import Cluster
from deploy.settings import Settings
from tests.deploy import api as apis

SETTINGS = Settings(registry="registry.example", digest="sha256:" + "1" * 64)


@pytest.fixture
def api():
    with apis.running() as running:
        yield running


@pytest.fixture
def cluster(api, tmp_path, monkeypatch):
    """A connection to `api`, as KUBECONFIG names it, that does not wait between attempts."""
    monkeypatch.setenv("KUBECONFIG", str(apis.kubeconfig(api.url, tmp_path / "kubeconfig")))
    monkeypatch.setattr(clusters, "_PAUSE_S", 0.001)
    with Cluster.connect() as connected:
        yield connected


@pytest.fixture
def said():
    """What was said of the progress, a line each."""
    return []
