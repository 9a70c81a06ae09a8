"""Shares one engine among all requests.

Requests take turns by two rules, one after the other. The first takes a window of the request that has had the fewest
windows, so that a short request does not wait for long ones. The second takes a window of the request that has waited
longest, so that a long request does not starve beside short ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from bento_service.reading.engines import Engine, Logits
from bento_service.reading.windows import Window

HALF_LIFE_S = 10.0
"""Seconds of work after which a measured speed counts half: a pod's share of a node can change that fast."""


@dataclass(frozen=True)
class ReadWindows:
    """What the engine made of a request's windows.

    logits: (start_logits, end_logits) a window, each (seq_len,), in the order of the windows. waited_s: seconds in
    which the engine read none of them. read_s: seconds in which it read at least one.
    """

    logits: list[Logits]
    waited_s: float
    read_s: float


class Scheduler:
    """Runs the windows of many requests on an engine. Threads may share it.

    A window whose request was cancelled is not read.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._clock = engine, clock
        self._lock = threading.Lock()
        self._turn = 0  # windows begun, of all requests
        self._waiting: list[_Job] = []  # with windows that are not begun, in the order of arrival
        self._jobs: set[_Job] = set()
        self._running = 0
        self._speed = _Speed(clock)
        self._threads = ThreadPoolExecutor(engine.workers, thread_name_prefix="engine")

    def submit(self, windows: Sequence[Window]) -> Future[ReadWindows]:
        """Queue windows and return the future of their logits.

        Cancelling the future drops the windows that are not begun. If the engine raises an error, the future has it.
        """
        job = _Job(windows, self._clock())
        if not windows:
            job.future.set_result(ReadWindows([], 0.0, 0.0))
            return job.future
        with self._lock:
            job.last_turn = self._turn
            self._jobs.add(job)
            self._waiting.append(job)
        for _ in range(-(-len(windows) // self._engine.batch_size)):
            self._threads.submit(self._read_next)
        return job.future

    def wait_s(self, tokens: int) -> float:
        """Return in how many seconds a request of so many tokens would be read, if it came now.

        The new request gets at least every second window until each other request has had as many tokens, or is read.
        0 before anything was measured.
        """
        with self._lock:
            unread = [job.unread_tokens for job in self._jobs if not job.future.done()]
            fair = tokens + sum(min(other, tokens) for other in unread)
            return self._speed.seconds(min(2 * fair, tokens + sum(unread)))

    def backlog_s(self) -> float:
        """Return in how many seconds all that was submitted will be read."""
        with self._lock:
            return self._speed.seconds(sum(job.unread_tokens for job in self._jobs if not job.future.done()))

    def tokens_per_s(self) -> float:
        """Return how many tokens a second of work is expected to read; 0 before anything was measured."""
        with self._lock:
            return self._speed.tokens_per_s()

    def _read_next(self) -> None:
        """Read one batch if windows are still waiting."""
        with self._lock:
            batch = self._take()
            if not batch:
                return
            alone = not self._running and not (self._waiting and self._engine.workers > 1)
            self._running += 1
            self._speed.begin()
        tokens, logits, failure = sum(len(job.windows[i]) for job, i in batch), None, None
        try:
            logits = self._engine.run(*_padded([job.windows[i] for job, i in batch]), alone=alone)
        except Exception as error:
            failure = error
        with self._lock:
            self._running -= 1
            self._speed.end(tokens)
            now = self._clock()
            ended = [job for row, (job, i) in enumerate(batch) if job.note(i, row, logits, failure, now)]
            self._jobs.difference_update(ended)
        for job in ended:  # without the lock: a waiting thread may go on from here
            job.conclude(failure)

    def _take(self) -> list[tuple[_Job, int]]:
        """Return the jobs and windows of the next batch."""
        batch: list[tuple[_Job, int]] = []
        now = self._clock()
        while self._waiting and len(batch) < self._engine.batch_size:
            job = self._next_job()
            if job.future.done():  # cancelled, or failed in another window
                self._waiting.remove(job)
                self._jobs.discard(job)
                continue
            batch.append((job, job.begin(now)))
            self._turn += 1
            job.last_turn = self._turn
            if job.begun == len(job.windows):
                self._waiting.remove(job)
        return batch

    def _next_job(self) -> _Job:
        """Return the job that has had the fewest windows and, in every other turn, the one that has waited longest."""
        if self._turn % 2:
            return min(self._waiting, key=lambda job: job.last_turn)
        return min(self._waiting, key=lambda job: job.begun)


class _Job:
    """The windows of one request, and the future of their logits. Guarded by the scheduler's lock.

    now: time of its arrival, by the scheduler's clock (s).
    """

    def __init__(self, windows: Sequence[Window], now: float) -> None:
        self.windows = windows
        self.order = sorted(range(len(windows)), key=lambda i: len(windows[i]))  # similar lengths share a batch
        self.unread_tokens = sum(map(len, windows))
        self.begun, self.last_turn = 0, 0
        self.future: Future[ReadWindows] = Future()
        self._ended = False
        self._logits: dict[int, Logits] = {}
        self._being_read, self._since = 0, now
        self._waited_s = self._read_s = 0.0

    def begin(self, now: float) -> int:
        """Begin the next window and return its index."""
        self._pass_time(now)
        self._being_read += 1
        self.begun += 1
        return self.order[self.begun - 1]

    def note(self, i: int, row: int, logits: Logits | None, failure: Exception | None, now: float) -> bool:
        """Record the result of window i, a row of its batch, and return whether the job ends with it."""
        self._pass_time(now)
        self._being_read -= 1
        self.unread_tokens -= len(self.windows[i])
        if logits is not None:
            length = len(self.windows[i])
            self._logits[i] = (logits[0][row, :length], logits[1][row, :length])
        ends = not self._ended and (failure is not None or len(self._logits) == len(self.windows))
        self._ended = self._ended or ends
        return ends

    def conclude(self, failure: Exception | None) -> None:
        """Set the future's result, or its error, unless it was cancelled."""
        if not self.future.set_running_or_notify_cancel():
            return
        if failure is not None:
            self.future.set_exception(failure)
        else:
            logits = [self._logits[i] for i in range(len(self.windows))]
            self.future.set_result(ReadWindows(logits, self._waited_s, self._read_s))

    def _pass_time(self, now: float) -> None:
        """Add the time since the last change to what was waited, or read."""
        passed, self._since = now - self._since, now
        if self._being_read:
            self._read_s += passed
        else:
            self._waited_s += passed


class _Speed:
    """Measures how many tokens a second of work reads. Recent batches count most."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tokens, self._busy_s = 0.0, 0.0
        self._running, self._since = 0, 0.0

    def begin(self) -> None:
        """Record that a batch is begun."""
        self._pass_time()
        self._running += 1

    def end(self, tokens: int) -> None:
        """Record that a batch of so many tokens is read."""
        self._pass_time()
        self._running -= 1
        self._tokens += tokens

    def seconds(self, tokens: int) -> float:
        """Return how long it takes to read so many tokens; 0 before anything was measured."""
        return tokens * self._busy_s / self._tokens if self._tokens else 0.0

    def tokens_per_s(self) -> float:
        """Return how many tokens are read in a second; 0 before anything was measured."""
        return self._tokens / self._busy_s if self._busy_s else 0.0

    def _pass_time(self) -> None:
        now = self._clock()
        passed = now - self._since if self._running else 0.0
        self._since = now
        kept = 0.5 ** (passed / HALF_LIFE_S)
        self._busy_s = self._busy_s * kept + passed
        self._tokens *= kept


def _padded(windows: Sequence[Window]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pad windows to the longest: input_ids, attention_mask, token_type_ids of shape (batch, seq_len)."""
    shape = len(windows), max(map(len, windows))
    input_ids, attention_mask, token_type_ids = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, window in enumerate(windows):
        input_ids[row, : len(window)] = window.input_ids
        attention_mask[row, : len(window)] = 1
        token_type_ids[row, : len(window)] = window.token_type_ids
    return input_ids, attention_mask, token_type_ids
