"""Error analysis: metrics by kind of question and by length of answer and context, and the worst misses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from training.measure.metrics import language_of, summary, words

if TYPE_CHECKING:
    from training.data import Example
    from training.measure.evaluate import Prediction

_KIND = re.compile(r"\b(how (?:many|much)|how|who|whom|whose|what|which|when|where|why)\b", re.IGNORECASE)
_SAME = {"whom": "who", "whose": "who", "how much": "how many"}
_WORDS = ((1, "1 word"), (3, "2 to 3 words"), (7, "4 to 7 words"))
_CHARACTERS = ((500, "to 500 characters"), (1000, "to 1,000 characters"), (2000, "to 2,000 characters"))


def question_kind(example: Example) -> str:
    """Return the first question word, lower case; "other" without one."""
    match = _KIND.search(example.question)
    word = match.group().lower() if match else "other"
    return _SAME.get(word, word)


def answer_length(example: Example) -> str:
    """Return how many words the shortest answer has, as a range."""
    if not example.answers:
        return "no answer"
    least = min(max(1, len(words(answer.text, language(example)))) for answer in example.answers)
    return next((name for most, name in _WORDS if least <= most), "8 words and more")


def context_length(example: Example) -> str:
    """Return how many characters the context has, as a range."""
    return next((name for most, name in _CHARACTERS if len(example.context) <= most), "above 2,000 characters")


def language(example: Example) -> str:
    """Return the language by whose rules the answer is compared."""
    return example.language or language_of(example.context)


SLICES: dict[str, Callable[[Example], str]] = {
    "question": question_kind,
    "answer length": answer_length,
    "context length": context_length,
    "language": language,
}


def slices(predictions: Iterable[Prediction]) -> dict[str, dict[str, dict[str, float]]]:
    """Return {slice: {value: `metrics.summary`}} of the predictions, largest group first."""
    predictions = list(predictions)
    report: dict[str, dict[str, dict[str, float]]] = {}
    for name, value_of in SLICES.items():
        groups: dict[str, list[Prediction]] = {}
        for prediction in predictions:
            groups.setdefault(value_of(prediction.example), []).append(prediction)
        ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
        report[name] = {value: summary(p.scored for p in group) for value, group in ordered}
    return report


def misses(predictions: Iterable[Prediction], count: int = 20) -> list[dict[str, Any]]:
    """Return the wrong answers that were given with the greatest confidence, worst first."""
    wrong = sorted((p for p in predictions if not p.right), key=lambda p: -p.answer.confidence)
    return [
        {
            "id": p.example.id,
            "source": p.example.source,
            "question": p.example.question,
            "expected": list(dict.fromkeys(answer.text for answer in p.example.answers)),
            "answer": p.answer.text,
            "confidence": round(p.answer.confidence, 4),
            "f1": round(p.scored.f1, 4),
        }
        for p in wrong[:count]
    ]
