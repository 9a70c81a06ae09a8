"""`python -m loadtest`: autoscale, run, compare, curve. Verdicts and tables on stdout, files in the output folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bentoml.exceptions import BentoMLException

from bento_service.errors import ArtifactError
from deploy import pipes
from deploy.errors import DeployError
from loadtest import autoscale, compare, curve, fairness, picture, questions, report, run, shapes, verdict
from loadtest.watch import Sample


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done and passed, 1 failure, 2 usage, 3 the verdict is no."""
    options = _parser().parse_args(arguments)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        passed = options.command(options)
    except BrokenPipeError:
        raise  # nobody reads the output any more
    except (ArtifactError, BentoMLException, DeployError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0 if passed is None or passed else 3


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

    _add_autoscale(commands, common)

    plain = commands.add_parser("run", parents=[common], help="load on a URL, with thresholds")
    plain.set_defaults(command=_run)
    plain.add_argument("--url", required=True, help="of the service")
    plain.add_argument(
        "--shape", default="ramp:users=8,seconds=10,hold=50", help=f"{', '.join(shapes.SHAPES)}, as in %(default)s"
    )
    plain.add_argument("--max-failure-ratio", type=float, default=0.0, help="of all requests (%(default)s)")
    plain.add_argument("--max-p95-ms", type=float, help="median over the run")
    plain.add_argument("--min-rate", type=float, help="requests a second")
    plain.add_argument("--workers", type=int, default=1, help="processes that ask (%(default)s)")

    cost = commands.add_parser("curve", parents=[common], help="time by context length and by batch size")
    cost.set_defaults(command=_curve)

    sharing = commands.add_parser("fairness", parents=[common], help="short questions beside long contexts")
    sharing.set_defaults(command=_fairness)
    sharing.add_argument("--url", help="of a service that runs (one is started)")
    sharing.add_argument("--long", type=int, default=12, help="contexts of 100,000 characters at once (%(default)s)")
    sharing.add_argument("--short", type=int, default=2, help="short questions at once (%(default)s)")
    sharing.add_argument("--seconds", type=float, default=60, help="of asking (%(default)s)")
    return parser


def _add_autoscale(commands: Any, common: argparse.ArgumentParser) -> None:
    scaling = commands.add_parser("autoscale", parents=[common], help="load on a cluster, and whether it scaled")
    scaling.set_defaults(command=_autoscale)
    scaling.add_argument("--url", help="of the service, such as its Ingress (its port on a node)")
    scaling.add_argument("--config", type=Path, help="settings of the deployment, as for `python -m deploy`")
    usual = autoscale.Plan()
    scaling.add_argument("--users", type=int, default=usual.users, help="at the top (%(default)s)")
    scaling.add_argument("--base-users", type=int, default=usual.base_users, help="before (%(default)s)")
    for name, text in (
        ("baseline", "before the load"),
        ("ramp", "until all users are there"),
        ("hold", "at most, until the replicas are ready"),
        ("scaled", "with all replicas"),
        ("cool", "at most, before and after, until the replicas are gone"),
    ):
        default = getattr(usual, f"{name}_s")
        scaling.add_argument(f"--{name}-s", type=float, default=default, help=f"seconds {text} (%(default)s)")
    limits = verdict.Limits()
    scaling.add_argument("--replicas", type=int, help="that are expected (the HPA's maximum)")
    scaling.add_argument("--max-failures", type=int, default=limits.failures, help="(%(default)s)")
    scaling.add_argument("--max-p95-ms", type=float, default=limits.p95_ms, help="while scaled (%(default)s)")
    scaling.add_argument("--workers", type=int, default=1, help="processes that ask (%(default)s)")


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


def _fairness(options: argparse.Namespace) -> None:
    asked = questions.load(options.data, count=options.questions)
    counts = {"long": options.long, "short": options.short, "seconds": options.seconds}
    if options.url is not None:
        report = fairness.measure(options.url, asked, **counts)
    else:
        with compare.service(asked[0], options.output, compare.MODEL) as server:
            report = fairness.measure(f"http://127.0.0.1:{server.port}", asked, **counts)
    _write(options.output / "fairness.json", report)
    print(fairness.table(report))


def _autoscale(options: argparse.Namespace) -> bool:
    from deploy import settings
    from deploy.cluster import Cluster
    from loadtest.watch import Watch

    deployed = settings.load(options.config, {})
    plan = autoscale.Plan(
        users=options.users,
        base_users=options.base_users,
        baseline_s=options.baseline_s,
        ramp_s=options.ramp_s,
        hold_s=options.hold_s,
        scaled_s=options.scaled_s,
        cool_s=options.cool_s,
        replicas=options.replicas,
        workers=options.workers,
    )
    limits = verdict.Limits(options.replicas, options.max_failures, options.max_p95_ms)
    with Cluster.connect(deployed.kube_context) as cluster:
        watch = Watch(cluster, deployed.serving_namespace, deployed.port)
        url = options.url or watch.url()
        done = autoscale.autoscale(url, watch, plan, options.output, _live, tuple(options.data))
        checks = verdict.judge(done.samples, limits, watch.requested())
    about = {
        "url": url,
        "seconds": done.ended,
        "answered by each pod": verdict.shares(done.samples),
        "errors": done.errors,
    }
    return _conclude(options, "Autoscaling", done.samples, checks, about)


def _run(options: argparse.Namespace) -> bool:
    stages = shapes.parse(options.shape)
    done = run.run(options.url, stages, options.output, _live, workers=options.workers, data=tuple(options.data))
    thresholds = run.Thresholds(options.max_failure_ratio, options.max_p95_ms, options.min_rate)
    about = {"url": options.url, "shape": options.shape, "errors": done.errors}
    return _conclude(options, "Load", done.samples, run.judge(done.samples, thresholds), about)


def _conclude(
    options: argparse.Namespace, title: str, samples: list[Sample], checks: list[verdict.Check], about: dict[str, Any]
) -> bool:
    """Write the report, print the verdict, and return it."""
    report.write(options.output, title, samples, checks, about)
    print(report.table(checks))
    if about["errors"]:
        print(report.errors(about["errors"]))
    print(f"{options.output / 'report.html'} has the whole", file=sys.stderr)
    return all(check.passed for check in checks)


def _live(sample: Sample) -> None:
    """Say how it is now, in a line that takes the place of the one before on a terminal."""
    scaler, p95 = sample.autoscaler, sample.p95_ms
    pods = f"  {len(sample.pods)} ready"
    replicas = "" if scaler is None else f"{pods}, {scaler.desired} wanted, CPU {scaler.cpu_percent} %"
    line = (
        f"{sample.second:6.0f} s  {sample.stage:9}  {sample.users:4} users  {sample.rate:7.1f}/s  "
        f"{sample.failures} failed  p95 {'-' if p95 is None else round(p95)} ms{replicas}"
    )
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{line:118}"[:118] if end == "\r" else line, end=end, file=sys.stderr, flush=True)


def _write(path: Path, report: dict[str, Any]) -> None:
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(pipes.run(main))
