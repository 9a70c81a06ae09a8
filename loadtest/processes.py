"""Processes that a test or a measurement starts, and always ends."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STOP_S = 20
"""Time that a process has to end by itself before it is killed (s)."""


def free_port() -> int:
    """Return a port of the loopback interface that is not in use.

    It is below the range from which the system takes ports for outgoing connections: one of those could take the port
    before the server does.
    """
    while True:
        port = random.randint(20_000, 30_000)  # noqa: S311  # no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def started(
    command: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own until the block ends; its output goes to `log`.

    env: variables that are added to this process's environment.
    """
    added = {} if env is None else env
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command],
            cwd=cwd,
            env={**os.environ, **added},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session, and every process of that session: by SIGTERM first, then by SIGKILL."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
