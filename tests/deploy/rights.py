"""Decides by the Roles and bindings on the test server what an account may do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

Objects = dict[tuple[str, str, str], dict[str, Any]]


class Access(NamedTuple):
    """A requested access. resource: with its subresource, as in pods/log."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


def allowed(objects: Objects, user: str, access: Access) -> bool:
    """Return whether a ServiceAccount, as NAMESPACE:NAME, may do this."""
    return any(_grants(rule, access) for rule in _rules(objects, user, access.namespace))


def refusal(user: str, access: Access) -> str:
    """Say it as the API server does."""
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    plural = f"{access.resource}.{access.group}" if access.group else access.resource
    what = f'{plural} "{access.name}"' if access.name else plural
    return (
        f'{what} is forbidden: User "system:serviceaccount:{user}" cannot {access.verb} resource '
        f'"{access.resource}" in API group "{access.group}" {where}'
    )


def _rules(objects: Objects, user: str, namespace: str) -> Iterator[dict[str, Any]]:
    for (kind, place, _), binding in list(objects.items()):
        if kind == "ClusterRoleBinding" or (kind == "RoleBinding" and place == namespace):
            subjects: Iterable[dict[str, Any]] = binding.get("subjects", [])
            if any(f"{entry.get('namespace')}:{entry['name']}" == user for entry in subjects):
                reference = binding["roleRef"]
                at = "" if reference["kind"] == "ClusterRole" else place
                yield from objects.get((reference["kind"], at, reference["name"]), {}).get("rules", [])


def _grants(rule: dict[str, Any], access: Access) -> bool:
    names = rule.get("resourceNames")
    return (
        access.group in rule["apiGroups"]
        and access.resource in rule["resources"]
        and access.verb in rule["verbs"]
        and (not names or access.name in names)
    )
