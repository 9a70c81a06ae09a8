"""The rendered manifests: valid, as secure as their namespaces demand, and of one mind."""

import itertools

import kubernetes_validate
import pytest
import yaml

from deploy import render
from deploy.settings import Settings
from tests.commands import ROOT

VERSIONS = ("1.35", "1.36", "1.37")
OWN_SCHEMA = {"HTTPRoute"}
"""Kinds whose schema is not Kubernetes'."""

VARIANTS = {
    "defaults": Settings(),
    "everything else": Settings(
        registry="registry.example:5000",
        digest="sha256:" + "1" * 64,
        training_namespace="train",
        serving_namespace="serve",
        port=8080,
        node_port=31000,
        ingress_class="nginx",
        min_replicas=3,
        max_replicas=30,
        cpu_request="1",
        cpu_limit="2",
        storage_class="fast",
        storage_size="5Gi",
    ),
    "gateway": Settings(gateway="infra/public"),
}


def objects(variant="defaults"):
    return list(itertools.chain.from_iterable(render.manifests(VARIANTS[variant]).values()))


def of_kind(kind, variant="defaults"):
    return [made for made in objects(variant) if made["kind"] == kind]


def the(kind, variant="defaults"):
    (made,) = of_kind(kind, variant)
    return made


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_is_valid(variant, version):
    for made in objects(variant):
        if made["kind"] not in OWN_SCHEMA:
            kubernetes_validate.validate(made, version, strict=True)


def test_an_invalid_object_would_be_found():
    wrong = the("Deployment") | {"spec": the("Deployment")["spec"] | {"replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_committed_manifests_are_the_rendered_defaults(tmp_path):
    render.write(Settings(), tmp_path)
    committed = ROOT / "deploy/manifests"
    assert {path.name: path.read_text() for path in committed.iterdir()} == {
        path.name: path.read_text() for path in tmp_path.iterdir()
    }, "run `python -m deploy render --folder deploy/manifests`"


def test_a_file_that_is_not_rendered_any_more_goes(tmp_path):
    (tmp_path / "09-gone.yaml").write_text("{}")
    (tmp_path / "mine.yaml").write_text("{}")
    render.write(Settings(), tmp_path)
    assert not (tmp_path / "09-gone.yaml").exists()
    assert (tmp_path / "mine.yaml").exists()


def test_yaml_reads_back_to_the_objects():
    for made in render.manifests(Settings()).values():
        assert list(yaml.safe_load_all(render.text(made))) == made


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_two_objects_have_one_name(variant):
    names = [(made["kind"], made["metadata"].get("namespace"), made["metadata"]["name"]) for made in objects(variant)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_is_in_one_of_the_two_namespaces(variant):
    declared = {made["metadata"]["name"] for made in of_kind("Namespace", variant)}
    assert declared == {VARIANTS[variant].training_namespace, VARIANTS[variant].serving_namespace}
    for made in objects(variant):
        if made["kind"] in ("Namespace", "PersistentVolume"):
            assert "namespace" not in made["metadata"]
        else:
            assert made["metadata"]["namespace"] in declared


def test_serving_is_restricted_and_training_baseline():
    levels = {made["metadata"]["name"]: made["metadata"]["labels"] for made in of_kind("Namespace")}
    enforce = "pod-security.kubernetes.io/enforce"
    assert levels["serving-model-env"][enforce] == "restricted"
    assert levels["training-model-env"][enforce] == "baseline"


@pytest.mark.parametrize("variant", VARIANTS)
def test_serving_pods_keep_to_restricted(variant):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, rule by rule."""
    pod = the("Deployment", variant)["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 1034
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert all(set(volume) == {"name", "emptyDir"} for volume in pod["volumes"])
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert all("hostPort" not in port for port in container["ports"])


def test_no_pod_holds_a_token():
    assert all(made["automountServiceAccountToken"] is False for made in of_kind("ServiceAccount"))
    assert the("Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_no_role_reads_secrets_or_has_wildcards():
    for role in of_kind("Role"):
        for rule in role["rules"]:
            assert "secrets" not in rule["resources"]
            assert not {"*"} & {*rule["resources"], *rule["verbs"], *rule["apiGroups"]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_speak_of_the_same_pods_and_ports(variant):
    settings = VARIANTS[variant]
    deployment, service, scaler = (the(kind, variant) for kind in ("Deployment", "Service", "HorizontalPodAutoscaler"))
    pods = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == pods
    assert the("PodDisruptionBudget", variant)["spec"]["selector"]["matchLabels"] == pods
    assert scaler["spec"]["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (port,), (own) = service["spec"]["ports"], container["ports"]
    assert own == [{"name": port["targetPort"], "containerPort": settings.port}]
    assert {"name": "BENTOML_PORT", "value": str(settings.port)} in container["env"]
    (policy,) = (made for made in of_kind("NetworkPolicy", variant) if made["metadata"]["name"] == "allow-questions")
    assert policy["spec"]["podSelector"]["matchLabels"] == pods
    assert policy["spec"]["ingress"] == [{"ports": [{"port": settings.port, "protocol": "TCP"}]}]
    assert container["resources"]["requests"]["cpu"] == settings.cpu_request  # the HPA's percentage is of this
    accounts = {made["metadata"]["name"] for made in of_kind("ServiceAccount", variant)}
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] in accounts


@pytest.mark.parametrize(("variant", "kind"), [("defaults", "Ingress"), ("gateway", "HTTPRoute")])
def test_the_way_in_leads_to_the_service_with_its_path(variant, kind):
    service, way_in = the("Service", variant), the(kind, variant)
    assert not of_kind({"Ingress": "HTTPRoute", "HTTPRoute": "Ingress"}[kind], variant)
    assert "annotations" not in way_in["metadata"]  # nothing is rewritten
    if kind == "Ingress":
        (path,) = way_in["spec"]["rules"][0]["http"]["paths"]
        assert (path["path"], path["pathType"]) == ("/", "Prefix")
        backend = path["backend"]["service"]
        assert backend == {"name": service["metadata"]["name"], "port": {"name": service["spec"]["ports"][0]["name"]}}
    else:
        (backend,) = way_in["spec"]["rules"][0]["backendRefs"]
        assert backend == {"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}
        assert way_in["spec"]["parentRefs"] == [{"name": "public", "namespace": "infra"}]


def test_replicas_are_left_to_the_autoscaler():
    assert "replicas" not in the("Deployment")["spec"]
    spec = the("HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    assert spec["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 5}


def test_a_pod_may_finish_what_it_has_begun():
    pod = the("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    drain = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    timeout = int(next(entry["value"] for entry in container["env"] if entry["name"] == "QNA_TIMEOUT_S"))
    assert pod["terminationGracePeriodSeconds"] > drain + timeout
    assert the("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_both_namespaces_deny_first():
    denied = [made for made in of_kind("NetworkPolicy") if made["metadata"]["name"] == "default-deny"]
    assert {made["metadata"]["namespace"] for made in denied} == {"serving-model-env", "training-model-env"}
    for made in denied:
        assert made["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_registry_on_another_port_can_be_reached_by_builds():
    (build,) = (
        made for made in of_kind("NetworkPolicy", "everything else") if made["metadata"]["name"] == "allow-build-out"
    )
    ports = [port["port"] for rule in build["spec"]["egress"] for port in rule["ports"]]
    assert sorted(ports) == [53, 53, 443, 5000]


def test_the_volume_is_kept_and_bound_to_its_claim():
    volume, claim = the("PersistentVolume"), the("PersistentVolumeClaim")
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
    assert volume["spec"]["capacity"]["storage"] == claim["spec"]["resources"]["requests"]["storage"] == "1Gi"
    assert not of_kind("PersistentVolume", "everything else")
    assert the("PersistentVolumeClaim", "everything else")["spec"]["storageClassName"] == "fast"
