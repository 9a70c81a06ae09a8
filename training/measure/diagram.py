"""Diagrams (PNG): the reliability of the confidence, and the drift of questions from the dev questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import drift
from training.errors import TrainingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MUCH = 0.25
"""The population stability index above which the alert QnaDrift fires."""
LEAST_INDEX = 0.01
"""Start of the axis; smaller values are drawn as this."""


def draw(confidence: dict[str, Any], path: Path, *, title: str) -> None:
    """Draw `calibration.confidence` and write it to `path`. Raises TrainingError when that cannot be written."""
    from matplotlib.figure import Figure

    bins = confidence["bins"]
    figure = Figure(figsize=(5, 6), layout="constrained")
    reliability, counts = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    reliability.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfectly calibrated")
    reliability.plot(
        [b["confidence"] for b in bins], [b["right"] for b in bins], marker="o", color="tab:blue", label="this model"
    )
    reliability.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of right answers (F1 of at least 0.5)")
    reliability.set_title(f"{title}\nexpected calibration error {confidence['calibration_error']:.3f}", fontsize=10)
    reliability.legend(loc="upper left")
    counts.bar([b["confidence"] for b in bins], [b["total"] for b in bins], width=0.05, color="tab:blue")
    counts.set(xlabel="confidence", ylabel="answers")
    _save(figure, path)


def draw_drift(report: dict[str, dict[str, float]], path: Path, *, title: str) -> None:
    """Draw a bar for each source and feature of `reference.compare`, without lengths, which have no alert.

    Raises TrainingError when `path` cannot be written.
    """
    from matplotlib.figure import Figure

    features = [name for name in drift.FEATURES if name not in (drift.QUESTION_CHARACTERS, drift.CONTEXT_CHARACTERS)]
    height = 0.8 / len(features)
    figure = Figure(figsize=(8, 1.2 + 0.9 * len(report)), layout="constrained")
    panel = figure.subplots()
    for place, feature in enumerate(features):
        indices = [max(LEAST_INDEX, values.get(feature, 0.0)) for values in report.values()]
        panel.barh([row + place * height for row in range(len(report))], indices, height, label=feature)
    panel.axvline(MUCH, color="0.3", linestyle="--", label=f"much: {MUCH}")
    panel.set(xscale="log", xlim=(LEAST_INDEX, None), xlabel="population stability index")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_yticks([row + 0.4 - height / 2 for row in range(len(report))], [Path(name).name for name in report])
    panel.invert_yaxis()
    panel.set_title(title, fontsize=10)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise TrainingError(f"diagram {path} could not be written: {error.strerror or error}") from error
