from dataclasses import replace

import pytest

from bento_service.reading.reader import Answer
from training.data import Example, GoldAnswer
from training.measure.evaluate import Prediction
from training.measure.metrics import Scored
from training.measure.slices import answer_length, context_length, misses, question_kind, slices


def example(question="Who?", answers=("x",), context="x" * 10, number=0):
    return Example(str(number), question, context, tuple(GoldAnswer(a, 0) for a in answers), "t", "s")


def prediction(number, confidence, f1, **values):
    e = example(number=number, **values)
    return Prediction(
        e, Answer("said", confidence, 0, 4), Scored(e.id, e.source, bool(e.answers), float(f1 == 1), f1), 0.0
    )


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who founded it?", "who"),
        ("In what year?", "what"),
        ("To whom was it sold?", "who"),
        ("How many bakers?", "how many"),
        ("How much was it?", "how many"),
        ("How did it end?", "how"),
        ("Name the founder.", "other"),
        ("Somewhat late?", "other"),
    ],
)
def test_question_kind(question, kind):
    assert question_kind(example(question)) == kind


@pytest.mark.parametrize(
    ("answers", "length"),
    [
        ((), "no answer"),
        (("the sea",), "1 word"),
        (("a b c d", "b c"), "2 to 3 words"),
        (("b " * 8,), "8 words and more"),
    ],
)
def test_answer_length_is_that_of_the_shortest_without_articles(answers, length):
    assert answer_length(example(answers=answers)) == length


def test_context_length():
    assert context_length(example(context="x" * 500)) == "to 500 characters"
    assert context_length(example(context="x" * 2001)) == "above 2,000 characters"


def test_in_a_script_without_spaces_each_character_of_an_answer_is_a_word():
    assert answer_length(example(answers=("约三千人",), context="约三千人")) == "4 to 7 words"


def test_the_language_is_the_one_that_was_named_or_that_of_the_script():
    german = [replace(prediction(i, 0.5, 1), example=replace(example(), language="de")) for i in range(2)]
    report = slices([*german, prediction(2, 0.5, 1), prediction(3, 0.5, 1, context="约三千人")])
    assert {name: group["total"] for name, group in report["language"].items()} == {"de": 2, "en": 1, "other": 1}


def test_slices_hold_every_question_once():
    report = slices([prediction(0, 0.5, 1), prediction(1, 0.5, 0, question="Why?"), prediction(2, 0.5, 0.5)])
    assert report["question"]["who"] == {"exact_match": 50.0, "f1": 75.0, "total": 2}
    assert all(sum(group["total"] for group in groups.values()) == 3 for groups in report.values())


def test_the_worst_misses_are_the_wrong_answers_given_most_confidently():
    worst = misses([prediction(i, i / 100, 0.4) for i in range(40)] + [prediction(99, 1.0, 1)])
    assert [row["id"] for row in worst] == [str(i) for i in range(39, 19, -1)]
    assert worst[0]["answer"] == "said"
    assert worst[0]["expected"] == ["x"]
