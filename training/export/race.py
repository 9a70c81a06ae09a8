"""The engine race: the same network on several engines, for speed and for F1 through the reader that serves."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from bento_service.reading.cpus import cpu_count
from bento_service.reading.engines import Engine, Logits, OnnxEngine, TorchEngine
from bento_service.reading.reader import Query, Reader, ReaderSettings
from training.export import graph, narrowing
from training.measure.evaluate import predict, read
from training.measure.metrics import summary
from training.prepare import features

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from bento_service.reading.tokenization import TextTokenizer
    from training.data import Example

logger = logging.getLogger(__name__)
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Runner:
    """One engine as it is to be measured."""

    name: str
    make: Callable[[], Engine]


@dataclass(frozen=True)
class Row:
    """The result of a runner. rate: questions a second; same: share of answers that full precision gives too."""

    name: str
    rate: float
    f1: float
    f1_ratio: float
    same: float


def race(
    model: PreTrainedModel,
    tokenizer: TextTokenizer,
    settings: ReaderSettings,
    examples: list[Example],
    rows: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Measure every engine at hand on the examples, all answerable; the first row is full precision.

    rows: calibration windows of `features.build`. OpenVINO takes part where it and nncf are installed. Questions are
    handed over all at once, tokenising and decoding count too, and every engine has read them before, so that what it
    compiles for each length of window does not count.
    """
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        reference: list[str] = []
        for runner in _runners(model, rows, Path(scratch)):
            reader = Reader(tokenizer, runner.make(), settings)
            reader.answer_all([Query(e.question, e.context) for e in examples])
            begun = time.monotonic()
            predictions = predict(read(reader, examples), settings, allow_no_answer=False)
            seconds = time.monotonic() - begun
            texts = [prediction.answer.text for prediction in predictions]
            reference = reference or texts
            f1 = summary(prediction.scored for prediction in predictions)["f1"]
            full = measured[0]["f1"] if measured else f1
            same = float(np.mean([ours == theirs for ours, theirs in zip(texts, reference, strict=True)]))
            row = Row(runner.name, round(len(examples) / seconds, 1), f1, round(f1 / full, 4), round(same, 4))
            logger.info("%s", row)
            measured.append(asdict(row))
    return measured


def _runners(model: PreTrainedModel, rows: list[dict[str, Any]], folder: Path) -> Iterator[Runner]:
    cpus = cpu_count()
    yield Runner("torch float32", lambda: TorchEngine(model))
    names = ("full", "narrowed", "dynamic", "static", "prepared", "served")
    full, narrowed, dynamic, static, prepared, served = (folder / f"{name}.onnx" for name in names)
    graph.full_precision(model, full)
    yield Runner("onnxruntime float32", lambda: OnnxEngine(full))
    graph.full_precision(narrowing.narrow(model, rows), narrowed)
    yield Runner("onnxruntime float32, narrowing", lambda: OnnxEngine(narrowed))
    graph.quantize(full, dynamic)
    yield Runner("onnxruntime dynamic int8, as it comes", lambda: OnnxEngine(dynamic))
    _quantize_static(full, static, rows)
    yield Runner("onnxruntime static int8 (QDQ)", lambda: OnnxEngine(static))
    graph.int8(model, prepared, rows)
    yield Runner("onnxruntime dynamic int8, prepared", lambda: OnnxEngine(prepared))
    graph.export(model, served, rows)
    yield Runner("onnxruntime dynamic int8, prepared and narrowing (served)", lambda: OnnxEngine(served))
    yield Runner("the same, one call at once, with all threads", lambda: _OneAtOnce(served, cpus))
    yield Runner("the same, one thread", lambda: OnnxEngine(served, threads=1))
    if importlib.util.find_spec("openvino") is None or importlib.util.find_spec("nncf") is None:
        logger.warning("OpenVINO is left out: `pip install -r requirements/race.txt` lets it take part")
        return
    quantized = folder / "openvino.xml"
    _quantize_openvino(full, quantized, rows)
    yield Runner("OpenVINO float32", lambda: _OpenVinoEngine(full, "f32"))
    yield Runner("OpenVINO static int8 (NNCF)", lambda: _OpenVinoEngine(quantized, "f32"))
    yield Runner("OpenVINO static int8 (NNCF), bf16", lambda: _OpenVinoEngine(quantized, "bf16"))


class _OneAtOnce(OnnxEngine):
    """A call at once, which shares every layer among all threads."""

    def __init__(self, path: Path, threads: int) -> None:
        super().__init__(path, threads=threads)
        self.workers = 1


class _OpenVinoEngine:
    """A graph on the CPU by OpenVINO, a thread a call."""

    batch_size = 1

    def __init__(self, path: Path, precision: str) -> None:
        import openvino

        self.workers = cpu_count()
        settings = {
            "INFERENCE_NUM_THREADS": self.workers,
            "NUM_STREAMS": self.workers,
            "INFERENCE_PRECISION_HINT": precision,
        }
        self._model = openvino.Core().compile_model(path, "CPU", settings)

    def run(self, input_ids: Ids, attention_mask: Ids, token_type_ids: Ids, *, alone: bool = False) -> Logits:  # noqa: ARG002  # no padding, and a thread a call
        outputs = self._model.create_infer_request().infer({"input_ids": input_ids, "token_type_ids": token_type_ids})
        return outputs["start_logits"], outputs["end_logits"]


def _quantize_static(full: Path, path: Path, rows: Sequence[dict[str, Any]]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Rows(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        """The calibration windows, one after the other."""

        def __init__(self) -> None:
            self._rows = iter(rows)

        def get_next(self) -> dict[str, Ids] | None:
            row = next(self._rows, None)
            return None if row is None else features.inputs(row)

    quantize_static(
        full,
        path,
        Rows(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _quantize_openvino(full: Path, path: Path, rows: Sequence[dict[str, Any]]) -> None:
    import nncf
    import openvino

    quantized = nncf.quantize(
        openvino.convert_model(full),
        nncf.Dataset(rows, features.inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(rows),
    )
    openvino.save_model(quantized, path)


def table(measured: list[dict[str, Any]]) -> str:
    """Return the rows of `race` as a table in Markdown."""
    rows = [(row["name"], row["rate"], row["f1"], row["f1_ratio"], f"{100 * row['same']:.1f} %") for row in measured]
    return tabulate(
        rows,
        ("engine", "questions/s", "F1", "over full precision", "same answers"),
        tablefmt="pipe",
        floatfmt=("", ".1f", ".2f", ".3f", ""),
        colalign=("left", *["right"] * 4),
    )
