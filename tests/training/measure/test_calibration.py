import numpy as np
import pytest

from training.measure.calibration import (
    best_temperature,
    calibration_error,
    confidence,
    coverage,
    error_by_chance,
    log_losses,
    no_answer,
    platt_scaling,
    roc_auc,
)


def flags(*values):
    return np.array(values, dtype=bool)


def test_calibration_error_weighs_the_gap_of_each_bin_by_its_answers():
    # Bin 0.9 to 1: confidence 0.95, right 2 of 4, gap 0.45. Bin 0.2 to 0.3: 0.25, right 1 of 1, gap 0.75.
    # (4 * 0.45 + 1 * 0.75) / 5 = 0.51.
    confidences = np.array([0.95, 0.95, 0.95, 0.95, 0.25])
    assert calibration_error(confidences, flags(1, 1, 0, 0, 1)) == pytest.approx(0.51)


@pytest.mark.parametrize("total", [30, 300])
def test_few_answers_show_more_than_the_true_error(total):
    # Of answers at 0.5 in one bin: 0.1 off, and two standard errors of a share of 0.4, 2 * sqrt(0.24 / n), beside it.
    bins = [{"confidence": 0.5, "right": 0.2, "total": total}]
    assert error_by_chance(bins, 0.1) == pytest.approx(0.1 + 2 * (0.24 / total) ** 0.5, abs=0.02)
    # Perfectly calibrated: beyond 2.28 standard errors, on either side.
    assert error_by_chance(bins, 0.0) == pytest.approx(2.28 * (0.25 / total) ** 0.5, abs=0.02)


def test_certain_and_right_is_no_error_and_in_the_last_bin():
    report = confidence(np.ones(3), flags(1, 1, 1))
    assert report["calibration_error"] == 0
    assert report["bins"] == [{"confidence": 1.0, "right": 1.0, "total": 3}]


def test_coverage_takes_the_most_confident_first():
    # The 5 of 10 most confident hold one wrong answer, the 0.6.
    confidences = np.linspace(0.1, 1, 10)
    rows = {row["answered"]: row for row in coverage(confidences, confidences > 0.65)}
    assert rows[0.4] == {"answered": 0.4, "right": 1.0, "confidence": 0.7}
    assert rows[0.5] == {"answered": 0.5, "right": 0.8, "confidence": 0.6}
    assert rows[1.0]["right"] == 0.4


def test_roc_auc_counts_ordered_pairs_and_half_the_ties():
    # Positives 3 and 1 against negatives 2 and 1: 3 > 2, 3 > 1, 1 < 2, 1 = 1: (1 + 1 + 0 + 1/2) / 4.
    assert roc_auc(np.array([3.0, 1.0, 2.0, 1.0]), flags(1, 1, 0, 0)) == pytest.approx(2.5 / 4)


def test_log_loss_is_least_at_the_true_chance():
    right = flags(1, 1, 1, 0)
    losses = {chance: log_losses(np.full(4, chance), right).mean() for chance in (0.6, 0.75, 0.9)}
    assert min(losses, key=losses.__getitem__) == 0.75
    assert losses[0.75] == pytest.approx(-(3 * np.log(0.75) + np.log(0.25)) / 4)


def losses_by_temperature(scale, count):
    """Of answers at odds of 3 to 1, whose scores are `scale` times too great."""
    right = np.arange(count) % 4 != 0
    sure = {t: 1 / (1 + 3 ** (-scale / t)) for t in np.geomspace(0.5, 4, 25)}
    return {t: log_losses(np.full(count, chance), right) for t, chance in sure.items()}


@pytest.mark.parametrize("scale", [0.7, 1.0, 2.0])
def test_best_temperature_undoes_what_many_answers_show(scale):
    assert best_temperature(losses_by_temperature(scale, 4000)) == pytest.approx(scale, rel=0.05)


def test_best_temperature_stays_at_1_as_long_as_that_may_be_true():
    assert best_temperature(losses_by_temperature(1.2, 100)) == pytest.approx(1)
    # One right answer is no proof that confidence may be 1.
    assert best_temperature({0.5: np.array([0.01]), 1.0: np.array([0.1]), 2.0: np.array([0.4])}) == 1


def test_platt_scaling_finds_the_scale_and_the_shift_of_log_odds():
    # Of 400 at each of seven log-odds, as many are positive as twice the log-odds less 1 say.
    odds = np.repeat(np.arange(-3, 4), 400).astype(float)
    chance = 1 / (1 + np.exp(-(2 * odds - 1)))
    positive = np.tile(np.arange(400), 7) < 400 * chance
    assert list(platt_scaling(odds, positive)) == pytest.approx([2, -1], rel=0.05)


def test_platt_scaling_stays_finite_where_a_threshold_parts_all():
    scale, _ = platt_scaling(np.array([-2.0, -1.0, 1.0, 2.0, np.inf]), flags(0, 0, 1, 1, 1))
    assert 0 < scale < 10


def test_log_odds_that_point_the_wrong_way_count_nothing():
    # One of four is positive: (1 + 1/2) / (3 + 1/2).
    scale, shift = platt_scaling(np.array([-9.0, 1.0, 2.0, 3.0]), flags(1, 0, 0, 0))
    assert [scale, shift] == pytest.approx([0, np.log(1.5 / 3.5)])


def test_no_answer_reports_both_sides():
    report = no_answer(np.array([-1.0, 2.0, 1.0, 3.0]), flags(0, 1, 1, 1), flags(0, 0, 1, 1))
    assert report == {"roc_auc": 0.75, "HasAns_accuracy": 50.0, "NoAns_accuracy": 100.0}


def test_no_answer_of_unanswerable_questions_alone_has_one_figure():
    assert no_answer(np.array([1.0, 2.0]), flags(1, 0), flags(1, 1)) == {"NoAns_accuracy": 50.0}
