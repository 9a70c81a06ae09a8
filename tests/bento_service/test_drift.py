"""The population stability index, the bins of a reference, and the sliding window over what is answered."""

import math

import numpy as np
import pytest

from bento_service import drift
from bento_service.drift import Distribution, Drift, population_stability_index
from bento_service.reading.reader import Answer, Query


def test_equal_distributions_have_index_0():
    assert population_stability_index([30, 50, 20], [30, 50, 20]) == 0
    assert population_stability_index([299, 499, 199], [29, 49, 19]) == pytest.approx(0, abs=1e-3)


def test_the_index_adds_up_the_differences_times_the_logarithms():
    """With half a value more in each bin: 0.5 and 0.5 of 199, and 149.5 / 199 = 0.751 and 0.249."""
    by_hand = 0.25126 * math.log(0.75126 / 0.5) - 0.25126 * math.log(0.24874 / 0.5)
    assert population_stability_index([99, 99], [149, 49]) == pytest.approx(by_hand, abs=1e-3)


def test_an_empty_bin_is_far_away_and_not_infinite():
    assert 1 < population_stability_index([100, 0], [0, 100]) < 20


def test_bins_hold_about_as_many_values_each():
    distribution = Distribution.of(list(range(1000)))
    assert distribution.counts == (100,) * 10
    assert distribution.bin(-5) == 0
    assert distribution.bin(distribution.edges[0]) == 0  # an edge belongs to the bin below it
    assert distribution.bin(5_000) == 9


def test_few_values_make_fewer_bins():
    assert len(Distribution.of(list(range(63))).counts) == 3


def test_the_edges_may_be_given():
    assert Distribution.of([0.0, 0.01, 0.02, 1.0], (0.01, 0.5)).counts == (2, 1, 1)


def test_equal_values_are_one_bin_and_all_above_another():
    distribution = Distribution.of([0.0] * 100)
    assert (distribution.edges, distribution.counts) == ((0.0,), (100, 0))
    assert distribution.binned([0.0, 0.2]) == [1, 1]


def answered(confidence, *, context="Ada swims.", allow_no_answer=False, text="Ada"):
    return Query("Who?", context, allow_no_answer=allow_no_answer), Answer(text, confidence, 0, len(text))


def reference(seed=0, count=500):
    """Of texts that are all alike, and of confidences with a mean of 0.8."""
    confidences = np.random.default_rng(seed).beta(8, 2, count).tolist()
    return {
        drift.CONFIDENCE: Distribution.of(confidences),
        drift.NO_ANSWER: Distribution.of([0.0] * 90 + [1.0] * 10, drift.EDGES[drift.NO_ANSWER]),
        drift.CONTEXT_CHARACTERS: Distribution.of([8, 9, 10, 11, 12] * 20),
    }


def fill(watched, confidences, **more):
    for confidence in confidences:
        watched.add(*answered(confidence, **more), 0.0)
    return watched.indices()


def test_the_same_kind_of_question_is_near_and_another_far():
    watched = Drift(reference())
    again, less = np.random.default_rng(1).beta(8, 2, 1000), np.random.default_rng(2).beta(4, 4, 1000)
    assert fill(watched, again)[drift.CONFIDENCE] < 0.1
    assert fill(watched, less)[drift.CONFIDENCE] > 1  # nothing of `again` is left in the window
    assert fill(watched, again)[drift.CONFIDENCE] < 0.1


def test_nothing_is_said_of_few_answers():
    watched = Drift(reference())
    assert fill(watched, [0.8] * (drift.LEAST - 1)) == {}
    assert fill(watched, [0.8]).keys() == {drift.CONFIDENCE, drift.CONTEXT_CHARACTERS}


def test_no_answer_is_compared_where_it_was_allowed():
    watched = Drift(reference())
    fill(watched, [0.8] * drift.LEAST)
    usual = [("Ada", 90), ("", 10)] * (drift.LEAST // 100)
    for text, count in usual:
        fill(watched, [0.5] * count, allow_no_answer=True, text=text)
    assert watched.indices()[drift.NO_ANSWER] == pytest.approx(0, abs=1e-3)
    assert fill(watched, [0.5] * drift.LEAST, allow_no_answer=True, text="")[drift.NO_ANSWER] > 0.25


def test_it_is_compared_every_fifty_questions():
    watched = Drift({})
    due = []
    for _ in range(2 * drift.EVERY):
        fill(watched, [0.5])
        due.append(watched.due())
    assert [number for number, is_due in enumerate(due, start=1) if is_due] == [drift.EVERY, 2 * drift.EVERY]
