"""Returns free memory to the system, so that the next step of a conversion can use it."""

from __future__ import annotations

import ctypes
import gc


def release() -> None:
    """Return free memory to the system: objects in reference cycles, and blocks that the allocator keeps.

    The exporter leaves cycles that refer to the network. glibc keeps free blocks between used ones.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
