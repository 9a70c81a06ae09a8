"""A run over time as a picture (PNG)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from loadtest.samples import Sample


def write(samples: Sequence[Sample], path: Path, title: str) -> None:
    """Draw a run over time into a file. title: the verdict, which stands above the panels."""
    draw(samples, title).savefig(path, dpi=110)


def draw(samples: Sequence[Sample], title: str) -> Figure:
    """Return a figure of load, failures, replicas, CPU and latency over time, with a line where each stage begins."""
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
    desired = [sample.autoscaler.desired if sample.autoscaler else None for sample in samples]
    panel.step(seconds, [len(sample.pods) for sample in samples], where="post", label="ready pods")
    panel.step(seconds, _gaps(desired), "--", where="post", label="wanted by the HPA")
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
    """Replace None by NaN, which leaves a gap in a line."""
    return [float("nan") if value is None else float(value) for value in values]
