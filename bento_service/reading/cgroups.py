"""The limits that control groups set for this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

ROOT, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where the groups are mounted, and the kernel's list of this process's groups."""

Read = Callable[[Path], float | None]
"""Reads the limit of the group in a folder; None without a limit."""


def least(
    controller: str, version2: Read, version1: Read, root: Path = ROOT, membership: Path = MEMBERSHIP
) -> float | None:
    """Return the least limit of this process's group and of all groups above it; None without a limit.

    controller: its name in version 1. membership: a file with lines `number:controllers:path` (version 2: `0::path`).
    In a container, the paths may be those of the host, and only the root is visible.
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        lines = []
    groups = {name: path for _, names, path in lines for name in names.split(",")}
    limits = [
        limit
        for base, path, read in (
            (root, groups.get("", "/"), version2),
            (root / controller, groups.get(controller, "/"), version1),
        )
        for folder in _upwards(base, path)
        if (limit := read(folder)) is not None
    ]
    return min(limits, default=None)


def _upwards(base: Path, path: str) -> list[Path]:
    """Return a group's folder, and those of all groups above it."""
    relative = Path(path.lstrip("/"))
    return [base / folder for folder in (relative, *relative.parents)]
