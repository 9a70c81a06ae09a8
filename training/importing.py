"""Imports a checkpoint that finds spans, without training: load, export, measure, gate, store."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service.reading import memory
from bento_service.reading.engines import TorchEngine
from bento_service.reading.reader import Reader, ReaderSettings
from bento_service.reading.tokenization import TextTokenizer
from training import candidate, data, store
from training.errors import GateError, TrainSettingsError
from training.export.graph import calibration_rows
from training.measure import gate
from training.measure.evaluate import read
from training.network.checkpoint import Checkpoint, find, first_line
from training.provenance import describe_import

if TYPE_CHECKING:
    from training.config import GateSettings
    from training.data import Example
    from training.measure.evaluate import Readings

logger = logging.getLogger(__name__)

USUAL_WINDOW, OVERLAP = 384, 64
"""Tokens of a window and of the overlap of two, if the network has enough positions; `train` has the same."""
LEAST_WINDOW = 32
"""Tokens; a shorter window has no room for a question."""
CALIBRATION = ("sample:train",)
"""Questions on which the export is calibrated. Others than those of the evaluation."""


def run(
    name: str,
    *,
    model_name: str,
    gate_settings: GateSettings,
    data_sources: Iterable[str] = ("sample:dev",),
    precision: str | None = None,
    max_length: int | None = None,
    if_changed: bool = False,
) -> str:
    """Import a checkpoint by its hub name or folder, and return the stored model's tag.

    data_sources: to measure it and fit its confidence on. precision: int8 or float32; None: int8, unless that fails or
    loses more than the gate allows. max_length: tokens of a window; None: 384, or as many as the network has positions.
    if_changed: return the tag of the model in production, or of the newest, if it has the same inputs. Raises
    TrainingError, such as GateError; the store is then unchanged.
    """
    sources = tuple(data_sources)
    examples = data.load(sources)
    with tempfile.TemporaryDirectory(prefix="qna-import-") as scratch:
        folder = Path(scratch)
        checkpoint = find(name, folder)
        settings = reader_settings(checkpoint.positions, max_length)
        origin = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **describe_import(checkpoint.name, checkpoint.sha256, examples, sources, settings.max_length),
        }
        if if_changed and (tag := candidate.unchanged_model(model_name, origin)) is not None:
            return tag
        _report_memory(checkpoint)
        # This is first, since the exporter keeps the exported network in memory.
        (folder / "checkpoint").mkdir()
        candidate.write_checkpoint(checkpoint.load(), checkpoint.tokenizer.parent, folder / "checkpoint")
        importing = Import(checkpoint, settings, folder, examples, gate_settings, model_name, origin)
        importing.choose(precision)
        return store.save(model_name, importing.served, folder / "checkpoint")


def _report_memory(checkpoint: Checkpoint) -> None:
    """Report how much memory serving will need. A parameter has one byte in int8, and four in float32."""
    logger.info(
        "%s has %.0f M parameters; serving it will take about %d MB as int8, or %d MB as float32",
        checkpoint.name,
        checkpoint.parameters / 1e6,
        memory.needed_mb(checkpoint.parameters),
        memory.needed_mb(0, 4 * checkpoint.parameters),
    )


@dataclass(frozen=True)
class Import:
    """One checkpoint on its way to the store."""

    checkpoint: Checkpoint
    settings: ReaderSettings
    folder: Path
    examples: list[Example]
    gate_settings: GateSettings
    model_name: str
    origin: dict[str, Any]

    @property
    def served(self) -> Path:
        """The folder of the artifact."""
        return self.folder / "served"

    def choose(self, precision: str | None) -> None:
        """Write and seal the artifact. Raises GateError when no precision passes."""
        settings = self.settings
        tokenizer = TextTokenizer.from_file(self.checkpoint.tokenizer)
        full = read(Reader(tokenizer, TorchEngine(self.checkpoint.load()), settings), self.examples, progress=True)
        why = None
        if precision != "float32":
            try:
                self._export_and_measure("int8", tokenizer, settings, full)
                return
            except _Int8Error as error:
                if precision == "int8":
                    raise GateError(f"{error}; leave out --precision, or ask for float32") from error
                why = str(error)
            logger.warning("%s; stored in float32 instead", why)
        self._export_and_measure("float32", tokenizer, settings, full, why)

    def _export_and_measure(
        self,
        precision: str,
        tokenizer: TextTokenizer,
        settings: ReaderSettings,
        full: Readings,
        why: str | None = None,
    ) -> None:
        """Write and measure the artifact in one precision. Raises GateError or _Int8Error."""
        try:
            rows = calibration_rows(data.load(CALIBRATION), tokenizer, settings) if precision == "int8" else []
            candidate.write_served(
                self.checkpoint.load(),
                self.checkpoint.tokenizer,
                self.served,
                settings,
                self.origin,
                rows,
                precision=precision,
            )
            metrics, checks = candidate.measure(
                self.served, self.gate_settings, self.model_name, self.examples, full, precision=precision
            )
        except Exception as error:  # exporters and engines raise many classes
            if precision == "int8":
                raise _Int8Error(f"the int8 graph fails: {type(error).__name__}: {first_line(error)}") from error
            raise
        failed = [str(check) for check in checks if check.figure == gate.SERVED_RATIO and not check.passed]
        if precision == "int8" and failed:
            raise _Int8Error(f"int8 costs too much: {'; '.join(failed)}")
        metrics["gate"] = [str(check) for check in checks]
        if why is not None:
            metrics["served"]["instead_of_int8"] = why
        candidate.seal(self.served, metrics)
        gate.judge(checks)


class _Int8Error(Exception):
    """The int8 graph fails, or costs more than the gate allows."""


def reader_settings(positions: int, max_length: int | None = None) -> ReaderSettings:
    """Return the reader settings for a network with that many positions, before its confidence is fitted.

    max_length: tokens of a window; None: the usual length. Raises TrainSettingsError for more than there are positions.
    """
    if max_length is None:
        max_length = min(USUAL_WINDOW, positions)
    elif not LEAST_WINDOW <= max_length <= positions:
        raise TrainSettingsError(f"--max-length {max_length}: this network reads {LEAST_WINDOW} to {positions} tokens")
    return ReaderSettings(max_length=max_length, doc_stride=min(OVERLAP, max_length // 4))
