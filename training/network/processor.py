"""How fine-tuning uses the processor: attention, freed memory and precision of an update (EXPERIMENTS.md)."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def attend_in_steps(network: PreTrainedModel) -> str:
    """Have a network on the CPU compute attention in steps, and return how it did before.

    torch's fused attention makes an update take up to 1.4 times as long.
    """
    before: str = network.config._attn_implementation  # transformers has no public name for it
    if not torch.cuda.is_available():
        network.set_attn_implementation("eager")
    return before


def keep_freed_memory() -> None:
    """Have glibc keep what this process frees, for its next tensors; elsewhere do nothing.

    By default glibc returns large blocks to the kernel at once, which clears every page of the next ones.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mmap_max, trim_threshold = -4, -1  # as malloc.h numbers them
        mallopt(mmap_max, 0)  # take great blocks from the heap too
        mallopt(trim_threshold, -1)  # and never shrink it


def multiplies_bf16() -> bool:
    """Return whether the training device has instructions that multiply bfloat16."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))
