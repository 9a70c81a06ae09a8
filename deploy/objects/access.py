"""Who may do what: the pods nothing, and whoever runs `python -m deploy` what that needs."""

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

    No pod asks the API anything, so that none holds a token. A pipeline can act as the deployer, which may do in both
    namespaces what `python -m deploy` does there, and outside of them only look.
    """
    training, serving = settings.training_namespace, settings.serving_namespace
    accounts = [(training, TRAINING), (training, BUILD), *((serving, name) for name in (SERVING, VERIFY, LOAD))]
    standing = {
        "apps": ["deployments"],
        "": ["services", "configmaps"],
        "autoscaling": ["horizontalpodautoscalers"],
        "policy": ["poddisruptionbudgets"],
        "networking.k8s.io": ["ingresses"],
        "gateway.networking.k8s.io": ["httproutes"],
        "monitoring.coreos.com": ["servicemonitors"],
    }
    asking = [_rule("", ["services/proxy", "pods/proxy"], ["get", "create"]), _rule("apps", ["replicasets"], _READ)]
    return [
        *(_account(account(component), namespace, component) for namespace, component in accounts),
        _account(DEPLOYER, training),
        *_role(settings, training, [*_rules({"": ["persistentvolumeclaims", "services"]}), *_secret(settings)]),
        *_role(settings, serving, [*_rules(standing), *asking, *_secret(settings)]),
        *_onlooker(settings),
    ]


def _rules(applied: dict[str, list[str]]) -> list[client.V1PolicyRule]:
    """Let the deployer apply these beside Jobs and NetworkPolicies, and read what tells of them."""
    return [
        *(_rule(group, kinds, _APPLY) for group, kinds in applied.items()),
        _rule("batch", ["jobs"], _APPLY),
        _rule("networking.k8s.io", ["networkpolicies"], _APPLY),
        _rule("", ["pods", "pods/log", "events", "serviceaccounts"], _READ),
        _rule(_RBAC, ["roles", "rolebindings"], _READ),
    ]


def _secret(settings: Settings) -> list[client.V1PolicyRule]:
    """Let the deployer write the registry's Secret, and read none. What is to be created has no name to limit it by."""
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
    about = metadata(DEPLOYER, namespace)
    return [
        client.V1Role(api_version=f"{_RBAC}/v1", kind="Role", metadata=about, rules=rules),
        client.V1RoleBinding(
            api_version=f"{_RBAC}/v1",
            kind="RoleBinding",
            metadata=about,
            role_ref=client.V1RoleRef(api_group=_RBAC, kind="Role", name=DEPLOYER),
            subjects=[_subject(settings)],
        ),
    ]


def _onlooker(settings: Settings) -> list[Any]:
    """Let the deployer see that an administrator's part is there, and what the preflight looks at.

    It lists the pods and Services of all namespaces: what requests a node has left, and which port of the nodes is
    free, can't be known from its own. It may neither read one by its name, nor a log, nor a Secret.
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
