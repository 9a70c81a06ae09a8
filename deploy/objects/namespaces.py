"""Both namespaces with their Pod Security level."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import metadata
from deploy.settings import Settings


def objects(settings: Settings) -> list[Any]:
    """Return the namespaces. Training is "baseline", since Kaniko is root in its container."""
    levels = {settings.training_namespace: "baseline", settings.serving_namespace: "restricted"}
    return [_namespace(name, level) for name, level in levels.items()]


def _namespace(name: str, level: str) -> client.V1Namespace:
    security = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn", "audit")}
    return client.V1Namespace(api_version="v1", kind="Namespace", metadata=metadata(name, **security))
