"""Admits requests: at most a given number at once, and only those that can be answered in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bento_service.errors import TooManyRequests
from bento_service.reading.reader import Prepared, Reader

SHARE = 0.8
"""Share of the time limit within which a request must be expected to be read: the estimate may be wrong by a fifth."""
_REMEMBERED = 0.9
"""Share of what was measured before in tokens a byte, after one more request."""


class Admission:
    """Counts the requests in flight, and compares what the reader expects with the time limit (s).

    A text that would be late is refused by its size, at the tokens a byte seen so far, before it is tokenised. Every
    refusal is a TooManyRequests with the seconds to wait. For the event loop's thread.
    """

    def __init__(self, reader: Reader, *, max_concurrency: int, timeout_s: float) -> None:
        self._reader, self._max_concurrency, self._timeout_s = reader, max_concurrency, timeout_s
        self._requests = 0
        self._tokens_per_byte = 0.0

    def check(self) -> None:
        """Refuse a request, before its body is read, when there is no slot for it."""
        if self._requests >= self._max_concurrency:
            raise TooManyRequests(self._requests, self._reader.backlog_s() / self._requests)

    @contextmanager
    def slot(self, size: int) -> Iterator[None]:
        """Take one of the slots while a request is worked on, unless it would be late beside others.

        size: bytes to be read; a text counts once for each question about it.
        """
        self.check()
        if self._requests:
            self._check_tokens(round(size * self._tokens_per_byte))
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def check_time(self, size: int, prepared: Prepared) -> None:
        """Refuse a request that could not be read in time. One that is alone is admitted: waiting would not help."""
        seen, known = prepared.tokens / size, self._tokens_per_byte
        self._tokens_per_byte = _REMEMBERED * known + (1 - _REMEMBERED) * seen if known else seen
        if self._requests > 1:
            self._check_tokens(prepared.tokens)

    def _check_tokens(self, tokens: int) -> None:
        late_s = self._reader.wait_s(tokens) - SHARE * self._timeout_s
        if late_s > 0:
            raise TooManyRequests(self._requests, late_s)
