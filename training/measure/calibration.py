"""How true a model's confidence and its "no answer" are. Pure and numpy-only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def confidence(confidences: Floats, right: Flags) -> dict[str, Any]:
    """Return what confidence is worth: its calibration error, the bins behind it, and right answers by coverage.

    confidences: shape (n,), 0 to 1. right: shape (n,).
    """
    return {
        "calibration_error": round(calibration_error(confidences, right), 4),
        "right": round(float(right.mean()), 4),
        "total": len(right),
        "bins": reliability(confidences, right),
        "coverage": coverage(confidences, right),
    }


def calibration_error(confidences: Floats, right: Flags) -> float:
    """Return the expected calibration error: |mean confidence - share right|, averaged over the answers of all bins.

    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3; 10 bins of equal width.
    """
    bins = reliability(confidences, right)
    gaps = sum(abs(b["confidence"] - b["right"]) * b["total"] for b in bins)
    return float(gaps / max(1, len(right)))


def reliability(confidences: Floats, right: Flags) -> list[dict[str, float]]:
    """Return mean confidence, share right and number of answers of every bin that has any, by confidence."""
    of = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return [
        {
            "confidence": round(float(confidences[of == i].mean()), 4),
            "right": round(float(right[of == i].mean()), 4),
            "total": int((of == i).sum()),
        }
        for i in range(BINS)
        if (of == i).any()
    ]


def coverage(confidences: Floats, right: Flags) -> list[dict[str, float]]:
    """Say for every tenth of the answers, most confident first, which share is right, and the least confidence."""
    order = np.argsort(-confidences, kind="stable")
    rows = []
    for tenths in range(1, 11):
        kept = order[: max(1, round(len(order) * tenths / 10))]
        rows.append(
            {
                "answered": tenths / 10,
                "right": round(float(right[kept].mean()), 4),
                "confidence": round(float(confidences[kept[-1]]), 4),
            }
        )
    return rows


def no_answer(differences: Floats, refused: Flags, impossible: Flags) -> dict[str, float]:
    """Return how well "no answer" is told: ROC AUC of the null score, and the percentage decided right on either side.

    differences: null score minus best span's score, shape (n,). refused: what was said. impossible: what was true; some
    must be. What takes both kinds of question is left out where there is one kind only.
    """
    worth = {"NoAns_accuracy": round(float(100 * refused[impossible].mean()), 3)}
    if not impossible.all():
        worth["HasAns_accuracy"] = round(float(100 * (~refused)[~impossible].mean()), 3)
        worth["roc_auc"] = round(roc_auc(differences, impossible), 4)
    return worth


def roc_auc(scores: Floats, positive: Flags) -> float:
    """Return the chance that a positive scores above a negative, ties counting half (Mann-Whitney U); some are each."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = int(positive.sum())
    pairs = positives * (len(positive) - positives)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / pairs)


def log_losses(confidences: Floats, right: Flags) -> Floats:
    """Return each answer's negative log-likelihood of what came true; least in the mean at the chance of it."""
    likelihood = np.where(right, confidences, 1 - confidences)
    losses: Floats = -np.log(np.maximum(likelihood, 1e-6))
    return losses


def best_temperature(losses: dict[float, Floats]) -> float:
    """Return the temperature nearest to 1 whose log loss is within one standard error of the least.

    losses: of every answer, shape (n,), by temperature. The rule is that of Breiman et al. 1984 (Classification and
    Regression Trees, 3.4.3): what few answers seem to say of the temperature is often chance, and untrue elsewhere.
    """
    least = min(losses.values(), key=np.mean)
    excess = {temperature: own - least for temperature, own in losses.items()}
    # On the right: the standard error of the sum on the left, were its expectation 0.
    level = [temperature for temperature, more in excess.items() if more.sum() <= np.sqrt((more**2).sum())]
    return min(level, key=lambda temperature: abs(np.log(temperature)))


def best_threshold(differences: Floats, f1: Floats, impossible: Flags) -> float:
    """Return the threshold of the null score difference, above which to say "no answer", with the best mean F1.

    f1: of the best span, shape (n,); an impossible question counts 1 when it is refused. Between the two neighbours
    that it separates, the threshold stands in the middle. Source: `find_best_thresh` of SQuAD 2.0's evaluation script.
    """
    order = np.argsort(differences, kind="stable")
    answered, refused = np.where(impossible, 0, f1)[order], impossible[order].astype(float)
    # Position i: the first i are answered, the others refused.
    totals = np.concatenate([[0], np.cumsum(answered)]) + (refused.sum() - np.concatenate([[0], np.cumsum(refused)]))
    ordered = np.nan_to_num(differences[order], posinf=1e4)  # a context without any span
    totals[1:-1][ordered[1:] == ordered[:-1]] = -1  # equal scores cannot be told apart
    best = int(totals.argmax())
    if best in (0, len(order)):
        return float(ordered[0] - 1 if best == 0 else ordered[-1] + 1)
    return float((ordered[best - 1] + ordered[best]) / 2)
