"""The credentials of the registry, and the Secret that holds them for pods."""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Any

import yaml

from deploy.errors import SettingsError
from deploy.objects.common import metadata
from deploy.settings import Settings

USERNAME, PASSWORD = "QNA_REGISTRY_USR", "QNA_REGISTRY_PSW"  # names
"""Variables that take precedence over `docker login`; Jenkins sets these suffixes for a credential."""
FILE = "K8S_SECRET_FILE"
"""Variable with the path of a file with the Secret's manifest."""
DOCKER_HUB = "docker.io"
HUB_KEY = "https://index.docker.io/v1/"
"""The key of Docker Hub in a file or Secret of credentials."""
_TYPE, _FIELD = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"


def key(registry: str) -> str:
    """Return the key of a registry in a file or Secret of credentials."""
    return HUB_KEY if registry == DOCKER_HUB else registry


def login(registry: str) -> tuple[str | None, str | None]:
    """Return user and password from the environment, or from `docker login` in $DOCKER_CONFIG or ~/.docker."""
    if os.environ.get(USERNAME) and os.environ.get(PASSWORD):
        return os.environ[USERNAME], os.environ[PASSWORD]
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        auths = json.loads((folder / "config.json").read_text(encoding="utf-8"))["auths"]
        user, _, password = base64.b64decode(auths[key(registry)]["auth"]).decode().partition(":")
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    return user, password


def secrets(settings: Settings) -> list[dict[str, Any]]:
    """Return the registry's Secret for both namespaces, from the file K8S_SECRET_FILE or from the credentials.

    The list is empty if registry_secret is none. Raises SettingsError without the content of the Secret.
    """
    name = settings.registry_secret
    if name is None:
        return []
    path = os.environ.get(FILE)
    manifest = _from_login(settings) if not path else _read(Path(path))
    if (problem := malformed(manifest, key(settings.registry))) is not None:
        raise SettingsError(f"the Secret of {path}: {problem}")
    value = manifest.get("data", {}).get(_FIELD) or _encoded(manifest["stringData"][_FIELD])
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": metadata(name).labels,
            },
            "type": _TYPE,
            "data": {_FIELD: value},
        }
        for namespace in (settings.training_namespace, settings.serving_namespace)
    ]


def malformed(secret: dict[str, Any], registry_key: str) -> str | None:
    """Return the problem of a Secret that should have a registry's credentials, without its content."""
    if secret.get("type") != _TYPE:
        return f"its type is {secret.get('type')}, not {_TYPE}"
    try:
        text = secret.get("stringData", {}).get(_FIELD) or base64.b64decode(secret["data"][_FIELD])
        names = sorted(json.loads(text)["auths"])
    except (KeyError, ValueError, TypeError, AttributeError, binascii.Error):
        return f"its {_FIELD} can't be read"
    if registry_key not in names:
        return f"it knows {', '.join(names) or 'no registry'}, not {registry_key}"
    return None


def _from_login(settings: Settings) -> dict[str, Any]:
    user, password = login(settings.registry)
    if user is None or password is None:
        raise SettingsError(
            f"no credentials of {settings.registry} are known; run `docker login {settings.registry}`, set {USERNAME} "
            f"and {PASSWORD}, or name a Secret's file in {FILE}"
        )
    auth = _encoded(f"{user}:{password}")
    auths = {key(settings.registry): {"username": user, "password": password, "auth": auth}}
    return {"type": _TYPE, "data": {_FIELD: _encoded(json.dumps({"auths": auths}))}}


def _read(path: Path) -> dict[str, Any]:
    try:
        documents = [manifest for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")) if manifest]
    except OSError as error:
        raise SettingsError(f"{FILE} names {path}, which can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError):
        raise SettingsError(f"{FILE} names {path}, which is not YAML") from None  # its context would show the text
    secret = [manifest for manifest in documents if isinstance(manifest, dict) and manifest.get("kind") == "Secret"]
    if len(secret) != 1:
        raise SettingsError(f"{FILE} names {path}, which holds {len(secret)} Secrets; one is needed")
    return secret[0]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
