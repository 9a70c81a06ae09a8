"""Which stored model is in production: a label in the BentoML store, moved by `python -m training promote`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bentoml

STAGE = "stage"
PRODUCTION = "production"
PROMOTED = "promoted"
"""Labels: `stage: production`, and since when (UTC, ISO 8601)."""


def stored(name: str) -> list[bentoml.Model]:
    """Return all models of this name; none is no error."""
    return [model for model in bentoml.models.list() if model.tag.name == name]


def production(name: str) -> bentoml.Model | None:
    """Return the model in production; None when there is none.

    Of two, which a promotion that was killed half-way leaves behind, the one promoted last.
    """
    labelled = [model for model in stored(name) if model.info.labels.get(STAGE) == PRODUCTION]
    return max(labelled, key=lambda model: str(model.info.labels.get(PROMOTED)), default=None)


def promote(model: bentoml.Model) -> None:
    """Move the label to a stored model. At every moment there is a model in production, once there was one."""
    since = datetime.now(UTC).isoformat()
    _relabel(model, {STAGE: PRODUCTION, PROMOTED: since})
    for other in stored(model.tag.name):
        if other.tag != model.tag and STAGE in other.info.labels:
            _relabel(other, {})


def _relabel(model: bentoml.Model, labels: dict[str, str]) -> None:
    """Replace this module's labels in the model's description, whole or not at all."""
    kept: dict[str, Any] = {k: v for k, v in model.info.labels.items() if k not in (STAGE, PROMOTED)}
    model.info.labels.clear()
    model.info.labels.update(kept | labels)
    path = Path(model.path_of("model.yaml"))
    written = path.with_suffix(".yaml.new")
    with written.open("w", encoding="utf-8") as stream:
        model.info.dump(stream)
        stream.flush()
        os.fsync(stream.fileno())
    written.replace(path)
