"""Loads a model in half precision onto a GPU, if there is one and torch is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import bentoml

from bento_service.reading.engines import Engine, TorchEngine

DRIVER = Path("/proc/driver/nvidia/version")
BATCH_SIZE = 32
CHECKPOINT_SUFFIX = "-checkpoint"
"""Appended to the model's name for the store's entry that holds its checkpoint; both have the same version."""


def engine(tag: bentoml.Tag) -> Engine | None:
    """Load the checkpoint of a stored model onto the GPU; None without a GPU, torch or the checkpoint.

    Windows of concurrent requests share a batch.
    """
    if not DRIVER.exists() or any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        return None  # without importing them, which would cost the CPU path seconds and hundreds of MB
    import torch

    if not torch.cuda.is_available():
        return None
    try:
        checkpoint = bentoml.models.get(f"{tag.name}{CHECKPOINT_SUFFIX}:{tag.version}")
    except bentoml.exceptions.NotFound:  # a Bento holds the int8 graph alone
        return None
    return half_precision(Path(checkpoint.path))


def half_precision(checkpoint: Path) -> TorchEngine:
    """Load a checkpoint in half precision onto the GPU."""
    import torch
    from transformers import AutoModelForQuestionAnswering

    model = AutoModelForQuestionAnswering.from_pretrained(checkpoint, dtype=torch.float16)
    return TorchEngine(model.to("cuda"), batch_size=BATCH_SIZE)
