import pytest

from loadtest import shapes
from loadtest.samples import Sample
from loadtest.shapes import Stage, Tick, Walk


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def sample(users):
    return Sample(0, "hold", users, requests=0, failures=0, rate=0, p50_ms=None, p95_ms=None)


def walk(*stages):
    clock = Clock()
    walking = Walk(stages, clock)

    def at(second, last=None):
        clock.now = 100.0 + second
        return walking.tick(last)

    return walking, at


@pytest.mark.parametrize(
    ("users", "seconds", "ramp_s", "message"),
    [
        (-1, 10, 0, "fewer than none"),
        (1, 0, 0, "a time above 0"),
        (1, 10, 11, "a ramp of 11 s does not fit into its 10 s"),
        (1, 10, -1, "does not fit"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(users, seconds, ramp_s, message):
    with pytest.raises(ValueError, match=f"stage one: .*{message}"):
        Stage("one", users, seconds, ramp_s)


def test_a_walk_needs_a_stage():
    with pytest.raises(ValueError, match="a stage at least"):
        Walk([])


def test_a_ramp_rises_evenly_from_the_stage_before():
    _, at = walk(Stage("low", 10, 10), Stage("up", 30, 20, ramp_s=10))
    assert at(0) == Tick("low", 10, 10)
    assert at(12) == Tick("up", 14, 2)  # 2 of 10 s: 10 + 20 x 0.2; 20 users in 10 s are 2 a second
    assert at(20) == Tick("up", 30, 2)
    assert at(29.9) == Tick("up", 30, 2)
    assert at(30) is None


def test_a_ramp_falls_too():
    _, at = walk(Stage("high", 10, 1), Stage("down", 0, 10, ramp_s=10))
    at(0)
    assert at(6) == Tick("down", 5, 1)


def test_a_stage_ends_when_it_has_what_it_waits_for():
    walking, at = walk(Stage("hold", 5, 100, until=lambda sample: sample.users == 5), Stage("after", 5, 10))
    assert at(0).stage == at(40, sample(users=4)).stage == "hold"
    assert at(50, sample(users=5)).stage == "after"
    assert at(59, sample(users=5)).stage == "after"
    assert at(60, sample(users=5)) is None
    assert walking.stage_s == {"hold": 50, "after": 10}


def test_a_stage_that_waits_in_vain_ends_at_its_deadline():
    _, at = walk(Stage("hold", 5, 10, until=lambda sample: False), Stage("after", 0, 5))
    at(0)
    assert at(10, sample(users=5)).stage == "after"


def test_a_late_tick_takes_nothing_from_the_next_stage():
    _, at = walk(Stage("one", 1, 10), Stage("two", 2, 10))
    at(0)
    assert at(19).stage == "two"
    assert at(20) is None


def test_stages_may_be_missed_altogether():
    walking, at = walk(Stage("one", 1, 1), Stage("two", 2, 1), Stage("three", 3, 10))
    at(0)
    assert at(5).stage == "three"
    assert walking.stage_s == {"one": 1, "two": 1}


def test_shapes_are_typed():
    assert [stage.users for stage in shapes.parse("steps:users=20,step=8,seconds=30")] == [8, 16, 20]
    assert shapes.parse("soak:users=3,seconds=60") == [Stage("soak", 3, 60)]
    assert [stage.users for stage in shapes.parse("spike:users=50,base=2")] == [2, 50, 2]
    assert shapes.parse("ramp:users=4,seconds=5,hold=1")[0].ramp_s == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("waves:users=1", "there is steps, ramp"),
        ("soak:people=3", "write it as"),
        ("steps:users=3,step=0,seconds=1", "0"),
        ("soak:users=abc,seconds=9", "users must be a whole number, not 'abc'; write it as soak:users=20,seconds=60"),
        ("soak:users=2.5,seconds=9", "users must be a whole number, not '2.5'"),
        ("ramp:users=2,seconds=soon", "seconds must be a number of seconds, not 'soon'; write it as ramp:users=20,"),
        ("soak:users=2,seconds=inf", "seconds must be a number of seconds, not 'inf'"),
        ("soak:users", "users has no value; write it as soak:users=20,seconds=60"),
        ("soak:users=3", "missing 1 required positional argument: 'seconds'; write it as soak:"),
    ],
)
def test_a_shape_that_is_none_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        shapes.parse(text)
