"""Evaluates a model on any data source, through the reader that serves `/answer`."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from bento_service.errors import QuestionTooLong
from bento_service.reading.reader import Answer, Query, Reader, ReaderSettings, Reading
from training.data import Example
from training.measure import calibration
from training.measure.metrics import Scored, language_of, score, summary

logger = logging.getLogger(__name__)

BATCH = 32
"""Questions handed to the reader at once."""

CHANCE = 2.0
"""Standard errors that count as chance; by chance alone, a figure is off by more in 2 % of cases."""
RIGHT = 0.5
"""Least F1 of a right answer. `confidence` is the probability of that."""


Readings = list[tuple[Example, Reading]]
"""Each example with the logits of its windows, to be decoded under any reader settings.

The queries force an answer; `predict` allows "no answer" on request.
"""


@dataclass(frozen=True)
class Prediction:
    """A model's answer to an example, and its exact match and F1. null_probability: that there is no answer."""

    example: Example
    answer: Answer
    scored: Scored
    null_probability: float

    @property
    def right(self) -> bool:
        """Whether the answer is right. Its confidence is the probability of that."""
        return self.scored.f1 >= RIGHT


@dataclass(frozen=True)
class Gain:
    """The mean difference of two models' F1 on the same questions, in points.

    standard_error: of the mean of the questions' differences. baseline_f1: of the second model. total: questions.
    """

    mean: float
    standard_error: float
    baseline_f1: float
    total: int

    def chance(self, bound: float) -> float:
        """Return how far the mean may be from a true mean of `bound` points by chance."""
        return CHANCE * float(np.sqrt(self.standard_error**2 + (self.mean - bound) ** 2 / self.total))


def read(reader: Reader, examples: list[Example], *, progress: bool = False) -> Readings:
    """Run the reader's engine over the examples. A question that is too long for a window counts as an empty one."""
    readings: Readings = []
    with tqdm(total=len(examples), desc="evaluate", unit="question", disable=not progress) as bar:
        for first in range(0, len(examples), BATCH):
            batch = examples[first : first + BATCH]
            readings += zip(batch, _readings(reader, [Query(e.question, e.context) for e in batch]), strict=True)
            bar.update(len(batch))
    return readings


def _readings(reader: Reader, queries: list[Query]) -> list[Reading]:
    try:
        return reader.read(queries)
    except QuestionTooLong:
        if len(queries) > 1:
            return [reading for query in queries for reading in _readings(reader, [query])]
        logger.warning("a question is too long for a window and counts as unanswered")
        return reader.read([replace(queries[0], question="", context="")])


def predict(readings: Readings, settings: ReaderSettings, *, allow_no_answer: bool | None = None) -> list[Prediction]:
    """Decide each reading under the settings, and score the answer.

    allow_no_answer: None allows "no answer" if some examples are unanswerable, as in SQuAD 2.0. If all are answerable,
    as in SQuAD 1.1, a span is always chosen.
    """
    if allow_no_answer is None:
        allow_no_answer = any(not example.answers for example, _ in readings)
    predictions = []
    for example, reading in readings:
        reading = replace(reading, query=replace(reading.query, allow_no_answer=allow_no_answer))
        decoded = reading.decode(settings)
        (answer,) = reading.decide(decoded, settings)
        golds = [gold.text for gold in example.answers]
        exact, f1 = score(answer.text, golds, example.language or language_of(example.context))
        scored = Scored(example.id, example.source, bool(example.answers), exact, f1)
        null_probability = decoded.null_probability(settings.null_scale, settings.null_shift)
        predictions.append(Prediction(example, answer, scored, null_probability))
    return predictions


def gain(candidate: list[Prediction], baseline: list[Prediction]) -> Gain:
    """Compare two models' predictions of the same examples, at least one."""
    f1, baseline_f1 = (100 * np.array([p.scored.f1 for p in predictions]) for predictions in (candidate, baseline))
    difference = f1 - baseline_f1
    error = float(difference.std() / np.sqrt(len(difference)))
    return Gain(float(difference.mean()), error, float(baseline_f1.mean()), len(difference))


def evaluate(readings: Readings, settings: ReaderSettings) -> dict[str, Any]:
    """Return the metrics of a model on some examples.

    overall, sources: `metrics.summary` of the predictions. confidence: `calibration.confidence`, and the calibration
    error without fitted settings. forced, no_answer: only if some examples are unanswerable. forced: the same figures
    on answerable examples, with "no answer" not allowed. no_answer: `calibration.no_answer`.
    """
    predictions = predict(readings, settings)
    report = _summarise(predictions, predict(readings, _unfitted(settings)))
    answerable = [(example, reading) for example, reading in readings if example.answers]
    if len(answerable) < len(readings):
        if answerable:
            report["forced"] = _summarise(predict(answerable, settings), predict(answerable, _unfitted(settings)))
        report["no_answer"] = calibration.no_answer(
            np.array([p.null_probability for p in predictions]),
            np.array([not p.answer.text for p in predictions]),
            np.array([not p.example.answers for p in predictions]),
        )
    return report


def _summarise(predictions: list[Prediction], unfitted: list[Prediction]) -> dict[str, Any]:
    confidence = calibration.confidence(*confidences(predictions))
    confidence["unfitted_calibration_error"] = round(calibration.calibration_error(*confidences(unfitted)), 4)
    sources = dict.fromkeys(p.example.source for p in predictions)
    return {
        "overall": summary(p.scored for p in predictions),
        "confidence": confidence,
        "sources": {source: summary(p.scored for p in predictions if p.example.source == source) for source in sources},
    }


def confidences(predictions: list[Prediction]) -> tuple[calibration.Floats, calibration.Flags]:
    """Return the confidence of every prediction, and whether it is right, for `calibration`."""
    return np.array([p.answer.confidence for p in predictions]), np.array([p.right for p in predictions])


def _unfitted(settings: ReaderSettings) -> ReaderSettings:
    return settings.model_copy(update={"temperature": 1.0, "null_scale": 1.0, "null_shift": 0.0})


def table(report: dict[str, Any]) -> str:
    """Return an evaluation as text: a line for each source and group, then confidence and "no answer"."""
    rows = _by_source("overall", report)
    if "forced" in report:
        rows += _by_source("answerable, an answer forced", report["forced"])
    for name, groups in report.get("slices", {}).items():
        rows += [row for value, metrics in groups.items() for row in _rows(f"{name}: {value}", metrics)]
    headers = ("", "questions", "exact match", "F1")
    lines = [tabulate(rows, headers, tablefmt="plain", floatfmt=".2f", colalign=("left", "right", "right", "right"))]
    lines += _confidence_lines(report["confidence"])
    if "no_answer" in report:
        lines += [_no_answer_line(**report["no_answer"])]
    return "\n".join(lines)


def _by_source(title: str, report: dict[str, Any]) -> list[tuple[str, int, float, float]]:
    sources = report["sources"] if len(report["sources"]) > 1 else {}
    return [row for name, metrics in ({title: report["overall"]} | sources).items() for row in _rows(name, metrics)]


def _confidence_lines(confidence: dict[str, Any]) -> list[str]:
    covered = ", ".join(f"{100 * row['answered']:.0f} %: {100 * row['right']:.1f} %" for row in confidence["coverage"])
    return [
        f"right (F1 of at least {RIGHT}): {100 * confidence['right']:.1f} %; "
        f"expected calibration error {confidence['calibration_error']:.3f}, "
        f"{confidence['unfitted_calibration_error']:.3f} unfitted",
        f"right among the most confident {covered}",
    ]


def _no_answer_line(NoAns_accuracy: float, HasAns_accuracy: float | None = None, roc_auc: float | None = None) -> str:  # noqa: N803  # as SQuAD 2.0 names them
    line = f'"no answer" is predicted for {NoAns_accuracy:.1f} % of the unanswerable questions'
    if HasAns_accuracy is None:
        return line
    return f"{line} and {100 - HasAns_accuracy:.1f} % of the answerable; ROC AUC {roc_auc:.3f}"


def _rows(name: str, metrics: dict[str, float]) -> Iterable[tuple[str, int, float, float]]:
    for prefix, label in (("", name), ("HasAns_", f"{name}, answerable"), ("NoAns_", f"{name}, unanswerable")):
        if f"{prefix}total" in metrics:
            yield label, int(metrics[f"{prefix}total"]), metrics[f"{prefix}exact_match"], metrics[f"{prefix}f1"]
