"""What speaks for one of several passages beside the spans in it. Pure and numpy-only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.windows import Window

FloatArray = NDArray[np.float32]
PRIOR = 0.5
"""Weight of what speaks for a passage beside its spans: of 0, 1/4, 1/2, 3/4 and 1, the best on five passages each."""


def passage_scores(
    windows: Sequence[Window], logits: Sequence[tuple[FloatArray, FloatArray]], count: int
) -> FloatArray:
    """Return what speaks for each of `count` passages beside its spans, to be added to their scores, shape (count,).

    That is PRIOR of how far its null score is below the others', and of the log-likelihood of the question's words in a
    naive Bayes model, by which a token adds log((n + 1) / (df + 1/2)) where df of n passages have it. Both count from
    the best passage down, so that a single one's scores stay as they are.
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
