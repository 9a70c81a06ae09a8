"""Fits the temperature and the null probability of the reader settings to held-out readings."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from training.measure import calibration
from training.measure.evaluate import Readings, confidences, predict

if TYPE_CHECKING:
    from bento_service.reading.reader import ReaderSettings

FLATTER, SHARPER = np.geomspace(1, 4, 17)[1:], np.geomspace(1, 0.5, 9)[1:]
"""Temperatures above and below 1, in steps of 9 %. Finer steps make no measurable difference."""


def fit(readings: Readings, settings: ReaderSettings, no_answer_share: float | None = None) -> ReaderSettings:
    """Return the settings with the temperature and the null probability of the least log loss.

    The temperature is fitted to the answerable questions. The null probability is fitted to the questions that
    `with_share` returns; without unanswerable questions it is unchanged.
    """
    answerable = [(example, reading) for example, reading in readings if example.answers]
    if answerable:
        # With the answer of one annotator, a right answer in other words counts as wrong.
        several = [pair for pair in answerable if len(pair[0].answers) > 1]
        losses = _losses(several or answerable, settings)
        settings = settings.model_copy(update={"temperature": round(calibration.best_temperature(losses), 4)})
    if answerable and len(answerable) < len(readings):
        readings = with_share(readings, no_answer_share)
        null_log_odds = np.array([reading.decode(settings).null_log_odds for _, reading in readings])
        scale, shift = calibration.platt_scaling(null_log_odds, np.array([not e.answers for e, _ in readings]))
        settings = settings.model_copy(update={"null_scale": round(scale, 4), "null_shift": round(shift, 4)})
    return settings


def with_share(readings: Readings, share: float | None) -> Readings:
    """Return readings of which this share has no answer, drawn at random from the more frequent kind; None: all.

    They are of sources with both kinds, if there are any: other sources would teach which source a question is from.
    """
    answered, unanswered = ({e.source for e, _ in readings if bool(e.answers) is has} for has in (True, False))
    both = (answered & unanswered) or (answered | unanswered)
    of_both = [pair for pair in readings if pair[0].source in both]
    kinds = [[pair for pair in of_both if bool(pair[0].answers) is answerable] for answerable in (False, True)]
    if share is None or not all(kinds):
        return readings
    shares = share, 1 - share
    total = min(len(kind) / part for kind, part in zip(kinds, shares, strict=True))
    randomly = random.Random(0)  # noqa: S311  # no secret
    drawn = [randomly.sample(kind, round(part * total)) for kind, part in zip(kinds, shares, strict=True)]
    return drawn[0] + drawn[1]


def _losses(readings: Readings, settings: ReaderSettings) -> dict[float, calibration.Floats]:
    """Return every answer's log loss by temperature, from 1 in both directions while the mean decreases."""
    # The best span does not depend on the temperature, only its confidence does.
    right = np.array([p.right for p in predict(readings, settings, allow_no_answer=False)])

    def losses_at(temperature: float) -> calibration.Floats:
        with_temperature = settings.model_copy(update={"temperature": temperature})
        return calibration.log_losses(
            np.array([reading.answers(with_temperature)[0].confidence for _, reading in readings]), right
        )

    losses = {1.0: losses_at(1.0)}
    for temperatures in (FLATTER, SHARPER):
        last = losses[1.0]
        for temperature in map(float, temperatures):
            before, last = last, losses_at(temperature)
            losses[temperature] = last
            if last.mean() >= before.mean():
                break
    return losses


def calibration_errors(
    readings: Readings,
    settings: ReaderSettings,
    *,
    allow_no_answer: bool = False,
    no_answer_share: float | None = None,
    fitting: bool = True,
) -> dict[str, Any]:
    """Return the expected calibration error "before" and "after" fitting, and the "bins" of "after".

    It is measured on the answerable questions. With `allow_no_answer`, it is measured on the questions that
    `with_share` returns, and the result is {} without both kinds. "after" evaluates each half of the questions with
    settings fitted to the other half. Questions on the same context are in the same half. Without `fitting`, "after"
    equals "before".
    """
    answerable = [pair for pair in readings if pair[0].answers]
    if not answerable or (allow_no_answer and len(answerable) == len(readings)):
        return {}
    halves: tuple[Readings, Readings] = ([], [])
    for example, reading in with_share(readings, no_answer_share) if allow_no_answer else answerable:
        digest = hashlib.sha256(example.context.encode("utf-8", "surrogatepass")).digest()
        halves[digest[0] % 2].append((example, reading))
    fitted = [fit(half, settings) if fitting else settings for half in halves]
    before, after = (
        [p for half, own in zip(halves, each, strict=True) for p in predict(half, own, allow_no_answer=allow_no_answer)]
        for each in ([settings, settings], fitted[::-1])
    )
    return {
        "before": round(calibration.calibration_error(*confidences(before)), 4),
        "after": round(calibration.calibration_error(*confidences(after)), 4),
        "bins": calibration.reliability(*confidences(after)),
    }
