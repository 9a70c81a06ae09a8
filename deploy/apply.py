"""What is rendered onto the cluster: in the order of kinds, as often as one likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from deploy.cluster import Cluster
from deploy.errors import Refused
from deploy.kinds import describe, rank

_ADMINISTRATORS = {
    *("Namespace", "PersistentVolume", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
}
"""Kinds that whoever deploys need not be allowed to change, once they are as they should be."""


class Applied(NamedTuple):
    """What became of an object. action: created, configured, unchanged, or kept (an administrator's, and as wanted)."""

    what: str
    action: str


def apply(
    cluster: Cluster,
    objects: Iterable[dict[str, Any]],
    say: Callable[[str], None],
    *,
    dry_run: bool = False,
    force: bool = False,
) -> list[Applied]:
    """Apply objects on the server's side, namespaces first, and say what became of each.

    dry_run: let the server check and admit everything, and change nothing. Raises Refused or Unreachable at the first
    object that can't be applied; those before it stay, and a second run takes up from there.
    """
    done = []
    for made in sorted(objects, key=rank):
        try:
            action = _one(cluster, made, dry_run=dry_run, force=force)
        except Refused as error:
            if dry_run and error.status == 404 and made["kind"] != "Namespace" and "namespace" in str(error):
                action = "not checked: its namespace is not there yet"
            else:
                raise
        done.append(Applied(describe(made), action))
        say(f"{describe(made)} {action}" + (" (dry run)" if dry_run else ""))
    return done


def _one(cluster: Cluster, made: dict[str, Any], *, dry_run: bool, force: bool) -> str:
    before = cluster.get(made["kind"], made["metadata"]["name"], made["metadata"].get("namespace"))
    try:
        after = cluster.apply(made, dry_run=dry_run, force=force)
    except Refused as error:
        if error.status == 403 and made["kind"] in _ADMINISTRATORS and before is not None and _within(made, before):
            return "kept"
        raise
    if before is None:
        return "created"
    old, new = _content(before), _content(after)
    return "unchanged" if all(old[part] == new[part] for part in old.keys() & new.keys()) else "configured"


def _content(found: dict[str, Any]) -> dict[str, Any]:
    """Return what an object says, without what the server counts and notes."""
    about = {name: found["metadata"].get(name) for name in ("labels", "annotations")}
    return {name: value for name, value in found.items() if name not in ("metadata", "status")} | {"metadata": about}


def _within(wanted: Any, found: Any) -> bool:
    """Return whether everything that is wanted is there; what is there beside it does no harm."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(name in found and _within(wanted[name], found[name]) for name in wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(_within, wanted, found))
    return bool(wanted == found)
