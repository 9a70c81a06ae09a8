import pytest

from deploy.cluster import FIELD_MANAGER, Cluster
from deploy.errors import Refused, Unauthorized, Unreachable
from tests.deploy.api import DROP, kubeconfig

NAMESPACE = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "one"}}


def test_an_object_is_applied_and_read_back(api, cluster):
    cluster.apply(NAMESPACE)
    assert cluster.get("Namespace", "one")["metadata"]["name"] == "one"
    assert cluster.get("Namespace", "two") is None
    assert FIELD_MANAGER == "extractive-qa-deploy"


def test_a_dry_run_changes_nothing(api, cluster):
    cluster.apply(NAMESPACE, dry_run=True)
    assert not api.objects


def test_lists_are_by_label_and_place(api, cluster):
    api.put("Pod", "a", "one", metadata={"labels": {"app": "x"}})
    api.put("Pod", "b", "two", metadata={"labels": {"app": "y"}})
    assert [pod["metadata"]["name"] for pod in cluster.find("Pod", "one")] == ["a"]
    assert [pod["metadata"]["name"] for pod in cluster.find("Pod", selector={"app": "y"})] == ["b"]


def test_deleting_says_whether_it_was_there(api, cluster):
    api.put("Job", "a", "one")
    assert cluster.delete("Job", "a", "one") is True
    assert cluster.delete("Job", "a", "one") is False


def test_a_request_needs_no_discovery_and_leaves_no_file(api, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(api.url, tmp_path / "kubeconfig")))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()
    with Cluster.connect() as cluster:
        cluster.apply(NAMESPACE)
    assert api.requests == [("PATCH", "/api/v1/namespaces/one")]
    assert not list((tmp_path / "empty").iterdir())


def test_a_name_of_the_settings_is_no_path(api, cluster):
    assert cluster.get("StorageClass", "a/b?c") is None
    assert api.requests[-1] == ("GET", "/apis/storage.k8s.io/v1/storageclasses/a/b?c")  # decoded


@pytest.mark.parametrize("status", [DROP, 429, 500, 503])
def test_reading_is_tried_again(api, cluster, status):
    cluster.apply(NAMESPACE)
    api.fail("GET", "/namespaces/one", status, "wait", times=2)
    assert cluster.get("Namespace", "one") is not None


def test_what_is_sent_once_is_not_sent_twice(api, cluster):
    api.fail("POST", "/proxy/answer", DROP)
    with pytest.raises(Unreachable, match="Service one/model-service did not answer /answer"):
        cluster.call_service("model-service", "http", "one", "/answer", {})
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("status", "message", "error", "remedy"),
    [
        (401, "Unauthorized", Unauthorized, "log in again, or check KUBECONFIG"),
        (403, 'cannot patch resource "namespaces"', Refused, "ask an administrator"),
        (403, "exceeded quota: small, requested: cpu=1", Refused, "raise the namespace's quota"),
        (404, 'namespaces "one" not found', Refused, "makes namespaces"),
        (409, "Apply failed with 1 conflict", Refused, "--force-conflicts"),
        (422, "spec.selector: field is immutable", Refused, "delete it and run this again"),
        (500, "etcdserver: leader changed", Refused, "overloaded or starting"),
    ],
)
def test_a_refusal_says_what_happened_to_what_and_what_to_do(api, cluster, status, message, error, remedy):
    api.fail("PATCH", "/namespaces/one", status, message)
    with pytest.raises(error) as caught:
        cluster.apply(NAMESPACE)
    assert str(caught.value).startswith(f"Namespace one could not be applied: {message} (HTTP {status}); ")
    assert remedy in str(caught.value)
    assert "secret-token" not in str(caught.value)


def test_a_cluster_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig("http://127.0.0.1:9", tmp_path / "kubeconfig")))
    monkeypatch.setattr("deploy.patience.PAUSE_S", 0.001)
    with pytest.raises(Unreachable, match=r"http://127.0.0.1:9 does not answer .*KUBECONFIG"):
        Cluster.connect().version()


def test_no_configuration_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(Unreachable, match=r"no cluster is configured.*set KUBECONFIG"):
        Cluster.connect()


def test_a_context_that_is_not_there_is_reported(cluster):
    with pytest.raises(Unreachable, match=r"names no cluster that can be used.*elsewhere"):
        Cluster.connect("elsewhere")
