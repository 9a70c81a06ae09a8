"""Builds a Bento from the stored model and the service, and the context of its image."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from training import store
from training.errors import StoreError

ROOT = Path(__file__).parent.parent
BENTOFILE = "bentofile.yaml"


def build(context: Path | None = None) -> str:
    """Build a Bento from the model in production, or the newest one, and return its tag.

    context: file for the image's context, a gzipped tar with env/docker/Dockerfile, for Kaniko. It is written
    atomically. Raises StoreError; a Bento that can't be exported is deleted.
    """
    import bentoml
    from bentoml.exceptions import BentoMLException

    store.find("extractive-qa:latest")  # raises an error with a remedy if there is no model
    try:
        bento = bentoml.bentos.build_bentofile(BENTOFILE, build_ctx=str(ROOT))
        if context is not None:
            try:
                _export(bento, context.absolute())  # BentoML loses the rest of a relative path that begins with a dot
            except BaseException:
                bentoml.bentos.delete(bento.tag)
                raise
    except (OSError, BentoMLException) as error:
        raise StoreError(f"the Bento could not be made: {error}; make room or check BENTOML_HOME") from error
    return str(bento.tag)


def _export(bento: Any, context: Path) -> None:
    context.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=context.parent, prefix=f".{context.name}-") as scratch:
        written = bento.export(str(Path(scratch) / "context.tar.gz"), output_format="gz")
        Path(written).replace(context)
