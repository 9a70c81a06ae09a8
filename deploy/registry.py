"""The image registry, as this machine reaches it: what digest a tag has, and which image `latest` is."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from dxf import DXF
from dxf.exceptions import DXFAuthInsecureError, DXFError

from deploy.errors import Refused, Unauthorized, Unreachable
from deploy.settings import Settings

if TYPE_CHECKING:
    from dxf import DXFBase

DOCKER_HUB = "docker.io"
HUB_KEY = "https://index.docker.io/v1/"
"""What Docker Hub is called in a file or Secret of credentials."""
_HUB_HOST = "registry-1.docker.io"
_TIMEOUT_S = 30
LATEST = "latest"


def credentials_key(registry: str) -> str:
    """Return the name that a registry has in a file or Secret of credentials."""
    return HUB_KEY if registry == DOCKER_HUB else registry


def digest(settings: Settings, tag: str) -> str:
    """Return the digest of the serving image with a tag. Raises Unreachable or Refused."""
    with _repository(settings) as images:
        try:
            found, _ = images.head_manifest_and_response(tag)
        except (DXFError, requests.RequestException) as error:
            raise _problem(settings, tag, error) from error
    if found is None:
        raise Refused(f"image {_name(settings, tag)}: the registry does not say its digest", 200)
    return str(found)


def move_latest(settings: Settings, tag: str) -> None:
    """Give the serving image with a tag the tag `latest` too. Raises Unreachable or Refused."""
    with _repository(settings) as images:
        try:
            manifest, _ = images.get_manifest_and_response(tag)
            images.set_manifest(LATEST, manifest)
        except (DXFError, requests.RequestException, KeyError) as error:
            raise _problem(settings, tag, error) from error


def _repository(settings: Settings) -> DXF:
    host = _HUB_HOST if settings.registry == DOCKER_HUB else settings.registry
    return DXF(
        host,
        settings.serving_image,
        auth=lambda registry, response: _log_in(settings.registry, registry, response),
        insecure=settings.registry_insecure,
        timeout=_TIMEOUT_S,
    )


def _log_in(name: str, registry: DXFBase, response: requests.Response) -> None:
    """Log in as `docker login` noted in $DOCKER_CONFIG or ~/.docker, or as nobody."""
    user, password = _noted(name)
    registry.authenticate(user, password, response=response)


def _noted(name: str) -> tuple[str | None, str | None]:
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        auths = json.loads((folder / "config.json").read_text(encoding="utf-8"))["auths"]
        user, _, password = base64.b64decode(auths[credentials_key(name)]["auth"]).decode().partition(":")
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    return user, password


def _name(settings: Settings, tag: str) -> str:
    return f"{settings.registry}/{settings.serving_image}:{tag}"


def _problem(settings: Settings, tag: str, error: Exception) -> Exception:
    """Say what a failure means; its own text stays out, since it may hold credentials."""
    what = f"image {_name(settings, tag)}"
    if isinstance(error, DXFAuthInsecureError):
        return Unauthorized(f"{what}: the registry wants credentials, which are not sent over plain HTTP; give it TLS")
    response = getattr(error, "response", None)
    if response is None:
        return Unreachable(
            f"{what}: the registry does not answer ({type(error).__name__}); check registry and registry_insecure"
        )
    if response.status_code in (401, 403):
        return Unauthorized(f"{what}: the registry refuses these credentials; run `docker login {settings.registry}`")
    if response.status_code == 404:
        return Refused(f"{what} is not in the registry; run `python -m deploy build`, or name another tag", 404)
    return Refused(f"{what}: the registry answers {response.status_code}; run this again", response.status_code)
