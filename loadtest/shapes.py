"""Load shapes: the number of users over time, as a sequence of stages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadtest.samples import Sample


@dataclass(frozen=True)
class Stage:
    """A part of a run with a given number of users.

    users: at its end. seconds: its length; with `until`, its greatest length. ramp_s: seconds of it in which the number
    of users changes. until: ends the stage as soon as it returns true for the last sample. Raises ValueError for
    impossible values.
    """

    name: str
    users: int
    seconds: float
    ramp_s: float = 0.0
    until: Callable[[Sample], bool] | None = None

    def __post_init__(self) -> None:
        if self.users < 0:
            raise ValueError(f"stage {self.name}: {self.users} users; there can't be fewer than none")
        if self.seconds <= 0:
            raise ValueError(f"stage {self.name}: lasts {self.seconds} s; give it a time above 0")
        if not 0 <= self.ramp_s <= self.seconds:
            raise ValueError(f"stage {self.name}: a ramp of {self.ramp_s} s does not fit into its {self.seconds} s")


@dataclass(frozen=True)
class Tick:
    """The number of users that there should be now. spawn_rate: users that come or go a second."""

    stage: str
    users: int
    spawn_rate: float


class Walk:
    """Goes through the stages, one after the other, from the first tick on. clock: returns seconds."""

    def __init__(self, stages: Sequence[Stage], clock: Callable[[], float] = time.monotonic) -> None:
        if not stages:
            raise ValueError("a shape needs a stage at least")
        self._stages, self._clock = list(stages), clock
        self._before = 0  # users of the stage before
        self._begun: float | None = None
        self.stage_s: dict[str, float] = {}
        """Seconds that each finished stage lasted."""

    def tick(self, last: Sample | None = None) -> Tick | None:
        """Return the number of users that there should be now; None when the last stage is over.

        last: the last sample of the run, for stages with `until`.
        """
        now = self._clock()
        self._begun = now if self._begun is None else self._begun
        while self._stages:
            stage, lasted = self._stages[0], now - self._begun
            ended = stage.until is not None and last is not None and stage.until(last)
            if lasted < stage.seconds and not ended:
                return self._within(stage, lasted)
            self.stage_s[stage.name] = min(lasted, stage.seconds)
            # A tick that comes late takes nothing from the next stage, unless this one was cut short.
            self._begun = self._begun + stage.seconds if lasted >= stage.seconds else now
            self._before = stage.users
            del self._stages[0]
        return None

    def _within(self, stage: Stage, lasted: float) -> Tick:
        change = stage.users - self._before
        share = min(1.0, lasted / stage.ramp_s) if stage.ramp_s else 1.0
        rate = abs(change) / stage.ramp_s if stage.ramp_s else abs(change)
        return Tick(stage.name, self._before + round(change * share), max(1.0, rate))


def steps(users: int, step: int, seconds: float) -> list[Stage]:
    """Add `step` users each `seconds`, up to `users`."""
    if step < 1:
        raise ValueError(f"a step of {step} users leads nowhere; give 1 at least")
    counts = [*range(step, users, step), users]
    return [Stage(f"step {count}", count, seconds) for count in counts]


def ramp(users: int, seconds: float, hold: float = 60) -> list[Stage]:
    """Rise to `users` over `seconds`, and stay for `hold` seconds."""
    return [Stage("ramp", users, seconds, ramp_s=seconds), Stage("hold", users, hold)]


def spike(users: int, base: int = 1, seconds: float = 30, rest: float = 60) -> list[Stage]:
    """Jump from `base` to `users` for `seconds`, with `rest` seconds before and after."""
    return [Stage("before", base, rest), Stage("spike", users, seconds), Stage("after", base, rest)]


def soak(users: int, seconds: float) -> list[Stage]:
    """Keep `users` for `seconds`."""
    return [Stage("soak", users, seconds)]


SHAPES: dict[str, Callable[..., list[Stage]]] = {"steps": steps, "ramp": ramp, "spike": spike, "soak": soak}
_EXAMPLES = {
    "steps": "steps:users=20,step=5,seconds=30",
    "ramp": "ramp:users=20,seconds=30,hold=60",
    "spike": "spike:users=50,base=1,seconds=30,rest=60",
    "soak": "soak:users=20,seconds=60",
}


def parse(text: str) -> list[Stage]:
    """Return the stages of a shape in text form, such as `steps:users=20,step=5,seconds=30`. Raises ValueError."""
    name, _, words = text.partition(":")
    if name not in SHAPES:
        raise ValueError(f"there is no shape {name}; there is {', '.join(SHAPES)}")
    example = _EXAMPLES[name]
    values: dict[str, float] = {}
    for word in filter(None, words.split(",")):
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"shape {text}: {word} has no value; write it as {example}")
        values[key] = _number(text, key, value, example)
    try:
        return SHAPES[name](**values)
    except TypeError as error:
        problem = str(error).partition("() ")[2]
        raise ValueError(f"shape {text}: {problem}; write it as {example}") from error


def _number(text: str, key: str, value: str, example: str) -> float:
    """Return a value of a shape: numbers of users are whole, seconds may have a fraction."""
    whole = key in ("users", "step", "base")
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        kind = "a whole number" if whole else "a number of seconds"
        raise ValueError(f"shape {text}: {key} must be {kind}, not {value!r}; write it as {example}")
    return number
