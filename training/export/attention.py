"""Attention of every token to every token, for windows that are read one at a time."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

PLAIN = "plain"
"""Name of `attend` among transformers' implementations of attention: of ONNX's own operators."""
FUSED = "fused"
"""Name of `attend_fused` among them: of an operator of onnxruntime, faster there and unknown elsewhere."""


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None = None) -> torch.Tensor:
    """Attend to every token. The tensors are (batch, heads, seq_len, size), the result (batch, seq_len, heads, size).

    A window runs alone, so no token is padding. The exporter's masks, and their guards against rows that are masked
    out wholly, were a quarter of the graph's time on a CPU.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    weights = torch.softmax(query * scale @ key.transpose(-1, -2), dim=-1)
    return (weights @ value).transpose(1, 2)


def attend_fused(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None = None
) -> torch.Tensor:
    """Attend as `attend` does, to be exported only: a batch of one, whose heads are multiplied where they stand.

    onnxruntime's FusedMatMul takes (seq_len, heads, size) as it is; laying out the heads one after the other took 4 %
    of the graph's time.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    query, key, value = (tensor.transpose(1, 2).squeeze(0) for tensor in (query, key, value))
    length, heads, size = query.shape
    turned: dict[str, Any] = {"transBatchA": 1, "transBatchB": 1, "transB": 1, "alpha": float(scale)}
    scores = _fused_matmul(query, key, (heads, length, key.shape[0]), turned)
    seen = _fused_matmul(torch.softmax(scores, dim=-1), value, (heads, length, size), {"transBatchB": 1})
    return seen.transpose(0, 1).unsqueeze(0)


def _fused_matmul(
    left: torch.Tensor, right: torch.Tensor, shape: tuple[int, ...], attributes: dict[str, Any]
) -> torch.Tensor:
    return torch.onnx.ops.symbolic(
        "com.microsoft::FusedMatMul", (left, right), attributes, dtype=left.dtype, shape=shape, version=1
    )


def _register(name: str, function: Any) -> None:
    """Make a function of (query, key, value, scaling) known to transformers."""

    def implementation(
        module: torch.nn.Module,  # noqa: ARG001  # transformers passes it
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,  # noqa: ARG001
        scaling: float | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        return function(query, key, value, scaling), None

    AttentionInterface.register(name, implementation)
    AttentionMaskInterface.register(name, lambda *_, **__: None)


ATTENTION = {PLAIN: attend, FUSED: attend_fused}
for _name, _function in ATTENTION.items():
    _register(_name, _function)
