import pytest

from training.config import GateSettings
from training.errors import GateError
from training.measure.evaluate import Gain
from training.measure.gate import checks, judge


def checks_of(error=0.05, served=None, production=None, sources=None, **settings):
    sources = {name: {"f1": f1} for name, f1 in (sources or {"s": 80.0}).items()}
    return list(checks(GateSettings(**settings), sources, error, served, production))


def gain(mean, standard_error=0.0):
    return Gain(mean, standard_error, baseline_f1=80.0)


def failed(results):
    return [check.figure for check in results if not check.passed]


def test_a_good_model_passes():
    results = checks_of(served=gain(-0.5), production=gain(-0.9))
    assert len(results) == 4
    assert failed(results) == []
    judge(results)


def test_every_source_has_its_own_floor_and_the_star_stands_for_the_others():
    results = checks_of(sources={"wiki": 59.9, "mine": 41.0, "other": 39.0}, min_f1={"wiki": 60, "*": 40})
    assert failed(results) == ["F1 on wiki", "F1 on other"]


def test_int8_may_lose_a_hundredth():
    assert failed(checks_of(served=gain(-0.8))) == []
    assert failed(checks_of(served=gain(-0.9))) == ["F1 as served over F1 in full precision"]


def test_a_loss_against_production_beyond_the_tolerance_is_refused():
    assert failed(checks_of(production=gain(-1.5))) == ["F1 lost against the model in production"]
    assert failed(checks_of(production=gain(-1.5), max_f1_loss=2)) == []


def test_what_chance_explains_is_no_reason_to_refuse():
    assert failed(checks_of(served=gain(-2.0, 0.7), production=gain(-2.0, 0.7))) == []
    assert failed(checks_of(served=gain(-2.0, 0.5))) == ["F1 as served over F1 in full precision"]
    assert failed(checks_of(production=gain(-2.0, 0.4))) == ["F1 lost against the model in production"]


def test_without_answerable_questions_there_is_no_calibration_to_check():
    assert len(checks_of(error=None)) == len(checks_of()) - 1


def test_a_refusal_names_every_figure_that_missed_and_by_how_much():
    with pytest.raises(GateError) as refusal:
        judge(checks_of(sources={"s": 31.5}, error=0.17, served=gain(-8.0, 1.0), production=gain(0.0)))
    message = str(refusal.value)
    assert "F1 on s is 31.500, at least 40.000 is asked, 8.500 too low" in message
    assert "expected calibration error is 0.170, at most 0.150 is asked, 0.020 too high" in message
    assert "full precision is 0.900 (chance: 0.025), at least 0.990 is asked, 0.065 too low" in message
    assert "production" not in message
    assert refusal.value.exit_code == 7
