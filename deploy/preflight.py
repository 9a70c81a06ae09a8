"""Checks that the cluster meets the requirements of a deployment, before anything is applied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from deploy import autoscaling, credentials, jobs
from deploy.capacity import capacity
from deploy.cluster import Cluster
from deploy.errors import Refused
from deploy.findings import Finding, Level, error, ok, warning
from deploy.objects.serving import SERVICE
from deploy.objects.verification import VERIFICATION
from deploy.permissions import permissions
from deploy.quantities import millicores, whole_bytes
from deploy.settings import Settings

OLDEST = (1, 30)
"""The first version whose kubelets support `preStop.sleep`."""
IDLE_MILLICORES = 5
"""Upper bound for the CPU of an idle serving pod, probes included."""
_ENFORCING = (
    *("calico-node", "cilium", "antrea-agent", "kube-router", "weave-net", "canal", "ovnkube-node", "azure-npm"),
    *("kube-flannel-np", "netd", "anetd"),
)
"""DaemonSets of network plug-ins that enforce NetworkPolicies."""
_DEFAULT_CLASS = "is-default-class"


def preflight(cluster: Cluster, settings: Settings) -> list[Finding]:
    """Run all checks on a cluster; a refused check is a warning. Raises Unreachable if no API server answers."""
    version = cluster.version()
    findings = [_version(cluster, version)]
    for check in _CHECKS:
        name = check.__name__.strip("_").replace("_", " ")
        try:
            for finding in check(cluster, settings):  # keeps earlier findings when a later one raises
                findings.append(finding._replace(check=name))
        except Refused as refusal:
            findings.append(Finding(name, Level.WARNING, f"not known: {refusal}"))
    return findings


def _version(cluster: Cluster, version: dict[str, Any]) -> Finding:
    number = tuple(int("".join(filter(str.isdigit, version.get(part, "0"))) or 0) for part in ("major", "minor"))
    message = f"{version.get('gitVersion', 'unknown')} at {cluster.host}"
    if number < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Finding("version", Level.ERROR, message, f"upgrade to {oldest} or newer: pods drain by preStop.sleep")
    return Finding("version", Level.OK, message)


def _metrics(cluster: Cluster, _settings: Settings) -> Iterator[Finding]:
    try:
        nodes = cluster.find("NodeMetrics")
    except Refused as refusal:
        if refusal.status == 403:
            raise
        nodes = []
    if nodes:
        yield ok(f"the metrics API answers for {len(nodes)} node(s)")
    else:
        yield error("the metrics API does not answer: the HPA would read `unknown`", "install metrics-server")


def _storage(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    if settings.storage_class is not None:
        if cluster.get("StorageClass", settings.storage_class) is None:
            yield error(f"there is no StorageClass {settings.storage_class}", "name one that `kubectl get sc` shows")
        else:
            yield ok(f"StorageClass {settings.storage_class}")
        return
    nodes = len(cluster.find("Node"))
    message = f"the folder {settings.storage_path} of a node"
    if nodes > 1:
        yield warning(f"{message}; {nodes} nodes have one each", "set storage_class: a Job may run on another node")
    else:
        yield ok(message)


def _ingress(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    if settings.gateway is not None:
        namespace, _, name = settings.gateway.rpartition("/")
        if cluster.get("Gateway", name, namespace or settings.serving_namespace) is None:
            yield error(f"there is no Gateway {settings.gateway}", "create it, or unset gateway to use an Ingress")
        else:
            yield ok(f"Gateway {settings.gateway}")
        return
    classes = {item["metadata"]["name"]: item["metadata"] for item in cluster.find("IngressClass")}
    default = [name for name, metadata in classes.items() if _is_default(metadata)]
    if settings.ingress_class is not None and settings.ingress_class not in classes:
        yield error(f"there is no IngressClass {settings.ingress_class}", f"there is: {', '.join(classes) or 'none'}")
    elif settings.ingress_class is None and not default:
        remedy = "install an ingress controller, set ingress_class or gateway, or use the NodePort alone"
        yield warning(f"no IngressClass is the default (there is: {', '.join(classes) or 'none'})", remedy)
    else:
        yield ok(f"IngressClass {settings.ingress_class or default[0]}")


def _node_port(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    own = (settings.serving_namespace, SERVICE)
    for service in cluster.find("Service"):
        metadata = service["metadata"]
        taken = {port.get("nodePort") for port in service["spec"].get("ports", [])}
        if settings.node_port in taken and (metadata["namespace"], metadata["name"]) != own:
            owner = f"{metadata['namespace']}/{metadata['name']}"
            yield error(f"port {settings.node_port} is taken by Service {owner}", "set another node_port")
            return
    yield ok(f"port {settings.node_port} is free, or ours")


def _registry_secret(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    if settings.registry_secret is None:
        yield ok("none is used")
        return
    key, command = credentials.key(settings.registry), "run `python -m deploy secret`"
    for namespace in (settings.training_namespace, settings.serving_namespace):
        secret_name = f"{namespace}/{settings.registry_secret}"
        try:
            secret = cluster.get("Secret", settings.registry_secret, namespace)
        except Refused as refusal:
            if refusal.status != 403:
                raise
            remedy = f"{command}, which may write it without reading it, unless that has been done"
            yield warning(f"not known: Secret {secret_name} may not be read by these credentials", remedy)
            continue
        if secret is None:
            level = error if namespace == settings.training_namespace else warning
            yield level(
                f"Secret {secret_name} is missing: images can't be pushed, and private ones not pulled", command
            )
        elif (problem := credentials.malformed(secret, key)) is not None:
            yield error(f"Secret {secret_name}: {problem}", f"delete it, then {command}")
        else:
            yield ok(f"Secret {secret_name} knows {key}")


def _network_policies(cluster: Cluster, _settings: Settings) -> Iterator[Finding]:
    names = [item["metadata"]["name"] for item in cluster.find("DaemonSet")]
    enforcing = [name for name in names if name.startswith(_ENFORCING)]
    if enforcing:
        yield ok(f"{enforcing[0]} enforces them")
    else:
        yield warning("no network plug-in that is known to enforce NetworkPolicies runs", "they may have no effect")


def _autoscaling(_cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Check by the HPA's formula that it scales idle pods down to the minimum."""
    target = _whole_millicores(settings.cpu_request) * settings.cpu_percent / 100
    limit, minimum = autoscaling.idle_limit(target, settings.min_replicas), settings.min_replicas
    message = f"an idle pod uses up to {IDLE_MILLICORES}m; {minimum} replicas are reached below {limit:.1f}m"
    arithmetic = f"{settings.cpu_percent} % of {settings.cpu_request}, times {minimum}/{minimum + 1}"
    settled = autoscaling.settled_replicas(settings.max_replicas, IDLE_MILLICORES, target, minimum)
    if settled > minimum:
        message = f"{message} ({arithmetic}): {settings.max_replicas} would settle at {settled} for good"
        yield warning(message, "raise cpu_percent or cpu_request")
    else:
        yield ok(message)


def _memory(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Compare a pod's memory with what the model needs that was verified last."""
    message = jobs.termination_message(cluster, VERIFICATION, settings.serving_namespace)
    report: dict[str, Any] = {} if message is None else json.loads(message)
    if "memory_mb" not in report:
        yield ok("what the model needs is known once `python -m deploy verify` has run")
        return
    model, needed = report["model"], report["memory_mb"]
    for setting, quantity in (("memory_limit", settings.memory_limit), ("memory_request", settings.memory_request)):
        if whole_bytes(quantity) < needed * 10**6:
            level = error if setting == "memory_limit" else warning
            yield level(f"{model} needs about {needed} MB, and {setting} is {quantity}", f"raise {setting}")
            return
    yield ok(f"{model} needs about {needed} MB")


_CHECKS: tuple[Callable[[Cluster, Settings], Iterator[Finding]], ...] = (
    permissions,
    _metrics,
    capacity,
    _storage,
    _ingress,
    _node_port,
    _registry_secret,
    _network_policies,
    _autoscaling,
    _memory,
)


def _is_default(metadata: dict[str, Any]) -> bool:
    return any(_DEFAULT_CLASS in name and value == "true" for name, value in metadata.get("annotations", {}).items())


def _whole_millicores(quantity: str) -> int:
    return int(millicores(quantity))
