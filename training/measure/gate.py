"""The gate before the store: the checks that a candidate must pass.

Every figure is judged with its uncertainty, so that no candidate is refused by chance. It is the uncertainty of a model
that is exactly at the bound, so that it is known even for a few questions.
"""

from __future__ import annotations

import logging
import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.errors import GateError
from training.measure.calibration import error_by_chance
from training.measure.evaluate import CHANCE

if TYPE_CHECKING:
    from training.config import GateSettings
    from training.measure.evaluate import Gain

logger = logging.getLogger(__name__)

SERVED_RATIO = "F1 as served over F1 in full precision"
"""The figure of the check on the served precision."""
MORE = "measure on more questions (--dev-data, or a greater --dev-fraction; import: --data)"


@dataclass(frozen=True)
class Check:
    """One figure and its bound; an F1 is in percent.

    chance: how far beyond the bound the figure of a good model may be, since there are few questions. questions: their
    number. remedy: what to do if the check fails.
    """

    figure: str
    observed: float
    bound: float
    at_least: bool = True
    chance: float = 0.0
    questions: int = 0
    remedy: str = ""

    @property
    def distance(self) -> float:
        """Distance to the bound; positive when the figure is on the wrong side."""
        return self.bound - self.observed if self.at_least else self.observed - self.bound

    @property
    def missed_by(self) -> float:
        """Distance to the bound, beyond chance."""
        return self.distance - self.chance

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the bound, or misses it by no more than chance."""
        return self.missed_by <= 0

    @property
    def deciding(self) -> int | None:
        """About how many questions would decide whether a missed bound is missed by chance; None if it is kept.

        Chance decreases with the square root of their number.
        """
        if self.distance <= 0 or not self.passed:
            return None
        needed = self.questions * (self.chance / self.distance) ** 2
        digits = max(0, len(str(math.ceil(needed))) - 2)
        unit: int = 10**digits
        return math.ceil(needed / unit) * unit

    def __str__(self) -> str:
        bound, direction = ("at least", "low") if self.at_least else ("at most", "high")
        chance = f" (chance: {self.chance:.3f})" if self.chance else ""
        stated = f"{self.figure} is {self.observed:.3f}{chance}, {bound} {self.bound:.3f} is asked"
        if self.deciding is not None:
            return f"{stated}; of {self.questions} questions that may be chance, some {self.deciding} would decide it"
        return stated if self.passed else f"{stated}, {self.missed_by:.3f} too {direction}"


def checks(
    settings: GateSettings,
    sources: dict[str, dict[str, float]],
    calibration: dict[str, Any],
    served: Gain | None,
    production: Gain | None,
    base: Gain | None = None,
    before: dict[str, Any] | None = None,
    no_answer_calibration: dict[str, Any] | None = None,
) -> Iterator[Check]:
    """Yield every check on a candidate.

    sources: `metrics.summary` by source. calibration: `fit.calibration_errors` on answerable questions. served: gain of
    the served precision over full precision, with an answer forced. Both are empty without such questions. production,
    base: gain of the candidate over the model in production, and over the base model; None without one. before:
    `sources` and `calibration_error` of the base model. no_answer_calibration: as `calibration`, on all questions with
    "no answer" allowed.
    """
    for source, figures in sources.items():
        base_f1 = None if before is None else before["sources"][source]["f1"]
        yield _floor(source, figures, settings.floor(source, base_f1))
    if served is not None:
        yield _served(served, settings.min_served_ratio)
    base_error = None if before is None else before["calibration_error"].get("after")
    bound = settings.calibration_bound(base_error)
    if "after" in calibration:
        yield _calibration("expected calibration error", calibration, bound)
    if no_answer_calibration:
        yield _calibration('expected calibration error with "no answer" allowed', no_answer_calibration, bound)
    for name, gain in (("base model", base), ("model in production", production)):
        if gain is not None:
            yield _loss(name, gain, settings.max_f1_loss)


def _floor(source: str, figures: dict[str, float], floor: float) -> Check:
    questions, share = int(figures["total"]), floor / 100
    # The F1 of a question is 0 to 1: where its mean is `share`, its variance is at most share * (1 - share).
    chance = 100 * CHANCE * math.sqrt(max(0.0, share * (1 - share)) / questions)
    lower = shlex.quote(f"{source}={math.floor(figures['f1'])}")
    remedy = (
        "train on more questions or for more --epochs (import: measure on questions of the kind that it was taught, "
    )
    remedy += f"--data), or ask for less: --min-f1 {lower}"
    return Check(f"F1 on {source}", figures["f1"], floor, chance=chance, questions=questions, remedy=remedy)


def _served(served: Gain, least: float) -> Check:
    over = max(served.baseline_f1, 1e-9)
    ratio, chance = 1 + served.mean / over, served.chance((least - 1) * over) / over
    remedy = "--no-narrowing costs speed and keeps more (import: --precision float32), or ask for less: "
    remedy += f"--min-served-ratio {math.floor(100 * ratio) / 100}"
    return Check(SERVED_RATIO, ratio, least, chance=chance, questions=served.total, remedy=remedy)


def _calibration(figure: str, calibration: dict[str, Any], most: float) -> Check:
    error, bins = calibration["after"], calibration["bins"]
    chance = error_by_chance(bins, most) - most if error > most else 0.0
    remedy = f"{MORE}, to which confidence is fitted, or allow more: "
    remedy += f"--max-calibration-error {math.ceil(100 * error) / 100}"
    questions = sum(b["total"] for b in bins)
    return Check(figure, error, most, False, max(0.0, chance), questions, remedy)


def _loss(name: str, gain: Gain, most: float) -> Check:
    remedy = "train on more questions, with a lower --learning-rate or a greater --base-share, or allow more: "
    remedy += f"--max-f1-loss {math.ceil(-gain.mean)}"
    return Check(f"F1 lost against the {name}", -gain.mean, most, False, gain.chance(-most), gain.total, remedy)


def judge(results: list[Check]) -> None:
    """Warn of every check that is missed by chance. Raises GateError with the checks that failed."""
    for check in results:
        if check.deciding is not None:
            logger.warning("%s: %s", check, MORE)
    failed = [f"{check} ({check.remedy})" for check in results if not check.passed]
    if failed:
        raise GateError(f"the model is not good enough to be stored: {'; '.join(failed)}")
