"""Copies a network with little memory: the copy has modules of its own, and shares the original's tensors."""

from __future__ import annotations

import copy
from typing import Any

import torch


def share(model: torch.nn.Module) -> Any:
    """Return a copy of a network that shares its tensors, on the CPU in float32, for inference.

    Its modules may be replaced, but its tensors must not be changed. Tensors on another device or in half precision are
    copied.
    """
    tensors = _tensors(model)
    if any(tensor.device.type != "cpu" or tensor.dtype in (torch.float16, torch.bfloat16) for tensor in tensors):
        return copy.deepcopy(model).to("cpu", torch.float32).train(False)
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors}).train(False)


def free(copied: torch.nn.Module, original: torch.nn.Module) -> None:
    """Empty the tensors that a copy does not share, even if something refers to them. It can't be used then."""
    kept = {tensor.untyped_storage().data_ptr() for tensor in _tensors(original)}
    for tensor in _tensors(copied):
        if tensor.untyped_storage().data_ptr() not in kept:
            tensor.data = tensor.new_empty(0)


def _tensors(model: torch.nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()]
