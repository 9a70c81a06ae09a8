"""Everything that can go wrong between the settings and a running service.

    DeployError (exit code 1)
    ├── RemovalLate (1): what was deleted is not gone yet
    ├── SettingsError (2)
    ├── Unreachable (3): no cluster is configured, or the cluster or the registry does not answer
    │   ├── Unauthorized: it does not know the credentials
    │   └── WrongServer: what answers is not the cluster, or can't be trusted to be
    ├── Refused (4): the cluster or the registry answers that it won't
    ├── JobFailed (5): a Job failed, was late or went away
    ├── RolloutFailed (6): what was rolled out does not run or does not answer
    └── NotReady (7): the preflight found what would make a deployment fail

Messages say what happened to which object and what to do next.
"""

from __future__ import annotations


class DeployError(Exception):
    """The deployment failed; the base of the package's errors."""

    exit_code = 1


class RemovalLate(DeployError):
    """What was deleted is still there after its time."""


class SettingsError(DeployError):
    """A setting is unknown or has a value that it can't take."""

    exit_code = 2


class Unreachable(DeployError):
    """Nobody answers, or nobody who knows these credentials."""

    exit_code = 3


class Unauthorized(Unreachable):
    """The credentials are missing, wrong or too old."""


class WrongServer(Unreachable):
    """What answers at the cluster's address is no Kubernetes API server, or its certificate is not trusted."""


class Refused(DeployError):
    """The request was understood and refused. status: the HTTP status of the answer."""

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
