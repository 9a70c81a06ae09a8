"""`python -m training`: train, import, check, evaluate, drift, label, list, promote, prune, package, race, ship.

Only results go to stdout.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import pipes
from bento_service.errors import ArtifactError
from training.errors import StoreError, TrainingError
from training.measure.metrics import LANGUAGES

try:
    from training import commands, config
except ModuleNotFoundError as missing:  # after `make serve`, which installs only what serves
    raise SystemExit(f"error: {missing.name} is not installed; `make install` adds what training needs") from None

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXIT_CODES = """exit codes: 0 done, 1 failure, 2 settings or usage, 3 data, 4 base model, 5 output folder,
6 model store, 7 not good enough to be stored, 130 interrupted (start the same command again to resume)"""
_EXAMPLES = {
    "train": "--data mine.json --dev-data --dev-fraction 0.2 --output-dir runs/mine",
    "import": "deepset/roberta-base-squad2 --min-f1 '*=20'",
    "check": "mine.json",
    "evaluate": "--data mine.json sample:dev --diagram runs/reliability.png",
    "drift": "--data mine.json --shuffled sample:dev",
    "label": "teacher:latest --data mine.json --output runs/labels.jsonl",
    "promote": "extractive-qa:latest",
    "prune": "--keep 5",
    "package": "--context build/bento.tar.gz",
    "race": "--data sample:dev",
    "ship": "runs/long runs/short",
}
"""What follows a command's name in the example of its help."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = build_parser().parse_args(arguments)
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


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` of its result runs the one that was chosen."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__, epilog=EXIT_CODES)
    subparsers = parser.add_subparsers(required=True, metavar="command")
    _add_train(subparsers)
    _add_evaluate(subparsers)
    _add_check(subparsers)
    _add_drift(subparsers)
    _add_label(subparsers)
    _add_import(subparsers)
    _add_store(subparsers)
    _add_weights(subparsers)
    for name, subparser in subparsers.choices.items():
        subparser.epilog = f"Example:\n  python -m training {name} {_EXAMPLES.get(name, '')}".rstrip()
        subparser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def _add_train(subparsers: Subparsers) -> None:
    train = subparsers.add_parser("train", help="fine-tune, export, evaluate and store a model; prints its tag")
    train.set_defaults(command=commands.train_model)
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
    train.add_argument("--tag-file", type=Path, metavar="FILE", help="also write the tag to this file")
    _add_settings(train)


def _add_evaluate(subparsers: Subparsers) -> None:
    evaluate = subparsers.add_parser("evaluate", help="exact match and F1 of a stored model; JSON on stdout")
    evaluate.set_defaults(command=commands.evaluate_model)
    evaluate.add_argument("tag", nargs="?", default="extractive-qa:latest", help="model in the store (%(default)s)")
    evaluate.add_argument("--data", nargs="+", default=["sample:dev"], help="sources, as for train (%(default)s)")
    evaluate.add_argument("--language", choices=LANGUAGES, help="compare answers by its rules (default: by the script)")
    evaluate.add_argument("--answerable", action="store_true", help="leave out questions that have no answer")
    evaluate.add_argument(
        "--full-precision", action="store_true", help="evaluate the checkpoint instead of the served model"
    )
    evaluate.add_argument(
        "--predictions",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="write the answers: a row a question to a .jsonl file, SQuAD's prediction file to a .json file",
    )
    evaluate.add_argument("--against", metavar="TAG", help="compare with this model, question by question")
    evaluate.add_argument(
        "--hardest", type=_count, metavar="N", help="write the N questions that should be labelled next"
    )
    evaluate.add_argument(
        "--hardest-file",
        type=Path,
        default=Path("hardest.json"),
        metavar="FILE",
        help="file for these questions (%(default)s)",
    )
    evaluate.add_argument("--diagram", type=Path, metavar="PNG", help="draw the reliability diagram")


def _add_check(subparsers: Subparsers) -> None:
    check = subparsers.add_parser(
        "check", help="report what data sources contain, and their problems; exit code 3 for bad rows"
    )
    check.set_defaults(command=commands.check_data)
    check.add_argument("data", nargs="+", metavar="DATA", help="sources, as for train")
    check.add_argument("--dev-data", nargs="+", default=[], metavar="DATA", help="sources to evaluate on")
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    check.add_argument("--base-model", default="pretrained", help="base model whose tokenizer is used (%(default)s)")
    check.add_argument(
        "--max-answer-length", type=_count, default=30, metavar="N", help="longest answer in tokens (%(default)s)"
    )


def _add_drift(subparsers: Subparsers) -> None:
    drift = subparsers.add_parser(
        "drift", help="measure how far questions are from a model's dev questions; JSON on stdout"
    )
    drift.set_defaults(command=commands.measure_drift)
    drift.add_argument("tag", nargs="?", default="extractive-qa:latest", help="model in the store (%(default)s)")
    drift.add_argument("--data", nargs="+", required=True, help="sources, as for train; each is compared separately")
    drift.add_argument("--max-examples", type=_count, metavar="N", help="compare N of each source, drawn at random")
    drift.add_argument(
        "--shuffled",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="also compare these, with the words of their contexts shuffled",
    )
    drift.add_argument("--diagram", type=Path, metavar="PNG", help="draw the drift of each source")


def _add_label(subparsers: Subparsers) -> None:
    label = subparsers.add_parser(
        "label", help="write soft labels: the answer probabilities of a stored model, the teacher"
    )
    label.set_defaults(command=commands.write_labels)
    label.add_argument("tag", help="the teacher, a model in the store with better F1 than the model to train")
    label.add_argument("--data", nargs="+", required=True, help="sources of the questions, as for train")
    label.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="label file; an unfinished one is continued"
    )


def _add_import(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("import", help="store a checkpoint that finds spans already; prints its tag")
    parser.set_defaults(command=commands.import_checkpoint)
    parser.add_argument("checkpoint", help="hub name or folder of a ...ForQuestionAnswering checkpoint")
    parser.add_argument(
        "--data", nargs="+", default=["sample:dev"], help="sources to measure it on, as for train (%(default)s)"
    )
    parser.add_argument(
        "--precision", choices=("int8", "float32"), help="of the graph (int8, or float32 where the gate refuses int8)"
    )
    parser.add_argument(
        "--max-length",
        type=_count,
        metavar="N",
        help="tokens a window, up to the network's positions (384, or all that it has)",
    )
    parser.add_argument(
        "--if-changed",
        action="store_true",
        help="import only if the inputs differ from those of the model in production, or the newest",
    )
    parser.add_argument("--model-name", default="extractive-qa", help="name in the store (%(default)s)")
    parser.add_argument("--tag-file", type=Path, metavar="FILE", help="also write the tag to this file")
    _add_gate(parser)


def _add_store(subparsers: Subparsers) -> None:
    listing = subparsers.add_parser("list", help="the stored models: tag, figures, data, date, stage; newest first")
    listing.set_defaults(command=commands.list_models)
    listing.add_argument("name", nargs="?", default="extractive-qa", help="name in the store (%(default)s)")
    listing.add_argument("--json", action="store_true", help="print all details as JSON")

    promote = subparsers.add_parser("promote", help="put a stored model into production, so that it is served")
    promote.set_defaults(command=commands.promote_model)
    promote.add_argument("tag", help="model in the store, as `list` shows it")

    prune = subparsers.add_parser("prune", help="remove old models, but never the one in production; prints their tags")
    prune.set_defaults(command=commands.prune_models)
    prune.add_argument("name", nargs="?", default="extractive-qa", help="name in the store (%(default)s)")
    prune.add_argument(
        "--keep", type=_count, default=5, metavar="N", help="number of newest models to keep (%(default)s)"
    )

    package = subparsers.add_parser(
        "package", help="build a Bento with the model in production, or the newest; prints its tag"
    )
    package.set_defaults(command=commands.build_bento)
    package.add_argument(
        "--context", type=Path, metavar="TAR_GZ", help="also write the context of its image to this file"
    )
    package.add_argument("--tag-file", type=Path, metavar="FILE", help="also write the tag to this file")


def _add_weights(subparsers: Subparsers) -> None:
    race = subparsers.add_parser(
        "race", help="measure speed and F1 of a stored model on every installed engine; Markdown on stdout"
    )
    race.set_defaults(command=commands.race_engines)
    race.add_argument("tag", nargs="?", default="extractive-qa:latest", help="model in the store (%(default)s)")
    race.add_argument("--data", nargs="+", default=["sample:dev"], help="sources of its questions (%(default)s)")
    race.add_argument(
        "--calibration", nargs="+", default=["sample:train"], help="sources of calibration data for int8 (%(default)s)"
    )

    ship = subparsers.add_parser(
        "ship",
        help="replace the shipped weights (base_model pretrained) with the mean of finished runs, and the shipped "
        "default model with the model that they make; prints its tag",
    )
    ship.set_defaults(command=commands.ship_weights)
    ship.add_argument(
        "run", type=Path, nargs="+", help="output folder of a finished run from base_model minilm or pretrained"
    )
    ship.add_argument("--tag-file", type=Path, metavar="FILE", help="also write the tag to this file")


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
    parsed: dict[str, Any] = {"metavar": name.upper()}
    text = default
    if isinstance(default, bool):
        parsed = {"action": argparse.BooleanOptionalAction}
        text = "yes" if default else "no"
    elif isinstance(default, dict):
        parsed["nargs"] = "*"
        text = " ".join(f"{key}={value:g}" for key, value in default.items())
    elif isinstance(default, tuple):
        parsed["nargs"] = "*"
        text = " ".join(default)
    flag = f"--{name.replace('_', '-')}"
    group.add_argument(flag, default=argparse.SUPPRESS, help=f"{description} [{text}]", **parsed)


if __name__ == "__main__":
    sys.exit(pipes.run(main))
