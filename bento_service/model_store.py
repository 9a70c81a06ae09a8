"""The BentoML model store: which model is in production, and which one is served.

A label says which is in production; `python -m training promote` moves it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bentoml
from bentoml.exceptions import BentoMLException

from bento_service import artifact
from bento_service.errors import ArtifactError, ServiceError
from bento_service.reading import gpu
from bento_service.reading.reader import Reader
from bento_service.settings import ServiceSettings

STAGE = "stage"
PRODUCTION = "production"
PROMOTED = "promoted"
"""Labels: `stage: production`, and since when (UTC, ISO 8601)."""
_REMEDY = (
    "run `make train` (or `python -m training train`), bring a checkpoint with `python -m training import NAME`, "
    "or point BENTOML_HOME or QNA_MODEL at another one"
)


def add(folder: Path, tag: str) -> None:
    """Copy a sealed artifact into the store, under a tag that the store does not have yet.

    Raises ArtifactError for an artifact that is not whole, OSError or BentoMLException where the store refuses it.
    """
    content = artifact.load(folder)
    labels = {"task": "extractive-question-answering", "base_model": content.provenance["base_model"]["name"]}
    # Only a summary: BentoML parses the metadata of every model of the store whenever a server starts.
    metadata = {"metrics": content.metrics["served"]["overall"], "data": content.provenance["data"]}
    with bentoml.models.create(tag, labels=labels, metadata=metadata) as entry:
        artifact.copy(folder, Path(entry.path))


def add_once(folder: Path, name: str) -> str:
    """Copy a sealed artifact into the store, unless a model with the same files is there; return the model's full tag.

    Raises as `add` does.
    """
    checksums = (folder / artifact.CHECKSUMS).read_bytes() if folder.is_dir() else b""
    for model in stored(name):
        present = Path(model.path_of(artifact.CHECKSUMS))
        if present.is_file() and present.read_bytes() == checksums:
            return str(model.tag)
    tag = str(bentoml.Tag.from_str(name).make_new_version())
    add(folder, tag)
    return tag


def stored(name: str) -> list[bentoml.Model]:
    """Return all models of this name; none is no error."""
    return [model for model in bentoml.models.list() if model.tag.name == name]


def production(name: str) -> bentoml.Model | None:
    """Return the model in production; None when there is none.

    An interrupted promotion can leave two; then it is the one promoted last.
    """
    labelled = [model for model in stored(name) if model.info.labels.get(STAGE) == PRODUCTION]
    return max(labelled, key=lambda model: str(model.info.labels.get(PROMOTED)), default=None)


def promote(model: bentoml.Model) -> None:
    """Move the label to a stored model. There is no moment without a model in production."""
    since = datetime.now(UTC).isoformat()
    _relabel(model, {STAGE: PRODUCTION, PROMOTED: since})
    for other in stored(model.tag.name):
        if other.tag != model.tag and STAGE in other.info.labels:
            _relabel(other, {})


def _relabel(model: bentoml.Model, labels: dict[str, str]) -> None:
    """Replace this module's labels in the model's description, atomically."""
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


class ServedModel(bentoml.models.BentoModel):  # type: ignore[misc]  # BentoML's SDK has no types
    """The model of the store that a Bento pins, or the one that QNA_MODEL names.

    Where the tag says `latest`, that is the model in production, or the newest one when none is.
    """

    @property
    def stored(self) -> bentoml.Model | None:
        """The model in the store; None when it has none. A Bento pins this one."""
        if self.tag.version in (None, "latest") and (chosen := production(self.tag.name)) is not None:
            return chosen
        newest: bentoml.Model | None = super().stored
        return newest

    def resolve(self, base_path: Any = None) -> bentoml.Model:
        """Return the stored model, verified. Without one, raise an error with a remedy instead of asking BentoCloud.

        `bentoml serve` calls this before it starts a worker, so that an error ends the command.
        """
        try:
            chosen = ServiceSettings.from_environment().model
            if chosen is not None and base_path is None:
                return _verified(ServedModel(chosen))
            model = _verified(self)
        except ServiceError as error:
            raise BentoMLException(str(error)) from error
        return model if base_path is None else super().resolve(base_path)


def load_reader(tag: str = "extractive-qa:latest") -> Reader:
    """Load and verify a stored model for use in this process. Threads may share the reader.

    tag: `name` or `name:latest` mean the model in production, or the newest one when none is. It uses a GPU if there is
    one, with torch and the checkpoint. Raises ArtifactError when the model is missing or changed.
    """
    try:
        model = ServedModel(tag)
    except (BentoMLException, ValueError) as error:
        raise ArtifactError(f"{tag!r} is no tag of the BentoML store; {_REMEDY}") from error
    present = _present(model)
    return artifact.load(Path(present.path)).reader(gpu.engine(present.tag))


def _verified(model: ServedModel) -> bentoml.Model:
    present = _present(model)
    artifact.verify(Path(present.path))
    artifact.check_memory(Path(present.path))
    return present


def _present(model: ServedModel) -> bentoml.Model:
    present = model.stored
    if present is None:
        raise ArtifactError(f"the BentoML store has no model {model.tag}; {_REMEDY}")
    return present
