"""The published examples of
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/, and the project's own figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.autoscaling import idle_limit, recommended_replicas, settled_replicas


def test_twice_the_target_doubles_and_half_of_it_halves():
    """ "If the current metric value is 200m, and the desired value is 100m, the number of replicas will be doubled"."""
    assert recommended_replicas(3, 200, 100) == 6
    assert recommended_replicas(6, 50, 100) == 3


@pytest.mark.parametrize(("used", "replicas"), [(90, 10), (109, 10), (111, 12), (89, 9)])
def test_within_the_tolerance_nothing_changes(used, replicas):
    assert recommended_replicas(10, used, 100) == replicas


def test_the_recommendation_is_rounded_up():
    assert recommended_replicas(3, 120, 100) == 4  # 3.6


def test_ten_pods_that_idle_at_four_percent_and_a_bit_settle_at_six():
    """4.2 of 5 %: 10 -> 9 -> 8 -> 7 -> 6, and ceil(6 x 0.84) is 6."""
    assert settled_replicas(10, 4.2, 5, 2) == 6
    assert settled_replicas(10, 3.3, 5, 2) == 2


def test_the_limit_of_the_defaults():
    assert idle_limit(12.5, 2) == pytest.approx(8.33, abs=0.01)
    assert idle_limit(100, 20) == 90  # the tolerance, below 20/21


@given(st.integers(1, 12), st.integers(1, 60), st.floats(0.1, 1.5))
def test_below_the_limit_every_number_comes_back_and_above_it_none_does(minimum, above, share):
    target = 100.0
    limit = idle_limit(target, minimum)
    used = limit * share
    back = settled_replicas(minimum + above, used, target, minimum) == minimum
    if share < 0.999:
        assert back
    elif share > 1.001:
        assert not back
