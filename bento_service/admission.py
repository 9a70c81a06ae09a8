"""Which requests are let in: no more at once than there is room for, and none that could not be answered in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bento_service.errors import TooManyRequests
from bento_service.reading.reader import Prepared, Reader

SHARE = 0.8
"""Share of the time limit within which a request must be expected to be read: the estimate may be wrong by a fifth."""


class Admission:
    """Counts the requests in flight, and compares what the reader expects with the time limit (s).

    For the event loop's thread. Every refusal is a TooManyRequests with the seconds to wait.
    """

    def __init__(self, reader: Reader, *, max_concurrency: int, timeout_s: float) -> None:
        self._reader, self._max_concurrency, self._timeout_s = reader, max_concurrency, timeout_s
        self._requests = 0

    def check(self) -> None:
        """Refuse a request, before its body is read, when there is no slot for it."""
        if self._requests >= self._max_concurrency:
            raise TooManyRequests(self._requests, self._reader.backlog_s() / self._requests)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take one of the slots while a request is worked on."""
        self.check()
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def check_time(self, prepared: Prepared) -> None:
        """Refuse a request that could not be read in time. One that is alone is let in: nobody can promise more."""
        late_s = self._reader.wait_s(prepared) - SHARE * self._timeout_s
        if self._requests > 1 and late_s > 0:
            raise TooManyRequests(self._requests, late_s)
