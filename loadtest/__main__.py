"""`python -m loadtest`: compare, curve. Tables on stdout; JSON and pictures in the output folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bentoml.exceptions import BentoMLException

from bento_service.errors import ArtifactError
from loadtest import compare, curve, picture, questions


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failure, 2 usage."""
    options = _parser().parse_args(arguments)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        options.command(options)
    except (ArtifactError, BentoMLException, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", nargs="+", type=Path, default=questions.SAMPLE, help="SQuAD JSON (embedded sample)")
    common.add_argument("--questions", type=int, default=200, help="how many of them to ask (%(default)s)")
    common.add_argument("--output", type=Path, default=Path("runs/loadtest"), help="folder of results (%(default)s)")

    comparing = commands.add_parser("compare", parents=[common], help="the service beside transformers' own pipeline")
    comparing.set_defaults(command=_compare)
    plan = compare.Plan()
    comparing.add_argument("--concurrency", nargs="+", type=int, default=plan.concurrency, help="requests at once")
    comparing.add_argument("--seconds", type=float, default=plan.seconds, help="of each turn (%(default)s)")
    comparing.add_argument("--rounds", type=int, default=plan.rounds, help="turns of each server (%(default)s)")
    comparing.add_argument("--soak", type=int, default=plan.soak, help="requests of the long run (%(default)s)")
    comparing.add_argument(
        "--baseline-python",
        type=Path,
        default=Path(".venv-baseline/bin/python"),
        help="python with loadtest/baseline/requirements.txt (%(default)s, made by `make compare`)",
    )

    cost = commands.add_parser("curve", parents=[common], help="time by context length and by batch size")
    cost.set_defaults(command=_curve)
    return parser


def _compare(options: argparse.Namespace) -> None:
    if not options.baseline_python.is_file():
        raise RuntimeError(f"{options.baseline_python} is missing; `make compare` makes the baseline's environment")
    plan = compare.Plan(tuple(options.concurrency), options.seconds, options.rounds, options.soak)
    asked = questions.load(options.data, count=options.questions)
    report = compare.compare(asked, options.baseline_python.absolute(), options.output, plan)
    _write(options.output / "compare.json", report)
    picture.comparison(report, options.output / "compare.png")
    print(compare.table(report))


def _curve(options: argparse.Namespace) -> None:
    asked = questions.load(options.data, count=options.questions)
    with compare.service(asked[0], options.output, compare.MODEL) as server:
        report = curve.measure(server, asked)
    _write(options.output / "curve.json", report)
    picture.curve(report, options.output / "curve.png")
    print(curve.table(report))


def _write(path: Path, report: dict[str, Any]) -> None:
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
