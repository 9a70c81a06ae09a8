"""The BentoML model store: the served model, and its full-precision checkpoint beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import artifact
from training.errors import StoreError

if TYPE_CHECKING:
    import bentoml

CHECKPOINT_SUFFIX = "-checkpoint"
"""Appended to the model's name for the entry that holds the checkpoint; both entries have the same version."""


def save(name: str, served: Path, checkpoint: Path, metrics: dict[str, Any], provenance: dict[str, Any]) -> str:
    """Copy a sealed artifact and its checkpoint into the store and return the artifact's tag.

    The checkpoint goes first, and is taken back when the artifact cannot follow: either both are there or neither.
    Raises StoreError.
    """
    import bentoml
    from bentoml.exceptions import BentoMLException

    artifact.load(served)
    version = bentoml.Tag.from_str(name).make_new_version().version
    labels = {"task": "extractive-question-answering", "base_model": provenance["base_model"]["name"]}
    metadata = {"metrics": metrics, "provenance": provenance}
    checkpoint_tag, tag = f"{name}{CHECKPOINT_SUFFIX}:{version}", f"{name}:{version}"
    try:
        _copy(checkpoint_tag, checkpoint, labels, {"served": tag})
        try:
            _copy(tag, served, labels, metadata)
        except BaseException:
            bentoml.models.delete(checkpoint_tag)
            raise
    except (OSError, BentoMLException) as error:
        raise StoreError(
            f"model {tag} could not be stored: {error}; the store is as it was. "
            f"Make room or check BENTOML_HOME, and train again: the run resumes"
        ) from error
    return tag


def _copy(tag: str, folder: Path, labels: dict[str, str], metadata: dict[str, Any]) -> None:
    import bentoml

    with bentoml.models.create(tag, labels=labels, metadata=metadata) as entry:
        for path in sorted(folder.iterdir()):
            shutil.copy2(path, entry.path)


def find(tag: str) -> tuple[str, Path]:
    """Return the full tag and the folder of a stored model; `name` or `name:latest` mean the newest.

    Raises StoreError when there is none.
    """
    entry = _get(tag)
    return str(entry.tag), Path(entry.path)


def checkpoint_of(tag: str) -> Path:
    """Return the folder of a stored model's full-precision checkpoint. Raises StoreError when it is gone."""
    served = _get(tag).tag
    return Path(_get(f"{served.name}{CHECKPOINT_SUFFIX}:{served.version}").path)


def _get(tag: str) -> bentoml.Model:
    import bentoml
    from bentoml.exceptions import BentoMLException

    try:
        return bentoml.models.get(tag)
    except (BentoMLException, ValueError) as error:
        raise StoreError(
            f"the BentoML store has no model {tag}; `python -m training train` makes one, "
            "`bentoml models list` shows what there is"
        ) from error
