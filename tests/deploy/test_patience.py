"""An API server that is away for a while: waited for once it is known, and told apart from one that is not there."""

import pytest

from deploy.cluster import Cluster
from deploy.errors import Refused, Unauthorized, Unreachable
from deploy.patience import ATTEMPTS
from tests.deploy.api import DROP

LONG = 3 * ATTEMPTS
"""More failures than a request without patience is sent again for."""


@pytest.fixture
def patient(api, cluster, reported):
    """A cluster that is waited for, which has answered."""
    api.put("Deployment", "a", "one")
    api.put("Service", "model-service", "one")
    with Cluster.connect(patience_s=60, report=reported.append) as connected:
        connected.version()
        yield connected


@pytest.mark.parametrize("status", [DROP, 429, 503, 504])
def test_what_was_there_is_waited_for(api, patient, reported, status):
    api.fail("GET", "/deployments/a", status, times=LONG)
    assert patient.get("Deployment", "a", "one") is not None
    assert reported[0] == f"{api.url} does not answer; waiting for it, 60 s at most"
    assert reported[1].startswith(f"{api.url} answers again after ")
    assert len(reported) == 2


def test_what_never_was_there_is_not_waited_for(api, cluster, reported):
    api.fail("GET", "/deployments/a", DROP)
    with Cluster.connect(patience_s=60, report=reported.append) as connected, pytest.raises(Unreachable):
        connected.get("Deployment", "a", "one")
    assert len(api.requests) == ATTEMPTS
    assert not reported


def test_patience_ends(api, cluster):
    with Cluster.connect(patience_s=0.05) as connected:
        connected.version()
        api.fail("GET", "/deployments/a", DROP)
        with pytest.raises(Unreachable, match="does not answer"):
            connected.get("Deployment", "a", "one")


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_has_just_started_may_not_know_rights_yet(api, patient, status):
    api.fail("GET", "/deployments/a", DROP, times=1)
    api.fail("GET", "/deployments/a", status, "not yet", times=2)
    assert patient.get("Deployment", "a", "one") is not None


@pytest.mark.parametrize(("status", "error"), [(401, Unauthorized), (403, Refused)])
def test_a_right_that_is_missing_is_not_waited_for(api, patient, status, error):
    before = len(api.requests)
    api.fail("GET", "/deployments/a", status, "never")
    with pytest.raises(error):
        patient.get("Deployment", "a", "one")
    assert len(api.requests) == before + 1


def test_a_webhook_that_fails_for_good_is_not_an_outage(api, patient):
    api.fail("PATCH", "/namespaces/two", 500, "failed calling webhook")
    with pytest.raises(Refused, match="failed calling webhook"):
        patient.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "two"}})


def test_what_is_behind_the_api_server_may_be_missing_while_it_is_well(api, patient, reported):
    with pytest.raises(Refused, match="no endpoints available"):
        patient.call_service("model-service", "http", "one", "/health")
    api.fail("GET", "/apis/metrics.k8s.io", 503, "the server is currently unable to handle the request")
    with pytest.raises(Refused, match="unable to handle"):
        patient.find("NodeMetrics")
    assert not reported
