"""The commands of `python -m training`. Only results go to stdout."""

from __future__ import annotations

import argparse
import errno
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import config
from training.errors import DataError, OutputFolderError, StoreError, TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from bento_service.artifact import Artifact
    from bento_service.reading.reader import Reader
    from bento_service.reading.tokenization import TextTokenizer

_FULL = 2**20
"""A disk with less free space than this counts as full (bytes)."""


def import_checkpoint(options: argparse.Namespace) -> None:
    """Import a checkpoint and print its tag."""
    settings = config.load(None, _given(options, ["model_name", *config.GateSettings.model_fields]))
    from training import importing

    tag = importing.run(
        options.checkpoint,
        model_name=settings.model_name,
        gate_settings=settings.gate,
        data_sources=options.data,
        precision=options.precision,
        max_length=options.max_length,
        if_changed=options.if_changed,
    )
    _print_tag(options, tag)


def train_model(options: argparse.Namespace) -> None:
    """Train a model and print its tag."""
    settings = config.load(
        options.config, _given(options, [*config.TrainSettings.model_fields, *config.GateSettings.model_fields])
    )
    from training import pipeline

    with room_in(settings.output_dir):
        tag = pipeline.run(settings, overwrite=options.overwrite, if_changed=options.if_changed)
    if tag is not None:
        _print_tag(options, tag)
        if options.keep is not None:
            from training import store

            for removed in store.prune(settings.model_name, options.keep):
                print(f"removed {removed}", file=sys.stderr)


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Raise OutputFolderError instead of the libraries' errors when the disk of the folder is full."""
    try:
        yield
    except TrainingError:
        raise
    except Exception as error:
        # PyTorch's error has no cause, and safetensors' has it in its text only.
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error)
        if not full and not (folder.is_dir() and shutil.disk_usage(folder).free < _FULL):
            raise
        raise OutputFolderError(
            f"the disk of output folder {folder} is full: {error}; make room and start the same command again: the run "
            "resumes"
        ) from error


def evaluate_model(options: argparse.Namespace) -> None:
    """Evaluate a stored model: JSON on stdout, a table on stderr."""
    from bento_service import artifact
    from training import data, store
    from training.measure import evaluate, slices
    from training.measure import predictions as answers

    tag, folder = store.find(options.tag)
    loaded = [replace(e, language=options.language) for e in data.load(options.data)]
    examples = [e for e in loaded if e.answers or not options.answerable]
    if not examples:
        raise DataError(f"no question is left of {' '.join(options.data)}; leave out --answerable")
    stored = artifact.load(folder)
    reader = _reader(tag, stored, full_precision=options.full_precision)
    readings = evaluate.read(reader, examples, progress=True)
    predictions = evaluate.predict(readings, reader.settings)
    report = evaluate.evaluate(readings, reader.settings) | {
        "slices": slices.slices(predictions),
        "misses": slices.misses(predictions),
    }
    print(evaluate.table(report), file=sys.stderr)
    if options.against is not None:
        other, folder = store.find(options.against)
        against = _reader(other, artifact.load(folder), full_precision=options.full_precision)
        theirs = evaluate.predict(evaluate.read(against, examples, progress=True), against.settings)
        report["against"] = {"model": other, **answers.compare(predictions, theirs)}
        print(answers.line(report["against"]), file=sys.stderr)
    for path in options.predictions:
        answers.write(path, predictions)
    if options.hardest is not None:
        text = json.dumps(answers.hardest(predictions, options.hardest), ensure_ascii=False, indent=1)
        answers.write_text(options.hardest_file, f"{text}\n")
        print(f"the questions to label next are in {options.hardest_file}", file=sys.stderr)
    precision = "float32" if options.full_precision else stored.metrics.get("served", {}).get("precision", "int8")
    print(json.dumps({"model": tag, "precision": precision, **report}, indent=2, ensure_ascii=False))
    if options.diagram is not None:
        from training.measure import diagram

        diagram.draw(report["confidence"], options.diagram, title=f"{tag}, {precision}")


def measure_drift(options: argparse.Namespace) -> None:
    """Compare questions with a stored model's dev questions: JSON on stdout, a table on stderr."""
    from bento_service import artifact
    from training import data, store
    from training.measure import reference
    from training.measure.evaluate import read

    tag, folder = store.find(options.tag)
    stored = artifact.load(folder)
    if stored.reference is None:
        raise StoreError(f"model {tag} does not hold what its dev questions were like; train or import it again")
    reader = stored.reader()
    drawn = {
        source: data.draw(data.load([source]), options.max_examples, seed=0)
        for source in (*options.data, *options.shuffled)
    }
    compared = {source: drawn[source] for source in options.data}
    for source in options.shuffled:
        compared[f"{source}, words shuffled"] = [reference.shuffled(example) for example in drawn[source]]
    report = {
        name: reference.compare(stored.reference, read(reader, examples, progress=True), reader.settings)
        for name, examples in compared.items()
    }
    print(reference.table(report), file=sys.stderr)
    print(json.dumps({"model": tag, "population_stability_index": report}, indent=2))
    if options.diagram is not None:
        from training.measure import diagram

        diagram.draw_drift(report, options.diagram, title=tag)


def _reader(tag: str, stored: Artifact, *, full_precision: bool) -> Reader:
    """Return the reader of a stored model as it is served, or of its checkpoint."""
    from bento_service.reading.engines import TorchEngine
    from bento_service.reading.reader import Reader

    if not full_precision:
        return stored.reader()
    model, tokenizer = _checkpoint(tag)
    return Reader(tokenizer, TorchEngine(model), stored.settings)


def check_data(options: argparse.Namespace) -> None:
    """Print a report on data sources and their problems. Raises DataError when there are bad rows."""
    from bento_service import artifact
    from bento_service.reading.reader import ReaderSettings
    from training.data import check
    from training.network import base

    tokenizer = base.find(options.base_model).folder / artifact.TOKENIZER
    settings = ReaderSettings(max_answer_length=options.max_answer_length)
    report = check.report(options.data, options.dev_data, tokenizer, settings)
    print(json.dumps(report, indent=2, ensure_ascii=False) if options.json else "\n".join(check.lines(report)))
    if wrong := check.verdict(report):
        raise DataError(wrong)


def write_labels(options: argparse.Namespace) -> None:
    """Write the soft labels of a stored model."""
    from bento_service import artifact
    from training import data, store
    from training.prepare import labels

    tag, folder = store.find(options.tag)
    examples = data.load(options.data)
    stored = artifact.load(folder)
    described = {"model": tag} | {part: stored.provenance[part] for part in ("base_model", "data", "settings")}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    labels.write(options.output, described, stored.reader(), examples)


def _checkpoint(tag: str) -> tuple[PreTrainedModel, TextTokenizer]:
    """Load a stored model in full precision."""
    from transformers import AutoModelForQuestionAnswering

    from bento_service import artifact
    from bento_service.reading.tokenization import TextTokenizer
    from training import store

    folder = store.checkpoint_of(tag)
    model = AutoModelForQuestionAnswering.from_pretrained(folder)
    return model, TextTokenizer.from_file(folder / artifact.TOKENIZER)


def list_models(options: argparse.Namespace) -> None:
    """Print the stored models."""
    from training import store

    entries = store.entries(options.name)
    if options.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    elif entries:
        print(store.table(entries))
    else:
        print(f"no model {options.name} is stored; `python -m training train` makes one", file=sys.stderr)


def prune_models(options: argparse.Namespace) -> None:
    """Remove old models and print their tags."""
    from training import store

    for tag in store.prune(options.name, options.keep):
        print(tag)


def promote_model(options: argparse.Namespace) -> None:
    """Put a model into production and print its tag."""
    from training import store

    print(store.promote(options.tag))


def build_bento(options: argparse.Namespace) -> None:
    """Build a Bento and print its tag."""
    from training import package

    _print_tag(options, package.build(options.context))


def _print_tag(options: argparse.Namespace, tag: str) -> None:
    print(tag)
    if options.tag_file is not None:
        options.tag_file.write_text(tag, encoding="ascii")


def race_engines(options: argparse.Namespace) -> None:
    """Measure a stored model on every installed engine and print a table."""
    from bento_service import artifact
    from training import data, store
    from training.export import graph, race

    tag, folder = store.find(options.tag)
    settings = artifact.load(folder).settings
    model, tokenizer = _checkpoint(tag)
    examples = [example for example in data.load(options.data) if example.answers]
    rows = graph.calibration_rows(data.load(options.calibration), tokenizer, settings)
    print(race.table(race.race(model, tokenizer, settings, examples, rows)))


def ship_weights(options: argparse.Namespace) -> None:
    """Write the shipped weights from finished runs, then store and ship the default model made with them."""
    from bento_service import artifact
    from training import pipeline, store
    from training.network import base, pretrained

    runs = [(run / pipeline.CHECKPOINT, run / pipeline.SERVED) for run in options.run]
    size = pretrained.ship(runs, base.find(base.MINILM))
    print(f"{pretrained.FOLDER / pretrained.WEIGHTS}: {size / 1e6:.1f} MB", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="qna-ship-") as scratch:
        tag = pipeline.run(config.TrainSettings(output_dir=Path(scratch) / "default"))
    if tag is not None:
        _, folder = store.find(tag)
        artifact.copy(folder, pretrained.FOLDER / pretrained.STORED)
        _print_tag(options, tag)


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return the named options that were given. A flag of a setting has no default."""
    return {name: getattr(options, name) for name in names if hasattr(options, name)}
