"""What the API server did not do, as an error that says what to do about it."""

from __future__ import annotations

import json

from deploy.errors import Refused, Unauthorized, Unreachable

OVERLOADED = {429, 500, 502, 503, 504}
"""Statuses after which the same request may succeed."""

_REMEDIES = {
    401: "the cluster does not know these credentials; log in again, or check KUBECONFIG",
    403: "ask an administrator for this right, or have one apply it",
    404: "it, its namespace or its kind is not on the cluster; `python -m deploy apply` makes namespaces, and a kind "
    "that Kubernetes does not bring comes with its operator",
    409: "something else has set these fields; look at them, then run this again with --force-conflicts",
    410: "run this again",
    422: "the object is invalid, or changes a field that can't change; delete it and run this again",
}
_QUOTA = "raise the namespace's quota, or ask for less CPU, memory or replicas in the settings"
_OVERLOAD = "the API server is overloaded or starting; run this again"


def unreachable(what: str, host: str, error: Exception) -> Unreachable:
    """Say that the host does not answer. what: could not be done to which object."""
    if isinstance(error, Unreachable):
        return error
    reason = getattr(error, "reason", None) or error
    return Unreachable(
        f"{what}: {host} does not answer ({reason}); check that the cluster runs and that KUBECONFIG names it"
    )


def refused(what: str, status: int, body: bytes) -> Refused | Unreachable:
    """Read the Status that the API server answers with. what: could not be done to which object."""
    try:
        answer = json.loads(body)
        said = answer.get("message") or answer.get("detail") or ""  # of the API server, or of the service behind it
    except (ValueError, AttributeError):
        said = body.decode("utf-8", errors="replace")[:200].strip()
    remedy = _QUOTA if "exceeded quota" in said else _REMEDIES.get(status, "")
    remedy = _OVERLOAD if status in OVERLOADED else remedy
    message = f"{what}: {said or 'no reason was given'} (HTTP {status})" + (f"; {remedy}" if remedy else "")
    return Unauthorized(message) if status == 401 else Refused(message, status)
