"""Where a model comes from: enough to make it again, and to tell whether a run would make another."""

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

from training import data
from training.network import base as base_models
from training.network import pretrained
from training.prepare import labels

if TYPE_CHECKING:
    from training.config import TrainSettings
    from training.data import Example

LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "onnx", "onnxruntime", "bentoml", "numpy")
_ROOT = Path(__file__).parent.parent
_PIPELINE = Path(__file__).parent / "pipeline.py"


def provenance(
    settings: TrainSettings,
    base: base_models.BaseModel,
    train_examples: list[Example],
    dev_examples: list[Example],
) -> dict[str, Any]:
    """Say what a model comes from, which is known before it is made. File names only: folders are nobody's business."""
    name = base.folder.name if Path(settings.base_model).is_dir() else settings.base_model
    origin: dict[str, Any] = {"name": name, "sha256": base.sha256}
    lineage: dict[str, Any] = {}
    if settings.base_model == base_models.PRETRAINED:
        origin["weights_sha256"] = base_models.sha256_of([pretrained.FOLDER / pretrained.WEIGHTS])
        lineage["weights_provenance"] = pretrained.provenance()
    if settings.labels is not None:
        lineage["labels"] = {
            "sha256": base_models.sha256_of([settings.labels]),
            "teacher": labels.teacher(settings.labels),
        }
    values = settings.model_dump(mode="json", exclude={"output_dir"}, exclude_none=True)
    values["base_model"] = name
    if settings.labels is not None:
        values["labels"] = settings.labels.name
    for sources in ("data", "dev_data"):
        values[sources] = [Path(source).name for source in values[sources]]
    return {
        "base_model": origin,
        "data": _describe(train_examples),
        "dev_data": _describe(dev_examples),
        "settings": values,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "code": code(_PIPELINE),
        "commit": _commit(),
        **lineage,
    }


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what would make another model now, for a person; nothing when a run would only repeat the one before."""
    parts = ("base_model", "data", "dev_data", "labels", "code")
    changed = [part.replace("_", " ") for part in parts if before.get(part) != now.get(part)]
    for part in ("settings", "versions"):
        old, new = before.get(part, {}), now[part]
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        changed += [f"{name} ({old.get(name)} -> {new.get(name)})" for name in names]
    return changed


def code(start: Path) -> str:
    """Return the SHA-256 of what a module and all that it imports of this project say; comments say nothing."""
    seen: dict[Path, str] = {}
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            tree = ast.parse(path.read_bytes())
            seen[path] = ast.dump(tree)
            waiting += _imported(tree)
    said = "".join(f"{path.relative_to(_ROOT).as_posix()}\n{seen[path]}\n" for path in sorted(seen))
    return hashlib.sha256(said.encode()).hexdigest()


def _imported(tree: ast.Module) -> Iterator[Path]:
    """Find the modules of this project that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            path = _ROOT.joinpath(*name.split("."))
            yield from (found for found in (path.with_suffix(".py"), path / "__init__.py") if found.is_file())


def _describe(examples: list[Example]) -> dict[str, Any]:
    sources = dict.fromkeys(example.source for example in examples)
    return {"sources": list(sources), "questions": len(examples), "sha256": data.fingerprint(examples)}


def _commit() -> str:
    """Return the commit this code stands at, "+changes" behind it when it was edited since; "" where nothing says.

    An image has no git; it is told by QNA_COMMIT.
    """
    here = Path(__file__).parent
    try:
        commit, changed = (
            subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("QNA_COMMIT", "")
    return f"{commit}+changes" if changed else commit
