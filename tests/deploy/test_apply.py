import itertools

import pytest

from deploy import render
from deploy.apply import apply
from deploy.errors import Refused
from tests.deploy.conftest import SETTINGS


def objects():
    return [*itertools.chain(*render.manifests(SETTINGS).values())]


def test_namespaces_come_first_and_every_object_once(api, cluster, reported):
    apply(cluster, reversed(objects()), reported.append)
    assert len(api.objects) == len(reported) == len(objects())
    assert reported[0].startswith("Namespace ")
    order = [line.split()[0] for line in reported]
    assert order.index("PersistentVolumeClaim") < order.index("Deployment") < order.index("HorizontalPodAutoscaler")


def test_a_second_time_nothing_changes(api, cluster, reported):
    apply(cluster, objects(), reported.append)
    reported.clear()
    assert {entry.action for entry in apply(cluster, objects(), reported.append)} == {"unchanged"}


def test_what_differs_is_configured(api, cluster, reported):
    apply(cluster, objects(), reported.append)
    changed = SETTINGS.model_copy(update={"max_replicas": 20})
    manifest = itertools.chain(*render.manifests(changed).values())
    configured = [entry.name for entry in apply(cluster, manifest, reported.append) if entry.action == "configured"]
    assert configured == ["HorizontalPodAutoscaler serving-model-env/qna-hpa"]


def test_replicas_are_left_as_the_autoscaler_set_them(api, cluster, reported):
    apply(cluster, objects(), reported.append)
    api.the("Deployment", "model-inference")["spec"]["replicas"] = 7
    apply(cluster, objects(), reported.append)
    assert api.the("Deployment", "model-inference")["spec"]["replicas"] == 7


def test_a_dry_run_asks_the_server_and_changes_nothing(api, cluster, reported):
    apply(cluster, objects(), reported.append, dry_run=True)
    assert not api.objects
    assert all(line.endswith("(dry run)") for line in reported)


def test_what_an_administrator_made_is_kept(api, cluster, reported):
    apply(cluster, objects(), reported.append)
    api.fail("PATCH", "/namespaces/training-model-env", 403, "forbidden", times=1)
    done = {entry.name: entry.action for entry in apply(cluster, objects(), reported.append)}
    assert done["Namespace training-model-env"] == "kept"


def test_what_an_administrator_has_to_change_is_reported(api, cluster, reported):
    apply(cluster, objects(), reported.append)
    api.objects["Namespace", "", "training-model-env"]["metadata"]["labels"] = {}
    api.fail("PATCH", "/namespaces/training-model-env", 403, "forbidden", times=1)
    with pytest.raises(Refused, match=r"^Namespace training-model-env is not what .* is not set.*administrator"):
        apply(cluster, objects(), reported.append)


def test_the_first_refusal_ends_it_and_what_was_applied_stays(api, cluster, reported):
    api.fail("PATCH", "/deployments/", 403, "exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5")
    with pytest.raises(Refused, match=r"Deployment serving-model-env/model-inference .*quota"):
        apply(cluster, objects(), reported.append)
    assert api.the("Service", "model-service")
    assert not [name for kind, _, name in api.objects if kind == "HorizontalPodAutoscaler"]
