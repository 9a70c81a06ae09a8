"""Reads digests from the image registry and moves tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from dxf import DXF
from dxf.exceptions import DXFAuthInsecureError, DXFError

from deploy import credentials
from deploy.errors import Refused, Unauthorized, Unreachable
from deploy.settings import Settings

if TYPE_CHECKING:
    from dxf import DXFBase

_HUB_HOST = "registry-1.docker.io"
_TIMEOUT_S = 30
LATEST = "latest"


def digest(settings: Settings, image: str, tag: str) -> str:
    """Return the digest of an image with a tag. Raises Unreachable or Refused (404: there is none)."""
    with _repository(settings, image) as images:
        try:
            present, _ = images.head_manifest_and_response(tag)
        except (DXFError, requests.RequestException) as error:
            raise _problem(settings, image, tag, error) from error
    if present is None:
        raise Refused(f"image {settings.registry}/{image}:{tag}: the registry does not say its digest", 200)
    return str(present)


def move(settings: Settings, image: str, tag: str, to: str) -> None:
    """Give the image with a tag another tag too. Raises Unreachable or Refused."""
    with _repository(settings, image) as images:
        try:
            manifest, _ = images.get_manifest_and_response(tag)
            images.set_manifest(to, manifest)
        except (DXFError, requests.RequestException, KeyError) as error:
            raise _problem(settings, image, tag, error) from error


def _repository(settings: Settings, image: str) -> DXF:
    host = _HUB_HOST if settings.registry == credentials.DOCKER_HUB else settings.registry
    return DXF(
        host,
        image,
        auth=lambda registry, response: _log_in(settings.registry, registry, response),
        insecure=settings.registry_insecure,
        timeout=_TIMEOUT_S,
    )


def _log_in(name: str, registry: DXFBase, response: requests.Response) -> None:
    """Log in with the known credentials, or anonymously."""
    user, password = credentials.login(name)
    registry.authenticate(user, password, response=response)


def _problem(settings: Settings, image: str, tag: str, error: Exception) -> Exception:
    """Return an error with a remedy, without the original text, which may contain credentials."""
    image_name = f"image {settings.registry}/{image}:{tag}"
    if isinstance(error, DXFAuthInsecureError):
        return Unauthorized(
            f"{image_name}: the registry wants credentials, which are not sent over plain HTTP; give it TLS"
        )
    response = getattr(error, "response", None)
    if response is None:
        return Unreachable(
            f"{image_name}: the registry does not answer ({type(error).__name__}); check registry and registry_insecure"
        )
    if response.status_code in (401, 403):
        return Unauthorized(
            f"{image_name}: the registry refuses these credentials; run `docker login {settings.registry}`, or "
            f"set {credentials.USERNAME} and {credentials.PASSWORD}"
        )
    if response.status_code == 404:
        return Refused(f"{image_name} is not in the registry; run `python -m deploy build`, or name another tag", 404)
    return Refused(f"{image_name}: the registry answers {response.status_code}; run this again", response.status_code)
