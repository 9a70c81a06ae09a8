"""Shares one engine among all callers: whose window is read next, and with which others in one batch."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from bento_service.engines import Engine, Logits
from bento_service.errors import TooSlow
from bento_service.windows import Window

Result = TypeVar("Result")

LONG = 120
"""Windows of some 100,000 characters."""
SPACING_S = 0.25
"""Seconds between the times at which the windows of a caller are due that has so many of them; of one with a tenth of
them, a hundredth. A caller with many can't hold up the others, and is not starved by them either: behind its schedule,
it goes first. 100,000 characters are due in half of a minute, whatever else is asked; the two to six windows of an
everyday page at once."""


def never() -> bool:
    """Say that a caller waits to the end."""
    return False


class Scheduler:
    """Runs the windows of many callers on an engine, the one first that is due first; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, int, _Job]] = []  # a heap of (due, order, window, job)
        self._running = 0
        # Its threads end with this object. They do nothing while nobody asks.
        self._threads = ThreadPoolExecutor(engine.workers, thread_name_prefix="engine")

    def run(self, windows: Sequence[Window], abandoned: Callable[[], bool] = never) -> list[Logits]:
        """Return what `submit` promises, and wait for it."""
        return self.submit(windows, list, abandoned).result()

    def submit(
        self,
        windows: Sequence[Window],
        conclude: Callable[[list[Logits]], Result],
        abandoned: Callable[[], bool] = never,
    ) -> Future[Result]:
        """Promise what `conclude` makes of (start_logits, end_logits) a window, (seq_len,) each.

        It is called on the engine's thread that read the last of them, as callbacks are; what it raises is the
        future's. That fails with TooSlow once `abandoned` says that nobody waits any more: windows not yet begun are
        dropped. Nobody can cancel it.
        """
        job = _Job(windows, conclude, abandoned)
        by_length = sorted(range(len(windows)), key=lambda i: len(windows[i]))  # like lengths share a batch
        now = time.monotonic()
        spacing = SPACING_S * min(1, len(windows) / LONG) ** 2
        with self._lock:
            for turn, i in enumerate(by_length):
                heapq.heappush(self._waiting, (now + turn * spacing, next(self._order), i, job))
        for _ in range(math.ceil(len(windows) / self._engine.batch_size)):
            self._threads.submit(self._run_next)
        return job.done

    def _run_next(self) -> None:
        with self._lock:
            batch, dropped = self._take()
            more = self._waiting and self._engine.workers > 1  # that another worker takes in a moment
            alone = not self._running and not more
            self._running += bool(batch)
        for job in dropped:
            job.done.set_exception(TooSlow("nobody waits for this answer any more"))
        if not batch:  # earlier batches were filled up with these
            return
        failure = None
        try:
            start_logits, end_logits = self._engine.run(*_padded([job.windows[i] for job, i in batch]), alone=alone)
        except Exception as error:
            failure = error
        with self._lock:
            self._running -= 1
            for row, (job, i) in enumerate(batch if failure is None else ()):
                length = len(job.windows[i])
                job.logits[i] = (start_logits[row, :length], end_logits[row, :length])
            ended = [job for job, _ in batch if (failure is not None or job.is_read()) and job.end()]
        for job in ended:  # without the lock: whoever waits for these goes on from here
            if failure is not None:
                job.done.set_exception(failure)
            else:
                job.keep()

    def _take(self) -> tuple[list[tuple[_Job, int]], list[_Job]]:
        """Return the windows of the next batch, and the jobs that nobody waits for any more."""
        batch: list[tuple[_Job, int]] = []
        dropped: list[_Job] = []
        while self._waiting and len(batch) < self._engine.batch_size:
            _, _, i, job = heapq.heappop(self._waiting)
            if job.abandoned() and job.end():
                dropped.append(job)
            if not job.ended:
                batch.append((job, i))
        return batch, dropped


class _Job:
    """One caller's windows, and the promise made of them. Guarded by the scheduler's lock, but for its promise."""

    def __init__(
        self, windows: Sequence[Window], conclude: Callable[[list[Logits]], Any], abandoned: Callable[[], bool]
    ) -> None:
        self.windows = windows
        self.abandoned = abandoned
        self.done: Future[Any] = Future()
        self.done.set_running_or_notify_cancel()  # from here on nobody can cancel it
        self.logits: dict[int, Logits] = {}
        self.ended = not windows
        self._conclude = conclude
        if not windows:
            self.keep()

    def keep(self) -> None:
        """Keep the promise, of logits that are all there."""
        try:
            self.done.set_result(self._conclude([self.logits[i] for i in range(len(self.windows))]))
        except Exception as error:
            self.done.set_exception(error)

    def is_read(self) -> bool:
        """Say whether the logits of all windows are there."""
        return len(self.logits) == len(self.windows)

    def end(self) -> bool:
        """Mark the job as read, failed or dropped; say whether it was none of these before."""
        first, self.ended = not self.ended, True
        return first


def _padded(windows: Sequence[Window]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pad windows to the longest: input_ids, attention_mask, token_type_ids of shape (batch, seq_len)."""
    shape = len(windows), max(map(len, windows))
    input_ids, attention_mask, token_type_ids = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, window in enumerate(windows):
        input_ids[row, : len(window)] = window.input_ids
        attention_mask[row, : len(window)] = 1
        token_type_ids[row, : len(window)] = window.token_type_ids
    return input_ids, attention_mask, token_type_ids
