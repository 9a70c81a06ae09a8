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
    """Run a command line and return its exit code; end without a word when nobody reads its output any more."""
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
    """Let what is left in a stream go nowhere if nobody reads it: Python writes it when it ends, and would complain."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
