"""Apply the rendered objects to the cluster, in the order of their kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from deploy.cluster import Cluster
from deploy.differences import differences
from deploy.errors import Refused
from deploy.kinds import describe, rank

ADMINISTRATORS = {
    *("Namespace", "PersistentVolume", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
}
"""Kinds that an administrator applies; the deployer only needs to read them."""
REMEDY = (
    "have an administrator apply 00-namespaces.yaml, 01-access.yaml and the volume, which "
    "`python -m deploy render --folder FOLDER` writes with the same settings"
)
"""Remedy when an administrator's object is missing or differs."""


class Applied(NamedTuple):
    """The result for one object. name: its kind, namespace and name.

    action: created, configured, unchanged, or kept (an administrator's, and correct).
    """

    name: str
    action: str


def apply(
    cluster: Cluster,
    objects: Iterable[dict[str, Any]],
    report: Callable[[str], None],
    *,
    dry_run: bool = False,
    force: bool = False,
) -> list[Applied]:
    """Apply objects server-side, namespaces first, and return the result for each.

    dry_run: the server validates the objects and changes nothing. Raises Refused or Unreachable at the first object
    that can't be applied. Objects before it stay applied, and a second run continues.
    """
    results = []
    for manifest in sorted(objects, key=rank):
        try:
            action = _apply_manifest(cluster, manifest, dry_run=dry_run, force=force)
        except Refused as error:
            if dry_run and error.status == 404 and manifest["kind"] != "Namespace" and "namespace" in str(error):
                action = "not checked: its namespace is not there yet"
            else:
                raise
        results.append(Applied(describe(manifest), action))
        report(f"{describe(manifest)} {action}" + (" (dry run)" if dry_run else ""))
    return results


def _apply_manifest(cluster: Cluster, manifest: dict[str, Any], *, dry_run: bool, force: bool) -> str:
    before = cluster.get(manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace"))
    try:
        after = cluster.apply(manifest, dry_run=dry_run, force=force)
    except Refused as error:
        if error.status != 403 or manifest["kind"] not in ADMINISTRATORS or "being terminated" in str(error):
            raise
        if (problem := obstacle(manifest, before)) is not None:
            raise Refused(f"{problem}; deploy with the settings that it was applied with, or {REMEDY}", 403) from error
        return "kept"
    if before is None:
        return "created"
    old, new = _content(before), _content(after)
    return "unchanged" if all(old[part] == new[part] for part in old.keys() & new.keys()) else "configured"


def _content(present: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an object without status and server-managed metadata."""
    metadata = {name: present["metadata"].get(name) for name in ("labels", "annotations")}
    return {name: value for name, value in present.items() if name not in ("metadata", "status")} | {
        "metadata": metadata
    }


def obstacle(manifest: dict[str, Any], before: dict[str, Any] | None) -> str | None:
    """Return why an object that may not be applied can't be kept as it is; None if it can."""
    if before is None:
        return f"{describe(manifest)} is not on the cluster, and these credentials may not create it"
    if lines := differences(manifest, before):
        return (
            f"{describe(manifest)} is not what these settings make, and these credentials may not change it: "
            f"{'; '.join(lines)}"
        )
    return None
