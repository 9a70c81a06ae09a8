"""Runs Locust in a process of its own, and controls its users through its web API."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest import processes, questions

ROOT = Path(__file__).parent.parent
LOCUSTFILE = "loadtest/locustfile.py"
_START_S = 60


@dataclass(frozen=True)
class Figures:
    """Locust's statistics. requests, failures: since the start. rate (requests/s), latencies (ms): recent ones."""

    users: int
    requests: int
    failures: int
    rate: float
    p50_ms: float | None
    p95_ms: float | None
    errors: dict[str, int]


class Swarm:
    """A Locust process that runs."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self._url, self._process, self._log = url, process, log
        self._users = 0

    def resize(self, users: int, spawn_rate: float) -> None:
        """Change the number of users. Raises RuntimeError when Locust has ended."""
        if users == self._users:
            return
        if users == 0:
            self._request("/stop", {})
        else:
            self._request("/swarm", {"user_count": str(users), "spawn_rate": str(spawn_rate)})
        self._users = users

    def figures(self) -> Figures:
        """Return the statistics so far. Raises RuntimeError when Locust has ended."""
        stats = self._request("/stats/requests")
        total = stats["stats"][-1]
        percentiles = stats.get("current_response_time_percentiles", {})
        return Figures(
            users=stats["user_count"],
            requests=total["num_requests"],
            failures=total["num_failures"],
            rate=total["current_rps"],
            p50_ms=percentiles.get("response_time_percentile_0.5"),
            p95_ms=percentiles.get("response_time_percentile_0.95"),
            errors=_count_errors((error["error"], error["occurrences"]) for error in stats["errors"]),
        )

    def _request(self, path: str, form: dict[str, str] | None = None) -> Any:
        data = None if form is None else urllib.parse.urlencode(form).encode()
        try:
            with urllib.request.urlopen(f"{self._url}{path}", data, timeout=10) as response:  # noqa: S310  # our own
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:  # it holds the connection
                raise RuntimeError(f"locust answers {error.code} to {path}; see {self._log}") from None
        except (urllib.error.URLError, OSError, ValueError) as error:
            if self._process.poll() is not None:
                raise RuntimeError(f"locust ended with {self._process.returncode}; see {self._log}") from error
            raise RuntimeError(f"locust does not answer ({error}); see {self._log}") from error


def _count_errors(errors: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return how often each error occurred over all kinds of request, most frequent first.

    `CatchResponseError('[Errno 111] Connection refused')` becomes `connection refused`.
    """
    counts: Counter[str] = Counter()
    for text, count in errors:
        inner = re.fullmatch(r"\w+\([\"'](.*)[\"']\)", text)
        message = re.sub(r"^\[Errno -?\d+\] ", "", text if inner is None else inner[1])
        counts[message[:1].lower() + message[1:]] += count
    return dict(counts.most_common())


@contextmanager
def swarm(host: str, log: Path, workers: int = 1, data: tuple[Path, ...] = ()) -> Iterator[Swarm]:
    """Run Locust against a host, without users at first. workers: processes that send requests.

    Raises ValueError for data that can't be read, which Locust would only write to its log.
    """
    if data:
        questions.load(data, count=1)
    port = processes.free_port()
    words = ["-f", LOCUSTFILE, "--host", host, "--web-host", "127.0.0.1", "--web-port", str(port)]
    words += ["--processes", str(workers)] if workers > 1 else []
    env = {"QNA_LOAD_SHAPE": ""} | ({"QNA_LOAD_DATA": shlex.join(map(str, data))} if data else {})
    with processes.started([sys.executable, "-m", "locust", *words], log, cwd=ROOT, env=env) as process:
        running = Swarm(f"http://127.0.0.1:{port}", process, log)
        _wait(running, process)
        yield running


def _wait(running: Swarm, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            running.figures()
        except RuntimeError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
