"""The gate before the store: the checks that a candidate must pass, and by how much it misses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import GateError

if TYPE_CHECKING:
    from training.config import GateSettings
    from training.measure.evaluate import Gain

CHANCE = 2.0
"""Standard errors that a comparison of two models may be off by: chance alone makes more in 2 % of cases."""
SERVED_RATIO = "F1 as served over F1 in full precision"
"""The figure of the check on the served precision."""


@dataclass(frozen=True)
class Check:
    """One figure against its bound; an F1 is in percent. chance: how far it may be off for want of questions."""

    figure: str
    observed: float
    bound: float
    at_least: bool = True
    chance: float = 0.0

    @property
    def missed_by(self) -> float:
        """Distance to the bound, beyond chance; positive when the figure is on the wrong side."""
        missed = self.bound - self.observed if self.at_least else self.observed - self.bound
        return missed - self.chance

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the bound."""
        return self.missed_by <= 0

    def __str__(self) -> str:
        bound, direction = ("at least", "low") if self.at_least else ("at most", "high")
        chance = f" (chance: {self.chance:.3f})" if self.chance else ""
        verdict = "" if self.passed else f", {self.missed_by:.3f} too {direction}"
        return f"{self.figure} is {self.observed:.3f}{chance}, {bound} {self.bound:.3f} is asked{verdict}"


def checks(
    settings: GateSettings,
    sources: dict[str, dict[str, float]],
    calibration_error: float | None,
    served: Gain | None,
    production: Gain | None,
) -> Iterator[Check]:
    """Yield every check on a candidate.

    sources: `metrics.summary` by source. calibration_error: on answerable questions that the temperature was not fitted
    to; served: what is served against full precision, an answer forced (None for both: there are no such questions).
    production: the candidate against the model in production (None: there is none).
    """
    for source, figures in sources.items():
        yield Check(f"F1 on {source}", figures["f1"], settings.floor(source))
    if served is not None:
        baseline_f1 = max(served.baseline_f1, 1e-9)
        ratio, chance = 1 + served.mean / baseline_f1, CHANCE * served.standard_error / baseline_f1
        yield Check(SERVED_RATIO, ratio, settings.min_served_ratio, chance=chance)
    if calibration_error is not None:
        yield Check("expected calibration error", calibration_error, settings.max_calibration_error, at_least=False)
    if production is not None:
        chance = CHANCE * production.standard_error
        yield Check(
            "F1 lost against the model in production",
            -production.mean,
            settings.max_f1_loss,
            at_least=False,
            chance=chance,
        )


def judge(results: list[Check]) -> None:
    """Raise GateError, which names every check that failed, unless all passed."""
    failed = [str(check) for check in results if not check.passed]
    if failed:
        raise GateError(f"the model is not good enough to be stored: {'; '.join(failed)}")
