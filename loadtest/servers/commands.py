"""The commands `compare`, `versions`, `curve`, `fairness` and `memory`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from loadtest.commands import Handler, add_command, load_questions, write_json
from loadtest.servers import charts, compare, curve, fairness, memory, versions
from loadtest.servers.server import MODEL, service


def add_all(subparsers: Any) -> None:
    """Add the commands that measure servers on this machine."""
    _add_compare(subparsers)
    _add_versions(subparsers)
    _add_curve(subparsers)
    _add_fairness(subparsers)
    _add_memory(subparsers)


def _add(subparsers: Any, name: str, handler: Handler, **texts: str) -> argparse.ArgumentParser:
    parser = add_command(
        subparsers, name, handler, summary=texts["summary"], description=texts["description"], example=texts["example"]
    )
    parser.add_argument(
        "--questions",
        type=int,
        default=200,
        metavar="COUNT",
        help="Use this many of the questions (default: %(default)s).",
    )
    return parser


def _add_compare(subparsers: Any) -> None:
    parser = _add(
        subparsers,
        "compare",
        _compare,
        summary="Compare the service with transformers' pipeline on this machine.",
        description=(
            "Starts the service and a baseline, which serves transformers' own pipeline, on this machine.\n"
            "It measures both and the engine alone in turn, on the same questions, and then the service's memory."
        ),
        example="compare --seconds 2 --rounds 1 --soak 200",
    )
    plan = compare.ComparisonPlan()
    parser.add_argument(
        "--concurrency",
        nargs="+",
        type=int,
        default=plan.concurrency,
        metavar="COUNT",
        help=f"Send this many requests at once (default: {' '.join(map(str, plan.concurrency))}).",
    )
    parser.add_argument(
        "--seconds", type=float, default=plan.seconds, help="Let a turn last this many seconds (default: %(default)s)."
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=plan.rounds,
        metavar="COUNT",
        help="Give each server this many turns (default: %(default)s).",
    )
    parser.add_argument(
        "--soak",
        type=int,
        default=plan.soak,
        metavar="COUNT",
        help="Send this many requests in the long run; 0 leaves it out (default: %(default)s).",
    )
    parser.add_argument(
        "--baseline-python",
        type=Path,
        default=Path(".venv-baseline/bin/python"),
        metavar="FILE",
        help="Run the baseline with this interpreter, which `make compare` creates (default: %(default)s).",
    )


def _add_versions(subparsers: Any) -> None:
    parser = _add(
        subparsers,
        "versions",
        _versions,
        summary="Compare the service with that of another checkout.",
        description=(
            "Starts the service of this checkout and that of another one on this machine, both with the stored model.\n"
            "It measures them in turn, on the same questions, and prints what CPU time an answer takes of each."
        ),
        example="versions ../before --rounds 20",
    )
    parser.add_argument("checkout", type=Path, help="Compare with the service in this folder.")
    parser.add_argument(
        "--concurrency",
        type=int,
        default=8,
        metavar="COUNT",
        help="Send this many requests at once (default: %(default)s).",
    )
    parser.add_argument(
        "--seconds", type=float, default=5, help="Let a turn last this many seconds (default: %(default)s)."
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=20,
        metavar="COUNT",
        help="Give each of both this many turns, at least 2 (default: %(default)s).",
    )


def _add_curve(subparsers: Any) -> None:
    _add(
        subparsers,
        "curve",
        _curve,
        summary="Measure the response time by context length and by batch size.",
        description=(
            "Starts the service on this machine, and measures how long a request takes by the length of its\n"
            "context and by the number of questions in it."
        ),
        example="curve --questions 50",
    )


def _add_fairness(subparsers: Any) -> None:
    parser = _add(
        subparsers,
        "fairness",
        _fairness,
        summary="Measure how long short questions wait beside long contexts.",
        description=(
            "Sends long contexts and short questions at the same time, and measures the latency of each kind\n"
            "and how many of them are refused."
        ),
        example="fairness --url http://localhost:5000 --seconds 30",
    )
    parser.add_argument("--url", help="Measure the service at this address (default: start one on this machine).")
    parser.add_argument(
        "--long",
        type=int,
        default=12,
        metavar="COUNT",
        help="Send this many contexts of 100,000 characters at once (default: %(default)s).",
    )
    parser.add_argument(
        "--short",
        type=int,
        default=2,
        metavar="COUNT",
        help="Send this many short questions at once (default: %(default)s).",
    )
    parser.add_argument(
        "--seconds", type=float, default=60, help="Send requests for this many seconds (default: %(default)s)."
    )


def _add_memory(subparsers: Any) -> None:
    parser = _add(
        subparsers,
        "memory",
        _memory,
        summary="Measure how much memory stored models take to be served.",
        description=(
            "Serves each model as a container does and sends it long contexts. It compares the greatest memory of\n"
            "the service with the memory that is expected before the start."
        ),
        example="memory extractive-qa:latest",
    )
    parser.add_argument(
        "models", nargs="*", default=[MODEL], metavar="MODEL", help=f"Serve these of the store (default: {MODEL})."
    )


def _compare(options: argparse.Namespace) -> None:
    if not options.baseline_python.is_file():
        raise RuntimeError(f"{options.baseline_python} is missing; `make compare` makes the baseline's environment")
    plan = compare.ComparisonPlan(tuple(options.concurrency), options.seconds, options.rounds, options.soak)
    questions = load_questions(options)
    report = compare.compare(questions, options.baseline_python.absolute(), options.output, plan)
    write_json(options.output / "compare.json", report)
    charts.comparison(report, options.output / "compare.png")
    print(compare.table(report))


def _versions(options: argparse.Namespace) -> None:
    questions = load_questions(options)
    with (
        service(questions[0], options.output, MODEL) as ours,
        service(questions[0], options.output, MODEL, checkout=options.checkout, name=versions.OTHER) as other,
    ):
        report = versions.compare(
            ours,
            other,
            questions,
            concurrency=options.concurrency,
            seconds=options.seconds,
            rounds=options.rounds,
        )
    write_json(options.output / "versions.json", report)
    print(versions.table(report))


def _curve(options: argparse.Namespace) -> None:
    questions = load_questions(options)
    with service(questions[0], options.output, MODEL) as server:
        report = curve.measure(server, questions)
    write_json(options.output / "curve.json", report)
    charts.curve(report, options.output / "curve.png")
    print(curve.table(report))


def _fairness(options: argparse.Namespace) -> None:
    questions = load_questions(options)
    counts = {"long": options.long, "short": options.short, "seconds": options.seconds}
    if options.url is not None:
        report = fairness.measure(options.url, questions, **counts)
    else:
        with service(questions[0], options.output, MODEL) as server:
            report = fairness.measure(server.url, questions, **counts)
    write_json(options.output / "fairness.json", report)
    print(fairness.table(report))


def _memory(options: argparse.Namespace) -> None:
    questions = load_questions(options)
    rows = [memory.measure(questions, options.output, tag) for tag in options.models]
    write_json(options.output / "memory.json", {"models": rows})
    print(memory.table(rows))
