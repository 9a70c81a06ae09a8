"""Longformer with a plain attention matrix, so that it can be exported for windows of any length.

Each token attends to its neighbours and to the question's tokens, which attend to all
(https://arxiv.org/abs/2004.05150, section 3.1). transformers computes that in chunks, which a graph with free length
can't express. For a few hundred tokens, a matrix with a mask is equivalent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from transformers.modeling_outputs import QuestionAnsweringModelOutput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MODEL_TYPE = "longformer"


class WrittenOut(torch.nn.Module):
    """A Longformer span model for one window without padding."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model
        self.config: Any = model.config

    def forward(self, input_ids: torch.Tensor) -> QuestionAnsweringModelOutput:
        """Return logits (1, seq_len) each for input_ids of that shape."""
        base = self.model.base_model
        states = base.embeddings(input_ids=input_ids)
        is_separator = (input_ids[0] == self.config.sep_token_id).to(torch.int64)
        of_question = is_separator.cumsum(0) == 0  # all tokens before the first separator
        for layer in base.encoder.layer:
            seen = attend(layer.attention.self, states, of_question)
            states = layer.ff_chunk(layer.attention.output(seen, states))
        logits = self.model.qa_outputs(states)
        return QuestionAnsweringModelOutput(start_logits=logits[..., 0], end_logits=logits[..., 1])


def attend(own: Any, states: torch.Tensor, everywhere: torch.Tensor) -> torch.Tensor:
    """Return the attention of a layer, (1, n, size), as the states are.

    own: the layer's attention in transformers. everywhere: (n,), tokens that attend to all tokens, and all to them.
    """
    positions = torch.arange(states.shape[1])
    within_window = (positions[:, None] - positions[None]).abs() <= own.one_sided_attn_window_size

    def attended(query: Any, key: Any, value: Any, allowed: torch.Tensor | None) -> torch.Tensor:
        queries, keys, values = (
            layer(states).reshape(1, -1, own.num_heads, own.head_dim).transpose(1, 2) for layer in (query, key, value)
        )
        scores = queries @ keys.transpose(-1, -2) * own.head_dim**-0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
        return cast("torch.Tensor", (scores.softmax(-1) @ values).transpose(1, 2).flatten(2))

    local = attended(own.query, own.key, own.value, within_window | everywhere[None])
    global_ = attended(own.query_global, own.key_global, own.value_global, None)
    return torch.where(everywhere[None, :, None], global_, local)
