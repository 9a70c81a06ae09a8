"""Writes a candidate for the store, measures it, and returns the gate's checks."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import artifact
from training import store
from training.export.graph import export, full_precision
from training.measure import gate
from training.measure.evaluate import Gain, Readings, evaluate, gain, predict, read
from training.measure.fit import calibration_errors, fit
from training.measure.reference import reference
from training.provenance import changes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from bento_service.reading.reader import ReaderSettings
    from training.config import GateSettings
    from training.data import Example

logger = logging.getLogger(__name__)


def unchanged_model(name: str, origin: dict[str, Any]) -> str | None:
    """Return the tag of the model in production, or of the newest, if it has the same inputs; None otherwise."""
    for tag, folder in store.current(name):
        before = artifact.load(folder).provenance
        changed = changes(before, origin)
        if not changed:
            logger.info("not made again: nothing has changed since %s (%s)", tag, before["created"])
            return tag
        logger.info("changed since %s: %s", tag, ", ".join(changed))
    return None


def write_checkpoint(model: PreTrainedModel, base: Path, folder: Path) -> None:
    """Write the network in full precision, with the tokenizer's files from the folder `base`."""
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def write_served(
    model: PreTrainedModel,
    tokenizer: Path,
    folder: Path,
    settings: ReaderSettings,
    origin: dict[str, Any],
    calibration: list[dict[str, Any]],
    *,
    precision: str = "int8",
    narrowing: bool = True,
) -> None:
    """Write the artifact that is served, without its metrics.

    calibration: windows on which quantisation and narrowing are calibrated. narrowing: as in `export`, for int8 only.
    """
    folder.mkdir(exist_ok=True)
    for stale in (artifact.WEIGHTS, artifact.REFERENCE):
        (folder / stale).unlink(missing_ok=True)
    if precision == "int8":
        export(model, folder / artifact.GRAPH, calibration, narrowing=narrowing)
    else:
        full_precision(model, folder / artifact.GRAPH, beside=True)
    shutil.copyfile(tokenizer, folder / artifact.TOKENIZER)
    artifact.write_json(folder / artifact.READER, settings.model_dump())
    artifact.write_json(folder / artifact.PROVENANCE, origin)
    seal(folder, {})


def measure(
    served: Path,
    gate_settings: GateSettings,
    name: str,
    dev_examples: list[Example],
    full: Readings,
    *,
    constructed: Sequence[Example] = (),
    base: Readings | None = None,
    precision: str = "int8",
    no_answer_share: float | None = None,
    fitting: bool = True,
) -> tuple[dict[str, Any], list[gate.Check]]:
    """Fit the reader settings, write them into the artifact, and return its figures and the gate's checks.

    name: of the model in the store. full: readings of the dev examples in full precision. constructed: unanswerable
    questions, on which "no answer" is fitted too. base: readings of the base model, if it finds spans.
    no_answer_share: share of unanswerable questions for which "no answer" is fitted; None: that of the dev examples.
    fitting: False keeps the settings, which were fitted to more questions than these.
    """
    reader = artifact.load(served).reader()
    readings = read(reader, [*dev_examples, *constructed], progress=True)
    fitted = fit(readings, reader.settings, no_answer_share) if fitting else reader.settings
    dev_readings = readings[: len(dev_examples)]
    _write_fitted(served, dev_readings, fitted)
    metrics: dict[str, Any] = {
        "served": {"precision": precision, **evaluate(dev_readings, fitted)},
        "full_precision": {"precision": "float32", **evaluate(full, fitted)},
        "calibration_error": calibration_errors(dev_readings, reader.settings, fitting=fitting),
        "no_answer_calibration_error": calibration_errors(
            readings, reader.settings, allow_no_answer=True, no_answer_share=no_answer_share, fitting=fitting
        ),
    }
    if constructed:
        metrics["constructed"] = evaluate(readings, fitted)
    over_base = None
    if base is not None:
        metrics["base"], over_base = _over_base(base, full, reader.settings, fitted, no_answer_share)
    checks = gate.checks(
        gate_settings,
        metrics["served"]["sources"],
        metrics["calibration_error"],
        _over_full_precision(dev_readings, full, fitted),
        _over_production(name, dev_readings, fitted),
        over_base,
        metrics.get("base"),
        metrics["no_answer_calibration_error"],
    )
    return metrics, list(checks)


def _write_fitted(served: Path, dev_readings: Readings, fitted: ReaderSettings) -> None:
    """Write the fitted settings, and the distributions of the dev questions under them."""
    artifact.write_json(served / artifact.READER, fitted.model_dump())
    expected = {name: features.model_dump() for name, features in reference(dev_readings, fitted).items()}
    artifact.write_json(served / artifact.REFERENCE, expected)


def _over_base(
    base: Readings,
    full: Readings,
    settings: ReaderSettings,
    fitted: ReaderSettings,
    no_answer_share: float | None,
) -> tuple[dict[str, Any], Gain]:
    """Return the metrics of the base model, with settings fitted to it, and the candidate's gain over it."""
    base_fitted = fit(base, settings, no_answer_share)
    errors = calibration_errors(base, settings)
    figures = {"precision": "float32", "calibration_error": errors, **evaluate(base, base_fitted)}
    return figures, gain(predict(full, fitted), predict(base, base_fitted))


def _over_full_precision(dev_readings: Readings, full_precision: Readings, fitted: ReaderSettings) -> Gain | None:
    """Compare both precisions on answerable questions, since "no answer" was fitted to one of them only."""
    forced = [
        predict([pair for pair in readings if pair[0].answers], fitted, allow_no_answer=False)
        for readings in (dev_readings, full_precision)
    ]
    return gain(forced[0], forced[1]) if forced[0] else None


def _over_production(name: str, dev_readings: Readings, fitted: ReaderSettings) -> Gain | None:
    in_production = store.production(name)
    if in_production is None:
        return None
    logger.info("measuring %s, the model in production", in_production[0])
    reader = artifact.load(in_production[1]).reader()
    readings = read(reader, [example for example, _ in dev_readings], progress=True)
    return gain(predict(dev_readings, fitted), predict(readings, reader.settings))


def seal(served: Path, metrics: dict[str, Any]) -> None:
    """Write the artifact's metrics and its checksums."""
    artifact.write_json(served / artifact.METRICS, metrics)
    artifact.seal(served)
