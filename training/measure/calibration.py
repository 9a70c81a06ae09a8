"""Calibration of a model's confidence and quality of its "no answer" decision. Pure and numpy-only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10
RESAMPLES = 4000

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def confidence(confidences: Floats, right: Flags) -> dict[str, Any]:
    """Return the calibration error of the confidences, its bins, and the share of right answers by coverage.

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
    differences = sum(abs(b["confidence"] - b["right"]) * b["total"] for b in bins)
    return float(differences / max(1, len(right)))


def error_by_chance(bins: list[dict[str, float]], error: float) -> float:
    """Return the calibration error that a model with the true error `error` exceeds in 2 % of cases by chance.

    On few answers, the observed error is greater than the true one. bins: `reliability` of the observed model. Its gaps
    are shrunk to `error`, and as many answers are drawn at random (a parametric bootstrap).
    """
    confidence, right, totals = (np.array([b[name] for b in bins]) for name in ("confidence", "right", "total"))
    gaps = confidence - right
    observed = float(np.average(np.abs(gaps), weights=totals))
    chances = np.clip(confidence - gaps * min(1.0, error / max(observed, 1e-9)), 0, 1)
    resampled = np.random.default_rng(0).binomial(totals.astype(int), chances, size=(RESAMPLES, len(bins))) / totals
    return float(np.quantile(np.average(np.abs(confidence - resampled), axis=1, weights=totals), 0.977))


def reliability(confidences: Floats, right: Flags) -> list[dict[str, float]]:
    """Return mean confidence, share of right answers and number of answers for every bin with answers."""
    bin_numbers = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return [
        {
            "confidence": round(float(confidences[bin_numbers == i].mean()), 4),
            "right": round(float(right[bin_numbers == i].mean()), 4),
            "total": int((bin_numbers == i).sum()),
        }
        for i in range(BINS)
        if (bin_numbers == i).any()
    ]


def coverage(confidences: Floats, right: Flags) -> list[dict[str, float]]:
    """Return the share of right answers and the least confidence among the most confident 10 %, 20 %, ... 100 %."""
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


def no_answer(probabilities: Floats, refused: Flags, impossible: Flags) -> dict[str, float]:
    """Return the ROC AUC of "no answer", and the accuracy in percent on answerable and unanswerable questions.

    probabilities: that there is no answer, shape (n,). refused: "no answer" was predicted. impossible: the
    question is unanswerable; at least one is. Figures that need both kinds of question are left out if there is one.
    """
    report = {"NoAns_accuracy": round(float(100 * refused[impossible].mean()), 3)}
    if not impossible.all():
        report["HasAns_accuracy"] = round(float(100 * (~refused)[~impossible].mean()), 3)
        report["roc_auc"] = round(roc_auc(probabilities, impossible), 4)
    return report


def roc_auc(scores: Floats, positive: Flags) -> float:
    """Return the chance that a positive scores above a negative (Mann-Whitney U). Ties count half; both must occur."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = int(positive.sum())
    pairs = positives * (len(positive) - positives)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / pairs)


def log_losses(confidences: Floats, right: Flags) -> Floats:
    """Return each answer's log loss: the negative log-likelihood of its being right or wrong."""
    likelihood = np.where(right, confidences, 1 - confidences)
    losses: Floats = -np.log(np.maximum(likelihood, 1e-6))
    return losses


def best_temperature(losses: dict[float, Floats]) -> float:
    """Return the temperature nearest to 1 whose log loss is within one standard error of the least.

    losses: of every answer, shape (n,), by temperature. The rule is that of Breiman et al. 1984 (Classification and
    Regression Trees, 3.4.3): the best temperature on few answers is often chance.
    """
    least = min(losses.values(), key=np.mean)
    differences = {temperature: loss - least for temperature, loss in losses.items()}
    # The square root is the standard error of the sum, if its expectation is 0.
    within_error = [temperature for temperature, each in differences.items() if each.sum() <= np.sqrt((each**2).sum())]
    return min(within_error, key=lambda temperature: abs(np.log(temperature)))


def platt_scaling(log_odds: Floats, positive: Flags) -> tuple[float, float]:
    """Return the scale (0 or more) and the shift of log-odds, shape (n,), with the least log loss.

    Source: Platt 1999, by Newton's method. A weak prior (standard deviation 3, around 1 and 0) keeps both finite where
    a threshold parts all positives from the rest.
    """
    features = np.stack([np.clip(log_odds, -1e3, 1e3), np.ones(len(log_odds))], axis=1)
    prior, weight = np.array([1.0, 0.0]), 1 / 9
    parameters = prior.copy()
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(features @ parameters, -500, 500)))
        gradient = features.T @ (chance - positive) + weight * (parameters - prior)
        curvature = (features.T * (chance * (1 - chance))) @ features + weight * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        parameters = parameters - step * min(1.0, 1 / np.abs(step).max(initial=1e-9))
        if np.abs(step).max() < 1e-6:
            break
    if parameters[0] < 0:  # the log-odds are useless, and only the share of the positives is known
        return 0.0, float(np.log((positive.sum() + 0.5) / ((~positive).sum() + 0.5)))
    return float(parameters[0]), float(parameters[1])
