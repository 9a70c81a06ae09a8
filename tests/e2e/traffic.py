"""A steady load through the node port, of a client that tries again twice."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor

from deploy.rollout import QUESTION

PER_S = 10
TIMEOUT_S = 5
ATTEMPTS = 3
PAUSE_S = 0.5
_WORKERS = 128
"""More than are in flight when every attempt waits for its time limit."""


class Traffic:
    """Asks PER_S times a second until its block ends, however long the answers take."""

    def __init__(self, url: str) -> None:
        self._request = urllib.request.Request(
            f"{url}/answer", json.dumps(QUESTION).encode(), {"Content-Type": "application/json"}
        )
        self._stopped = threading.Event()
        self._clock = threading.Thread(target=self._ask_steadily)
        self._requests: list[Future[list[str]]] = []

    def __enter__(self) -> Traffic:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._clock.join()

    @property
    def sent(self) -> int:
        """The number of requests that were sent."""
        return len(self._requests)

    def problems(self, begin: int) -> list[list[str]]:
        """Wait for the requests from this number on that are sent by now; return how the attempts of each failed."""
        return [request.result() for request in self._requests[begin:]]

    def settle(self, number: int, limit_s: float) -> None:
        """Wait until this many requests in a row are answered at the first attempt. Raises AssertionError."""
        deadline = time.monotonic() + limit_s
        while True:
            begin = self.sent
            while self.sent < begin + number:
                time.sleep(1 / PER_S)
            if not any(problems := self.problems(begin)):
                return
            assert time.monotonic() < deadline, f"requests still fail after {limit_s} s: {problems}"

    def _ask_steadily(self) -> None:
        with ThreadPoolExecutor(_WORKERS) as pool:
            due = time.monotonic()
            while not self._stopped.wait(max(0.0, due - time.monotonic())):
                self._requests.append(pool.submit(self._ask))
                due += 1 / PER_S

    def _ask(self) -> list[str]:
        problems: list[str] = []
        while len(problems) < ATTEMPTS and (problem := self._attempt()) is not None:
            problems.append(problem)
            time.sleep(PAUSE_S)
        return problems

    def _attempt(self) -> str | None:
        """Ask once, on a new connection; return how it failed, None if it was answered."""
        try:
            with urllib.request.urlopen(self._request, timeout=TIMEOUT_S) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP {error.code}"
        except (OSError, ValueError) as error:
            return type(getattr(error, "reason", error)).__name__
        span = QUESTION["context"][answer["start_pos"] : answer["end_pos"]]
        return None if answer["answer"] == span else "wrong answer"
