"""A network rewritten so that int8 costs it next to nothing: the same function, of tensors that are easy to quantise.

The scale of each linear layer's input channel is evened out with that of its weights (SmoothQuant,
https://arxiv.org/abs/2211.10438, equation 4, with alpha 1/2), since a few channels are tens of times greater than the
rest in every token. Then, where tokens still differ as much, the layer scales its input to at most 1 a token, and its
output back: dynamic quantisation has one scale for all tokens, of which a few great ones would take the precision of
all others. The word embeddings, half of the network, are int8 with a scale a word, and looked up so.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional

from bento_service.reading.engines import TorchEngine
from training.prepare import features

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

LEAST = 1e-5
"""Stands for a scale of 0, which nothing can be divided by."""
UNEVEN = 8
"""How often the median token's greatest value goes into the greatest token's from which on tokens are scaled: then half
of the tokens have at most four of int8's seven bits. Trained networks have 12 to 22 behind the activation of most
layers, and 1 to 6 elsewhere."""
UNEVENNESS_ROWS = 16
"""Windows that show how uneven a layer's tokens are: it differs between layers, hardly between windows."""


def prepare(model: PreTrainedModel, rows: Sequence[dict[str, Any]]) -> PreTrainedModel:
    """Return a rewritten copy of the model, on the CPU.

    rows: some of `features.build`, to see how great each channel and token of a layer's input gets.
    """
    prepared: Any = copy.deepcopy(model)
    prepared.to("cpu", torch.float32).train(False)
    for shared in _inputs(prepared, rows):
        layers = [prepared.get_submodule(name) for name in shared.layers]
        weights = torch.stack([layer.weight.detach().abs().amax(0) for layer in layers]).amax(0)
        scale = (shared.greatest.clamp(min=LEAST) / weights.clamp(min=LEAST)).sqrt()
        for name, layer in zip(shared.layers, layers, strict=True):
            parent, _, leaf = name.rpartition(".")
            setattr(prepared.get_submodule(parent), leaf, _EvenLinear(layer, scale))
    _scale_uneven_tokens(prepared, rows[:UNEVENNESS_ROWS])
    prepared.set_input_embeddings(_Int8Embedding(prepared.get_input_embeddings()))
    return cast("PreTrainedModel", prepared)


class _EvenLinear(torch.nn.Module):
    """A linear layer whose matrix product sees evened channels and, where `scales_tokens`, tokens of equal scale."""

    inverse: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, layer: Any, scale: torch.Tensor) -> None:
        super().__init__()
        self.scales_tokens = False
        self.product = torch.nn.Linear(layer.in_features, layer.out_features, bias=False)
        self.product.weight = torch.nn.Parameter(layer.weight.detach() * scale)
        self.register_buffer("inverse", 1 / scale)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = values * self.inverse
        if self.scales_tokens:
            greatest = values.abs().amax(-1, keepdim=True).clamp(min=LEAST)
            product: torch.Tensor = self.product(values / greatest) * greatest
        else:
            product = self.product(values)
        return product if self.bias is None else product + self.bias

    def unevenness(self, values: torch.Tensor) -> float:
        """Return how often the median token's greatest value goes into the greatest token's."""
        greatest = (values * self.inverse).abs().amax(-1)
        return float(greatest.max() / greatest.median().clamp(min=LEAST))


class _Int8Embedding(torch.nn.Module):
    """A table of int8 rows with a scale each."""

    rows: torch.Tensor
    scale: torch.Tensor

    def __init__(self, table: Any) -> None:
        super().__init__()
        weight = table.weight.detach()
        scale = weight.abs().amax(1, keepdim=True).clamp(min=LEAST) / 127
        self.register_buffer("rows", (weight / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        rows, scale = (functional.embedding(ids, table) for table in (self.rows, self.scale))
        return rows.to(torch.float32) * scale


@dataclass
class _Input:
    """What several linear layers have in common: one input, with the greatest value of each of its channels."""

    tensor: torch.Tensor | None
    greatest: torch.Tensor
    layers: list[str] = field(default_factory=list)


def _inputs(model: PreTrainedModel, rows: Sequence[dict[str, Any]]) -> list[_Input]:
    """Return the inputs of all linear layers, over the rows."""
    found: list[_Input] = []
    of: dict[str, _Input] = {}

    def see(name: str, values: torch.Tensor) -> None:
        if name not in of:
            known = next((one for one in found if one.tensor is values), None)
            if known is None:
                known = _Input(values, values.new_zeros(values.shape[-1]))
                found.append(known)
            known.layers.append(name)
            of[name] = known
        of[name].greatest = torch.maximum(of[name].greatest, values.abs().flatten(0, -2).amax(0))

    for row in rows:
        _watch(model, row, torch.nn.Linear, see)
        for one in found:
            one.tensor = None  # kept until here: what is freed earlier may leave its place to another
    return found


def _scale_uneven_tokens(model: PreTrainedModel, rows: Sequence[dict[str, Any]]) -> None:
    """Let the layers scale their tokens whose tokens differ much, in the mean over the rows."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, _EvenLinear)}
    seen: dict[str, list[float]] = {name: [] for name in layers}
    for row in rows:
        _watch(model, row, _EvenLinear, lambda name, values: seen[name].append(layers[name].unevenness(values)))
    for name, layer in layers.items():
        layer.scales_tokens = sum(seen[name]) >= UNEVEN * len(seen[name])


def _watch(
    model: PreTrainedModel,
    row: dict[str, Any],
    kind: type[torch.nn.Module],
    see: Callable[[str, torch.Tensor], None],
) -> None:
    """Run the model over a row, and show `see` the name and the input of each module of that kind."""
    hooks = [
        module.register_forward_pre_hook(lambda _, arguments, name=name: see(name, arguments[0]))
        for name, module in model.named_modules()
        if isinstance(module, kind)
    ]
    inputs = features.inputs(row)
    TorchEngine(model).run(inputs["input_ids"], np.ones_like(inputs["input_ids"]), inputs["token_type_ids"])
    for hook in hooks:
        hook.remove()
