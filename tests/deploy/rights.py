"""What an account may do, by the Roles and bindings that are on the test server: as the API server decides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

Objects = dict[tuple[str, str, str], dict[str, Any]]


class Asked(NamedTuple):
    """What somebody wants to do. resource: with its subresource, as in pods/log."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


def allowed(objects: Objects, user: str, asked: Asked) -> bool:
    """Return whether a ServiceAccount, as NAMESPACE:NAME, may do this."""
    return any(_grants(rule, asked) for rule in _rules(objects, user, asked.namespace))


def refusal(user: str, asked: Asked) -> str:
    """Say it as the API server does."""
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    plural = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    what = f'{plural} "{asked.name}"' if asked.name else plural
    return (
        f'{what} is forbidden: User "system:serviceaccount:{user}" cannot {asked.verb} resource "{asked.resource}" in '
        f'API group "{asked.group}" {where}'
    )


def _rules(objects: Objects, user: str, namespace: str) -> Iterator[dict[str, Any]]:
    for (kind, place, _), binding in list(objects.items()):
        if kind == "ClusterRoleBinding" or (kind == "RoleBinding" and place == namespace):
            subjects: Iterable[dict[str, Any]] = binding.get("subjects", [])
            if any(f"{one.get('namespace')}:{one['name']}" == user for one in subjects):
                reference = binding["roleRef"]
                at = "" if reference["kind"] == "ClusterRole" else place
                yield from objects.get((reference["kind"], at, reference["name"]), {}).get("rules", [])


def _grants(rule: dict[str, Any], asked: Asked) -> bool:
    names = rule.get("resourceNames")
    return (
        asked.group in rule["apiGroups"]
        and asked.resource in rule["resources"]
        and asked.verb in rule["verbs"]
        and (not names or asked.name in names)
    )
