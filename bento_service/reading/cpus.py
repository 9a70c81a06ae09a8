"""The CPUs that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path


def cpu_count() -> int:
    """Return how many CPUs this process may use: its affinity, and its cgroup's quota rounded up; at least 1.

    Libraries count the host's cores; in a pod limited to half a CPU that is far too many threads.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return max(1, available if quota is None else min(available, math.ceil(quota)))


def cgroup_quota(root: Path, membership: Path) -> float | None:
    """Return the CPUs that the control groups of this process grant; None without a limit.

    root: where the groups are mounted; membership: the kernel's list of this process's groups, a line
    `number:controllers:path` each (version 2: `0::path`). A limit of any group above counts as well. In a container
    the paths may be those of the host, of which only the root can be seen.
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        lines = []
    groups = {controller: path for _, controllers, path in lines for controller in controllers.split(",")}
    quotas = [
        quota
        for base, path, read in (
            (root, groups.get("", "/"), _quota_v2),
            (root / "cpu", groups.get("cpu", "/"), _quota_v1),
        )
        for folder in _upwards(base, path)
        if (quota := read(folder)) is not None
    ]
    return min(quotas, default=None)


def _upwards(base: Path, path: str) -> list[Path]:
    """Return a group's folder, and those of all groups above it."""
    relative = Path(path.lstrip("/"))
    return [base / folder for folder in (relative, *relative.parents)]


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
