"""One training run from settings to a stored model: load, fine-tune, export, measure, gate, store."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import artifact
from bento_service.engines import TorchEngine
from bento_service.reader import Reader, ReaderSettings
from bento_service.tokenization import TextTokenizer
from training import base as base_models
from training import data, gate, negatives, pretrained, store
from training.errors import SettingsError
from training.evaluate import Gain, Readings, figures, gain, predict, read, say
from training.export import calibration_rows, export
from training.fit import calibration_errors, fit
from training.metrics import summary
from training.train import fine_tune, finish, prepare_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from training.config import TrainSettings
    from training.data import Example

logger = logging.getLogger(__name__)

CHECKPOINT = "model"
SERVED = "served"
LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "onnx", "onnxruntime", "bentoml", "numpy")


def run(settings: TrainSettings, *, overwrite: bool = False) -> str | None:
    """Train as the settings say and return the stored model's tag (None on every process but the first).

    Raises TrainingError, GateError among them; the store is then as it was, and the run's folder stays: started again,
    an unfinished run resumes, and one that was refused goes through the gate again.
    """
    import torch
    from accelerate import PartialState

    process = PartialState(cpu=not torch.cuda.is_available())
    train_examples, dev_examples = load_examples(settings)
    with process.main_process_first():
        checkpoint = prepare_folder(
            settings, data.fingerprint(train_examples), overwrite=overwrite and process.is_main_process
        )
    base = base_models.find(settings.base_model)
    positions = base_models.max_positions(base.folder)
    if settings.max_length > positions:
        raise SettingsError(f"max_length {settings.max_length} exceeds the {positions} positions of {base.name}")
    reader_settings = ReaderSettings(
        max_length=settings.max_length,
        doc_stride=settings.doc_stride,
        max_answer_length=settings.max_answer_length,
    )
    tokenizer = TextTokenizer.from_file(base.folder / artifact.TOKENIZER)
    full_precision: Readings = []

    def measure(model: PreTrainedModel) -> dict[str, float]:
        reader = Reader(tokenizer, TorchEngine(model), reader_settings)
        full_precision[:] = read(reader, dev_examples, progress=True)
        return summary(prediction.scored for prediction in say(full_precision, reader_settings))

    model, by_epoch = fine_tune(settings, base, tokenizer, train_examples, measure, checkpoint=checkpoint)
    if not process.is_main_process:
        return None
    folder = settings.output_dir
    _write_checkpoint(model, base.folder, folder / CHECKPOINT)
    provenance = _provenance(settings, base, train_examples, dev_examples)
    calibration = calibration_rows(train_examples, tokenizer, reader_settings, seed=settings.seed)
    _write_served(model, base.folder, folder / SERVED, reader_settings, provenance, calibration)
    metrics, made = _measure(settings, folder / SERVED, dev_examples, full_precision)
    metrics |= {"epochs": by_epoch, "gate": [str(check) for check in made]}
    _seal(folder / SERVED, metrics)
    gate.judge(made)
    tag = store.save(settings.model_name, folder / SERVED, folder / CHECKPOINT, metrics, provenance)
    finish(folder, tag)
    return tag


def load_examples(settings: TrainSettings) -> tuple[list[Example], list[Example]]:
    """Return (train, dev) examples: dev from its own sources, or held out of the training data by article.

    The constructed negatives are among the training examples.
    """
    examples = data.load(settings.data)
    if settings.dev_data:
        dev_examples = data.load(settings.dev_data)
    else:
        examples, dev_examples = data.hold_out(examples, settings.dev_fraction, settings.seed)
    examples = data.draw(examples, settings.max_examples, settings.seed)
    answerable = sum(bool(example.answers) for example in examples)
    return examples + negatives.construct(examples, round(settings.negatives * answerable), settings.seed), dev_examples


def _measure(
    settings: TrainSettings, served: Path, dev_examples: list[Example], full_precision: Readings
) -> tuple[dict[str, Any], list[gate.Check]]:
    """Fit the reader settings of the artifact, write them into it, and return its figures and the gate's checks.

    Who trains on constructed negatives tunes "no answer" on as many constructed ones as the dev examples have answers.
    """
    made = negatives.construct(dev_examples, len(dev_examples), settings.seed) if settings.negatives else []
    reader = artifact.load(served).reader()
    readings = read(reader, dev_examples + made, progress=True)
    fitted = fit(readings, reader.settings)
    artifact.write_json(served / artifact.READER, fitted.model_dump())
    own = readings[: len(dev_examples)]
    metrics: dict[str, Any] = {
        "served": {"precision": "int8", **figures(own, fitted)},
        "full_precision": {"precision": "float32", **figures(full_precision, fitted)},
        "calibration_error": calibration_errors(own, reader.settings),
    }
    if made:
        metrics["constructed"] = figures(readings, fitted)
    checks = gate.checks(
        settings.gate,
        metrics["served"]["sources"],
        metrics["calibration_error"].get("after"),
        _over_full_precision(own, full_precision, fitted),
        _over_production(settings.model_name, own, fitted),
    )
    return metrics, list(checks)


def _over_full_precision(own: Readings, full_precision: Readings, fitted: ReaderSettings) -> Gain | None:
    """Compare the two precisions where there is an answer: the null threshold was fitted to one of them only."""
    forced = [
        predict([pair for pair in readings if pair[0].answers], fitted, allow_no_answer=False)
        for readings in (own, full_precision)
    ]
    return gain(forced[0], forced[1]) if forced[0] else None


def _over_production(name: str, own: Readings, fitted: ReaderSettings) -> Gain | None:
    in_production = store.production(name)
    if in_production is None:
        return None
    logger.info("measuring %s, the model in production", in_production[0])
    reader = artifact.load(in_production[1]).reader()
    readings = read(reader, [example for example, _ in own], progress=True)
    return gain(say(own, fitted), say(readings, reader.settings))


def _write_checkpoint(model: PreTrainedModel, base: Path, folder: Path) -> None:
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def _write_served(
    model: PreTrainedModel,
    base: Path,
    folder: Path,
    settings: ReaderSettings,
    provenance: dict[str, Any],
    calibration: list[dict[str, Any]],
) -> None:
    folder.mkdir(exist_ok=True)
    export(model, folder / artifact.GRAPH, calibration)
    shutil.copyfile(base / artifact.TOKENIZER, folder / artifact.TOKENIZER)
    artifact.write_json(folder / artifact.READER, settings.model_dump())
    artifact.write_json(folder / artifact.PROVENANCE, provenance)
    _seal(folder, {})


def _seal(served: Path, metrics: dict[str, Any]) -> None:
    artifact.write_json(served / artifact.METRICS, metrics)
    artifact.seal(served)


def _provenance(
    settings: TrainSettings,
    base: base_models.BaseModel,
    train_examples: list[Example],
    dev_examples: list[Example],
) -> dict[str, Any]:
    """Say what a model came from: enough to make it again. File names only: folders are nobody's business."""
    name = base.folder.name if Path(settings.base_model).is_dir() else settings.base_model
    origin: dict[str, Any] = {"name": name, "sha256": base.sha256}
    lineage: dict[str, Any] = {}
    if settings.base_model == base_models.PRETRAINED:
        origin["weights_sha256"] = base_models.sha256_of([pretrained.FOLDER / pretrained.WEIGHTS])
        lineage["weights_provenance"] = pretrained.provenance()
    values = settings.model_dump(mode="json", exclude={"output_dir"}, exclude_none=True)
    values["base_model"] = name
    for sources in ("data", "dev_data"):
        values[sources] = [Path(source).name for source in values[sources]]
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "base_model": origin,
        "data": _describe(train_examples),
        "dev_data": _describe(dev_examples),
        "settings": values,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "commit": _commit(),
        **lineage,
    }


def _describe(examples: list[Example]) -> dict[str, Any]:
    sources = dict.fromkeys(example.source for example in examples)
    return {"sources": list(sources), "questions": len(examples), "sha256": data.fingerprint(examples)}


def _commit() -> str:
    """Return the commit this code stands at, "+changes" behind it when it was edited since; "" where nothing says.

    An image has no git; it is told by QNA_COMMIT.
    """
    here = Path(__file__).parent
    try:
        commit, changes = (
            subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("QNA_COMMIT", "")
    return f"{commit}+changes" if changes else commit
