"""The distributions of a model's dev questions, with which `bento_service.drift` compares those in production."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from tabulate import tabulate

from bento_service import drift
from training.measure.evaluate import predict

if TYPE_CHECKING:
    from bento_service.reading.reader import ReaderSettings
    from training.data import Example
    from training.measure.evaluate import Readings


def values(readings: Readings, settings: ReaderSettings) -> dict[str, list[float]]:
    """Return each feature's values: of the texts, and of the answers both with and without "no answer" allowed."""
    features: dict[str, list[float]] = defaultdict(list)
    rows = [drift.of_texts(reading.query, reading.unknown_share) for _, reading in readings]
    for allow in (False, True):
        predictions = predict(readings, settings, allow_no_answer=allow)
        queries = [replace(reading.query, allow_no_answer=allow) for _, reading in readings]
        rows += [drift.of_answer(query, p.answer) for query, p in zip(queries, predictions, strict=True)]
    for row in rows:
        for name, value in row.items():
            features[name].append(value)
    return features


def reference(readings: Readings, settings: ReaderSettings) -> drift.Reference:
    """Return the distribution of each feature, to be stored with the model."""
    return {
        name: drift.Distribution.of(of_feature, drift.EDGES.get(name))
        for name, of_feature in values(readings, settings).items()
    }


def compare(expected: drift.Reference, readings: Readings, settings: ReaderSettings) -> dict[str, float]:
    """Return each feature's population stability index, against a model's reference."""
    observed = values(readings, settings)
    return {
        name: drift.population_stability_index(distribution.counts, distribution.binned(observed[name]))
        for name, distribution in expected.items()
    }


def shuffled(example: Example) -> Example:
    """Return an example with the words of its context in random order, as an example of strong drift."""
    words = example.context.split()
    Random(0).shuffle(words)  # noqa: S311  # not for security
    return replace(example, context=" ".join(words), answers=())


def table(report: dict[str, dict[str, float]]) -> str:
    """Return indices by source as Markdown: a row for each source, a column for each feature."""
    rows = [(source, *(indices.get(name, "") for name in drift.FEATURES)) for source, indices in report.items()]
    return tabulate(rows, ("questions", *drift.FEATURES), tablefmt="github", floatfmt=".2f")
