"""Compares recent questions with the dev questions that a model was measured on.

The comparison is of distributions: of confidence, "no answer", lengths and unknown tokens. Pure and numpy-only;
training computes the distributions of its dev questions with the same code.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from bento_service.reading.reader import Answer, Query

CONFIDENCE, CONFIDENCE_ALLOWING_NONE, NO_ANSWER = "confidence", "confidence_allowing_none", "no_answer"
QUESTION_CHARACTERS, CONTEXT_CHARACTERS, UNKNOWN_TOKENS = "question_characters", "context_characters", "unknown_tokens"
FEATURES = (
    *(CONFIDENCE, CONFIDENCE_ALLOWING_NONE, NO_ANSWER),
    *(QUESTION_CHARACTERS, CONTEXT_CHARACTERS, UNKNOWN_TOKENS),
)
EDGES = {NO_ANSWER: (0.0,), UNKNOWN_TOKENS: (0.01, 0.05, 0.1, 0.25, 0.5)}
"""Fixed bins, for features with few distinct values or with meaningless small values."""
MOST_BINS = 10
LEAST_IN_BIN = 20
"""Minimum number of reference values in a bin; with fewer, chance looks like drift."""
WINDOW = 1_000
"""Number of recent values of a feature that are compared."""
LEAST = 200
"""Minimum number of values of a feature for a comparison."""
EVERY = 50
"""Questions from one comparison to the next. A comparison takes as long as decoding an answer."""


class Distribution(BaseModel):
    """How many values fall into each bin. edges: upper ends of all bins but the last, ascending."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: Sequence[float], edges: tuple[float, ...] | None = None) -> Distribution:
        """Count values, at least one, in bins. edges: None for bins with about equal counts."""
        if edges is None:
            bins = max(2, min(MOST_BINS, len(values) // LEAST_IN_BIN))
            quantiles = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
            edges = tuple(float(edge) for edge in np.unique(quantiles))
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        return cls(edges=edges, counts=tuple(int(count) for count in counts))

    def bin(self, value: float) -> int:
        """Return the number of the bin that a value falls into."""
        return bisect_left(self.edges, value)

    def binned(self, values: Iterable[float]) -> list[int]:
        """Return how many of the values fall into each bin."""
        counts = [0] * len(self.counts)
        for value in values:
            counts[self.bin(value)] += 1
        return counts


Reference = dict[str, Distribution]
"""The distribution of each feature."""
ReferenceFile: TypeAdapter[Reference] = TypeAdapter(Reference)


def of_texts(query: Query, unknown_share: float) -> dict[str, float]:
    """Return the features of a query. unknown_share: of its tokens, those that the vocabulary lacks."""
    return {
        QUESTION_CHARACTERS: len(query.question),
        CONTEXT_CHARACTERS: sum(map(len, query.contexts)),
        UNKNOWN_TOKENS: unknown_share,
    }


def of_answer(query: Query, answer: Answer) -> dict[str, float]:
    """Return the features of a query's best answer. The confidence of a forced answer is a feature of its own."""
    if not query.allow_no_answer:
        return {CONFIDENCE: answer.confidence}
    return {CONFIDENCE_ALLOWING_NONE: answer.confidence, NO_ANSWER: float(not answer.text)}


def population_stability_index(expected: Sequence[int], observed: Sequence[int]) -> float:
    """Return the index of two distributions over the same bins; 0 if they are equal.

    By a common rule, below 0.1 means little change and above 0.25 much. Half a value is added to every bin, since an
    empty bin would make the index infinite. Source: Yurdakul 2018, https://scholarworks.wmich.edu/dissertations/3208
    """
    bins = len(expected)
    totals = sum(expected) + bins / 2, sum(observed) + bins / 2
    shares = [((e + 0.5) / totals[0], (o + 0.5) / totals[1]) for e, o in zip(expected, observed, strict=True)]
    return sum((o - e) * math.log(o / e) for e, o in shares)


class Drift:
    """Compares the last answered questions with the reference. Not thread-safe."""

    def __init__(self, reference: Reference) -> None:
        self._windows = {name: _Window(distribution) for name, distribution in reference.items()}
        self._questions = 0

    def add(self, query: Query, answer: Answer, unknown_share: float) -> None:
        """Add a question with its best answer."""
        self._questions += 1
        for name, value in (of_texts(query, unknown_share) | of_answer(query, answer)).items():
            if name in self._windows:
                self._windows[name].add(value)

    def indices(self) -> dict[str, float]:
        """Return the population stability index of each feature that was seen often enough."""
        return {name: window.index() for name, window in self._windows.items() if len(window) >= LEAST}

    def due(self) -> bool:
        """Return whether it is time to compare again."""
        due = self._questions >= EVERY
        if due:
            self._questions = 0
        return due


class _Window:
    """The bins of the last values of a feature."""

    def __init__(self, reference: Distribution) -> None:
        self._reference = reference
        self._bins: deque[int] = deque()
        self._counts = [0] * len(reference.counts)

    def __len__(self) -> int:
        return len(self._bins)

    def add(self, value: float) -> None:
        """Add a value. Once there are WINDOW values, it replaces the oldest."""
        if len(self._bins) == WINDOW:
            self._counts[self._bins.popleft()] -= 1
        self._bins.append(self._reference.bin(value))
        self._counts[self._bins[-1]] += 1

    def index(self) -> float:
        """Return the population stability index of these values."""
        return population_stability_index(self._reference.counts, self._counts)
