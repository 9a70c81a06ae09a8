"""Scores passages by more than their spans: by their null scores and the question's words. Pure and numpy-only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.windows import Window

FloatArray = NDArray[np.float32]
NULL_WEIGHT, WORDS_WEIGHT = 0.5, 1.5
"""Weights of the two parts of a passage's score (training/EXPERIMENTS.md)."""


def passage_scores(
    windows: Sequence[Window], logits: Sequence[tuple[FloatArray, FloatArray]], count: int
) -> FloatArray:
    """Return a score for each of `count` passages, to be added to the scores of its spans, shape (count,).

    It is the weighted sum of two parts: the negative null score, and the log-likelihood of the question's words in a
    naive Bayes model. There, a token that df of n passages have adds log((n + 1) / (df + 1/2)). The best passage has 0
    in each part, so that the scores of a single passage do not change.
    """
    question = np.unique(windows[0].input_ids[: windows[0].first_position])
    present = np.zeros((count, len(question)), dtype=bool)
    null_scores = np.full(count, np.inf)
    for window, (start_logits, end_logits) in zip(windows, logits, strict=True):
        i = window.passage
        present[i] |= np.isin(question, window.input_ids[window.inside])
        null_scores[i] = min(null_scores[i], start_logits[0] + end_logits[0])
    words = present @ np.log((count + 1) / (present.sum(axis=0) + 0.5))
    null_part, words_part = NULL_WEIGHT * (null_scores.min() - null_scores), WORDS_WEIGHT * (words - words.max())
    scores: FloatArray = (null_part + words_part).astype(np.float32)
    return scores
