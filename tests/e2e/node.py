"""What only whoever runs the cluster can do to it: by a command that a variable names, or as root on the node."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

SIGNAL = "QNA_E2E_SIGNAL"
RESTART_API = "QNA_E2E_RESTART_API"
STOP_REGISTRY, START_REGISTRY = "QNA_E2E_STOP_REGISTRY", "QNA_E2E_START_REGISTRY"
OURS = "QNA_E2E_OURS"
"""Variable that is 1 where nobody else uses the cluster."""
ROOM = 4 * 2**30
"""The first size of a volume (bytes)."""


def need(*variables: str) -> None:
    """Skip the test unless these variables name commands."""
    if missing := [name for name in variables if not os.environ.get(name)]:
        pytest.skip(
            f"only whoever runs the cluster can do this: set {' and '.join(missing)} to the command that does it"
        )


def need_a_cluster_of_our_own() -> None:
    """Skip the test where others would feel it."""
    if os.environ.get(OURS) != "1":
        pytest.skip(f"others who use the cluster would feel this: set {OURS}=1 where there are none")


def run(variable: str) -> None:
    """Run the command that a variable names."""
    subprocess.run(shlex.split(os.environ[variable]), check=True, timeout=300)


def send(name: str, pod: dict[str, Any]) -> None:
    """Send a signal to all processes of a pod's first container, or skip where that can't be done.

    The command of QNA_E2E_SIGNAL gets the signal's name and the container's id.
    """
    if os.environ.get(SIGNAL):
        subprocess.run([*shlex.split(os.environ[SIGNAL]), name, container(pod)], check=True, timeout=60)
        return
    for process in need_processes(container(pod)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.Signals[name])


def container(pod: dict[str, Any]) -> str:
    """Return the id of a pod's first container."""
    return str(pod["status"]["containerStatuses"][0]["containerID"]).partition("://")[2]


def need_processes(container: str) -> list[int]:
    """Return the processes of a container; skip unless this is root on its node."""
    processes = []
    for groups in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):  # it has ended meanwhile
            if container in groups.read_text():
                processes.append(int(groups.parent.name))
    if not processes or os.geteuid() != 0:
        pytest.skip(f"only root on the pod's node can do this: run it there, or set {SIGNAL} to a command that does it")
    return processes


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A file system of its own in a folder of this node."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0755", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def resize(folder: Path, size: int) -> None:
    """Give such a file system another size (bytes)."""
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
