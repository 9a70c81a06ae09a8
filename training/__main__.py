"""`python -m training`: train, import, evaluate, label, list, promote, prune, package, race, ship.

Only results go to stdout.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import pipes
from bento_service.errors import ArtifactError
from training import config
from training.errors import DataError, StoreError, TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from bento_service.reading.tokenization import TextTokenizer

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXIT_CODES = """exit codes: 0 done, 1 failure, 2 settings or usage, 3 data, 4 base model, 5 output folder,
6 model store, 7 not good enough to be stored, 130 interrupted (start the same command again to resume)"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "bentoml", "onnxscript", "torch.onnx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("bentoml.build").setLevel(logging.ERROR)  # the template selects "v1", which it warns of
    try:
        options.command(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except ArtifactError as error:
        print(f"error: {error}", file=sys.stderr)
        return StoreError.exit_code
    except KeyboardInterrupt:
        print("interrupted; start the same command again to resume", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_learning(commands)
    _add_import(commands)
    _add_store(commands)
    _add_weights(commands)
    return parser


def _add_learning(commands: Commands) -> None:
    train = commands.add_parser("train", help="fine-tune, export, evaluate and store a model; prints its tag")
    train.set_defaults(command=_train)
    train.add_argument("--config", type=Path, help="YAML file of settings; flags win over it")
    train.add_argument(
        "--overwrite", action="store_true", help="replace a finished or different run in the output folder"
    )
    train.add_argument(
        "--if-changed",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="train only if code, data, settings or versions differ from the model in production, or the newest",
    )
    train.add_argument(
        "--keep", type=_count, metavar="N", help="then remove all but the N newest models (default: remove none)"
    )
    train.add_argument("--tag-file", type=Path, metavar="FILE", help="write the tag here too")
    _add_settings(train)

    evaluate = commands.add_parser("evaluate", help="exact match and F1 of a stored model; JSON on stdout")
    evaluate.set_defaults(command=_evaluate)
    evaluate.add_argument("tag", nargs="?", default="extractive-qa:latest", help="model in the store (%(default)s)")
    evaluate.add_argument("--data", nargs="+", default=["sample:dev"], help="sources, as for train (%(default)s)")
    evaluate.add_argument("--answerable", action="store_true", help="leave out questions that have no answer")
    evaluate.add_argument("--full-precision", action="store_true", help="the checkpoint instead of what is served")
    evaluate.add_argument("--diagram", type=Path, metavar="PNG", help="draw the reliability diagram")

    label = commands.add_parser(
        "label", help="write soft labels: the answer probabilities of a stored model, the teacher"
    )
    label.set_defaults(command=_label)
    label.add_argument("tag", help="the teacher, a model in the store with better F1 than the model to train")
    label.add_argument("--data", nargs="+", required=True, help="sources of the questions, as for train")
    label.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="label file; an unfinished one is continued"
    )


def _add_import(commands: Commands) -> None:
    parser = commands.add_parser("import", help="store a checkpoint that finds spans already; prints its tag")
    parser.set_defaults(command=_import)
    parser.add_argument("checkpoint", help="hub name or folder of a ...ForQuestionAnswering checkpoint")
    parser.add_argument(
        "--data", nargs="+", default=["sample:dev"], help="sources to measure it on, as for train (%(default)s)"
    )
    parser.add_argument(
        "--precision", choices=("int8", "float32"), help="of the graph (int8, or float32 where the gate refuses int8)"
    )
    parser.add_argument(
        "--if-changed", action="store_true", help="only if the model in production, or the newest, is another"
    )
    parser.add_argument("--model-name", default="extractive-qa", help="name in the store (%(default)s)")
    parser.add_argument("--tag-file", type=Path, metavar="FILE", help="write the tag here too")
    _add_gate(parser)


def _add_store(commands: Commands) -> None:
    listing = commands.add_parser("list", help="the stored models: tag, figures, data, date, stage; newest first")
    listing.set_defaults(command=_list)
    listing.add_argument("name", nargs="?", default="extractive-qa", help="name in the store (%(default)s)")
    listing.add_argument("--json", action="store_true", help="print all details as JSON")

    promote = commands.add_parser("promote", help="put a stored model into production, so that it is served")
    promote.set_defaults(command=_promote)
    promote.add_argument("tag", help="model in the store, as `list` shows it")

    prune = commands.add_parser("prune", help="remove old models, but never the one in production; prints their tags")
    prune.set_defaults(command=_prune)
    prune.add_argument("name", nargs="?", default="extractive-qa", help="name in the store (%(default)s)")
    prune.add_argument(
        "--keep", type=_count, default=5, metavar="N", help="number of newest models to keep (%(default)s)"
    )

    package = commands.add_parser(
        "package", help="build a Bento with the model in production, or the newest; prints its tag"
    )
    package.set_defaults(command=_package)
    package.add_argument("--context", type=Path, metavar="TAR_GZ", help="write the context of its image here too")
    package.add_argument("--tag-file", type=Path, metavar="FILE", help="write the tag here too")


def _add_weights(commands: Commands) -> None:
    race = commands.add_parser(
        "race", help="measure speed and F1 of a stored model on every installed engine; Markdown on stdout"
    )
    race.set_defaults(command=_race)
    race.add_argument("tag", nargs="?", default="extractive-qa:latest", help="model in the store (%(default)s)")
    race.add_argument("--data", nargs="+", default=["sample:dev"], help="sources of its questions (%(default)s)")
    race.add_argument(
        "--calibration", nargs="+", default=["sample:train"], help="sources of calibration data for int8 (%(default)s)"
    )

    ship = commands.add_parser(
        "ship", help="replace the shipped weights, base_model pretrained, by the mean of finished runs"
    )
    ship.set_defaults(command=_ship)
    ship.add_argument(
        "run", type=Path, nargs="+", help="output folder of a finished run from base_model minilm or pretrained"
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting; a flag that is not given leaves the value of the settings file."""
    group = parser.add_argument_group("settings (defaults in brackets)")
    defaults = config.TrainSettings()
    for name, field in config.TrainSettings.model_fields.items():
        if name != "gate":
            _add_setting(group, name, field.description, getattr(defaults, name))
    _add_gate(parser)


def _add_gate(parser: argparse.ArgumentParser) -> None:
    defaults = config.TrainSettings()
    group = parser.add_argument_group("the gate before the store (in a settings file of train: under `gate`)")
    for name, field in config.GateSettings.model_fields.items():
        _add_setting(group, name, field.description, getattr(defaults.gate, name))


def _add_setting(group: Any, name: str, description: str | None, default: Any) -> None:
    words = [f"{k}={v:g}" for k, v in default.items()] if isinstance(default, dict) else default
    many = isinstance(words, list | tuple)
    shown = " ".join(words) if many else words
    flag = f"--{name.replace('_', '-')}"
    kind: dict[str, Any] = {"metavar": name.upper()}
    if isinstance(default, bool):
        kind = {"action": argparse.BooleanOptionalAction}
        shown = "yes" if default else "no"
    elif many:
        kind["nargs"] = "*"
    group.add_argument(flag, dest=f"set_{name}", help=f"{description} [{shown}]", **kind)


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that flags name."""
    prefix = "set_"
    return {
        name.removeprefix(prefix): value
        for name, value in vars(options).items()
        if name.startswith(prefix) and value is not None
    }


def _import(options: argparse.Namespace) -> None:
    settings = config.load(None, _overrides(options) | {"model_name": options.model_name})
    from training import importing

    tag = importing.run(
        options.checkpoint,
        model_name=settings.model_name,
        gate_settings=settings.gate,
        data_sources=options.data,
        precision=options.precision,
        if_changed=options.if_changed,
    )
    _print_tag(options, tag)


def _train(options: argparse.Namespace) -> None:
    settings = config.load(options.config, _overrides(options))
    from training import pipeline

    tag = pipeline.run(settings, overwrite=options.overwrite, if_changed=options.if_changed)
    if tag is not None:
        _print_tag(options, tag)
        if options.keep is not None:
            from training import store

            for removed in store.prune(settings.model_name, options.keep):
                print(f"removed {removed}", file=sys.stderr)


def _evaluate(options: argparse.Namespace) -> None:
    from bento_service import artifact
    from bento_service.reading.engines import TorchEngine
    from bento_service.reading.reader import Reader
    from training import data, store
    from training.measure import evaluate, slices

    tag, folder = store.find(options.tag)
    examples = [e for e in data.load(options.data) if e.answers or not options.answerable]
    if not examples:
        raise DataError(f"no question is left of {' '.join(options.data)}; leave out --answerable")
    stored = artifact.load(folder)
    reader = stored.reader()
    if options.full_precision:
        model, tokenizer = _checkpoint(tag)
        reader = Reader(tokenizer, TorchEngine(model), stored.settings)
    readings = evaluate.read(reader, examples, progress=True)
    predictions = evaluate.predict(readings, reader.settings)
    report = evaluate.evaluate(readings, reader.settings) | {
        "slices": slices.slices(predictions),
        "misses": slices.misses(predictions),
    }
    print(evaluate.table(report), file=sys.stderr)
    precision = "float32" if options.full_precision else stored.metrics.get("served", {}).get("precision", "int8")
    print(json.dumps({"model": tag, "precision": precision, **report}, indent=2, ensure_ascii=False))
    if options.diagram is not None:
        from training.measure import diagram

        diagram.draw(report["confidence"], options.diagram, title=f"{tag}, {precision}")


def _label(options: argparse.Namespace) -> None:
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


def _list(options: argparse.Namespace) -> None:
    from training import store

    entries = store.entries(options.name)
    if options.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    elif entries:
        print(store.table(entries))
    else:
        print(f"no model {options.name} is stored; `python -m training train` makes one", file=sys.stderr)


def _prune(options: argparse.Namespace) -> None:
    from training import store

    for tag in store.prune(options.name, options.keep):
        print(tag)


def _promote(options: argparse.Namespace) -> None:
    from training import store

    print(store.promote(options.tag))


def _package(options: argparse.Namespace) -> None:
    from training import package

    _print_tag(options, package.build(options.context))


def _print_tag(options: argparse.Namespace, tag: str) -> None:
    print(tag)
    if options.tag_file is not None:
        options.tag_file.write_text(tag, encoding="ascii")


def _race(options: argparse.Namespace) -> None:
    from bento_service import artifact
    from training import data, store
    from training.export import graph, race

    tag, folder = store.find(options.tag)
    settings = artifact.load(folder).settings
    model, tokenizer = _checkpoint(tag)
    examples = [example for example in data.load(options.data) if example.answers]
    rows = graph.calibration_rows(data.load(options.calibration), tokenizer, settings)
    print(race.table(race.race(model, tokenizer, settings, examples, rows)))


def _ship(options: argparse.Namespace) -> None:
    from training import pipeline
    from training.network import base, pretrained

    runs = [(run / pipeline.CHECKPOINT, run / pipeline.SERVED) for run in options.run]
    size = pretrained.ship(runs, base.find(base.MINILM))
    print(f"{pretrained.FOLDER / pretrained.WEIGHTS}: {size / 1e6:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(pipes.run(main))
