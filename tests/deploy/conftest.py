"""Fixtures of the deployment's tests besides `api` and `cluster`."""

from __future__ import annotations

import pytest

from deploy.settings import Settings
from tests.deploy import registry

SETTINGS = Settings(registry="registry.example", digest="sha256:" + "1" * 64)


@pytest.fixture
def reported():
    """The reported lines of progress."""
    return []


@pytest.fixture
def images():
    """A registry without images."""
    with registry.running() as running:
        yield running
