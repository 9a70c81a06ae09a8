"""Whether a cluster has what a deployment needs, before anything is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from deploy import autoscaling, credentials
from deploy.cluster import Cluster
from deploy.errors import DeployError, Refused
from deploy.objects.common import SERVING, labels
from deploy.objects.serving import SERVICE
from deploy.quantities import millicores, whole_bytes
from deploy.settings import Settings

OLDEST = (1, 30)
"""The first version whose kubelets know `preStop.sleep`."""
IDLE_MILLICORES = 5
"""What an idle serving pod uses at most, probes included; measured: 2.5."""
_CHANGED = (
    *("NetworkPolicy", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress", "Job"),
)
_ENFORCING = (
    *("calico-node", "cilium", "antrea-agent", "kube-router", "weave-net", "canal", "ovnkube-node", "azure-npm"),
    *("kube-flannel-np", "netd", "anetd"),
)
"""DaemonSets of network plug-ins that enforce NetworkPolicies."""
_DEFAULT_CLASS = "is-default-class"


class Level(StrEnum):
    """How a check went. error: a deployment would fail; warning: it works, or may, but not as one might think."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One line of the report. remedy: what to do; "" when nothing is."""

    check: str
    level: Level
    said: str
    remedy: str = ""


def preflight(cluster: Cluster, settings: Settings) -> list[Finding]:
    """Check a cluster; a check that can't be made is a warning. Raises Unreachable when nobody answers at all."""
    version = cluster.version()
    findings = [_version(cluster, version)]
    for check in _CHECKS:
        name = check.__name__.strip("_").replace("_", " ")
        try:
            findings += [finding._replace(check=name) for finding in check(cluster, settings)]
        except Refused as error:
            findings.append(Finding(name, Level.WARNING, f"can't be checked: {error}"))
    return findings


def table(findings: list[Finding]) -> str:
    """Lay the findings out for a person."""
    width = max(len(finding.check) for finding in findings)
    return "\n".join(
        f"{finding.level:7}  {finding.check:{width}}  {finding.said}"
        + (f"\n{'':7}  {'':{width}}  -> {finding.remedy}" if finding.remedy else "")
        for finding in findings
    )


def _ok(said: str) -> Finding:
    return Finding("", Level.OK, said)


def _warning(said: str, remedy: str) -> Finding:
    return Finding("", Level.WARNING, said, remedy)


def _error(said: str, remedy: str) -> Finding:
    return Finding("", Level.ERROR, said, remedy)


def _version(cluster: Cluster, version: dict[str, Any]) -> Finding:
    number = tuple(int("".join(filter(str.isdigit, version.get(part, "0"))) or 0) for part in ("major", "minor"))
    said = f"{version.get('gitVersion', 'unknown')} at {cluster.host}"
    if number < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return Finding("version", Level.ERROR, said, f"upgrade to {wanted} or newer: pods drain by preStop.sleep")
    return Finding("version", Level.OK, said)


def _permissions(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    missing = []
    for namespace in (settings.training_namespace, settings.serving_namespace):
        kinds = ("Job", "PersistentVolumeClaim") if namespace == settings.training_namespace else _CHANGED
        missing += [f"patch {kind} in {namespace}" for kind in kinds if not cluster.review(namespace, kind, "patch")]
        if not cluster.review(namespace, "Pod", "get", "log"):
            missing.append(f"read logs in {namespace}")
    if missing:
        remedy = "have an administrator apply 00-namespaces.yaml and 01-access.yaml, and act as qna-deployer"
        yield _error(f"not allowed: {', '.join(missing)}", remedy)
    else:
        yield _ok("everything that is deployed may be changed")
    for namespace in (settings.training_namespace, settings.serving_namespace):
        if cluster.get("Namespace", namespace) is None and not cluster.review(None, "Namespace", "patch"):
            yield _error(f"namespace {namespace} is not there and may not be made", "have an administrator make it")


def _metrics(cluster: Cluster, _settings: Settings) -> Iterator[Finding]:
    try:
        nodes = cluster.find("NodeMetrics")
    except DeployError:
        nodes = []
    if nodes:
        yield _ok(f"the metrics API answers for {len(nodes)} node(s)")
    else:
        yield _error("the metrics API does not answer: the HPA would read `unknown`", "install metrics-server")


def _capacity(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Fit pods into what each node has left, biggest first, as the scheduler would have to."""
    free = _free(cluster)
    one = (_whole_millicores(settings.cpu_request), whole_bytes(settings.memory_request))
    own = sum(min(cpu // one[0], memory // one[1]) for cpu, memory in free)
    own += len(_running(cluster, settings))
    need = f"{settings.cpu_request} CPU and {settings.memory_request}"
    if own < settings.min_replicas:
        remedy = "add nodes, or lower cpu_request and memory_request"
        yield _error(f"{own} of at least {settings.min_replicas} pods of {need} fit", remedy)
    elif own < settings.max_replicas:
        remedy = f"add nodes, or set max_replicas to {own}"
        yield _warning(f"{own} of at most {settings.max_replicas} pods of {need} fit", remedy)
    else:
        yield _ok(f"{settings.max_replicas} pods of {need} fit")
    for run, cpu, memory in (
        ("training", settings.train_cpu, settings.train_memory),
        ("build", settings.build_cpu, settings.build_memory),
    ):
        if not any(c >= _whole_millicores(cpu) and m >= whole_bytes(memory) for c, m in free):
            remedy = f"free or add a node, or lower {run.removesuffix('ing')}_cpu and {run.removesuffix('ing')}_memory"
            yield _error(f"no node has {cpu} CPU and {memory} left for the {run} Job", remedy)


def _storage(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    if settings.storage_class is not None:
        if cluster.get("StorageClass", settings.storage_class) is None:
            yield _error(f"there is no StorageClass {settings.storage_class}", "name one that `kubectl get sc` shows")
        else:
            yield _ok(f"StorageClass {settings.storage_class}")
        return
    nodes = len(cluster.find("Node"))
    said = f"the folder {settings.storage_path} of a node"
    if nodes > 1:
        yield _warning(f"{said}; {nodes} nodes have one each", "set storage_class: a Job may run on another node")
    else:
        yield _ok(said)


def _way_in(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    if settings.gateway is not None:
        namespace, _, name = settings.gateway.rpartition("/")
        if cluster.get("Gateway", name, namespace or settings.serving_namespace) is None:
            yield _error(f"there is no Gateway {settings.gateway}", "make it, or leave the setting out for an Ingress")
        else:
            yield _ok(f"Gateway {settings.gateway}")
        return
    classes = {found["metadata"]["name"]: found["metadata"] for found in cluster.find("IngressClass")}
    default = [name for name, about in classes.items() if _is_default(about)]
    if settings.ingress_class is not None and settings.ingress_class not in classes:
        yield _error(f"there is no IngressClass {settings.ingress_class}", f"there is: {', '.join(classes) or 'none'}")
    elif settings.ingress_class is None and not default:
        remedy = "install an ingress controller, set ingress_class or gateway, or use the NodePort alone"
        yield _warning(f"no IngressClass is the default (there is: {', '.join(classes) or 'none'})", remedy)
    else:
        yield _ok(f"IngressClass {settings.ingress_class or default[0]}")


def _node_port(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    own = (settings.serving_namespace, SERVICE)
    for service in cluster.find("Service"):
        about = service["metadata"]
        taken = {port.get("nodePort") for port in service["spec"].get("ports", [])}
        if settings.node_port in taken and (about["namespace"], about["name"]) != own:
            owner = f"{about['namespace']}/{about['name']}"
            yield _error(f"port {settings.node_port} is taken by Service {owner}", "set another node_port")
            return
    yield _ok(f"port {settings.node_port} is free, or ours")


def _registry_secret(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    if settings.registry_secret is None:
        yield _ok("none is used")
        return
    key, make = credentials.key(settings.registry), "run `python -m deploy secret`"
    for namespace in (settings.training_namespace, settings.serving_namespace):
        secret = cluster.get("Secret", settings.registry_secret, namespace)
        what = f"{namespace}/{settings.registry_secret}"
        if secret is None:
            level = _error if namespace == settings.training_namespace else _warning
            yield level(f"Secret {what} is missing: images can't be pushed, and private ones not pulled", make)
        elif (wrong := credentials.malformed(secret, key)) is not None:
            yield _error(f"Secret {what}: {wrong}", f"delete it, then {make}")
        else:
            yield _ok(f"Secret {what} knows {key}")


def _network_policies(cluster: Cluster, _settings: Settings) -> Iterator[Finding]:
    names = [found["metadata"]["name"] for found in cluster.find("DaemonSet")]
    enforcing = [name for name in names if name.startswith(_ENFORCING)]
    if enforcing:
        yield _ok(f"{enforcing[0]} enforces them")
    else:
        yield _warning("no network plug-in that is known to enforce NetworkPolicies runs", "they may have no effect")


def _autoscaling(_cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Check that idle pods leave, by the HPA's own arithmetic."""
    target = _whole_millicores(settings.cpu_request) * settings.cpu_percent / 100
    most, least = autoscaling.idle_limit(target, settings.min_replicas), settings.min_replicas
    said = f"an idle pod uses up to {IDLE_MILLICORES}m; {least} replicas are reached below {most:.1f}m"
    arithmetic = f"{settings.cpu_percent} % of {settings.cpu_request}, times {least}/{least + 1}"
    rest = autoscaling.settled(settings.max_replicas, IDLE_MILLICORES, target, least)
    if rest > least:
        said = f"{said} ({arithmetic}): {settings.max_replicas} would settle at {rest} for good"
        yield _warning(said, "raise cpu_percent or cpu_request")
    else:
        yield _ok(said)


_CHECKS: tuple[Callable[[Cluster, Settings], Iterator[Finding]], ...] = (
    _permissions,
    _metrics,
    _capacity,
    _storage,
    _way_in,
    _node_port,
    _registry_secret,
    _network_policies,
    _autoscaling,
)


def _free(cluster: Cluster) -> list[tuple[int, int]]:
    """Return what each node has left for requests: millicores and bytes."""
    left = {
        node["metadata"]["name"]: (
            _whole_millicores(node["status"]["allocatable"]["cpu"]),
            whole_bytes(node["status"]["allocatable"]["memory"]),
        )
        for node in cluster.find("Node")
        if not node["spec"].get("unschedulable")
    }
    for pod in cluster.find("Pod"):
        node = pod["spec"].get("nodeName")
        if node in left and pod["status"].get("phase") in ("Pending", "Running"):
            cpu, memory = left[node]
            for container in pod["spec"]["containers"]:
                requests = container.get("resources", {}).get("requests", {})
                cpu -= _whole_millicores(requests.get("cpu", "0"))
                memory -= whole_bytes(requests.get("memory", "0"))
            left[node] = (cpu, memory)
    return list(left.values())


def _running(cluster: Cluster, settings: Settings) -> list[dict[str, Any]]:
    """Return serving pods that are there already: they take room that is theirs."""
    pods = cluster.find("Pod", settings.serving_namespace, labels(SERVING))
    return [pod for pod in pods if pod["status"].get("phase") == "Running"]


def _is_default(about: dict[str, Any]) -> bool:
    return any(_DEFAULT_CLASS in name and value == "true" for name, value in about.get("annotations", {}).items())


def _whole_millicores(quantity: str) -> int:
    return int(millicores(quantity))
