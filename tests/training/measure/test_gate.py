import pytest

from training.config import GateSettings
from training.errors import GateError
from training.measure.evaluate import Gain
from training.measure.gate import checks, judge

MANY = 10**6
"""Questions enough that nothing is chance."""


def summaries(f1_by_source, total):
    return {name: {"f1": f1, "total": total} for name, f1 in f1_by_source.items()}


def checks_of(
    error=0.05,
    served=None,
    production=None,
    base=None,
    sources=None,
    before=None,
    base_error=0.05,
    total=MANY,
    **settings,
):
    # One bin: its gap is the calibration error.
    bins = [] if error is None else [{"confidence": 0.75, "right": 0.75 - error, "total": total}]
    calibration = {} if error is None else {"after": error, "bins": bins}
    figures = summaries(sources or {"s": 80.0}, total)
    if before is not None:
        before = {"sources": summaries(before, total), "calibration_error": {"after": base_error}}
    return list(checks(GateSettings(**settings), figures, calibration, served, production, base, before))


def gain(mean, standard_error=0.0, total=MANY):
    return Gain(mean, standard_error, 80.0, total)


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


def test_a_source_that_has_no_floor_needs_40_or_what_the_base_model_has_there():
    assert failed(checks_of(sources={"s": 39.0})) == ["F1 on s"]
    assert failed(checks_of(sources={"s": 31.0}, before={"s": 30.0})) == []
    assert failed(checks_of(sources={"s": 31.0}, before={"s": 32.0})) == ["F1 on s"]
    assert failed(checks_of(sources={"s": 39.0}, before={"s": 60.0})) == ["F1 on s"]
    assert failed(checks_of(sources={"s": 31.0}, before={"s": 30.0}, min_f1={"*": 40})) == ["F1 on s"]


def test_confidence_need_not_be_truer_than_the_base_models_unless_that_is_asked_for():
    found = {"error": 0.3, "before": {"s": 80.0}}
    assert failed(checks_of(**found, base_error=0.3)) == []
    assert failed(checks_of(**found, base_error=0.25)) == ["expected calibration error"]
    assert failed(checks_of(**found, base_error=0.3, max_calibration_error=0.15)) == ["expected calibration error"]


def test_a_model_that_training_made_worse_is_refused():
    assert failed(checks_of(base=gain(-0.9))) == []
    assert failed(checks_of(base=gain(-1.5))) == ["F1 lost against the base model"]


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


@pytest.mark.parametrize(("f1", "total", "kept"), [(36, 200, True), (36, 2000, False), (0, 5, True), (0, 8, False)])
def test_a_floor_is_missed_only_beyond_chance(f1, total, kept):
    # Two standard errors at 40 %: 2 * sqrt(0.4 * 0.6 / n), 6.9 points of 200 questions, 2.2 of 2000, 43.8 of 5.
    assert (failed(checks_of(sources={"s": f1}, total=total)) == []) is kept


@pytest.mark.parametrize(
    ("error", "total", "kept"), [(0.166, 34, True), (0.3, 34, True), (0.166, 30_000, False), (0.4, 34, False)]
)
def test_a_calibration_error_is_missed_only_beyond_chance(error, total, kept):
    # 0.15 true: two standard errors of a share of 0.6 are 0.168 of 34 answers, 0.006 of 30,000.
    assert (failed(checks_of(error=error, total=total)) == []) is kept


def test_a_loss_on_a_handful_of_questions_proves_nothing():
    # Every question lost alike has no spread, and two of them are no proof yet.
    assert failed(checks_of(base=gain(-30.0, total=2))) == []
    assert failed(checks_of(base=gain(-30.0, total=20))) == ["F1 lost against the base model"]


def test_what_may_be_chance_is_a_warning_that_names_how_many_questions_decide(caplog):
    (floor,) = (check for check in checks_of(sources={"s": 36.0}, total=200) if check.figure == "F1 on s")
    # 6.93 points of chance shrink to the 4 that are missing on 200 * (6.93 / 4) ** 2 = 600 questions.
    assert floor.deciding == 600
    judge([floor])
    (record,) = caplog.records
    assert "of 200 questions that may be chance, some 600 would decide it: measure on more" in record.getMessage()
    assert checks_of(sources={"s": 41.0}, total=200)[0].deciding is None


def test_without_answerable_questions_there_is_no_calibration_to_check():
    assert len(checks_of(error=None)) == len(checks_of()) - 1


def test_the_calibration_error_with_no_answer_allowed_has_the_same_bound():
    for error, refused in ((0.16, ['expected calibration error with "no answer" allowed']), (0.15, [])):
        bins = [{"confidence": 0.75, "right": 0.75 - error, "total": MANY}]
        calibration = {"after": error, "bins": bins}
        assert failed(checks(GateSettings(), {}, {}, None, None, no_answer_calibration=calibration)) == refused


def test_a_refusal_names_every_figure_that_missed_and_by_how_much():
    with pytest.raises(GateError) as refusal:
        judge(checks_of(sources={"s": 31.5}, error=0.17, served=gain(-8.0, 1.0), production=gain(0.0)))
    message = str(refusal.value)
    assert "F1 on s is 31.500 (chance: 0.098), at least 40.000 is asked, 8.402 too low" in message
    assert "expected calibration error is 0.170 (chance: 0.001), at most 0.150 is asked, 0.019 too high" in message
    assert "full precision is 0.900 (chance: 0.025), at least 0.990 is asked, 0.065 too low" in message
    for flag in ("--min-f1 s=31", "--min-served-ratio 0.9", "--max-calibration-error 0.17"):
        assert flag in message
    assert "production" not in message
    assert refusal.value.exit_code == 7
