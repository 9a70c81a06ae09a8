"""Exact match and F1 of a model on any data source, through the very reader that serves `/answer`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm

from bento_service.errors import QuestionTooLong
from bento_service.reader import Query, Reader
from training.data import Example
from training.metrics import Scored, score, summary

logger = logging.getLogger(__name__)

BATCH = 32
"""Questions handed to the reader at once."""


def predict(reader: Reader, examples: list[Example], *, progress: bool = False) -> Iterator[tuple[Example, str]]:
    """Yield each example with the reader's answer; "" where it finds none.

    The reader may say "no answer" only when some of the examples have none, as in SQuAD 2.0; on data with answers
    throughout, as in SQuAD 1.1, it must always choose a span.
    """
    allow_no_answer = any(not example.answers for example in examples)
    with tqdm(total=len(examples), desc="evaluate", unit="question", disable=not progress) as bar:
        for first in range(0, len(examples), BATCH):
            batch = examples[first : first + BATCH]
            queries = [Query(e.question, e.context, allow_no_answer=allow_no_answer) for e in batch]
            yield from zip(batch, _texts(reader, queries), strict=True)
            bar.update(len(batch))


def _texts(reader: Reader, queries: list[Query]) -> list[str]:
    try:
        return [answers[0].text for answers in reader.answer_all(queries)]
    except QuestionTooLong:
        if len(queries) > 1:
            return [text for query in queries for text in _texts(reader, [query])]
        logger.warning("a question is too long for a window and counts as unanswered")
        return [""]


def evaluate(reader: Reader, examples: list[Example], *, progress: bool = False) -> dict[str, Any]:
    """Return {"overall": summary, "sources": {source: summary}} as `metrics.summary` defines it."""
    scores = [
        Scored(e.id, e.source, bool(e.answers), *score(text, [answer.text for answer in e.answers]))
        for e, text in predict(reader, examples, progress=progress)
    ]
    sources = dict.fromkeys(s.source for s in scores)
    return {
        "overall": summary(scores),
        "sources": {source: summary(s for s in scores if s.source == source) for source in sources},
    }


def table(report: dict[str, Any]) -> str:
    """Lay out a report of `evaluate` for a person: one line a source and group."""
    rows = list(_rows("overall", report["overall"]))
    if len(report["sources"]) > 1:
        rows += [row for name, metrics in report["sources"].items() for row in _rows(name, metrics)]
    width = max(len(row[0]) for row in rows)
    lines = [f"{'':{width}}  questions  exact match     F1"]
    lines += [f"{name:{width}}  {total:9d}  {em:11.2f}  {f1:5.2f}" for name, total, em, f1 in rows]
    return "\n".join(lines)


def _rows(name: str, metrics: dict[str, float]) -> Iterable[tuple[str, int, float, float]]:
    for prefix, label in (("", name), ("HasAns_", f"{name}, answerable"), ("NoAns_", f"{name}, unanswerable")):
        if f"{prefix}total" in metrics:
            yield label, int(metrics[f"{prefix}total"]), metrics[f"{prefix}exact_match"], metrics[f"{prefix}f1"]
