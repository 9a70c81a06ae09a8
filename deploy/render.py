"""Renders settings to manifests, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from deploy.objects import (
    access,
    building,
    exposure,
    load_test,
    monitoring,
    namespaces,
    network,
    scaling,
    serving,
    storage,
    training,
    verification,
)
from deploy.settings import Settings

_CONCERNS: dict[str, Callable[[Settings], list[Any]]] = {
    "namespaces": namespaces.objects,
    "access": access.objects,
    "network": network.objects,
    "storage": storage.objects,
    "serving": serving.objects,
    "scaling": scaling.objects,
    "exposure": exposure.objects,
    "monitoring": monitoring.objects,
}
_RUNS: dict[str, Callable[[Settings], list[Any]]] = {
    "training-image": building.training_image,
    "train": training.training,
    "package": training.packaging,
    "serving-image": building.serving_image,
    "verify": verification.objects,
    "load": load_test.objects,
}
RUNS = "jobs"
"""Subfolder of the Jobs, so that `kubectl apply -f` of the folder starts none of them."""


KUSTOMIZATION = "Kustomization"
"""File for Kustomize. `kubectl apply -f` of the folder passes over it, since its name has no extension."""


class _Dumper(yaml.SafeDumper):
    """Writes multi-line text as a literal block."""


def _literal(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _literal)


def manifests(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Return the deployed objects by the name of their file."""
    return _files(_CONCERNS, settings)


def objects(settings: Settings, *concerns: str) -> list[dict[str, Any]]:
    """Return the deployed objects, or those of some concerns, in the order of the files."""
    return [manifest for name in concerns or _CONCERNS for manifest in _objects(_CONCERNS[name], settings)]


def runs(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Return each Job of the pipeline with its objects, by the name of the file."""
    return {f"{RUNS}/{name}": objects for name, objects in _files(_RUNS, settings).items()}


def run(settings: Settings, name: str) -> list[dict[str, Any]]:
    """Return one Job with its objects: training-image, train, package, serving-image, verify or load."""
    return _objects(_RUNS[name], settings)


def _files(concerns: dict[str, Callable[[Settings], list[Any]]], settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Number the concerns to keep their order; a concern without objects has no file."""
    files = {
        f"{number:02d}-{name}.yaml": _objects(concern, settings)
        for number, (name, concern) in enumerate(concerns.items())
    }
    return {name: objects for name, objects in files.items() if objects}


def _objects(concern: Callable[[Settings], list[Any]], settings: Settings) -> list[dict[str, Any]]:
    """Return the objects of a concern as dictionaries, without empty fields."""
    api = client.ApiClient(client.Configuration())
    return [_without_none(api.sanitize_for_serialization(manifest)) for manifest in concern(settings)]  # type: ignore[no-untyped-call]


def _without_none(manifest: Any) -> Any:
    if isinstance(manifest, dict):
        return {name: _without_none(value) for name, value in manifest.items() if value is not None}
    return [_without_none(value) for value in manifest] if isinstance(manifest, list) else manifest


def text(objects: list[dict[str, Any]]) -> str:
    """Return objects as YAML documents."""
    dumped = (yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True) for manifest in objects)
    return "".join(f"---\n{document}" for document in dumped)


def _kustomization(files: list[str]) -> str:
    """Return what `kubectl apply -k` of the folder reads: the deployed objects, without the Jobs."""
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return yaml.safe_dump({**kind, "resources": files}, sort_keys=False)


def write(settings: Settings, folder: Path) -> list[Path]:
    """Write all files into the folder, and remove files of an earlier rendering that no longer exist."""
    (folder / RUNS).mkdir(parents=True, exist_ok=True)
    written = []
    for name, objects in (manifests(settings) | runs(settings)).items():
        path = folder / name
        path.write_text(text(objects), encoding="utf-8")
        written.append(path)
    (folder / KUSTOMIZATION).write_text(_kustomization(list(manifests(settings))), encoding="utf-8")
    rendered = {*folder.glob("[0-9][0-9]-*.yaml"), *(folder / RUNS).glob("[0-9][0-9]-*.yaml")}
    for stale in rendered - set(written):
        stale.unlink()
    return written
