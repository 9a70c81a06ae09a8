"""ServiceAccounts and Roles: pods have no permissions, the deployer has those of `python -m deploy`."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import BUILD, LOAD, SERVING, TRAINING, VERIFY, account, metadata
from deploy.settings import Settings

DEPLOYER = "qna-deployer"
_RBAC = "rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]
_APPLY = [*_READ, "create", "patch", "delete"]


def objects(settings: Settings) -> list[Any]:
    """Return ServiceAccounts, Roles and their bindings.

    Pods have no token, since none uses the API. The deployer may change objects in both namespaces, and only read
    objects outside of them.
    """
    training, serving = settings.training_namespace, settings.serving_namespace
    accounts = [(training, TRAINING), (training, BUILD), *((serving, name) for name in (SERVING, VERIFY, LOAD))]
    applied_kinds = {
        "apps": ["deployments"],
        "": ["services", "configmaps"],
        "autoscaling": ["horizontalpodautoscalers"],
        "policy": ["poddisruptionbudgets"],
        "networking.k8s.io": ["ingresses"],
        "gateway.networking.k8s.io": ["httproutes"],
        "monitoring.coreos.com": ["servicemonitors", "prometheusrules"],
    }
    service_rules = [
        _rule("", ["services/proxy", "pods/proxy"], ["get", "create"]),
        _rule("apps", ["replicasets"], _READ),
    ]
    return [
        *(_account(account(component), namespace, component) for namespace, component in accounts),
        _account(DEPLOYER, training),
        *_role(settings, training, [*_rules({"": ["persistentvolumeclaims", "services"]}), *_secret(settings)]),
        *_role(settings, serving, [*_rules(applied_kinds), *service_rules, *_secret(settings)]),
        *_reader(settings),
    ]


def _rules(applied: dict[str, list[str]]) -> list[client.V1PolicyRule]:
    """Let the deployer apply these kinds, Jobs and NetworkPolicies, and read pods, logs and events."""
    return [
        *(_rule(group, kinds, _APPLY) for group, kinds in applied.items()),
        _rule("batch", ["jobs"], _APPLY),
        _rule("networking.k8s.io", ["networkpolicies"], _APPLY),
        _rule("", ["pods", "pods/log", "events", "serviceaccounts"], _READ),
        _rule(_RBAC, ["roles", "rolebindings"], _READ),
    ]


def _secret(settings: Settings) -> list[client.V1PolicyRule]:
    """Let the deployer write the registry's Secret and read none. RBAC can't limit creation by name."""
    if settings.registry_secret is None:
        return []
    return [_rule("", ["secrets"], ["create"]), _rule("", ["secrets"], ["patch"], [settings.registry_secret])]


def _rule(group: str, kinds: list[str], verbs: list[str], names: list[str] | None = None) -> client.V1PolicyRule:
    return client.V1PolicyRule(api_groups=[group], resources=kinds, verbs=verbs, resource_names=names)


def _account(name: str, namespace: str, component: str | None = None) -> client.V1ServiceAccount:
    return client.V1ServiceAccount(
        api_version="v1",
        kind="ServiceAccount",
        metadata=metadata(name, namespace, component),
        automount_service_account_token=False,
    )


def _role(settings: Settings, namespace: str, rules: list[client.V1PolicyRule]) -> list[Any]:
    role_metadata = metadata(DEPLOYER, namespace)
    return [
        client.V1Role(api_version=f"{_RBAC}/v1", kind="Role", metadata=role_metadata, rules=rules),
        client.V1RoleBinding(
            api_version=f"{_RBAC}/v1",
            kind="RoleBinding",
            metadata=role_metadata,
            role_ref=client.V1RoleRef(api_group=_RBAC, kind="Role", name=DEPLOYER),
            subjects=[_subject(settings)],
        ),
    ]


def _reader(settings: Settings) -> list[Any]:
    """Let the deployer read the administrator's objects and the objects that the preflight checks.

    It lists pods and Services of all namespaces, for the free resources and ports of the nodes. It can't get a single
    one of them, a log or a Secret.
    """
    name = f"{DEPLOYER}-{settings.training_namespace}"
    rules = [
        _rule("", ["namespaces"], ["get"], [settings.training_namespace, settings.serving_namespace]),
        _rule("", ["persistentvolumes"], ["get"], [settings.volume]),
        _rule(_RBAC, ["clusterroles", "clusterrolebindings"], ["get"], [name]),
        _rule("", ["nodes"], _READ),
        _rule("", ["pods", "services"], ["list"]),
        _rule("apps", ["daemonsets"], _READ),
        _rule("metrics.k8s.io", ["nodes", "pods"], _READ),
        _rule("storage.k8s.io", ["storageclasses"], _READ),
        _rule("networking.k8s.io", ["ingressclasses"], _READ),
        _rule("gateway.networking.k8s.io", ["gateways"], _READ),
    ]
    return [
        client.V1ClusterRole(api_version=f"{_RBAC}/v1", kind="ClusterRole", metadata=metadata(name), rules=rules),
        client.V1ClusterRoleBinding(
            api_version=f"{_RBAC}/v1",
            kind="ClusterRoleBinding",
            metadata=metadata(name),
            role_ref=client.V1RoleRef(api_group=_RBAC, kind="ClusterRole", name=name),
            subjects=[_subject(settings)],
        ),
    ]


def _subject(settings: Settings) -> client.RbacV1Subject:
    return client.RbacV1Subject(kind="ServiceAccount", name=DEPLOYER, namespace=settings.training_namespace)
