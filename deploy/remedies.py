"""Turns failed requests into errors with a remedy."""

from __future__ import annotations

import json
import ssl

from deploy.errors import Refused, Unauthorized, Unreachable, WrongServer

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
_ENDING = "the namespace is still being deleted; run this again once it is gone"
_OVERLOAD = "the API server is overloaded or starting; run this again"


def unreachable(problem: str, host: str, error: Exception) -> Unreachable:
    """Return an error for a server that does not answer. problem: the failed action and its object."""
    if isinstance(error, Unreachable):
        return error
    reason = getattr(error, "reason", None) or error
    failure = _tls(reason)
    if isinstance(failure, ssl.SSLCertVerificationError):
        return WrongServer(
            f"{problem}: the certificate of {host} is not trusted ({failure.verify_message}); check "
            "certificate-authority and server of the cluster in KUBECONFIG: they may be "
            "another cluster's, or older than this one"
        )
    if failure is not None:
        return WrongServer(
            f"{problem}: {host} does not speak TLS as expected ({failure.reason or failure}); check server and the "
            "certificates in KUBECONFIG"
        )
    return Unreachable(
        f"{problem}: {host} does not answer ({reason}); check that the cluster runs and that KUBECONFIG names it"
    )


def _tls(error: object) -> ssl.SSLError | None:
    """Return the TLS failure that caused an error. A dropped connection is no TLS failure."""
    while isinstance(error, Exception):
        if isinstance(error, ssl.SSLError):
            return None if isinstance(error, ssl.SSLEOFError) else error
        error = error.__cause__ or error.__context__ or next(iter(error.args[::-1]), None)
    return None


def foreign(problem: str, host: str) -> WrongServer:
    """Return an error for a server that is no Kubernetes API server."""
    return WrongServer(
        f"{problem}: what answers at {host} is no Kubernetes API server; check server of the cluster in KUBECONFIG, "
        "and that no proxy is in between"
    )


def refused(problem: str, status: int, body: bytes) -> Refused | Unreachable:
    """Return an error for a refused request. problem: the failed action and its object."""
    try:
        answer = json.loads(body)
        reason = answer.get("message") or answer.get("detail") or ""  # of the API server, or of the service behind it
    except (ValueError, AttributeError):
        reason = body.decode("utf-8", errors="replace")[:200].strip()
    remedy = _QUOTA if "exceeded quota" in reason else _REMEDIES.get(status, "")
    remedy = _ENDING if "being terminated" in reason else remedy
    remedy = _OVERLOAD if status in OVERLOADED else remedy
    message = f"{problem}: {reason or 'no reason was given'} (HTTP {status})" + (f"; {remedy}" if remedy else "")
    return Unauthorized(message) if status == 401 else Refused(message, status)
