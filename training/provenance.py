"""The provenance of a model: all inputs, to train it again and to detect changes."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import artifact
from training import data
from training.network import base as base_models
from training.network import pretrained
from training.prepare import labels

if TYPE_CHECKING:
    from training.config import TrainSettings
    from training.data import Example

LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "onnx", "onnxruntime", "bentoml", "numpy")
ROOT = Path(__file__).parent.parent
_PIPELINE = Path(__file__).parent / "pipeline.py"
_IMPORT = Path(__file__).parent / "importing.py"


def provenance(
    settings: TrainSettings,
    base: base_models.BaseCheckpoint,
    train_examples: list[Example],
    dev_examples: list[Example],
) -> dict[str, Any]:
    """Return all inputs of a training run. Files have no folders, which may be private.

    Raises DataError for a missing label file, or one that is not a label file.
    """
    name = base.folder.name if Path(settings.base_model).is_dir() else settings.base_model
    origin: dict[str, Any] = {"name": name, "sha256": base.sha256}
    lineage: dict[str, Any] = {}
    if settings.base_model == base_models.PRETRAINED:
        files = [pretrained.FOLDER / pretrained.WEIGHTS, pretrained.FOLDER / artifact.READER]
        origin["weights_sha256"] = base_models.sha256_of(files)
        lineage["weights_provenance"] = pretrained.provenance()
    if settings.labels:
        teachers = [labels.teacher(path) for path in settings.labels]
        lineage["labels"] = {"sha256": base_models.sha256_of(list(settings.labels)), "teachers": teachers}
    values = settings.model_dump(mode="json", exclude={"output_dir"}, exclude_none=True)
    values["base_model"] = name
    for sources in ("data", "dev_data", "labels"):
        values[sources] = [Path(source).name for source in values[sources]]
    return {
        "base_model": origin,
        "data": _describe(train_examples),
        "dev_data": _describe(dev_examples),
        "settings": values,
        "versions": _versions(),
        "code": code(_PIPELINE),
        "commit": _commit(),
        **lineage,
    }


def describe_import(
    name: str, sha256: str, examples: list[Example], sources: tuple[str, ...], max_length: int
) -> dict[str, Any]:
    """Return the provenance of an imported model.

    sha256: of its weights. examples: those of the evaluation and the fit. max_length: tokens of a window.
    """
    return {
        "base_model": {"name": name, "sha256": sha256},
        "imported": True,
        "data": {},
        "dev_data": _describe(examples),
        "settings": {"dev_data": [Path(source).name for source in sources], "max_length": max_length},
        "versions": _versions(),
        "code": code(_IMPORT),
        "commit": _commit(),
    }


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return readable names of the inputs that differ between two provenances; empty when none does."""
    parts = ("base_model", "data", "dev_data", "labels", "code")
    changed = [part.replace("_", " ") for part in parts if before.get(part) != now.get(part)]
    for part in ("settings", "versions"):
        old, new = before.get(part, {}), now[part]
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        changed += [f"{name} ({old.get(name)} -> {new.get(name)})" for name in names]
    return changed


def code(start: Path) -> str:
    """Return the SHA-256 over the syntax trees of a module and its imports in this project, without comments."""
    trees: dict[Path, str] = {}
    pending = [start]
    while pending:
        path = pending.pop()
        if path not in trees:
            tree = ast.parse(path.read_bytes())
            trees[path] = ast.dump(tree)
            pending += _imported(tree)
    source = "".join(f"{path.relative_to(ROOT).as_posix()}\n{trees[path]}\n" for path in sorted(trees))
    return hashlib.sha256(source.encode()).hexdigest()


def _imported(tree: ast.Module) -> Iterator[Path]:
    """Yield the files of this project that a module imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            path = ROOT.joinpath(*name.split("."))
            yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def _describe(examples: list[Example]) -> dict[str, Any]:
    sources = dict.fromkeys(example.source for example in examples)
    return {"sources": list(sources), "questions": len(examples), "sha256": data.fingerprint(examples)}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def _commit() -> str:
    """Return the commit of this code, with "+changes" when it was edited since; "" when it is unknown.

    An image has no git, and gets the commit as QNA_COMMIT.
    """
    folder = Path(__file__).parent
    try:
        commit, changed = (
            subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("QNA_COMMIT", "")
    return f"{commit}+changes" if changed else commit
