"""Charts of the comparison and of the curve (PNG)."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any


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
