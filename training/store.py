"""The BentoML model store: the served model, and its full-precision checkpoint beside it."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from bento_service import artifact, model_store
from bento_service.reading.gpu import CHECKPOINT_SUFFIX
from training.errors import StoreError

if TYPE_CHECKING:
    import bentoml


def save(name: str, served: Path, checkpoint: Path) -> str:
    """Copy a sealed artifact and its checkpoint into the store and return the artifact's tag.

    The checkpoint is stored first, and deleted if the artifact can't be stored: there are both or neither.
    Raises StoreError.
    """
    import bentoml
    from bentoml.exceptions import BentoMLException

    artifact.load(served)
    version = bentoml.Tag.from_str(name).make_new_version().version
    checkpoint_tag, tag = f"{name}{CHECKPOINT_SUFFIX}:{version}", f"{name}:{version}"
    try:
        with bentoml.models.create(checkpoint_tag, metadata={"served": tag}) as entry:
            for path in sorted(checkpoint.iterdir()):
                shutil.copy2(path, entry.path)
        try:
            model_store.add(served, tag)
        except BaseException:
            bentoml.models.delete(checkpoint_tag)
            raise
    except (OSError, BentoMLException) as error:
        raise StoreError(
            f"model {tag} could not be stored: {_reason(error)}; the store is as it was. "
            f"Make room or check BENTOML_HOME, and train again: the run resumes"
        ) from error
    return tag


def _reason(error: Exception) -> str:
    """Return the reason for a failure; for a folder that can't be copied, that of its first file."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])
    return str(error)


def find(tag: str) -> tuple[str, Path]:
    """Return the full tag and the folder of a stored model; `name` or `name:latest` mean the newest.

    Raises StoreError when there is none.
    """
    entry = _get(tag)
    return str(entry.tag), Path(entry.path)


def checkpoint_of(tag: str) -> Path:
    """Return the folder of a stored model's full-precision checkpoint. Raises StoreError without one."""
    served = _get(tag).tag
    return Path(_get(f"{served.name}{CHECKPOINT_SUFFIX}:{served.version}").path)


def production(name: str) -> tuple[str, Path] | None:
    """Return the full tag and the folder of the model in production; None when there is none."""
    entry = model_store.production(name)
    return None if entry is None else (str(entry.tag), Path(entry.path))


def current(name: str) -> list[tuple[str, Path]]:
    """Return full tags and folders of the model in production and the newest model, if there are any."""
    models = {
        str(entry.tag): Path(entry.path)
        for entry in (model_store.production(name), *_newest_first(name)[:1])
        if entry is not None
    }
    return list(models.items())


def prune(name: str, keep: int) -> list[str]:
    """Remove all but the `keep` newest models and the one in production, with their checkpoints; return their tags.

    Raises StoreError when one can't be removed.
    """
    import bentoml
    from bentoml.exceptions import BentoMLException

    in_production = model_store.production(name)
    removed = []
    for entry in _newest_first(name)[keep:]:
        if in_production is not None and entry.tag == in_production.tag:
            continue
        try:
            # The checkpoint is deleted first: after an interruption, the next prune deletes the rest.
            with suppress(BentoMLException):
                bentoml.models.delete(f"{name}{CHECKPOINT_SUFFIX}:{entry.tag.version}")
            bentoml.models.delete(entry.tag)
        except (OSError, BentoMLException) as error:
            raise StoreError(f"model {entry.tag} could not be removed: {error}; check BENTOML_HOME") from error
        removed.append(str(entry.tag))
    return removed


def promote(tag: str) -> str:
    """Make a stored model the one in production, in place of any other, and return its full tag. Raises StoreError.

    It is verified first. Raises ArtifactError for a changed file.
    """
    entry = _get(tag)
    artifact.load(Path(entry.path))
    try:
        model_store.promote(entry)
    except OSError as error:
        raise StoreError(f"model {entry.tag} could not be promoted: {error}; check BENTOML_HOME") from error
    return str(entry.tag)


def entries(name: str) -> list[dict[str, Any]]:
    """Return a row a stored model, newest first: tag, created, stage, metrics and data as they were stored."""
    in_production = model_store.production(name)
    rows = []
    for entry in _newest_first(name):
        rows.append(
            {
                "tag": str(entry.tag),
                "created": entry.info.creation_time.isoformat(timespec="seconds"),
                "stage": model_store.PRODUCTION if in_production is not None and entry.tag == in_production.tag else "",
                "metrics": _read(entry, artifact.METRICS),
                "data": _read(entry, artifact.PROVENANCE).get("data", {}),
            }
        )
    return rows


def _read(entry: bentoml.Model, name: str) -> dict[str, Any]:
    """Return the content of a model's JSON file; empty if it is damaged, so that other models are listed."""
    try:
        content: dict[str, Any] = json.loads((Path(entry.path) / name).read_bytes())
    except (OSError, ValueError):
        return {}
    return content


def table(rows: list[dict[str, Any]]) -> str:
    """Return `entries` as text for a terminal, one line for each model."""
    lines = []
    for row in rows:
        overall = row["metrics"].get("served", {}).get("overall", {})
        figures = [f"{overall[name]:.2f}" if name in overall else "" for name in ("exact_match", "f1")]
        data = row["data"]
        trained_on = f"{data['questions']} questions of {', '.join(data['sources'])}" if data else ""
        lines.append((row["tag"], row["created"], row["stage"], *figures, trained_on))
    headers = ("tag", "created", "stage", "exact match", "F1", "trained on")
    return tabulate(lines, headers, tablefmt="plain", disable_numparse=True)


def _newest_first(name: str) -> list[bentoml.Model]:
    return sorted(model_store.stored(name), key=lambda entry: entry.info.creation_time, reverse=True)


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
