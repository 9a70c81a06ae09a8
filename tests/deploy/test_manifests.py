"""The rendered manifests: valid, as secure as their namespaces demand, and of one mind."""

import itertools
import json
import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

from deploy import render
from deploy.settings import Settings
from tests.commands import ROOT

VERSIONS = ("1.35", "1.36", "1.37")
OWN_SCHEMA = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}
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
        tls_secret="qna-tls",
        min_replicas=3,
        max_replicas=30,
        cpu_request="1",
        cpu_limit="2",
        storage_class="fast",
        storage_size="5Gi",
        registry_secret=None,
        registry_insecure=True,
        git_commit="2" * 40,
        git_secret="git",
        build_arguments=("BASE_IMAGE=registry.example:5000/python:3.11",),
        train_nodes=2,
        train_gpus=4,
        train_arguments=("--data", "/mnt/model/data/mine.json"),
        monitoring="prometheus",
        kaniko_ca="trust/bundle.pem",
        kaniko_arguments=("--cache=true", "--verbosity=debug"),
        serving_nodes=("pool=serving", "kubernetes.io/arch=amd64"),
        serving_tolerations=("spot",),
        job_nodes=("pool=batch",),
        job_tolerations=("gpu=true:NoSchedule", "batch:NoExecute"),
        build_ports=(443, 7999),
        dns_namespace="openshift-dns",
        dns_port=5353,
        dns_addresses=("169.254.20.10/32",),
    ),
    "gateway": Settings(gateway="infra/public"),
}


def objects(variant="defaults"):
    settings = VARIANTS[variant]
    return list(itertools.chain.from_iterable((render.manifests(settings) | render.runs(settings)).values()))


def of_kind(kind, variant="defaults"):
    return [manifest for manifest in objects(variant) if manifest["kind"] == kind]


def the(kind, variant="defaults"):
    (manifest,) = of_kind(kind, variant)
    return manifest


def the_service(variant="defaults"):
    (manifest,) = (manifest for manifest in of_kind("Service", variant) if manifest["spec"].get("type") == "NodePort")
    return manifest


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_is_valid(variant, version):
    for manifest in objects(variant):
        if manifest["kind"] not in OWN_SCHEMA:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_an_invalid_object_would_be_found():
    wrong = the("Deployment") | {"spec": the("Deployment")["spec"] | {"replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_committed_manifests_are_the_rendered_defaults(tmp_path):
    render.write(Settings(), tmp_path)
    committed, rendered = (
        {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}
        for folder in (ROOT / "deploy/manifests", tmp_path)
    )
    assert committed == rendered, "run `python -m deploy render --folder deploy/manifests`"


def test_a_file_that_is_not_rendered_any_more_goes(tmp_path):
    (tmp_path / "09-gone.yaml").write_text("{}")
    (tmp_path / "mine.yaml").write_text("{}")
    render.write(Settings(), tmp_path)
    assert not (tmp_path / "09-gone.yaml").exists()
    assert (tmp_path / "mine.yaml").exists()


def test_kustomize_takes_all_that_is_deployed_and_no_job(tmp_path):
    render.write(Settings(), tmp_path)
    (tmp_path / "mine.yaml").write_text("{}")
    listed = yaml.safe_load((tmp_path / render.KUSTOMIZATION).read_text())["resources"]
    assert listed == sorted(path.name for path in tmp_path.glob("[0-9]*.yaml"))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
@pytest.mark.parametrize("variant", VARIANTS)
def test_kubectl_builds_the_kustomization(variant, tmp_path):
    render.write(VARIANTS[variant], tmp_path)
    built = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, check=True).stdout
    rendered = [manifest for file in render.manifests(VARIANTS[variant]).values() for manifest in file]
    described = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in yaml.safe_load_all(built)]
    assert sorted(described) == sorted((manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered)


def test_https_is_at_the_ingress_where_a_secret_is_named():
    assert the("Ingress", "everything else")["spec"]["tls"] == [{"hosts": ["qna-model.local"], "secretName": "qna-tls"}]
    assert "tls" not in the("Ingress")["spec"]


def test_yaml_reads_back_to_the_objects():
    for manifest in render.manifests(Settings()).values():
        assert list(yaml.safe_load_all(render.text(manifest))) == manifest


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_two_objects_have_one_name(variant):
    names = [
        (manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"])
        for manifest in objects(variant)
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_is_in_one_of_the_two_namespaces(variant):
    declared = {manifest["metadata"]["name"] for manifest in of_kind("Namespace", variant)}
    assert declared == {VARIANTS[variant].training_namespace, VARIANTS[variant].serving_namespace}
    for manifest in objects(variant):
        if manifest["kind"] in ("Namespace", "PersistentVolume", "ClusterRole", "ClusterRoleBinding"):
            assert "namespace" not in manifest["metadata"]
        else:
            assert manifest["metadata"]["namespace"] in declared


def test_serving_is_restricted_and_training_baseline():
    levels = {manifest["metadata"]["name"]: manifest["metadata"]["labels"] for manifest in of_kind("Namespace")}
    enforce = "pod-security.kubernetes.io/enforce"
    assert levels["serving-model-env"][enforce] == "restricted"
    assert levels["training-model-env"][enforce] == "baseline"


def pods(variant, namespace):
    """The pod specifications of a namespace, by their owner's name."""
    owners = [*of_kind("Deployment", variant), *of_kind("Job", variant)]
    return {
        manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]
        for manifest in owners
        if manifest["metadata"]["namespace"] == namespace
    }


def containers(pod):
    return [*pod["containers"], *pod.get("initContainers", [])]


def test_every_pod_is_looked_at():
    assert list(pods("defaults", "serving-model-env")) == ["model-inference", "copy-model-job", "load-test-job"]
    jobs = ["kaniko-training-image-job", "train-model-job", "package-model-job", "kaniko-build-job"]
    assert list(pods("defaults", "training-model-env")) == jobs


@pytest.mark.parametrize("variant", VARIANTS)
def test_serving_pods_keep_to_restricted(variant):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, rule by rule."""
    for pod in pods(variant, VARIANTS[variant].serving_namespace).values():
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1034
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(set(volume) == {"name", "emptyDir"} for volume in pod["volumes"])
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert all("hostPort" not in port for port in container.get("ports", []))


BASELINE_CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_pods_keep_to_baseline(variant):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline, rule by rule."""
    for pod in pods(variant, VARIANTS[variant].training_namespace).values():
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all("hostPath" not in volume for volume in pod["volumes"])
        for container in containers(pod):
            security = container["securityContext"]
            assert not {"privileged", "procMount", "seLinuxOptions"} & set(security)
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]
            assert set(security["capabilities"].get("add", [])) <= BASELINE_CAPABILITIES
            assert not container.get("ports")


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_pod_holds_a_token(variant):
    settings = VARIANTS[variant]
    accounts = {
        (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        for manifest in of_kind("ServiceAccount", variant)
    }
    assert all(manifest["automountServiceAccountToken"] is False for manifest in of_kind("ServiceAccount", variant))
    for namespace in (settings.serving_namespace, settings.training_namespace):
        for pod in pods(variant, namespace).values():
            assert pod["automountServiceAccountToken"] is False
            assert (namespace, pod["serviceAccountName"]) in accounts


def job(name, variant="defaults"):
    (manifest,) = (manifest for manifest in of_kind("Job", variant) if manifest["metadata"]["name"] == name)
    return manifest["spec"]


def arguments(name, variant="defaults"):
    return job(name, variant)["template"]["spec"]["containers"][0]["args"]


def image_and_store(name):
    container = job(name)["template"]["spec"]["containers"][0]
    return container["image"], {variable["name"]: variable["value"] for variable in container["env"]}["BENTOML_HOME"]


def test_no_job_runs_for_ever():
    assert job("train-model-job")["activeDeadlineSeconds"] == 1800
    for manifest in of_kind("Job"):
        assert manifest["spec"]["activeDeadlineSeconds"] <= 3600
        assert manifest["spec"]["backoffLimit"] == 1
        assert manifest["spec"]["ttlSecondsAfterFinished"] == 86400
        assert manifest["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_image_is_built_from_what_was_packaged_from_what_was_trained():
    left = dict(itertools.pairwise(arguments("package-model-job")))["--context"]
    assert f"--context=tar://{left}" in arguments("kaniko-build-job")
    mounts = {
        name: {mount["mountPath"] for mount in job(name)["template"]["spec"]["containers"][0]["volumeMounts"]}
        for name in ("train-model-job", "package-model-job", "kaniko-build-job")
    }
    images, stores = zip(*map(image_and_store, ("train-model-job", "package-model-job")), strict=True)
    assert len(set(images)) == len(set(stores)) == 1
    assert all("/mnt/model" in paths for paths in mounts.values())
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for name in mounts
        for volume in job(name)["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {the("PersistentVolumeClaim")["metadata"]["name"]}


def test_the_training_image_is_built_from_the_repository():
    assert "--context=git://github.com/ashutoshj/extractive-qa#refs/heads/main" in arguments(
        "kaniko-training-image-job"
    )
    assert (ROOT / "training/Dockerfile").is_file()
    built = next(word for word in arguments("kaniko-training-image-job") if word.startswith("--destination="))
    assert built.partition("=")[2] == job("train-model-job")["template"]["spec"]["containers"][0]["image"]


def test_kaniko_hands_its_digest_over_and_keeps_memory_down():
    for name in ("kaniko-training-image-job", "kaniko-build-job"):
        assert {"--digest-file=/dev/termination-log", "--compressed-caching=false"} <= set(arguments(name))
        (credentials,) = (v for v in job(name)["template"]["spec"]["volumes"] if v["name"] == "registry")
        assert credentials["secret"]["items"] == [{"key": ".dockerconfigjson", "path": "config.json"}]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_mount_has_its_volume_and_every_volume_its_source(variant):
    for manifest in [*of_kind("Deployment", variant), *of_kind("Job", variant)]:
        pod = manifest["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        mounted = {mount["name"] for c in containers(pod) for mount in c.get("volumeMounts", [])}
        assert mounted == set(volumes)
        assert all("secretName" in volume["secret"] for volume in volumes.values() if "secret" in volume)


def test_settings_reach_the_builds():
    reported = arguments("kaniko-training-image-job", "everything else")
    assert f"--context=git://github.com/ashutoshj/extractive-qa#refs/heads/main#{'2' * 40}" in reported
    assert {"--insecure", "--build-arg=BASE_IMAGE=registry.example:5000/python:3.11"} <= set(reported)
    container = job("kaniko-training-image-job", "everything else")["template"]["spec"]["containers"][0]
    assert container["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "git", "key": "token"}


def test_what_is_verified_is_what_is_served():
    for variant in VARIANTS:
        served = the("Deployment", variant)["spec"]["template"]["spec"]["containers"][0]
        verified = job("copy-model-job", variant)["template"]["spec"]["containers"][0]
        assert verified["image"] == served["image"]
        assert verified["args"][0] == "verify"


def test_load_comes_from_beside_the_service_and_goes_nowhere_else():
    service = next(manifest for manifest in of_kind("Service") if manifest["spec"].get("type") == "NodePort")
    pod = job("load-test-job")["template"]["spec"]
    assert pod["enableServiceLinks"] is True
    (url,) = (word for word in pod["containers"][0]["command"] if word.startswith("http://"))
    assert url == "http://$(MODEL_SERVICE_SERVICE_HOST):$(MODEL_SERVICE_SERVICE_PORT)"
    assert service["metadata"]["name"] == "model-service"
    (policy,) = (manifest for manifest in of_kind("NetworkPolicy") if manifest["metadata"]["name"] == "allow-load-out")
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected == job("load-test-job")["template"]["metadata"]["labels"]
    (rule,) = policy["spec"]["egress"]
    assert rule["to"][0]["podSelector"]["matchLabels"] == service["spec"]["selector"]
    assert [port["port"] for port in rule["ports"]] == [5000]


def test_training_on_several_nodes_meets_at_the_first_pod():
    spec = job("train-model-job", "everything else")
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    pod = spec["template"]["spec"]
    (peers,) = (
        manifest for manifest in of_kind("Service", "everything else") if manifest["spec"].get("clusterIP") == "None"
    )
    assert pod["subdomain"] == peers["metadata"]["name"]
    assert peers["spec"]["selector"] == spec["template"]["metadata"]["labels"]
    command = pod["containers"][0]["command"]
    assert {"torchrun", "--nnodes=2", "--nproc-per-node=4"} <= set(command)
    assert "--rdzv-endpoint=train-model-job-0.train-model:29500" in command
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "4"
    assert pod["containers"][0]["args"][-2:] == ["--data", "/mnt/model/data/mine.json"]
    assert the("PersistentVolumeClaim", "everything else")["spec"]["accessModes"] == ["ReadWriteMany"]
    assert "allow-training-peers" in {
        manifest["metadata"]["name"] for manifest in of_kind("NetworkPolicy", "everything else")
    }


def test_monitoring_asks_the_service_and_shows_its_metrics():
    monitor, dashboard = the("ServiceMonitor", "everything else"), the("ConfigMap", "everything else")
    service = next(
        manifest for manifest in of_kind("Service", "everything else") if manifest["spec"].get("type") == "NodePort"
    )
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert endpoint["honorLabels"]  # else the operator's label `endpoint` takes the place of BentoML's
    board = json.loads(dashboard["data"]["extractive-qa.json"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) == 12
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert places == {(x, y) for x in (0, 6, 12, 18) for y in (0, 8, 16)}  # of 24 columns, and 24 lines of a screen
    assert not of_kind("ServiceMonitor")


def test_the_boards_queries_are_promqls_and_of_documented_series(tmp_path):
    board = json.loads(the("ConfigMap", "everything else")["data"]["extractive-qa.json"])
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    series = set(re.findall(r"\b((?:extractive_qa|bentoml)\w+)\{", " ".join(queries)))
    assert {name.removesuffix("_bucket") for name in series} <= documented
    assert len({name for name in series if name.startswith("extractive_qa")}) >= 8
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool (Debian's package prometheus)")
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_role_reads_secrets_or_has_wildcards():
    for role in [*of_kind("Role"), *of_kind("ClusterRole")]:
        for rule in role["rules"]:
            if "secrets" in rule["resources"]:
                assert (rule["verbs"], rule.get("resourceNames")) in ((["create"], None), (["patch"], ["regcred"]))
            assert not {"*"} & {*rule["resources"], *rule["verbs"], *rule["apiGroups"]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_speak_of_the_same_pods_and_ports(variant):
    settings = VARIANTS[variant]
    deployment, scaler = (the(kind, variant) for kind in ("Deployment", "HorizontalPodAutoscaler"))
    service = the_service(variant)
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
    (policy,) = (
        manifest for manifest in of_kind("NetworkPolicy", variant) if manifest["metadata"]["name"] == "allow-questions"
    )
    assert policy["spec"]["podSelector"]["matchLabels"] == pods
    assert policy["spec"]["ingress"] == [{"ports": [{"port": settings.port, "protocol": "TCP"}]}]
    assert container["resources"]["requests"]["cpu"] == settings.cpu_request  # the HPA's percentage is of this
    accounts = {manifest["metadata"]["name"] for manifest in of_kind("ServiceAccount", variant)}
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] in accounts


@pytest.mark.parametrize(("variant", "kind"), [("defaults", "Ingress"), ("gateway", "HTTPRoute")])
def test_the_way_in_leads_to_the_service_with_its_path(variant, kind):
    service, way_in = the_service(variant), the(kind, variant)
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


def probe(name):
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    return container[f"{name}Probe"]


def noticed_s(probe):
    """Seconds after which a process that hangs has failed a probe, when it hangs just after a good one."""
    return probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]


def test_a_process_that_hangs_is_out_within_10_s_and_replaced_within_45_s():
    """1 s until all proxies know. The kubelet ends a container at the latest 2 s after its grace period, and a new one
    is ready after 7 s at 500m."""
    assert noticed_s(probe("readiness")) + 1 < 10
    liveness = probe("liveness")
    grace = liveness["terminationGracePeriodSeconds"]
    assert grace < the("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert noticed_s(liveness) + grace + 2 + 7 < 45


def test_probes_leave_a_busy_pod_and_a_slow_start_alone_and_cost_little():
    """At 500m and above max_concurrency, /livez and /readyz took 0.4 s at most; a probe takes 1 ms of CPU."""
    for name in ("readiness", "liveness"):
        assert probe(name)["timeoutSeconds"] >= 4 * 0.4
        assert probe(name)["failureThreshold"] >= 2
    assert noticed_s(probe("liveness")) >= 20
    assert probe("startup")["periodSeconds"] * probe("startup")["failureThreshold"] >= 120
    assert sum(1000 / (1000 * probe(name)["periodSeconds"]) for name in ("readiness", "liveness")) <= 0.5


def test_both_namespaces_deny_first():
    denied = [manifest for manifest in of_kind("NetworkPolicy") if manifest["metadata"]["name"] == "default-deny"]
    assert {manifest["metadata"]["namespace"] for manifest in denied} == {"serving-model-env", "training-model-env"}
    for manifest in denied:
        assert manifest["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def egress(name, variant="defaults"):
    (policy,) = (manifest for manifest in of_kind("NetworkPolicy", variant) if manifest["metadata"]["name"] == name)
    return policy["spec"]["egress"]


def ports(rule):
    return [port["port"] for port in rule["ports"]]


def test_builds_reach_the_registry_and_the_git_server_on_their_ports():
    assert ports(egress("allow-build-out")[-1]) == [443]
    assert ports(egress("allow-build-out", "everything else")[-1]) == [443, 5000, 7999]
    assert ports(egress("allow-training-out", "everything else")[-1]) == [443]


@pytest.mark.parametrize("name", ["allow-build-out", "allow-training-out"])
def test_names_are_asked_for_where_the_cluster_has_its_name_servers(name):
    """OpenShift's DNS has a namespace and port of its own; NodeLocal DNS is on the node, at an address of its own."""
    (pods,) = egress(name)[:-1]
    assert pods["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]
    assert ports(pods) == [53, 53]
    pods, node = egress(name, "everything else")[:-1]
    assert pods["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}}]
    assert ports(pods) == [5353, 5353]
    assert node["to"] == [{"ipBlock": {"cidr": "169.254.20.10/32"}}]
    assert ports(node) == [53, 53]
    assert {port["protocol"] for port in node["ports"]} == {"UDP", "TCP"}


def test_pods_and_jobs_run_on_the_nodes_that_are_named():
    for manifest in [*of_kind("Deployment"), *of_kind("Job")]:
        assert not {"nodeSelector", "tolerations"} & set(manifest["spec"]["template"]["spec"])
    serving = the("Deployment", "everything else")["spec"]["template"]["spec"]
    assert serving["nodeSelector"] == {"pool": "serving", "kubernetes.io/arch": "amd64"}
    assert serving["tolerations"] == [{"key": "spot", "operator": "Exists"}]
    for manifest in of_kind("Job", "everything else"):
        pod = manifest["spec"]["template"]["spec"]
        assert pod["nodeSelector"] == {"pool": "batch"}
        assert pod["tolerations"] == [
            {"key": "gpu", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
            {"key": "batch", "operator": "Exists", "effect": "NoExecute"},
        ]


@pytest.mark.parametrize("name", ["kaniko-training-image-job", "kaniko-build-job"])
def test_kaniko_trusts_an_own_ca_beside_those_of_its_image_and_takes_more_arguments(name):
    pod = job(name, "everything else")["template"]["spec"]
    (container,) = pod["containers"]
    assert {"name": "SSL_CERT_DIR", "value": "/kaniko/ssl/certs:/kaniko/own-ca"} in container["env"]
    (volume,) = (volume for volume in pod["volumes"] if "configMap" in volume)
    assert volume["configMap"] == {"name": "trust", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}
    mount = {"name": volume["name"], "mountPath": "/kaniko/own-ca", "readOnly": True}
    assert mount in container["volumeMounts"]
    assert container["args"][-2:] == ["--cache=true", "--verbosity=debug"]
    assert "SSL_CERT_DIR" not in json.dumps(job(name))


def test_the_volume_is_kept_and_bound_to_its_claim():
    volume, claim = the("PersistentVolume"), the("PersistentVolumeClaim")
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
    assert volume["spec"]["capacity"]["storage"] == claim["spec"]["resources"]["requests"]["storage"] == "1Gi"
    assert not of_kind("PersistentVolume", "everything else")
    assert the("PersistentVolumeClaim", "everything else")["spec"]["storageClassName"] == "fast"
