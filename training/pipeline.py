"""One training run from settings to a stored model: load, fine-tune, export, measure, gate, store."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bento_service import artifact
from bento_service.reading.engines import TorchEngine
from bento_service.reading.reader import Reader, ReaderSettings
from bento_service.reading.tokenization import TextTokenizer
from training import candidate, data, store
from training.data import check, sources
from training.errors import TrainSettingsError
from training.export.graph import calibration_rows
from training.measure import gate
from training.measure.evaluate import Readings, predict, read
from training.measure.metrics import summary
from training.network import base as base_models
from training.network import pretrained
from training.network.train import fine_tune, finish, prepare_folder
from training.prepare import labels, negatives
from training.provenance import provenance

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from training.config import TrainSettings
    from training.data import Example
    from training.network.base import BaseCheckpoint

logger = logging.getLogger(__name__)

CHECKPOINT = "model"
SERVED = "served"


def run(settings: TrainSettings, *, overwrite: bool = False, if_changed: bool = False) -> str | None:
    """Train with the settings and return the stored model's tag (None on every process but the first).

    if_changed: return the tag of the model in production, or of the newest, if it has the same inputs. Raises
    TrainingError, such as GateError; then the store is unchanged, and the run's folder stays. If the run is started
    again, it resumes, or is only judged by the gate again.
    """
    import torch
    from accelerate import PartialState

    process = PartialState(cpu=not torch.cuda.is_available())
    parts = load_examples(settings)
    train_examples, dev_examples = parts.train, parts.dev
    base = base_models.find(settings.base_model)
    origin = provenance(settings, base, train_examples, dev_examples) | parts.bad_rows
    if if_changed and (tag := candidate.unchanged_model(settings.model_name, origin)) is not None:
        return tag if process.is_main_process else None
    with process.main_process_first():
        data_sha256 = " ".join(origin[part]["sha256"] for part in ("data", "labels") if part in origin)
        checkpoint = prepare_folder(settings, data_sha256, overwrite=overwrite and process.is_main_process)
    reader_settings = _reader_settings(settings, base)
    tokenizer_file = base.folder / artifact.TOKENIZER
    if process.is_main_process:
        for finding in check.findings(train_examples, dev_examples, tokenizer_file, reader_settings):
            logger.warning("%s", finding)
    dev = _DevSet(dev_examples, TextTokenizer.from_file(tokenizer_file), reader_settings)
    trained = _train(settings, base, train_examples, dev, checkpoint)
    if not process.is_main_process:
        return None
    origin = {"created": datetime.now(UTC).isoformat(timespec="seconds"), **origin}
    return _store(settings, base, origin, trained, train_examples, dev)


def _store(
    settings: TrainSettings,
    base: BaseCheckpoint,
    origin: dict[str, Any],
    trained: _Trained,
    train_examples: list[Example],
    dev: _DevSet,
) -> str:
    """Export, measure and store the trained network, and return its tag. Raises GateError."""
    folder = settings.output_dir
    checkpoint, served = folder / CHECKPOINT, folder / SERVED
    candidate.write_checkpoint(trained.model, base.folder, checkpoint)
    calibration = calibration_rows(train_examples, dev.tokenizer, dev.settings, seed=settings.seed)
    tokenizer_file = base.folder / artifact.TOKENIZER
    candidate.write_served(
        trained.model, tokenizer_file, served, dev.settings, origin, calibration, narrowing=settings.narrowing
    )
    # If training uses constructed negatives, "no answer" is tuned on constructed dev examples too.
    constructed = (
        negatives.construct(dev.examples, len(dev.examples), settings.seed, settings.negative_kinds)
        if settings.negatives
        else []
    )
    as_shipped = not settings.epochs and settings.is_default_model
    metrics, checks = candidate.measure(
        served,
        settings.gate,
        settings.model_name,
        dev.examples,
        dev.readings,
        constructed=constructed,
        base=trained.before,
        no_answer_share=pretrained.no_answer_share() if as_shipped else settings.no_answer_share,
        fitting=not as_shipped,
    )
    if as_shipped:
        shutil.copyfile(pretrained.FOLDER / artifact.REFERENCE, served / artifact.REFERENCE)
    metrics |= {"epochs": trained.by_epoch, "gate": [str(check) for check in checks]}
    candidate.seal(served, metrics)
    gate.judge(checks)
    tag = store.save(settings.model_name, served, checkpoint)
    finish(folder, tag)
    return tag


@dataclass(frozen=True)
class _Trained:
    """The trained network. by_epoch: as in `fine_tune`. before: readings of the dev examples by the base model."""

    model: PreTrainedModel
    by_epoch: list[dict[str, float]] = field(default_factory=list)
    before: Readings | None = None


def _train(
    settings: TrainSettings,
    base: BaseCheckpoint,
    examples: list[Example],
    dev: _DevSet,
    checkpoint: Path | None,
) -> _Trained:
    """Fine-tune the base model; for 0 epochs it stays as it is. `dev` then has the readings of the result.

    checkpoint: to resume from.
    """
    from accelerate import PartialState

    if not settings.epochs:
        logger.info("%s is measured and stored as it is: nothing is trained in 0 epochs", base.name)
        model = base_models.load(base, settings)
        dev.measure(model)
        return _Trained(model)
    soft = labels.load(settings.labels) if settings.labels else None
    before = _base_readings(base, settings, dev) if PartialState().is_main_process else None
    model, by_epoch = fine_tune(
        settings, base, dev.tokenizer, examples, dev.measure, labels=soft, checkpoint=checkpoint
    )
    return _Trained(model, by_epoch, before)


def _reader_settings(settings: TrainSettings, base: BaseCheckpoint) -> ReaderSettings:
    """Return the reader settings. Raises TrainSettingsError if the network has too few positions."""
    positions = base_models.max_positions(base.folder)
    if settings.max_length > positions:
        raise TrainSettingsError(f"max_length {settings.max_length} exceeds the {positions} positions of {base.name}")
    fitted = pretrained.calibration() if base.name == base_models.PRETRAINED else {}
    return ReaderSettings(**settings.model_dump(include={"max_length", "doc_stride", "max_answer_length"}), **fitted)


@dataclass
class _DevSet:
    """The dev examples, read in full precision after every epoch. readings: those of the last network."""

    examples: list[Example]
    tokenizer: TextTokenizer
    settings: ReaderSettings
    readings: Readings = field(default_factory=list)

    def read(self, model: PreTrainedModel) -> Readings:
        """Return a network's readings of the examples."""
        return read(Reader(self.tokenizer, TorchEngine(model), self.settings), self.examples, progress=True)

    def measure(self, model: PreTrainedModel) -> dict[str, float]:
        """Return exact match and F1 in percent."""
        self.readings = self.read(model)
        return summary(prediction.scored for prediction in predict(self.readings, self.settings))


def _base_readings(base: BaseCheckpoint, settings: TrainSettings, dev: _DevSet) -> Readings | None:
    """Return the base model's readings of the dev examples; None if it has no span head."""
    if not base_models.finds_spans(base):
        return None
    logger.info("measuring %s, the base model", base.name)
    return dev.read(base_models.load(base, settings))


@dataclass(frozen=True)
class Parts:
    """The examples of a run, with constructed negatives for training. bad_rows: counts for the provenance."""

    train: list[Example]
    dev: list[Example]
    bad_rows: dict[str, Any]


def load_examples(settings: TrainSettings) -> Parts:
    """Load the examples of a run: dev from its own sources, or held out of the training data by article.

    Raises DataError for bad rows, unless the settings skip or repair them.
    """
    loaded = [sources.load_all(settings.data, settings.bad_rows)]
    examples = loaded[0].examples
    if settings.dev_data:
        loaded.append(sources.load_all(settings.dev_data, settings.bad_rows))
        dev_examples = loaded[1].examples
    else:
        examples, dev_examples = data.hold_out(examples, settings.dev_fraction, settings.seed)
    examples = data.draw(examples, settings.max_examples, settings.seed, settings.unanswerable_share)
    answerable = sum(bool(example.answers) for example in examples)
    counts = {
        name: sum(getattr(part, name) for part in loaded)
        for name in ("skipped", "repaired")
        if any(getattr(part, name) for part in loaded)
    }
    count = round(settings.negatives * answerable)
    constructed = negatives.construct(examples, count, settings.seed, settings.negative_kinds)
    return Parts(examples + constructed, dev_examples, {"bad_rows": counts} if counts else {})
