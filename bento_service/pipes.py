"""Handles output that is piped into a command that stops reading, such as `| head`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

CLOSED = 128 + signal.SIGPIPE
"""Exit code of a command that SIGPIPE ended, as a shell reports it."""


def run(main: Callable[[], int]) -> int:
    """Run a command line and return its exit code; exit silently when its output is no longer read."""
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
    """Redirect a broken stream to the null device, since Python flushes it again at exit."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
