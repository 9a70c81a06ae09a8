"""Attention without masks, for windows that are read one at a time."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

ATTENTION = "plain"
"""Name of `attend` among transformers' implementations of attention."""


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None = None) -> torch.Tensor:
    """Attend to every token. The tensors are (batch, heads, seq_len, size), the result (batch, seq_len, heads, size).

    A window runs alone, so no token is padding, and no mask is needed.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    weights = torch.softmax(query * scale @ key.transpose(-1, -2), dim=-1)
    return (weights @ value).transpose(1, 2)


def _register() -> None:
    """Make `attend` known to transformers."""

    def implementation(
        module: torch.nn.Module,  # noqa: ARG001  # transformers passes it
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,  # noqa: ARG001
        scaling: float | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        return attend(query, key, value, scaling), None

    AttentionInterface.register(ATTENTION, implementation)
    AttentionMaskInterface.register(ATTENTION, lambda *_, **__: None)


_register()
