"""The errors of a deployment.

    DeployError (exit code 1)
    ├── RemovalLate (1): a deleted object still exists
    ├── SettingsError (2)
    ├── Unreachable (3): no cluster is configured, or the cluster or the registry does not answer
    │   ├── Unauthorized: the credentials are missing, wrong or expired
    │   └── WrongServer: the server is no Kubernetes API server, or its certificate is not trusted
    ├── Refused (4): the cluster or the registry refused the request
    ├── JobFailed (5): a Job failed, took too long or was deleted
    ├── RolloutFailed (6): the Deployment is not available or does not answer
    └── NotReady (7): the preflight found an error

A message names the object, what happened and what to do next.
"""

from __future__ import annotations


class DeployError(Exception):
    """The deployment failed; the base of the package's errors."""

    exit_code = 1


class RemovalLate(DeployError):
    """A deleted object still exists after the time limit."""


class SettingsError(DeployError):
    """A setting is unknown or has an invalid value."""

    exit_code = 2


class Unreachable(DeployError):
    """The server does not answer."""

    exit_code = 3


class Unauthorized(Unreachable):
    """The credentials are missing, wrong or expired."""


class WrongServer(Unreachable):
    """What answers at the cluster's address is no Kubernetes API server, or its certificate is not trusted."""


class Refused(DeployError):
    """The server refused the request. status: the HTTP status."""

    exit_code = 4

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


class JobFailed(DeployError):
    """A Job failed, took too long, or was deleted while it ran."""

    exit_code = 5


class RolloutFailed(DeployError):
    """The Deployment did not become available, or did not answer."""

    exit_code = 6


class NotReady(DeployError):
    """The cluster lacks what a deployment needs."""

    exit_code = 7
