"""A real server on a free port, for tests: started with a deadline, always ended."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from loadtest import processes

ROOT = Path(__file__).parent.parent
START_S = 90


@dataclass(frozen=True)
class Server:
    """A running server. url: without a slash at the end. pid: of what was started, not of a worker below it."""

    url: str
    log_path: Path
    pid: int

    @property
    def log(self) -> str:
        """What the server has written so far, to stdout and stderr."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for tests that speak to the socket."""
        return "127.0.0.1", int(self.url.rpartition(":")[2])


def home_beside(home: Path, folder: Path) -> Path:
    """Make a home with the models of another one: a server that starts empties the folder of metrics in its home."""
    beside = folder / "home"
    beside.mkdir()
    (beside / "models").symlink_to(home / "models")
    return beside


@contextmanager
def serve(home: Path, scratch: Path, **environment: str) -> Iterator[Server]:
    """Run the repository's service with the model store under `home`; its log goes into `scratch`."""
    command = ["bentoml", "serve", "--host", "127.0.0.1", "--port"]
    with _running(command, ROOT, scratch, {"BENTOML_HOME": str(home)} | environment) as server:
        yield server


@contextmanager
def serve_alone(bento: Path, scratch: Path, **environment: str) -> Iterator[Server]:
    """Run a Bento's folder, or the repository, as a container does: one process, with the folder's own sources."""
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    sources = bento if bento == ROOT else bento / "src"
    place = {"BENTO_PATH": str(bento), "PYTHONPATH": str(sources), "BENTOML_HOME": str(home)}
    command = ["bento_service", "serve", "--host", "127.0.0.1", "--port"]
    with _running(command, scratch, scratch, place | environment) as server:
        yield server


@contextmanager
def _running(command: list[str], folder: Path, scratch: Path, environment: dict[str, str]) -> Iterator[Server]:
    port = processes.free_port()
    log_path = scratch / f"server-{port}.log"
    words = [sys.executable, "-m", *command, str(port)]
    told = {"BENTOML_DO_NOT_TRACK": "True"} | environment
    with processes.started(words, log_path, cwd=folder, env=told) as process:
        server = Server(f"http://127.0.0.1:{port}", log_path, process.pid)
        _wait_until_ready(server, process)
        yield server


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Poll /readyz: the socket listens long before a worker answers, so a connection alone says nothing."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{server.log}")
        if "Application startup failed" in server.log:
            raise RuntimeError(f"the service did not start:\n{server.log}")
        try:
            if httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the service was not ready within {START_S} s:\n{server.log}")
