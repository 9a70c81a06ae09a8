"""Compares an object on the cluster with the rendered object."""

from __future__ import annotations

from typing import Any

from kubernetes.utils.quantity import parse_quantity

_EMPTY: tuple[Any, ...] = (None, "", {}, [], False)
"""Values that an API server may omit, such as `storageClassName: ""` of a PersistentVolume."""


def differences(desired: Any, present: Any, path: str = "") -> list[str]:
    """Return a line for each rendered field with another value on the cluster. Additional fields are ignored.

    Lists are compared as a whole: an additional rule of a Role is a difference.
    """
    if isinstance(desired, dict) and isinstance(present, dict):
        return [
            line
            for name, value in desired.items()
            for line in differences(value, present.get(name), f"{path}.{name}" if path else name)
        ]
    if _same(desired, present):
        return []
    return [f"{path} is {_shown(present)}, and these settings make it {_shown(desired)}"]


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, dict) and isinstance(other, dict):
        return all(_same(value.get(name), other.get(name)) for name in value.keys() | other.keys())
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, str) and isinstance(other, str):
        return value == other or _amount(value) == _amount(other) is not None
    return bool(value == other or (value in _EMPTY and other in _EMPTY))


def _amount(text: str) -> Any:
    """Return the value of a quantity, so that 1024Mi equals 1Gi."""
    try:
        return parse_quantity(text)  # type: ignore[no-untyped-call]
    except ValueError:
        return None


def _shown(value: Any) -> str:
    if value in _EMPTY:
        return "not set"
    if isinstance(value, list):
        is_nested = any(isinstance(item, dict) for item in value)
        return f"a list of {len(value)}" if is_nested else ", ".join(map(str, value))
    return str(value)
