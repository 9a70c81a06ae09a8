"""Reads data sets of the Hugging Face hub: `NAME[:CONFIG][:SPLIT]`, such as `squad_v2:validation`."""

from __future__ import annotations

from typing import Any

from training.data.formats import Rows, choose_split, numbered
from training.errors import DataError


def read(source: str) -> Rows:
    """Read a data set with SQuAD's columns. Raises DataError when it cannot be loaded."""
    name, *parts = source.split(":")
    where = f"data set {name[:200]!r}"
    if len(parts) > 2:
        raise DataError(f"{where}: write hub:NAME[:CONFIG][:SPLIT]")
    try:
        loaded, split = _load(name, parts)
    except Exception as error:  # the hub client raises a family of unrelated classes
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            f"{where} could not be loaded from the hub: {type(error).__name__}: {reason}; "
            "check name, configuration and network, or name a file"
        ) from None
    return Rows("hub", numbered(choose_split(loaded, split, where, f"hub:{':'.join([name, *parts[:-1]])}:")))


def _load(name: str, parts: list[str]) -> tuple[Any, str | None]:
    """Load all splits of a configuration, and return them with the split that is named."""
    from datasets import get_dataset_config_names, load_dataset

    if len(parts) == 1:  # a configuration or a split
        parts = [parts[0], ""] if parts[0] in get_dataset_config_names(name) else ["", parts[0]]
    config, split = parts or ("", "")
    return load_dataset(name, config or None), split or None
