"""In what an object on the cluster differs from the one that these settings make."""

from __future__ import annotations

from typing import Any

from kubernetes.utils.quantity import parse_quantity

_EMPTY: tuple[Any, ...] = (None, "", {}, [], False)
"""What an API server may leave out of what it returns, such as `storageClassName: ""` of a PersistentVolume."""


def differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Return a line a field that is wanted and is not so on the cluster; what others have added does no harm.

    Of a list all elements count, with all their fields: one rule more of a Role is a difference.
    """
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            line
            for name, value in wanted.items()
            for line in differences(value, found.get(name), f"{path}.{name}" if path else name)
        ]
    return [] if _same(wanted, found) else [f"{path} is {_shown(found)}, and these settings make it {_shown(wanted)}"]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_same(one.get(name), other.get(name)) for name in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, str) and isinstance(other, str):
        return one == other or _amount(one) == _amount(other) is not None
    return bool(one == other or (one in _EMPTY and other in _EMPTY))


def _amount(text: str) -> Any:
    """Return the value of an amount: 1024Mi is 1Gi."""
    try:
        return parse_quantity(text)  # type: ignore[no-untyped-call]
    except ValueError:
        return None


def _shown(value: Any) -> str:
    if value in _EMPTY:
        return "not set"
    if isinstance(value, list):
        return f"a list of {len(value)}" if any(isinstance(one, dict) for one in value) else ", ".join(map(str, value))
    return str(value)
