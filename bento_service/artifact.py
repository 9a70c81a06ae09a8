"""The files of a stored model and their checksums. A model is only loaded if all files are unchanged."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bento_service.drift import Reference, ReferenceFile
from bento_service.errors import ArtifactError, NotEnoughMemory
from bento_service.reading import memory
from bento_service.reading.engines import Engine, OnnxEngine
from bento_service.reading.reader import Reader, ReaderSettings
from bento_service.reading.tokenization import TextTokenizer

GRAPH = "model.onnx"
WEIGHTS = "model.onnx.data"
"""The weights of a graph in full precision. An int8 graph contains its weights."""
TOKENIZER = "tokenizer.json"
READER = "reader.json"
METRICS = "metrics.json"
PROVENANCE = "provenance.json"
REFERENCE = "reference.json"
"""The distributions of the dev questions, for `drift`. Older models have none."""
CHECKSUMS = "SHA256SUMS"
FILES = (GRAPH, TOKENIZER, READER, METRICS, PROVENANCE)


@dataclass(frozen=True)
class Artifact:
    """A verified model folder. provenance: base model, data, settings, versions, commit, as `train` wrote them.

    reference: distributions of the dev questions; None for an older model.
    """

    folder: Path
    settings: ReaderSettings
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    reference: Reference | None = None

    def reader(self, engine: Engine | None = None) -> Reader:
        """Load the tokenizer and the graph, which uses all CPUs of this process. engine: used instead of the graph."""
        tokenizer = TextTokenizer.from_file(self.folder / TOKENIZER)
        chosen = OnnxEngine(self.folder / GRAPH) if engine is None else engine
        return Reader(tokenizer, chosen, self.settings)


def names(folder: Path) -> tuple[str, ...]:
    """Return the names of an artifact's files, except for SHA256SUMS."""
    return (*FILES, *(name for name in (WEIGHTS, REFERENCE) if (folder / name).exists()))


def seal(folder: Path) -> None:
    """Write SHA256SUMS over the folder's files, in the format that `sha256sum -c` reads."""
    lines = [f"{_sha256(folder / name)}  {name}\n" for name in names(folder)]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="ascii")


def copy(folder: Path, to: Path) -> None:
    """Create a folder and copy an artifact's files to it."""
    to.mkdir(parents=True, exist_ok=True)
    for name in (*names(folder), CHECKSUMS):
        shutil.copyfile(folder / name, to / name)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file of the artifact, indented for people."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(folder: Path) -> Artifact:
    """Verify every file of a stored model against its checksum and read its settings.

    Raises ArtifactError naming the file that is missing, changed or unreadable.
    """
    verify(folder)
    reference = folder / REFERENCE
    try:
        settings = ReaderSettings.model_validate_json((folder / READER).read_bytes())
        metrics = json.loads((folder / METRICS).read_bytes())
        provenance = json.loads((folder / PROVENANCE).read_bytes())
        expected = ReferenceFile.validate_json(reference.read_bytes()) if reference.exists() else None
    except (ValidationError, ValueError) as error:
        raise ArtifactError(f"stored model {folder}: {type(error).__name__}: {error}; train it again") from error
    return Artifact(folder, settings, metrics, provenance, expected)


def check_memory(folder: Path) -> None:
    """Raise NotEnoughMemory if serving a stored model needs more memory than this process may use.

    Otherwise the kernel would kill the process, maybe late and without a message.
    """
    needed, limit = needed_mb(folder), memory.limit_mb()
    if limit is not None and needed > limit:
        raise NotEnoughMemory(
            f"this model needs about {needed} MB to be served, and this process may use {limit} MB; "
            "raise its memory limit (of a pod: memory_limit of deploy), or serve a smaller model, or this one as int8"
        )


def needed_mb(folder: Path) -> int:
    """Return how much memory the service needs with a stored model (MB)."""
    weights = folder / WEIGHTS
    return memory.needed_mb((folder / GRAPH).stat().st_size, weights.stat().st_size if weights.exists() else 0)


def verify(folder: Path) -> None:
    """Compare every file of a stored model with its checksum. Raises ArtifactError naming the one that differs."""
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="ascii").splitlines()
        expected = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise ArtifactError(f"stored model {folder}: {CHECKSUMS} is missing or unreadable; train it again") from error
    for name in {**dict.fromkeys(FILES), **expected}:
        if name not in expected:
            raise ArtifactError(f"stored model {folder}: {CHECKSUMS} does not list {name}; train it again")
        try:
            sha256 = _sha256(folder / name)
        except OSError as error:
            raise ArtifactError(f"stored model {folder}: {name} is missing or unreadable; train it again") from error
        if sha256 != expected[name]:
            raise ArtifactError(
                f"stored model {folder}: {name} has changed since it was stored (sha256 {sha256}, "
                f"expected {expected[name]}); restore it or train again"
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
