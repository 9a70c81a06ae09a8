"""Admits requests: at most a given number at once, and only those that can be answered in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bento_service.errors import TooManyRequests
from bento_service.reading.reader import Prepared, Reader

SHARE = 0.8
"""Share of the time limit that the estimate may use; the rest allows for an error of a fifth."""
_REMEMBERED = 0.9
"""Weight of the previous estimate of tokens per byte after each request."""


class Admission:
    """Limits the requests in flight, and refuses requests that would miss the time limit (s).

    Before a text is tokenised, its number of tokens is estimated from its size in bytes. Every refusal is a
    TooManyRequests with the seconds to wait. Not thread-safe: only the event loop's thread may use it.
    """

    def __init__(self, reader: Reader, *, max_concurrency: int, timeout_s: float) -> None:
        self._reader, self._max_concurrency, self._timeout_s = reader, max_concurrency, timeout_s
        self._requests = 0
        self._tokens_per_byte = 0.0

    def check(self) -> None:
        """Refuse a request when all slots are taken. Called before its body is read."""
        if self._requests >= self._max_concurrency:
            raise TooManyRequests(self._requests, self._reader.backlog_s() / self._requests)

    @contextmanager
    def slot(self, size: int) -> Iterator[None]:
        """Hold a slot for the duration of the block. Refuse a request that would be late beside others.

        size: bytes to read; a text counts once for each question about it.
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
        """Refuse a tokenised request that would be late, unless it is alone: then waiting would not help."""
        seen, known = prepared.tokens / size, self._tokens_per_byte
        self._tokens_per_byte = _REMEMBERED * known + (1 - _REMEMBERED) * seen if known else seen
        if self._requests > 1:
            self._check_tokens(prepared.tokens)

    def _check_tokens(self, tokens: int) -> None:
        late_s = self._reader.wait_s(tokens) - SHARE * self._timeout_s
        if late_s > 0:
            raise TooManyRequests(self._requests, late_s)
