"""Copies of a network that take little memory: their modules are their own, their tensors are the original's."""

from __future__ import annotations

import copy
from typing import Any

import torch


def share(model: torch.nn.Module) -> Any:
    """Return a copy of a network that shares its tensors, on the CPU in float32, for inference.

    Its modules may be replaced, its tensors must not be changed. What is elsewhere or in another precision is copied.
    """
    tensors = _tensors(model)
    if any(tensor.device.type != "cpu" or tensor.dtype in (torch.float16, torch.bfloat16) for tensor in tensors):
        return copy.deepcopy(model).to("cpu", torch.float32).train(False)
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors}).train(False)


def free(copied: torch.nn.Module, original: torch.nn.Module) -> None:
    """Empty the tensors of a copy that are not the original's, whatever refers to them still. It is of no use then."""
    kept = {tensor.untyped_storage().data_ptr() for tensor in _tensors(original)}
    for tensor in _tensors(copied):
        if tensor.untyped_storage().data_ptr() not in kept:
            tensor.data = tensor.new_empty(0)


def _tensors(model: torch.nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()]
