"""Hand-made logits whose true chances are known, so that the settings which make them true are known too."""

from dataclasses import replace

import pytest

from tests.readings import SETTINGS, reading
from training.measure.evaluate import predict
from training.measure.fit import calibration_errors, fit, with_share


def readings(scale, count=80):
    """Of four answers at odds of 3 to 1, three are right."""
    return [reading(i, odds=3, gold="bb" if i % 4 == 0 else "aa", scale=scale) for i in range(count)]


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_the_temperature_undoes_what_makes_scores_too_great_or_too_small(scale):
    fitted_to = readings(scale, count=160)
    fitted = fit(fitted_to, SETTINGS)
    assert fitted.temperature == 1 if scale == 1 else min(scale, 1) < fitted.temperature < max(scale, 1)
    true, confidence, unfitted = (
        sum(reading.answers(settings)[0].confidence for _, reading in fitted_to) / len(fitted_to)
        for settings in (SETTINGS.model_copy(update={"temperature": scale}), fitted, SETTINGS)
    )
    assert true == pytest.approx(0.75, abs=0.001)
    assert abs(confidence - true) <= 0.7 * abs(unfitted - true)


def test_the_temperature_is_that_of_the_questions_which_several_people_answered():
    def answered_by(people, count, scale):
        return [
            (replace(example, id=f"{people} {example.id}", answers=example.answers * people), reading)
            for example, reading in readings(scale, count)
        ]

    mixed = answered_by(1, 160, scale=1.0) + answered_by(2, 160, scale=2.0)
    assert fit(mixed, SETTINGS).temperature == fit(answered_by(2, 160, scale=2.0), SETTINGS).temperature > 1
    assert fit(answered_by(1, 160, scale=1.0), SETTINGS).temperature == 1


def test_the_calibration_error_after_fitting_is_that_of_unseen_questions():
    errors = calibration_errors(readings(2.0, count=320), SETTINGS)
    # Odds of 3 ** 2 = 9 mean a confidence of 0.9 where 3 of 4 are right.
    assert errors["before"] == pytest.approx(0.15, abs=0.001)
    assert errors["after"] < 0.1
    assert sum(b["total"] for b in errors["bins"]) == 320


def test_no_answer_parts_the_unanswerable_from_the_rest():
    # Best span 0 + 0 either way (odds of 1); null scores -14 where there is an answer, -8 where there is none.
    some = [reading(i, odds=1, gold="aa" if i % 2 else "", null=-7.0 if i % 2 else -4.0) for i in range(40)]
    said = [not p.answer.text for p in predict(some, fit(some, SETTINGS))]
    assert said == [not example.answers for example, _ in some]
    assert not any(not p.answer.text for p in predict(some, SETTINGS))


def test_the_probability_of_no_answer_is_that_of_the_questions():
    # The null score of all is far below the best span's, yet every fourth question has no answer.
    some = [reading(i, odds=1e6, gold="" if i % 4 == 0 else "aa", null=-10.0) for i in range(200)]
    fitted = fit(some, SETTINGS)
    answer, *_ = predict(some, fitted, allow_no_answer=True)
    assert answer.answer.text == "aa"
    assert answer.answer.confidence == pytest.approx(0.75, abs=0.02)
    errors = calibration_errors(some, SETTINGS, allow_no_answer=True)
    assert errors["before"] == pytest.approx(0.25, abs=0.01)
    assert errors["after"] < 0.1
    assert calibration_errors(readings(1.0), SETTINGS, allow_no_answer=True) == {}


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_probability_of_no_answer_is_that_of_the_share_that_is_expected(share):
    some = [reading(i, odds=1e6, gold="" if i % 4 == 0 else "aa", null=-10.0) for i in range(400)]
    assert sum(not example.answers for example, _ in with_share(some, share)) / len(with_share(some, share)) == share
    answer, *_ = predict(some, fit(some, SETTINGS, share), allow_no_answer=True)
    assert answer.answer.confidence == pytest.approx(max(share, 1 - share), abs=0.02)
    errors = calibration_errors(some, SETTINGS, allow_no_answer=True, no_answer_share=share)
    assert errors["before"] == pytest.approx(share, abs=0.01)
    assert errors["after"] < 0.1


def test_no_answer_is_fitted_to_sources_that_have_both_kinds():
    both = [reading(i, odds=1e6, gold="" if i % 4 == 0 else "aa") for i in range(40)]
    answered = [(replace(example, source="answered"), own) for example, own in readings(1.0)]
    assert {example.source for example, _ in with_share(both + answered, 0.5)} == {both[0][0].source}
    unanswered = [(replace(example, source="unanswered"), own) for example, own in both[::4]]
    assert len(with_share(answered + unanswered, 0.5)) == 20


def test_without_unanswerable_questions_no_answer_stays_as_it_is():
    settings = SETTINGS.model_copy(update={"null_scale": 0.5, "null_shift": 2.5})
    fitted = fit(readings(1.0), settings)
    assert (fitted.null_scale, fitted.null_shift) == (0.5, 2.5)


def test_nothing_to_fit_changes_nothing():
    assert fit([], SETTINGS) == SETTINGS
    assert calibration_errors([], SETTINGS) == {}
