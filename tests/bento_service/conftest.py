"""One real server for all of the service's tests."""

import httpx
import pytest

from tests.servers import serve

REQUEST_S = 30
"""A request that takes longer hangs (s)."""


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
