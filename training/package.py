"""The stored model and the service to a Bento, and that to the context which an image is built from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from training import store
from training.errors import StoreError

ROOT = Path(__file__).parent.parent
BENTOFILE = "bentofile.yaml"


def build(context: Path | None = None) -> str:
    """Make a Bento of the model in production, or the newest one, and return its tag.

    context: where to write the image context too, a gzipped tar with Dockerfile env/docker/Dockerfile: what Kaniko
    reads. It appears whole or not at all. Raises StoreError; a Bento that could not be exported is not kept.
    """
    import bentoml
    from bentoml.exceptions import BentoMLException

    store.find("extractive-qa:latest")  # its message for a missing model says what to do
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
