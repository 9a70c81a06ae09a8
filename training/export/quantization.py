"""Rewrites a network for int8: the same function, of tensors that lose little precision when quantised.

SmoothQuant (https://arxiv.org/abs/2211.10438, equation 4, with alpha 1/2) balances the scale of each input channel of a
linear layer with that of its weights, because a few channels are much greater than the rest in every token. Dynamic
quantisation has one scale for all tokens of a window, so a few tokens with great values reduce the precision of all
others. A layer with such outlier tokens divides each token by its greatest value, and multiplies its output back. The
word embeddings are stored as int8, with a scale for each word.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional

from bento_service.reading.engines import TorchEngine
from training.export.memory import release
from training.export.sharing import share
from training.prepare import features

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

MIN_SCALE = 1e-5
"""Replaces a scale of 0, by which nothing can be divided."""
OUTLIER_RATIO = 8
"""Greatest over median token maximum from which a layer scales its tokens; half would have at most 4 of 7 bits."""
PART_ROWS = 4096
"""Words whose embeddings are converted at once; few, to take little memory."""
OUTLIER_ROWS = 16
"""Windows on which a layer's outlier ratio is measured; it differs little between windows."""


def prepare(model: PreTrainedModel, rows: Sequence[dict[str, Any]]) -> PreTrainedModel:
    """Return a rewritten copy of the model, on the CPU.

    rows: some of `features.build`, on which the maxima of channels and tokens are measured.
    """
    prepared: Any = share(model)
    for shared in _shared_inputs(prepared, rows):
        layers = [prepared.get_submodule(name) for name in shared.layers]
        weight_max = torch.stack([layer.weight.detach().abs().amax(0) for layer in layers]).amax(0)
        scale = (shared.channel_max.clamp(min=MIN_SCALE) / weight_max.clamp(min=MIN_SCALE)).sqrt()
        for name, layer in zip(shared.layers, layers, strict=True):
            parent, _, leaf = name.rpartition(".")
            setattr(prepared.get_submodule(parent), leaf, SmoothedLinear(layer, scale))
    _scale_outlier_tokens(prepared, rows[:OUTLIER_ROWS])
    release()
    prepared.set_input_embeddings(_Int8Embedding(prepared.get_input_embeddings()))
    return cast("PreTrainedModel", prepared)


class SmoothedLinear(torch.nn.Module):
    """A linear layer with smoothed input channels and, where `scales_tokens`, a scale for each token."""

    inverse: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, layer: Any, scale: torch.Tensor) -> None:
        super().__init__()
        self.scales_tokens = False
        # (in_features, out_features), as the graph multiplies it: the exporter would make a transposed copy.
        self.register_buffer("weight", (layer.weight.detach() * scale).T.contiguous())
        self.register_buffer("inverse", 1 / scale)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the layer's output for values (batch, seq_len, in_features)."""
        values = values * self.inverse
        if self.scales_tokens:
            token_max = values.abs().amax(-1, keepdim=True).clamp(min=MIN_SCALE)
            product: torch.Tensor = ((values / token_max) @ self.weight) * token_max
        else:
            product = values @ self.weight
        return product if self.bias is None else product + self.bias

    def outlier_ratio(self, values: torch.Tensor) -> float:
        """Return the greatest token maximum over the median one, after smoothing."""
        token_max = (values * self.inverse).abs().amax(-1)
        return float(token_max.max() / token_max.median().clamp(min=MIN_SCALE))


class _Int8Embedding(torch.nn.Module):
    """A table of int8 rows with a scale for each row."""

    rows: torch.Tensor
    scale: torch.Tensor

    def __init__(self, table: Any) -> None:
        super().__init__()
        parts = table.weight.detach().split(PART_ROWS)  # in parts, since each step makes a copy in float32
        scales = [part.abs().amax(1, keepdim=True).clamp(min=MIN_SCALE) / 127 for part in parts]
        rows = [(part / scale).round().to(torch.int8) for part, scale in zip(parts, scales, strict=True)]
        self.register_buffer("rows", torch.cat(rows))
        self.register_buffer("scale", torch.cat(scales))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        rows, scale = (functional.embedding(ids, table) for table in (self.rows, self.scale))
        return rows.to(torch.float32) * scale


@dataclass
class _SharedInput:
    """An input that several linear layers share, with the greatest absolute value of each of its channels."""

    channel_max: torch.Tensor
    layers: list[str] = field(default_factory=list)


def _shared_inputs(model: PreTrainedModel, rows: Sequence[dict[str, Any]]) -> list[_SharedInput]:
    """Return the inputs of all linear layers, measured over the rows."""
    inputs: list[_SharedInput] = []
    by_layer: dict[str, _SharedInput] = {}
    for row in rows:
        by_id: dict[int, tuple[weakref.ref[torch.Tensor], _SharedInput]] = {}

        def observe(name: str, values: torch.Tensor, seen: dict[int, Any] = by_id) -> None:
            if name not in by_layer:
                tensor, shared = seen.get(id(values), (None, None))
                if tensor is None or tensor() is not values:  # ids are given again once a tensor is gone
                    shared = _SharedInput(values.new_zeros(values.shape[-1]))
                    seen[id(values)] = weakref.ref(values), shared
                    inputs.append(shared)
                by_layer[name] = shared
                shared.layers.append(name)
            shared = by_layer[name]
            shared.channel_max = torch.maximum(shared.channel_max, values.abs().flatten(0, -2).amax(0))

        _observe_inputs(model, row, torch.nn.Linear, observe)
    release()
    return inputs


def _scale_outlier_tokens(model: PreTrainedModel, rows: Sequence[dict[str, Any]]) -> None:
    """Let a layer scale its tokens where its mean outlier ratio over the rows is at least `OUTLIER_RATIO`."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, SmoothedLinear)}
    ratios: dict[str, list[float]] = {name: [] for name in layers}
    for row in rows:
        _observe_inputs(
            model, row, SmoothedLinear, lambda name, values: ratios[name].append(layers[name].outlier_ratio(values))
        )
    for name, layer in layers.items():
        layer.scales_tokens = sum(ratios[name]) >= OUTLIER_RATIO * len(ratios[name])


def _observe_inputs(
    model: PreTrainedModel,
    row: dict[str, Any],
    kind: type[torch.nn.Module],
    observe: Callable[[str, torch.Tensor], None],
) -> None:
    """Run the model over a row, and pass name and input of each call of a module of that kind to `observe`, in order.

    Inputs are not kept: those of all layers together are large.
    """
    handles = [
        module.register_forward_pre_hook(lambda _, arguments, name=name: observe(name, arguments[0]))
        for name, module in model.named_modules()
        if isinstance(module, kind)
    ]
    inputs = features.inputs(row)
    TorchEngine(model).run(inputs["input_ids"], np.ones_like(inputs["input_ids"]), inputs["token_type_ids"])
    for handle in handles:
        handle.remove()
