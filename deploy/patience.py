"""Decides whether a failed request is sent again: a few attempts always, more while an outage may last."""

from __future__ import annotations

import time
from collections.abc import Callable

from deploy.errors import DeployError, Refused, Unauthorized, Unreachable, WrongServer
from deploy.remedies import OVERLOADED

ATTEMPTS = 4
PAUSE_S = 0.5
"""Pause before the second attempt, in seconds; it doubles with each attempt."""
_LONGEST_S = 2.0
_SETTLE_S = 15.0
"""How long a restarted API server may not know accounts and rights yet, in seconds."""


class Patience:
    """The retries of one request. limit_s: how long it is retried; 0: only a few attempts.

    report: called with a line when a long wait begins and when it ends.
    """

    def __init__(self, host: str, limit_s: float, report: Callable[[str], None]) -> None:
        self._host, self._limit_s, self._report = host, limit_s, report
        self._began = time.monotonic()
        self._attempts = 0
        self._unreachable_at: float | None = None
        self._reported = False

    def wait(self, failure: DeployError) -> bool:
        """Wait for the next attempt and return True; return False without waiting if there is none."""
        self._attempts += 1
        now = time.monotonic()
        if isinstance(failure, Unreachable) and not isinstance(failure, Unauthorized):
            self._unreachable_at = now
        if not self._is_transient(failure, now):
            return False
        if self._attempts >= ATTEMPTS:
            if (isinstance(failure, Refused) and failure.status == 500) or now - self._began >= self._limit_s:
                return False
            self._report_wait()
        time.sleep(min(PAUSE_S * 2 ** min(self._attempts - 1, 8), _LONGEST_S))
        return True

    def answered(self) -> None:
        """Record that the request was answered."""
        if self._reported:
            self._report(f"{self._host} answers again after {time.monotonic() - self._began:.0f} s")

    def _is_transient(self, failure: DeployError, now: float) -> bool:
        """Return whether the failure is temporary."""
        if isinstance(failure, WrongServer):
            return False
        if isinstance(failure, Unauthorized) or (isinstance(failure, Refused) and failure.status == 403):
            return self._unreachable_at is not None and now - self._unreachable_at < _SETTLE_S
        return isinstance(failure, Unreachable) or (isinstance(failure, Refused) and failure.status in OVERLOADED)

    def _report_wait(self) -> None:
        if not self._reported:
            self._report(f"{self._host} does not answer; waiting for it, {self._limit_s:.0f} s at most")
            self._reported = True
