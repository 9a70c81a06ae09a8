"""Who may do what: the pods nothing, and whoever runs `python -m deploy` what that needs."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import BUILD, SERVING, TRAINING, VERIFY, account, metadata
from deploy.settings import Settings

DEPLOYER = "qna-deployer"
_RBAC = "rbac.authorization.k8s.io"
_APPLY = ["get", "list", "watch", "create", "patch", "delete"]


def objects(settings: Settings) -> list[Any]:
    """Return ServiceAccounts, Roles and RoleBindings.

    No pod asks the API anything, so that none holds a token. A pipeline can act as the deployer of each namespace.
    """
    training, serving = settings.training_namespace, settings.serving_namespace
    accounts = [(training, TRAINING), (training, BUILD), (serving, SERVING), (serving, VERIFY)]
    return [
        *(_account(account(component), namespace, component) for namespace, component in accounts),
        *_deployer(training, _rules({"batch": ["jobs"], "": ["persistentvolumeclaims"]})),
        *_deployer(
            serving,
            _rules(
                {
                    "apps": ["deployments"],
                    "batch": ["jobs"],
                    "": ["services"],
                    "autoscaling": ["horizontalpodautoscalers"],
                    "policy": ["poddisruptionbudgets"],
                    "networking.k8s.io": ["ingresses"],
                    "gateway.networking.k8s.io": ["httproutes"],
                    "monitoring.coreos.com": ["servicemonitors"],
                }
            ),
        ),
    ]


def _rules(applied: dict[str, list[str]]) -> list[client.V1PolicyRule]:
    """Let the deployer apply these, and read pods, logs and events; no Secret is readable."""
    return [
        *(client.V1PolicyRule(api_groups=[group], resources=kinds, verbs=_APPLY) for group, kinds in applied.items()),
        client.V1PolicyRule(api_groups=["networking.k8s.io"], resources=["networkpolicies"], verbs=_APPLY),
        client.V1PolicyRule(
            api_groups=[""], resources=["pods", "pods/log", "events", "configmaps"], verbs=["get", "list", "watch"]
        ),
    ]


def _account(name: str, namespace: str, component: str | None = None) -> client.V1ServiceAccount:
    return client.V1ServiceAccount(
        api_version="v1",
        kind="ServiceAccount",
        metadata=metadata(name, namespace, component),
        automount_service_account_token=False,
    )


def _deployer(namespace: str, rules: list[client.V1PolicyRule]) -> list[Any]:
    about = metadata(DEPLOYER, namespace)
    return [
        _account(DEPLOYER, namespace),
        client.V1Role(api_version=f"{_RBAC}/v1", kind="Role", metadata=about, rules=rules),
        client.V1RoleBinding(
            api_version=f"{_RBAC}/v1",
            kind="RoleBinding",
            metadata=about,
            role_ref=client.V1RoleRef(api_group=_RBAC, kind="Role", name=DEPLOYER),
            subjects=[client.RbacV1Subject(kind="ServiceAccount", name=DEPLOYER, namespace=namespace)],
        ),
    ]
