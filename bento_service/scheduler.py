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
BURST = 2
"""Windows a worker. While as many requests are unread, those that are read are held and answered together, once so many
windows are read since the first of them ended, its last one too: what decodes, responds and takes in the next requests
finds its caches warm but for the first of them. It is 4 % more answers a second with 8 or 32 requests at once. Nothing
is held while there is less to do."""


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
        self._burst = BURST * engine.workers
        self._unread = 0  # jobs
        self._ended: list[_Job] = []  # whose promises are not kept yet
        self._held = 0  # windows read since the first of them ended
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

        It is called on a thread of the engine, as callbacks are; what it raises is the future's. That fails with
        TooSlow once `abandoned` says that nobody waits any more: windows not yet begun are dropped. Nobody can cancel
        it.
        """
        job = _Job(windows, conclude, abandoned)
        if not windows:
            job.keep()
            return job.done
        by_length = sorted(range(len(windows)), key=lambda i: len(windows[i]))  # like lengths share a batch
        now = time.monotonic()
        spacing = SPACING_S * min(1, len(windows) / LONG) ** 2
        with self._lock:
            self._unread += 1
            for turn, i in enumerate(by_length):
                heapq.heappush(self._waiting, (now + turn * spacing, next(self._order), i, job))
        for _ in range(math.ceil(len(windows) / self._engine.batch_size)):
            self._threads.submit(self._run_next)
        return job.done

    def _run_next(self) -> None:
        with self._lock:
            batch = self._take()
            more = self._waiting and self._engine.workers > 1  # that another worker takes in a moment
            alone = not self._running and not more
            self._running += bool(batch)
            due = [] if batch else self._due()  # earlier batches were filled up with these windows, or they are dropped
        if batch:
            due = self._read(batch, alone=alone)
        for job in due:  # without the lock: whoever waits for these goes on from here
            job.keep()

    def _read(self, batch: list[tuple[_Job, int]], *, alone: bool) -> list[_Job]:
        """Run the engine; return the jobs whose promises are to be kept now."""
        failure = None
        try:
            start_logits, end_logits = self._engine.run(*_padded([job.windows[i] for job, i in batch]), alone=alone)
        except Exception as error:
            failure = error
        with self._lock:
            self._running -= 1
            for row, (job, i) in enumerate(batch):
                if failure is None:
                    length = len(job.windows[i])
                    job.logits[i] = (start_logits[row, :length], end_logits[row, :length])
                if failure is not None or len(job.logits) == len(job.windows):
                    self._end(job, failure)
            self._held += len(batch) if self._ended else 0
            return self._due()

    def _take(self) -> list[tuple[_Job, int]]:
        """Return the windows of the next batch. Ends the jobs on the way that nobody waits for any more."""
        batch: list[tuple[_Job, int]] = []
        while self._waiting and len(batch) < self._engine.batch_size:
            _, _, i, job = heapq.heappop(self._waiting)
            if job.abandoned():
                self._end(job, TooSlow("nobody waits for this answer any more"))
            if not job.ended:
                batch.append((job, i))
        return batch

    def _end(self, job: _Job, failure: Exception | None = None) -> None:
        """Mark a job as read, failed or dropped, unless it is already."""
        if not job.ended:
            job.ended, job.failure = True, failure
            self._ended.append(job)
            self._unread -= 1

    def _due(self) -> list[_Job]:
        """Return the jobs whose promises are to be kept now: all that have ended, or none yet."""
        if self._unread >= self._burst > self._held:
            return []
        due, self._ended, self._held = self._ended, [], 0
        return due


class _Job:
    """One caller's windows, and the promise made of them. Guarded by the scheduler's lock until it has ended."""

    def __init__(
        self, windows: Sequence[Window], conclude: Callable[[list[Logits]], Any], abandoned: Callable[[], bool]
    ) -> None:
        self.windows = windows
        self.abandoned = abandoned
        self.done: Future[Any] = Future()
        self.done.set_running_or_notify_cancel()  # from here on nobody can cancel it
        self.logits: dict[int, Logits] = {}
        self.ended = False
        self.failure: Exception | None = None
        self._conclude = conclude

    def keep(self) -> None:
        """Keep the promise, or say why not."""
        if self.failure is not None:
            self.done.set_exception(self.failure)
            return
        try:
            self.done.set_result(self._conclude([self.logits[i] for i in range(len(self.windows))]))
        except Exception as error:
            self.done.set_exception(error)


def _padded(windows: Sequence[Window]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pad windows to the longest: input_ids, attention_mask, token_type_ids of shape (batch, seq_len)."""
    shape = len(windows), max(map(len, windows))
    input_ids, attention_mask, token_type_ids = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, window in enumerate(windows):
        input_ids[row, : len(window)] = window.input_ids
        attention_mask[row, : len(window)] = 1
        token_type_ids[row, : len(window)] = window.token_type_ids
    return input_ids, attention_mask, token_type_ids
