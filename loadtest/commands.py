"""The command `run`, and what all commands share: their options, their progress line and their results."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest import criteria, questions, report, run, shapes
from loadtest.criteria import Criterion
from loadtest.questions import Question
from loadtest.samples import Sample

Handler = Callable[[argparse.Namespace], bool | None]
"""Runs a command, and returns whether its verdict is passed; None for a command without a verdict."""


def add_command(
    subparsers: Any, name: str, handler: Handler, *, summary: str, description: str, example: str
) -> argparse.ArgumentParser:
    """Add a command with the options that all commands have. subparsers: what `add_subparsers` returned."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"Example:\n  python -m loadtest {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler)
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        default=questions.SAMPLE,
        metavar="FILE",
        help="Take the questions from these sources, in any format of docs/data.md (default: the embedded sample).",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs/loadtest"),
        metavar="FOLDER",
        help="Write the results to this folder (default: %(default)s).",
    )
    return parser


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the option for the number of Locust's processes."""
    parser.add_argument(
        "--workers", type=int, default=1, help="Send the requests from this many processes (default: %(default)s)."
    )


def add_run(subparsers: Any) -> None:
    """Add the command `run`."""
    parser = add_command(
        subparsers,
        "run",
        _run,
        summary="Put load on a URL and judge it by thresholds.",
        description="Puts load on a service that runs, checks every answer, and judges the run by thresholds.",
        example="run --url http://localhost:5000 --shape steps:users=20,step=5,seconds=30 --max-p95-ms 500",
    )
    limits = criteria.Thresholds()
    parser.add_argument("--url", required=True, help="Send the requests to the service at this address.")
    parser.add_argument(
        "--shape",
        default="ramp:users=8,seconds=10,hold=50",
        help=f"Let the number of users follow this shape, one of {', '.join(shapes.SHAPES)} (default: %(default)s).",
    )
    parser.add_argument(
        "--max-failure-ratio",
        type=float,
        default=limits.failure_ratio,
        metavar="RATIO",
        help="Fail if a greater share of the requests fails (default: %(default)s).",
    )
    parser.add_argument(
        "--max-p95-ms",
        type=float,
        metavar="MS",
        help="Fail if the 95th percentile of the latency, in the median over the run, is greater (default: no limit).",
    )
    parser.add_argument(
        "--min-rate", type=float, metavar="RATE", help="Fail if fewer requests a second are made (default: no limit)."
    )
    add_workers(parser)


def _run(options: argparse.Namespace) -> bool:
    stages = shapes.parse(options.shape)
    recording = run.run(
        options.url, stages, options.output, show_progress, workers=options.workers, data=tuple(options.data)
    )
    thresholds = criteria.Thresholds(options.max_failure_ratio, options.max_p95_ms, options.min_rate)
    facts = {"url": options.url, "shape": options.shape, "errors": recording.errors}
    return conclude(options.output, "Load", recording.samples, criteria.judge(recording.samples, thresholds), facts)


def load_questions(options: argparse.Namespace) -> list[Question]:
    """Return as many questions as `--questions` says. Raises ValueError."""
    return questions.load(options.data, count=options.questions)


def show_progress(sample: Sample) -> None:
    """Print a sample as one line on stderr; on a terminal it replaces the line before."""
    autoscaler, p95 = sample.autoscaler, sample.p95_ms
    replicas = ""
    if autoscaler is not None:
        replicas = f"  {len(sample.pods)} ready, {autoscaler.desired} wanted, CPU {autoscaler.cpu_percent} %"
    line = (
        f"{sample.second:6.0f} s  {sample.stage:9}  {sample.users:4} users  {sample.rate:7.1f}/s  "
        f"{sample.failures} failed  p95 {'-' if p95 is None else round(p95)} ms{replicas}"
    )
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{line:118}"[:118] if end == "\r" else line, end=end, file=sys.stderr, flush=True)


def conclude(folder: Path, title: str, samples: list[Sample], criteria: list[Criterion], facts: dict[str, Any]) -> bool:
    """Write the report, print the verdict, and return whether every criterion is met.

    facts: what else the report shows; `errors` holds how often each error occurred.
    """
    report.write(folder, title, samples, criteria, facts)
    print(report.table(criteria))
    if facts["errors"]:
        print(report.error_lines(facts["errors"]))
    print(f"The full report is {folder / 'report.html'}", file=sys.stderr)
    return all(criterion.passed for criterion in criteria)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a report as JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
