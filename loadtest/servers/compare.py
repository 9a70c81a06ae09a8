"""Compares the service with the baseline and with the engine alone, on one machine, in turn, on the same questions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from bento_service.reading.cpus import cpu_count
from bento_service.reading.gpu import CHECKPOINT_SUFFIX
from loadtest.questions import Question
from loadtest.servers.drive import Load, drive
from loadtest.servers.engine import EngineAlone
from loadtest.servers.server import MODEL, SERVICE, MemorySampler, Server, baseline, service
from loadtest.servers.targets import targets

SETTLED = 2_000
"""Requests of the soak after which memory should not grow any more."""
SOAK_CONCURRENCY = 8


@dataclass(frozen=True)
class ComparisonPlan:
    """How long to measure.

    concurrency: requests at once, each value measured by itself. seconds: length of a turn. rounds: turns of each
    server. soak: requests of the long run at the end; 0 leaves it out.
    """

    concurrency: tuple[int, ...] = (1, 8, 32)
    seconds: float = 10
    rounds: int = 2
    soak: int = 10_000


@dataclass(frozen=True)
class Measurement:
    """One server at one concurrency, over all its turns.

    rate: correct answers a second. cpu_ms: CPU time of all its processes per answer. memory_mb: its peak.
    generator_share: share of all CPUs that the load generator used.
    """

    server: str
    concurrency: int
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failures: int
    cpu_ms: float
    memory_mb: float
    generator_share: float


def compare(questions: Sequence[Question], baseline_python: Path, folder: Path, plan: ComparisonPlan) -> dict[str, Any]:
    """Run the comparison and return its report; the logs of both servers stay in `folder`.

    Raises RuntimeError when a server does not answer, BentoMLException when the store has no model.
    """
    import bentoml

    model = bentoml.models.get(MODEL)
    checkpoint = bentoml.models.get(f"{MODEL}{CHECKPOINT_SUFFIX}:{model.tag.version}")
    engine = EngineAlone(Path(model.path), questions)
    rows: list[Measurement] = []
    engine_rates: dict[int, float] = {}
    with (
        service(questions[0], folder, str(model.tag)) as measured,
        baseline(questions[0], folder, baseline_python, checkpoint.path) as reference,
    ):
        servers = (measured, reference)
        for concurrency in plan.concurrency:
            new_rows, engine_rates[concurrency] = _in_turn(servers, engine, questions, concurrency, plan)
            rows += new_rows
        soak = _soak(measured, questions, plan.soak) if plan.soak else {}
    report: dict[str, Any] = {
        "model": str(model.tag),
        "cpus": cpu_count(),
        "tokens": engine.tokens_per_window,
        "first_answer_s": {server.name: server.first_answer_s for server in servers},
        "engine_alone": engine_rates,
        "rows": [asdict(row) for row in rows],
        "soak": soak,
    }
    report["targets"] = [asdict(target) | {"met": target.met} for target in targets(report)]
    return report


def _in_turn(
    servers: Sequence[Server],
    engine: EngineAlone,
    questions: Sequence[Question],
    concurrency: int,
    plan: ComparisonPlan,
) -> tuple[list[Measurement], float]:
    """Return a row per server, and the rate of the engine alone (questions/s).

    They are measured one after the other in each round, so that a slow minute of the machine affects all of them.
    """
    turns: dict[str, list[tuple[Load, float, float]]] = {server.name: [] for server in servers}
    engine_rates = []
    for _ in range(plan.rounds):
        for server in servers:
            cpu_s = server.cpu_s()
            with MemorySampler(server) as memory:
                load = drive(server.url, questions, concurrency=concurrency, seconds=plan.seconds)
            turns[server.name].append((load, server.cpu_s() - cpu_s, memory.peak_mb))
        engine_rates.append(engine.rate(plan.seconds))
    rows = [_row(name, concurrency, *zip(*measured, strict=True)) for name, measured in turns.items()]
    return rows, float(np.mean(engine_rates))


def _row(
    name: str, concurrency: int, loads: Sequence[Load], cpu_s: Sequence[float], memory_mb: Sequence[float]
) -> Measurement:
    whole = sum(loads[1:], loads[0])
    return Measurement(
        server=name,
        concurrency=concurrency,
        rate=whole.rate,
        p50_ms=whole.percentile_ms(50),
        p95_ms=whole.percentile_ms(95),
        p99_ms=whole.percentile_ms(99),
        failures=whole.failures.total(),
        cpu_ms=1e3 * sum(cpu_s) / max(1, len(whole.latencies_s)),
        memory_mb=max(memory_mb),
        generator_share=whole.generator_cpu_s / whole.seconds / cpu_count(),
    )


def _soak(server: Server, questions: Sequence[Question], count: int) -> dict[str, Any]:
    """Ask `count` questions with contexts of many lengths, and return the memory once settled, at its peak and last."""
    contexts = itertools.cycle(question.context for question in questions)
    cuts = itertools.cycle((1.0, 0.5, 0.3, 0.8))
    varied = [
        Question(example.question, f"{example.context} {next(contexts)}"[: int(cut * 2 * len(example.context))])
        for example, cut in zip(questions, cuts, strict=False)
    ]
    settled = min(SETTLED, count // 2)
    first = drive(server.url, varied, concurrency=SOAK_CONCURRENCY, count=settled)
    settled_mb = server.memory_mb()
    with MemorySampler(server) as memory:
        rest = drive(server.url, varied, concurrency=SOAK_CONCURRENCY, count=count - settled)
    whole = first + rest
    return {
        "requests": count,
        "failures": dict(whole.failures),
        "settled_mb": settled_mb,
        "peak_mb": memory.peak_mb,
        "end_mb": server.memory_mb(),
    }


def table(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    rates = {row["concurrency"]: row["rate"] for row in report["rows"] if row["server"] == SERVICE}
    engine = ", ".join(
        f"{count}: {rate:.1f} questions/s (the service answers {rates[count] / rate:.2f} of them)"
        for count, rate in report["engine_alone"].items()
    )
    lines = [
        f"{report['model']} on {report['cpus']} CPUs, {report['tokens']:.0f} tokens a window",
        f"engine alone, beside the turns of {engine}",
        _servers(report["rows"]),
    ]
    lines += [
        f"{name}: first answer {seconds:.2f} s after the start" for name, seconds in report["first_answer_s"].items()
    ]
    if soak := report["soak"]:
        lines.append(
            f"{soak['requests']} requests of many lengths: {sum(soak['failures'].values())} failed, "
            f"{soak['settled_mb']:.0f} MB once settled, {soak['peak_mb']:.0f} at most, {soak['end_mb']:.0f} in the end"
        )
    lines.append(_targets(report["targets"]))
    return "\n".join(lines)


def _servers(rows: list[dict[str, Any]]) -> str:
    columns = {
        "server": "",
        "concurrency": "at once",
        "rate": "answers/s",
        "p50_ms": "p50 ms",
        "p95_ms": "p95 ms",
        "p99_ms": "p99 ms",
        "failures": "failed",
        "cpu_ms": "CPU ms",
        "memory_mb": "MB",
        "generator_share": "generator",
    }
    return tabulate(
        [[row[name] for name in columns] for row in rows],
        list(columns.values()),
        tablefmt="plain",
        floatfmt=("", "", ".1f", ".1f", ".1f", ".1f", "", ".1f", ".0f", ".1%"),
        colalign=("left", *["right"] * (len(columns) - 1)),
    )


def _targets(targets: list[dict[str, Any]]) -> str:
    rows = [
        (
            "yes" if target["met"] else "NO",
            f"{target['name']}: {target['observed']:.3f}, "
            f"{'at least' if target['at_least'] else 'at most'} {target['bound']:.3f}",
        )
        for target in targets
    ]
    return tabulate(rows, tablefmt="plain", colalign=("right", "left"))
