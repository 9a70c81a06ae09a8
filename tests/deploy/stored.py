"""What a real API server makes of what is applied: empty values dropped, defaults added, fields owned by managers.

As seen on Kubernetes 1.36; lists are taken as a whole.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

Object = dict[str, Any]
Path = tuple[str, ...]

_DEFAULTS: dict[str, Object] = {
    "Namespace": {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}},
    "PersistentVolume": {"spec": {"volumeMode": "Filesystem"}, "status": {"phase": "Available"}},
    "PersistentVolumeClaim": {"spec": {"volumeMode": "Filesystem"}, "status": {"phase": "Pending"}},
    "Deployment": {"spec": {"replicas": 1}},
    "Service": {"spec": {"sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}},
    "Job": {"spec": {"completionMode": "NonIndexed", "suspend": False}},
}
_POD = {"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent"}
_DROPPED = {"PersistentVolume": [("spec", "storageClassName"), ("spec", "hostPath", "type")]}
"""Fields whose empty text is as good as none. A claim's storageClassName is another matter: "" means no class."""
_AMOUNTS = {"capacity", "requests", "limits"}


def leaves(content: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield all fields and their values. apiVersion, kind, name and namespace are nobody's."""
    if isinstance(content, dict) and (content or not path):
        for name, value in content.items():
            whole = (*path, name)
            if whole not in {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}:
                yield from leaves(value, whole)
    elif path:
        yield path, content


def conflicts(before: Object, body: Object, manager: str) -> list[str]:
    """Return the fields that another manager has set to another value, as the API server names them."""
    old, owners = dict(leaves(before)), _owners(before)
    return [
        f'conflict with "{owner}": .{".".join(path)}'
        for path, value in leaves(body)
        for owner, paths in owners.items()
        if owner != manager and path in paths and old.get(path) != value
    ]


def applied(kind: str, before: Object | None, body: Object, manager: str) -> Object:
    """Return the object after a server-side apply: what the manager no longer names goes, unless others own it."""
    owners = {} if before is None else _owners(before)
    desired = {path for path, _ in leaves(body)}
    others = set().union(*(paths for owner, paths in owners.items() if owner != manager))
    after = merged(before or {"metadata": {"generation": 0}}, body)
    for path in owners.get(manager, set()) - desired - others:
        _remove(after, path)
    _own(
        after,
        {name: paths - desired for name, paths in owners.items() if name != manager} | {manager: desired},
        "Apply",
    )
    return _kept(kind, after)


def changed(kind: str, before: Object, body: Object, manager: str) -> Object:
    """Return the object after a merge patch."""
    owners, paths = _owners(before), {path for path, _ in leaves(body)}
    after = merged(before, body)
    taken = {name: owned - paths for name, owned in owners.items() if name != manager}
    _own(after, taken | {manager: owners.get(manager, set()) | paths}, "Update")
    return _kept(kind, after)


def merged(before: Any, body: Any) -> Any:
    """Merge what is new into what is there."""
    if isinstance(before, dict) and isinstance(body, dict):
        return copy.deepcopy(before) | {name: merged(before.get(name), value) for name, value in body.items()}
    return copy.deepcopy(body)


def _kept(kind: str, manifest: Object) -> Object:
    for *place, name in _DROPPED.get(kind, []):
        part = manifest
        for step in place:
            part = part.get(step, {})
        if part.get(name) == "":
            del part[name]
    _fill(manifest, _DEFAULTS.get(kind, {}))
    if kind == "Namespace":
        manifest["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = manifest["metadata"]["name"]
    pod = manifest.get("spec", {}).get("template", {}).get("spec")
    if pod:
        _fill(pod, _POD)
        for container in pod.get("containers", []):
            _fill(container, _CONTAINER)
    _canonical(manifest)
    return manifest


def _fill(manifest: Object, defaults: Object) -> None:
    for name, value in defaults.items():
        if isinstance(value, dict):
            _fill(manifest.setdefault(name, {}), value)
        else:
            manifest.setdefault(name, copy.deepcopy(value))


def _canonical(manifest: Any) -> None:
    """Write amounts as the API server does: 0.5 as 500m, and 1024Mi as 1Gi."""
    if isinstance(manifest, list):
        for value in manifest:
            _canonical(value)
    elif isinstance(manifest, dict):
        for name, value in manifest.items():
            if name in _AMOUNTS and isinstance(value, dict):
                manifest[name] = {what: _amount(str(amount)) for what, amount in value.items()}
            else:
                _canonical(value)


def _amount(text: str) -> str:
    number = Decimal(parse_quantity(text))
    if number != int(number):
        return f"{int(number * 1000)}m"
    if text.endswith("i"):
        for power, suffix in ((4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
            if int(number) % 1024**power == 0:
                return f"{int(number) // 1024**power}{suffix}"
    return text if text[-1].isalpha() and not text.endswith("m") else str(int(number))


def _owners(manifest: Object) -> dict[str, set[Path]]:
    """Return which manager owns which fields, as managedFields has it."""
    return {
        entry["manager"]: {path for path, _ in _unfold(entry["fieldsV1"])}
        for entry in manifest["metadata"].get("managedFields", [])
    }


def _unfold(fields: Object, path: Path = ()) -> Iterator[tuple[Path, None]]:
    for name, below in fields.items():
        whole = (*path, name.removeprefix("f:"))
        if below:
            yield from _unfold(below, whole)
        else:
            yield whole, None


def _own(manifest: Object, owners: dict[str, set[Path]], operation: str) -> None:
    entries = []
    for manager, paths in owners.items():
        fields: Object = {}
        for path in sorted(paths):
            part = fields
            for name in path:
                part = part.setdefault(f"f:{name}", {})
        if paths:
            entries.append({"manager": manager, "operation": operation, "fieldsV1": fields})
    manifest["metadata"]["managedFields"] = entries


def _remove(manifest: Object, path: Path) -> None:
    *place, name = path
    for step in place:
        manifest = manifest.get(step, {})
    manifest.pop(name, None)
