"""The reliability diagram: confidence against the share of answers that is right, as a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.errors import TrainingError


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
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise TrainingError(f"diagram {path} could not be written: {error.strerror or error}") from error
