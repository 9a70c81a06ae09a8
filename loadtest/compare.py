"""The service beside a baseline on one machine, in turn, with the same questions; and the engine alone."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bento_service import artifact
from bento_service.reading.cpus import cpu_count
from bento_service.reading.engines import OnnxEngine
from bento_service.reading.gpu import CHECKPOINT_SUFFIX
from bento_service.reading.scheduler import Scheduler
from bento_service.reading.tokenization import TextTokenizer
from bento_service.reading.windows import Window, slide
from loadtest import processes
from loadtest.drive import Load, drive
from loadtest.processes import Server
from loadtest.questions import Question

ROOT = Path(__file__).parent.parent
MODEL = "extractive-qa"
SERVICE, BASELINE = "service", "baseline"
SETTLED = 2_000
"""Requests of the soak after which memory should not grow any more."""
SOAK_CONCURRENCY = 8


@dataclass(frozen=True)
class Plan:
    """What to run. seconds: of each turn; rounds: turns of each server; soak: requests of the long run (0: none)."""

    concurrency: tuple[int, ...] = (1, 8, 32)
    seconds: float = 10
    rounds: int = 2
    soak: int = 10_000


@dataclass(frozen=True)
class Row:
    """One server at one concurrency, over all its turns.

    rate: good answers a second; cpu_ms: of all its processes a request; memory_mb: its greatest; generator_share: what
    the load generator took of all CPUs meanwhile.
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


@dataclass(frozen=True)
class Target:
    """A figure that the comparison should reach."""

    name: str
    observed: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.observed >= self.bound if self.at_least else self.observed <= self.bound


def compare(questions: Sequence[Question], baseline_python: Path, folder: Path, plan: Plan) -> dict[str, Any]:
    """Run the comparison and return its report; both servers' logs stay in `folder`.

    Raises RuntimeError when a server does not answer, BentoMLException when the store has no model.
    """
    import bentoml

    model = bentoml.models.get(MODEL)
    checkpoint = bentoml.models.get(f"{MODEL}{CHECKPOINT_SUFFIX}:{model.tag.version}")
    rows: list[Row] = []
    alone: dict[int, float] = {}
    windows = _windows(Path(model.path), questions)
    engine = Scheduler(OnnxEngine(Path(model.path) / artifact.GRAPH))

    def by_itself() -> float:
        return engine_alone(engine, windows, len(questions), plan.seconds)

    with (
        service(questions[0], folder, str(model.tag)) as ours,
        _baseline(questions[0], folder, baseline_python, checkpoint.path) as theirs,
    ):
        servers = (ours, theirs)
        for concurrency in plan.concurrency:
            more, alone[concurrency] = _in_turn(servers, by_itself, questions, concurrency, plan)
            rows += more
        soak = _soak(ours, questions, plan.soak) if plan.soak else {}
    report: dict[str, Any] = {
        "model": str(model.tag),
        "cpus": cpu_count(),
        "tokens": float(np.mean([len(window) for window in windows])),
        "first_answer_s": {server.name: server.first_answer_s for server in servers},
        "engine_alone": alone,
        "rows": [asdict(row) for row in rows],
        "soak": soak,
    }
    report["targets"] = [asdict(target) | {"met": target.met} for target in targets(report)]
    return report


def service(question: Question, folder: Path, tag: str) -> AbstractContextManager[Server]:
    """Run this repository's service with a stored model."""
    port = processes.free_port()
    words = [sys.executable, "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", str(port)]
    env = {"QNA_MODEL": tag, "BENTOML_DO_NOT_TRACK": "True"}
    return processes.running(SERVICE, words, port, question.body, cwd=ROOT, env=env, log=folder / "service.log")


def _baseline(question: Question, folder: Path, python: Path, checkpoint: str) -> AbstractContextManager[Server]:
    port = processes.free_port()
    words = [str(python), "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    env = {"BASELINE_MODEL": checkpoint, "HF_HUB_OFFLINE": "1"}
    here = Path(__file__).parent / "baseline"
    return processes.running(BASELINE, words, port, question.body, cwd=here, env=env, log=folder / "baseline.log")


def engine_alone(engine: Scheduler, windows: Sequence[Window], questions: int, seconds: float) -> float:
    """Return how many questions a second are read, of so many with these windows, without tokenising, decoding or HTTP.

    That is the limit.
    """
    engine.submit(windows[:8]).result()
    begun, read = time.monotonic(), 0
    while time.monotonic() < begun + seconds:
        engine.submit(windows).result()
        read += questions
    return read / (time.monotonic() - begun)


def _windows(model: Path, questions: Sequence[Question]) -> list[Window]:
    settings = artifact.load(model).settings
    tokenizer = TextTokenizer.from_file(model / artifact.TOKENIZER)
    windows: list[Window] = []
    for asked in questions:
        question, context = tokenizer.encode((asked.question, asked.context))
        windows += slide(
            question,
            context,
            tokenizer.special,
            max_length=settings.max_length,
            doc_stride=settings.doc_stride,
        )
    return windows


def _in_turn(
    servers: Sequence[Server],
    by_itself: Callable[[], float],
    questions: Sequence[Question],
    concurrency: int,
    plan: Plan,
) -> tuple[list[Row], float]:
    """Measure the servers and the engine alone (questions/s) one after the other, and again.

    So a slow minute of the machine hits all of them.
    """
    turns: dict[str, list[tuple[Load, float, float]]] = {server.name: [] for server in servers}
    alone = []
    for _ in range(plan.rounds):
        for server in servers:
            cpu = server.cpu_s()
            with processes.peak_memory(server) as memory:
                load = drive(server.url, questions, concurrency=concurrency, seconds=plan.seconds)
            turns[server.name].append((load, server.cpu_s() - cpu, max(memory)))
        alone.append(by_itself())
    rows = [_row(name, concurrency, *zip(*measured, strict=True)) for name, measured in turns.items()]
    return rows, float(np.mean(alone))


def _row(name: str, concurrency: int, loads: Sequence[Load], cpu_s: Sequence[float], memory_mb: Sequence[float]) -> Row:
    whole = sum(loads[1:], loads[0])
    return Row(
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
    """Ask so many questions of many lengths; memory after the first of them, and at its greatest and its end after."""
    contexts = itertools.cycle(question.context for question in questions)
    cuts = itertools.cycle((1.0, 0.5, 0.3, 0.8))
    varied = [
        Question(asked.question, f"{asked.context} {next(contexts)}"[: int(cut * 2 * len(asked.context))])
        for asked, cut in zip(questions, cuts, strict=False)
    ]
    settled = min(SETTLED, count // 2)
    first = drive(server.url, varied, concurrency=SOAK_CONCURRENCY, count=settled)
    before = server.memory_mb()
    with processes.peak_memory(server) as memory:
        rest = drive(server.url, varied, concurrency=SOAK_CONCURRENCY, count=count - settled)
    whole = first + rest
    return {
        "requests": count,
        "failures": dict(whole.failures),
        "settled_mb": before,
        "peak_mb": max(memory),
        "end_mb": server.memory_mb(),
    }


def targets(report: dict[str, Any]) -> Iterator[Target]:
    """Yield the ratios that a report can tell, each with its bound."""
    at = {(row["server"], row["concurrency"]): row for row in report["rows"]}

    def ratio(figure: str, concurrency: int) -> float:
        return float(at[SERVICE, concurrency][figure] / at[BASELINE, concurrency][figure])

    if (SERVICE, 8) in at:
        yield Target("answers/s at concurrency 8, over the baseline's", ratio("rate", 8), 4, at_least=True)
        alone = at[SERVICE, 8]["rate"] / report["engine_alone"][8]
        yield Target("answers/s at concurrency 8, over the engine alone", alone, 0.85, at_least=True)
        yield Target("p95 at concurrency 8, over the baseline's", ratio("p95_ms", 8), 1 / 4)
    if (SERVICE, 1) in at:
        yield Target("p50 at concurrency 1, over the baseline's", ratio("p50_ms", 1), 1 / 3)
    first = report["first_answer_s"]
    yield Target("start to first answer, over the baseline's", first[SERVICE] / first[BASELINE], 1 / 2)
    greatest = {name: max(row["memory_mb"] for row in report["rows"] if row["server"] == name) for name in first}
    yield Target("greatest memory, over the baseline's", greatest[SERVICE] / greatest[BASELINE], 1 / 2)
    if soak := report["soak"]:
        yield Target(f"failures in {soak['requests']} requests", sum(soak["failures"].values()), 0)
        yield Target("memory growth once settled", soak["end_mb"] / soak["settled_mb"] - 1, 0.05)


def table(report: dict[str, Any]) -> str:
    """Lay out a report for a person."""
    lines = [
        f"{report['model']} on {report['cpus']} CPUs, {report['tokens']:.0f} tokens a window",
        "engine alone, beside the turns of "
        + ", ".join(f"{at_once}: {rate:.1f} questions/s" for at_once, rate in report["engine_alone"].items()),
        f"{'':9} {'at once':>7} {'answers/s':>9} {'p50 ms':>7} {'p95 ms':>7} {'p99 ms':>7} {'failed':>6} "
        f"{'CPU ms':>6} {'MB':>5} {'generator':>9}",
    ]
    lines += [
        f"{row['server']:9} {row['concurrency']:7d} {row['rate']:9.1f} {row['p50_ms']:7.1f} {row['p95_ms']:7.1f} "
        f"{row['p99_ms']:7.1f} {row['failures']:6d} {row['cpu_ms']:6.1f} {row['memory_mb']:5.0f} "
        f"{100 * row['generator_share']:7.1f} %"
        for row in report["rows"]
    ]
    lines += [
        f"{name}: first answer {seconds:.2f} s after the start" for name, seconds in report["first_answer_s"].items()
    ]
    if soak := report["soak"]:
        lines.append(
            f"{soak['requests']} requests of many lengths: {sum(soak['failures'].values())} failed, "
            f"{soak['settled_mb']:.0f} MB once settled, {soak['peak_mb']:.0f} at most, {soak['end_mb']:.0f} in the end"
        )
    for target in report["targets"]:
        way = "at least" if target["at_least"] else "at most"
        verdict = "yes" if target["met"] else "NO"
        lines.append(f"{verdict:>3}  {target['name']}: {target['observed']:.3f}, {way} {target['bound']:.3f}")
    return "\n".join(lines)
