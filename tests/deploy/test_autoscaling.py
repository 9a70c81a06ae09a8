"""The published examples of
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/, and the project's own figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.autoscaling import Policy, idle_limit, least, most, recommended, settled, stabilised


def test_twice_the_target_doubles_and_half_of_it_halves():
    """ "If the current metric value is 200m, and the desired value is 100m, the number of replicas will be doubled"."""
    assert recommended(3, 200, 100) == 6
    assert recommended(6, 50, 100) == 3


@pytest.mark.parametrize(("used", "replicas"), [(90, 10), (109, 10), (111, 12), (89, 9)])
def test_within_the_tolerance_nothing_changes(used, replicas):
    assert recommended(10, used, 100) == replicas


def test_wishes_are_rounded_up():
    assert recommended(3, 120, 100) == 4  # 3.6


def test_the_default_doubles_or_adds_four_each_period():
    assert [most(replicas) for replicas in (1, 2, 4, 6)] == [5, 6, 8, 12]
    assert least(80) == 0


def test_of_two_policies_the_one_that_changes_more_holds():
    """80 replicas, 10 % or 4 pods a minute: "the autoscaler will scale down by 8 pods in the first minute ... 72 ...
    10 % of 72 is 7.2 but the number is rounded up to 8", and from 40 on 4 pods each time."""
    policies = (Policy("Pods", 4, 60), Policy("Percent", 10, 60))
    assert least(80, policies) == 72
    assert least(72, policies) == 64
    assert least(40, policies) == 36
    assert least(36, policies) == 32
    assert least(3, policies) == 0


def test_pods_go_only_when_the_whole_window_wants_fewer():
    wishes = [(0, 10), (100, 6), (200, 4), (310, 2)]
    assert stabilised(wishes, 310, 300) == 6  # the 10 of second 0 is out of the window
    assert stabilised(wishes, 310, 0) == 2


def test_ten_pods_that_idle_at_four_percent_and_a_bit_settle_at_six():
    """4.2 of 5 %: 10 -> 9 -> 8 -> 7 -> 6, and ceil(6 x 0.84) is 6."""
    assert settled(10, 4.2, 5, 2) == 6
    assert settled(10, 3.3, 5, 2) == 2


def test_the_limit_of_the_defaults():
    assert idle_limit(12.5, 2) == pytest.approx(8.33, abs=0.01)
    assert idle_limit(100, 20) == 90  # the tolerance, below 20/21


@given(st.integers(1, 12), st.integers(1, 60), st.floats(0.1, 1.5))
def test_below_the_limit_every_number_comes_back_and_above_it_none_does(minimum, above, share):
    target = 100.0
    limit = idle_limit(target, minimum)
    used = limit * share
    back = settled(minimum + above, used, target, minimum) == minimum
    if share < 0.999:
        assert back
    elif share > 1.001:
        assert not back
