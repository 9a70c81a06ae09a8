"""The engine race: measures speed and F1 of the same network on several engines, with the reader that serves."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from bento_service.reading.cpus import cpu_count
from bento_service.reading.engines import Engine, Logits, OnnxEngine, TorchEngine
from bento_service.reading.reader import Query, Reader, ReaderSettings
from training.export import graph, narrowing
from training.export.integers import quantize
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
class EngineSetup:
    """An engine to measure, and how to load it."""

    name: str
    load: Callable[[], Engine]


@dataclass(frozen=True)
class EngineResult:
    """The result of a setup. rate: questions a second. same_answers: share of answers that full precision has too."""

    name: str
    rate: float
    f1: float
    f1_ratio: float
    same_answers: float


def race(
    model: PreTrainedModel,
    tokenizer: TextTokenizer,
    settings: ReaderSettings,
    examples: list[Example],
    rows: list[dict[str, Any]],
) -> list[EngineResult]:
    """Measure every engine at hand on the examples, all answerable; the first row is full precision.

    rows: calibration windows of `features.build`. OpenVINO takes part where it and nncf are installed. Each
    engine is given all questions at once. The time includes tokenising and decoding. Every engine reads the questions
    once before it is timed, so that compilation for a new length of window is not counted.
    """
    results: list[EngineResult] = []
    with tempfile.TemporaryDirectory() as scratch:
        reference: list[str] = []
        for setup in _setups(model, rows, Path(scratch)):
            reader = Reader(tokenizer, setup.load(), settings)
            reader.answer_all([Query(e.question, e.context) for e in examples])
            begun = time.monotonic()
            predictions = predict(read(reader, examples), settings, allow_no_answer=False)
            seconds = time.monotonic() - begun
            texts = [prediction.answer.text for prediction in predictions]
            reference = reference or texts
            f1 = summary(prediction.scored for prediction in predictions)["f1"]
            full_precision_f1 = results[0].f1 if results else f1
            same_answers = float(np.mean([text == expected for text, expected in zip(texts, reference, strict=True)]))
            result = EngineResult(
                setup.name,
                round(len(examples) / seconds, 1),
                f1,
                round(f1 / full_precision_f1, 4),
                round(same_answers, 4),
            )
            logger.info("%s", result)
            results.append(result)
    return results


def _setups(model: PreTrainedModel, rows: list[dict[str, Any]], folder: Path) -> Iterator[EngineSetup]:
    cpus = cpu_count()
    yield EngineSetup("torch float32", lambda: TorchEngine(model))
    names = ("full", "narrowed", "dynamic", "static", "prepared", "served")
    full, narrowed, dynamic, static, prepared, served = (folder / f"{name}.onnx" for name in names)
    graph.full_precision(model, full)
    yield EngineSetup("onnxruntime float32", lambda: OnnxEngine(full))
    graph.full_precision(narrowing.narrow(model, rows), narrowed)
    yield EngineSetup("onnxruntime float32, narrowed", lambda: OnnxEngine(narrowed))
    quantize(full, dynamic)
    yield EngineSetup("onnxruntime dynamic int8, unprepared", lambda: OnnxEngine(dynamic))
    _quantize_static(full, static, rows)
    yield EngineSetup("onnxruntime static int8 (QDQ)", lambda: OnnxEngine(static))
    graph.int8(model, prepared, rows)
    yield EngineSetup("onnxruntime dynamic int8, prepared", lambda: OnnxEngine(prepared))
    graph.export(model, served, rows)
    yield EngineSetup("onnxruntime dynamic int8, prepared and narrowed (served)", lambda: OnnxEngine(served))
    yield EngineSetup("served, one call at a time on all threads", lambda: _OneAtOnce(served, cpus))
    yield EngineSetup("served, one thread", lambda: OnnxEngine(served, threads=1))
    if importlib.util.find_spec("openvino") is None or importlib.util.find_spec("nncf") is None:
        logger.warning("OpenVINO is left out: `pip install -r requirements/race.txt` lets it take part")
        return
    quantized = folder / "openvino.xml"
    _quantize_openvino(full, quantized, rows)
    yield EngineSetup("OpenVINO float32", lambda: _OpenVinoEngine(full, "f32"))
    yield EngineSetup("OpenVINO static int8 (NNCF)", lambda: _OpenVinoEngine(quantized, "f32"))
    yield EngineSetup("OpenVINO static int8 (NNCF), bf16", lambda: _OpenVinoEngine(quantized, "bf16"))


class _OneAtOnce(OnnxEngine):
    """One call at a time, on all threads."""

    def __init__(self, path: Path, threads: int) -> None:
        super().__init__(path, threads=threads)
        self.workers = 1


class _OpenVinoEngine:
    """Runs a graph on the CPU with OpenVINO, one thread a call."""

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

    class CalibrationRows(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        """The calibration windows, one after the other."""

        def __init__(self) -> None:
            self._rows = iter(rows)

        def get_next(self) -> dict[str, Ids] | None:
            row = next(self._rows, None)
            return None if row is None else features.inputs(row)

    quantize_static(
        full,
        path,
        CalibrationRows(),
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


def table(results: list[EngineResult]) -> str:
    """Return the results of `race` as a table in Markdown."""
    rows = [
        (result.name, result.rate, result.f1, result.f1_ratio, f"{100 * result.same_answers:.1f} %")
        for result in results
    ]
    return tabulate(
        rows,
        ("engine", "questions/s", "F1", "over full precision", "same answers"),
        tablefmt="pipe",
        floatfmt=("", ".1f", ".2f", ".3f", ""),
        colalign=("left", *["right"] * 4),
    )
