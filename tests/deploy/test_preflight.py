import base64
import json

import pytest

from deploy.errors import Unreachable
from deploy.findings import Level, table
from deploy.objects.verification import VERIFICATION
from deploy.preflight import preflight
from tests.deploy import job_controller
from tests.deploy.api import DROP
from tests.deploy.conftest import SETTINGS

HUB = SETTINGS.model_copy(update={"registry": "docker.io"})
NAMESPACES = ("training-model-env", "serving-model-env")


def secret(api, namespace, key, kind="kubernetes.io/dockerconfigjson"):
    content = base64.b64encode(json.dumps({"auths": {key: {"auth": "c2VjcmV0OnNlY3JldA=="}}}).encode()).decode()
    api.put("Secret", "regcred", namespace, type=kind, data={".dockerconfigjson": content})


def node(api, name, cpu, memory):
    allocatable = {"cpu": cpu, "memory": memory}
    api.put("Node", name, spec={}, status={"allocatable": allocatable})
    api.put("NodeMetrics", name)


@pytest.fixture
def ready(api):
    """A cluster that has everything."""
    for namespace in NAMESPACES:
        api.put("Namespace", namespace)
        secret(api, namespace, "https://index.docker.io/v1/")
    node(api, "one", "8", "32Gi")
    default = {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    api.put("IngressClass", "nginx", metadata=default)
    api.put("DaemonSet", "calico-node", "kube-system")
    return api


def findings_by_name(cluster, settings=HUB):
    return {finding.check: finding for finding in preflight(cluster, settings)}


def test_a_cluster_that_has_everything_is_ready(ready, cluster):
    findings = preflight(cluster, HUB)
    assert {finding.level for finding in findings} == {Level.OK}, table(findings)


def test_nothing_is_changed_by_looking(ready, cluster):
    before = len(ready.objects)
    preflight(cluster, HUB)
    assert len(ready.objects) == before
    changing = {(verb, path) for verb, path in ready.requests if verb != "GET"}
    assert changing == {("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")}


def test_an_old_cluster_is_refused(ready, cluster):
    ready.version = {"major": "1", "minor": "29+", "gitVersion": "v1.29.3"}
    finding = findings_by_name(cluster)["version"]
    assert (finding.level, finding.remedy.split(":")[0]) == (Level.ERROR, "upgrade to 1.30 or newer")


def test_missing_permissions_are_listed(ready, cluster):
    ready.forbidden = {"deployments", "jobs"}
    finding = findings_by_name(cluster)["permissions"]
    assert finding.level is Level.ERROR
    assert (
        finding.message == "not allowed: in training-model-env, patch Job; in serving-model-env, patch Deployment, Job"
    )
    assert "administrator" in finding.remedy


def test_without_metrics_nothing_scales(ready, cluster):
    ready.fail("GET", "/apis/metrics.k8s.io", 503, "the server is currently unable to handle the request")
    assert findings_by_name(cluster)["metrics"].level is Level.ERROR


@pytest.mark.parametrize(
    ("cpu", "memory", "level", "expected"),
    [
        ("2", "4Gi", Level.WARNING, "8 pods"),  # 2000 / 250 and 4096 / 512
        ("8", "4Gi", Level.WARNING, "8 pods"),
        ("2500m", "8Gi", Level.WARNING, "10 pods"),  # 10 fit, and the rollout's eleventh does not
        ("2750m", "8Gi", Level.OK, "10 pods"),
        ("500m", "4Gi", Level.ERROR, "2 pods"),  # the rollout's third does not fit
        ("400m", "4Gi", Level.ERROR, "1 of at least 2 pods"),
    ],
)
def test_capacity_is_counted(ready, cluster, cpu, memory, level, expected):
    node(ready, "one", cpu, memory)
    finding = next(f for f in preflight(cluster, HUB) if f.check == "capacity" and "pods" in f.message)
    assert (finding.level, finding.message[: len(expected)]) == (level, expected)


def test_what_is_recommended_is_enough(ready, cluster):
    """Eight fit: at eight replicas a rollout's ninth pod has no room, at seven it has."""
    node(ready, "one", "2", "32Gi")
    finding = next(f for f in preflight(cluster, HUB) if f.check == "capacity")
    assert finding.message.endswith("while the HPA wants more than 7, it ends old pods before new ones are ready")
    assert finding.remedy == "add nodes, or set max_replicas to 7"
    for most, level in ((8, Level.WARNING), (7, Level.OK)):
        chosen = HUB.model_copy(update={"max_replicas": most})
        assert next(f.level for f in preflight(cluster, chosen) if f.check == "capacity") is level


def test_what_runs_already_takes_room(ready, cluster):
    requests = {"cpu": "7", "memory": "1Gi"}
    ready.put(
        "Pod",
        "other",
        "else",
        spec={"nodeName": "one", "containers": [{"name": "c", "resources": {"requests": requests}}]},
        status={"phase": "Running"},
    )
    assert findings_by_name(cluster)["capacity"].message.startswith("4 pods")  # 1000 millicores are left


def test_a_job_that_fits_on_no_node_is_an_error(ready, cluster):
    node(ready, "one", "8", "2560Mi")
    finding = findings_by_name(cluster)["capacity"]
    assert finding.level is Level.ERROR
    assert finding.message == "no node has 1 CPU and 3Gi left for the training Job"
    assert "train_memory" in finding.remedy


def test_a_folder_of_one_of_many_nodes_is_a_warning(ready, cluster):
    node(ready, "two", "8", "32Gi")
    assert findings_by_name(cluster)["storage"].level is Level.WARNING


def test_a_storage_class_has_to_be_there(ready, cluster):
    fast = HUB.model_copy(update={"storage_class": "fast"})
    assert findings_by_name(cluster, fast)["storage"].level is Level.ERROR
    ready.put("StorageClass", "fast")
    assert findings_by_name(cluster, fast)["storage"].level is Level.OK


def test_the_ingress_class_or_gateway_must_exist(ready, cluster):
    assert (
        findings_by_name(cluster, HUB.model_copy(update={"ingress_class": "traefik"}))["ingress"].level is Level.ERROR
    )
    assert findings_by_name(cluster, HUB.model_copy(update={"gateway": "infra/public"}))["ingress"].level is Level.ERROR
    ready.put("Gateway", "public", "infra")
    assert findings_by_name(cluster, HUB.model_copy(update={"gateway": "infra/public"}))["ingress"].level is Level.OK
    del ready.objects["IngressClass", "", "nginx"]
    assert findings_by_name(cluster)["ingress"].level is Level.WARNING


def test_a_node_port_is_free_or_ours(ready, cluster):
    ports = {"ports": [{"port": 80, "nodePort": 30008}]}
    ready.put("Service", "model-service", "serving-model-env", spec=ports)
    assert findings_by_name(cluster)["node port"].level is Level.OK
    ready.put("Service", "other", "else", spec=ports)
    finding = findings_by_name(cluster)["node port"]
    assert (finding.level, finding.message) == (Level.ERROR, "port 30008 is taken by Service else/other")


def test_the_registrys_secret_is_read_but_never_shown(ready, cluster):
    secret(ready, "training-model-env", "index.docker.io")
    finding = next(f for f in preflight(cluster, HUB) if f.check == "registry secret" and f.level is Level.ERROR)
    assert finding.message.endswith("it knows index.docker.io, not https://index.docker.io/v1/")
    assert finding.remedy == "delete it, then run `python -m deploy secret`"
    assert "c2VjcmV0" not in table([finding])


@pytest.mark.parametrize(
    ("namespace", "level"), [("training-model-env", Level.ERROR), ("serving-model-env", Level.WARNING)]
)
def test_without_credentials_nothing_can_be_pushed(ready, cluster, namespace, level):
    del ready.objects["Secret", namespace, "regcred"]
    levels = {finding.level for finding in preflight(cluster, HUB) if finding.check == "registry secret"}
    assert levels == {Level.OK, level}


def test_a_secret_of_another_type_is_found(ready, cluster):
    secret(ready, "training-model-env", "https://index.docker.io/v1/", kind="Opaque")
    levels = [finding.level for finding in preflight(cluster, HUB) if finding.check == "registry secret"]
    assert levels == [Level.ERROR, Level.OK]


def test_policies_that_nobody_enforces_are_a_warning(ready, cluster):
    del ready.objects["DaemonSet", "kube-system", "calico-node"]
    assert findings_by_name(cluster)["network policies"].level is Level.WARNING


def test_the_arithmetic_of_scaling_down(ready, cluster):
    """5 % of 250m is 12.5m; back to 2 replicas it takes 2/3 of that. Of 100m it is 3.3m, below what idling takes."""
    assert "below 8.3m" in findings_by_name(cluster)["autoscaling"].message
    finding = findings_by_name(cluster, HUB.model_copy(update={"cpu_request": "100m"}))["autoscaling"]
    assert finding.level is Level.WARNING
    assert "below 3.3m (5 % of 100m, times 2/3): 10 would settle at 10 for good" in finding.message


def test_what_may_not_be_looked_at_is_a_warning(ready, cluster):
    ready.fail("GET", "/secrets/", 403, "secrets is forbidden")
    finding = findings_by_name(cluster)["registry secret"]
    assert finding.level is Level.WARNING
    assert finding.message == "not known: Secret serving-model-env/regcred may not be read by these credentials"
    assert finding.remedy.startswith("run `python -m deploy secret`, which may write it")


def test_findings_before_a_refusal_stay(ready, cluster):
    node(ready, "one", "400m", "1Gi")
    ready.fail("GET", "/daemonsets", 403, "daemonsets is forbidden")
    ready.fail("GET", "/services", 403, "services is forbidden")
    levels = {finding.check: finding.level for finding in preflight(cluster, HUB)}
    assert levels["capacity"] is Level.ERROR
    assert (levels["network policies"], levels["node port"]) == (Level.WARNING, Level.WARNING)


def test_a_cluster_that_does_not_answer_is_no_finding(ready, cluster):
    ready.fail("GET", "/version", DROP)
    with pytest.raises(Unreachable, match="does not answer"):
        preflight(cluster, HUB)


def verified(api, memory_mb):
    namespace, report = "serving-model-env", json.dumps({"model": "extractive-qa:one", "memory_mb": memory_mb})
    job_controller.finished("Complete")(api.put("Job", VERIFICATION, namespace))
    job_controller.pod(api, VERIFICATION, "verify", namespace, report)


@pytest.mark.parametrize(
    ("memory_mb", "level", "expected"),
    [
        (400, Level.OK, "extractive-qa:one needs about 400 MB"),
        (800, Level.WARNING, "needs about 800 MB, and memory_request is 512Mi"),
        (1200, Level.ERROR, "needs about 1200 MB, and memory_limit is 1Gi"),
    ],
)
def test_pods_have_the_memory_that_the_verified_model_needs(ready, cluster, memory_mb, level, expected):
    assert "once `python -m deploy verify` has run" in findings_by_name(cluster)["memory"].message
    verified(ready, memory_mb)
    finding = findings_by_name(cluster)["memory"]
    assert finding.level == level
    assert expected in finding.message
