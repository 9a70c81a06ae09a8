"""Token pruning in the last layers: they process only the tokens that may begin or end the answer.

A span is decided by the logits of a few tokens. A linear probe of a layer's input predicts those logits before the last
layer. The layer keeps the tokens that the probe ranks first, and these still attend to all tokens. PoWER-BERT
(https://arxiv.org/abs/2001.08950) and Block-Skim (https://arxiv.org/abs/2112.08560) prune tokens too, but train the
network for it.

The number of kept tokens is chosen on windows that the probe was not fitted to. It is at least twice what any of them
required.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers.modeling_outputs import QuestionAnsweringModelOutput

from training.export.attention import attend
from training.export.memory import release
from training.export.sharing import share
from training.prepare import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

MIN_KEPT = 24
"""Tokens that a layer keeps at least, so that short windows are not pruned."""
PARTS = 64
"""Denominator of the share of its tokens that a layer keeps."""
MAX_PARTS = PARTS // 2
"""Greatest share (in `PARTS`) at which a layer is pruned; above it, the probe costs more than it saves."""
PRUNED_PENALTY = 30.0
"""Subtracted from the predicted logits of pruned tokens: a factor of e^-30, so that they cannot be the answer."""
RIDGE = 1e-3
"""Weight of the probe's ridge penalty, as a share of the mean square of its input."""


@dataclass(frozen=True)
class Probe:
    """Predicts the two logits of a token from a layer's input. `parts` is the share of tokens kept, in `PARTS`."""

    linear: torch.nn.Linear
    parts: int


def narrow(model: PreTrainedModel, rows: Sequence[dict[str, Any]]) -> PreTrainedModel:
    """Return a copy of the model, on the CPU, that prunes tokens in its last layers and gives the same answers.

    rows: some of `features.build`. The copy is not pruned if the model is not built as BERT is, or if no layer's input
    predicts the logits well enough.
    """
    network: Any = share(model)
    with torch.no_grad():
        if len(rows) < 2 or not _is_bert(network, rows[0]):
            return cast("PreTrainedModel", network)
        probes = _fit_probes(network, rows)
    release()
    return cast("PreTrainedModel", NarrowingModel(network, probes) if probes else network)


class NarrowingModel(torch.nn.Module):
    """A span model of BERT's structure for windows without padding, with a probe before each layer that prunes."""

    def __init__(self, model: PreTrainedModel, probes: dict[int, Probe]) -> None:
        super().__init__()
        self.model: Any = model
        self.config = model.config
        self.parts = {layer: probe.parts for layer, probe in probes.items()}
        self.probes = torch.nn.ModuleDict({str(layer): probe.linear for layer, probe in probes.items()})

    def get_input_embeddings(self) -> torch.nn.Module:
        """Return the table of the word embeddings."""
        return cast("torch.nn.Module", self.model.get_input_embeddings())

    def set_input_embeddings(self, table: torch.nn.Module) -> None:
        """Replace the table of the word embeddings."""
        self.model.set_input_embeddings(table)

    def set_attn_implementation(self, name: str) -> None:
        """Choose the attention of the layers that do not prune, by its name in transformers."""
        self.model.set_attn_implementation(name)

    def forward(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,  # noqa: ARG002  # no padding
    ) -> QuestionAnsweringModelOutput:
        """Return logits for all tokens: (batch, seq_len) each.

        Pruned tokens get the probe's prediction minus `PRUNED_PENALTY`. input_ids, token_type_ids: (batch, seq_len).
        """
        base = self.model.base_model
        states = base.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        batch = torch.arange(states.shape[0])[:, None]
        positions = torch.arange(states.shape[1])[None].expand(states.shape[0], -1)
        predicted = None
        for number, layer in enumerate(base.encoder.layer):
            if number not in self.parts:
                states = layer(states, None)
                continue
            prediction = self.probes[str(number)](states)
            predicted = prediction if predicted is None else _scatter(predicted, positions, prediction)
            kept = _kept_tokens(prediction, self.parts[number])
            positions = positions.gather(1, kept)
            states = _pruned_layer(layer, states, states[batch, kept])
        logits = self.model.qa_outputs(states)
        if predicted is not None:
            logits = _scatter(predicted - PRUNED_PENALTY, positions, logits)
        return QuestionAnsweringModelOutput(start_logits=logits[..., 0], end_logits=logits[..., 1])


def _pruned_layer(layer: Any, states: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Run a layer for the kept states (batch, k, size), which attend to all states (batch, n, size)."""
    attention = layer.attention.self

    def split(values: torch.Tensor) -> torch.Tensor:
        heads = values.reshape(*values.shape[:2], attention.num_attention_heads, attention.attention_head_size)
        return heads.transpose(1, 2)

    query, key, value = split(attention.query(kept)), split(attention.key(states)), split(attention.value(states))
    attended = layer.attention.output(attend(query, key, value).flatten(2), kept)
    return cast("torch.Tensor", layer.feed_forward_chunk(attended))


def _scatter(logits: torch.Tensor, positions: torch.Tensor, replacement: torch.Tensor) -> torch.Tensor:
    """Return logits (batch, n, 2) with those at some positions (batch, k) replaced (batch, k, 2)."""
    return logits.scatter(1, positions[:, :, None].expand(-1, -1, 2), replacement)


def _kept_tokens(prediction: torch.Tensor, parts: int) -> torch.Tensor:
    """Return the indices (batch, k) of the kept tokens: position 0, "no answer", and those of the greatest logits."""
    scores = prediction.amax(-1)
    first = torch.arange(scores.shape[1]) == 0
    scores = torch.where(first, torch.full_like(scores, torch.inf), scores)
    count = torch.sym_min(scores.shape[1], MIN_KEPT + scores.shape[1] * parts // PARTS)  # type: ignore[no-untyped-call]
    return scores.topk(count, dim=1, sorted=False).indices


def _is_bert(model: PreTrainedModel, row: dict[str, Any]) -> bool:
    """Return whether `NarrowingModel` computes the same logits as the model, with all tokens kept in every layer."""
    inputs = _inputs(row)
    config: Any = model.config
    try:
        keep_all = Probe(torch.nn.Linear(config.hidden_size, 2), PARTS)
        rebuilt = NarrowingModel(model, dict.fromkeys(range(1, config.num_hidden_layers), keep_all))(**inputs)
    # Another family's parts have other names or shapes.
    except (AttributeError, TypeError, RuntimeError, AssertionError):
        return False
    expected = model(**inputs)
    return torch.allclose(rebuilt.start_logits, expected.start_logits, atol=1e-4)


def _inputs(row: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(ids) for name, ids in features.inputs(row).items()}


def _fit_probes(model: Any, rows: Sequence[dict[str, Any]]) -> dict[int, Probe]:
    """Return the probe of each layer that should prune: fitted to every other row, sized by the rest."""
    upper = slice(max(1, model.config.num_hidden_layers // 2), model.config.num_hidden_layers)
    layer_inputs, logits = [], []
    for row in rows:
        output = model(**_inputs(row), output_hidden_states=True)
        layer_inputs.append([states[0] for states in output.hidden_states[upper]])
        logits.append(torch.stack([output.start_logits[0], output.end_logits[0]], dim=-1))
    probes = {}
    max_parts = MAX_PARTS
    for layer, states in enumerate(zip(*layer_inputs, strict=True), start=upper.start):
        linear = _fit_probe(torch.cat(states[::2]), torch.cat(logits[::2]))
        held_out = zip(states[1::2], logits[1::2], strict=True)
        required = max(required_share(linear(window), expected) for window, expected in held_out)
        parts = 1 + int(2 * PARTS * required)
        if parts <= max_parts:
            probes[layer] = Probe(linear, parts)
            max_parts = parts // 2
            logger.info("layer %d keeps %d tokens and %d/%d of a window", layer + 1, MIN_KEPT, parts, PARTS)
    return probes


def _fit_probe(states: torch.Tensor, logits: torch.Tensor) -> torch.nn.Linear:
    """Return the ridge regression of logits (n, 2) on states (n, size)."""
    states_mean, logits_mean = states.mean(0), logits.mean(0)
    deviations = (states - states_mean).double()
    covariance = deviations.T @ deviations / len(states)
    covariance += RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance))
    cross_covariance = deviations.T @ (logits - logits_mean).double() / len(states)
    weight = torch.linalg.solve(covariance, cross_covariance).float().T
    linear = torch.nn.Linear(*weight.shape[::-1])
    linear.weight.copy_(weight)
    linear.bias.copy_(logits_mean - weight @ states_mean)
    return linear


def required_share(prediction: torch.Tensor, logits: torch.Tensor) -> float:
    """Return the share of a window's tokens that must be kept to keep the best start and the best end.

    prediction: the probe's logits, (n, 2), which rank the tokens. logits: those of the network, (n, 2).
    """
    scores = prediction.amax(-1)
    lowest = min(scores[logits[:, side].argmax()] for side in (0, 1))
    return float((scores > lowest).float().mean())
