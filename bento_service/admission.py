"""Who is let in: no more requests at once than there is room for, and no more text than can be read in time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from bento_service.errors import TooManyRequests

SHARE = 0.5
"""Share of the deadline that the text in flight may need, by the speed seen so far: a busy machine may halve it."""
CAUTIOUS_SPEED = 8_000.0
"""Bytes a second that are assumed before any were read: half of what two slow cores do."""
MEMORY_S = 60.0
"""Seconds of work after which what was seen counts half."""


class Admission:
    """Counts what is in flight, in requests and in bytes, and learns how fast it is read. For one thread."""

    def __init__(self, *, max_concurrency: int, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_concurrency = max_concurrency
        self._patience_s = SHARE * timeout_s
        self._clock = clock
        self._requests = 0
        self._bytes = 0
        self._read = CAUTIOUS_SPEED  # bytes, in
        self._busy_s = 1.0
        self._seen = 0.0  # when the busy time was last brought up to date

    def check(self, size: int = 0) -> None:
        """Raise TooManyRequests unless a request of `size` bytes may enter now.

        One that is alone may always: nobody can promise more for it.
        """
        if self._requests >= self._max_concurrency:
            raise TooManyRequests(self._requests, self._backlog_s())
        if self._requests and self._backlog_s(size) > self._patience_s:
            raise TooManyRequests(self._requests, self._backlog_s(size) - self._patience_s)

    def enter(self, size: int) -> None:
        """Count a request in. Raises TooManyRequests as `check` does."""
        self.check(size)
        self._pass_time()
        self._requests += 1
        self._bytes += size

    def leave(self, size: int, *, read: bool) -> None:
        """Count a request out; `read` when its work was done, and not dropped on the way."""
        self._pass_time()
        self._requests -= 1
        self._bytes -= size
        self._read += size if read else 0

    def _backlog_s(self, more: int = 0) -> float:
        return (self._bytes + more) * self._busy_s / self._read

    def _pass_time(self) -> None:
        now = self._clock()
        passed = now - self._seen if self._requests else 0.0
        self._seen = now
        kept = math.exp2(-passed / MEMORY_S)
        self._busy_s = self._busy_s * kept + passed
        self._read *= kept
