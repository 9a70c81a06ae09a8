"""Memory that is free, given back: a network is converted in steps, each of which may use what the last one used."""

from __future__ import annotations

import ctypes
import gc


def release() -> None:
    """Give free memory back to the system: what only cycles hold, and what the C library's allocator keeps.

    The exporter leaves cycles that hold the network. glibc keeps what lies between pieces that are still used.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
