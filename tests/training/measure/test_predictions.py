"""Predictions as files, beside another model's, and the hardest ones; scores agree with torchmetrics."""

import json
from collections.abc import Callable

import pytest

from tests.readings import SETTINGS, reading
from training import data
from training.errors import DataError, TrainingError
from training.measure.evaluate import predict
from training.measure.metrics import Scored, language_of, score, summary
from training.measure.predictions import compare, hardest, line, write


def predictions(*odds_and_golds, **more):
    return predict(
        [reading(i, odds=odds, gold=gold, **more) for i, (odds, gold) in enumerate(odds_and_golds)], SETTINGS
    )


def test_a_row_a_question_is_written_in_order_with_offsets_of_the_context(tmp_path):
    write(tmp_path / "all.jsonl", predictions((3, "aa"), (3, "bb")))
    first, second = map(json.loads, (tmp_path / "all.jsonl").read_text().splitlines())
    assert first == {
        "id": "0",
        "source": "s",
        "question": "?",
        "answer": "aa",
        "confidence": pytest.approx(0.75),
        "start": 0,
        "end": 2,
        "no_answer": pytest.approx(0),
        "expected": ["aa"],
        "exact_match": 1,
        "f1": 1,
    }
    assert (second["id"], second["f1"]) == ("1", 0)


def test_squads_prediction_file_has_one_answer_an_id(tmp_path):
    write(tmp_path / "squad.json", predictions((3, "aa"), (1 / 3, "")))
    assert json.loads((tmp_path / "squad.json").read_text()) == {"0": "aa", "1": "bb"}
    with pytest.raises(DataError, match="questions share theirs"):
        write(tmp_path / "twice.json", predictions((3, "aa")) * 2)


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match=r"name a \.jsonl file"):
        write(tmp_path / "answers.txt", [])
    with pytest.raises(TrainingError, match="could not be written: No such file"):
        write(tmp_path / "none" / "answers.json", [])


def test_two_models_are_compared_question_by_question():
    golds = [(3, "aa")] * 30 + [(3, "bb")] * 2
    better = predictions(*golds)
    worse = predictions(*((1 / odds, gold) for odds, gold in golds))
    found = compare(better, worse)
    # Differences of 100 points, 30 times, and of -100, twice.
    assert found["f1"] == 87.5
    assert found["significant"]
    assert len(found["only_own"]) == 30
    assert found["only_other"][0] == {
        "id": "30",
        "source": "s",
        "question": "?",
        "expected": ["bb"],
        "own": "aa",
        "other": "bb",
    }
    text = line({"model": "m:1", **found})
    assert text.startswith(
        "against m:1: F1 +87.50 points (standard error 8.56), significant; 30 questions are right here"
    )
    even = compare(predictions((3, "aa"), (3, "bb"), (3, "aa")), predictions((1, "aa"), (1 / 3, "bb"), (1 / 3, "aa")))
    assert not even["significant"]
    assert "not significant" in line({"model": "m:1", **even})


def test_the_hardest_are_the_most_confident_that_are_wrong_and_the_least_confident(tmp_path):
    # Confidences 0.75, 0.9 and 0.6; the first two are wrong.
    content = hardest(predictions((3, "bb"), (9, "bb"), (1.5, "aa"), (4, "aa")), 3)
    (tmp_path / "next.json").write_text(json.dumps(content))
    assert [example.id for example in data.load([str(tmp_path / "next.json")])] == ["1", "2", "0"]
    qas = [article["paragraphs"][0]["qas"][0] for article in content["data"]]
    assert [qa["why"] for qa in qas] == ["wrong", "unsure", "wrong"]
    assert qas[0]["predicted"] == {"text": "aa", "answer_start": 0, "confidence": pytest.approx(0.9, abs=0.001)}


def test_scores_are_torchmetrics_scores_to_the_last_digit():
    """On English; other languages have rules of their own here."""
    squad = pytest.importorskip("torchmetrics.text", reason="make test installs it").SQuAD()
    examples = [e for e in data.load(["sample"]) if e.answers and language_of(e.context) == "en"]
    # Answers that are right, in another case, with an article and a mark, that overlap, and that are wrong.
    changes: list[Callable[[str], str]] = [
        str,
        str.upper,
        lambda t: f"the {t}!",
        lambda t: t.partition(" ")[0],
        lambda t: f"{t} of it",
        lambda t: "-",
    ]
    predicted = [changes[i % len(changes)](e.answers[-1].text) for i, e in enumerate(examples)]
    assert len(examples) > 100
    golds = [[gold.text for gold in e.answers] for e in examples]
    own = summary(
        Scored(e.id, e.source, True, *score(text, texts))
        for e, text, texts in zip(examples, predicted, golds, strict=True)
    )
    squad.update(
        [{"prediction_text": text, "id": e.id} for e, text in zip(examples, predicted, strict=True)],
        [
            {"answers": {"text": texts, "answer_start": [0] * len(texts)}, "id": e.id}
            for e, texts in zip(examples, golds, strict=True)
        ],
    )
    theirs = {name: round(float(value), 3) for name, value in squad.compute().items()}
    assert theirs == {name: own[name] for name in ("exact_match", "f1")}
