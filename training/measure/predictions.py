"""Writes the answers of a model to files, and compares them with another model's answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import DataError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.measure.evaluate import Prediction

ROWS, SQUAD = ".jsonl", ".json"
"""Suffixes of files of predictions: with a row a question, and SQuAD's {id: answer}."""


def row(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction for JSON.

    start, end: code points of the context. confidence: as served. no_answer: probability that there is none.
    """
    example, answer = prediction.example, prediction.answer
    return {
        "id": example.id,
        "source": example.source,
        "question": example.question,
        "answer": answer.text,
        "confidence": answer.confidence,
        "start": answer.start,
        "end": answer.end,
        "no_answer": prediction.null_probability,
        "expected": [gold.text for gold in example.answers],
        "exact_match": prediction.scored.exact,
        "f1": prediction.scored.f1,
    }


def write(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write predictions: JSON lines of `row` to a .jsonl file, SQuAD's prediction file to a .json file.

    Raises TrainingError when it can't be written, and DataError when questions of SQuAD's file share an id.
    """
    if path.suffix == ROWS:
        text = "".join(json.dumps(row(prediction), ensure_ascii=False) + "\n" for prediction in predictions)
    elif path.suffix == SQUAD:
        answers = {prediction.example.id: prediction.answer.text for prediction in predictions}
        if len(answers) < len(predictions):
            raise DataError(
                f"{path}: SQuAD's file holds one answer an id, and questions share theirs; name a .jsonl file"
            )
        text = json.dumps(answers, ensure_ascii=False, indent=1) + "\n"
    else:
        raise DataError(f"{path}: name a .jsonl file for a row a question, or a .json file for SQuAD's predictions")
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8. Raises TrainingError when it can't be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{path} could not be written: {error.strerror or error}") from error


def compare(own: Sequence[Prediction], other: Sequence[Prediction]) -> dict[str, Any]:
    """Compare two models' predictions of the same examples, question by question.

    f1: mean difference in points with its standard error. significant: whether chance does not explain it.
    only_own, only_other: the questions that one got right and the other wrong.
    """
    from training.measure.evaluate import gain

    difference = gain(list(own), list(other))
    pairs = list(zip(own, other, strict=True))
    return {
        "f1": round(difference.mean, 3),
        "standard_error": round(difference.standard_error, 3),
        "significant": abs(difference.mean) > difference.chance(0.0),
        "only_own": [_pair(mine, theirs) for mine, theirs in pairs if mine.right and not theirs.right],
        "only_other": [_pair(mine, theirs) for mine, theirs in pairs if theirs.right and not mine.right],
    }


def _pair(own: Prediction, other: Prediction) -> dict[str, Any]:
    kept = ("id", "source", "question", "expected")
    described = row(own)
    return {name: described[name] for name in kept} | {"own": own.answer.text, "other": other.answer.text}


def line(comparison: dict[str, Any]) -> str:
    """Return a comparison as a line of text."""
    verdict = "significant" if comparison["significant"] else "not significant: chance alone makes as much"
    return (
        f"against {comparison['model']}: F1 {comparison['f1']:+.2f} points (standard error "
        f"{comparison['standard_error']:.2f}), {verdict}; {len(comparison['only_own'])} questions are right here and "
        f"wrong there, {len(comparison['only_other'])} the other way round"
    )


def hardest(predictions: Sequence[Prediction], count: int) -> dict[str, Any]:
    """Return the questions to label next as SQuAD JSON, hardest first.

    The most confident wrong answers and the least confident right answers alternate. `why` and `predicted` describe the
    model's answer; the answers are those of the data, to be corrected.
    """
    ranked = sorted(predictions, key=lambda p: p.answer.confidence)
    wrong = [("wrong", p) for p in reversed(ranked) if not p.right]
    unsure = [("unsure", p) for p in ranked if p.right]
    turns = [pick for pair in zip(wrong, unsure, strict=False) for pick in pair]
    rest = wrong[len(unsure) :] + unsure[len(wrong) :]
    return {"version": "v2.0", "data": [_article(why, p) for why, p in [*turns, *rest][:count]]}


def _article(why: str, prediction: Prediction) -> dict[str, Any]:
    example, answer = prediction.example, prediction.answer
    qa = {
        "id": example.id,
        "question": example.question,
        "answers": [{"text": gold.text, "answer_start": gold.start} for gold in example.answers],
        "is_impossible": not example.answers,
        "why": why,
        "predicted": {"text": answer.text, "answer_start": answer.start, "confidence": round(answer.confidence, 4)},
    }
    return {"title": example.title, "paragraphs": [{"context": example.context, "qas": [qa]}]}
