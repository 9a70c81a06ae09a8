"""A network whose last layers read on only with the tokens that may begin or end the answer.

A span is decided by the logits of a few tokens, and which those may be shows before the last layer: a linear probe of
what a layer is given foretells the logits. From there on only the tokens it ranks first are read on with; in the layer
that narrows, they still attend to all. (Leaving tokens out on the way: PoWER-BERT, https://arxiv.org/abs/2001.08950;
for question answering: Block-Skim, https://arxiv.org/abs/2112.08560. Both train the network anew; this does not.)

How many go on is found on windows that the probe was not fitted to, and is at least twice what any of them needed.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers.modeling_outputs import QuestionAnsweringModelOutput

from training.export.attention import attend
from training.prepare import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

LEAST = 24
"""Tokens that go on at least: a short window is read whole."""
PARTS = 64
"""Shares of the tokens that a layer is given are whole numbers of their 64ths."""
WORTHWHILE = PARTS // 2
"""A layer narrows only if at most so many parts of its tokens go on."""
UNREAD = 30.0
"""What is taken from the foretold logits of tokens that were left out: e^-30 of a probability, so no answer's part."""
RIDGE = 1e-3
"""Of the probe's weights against its error, each a token's mean of squares."""


@dataclass(frozen=True)
class Probe:
    """Foretells the two logits of a token from a layer's input, and says how many tokens go on (in `PARTS`)."""

    linear: torch.nn.Linear
    parts: int


def narrow(model: PreTrainedModel, rows: Sequence[dict[str, Any]]) -> PreTrainedModel:
    """Return a copy of the model, on the CPU, that reads a window by less work and says the same.

    rows: some of `features.build`. A model that is not built as BERT is, or whose layers do not tell soon enough
    which tokens matter, is returned as it is.
    """
    found: Any = copy.deepcopy(model)
    found.to("cpu", torch.float32).train(False)
    with torch.no_grad():
        if len(rows) < 2 or not _is_bert(found, rows[0]):
            return cast("PreTrainedModel", found)
        probes = _probes(found, rows)
    return cast("PreTrainedModel", NarrowingModel(found, probes) if probes else found)


class NarrowingModel(torch.nn.Module):
    """A span model of BERT's build for windows without padding, with a probe before each layer that narrows."""

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
        """Put another table in its place."""
        self.model.set_input_embeddings(table)

    def set_attn_implementation(self, name: str) -> None:
        """Choose the attention of the layers that do not narrow, by its name in transformers."""
        self.model.set_attn_implementation(name)

    def forward(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,  # noqa: ARG002  # no padding
    ) -> QuestionAnsweringModelOutput:
        """Return logits for all tokens: (batch, seq_len) each. Those left out have what the probe foretold, and less.

        input_ids, token_type_ids: (batch, seq_len).
        """
        base = self.model.base_model
        states = base.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        batch = torch.arange(states.shape[0])[:, None]
        places = torch.arange(states.shape[1])[None].expand(states.shape[0], -1)
        foretold = None
        for number, layer in enumerate(base.encoder.layer):
            if number not in self.parts:
                states = layer(states, None)
                continue
            guess = self.probes[str(number)](states)
            foretold = guess if foretold is None else _put(foretold, places, guess)
            chosen = _choose(guess, self.parts[number])
            places = places.gather(1, chosen)
            states = self._read_on(layer, states, states[batch, chosen])
        logits = self.model.qa_outputs(states)
        if foretold is not None:
            logits = _put(foretold - UNREAD, places, logits)
        return QuestionAnsweringModelOutput(start_logits=logits[..., 0], end_logits=logits[..., 1])

    def _read_on(self, layer: Any, states: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Run a layer for the chosen states (batch, k, size), which attend to all (batch, n, size)."""
        own = layer.attention.self

        def split(values: torch.Tensor) -> torch.Tensor:
            heads = values.reshape(*values.shape[:2], own.num_attention_heads, own.attention_head_size)
            return heads.transpose(1, 2)

        seen = attend(split(own.query(chosen)), split(own.key(states)), split(own.value(states))).flatten(2)
        attended = layer.attention.output(seen, chosen)
        return cast("torch.Tensor", layer.feed_forward_chunk(attended))


def _put(logits: torch.Tensor, places: torch.Tensor, better: torch.Tensor) -> torch.Tensor:
    """Return logits (batch, n, 2) with better ones (batch, k, 2) in some places (batch, k)."""
    return logits.scatter(1, places[:, :, None].expand(-1, -1, 2), better)


def _choose(guess: torch.Tensor, parts: int) -> torch.Tensor:
    """Return the indices (batch, k) of the tokens that go on: position 0, "no answer", and the likeliest."""
    scores = guess.amax(-1)
    first = torch.arange(scores.shape[1]) == 0
    scores = torch.where(first, torch.full_like(scores, torch.inf), scores)
    count = torch.sym_min(scores.shape[1], LEAST + scores.shape[1] * parts // PARTS)  # type: ignore[no-untyped-call]
    return scores.topk(count, dim=1, sorted=False).indices


def _is_bert(model: PreTrainedModel, row: dict[str, Any]) -> bool:
    """Say whether the model is put together as `NarrowingModel` takes for granted: by what both say of a row.

    For that, all layers above the first narrow, to all tokens.
    """
    inputs = _inputs(row)
    config: Any = model.config
    try:
        everything = Probe(torch.nn.Linear(config.hidden_size, 2), PARTS)
        again = NarrowingModel(model, dict.fromkeys(range(1, config.num_hidden_layers), everything))(**inputs)
    except (AttributeError, TypeError, RuntimeError):  # another family's parts have other names or shapes
        return False
    expected = model(**inputs)
    return torch.allclose(again.start_logits, expected.start_logits, atol=1e-4)


def _inputs(row: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(ids) for name, ids in features.inputs(row).items()}


def _probes(model: Any, rows: Sequence[dict[str, Any]]) -> dict[int, Probe]:
    """Return the probe of each layer that should narrow: fitted to every other row, sized by the rest."""
    upper = slice(max(1, model.config.num_hidden_layers // 2), model.config.num_hidden_layers)  # none tells before
    given, logits = [], []
    for row in rows:
        output = model(**_inputs(row), output_hidden_states=True)
        given.append([states[0] for states in output.hidden_states[upper]])
        logits.append(torch.stack([output.start_logits[0], output.end_logits[0]], dim=-1))
    probes = {}
    narrowest = WORTHWHILE
    for layer, states in enumerate(zip(*given, strict=True), start=upper.start):
        linear = _fit(torch.cat(states[::2]), torch.cat(logits[::2]))
        needed = [_needed(linear(own), said) for own, said in zip(states[1::2], logits[1::2], strict=True)]
        parts = 1 + int(2 * PARTS * max(needed))
        if parts <= narrowest:
            probes[layer] = Probe(linear, parts)
            narrowest = parts // 2
            logger.info("layer %d reads on with %d tokens and %d/%d of a window", layer + 1, LEAST, parts, PARTS)
    return probes


def _fit(states: torch.Tensor, logits: torch.Tensor) -> torch.nn.Linear:
    """Return what foretells logits (n, 2) from states (n, size): a ridge regression."""
    centre, middle = states.mean(0), logits.mean(0)
    deviations = (states - centre).double()
    square = deviations.T @ deviations / len(states)
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square))
    cross = deviations.T @ (logits - middle).double() / len(states)
    weight = torch.linalg.solve(square, cross).float().T
    linear = torch.nn.Linear(*weight.shape[::-1])
    linear.weight.copy_(weight)
    linear.bias.copy_(middle - weight @ centre)
    return linear


def _needed(guess: torch.Tensor, logits: torch.Tensor) -> float:
    """Return which share of a window's tokens, the likeliest by the guess, holds the best start and the best end."""
    scores = guess.amax(-1)
    least = min(scores[logits[:, side].argmax()] for side in (0, 1))
    return float((scores > least).float().mean())
