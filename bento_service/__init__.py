"""Extractive question answering: a question and a context in, the answering span out, over HTTP or from Python."""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bento_service.model_store import load_reader
    from bento_service.pipelines import pipeline
    from bento_service.reading.reader import Answer, Query

__all__ = ["Answer", "Query", "load_reader", "pipeline"]

# onnxruntime reads this when it is loaded; since 1.29 it otherwise writes a device id and reports its use over HTTPS.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_PLACES = {
    "Answer": "bento_service.reading.reader",
    "Query": "bento_service.reading.reader",
    "load_reader": "bento_service.model_store",
    "pipeline": "bento_service.pipelines",
}
"""The module of each public name, imported on first use. The service itself uses none of these names."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
