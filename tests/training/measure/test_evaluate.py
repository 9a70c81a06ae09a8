from dataclasses import replace

import pytest

from tests.readings import SETTINGS, reading
from training.data import Example, GoldAnswer
from training.measure.evaluate import Gain, evaluate, gain, predict, read, table


def test_on_questions_with_answers_throughout_a_span_is_always_chosen():
    # The null score is far above the spans'; "aa" is right in two of three.
    report = evaluate([reading(i, odds=3, gold=gold, null=9.0) for i, gold in enumerate(("aa", "aa", "bb"))], SETTINGS)
    assert report["overall"] == {"exact_match": pytest.approx(66.667), "f1": pytest.approx(66.667), "total": 3}
    assert "no_answer" not in report
    assert report["confidence"]["bins"] == [{"confidence": 0.75, "right": 0.6667, "total": 3}]


def test_on_mixed_questions_what_is_said_what_is_forced_and_the_decision_are_told_apart():
    # Null scores 4 and -4 against log 3 of "aa". Said: "" (wrong), "" (right), "aa" (right), "aa" (wrong).
    golds, nulls = ("aa", "", "aa", ""), (2.0, 2.0, -2.0, -2.0)
    mixed = [reading(i, odds=3, gold=gold, null=null) for i, (gold, null) in enumerate(zip(golds, nulls, strict=True))]
    report = evaluate(mixed, SETTINGS)
    assert [report["overall"][name] for name in ("f1", "HasAns_f1", "NoAns_f1")] == [50, 50, 50]
    assert report["forced"]["overall"] == {"exact_match": 100, "f1": 100, "total": 2}
    assert report["no_answer"] == {"roc_auc": 0.5, "HasAns_accuracy": 50, "NoAns_accuracy": 50}
    assert "50.0 % of the unanswerable questions and 50.0 % of the answerable" in table(report)


def test_sources_are_told_apart_also_where_an_answer_is_forced():
    rows = [reading(i, odds=3, gold=gold, null=2.0) for i, gold in enumerate(("aa", "bb", ""))]
    sources = ("books", "logs", "logs")
    report = evaluate([(replace(e, source=s), r) for (e, r), s in zip(rows, sources, strict=True)], SETTINGS)
    assert {name: figures["f1"] for name, figures in report["forced"]["sources"].items()} == {"books": 100, "logs": 0}
    lines = [" ".join(line.split()) for line in table(report).splitlines()]
    assert lines[lines.index("answerable, an answer forced 2 50.00 50.00") + 1] == "books 1 100.00 100.00"


def test_unanswerable_questions_alone_have_nothing_to_force():
    report = evaluate([reading(0, odds=3, gold="", null=2.0)], SETTINGS)
    assert report["no_answer"] == {"NoAns_accuracy": 100}
    assert "forced" not in report
    assert "100.0 % of the unanswerable" in table(report)


def test_the_calibration_error_is_told_with_and_without_the_temperature():
    # Odds of 3 give a confidence of 0.75, at temperature 2 of sqrt(3) / (1 + sqrt(3)) = 0.634; none is right.
    settings = SETTINGS.model_copy(update={"temperature": 2.0})
    confidence = evaluate([reading(0, odds=3, gold="bb")], settings)["confidence"]
    assert confidence["calibration_error"] == pytest.approx(0.634, abs=1e-3)
    assert confidence["unfitted_calibration_error"] == pytest.approx(0.75, abs=1e-3)


def test_a_gain_is_the_mean_of_the_differences_with_its_standard_error():
    golds = ("aa", "aa", "bb", "aa")
    better = predict([reading(i, odds=3, gold=gold) for i, gold in enumerate(golds)], SETTINGS)
    worse = predict([reading(i, odds=1 / 3, gold=gold) for i, gold in enumerate(golds)], SETTINGS)
    # Differences of 100, 100, -100 and 100 points.
    assert gain(better, worse) == Gain(mean=50, standard_error=7500**0.5 / 2, baseline_f1=25, total=4)


def test_a_question_that_is_too_long_counts_as_unanswered(tiny_model):
    from bento_service import artifact

    reader = artifact.load(tiny_model).reader()
    long, short = (
        Example(str(i), question, "because of it", (GoldAnswer("because of it", 0),), "t", "s")
        for i, question in enumerate(("why " * 400, "why?"))
    )
    assert [bool(reading.logits[0][0].size > 3) for _, reading in read(reader, [long, short])] == [False, True]
    assert evaluate(read(reader, [long]), reader.settings)["overall"]["f1"] == 0
