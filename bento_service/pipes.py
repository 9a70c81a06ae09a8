"""Results that are piped into a command that stops reading, such as `| head`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

CLOSED = 128 + signal.SIGPIPE
"""Exit code of a command whose reader went away, as a shell gives it to one that the signal ended."""


def run(main: Callable[[], int]) -> int:
    """Run a command line and return its exit code; end silently when its output is no longer read."""
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            _give_up(stream)
        return CLOSED
    return code


def _give_up(stream: TextIO) -> None:
    """Discard the rest of a stream that is no longer read; Python would report an error at its end."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
