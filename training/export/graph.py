"""Exports a fine-tuned network to the int8 graph that is served."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch

from training import data
from training.export import longformer, quantization
from training.export.attention import ATTENTION
from training.export.integers import quantize
from training.export.memory import release
from training.export.narrowing import narrow
from training.export.sharing import free, share
from training.network.base import positions_of
from training.prepare import features

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from bento_service.reading.reader import ReaderSettings
    from bento_service.reading.tokenization import TextTokenizer
    from training.data import Example

OPSET = 20
CALIBRATION_QUESTIONS = 64
FREE_ATTENTION_TOKENS = 192
"""Tokens of the test whether every token attends to all others: more than any family's attention window."""
OUTPUTS = ("start_logits", "end_logits")


def export(model: PreTrainedModel, path: Path, rows: Sequence[dict[str, Any]], *, narrowing: bool = True) -> None:
    """Write the model as the int8 ONNX graph that is served.

    rows: some of `features.build`. narrowing: let the last layers process fewer tokens, as `narrow` does.
    """
    int8(narrow(model, rows) if narrowing else model, path, rows)


def int8(model: PreTrainedModel, path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the model as an int8 ONNX graph with free sequence length, for one window at a time.

    Weights are 7 bits a channel; activations are quantised at run time. With 8 bits, sums of u8 x s8 products saturate
    on processors with AVX2 or AVX-512 but no VNNI, and answers change
    (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). rows: as in `quantization.prepare`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch) / "full.onnx"
        prepared = quantization.prepare(model, rows)
        full_precision(prepared, full, beside=True)
        free(prepared, model)  # onnxscript's rewriting rules keep a reference to the last graph
        release()
        quantize(full, path)


def calibration_rows(
    examples: list[Example], tokenizer: TextTokenizer, settings: ReaderSettings, *, seed: int = 17
) -> list[dict[str, Any]]:
    """Return windows of some questions, on which quantisation and narrowing are calibrated."""
    chosen = data.draw(examples, CALIBRATION_QUESTIONS, seed)
    return features.build(chosen, tokenizer, max_length=settings.max_length, doc_stride=settings.doc_stride)


def full_precision(model: PreTrainedModel, path: Path, *, beside: bool = False) -> None:
    """Write the model as an ONNX graph with free sequence length, for one window at a time.

    The network's attention is replaced by `attention.attend`, unless its family has a fixed implementation or its
    tokens do not attend to all others. beside: leave the weights in a separate file, which takes no memory.
    """
    config: Any = model.config
    free = {1: torch.export.Dim("sequence", min=2, max=positions_of(config.to_dict()))}
    ids = torch.ones(1, 16, dtype=torch.int64)
    with _quiet():
        torch.onnx.export(
            _Logits(model).eval(),
            (ids, torch.zeros_like(ids)),
            path,
            input_names=features.INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes=(free, free),
            opset_version=OPSET,
            external_data=beside,
            verbose=False,
            dynamo=True,
        )
    release()
    _forget_source(path)


class _Logits(torch.nn.Module):
    """A copy of a network with tensors as input and output; token types are dropped for models without them."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        copied: Any = share(model)
        if copied.config.model_type == longformer.MODEL_TYPE:
            copied = longformer.WrittenOut(copied)
        elif attention_is_free(model):
            copied.set_attn_implementation(ATTENTION)
        self.model = copied
        self.typed = getattr(model.config, "type_vocab_size", 0) > 1

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        types = {"token_type_ids": token_type_ids} if self.typed else {}
        output = self.model(input_ids=input_ids, **types)
        return output.start_logits, output.end_logits


def _forget_source(path: Path) -> None:
    """Remove the exporter's notes on source files from a graph: folders of this machine may be private."""
    graph = onnx.load(path, load_external_data=False)
    for entry in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        del entry.metadata_props[:]
    onnx.save(graph, path)


def attention_is_free(model: PreTrainedModel) -> bool:
    """Return whether every token attends to all others, so that the network has the same logits without masks.

    ModernBERT has layers with local attention, and a decoder attends to earlier tokens only: they need their masks.
    """
    config: Any = model.config
    length = min(FREE_ATTENTION_TOKENS, getattr(config, "max_position_embeddings", FREE_ATTENTION_TOKENS) - 2)
    ids = torch.randint(config.vocab_size, (1, length), generator=torch.Generator().manual_seed(0))
    plain = share(model)
    with torch.no_grad():
        expected = plain(input_ids=ids)
        plain.set_attn_implementation(ATTENTION)
        free = plain(input_ids=ids)
    logits = zip((expected.start_logits, expected.end_logits), (free.start_logits, free.end_logits), strict=True)
    return all(torch.allclose(own, other, rtol=1e-3, atol=1e-3 * float(own.std())) for own, other in logits)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings and logs of the exporters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
