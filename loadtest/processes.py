"""A server in a process of its own: started, awaited until it answers, watched, and always ended."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STOP_S = 20
START_S = 120
SAMPLE_S = 0.25


@dataclass(frozen=True)
class Server:
    """A running server on the loopback interface. first_answer_s: from its start to its first answer (s)."""

    name: str
    port: int
    pid: int
    first_answer_s: float

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """CPU time that the process and all below it have used (s)."""
        return sum(_cpu_s(process) for process in self.processes())

    def memory_mb(self) -> float:
        """Resident memory of the process and all below it (MB); what they share counts more than once."""
        return _memory_mb(self.processes())

    def processes(self) -> list[psutil.Process]:
        """The process that was started, and all below it now."""
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]


def _memory_mb(processes: Sequence[psutil.Process]) -> float:
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / 1e6


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses now.

    Below the range that the system gives to outgoing connections, one of which could take it before a server does.
    """
    while True:
        port = random.randint(20_000, 30_000)  # noqa: S311  # no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(
    name: str, command: Sequence[str], port: int, question: bytes, *, cwd: Path, env: Mapping[str, str], log: Path
) -> Iterator[Server]:
    """Run a server of `/answer` until the block ends; `question` is the body that it must answer first.

    Raises RuntimeError with the end of its log when it does not.
    """
    begun = time.monotonic()
    with started(command, log, cwd=cwd, env=env) as process:
        while not _answers(port, question):
            ended = process.poll()
            if ended is not None or time.monotonic() > begun + START_S:
                said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                why = f"ended with {ended}" if ended is not None else f"gave no answer within {START_S} s"
                raise RuntimeError(f"the {name} {why}:\n{said}")
            time.sleep(0.02)
        yield Server(name, port, process.pid, time.monotonic() - begun)


@contextmanager
def started(
    command: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that leads a session of its own until the block ends; what it writes goes to the log."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session of its own, and all in it: kindly first."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def post(port: int, path: str, body: bytes, *, timeout_s: float) -> int:
    """Post JSON to a server on this machine and return the status, once the whole response is there.

    Raises OSError or HTTPException when there is none.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def _answers(port: int, question: bytes) -> bool:
    try:
        return post(port, "/answer", question, timeout_s=START_S) == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


@contextmanager
def peak_memory(server: Server) -> Iterator[list[float]]:
    """Sample a server's memory (MB) while the block runs, into the list that it is given.

    Of the processes that it has by then: to look through the whole machine for others each time costs as much as
    three requests, a fifteenth of what the load generator takes at the rates seen.
    """
    processes = server.processes()
    samples = [_memory_mb(processes)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_S):
            samples.append(_memory_mb(processes))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join()
