"""Settings to manifests: a YAML file a concern, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from deploy.objects import access, exposure, namespaces, network, scaling, serving, storage
from deploy.settings import Settings

_CONCERNS: dict[str, Callable[[Settings], list[Any]]] = {
    "namespaces": namespaces.objects,
    "access": access.objects,
    "network": network.objects,
    "storage": storage.objects,
    "serving": serving.objects,
    "scaling": scaling.objects,
    "exposure": exposure.objects,
}


def manifests(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Return each file's objects, as the API takes them, by the file's name."""
    api = client.ApiClient(client.Configuration())
    return {
        f"{number:02d}-{name}.yaml": [_plain(api, made) for made in concern(settings)]
        for number, (name, concern) in enumerate(_CONCERNS.items())
    }


def _plain(api: client.ApiClient, made: Any) -> dict[str, Any]:
    """Return an object with the API's names, without what it does not say."""
    plain: dict[str, Any] = _without_none(api.sanitize_for_serialization(made))  # type: ignore[no-untyped-call]
    return plain


def _without_none(made: Any) -> Any:
    if isinstance(made, dict):
        return {name: _without_none(value) for name, value in made.items() if value is not None}
    return [_without_none(value) for value in made] if isinstance(made, list) else made


def text(objects: list[dict[str, Any]]) -> str:
    """Return one file's objects as YAML documents."""
    return "".join(f"---\n{yaml.safe_dump(made, sort_keys=False, allow_unicode=True)}" for made in objects)


def write(settings: Settings, folder: Path) -> list[Path]:
    """Write every file into the folder, and remove those of a rendering before that are not rendered any more."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, objects in manifests(settings).items():
        path = folder / name
        path.write_text(text(objects), encoding="utf-8")
        written.append(path)
    for stale in set(folder.glob("[0-9][0-9]-*.yaml")) - set(written):
        stale.unlink()
    return written
