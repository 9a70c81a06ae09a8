"""Kubernetes quantities such as 250m and 512Mi."""

from __future__ import annotations

from kubernetes.utils.quantity import parse_quantity


def millicores(quantity: str) -> float:
    """Return an amount of CPU in millicores."""
    return float(parse_quantity(quantity) * 1000)  # type: ignore[no-untyped-call]


def whole_bytes(quantity: str) -> int:
    """Return an amount of memory in bytes."""
    return int(parse_quantity(quantity))  # type: ignore[no-untyped-call]
