"""Reports as pictures (PNG)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from loadtest.watch import Sample


def comparison(report: dict[str, Any], path: Path) -> None:
    """Draw answers a second, latency and memory of each server."""
    from matplotlib.figure import Figure

    names = list(report["first_answer_s"])
    at_once = list(dict.fromkeys(row["concurrency"] for row in report["rows"]))
    figure = Figure(figsize=(12, 4), layout="constrained")
    panels = figure.subplots(1, 3)
    for panel, figure_name, title in zip(
        panels,
        ("rate", "p95_ms", "memory_mb"),
        ("answers a second", "95th percentile of latency (ms)", "resident memory (MB)"),
        strict=True,
    ):
        for shift, name in enumerate(names):
            values = [row[figure_name] for row in report["rows"] if row["server"] == name]
            bars = panel.bar([i + 0.4 * shift for i in range(len(values))], values, 0.38, label=name)
            panel.bar_label(bars, fmt="%.0f", fontsize=8)
        panel.set_xticks([i + 0.2 for i in range(len(at_once))], [str(n) for n in at_once])
        panel.set_xlabel("requests at once")
        panel.set_title(title)
    alone = fmean(report["engine_alone"].values())
    panels[0].axhline(alone, color="grey", linestyle=":", label="engine alone")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=110)


def curve(report: dict[str, Any], path: Path) -> None:
    """Draw seconds against characters and against questions, each with the line of linear cost."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    labels = {"by_length": "characters of the context", "by_batch": "questions in one batch"}
    for panel, (name, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        sizes, seconds = (list(map(float, values)) for values in zip(*report[name].items(), strict=True))
        panel.loglog(sizes, seconds, "o-", label="measured")
        panel.loglog(sizes, [seconds[-1] * size / sizes[-1] for size in sizes], "--", color="grey", label="linear")
        panel.set_xlabel(label)
        panel.set_ylabel("seconds")
        panel.grid(visible=True, which="both", alpha=0.2)
        panel.legend()
    figure.savefig(path, dpi=110)


def timeline(samples: Sequence[Sample], path: Path, title: str) -> None:
    """Draw a run over time, and write it. title: the verdict."""
    drawn(samples, title).savefig(path, dpi=110)


def drawn(samples: Sequence[Sample], title: str) -> Figure:
    """Return load, failures, replicas, CPU and latency over time, with the stages behind them, under the verdict."""
    from matplotlib.figure import Figure

    watched = any(sample.autoscaler is not None for sample in samples)
    figure = Figure(figsize=(11, 10 if watched else 6), layout="constrained")
    figure.suptitle(title, fontsize=13, color="tab:red" if "failed" in title else "tab:green", wrap=True)
    panels = list(figure.subplots(4 if watched else 2, 1, sharex=True))
    _load(panels[0], samples)
    if watched:
        _replicas(panels[1], samples)
        _cpu(panels[2], samples)
    _latency(panels[-1], samples)
    begins = {sample.stage: sample.second for sample in reversed(samples)}
    for panel in panels:
        panel.grid(visible=True, alpha=0.2)
        panel.margins(y=0.4)  # room for the legend
        panel.set_ylim(bottom=0)
        panel.legend(loc="upper right", fontsize=8)
        for second in begins.values():
            panel.axvline(second, color="grey", linewidth=0.6)
    for row, (stage, second) in enumerate(sorted(begins.items(), key=lambda item: item[1])):
        height = 1.02 + 0.07 * (row % 2)  # in two rows: short stages stand close together
        panels[0].annotate(stage, (second, height), xycoords=("data", "axes fraction"), fontsize=8, color="grey")
    return figure


def _load(panel: Axes, samples: Sequence[Sample]) -> None:
    seconds = [sample.second for sample in samples]
    counts = [sample.failures for sample in samples]
    spans = [max(after - before, 0.1) for before, after in pairwise(seconds)]
    failed = [0.0, *((after - before) / span for (before, after), span in zip(pairwise(counts), spans, strict=True))]
    panel.plot(seconds, [sample.rate for sample in samples], label="requests a second")
    panel.plot(seconds, [sample.users for sample in samples], ":", label="users")
    panel.fill_between(seconds, failed, color="tab:red", alpha=0.4, step="pre")
    panel.step(seconds, failed, color="tab:red", where="pre", label=f"failures a second ({counts[-1]} in all)")
    panel.set_ylabel("load")


def _replicas(panel: Axes, samples: Sequence[Sample]) -> None:
    seconds = [sample.second for sample in samples]
    wanted = [sample.autoscaler.desired if sample.autoscaler else None for sample in samples]
    panel.step(seconds, [len(sample.pods) for sample in samples], where="post", label="ready pods")
    panel.step(seconds, _gaps(wanted), "--", where="post", label="wanted by the HPA")
    panel.set_ylabel("replicas")


def _cpu(panel: Axes, samples: Sequence[Sample]) -> None:
    """Draw what the HPA compares: the pods' mean CPU against its target, both in percent of the request."""
    seconds = [sample.second for sample in samples]
    used = [sample.autoscaler.cpu_percent if sample.autoscaler else None for sample in samples]
    target = [sample.autoscaler.target_percent if sample.autoscaler else None for sample in samples]
    panel.step(seconds, _gaps(used), where="post", label="CPU as the HPA reads it")
    panel.plot(seconds, _gaps(target), "--", color="tab:green", label="its target")
    panel.set_yscale("symlog", linthresh=10)  # a target of 5 % beside a load of some 100 %
    panel.set_ylabel("CPU (% of request)")


def _latency(panel: Axes, samples: Sequence[Sample]) -> None:
    seconds = [sample.second for sample in samples]
    panel.plot(seconds, _gaps([sample.p95_ms for sample in samples]), label="p95")
    panel.plot(seconds, _gaps([sample.p50_ms for sample in samples]), label="p50")
    panel.set_ylabel("latency (ms)")
    panel.set_xlabel("seconds")


def _gaps(values: Sequence[float | None]) -> list[float]:
    """Leave a gap where nothing is known."""
    return [float("nan") if value is None else float(value) for value in values]
