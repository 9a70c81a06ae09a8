"""The kinds of objects: their paths in the API, the order of applying, and their names in messages."""

from __future__ import annotations

from typing import Any, NamedTuple

from kubernetes.dynamic.client import DynamicClient, Resource


class Kind(NamedTuple):
    """The location of a kind in the API. api: group and version, as in the path."""

    api: str
    plural: str
    namespaced: bool = True


KINDS = {
    "Namespace": Kind("api/v1", "namespaces", namespaced=False),
    "ServiceAccount": Kind("api/v1", "serviceaccounts"),
    "Secret": Kind("api/v1", "secrets"),
    "Role": Kind("apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": Kind("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "ClusterRole": Kind("apis/rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Kind("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", namespaced=False),
    "NetworkPolicy": Kind("apis/networking.k8s.io/v1", "networkpolicies"),
    "PersistentVolume": Kind("api/v1", "persistentvolumes", namespaced=False),
    "PersistentVolumeClaim": Kind("api/v1", "persistentvolumeclaims"),
    "ConfigMap": Kind("api/v1", "configmaps"),
    "Service": Kind("api/v1", "services"),
    "Deployment": Kind("apis/apps/v1", "deployments"),
    "PodDisruptionBudget": Kind("apis/policy/v1", "poddisruptionbudgets"),
    "HorizontalPodAutoscaler": Kind("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "Ingress": Kind("apis/networking.k8s.io/v1", "ingresses"),
    "HTTPRoute": Kind("apis/gateway.networking.k8s.io/v1", "httproutes"),
    "ServiceMonitor": Kind("apis/monitoring.coreos.com/v1", "servicemonitors"),
    "PrometheusRule": Kind("apis/monitoring.coreos.com/v1", "prometheusrules"),
    "Job": Kind("apis/batch/v1", "jobs"),
    # Only read.
    "Pod": Kind("api/v1", "pods"),
    "Event": Kind("api/v1", "events"),
    "ReplicaSet": Kind("apis/apps/v1", "replicasets"),
    "DaemonSet": Kind("apis/apps/v1", "daemonsets"),
    "Node": Kind("api/v1", "nodes", namespaced=False),
    "NodeMetrics": Kind("apis/metrics.k8s.io/v1beta1", "nodes", namespaced=False),
    "PodMetrics": Kind("apis/metrics.k8s.io/v1beta1", "pods"),
    "StorageClass": Kind("apis/storage.k8s.io/v1", "storageclasses", namespaced=False),
    "IngressClass": Kind("apis/networking.k8s.io/v1", "ingressclasses", namespaced=False),
    "SelfSubjectAccessReview": Kind("apis/authorization.k8s.io/v1", "selfsubjectaccessreviews", namespaced=False),
    "Gateway": Kind("apis/gateway.networking.k8s.io/v1", "gateways"),
}
"""The order of the applied kinds is the order of applying."""
_RANKS = {kind: rank for rank, kind in enumerate(KINDS)}


def rank(manifest: dict[str, Any]) -> int:
    """Return the position of an object in the order of applying; deleting uses the reverse order."""
    return _RANKS[manifest["kind"]]


def resources(client: DynamicClient, _cache_file: str | None) -> dict[str, Resource]:
    """Return the kinds as resources of the dynamic client.

    It is the client's discoverer, which sends no request and writes no cache file.
    """
    by_kind = {}
    for name, kind in KINDS.items():
        prefix, *group, version = kind.api.split("/")
        description = {"kind": name, "namespaced": kind.namespaced, "name": kind.plural, "client": client}
        by_kind[name] = Resource(prefix, "".join(group), version, **description)  # type: ignore[no-untyped-call]
    return by_kind


def described(kind: str, name: str, namespace: str | None = None) -> str:
    """Return the name of an object in messages."""
    return f"{kind} {name}" if namespace is None else f"{kind} {namespace}/{name}"


def describe(manifest: dict[str, Any]) -> str:
    """Return the name of a manifest's object in messages."""
    return described(manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace"))
