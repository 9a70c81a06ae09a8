"""Scores passages by more than their spans: by their null scores and the question's words. Pure and numpy-only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.windows import Window

FloatArray = NDArray[np.float32]
PRIOR = 0.5
"""Weight of these scores: of 0, 1/4, 1/2, 3/4 and 1, the best on questions with five passages each."""


def passage_scores(
    windows: Sequence[Window], logits: Sequence[tuple[FloatArray, FloatArray]], count: int
) -> FloatArray:
    """Return a score for each of `count` passages, to be added to the scores of its spans, shape (count,).

    It is PRIOR times the sum of two parts: the negative null score, and the log-likelihood of the question's words in a
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
    scores: FloatArray = (PRIOR * (words - words.max() + null_scores.min() - null_scores)).astype(np.float32)
    return scores
