"""Settings of the processor for fine-tuning: attention, freed memory and precision (EXPERIMENTS.md)."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def attend_in_steps(network: PreTrainedModel) -> str:
    """Let a network on the CPU compute attention in steps, and return the name of its previous implementation.

    On a CPU, an update takes longer with torch's fused attention.
    """
    before: str = network.config._attn_implementation  # transformers has no public accessor
    if not torch.cuda.is_available():
        network.set_attn_implementation("eager")
    return before


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next tensors; without glibc, do nothing.

    By default, glibc returns large blocks to the kernel at once, which must clear every page of the next block.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mmap_max, trim_threshold = -4, -1  # constants of malloc.h
        mallopt(mmap_max, 0)  # allocate large blocks on the heap too
        mallopt(trim_threshold, -1)  # never shrink the heap


def multiplies_bf16() -> bool:
    """Return whether the training device has instructions that multiply bfloat16."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))
