"""A server that runs on this machine while it is measured: its start, its CPU time and its memory."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtest import processes
from loadtest.questions import Question

ROOT = Path(__file__).parents[2]
MODEL = "extractive-qa"
SERVICE, BASELINE = "service", "baseline"
START_S = 120
"""Deadline for the first answer after the start (s)."""
SAMPLE_S = 0.25
"""Interval between two samples of the memory (s)."""


@dataclass(frozen=True)
class Server:
    """A running server on the loopback interface. first_answer_s: from its start to its first answer (s)."""

    name: str
    port: int
    pid: int
    first_answer_s: float

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """Return the CPU time that the process and all its children have used (s)."""
        return sum(_cpu_s(process) for process in self.processes())

    def main_threads_s(self) -> float:
        """Return the CPU time that the main threads of these processes have used (s). Linux only.

        The service's event loop runs on one of them. The kernel counts it in nanoseconds, and a process's in ticks.
        """
        texts = (Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii") for process in self.processes())
        return sum(int(text.split()[0]) for text in texts) / 1e9

    def memory_mb(self) -> float:
        """Return the resident memory of the process and all its children (MB); shared memory counts more than once."""
        return _memory_mb(self.processes())

    def peak_mb(self) -> float:
        """Return the greatest resident memory of each process since it started, added up (MB). Linux only."""
        statuses = (Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8") for process in self.processes())
        lines = (line for status in statuses for line in status.splitlines() if line.startswith("VmHWM:"))
        return sum(1024 * int(line.split()[1]) for line in lines) / 1e6

    def processes(self) -> list[psutil.Process]:
        """Return the process that was started and all its present children."""
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


def service(
    question: Question, folder: Path, tag: str, *, checkout: Path = ROOT, name: str = SERVICE
) -> AbstractContextManager[Server]:
    """Run the service of a checkout of this repository with the stored model `tag`; its log goes to `folder`."""
    port = processes.free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", str(port)]
    env = {"QNA_MODEL": tag, "BENTOML_DO_NOT_TRACK": "True"}
    return running(name, command, port, question.body, cwd=checkout, env=env, log=folder / f"{name}.log")


def alone(question: Question, folder: Path, tag: str) -> AbstractContextManager[Server]:
    """Run this repository's service as a container does, in one process; otherwise like `service`."""
    port = processes.free_port()
    command = [sys.executable, "-m", "bento_service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    env = {"BENTO_PATH": str(ROOT), "QNA_MODEL": tag, "BENTOML_DO_NOT_TRACK": "True"}
    return running(SERVICE, command, port, question.body, cwd=ROOT, env=env, log=folder / "service.log")


def baseline(question: Question, folder: Path, python: Path, checkpoint: str) -> AbstractContextManager[Server]:
    """Run `loadtest/baseline` with the interpreter `python` and a stored checkpoint; its log goes to `folder`."""
    port = processes.free_port()
    command = [str(python), "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    env = {"BASELINE_MODEL": checkpoint, "HF_HUB_OFFLINE": "1"}
    cwd = ROOT / "loadtest" / "baseline"
    return running(BASELINE, command, port, question.body, cwd=cwd, env=env, log=folder / "baseline.log")


@contextmanager
def running(
    name: str, command: Sequence[str], port: int, question: bytes, *, cwd: Path, env: Mapping[str, str], log: Path
) -> Iterator[Server]:
    """Run a server of `/answer` until the block ends, and wait until it answers `question`, the body of a request.

    Raises RuntimeError with the end of the log when the server ends, or does not answer within START_S.
    """
    begun = time.monotonic()
    with processes.started(command, log, cwd=cwd, env=env) as process:
        while not _answers(port, question):
            returncode = process.poll()
            if returncode is not None or time.monotonic() > begun + START_S:
                tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                why = f"ended with {returncode}" if returncode is not None else f"gave no answer within {START_S} s"
                raise RuntimeError(f"the {name} {why}:\n{tail}")
            time.sleep(0.02)
        yield Server(name, port, process.pid, time.monotonic() - begun)


def post(port: int, path: str, body: bytes, *, timeout_s: float) -> int:
    """Post JSON to a server on this machine, read the whole response and return its status.

    Raises OSError or HTTPException when there is no response.
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


class MemorySampler:
    """Samples a server's memory while its block runs. peak_mb: the greatest sample so far (MB).

    The processes are looked up once, at the beginning: a search for new ones with each sample would take CPU time from
    the load generator.
    """

    def __init__(self, server: Server) -> None:
        self._processes = server.processes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peak_mb = _memory_mb(self._processes)

    def __enter__(self) -> MemorySampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self.peak_mb = max(self.peak_mb, _memory_mb(self._processes))
