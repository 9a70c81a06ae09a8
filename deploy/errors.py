"""Everything that can go wrong between the settings and a running service.

    DeployError (exit code 1)
    └── SettingsError (2)

Messages say what happened and what to do next.
"""

from __future__ import annotations


class DeployError(Exception):
    """The deployment failed; the base of the package's errors."""

    exit_code = 1


class SettingsError(DeployError):
    """A setting is unknown or has a value that it can't take."""

    exit_code = 2
