"""The CPUs that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from bento_service.reading import cgroups


def cpu_count() -> int:
    """Return how many CPUs this process may use: its affinity, and its cgroup's quota rounded up; at least 1.

    Libraries count the host's cores; in a pod limited to half a CPU that is far too many threads.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota()
    return max(1, available if quota is None else min(available, math.ceil(quota)))


def cgroup_quota(root: Path = cgroups.ROOT, membership: Path = cgroups.MEMBERSHIP) -> float | None:
    """Return the CPUs that the control groups of this process grant; None without a limit."""
    return cgroups.least("cpu", _quota_v2, _quota_v1, root, membership)


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        micros = int((folder / "cpu.cfs_quota_us").read_text())
        return None if micros <= 0 else micros / int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
