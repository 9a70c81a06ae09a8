"""Loads the cluster's address and credentials from KUBECONFIG, ~/.kube/config or the pod's ServiceAccount."""

from __future__ import annotations

import os
from pathlib import Path

import urllib3
import yaml
from kubernetes import client, config

from deploy.errors import Unreachable

VARIABLE = "KUBECONFIG"
_DEFAULT = "~/.kube/config"
_IN_POD = "KUBERNETES_SERVICE_HOST"
_REMEDY = f"set {VARIABLE} to the file that names the cluster"


def load(context: str | None = None) -> client.Configuration:
    """Return the configuration of the client. context: of the file; None: its current context.

    Raises Unreachable with the name of the file and the problem, without its content.
    """
    configuration = client.Configuration()
    named = os.environ.get(VARIABLE)  # the library reads it only when it is imported
    files = _files(named or _DEFAULT)
    if files:
        _check(files)
        _load_files(files, context, configuration)
    elif named:
        raise Unreachable(f"no cluster is configured: {VARIABLE} names {named}, which is not there; {_REMEDY}")
    elif context is not None or not os.environ.get(_IN_POD):
        raise Unreachable(f"no cluster is configured: {VARIABLE} is not set, and there is no {_DEFAULT}; {_REMEDY}")
    else:
        _load_pod(configuration)
    configuration.retries = urllib3.Retry(total=0, redirect=3)
    return configuration


def _files(named: str) -> list[Path]:
    """Return the files that exist; like kubectl, some of several may be missing."""
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    return [path for path in paths if path.exists()]


def _check(files: list[Path]) -> None:
    for path in files:
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.MarkedYAMLError as error:
            # Its own text would show a line, which may hold a token.
            line = "" if error.problem_mark is None else f" (line {error.problem_mark.line + 1})"
            raise Unreachable(f"{path} is not valid YAML{line}; correct it, or {_REMEDY}") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise Unreachable(f"{path} is not valid YAML; correct it, or {_REMEDY}") from None
        except OSError as error:
            raise Unreachable(f"{path} can't be read: {error.strerror}; {_REMEDY}") from error
        if not content:
            raise Unreachable(f"{path} is empty; {_REMEDY}")
        if not isinstance(content, dict) or not content.get("clusters"):
            raise Unreachable(f"{path} is no kubeconfig: it names no clusters; {_REMEDY}")


def _load_files(files: list[Path], context: str | None, configuration: client.Configuration) -> None:
    names = os.pathsep.join(map(str, files))
    try:
        config.load_kube_config(names, context, client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        remedy = "correct it; `kubectl config view` shows what it says and `kubectl config get-contexts` its contexts"
        raise Unreachable(f"{names} names no cluster that can be used: {error}; {remedy}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # the library checks no types
        raise Unreachable(f"{names} is no kubeconfig ({type(error).__name__}); {_REMEDY}") from None


def _load_pod(configuration: client.Configuration) -> None:
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        remedy = f"let it mount its ServiceAccount's token, or {_REMEDY}"
        raise Unreachable(f"this pod has no account to reach the cluster with: {error}; {remedy}") from error
