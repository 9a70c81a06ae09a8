"""Logits to spans, their probabilities and the null score. Pure and numpy-only; evaluation uses the same code.

A span's score is its start logit plus its end logit (BERT, https://arxiv.org/abs/1810.04805, section 4.2). The null
score is that of position 0, the least over the windows (section 4.3). Probabilities are a softmax of the scores
of every possible span of every window and of the null score, divided by the temperature.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bento_service.windows import OUTSIDE, Window

FloatArray = NDArray[np.float32]
ZERO_WIDTH_JOINER = "\u200d"


@dataclass(frozen=True)
class Span:
    """A half-open range of code points in the context, with its score (logits) and its probability."""

    start: int
    end: int
    score: float
    probability: float


@dataclass(frozen=True)
class Decoded:
    """What the logits of one question's windows say: spans, best first, and how likely there is no answer."""

    spans: tuple[Span, ...]
    null_score: float
    null_probability: float

    @property
    def null_score_diff(self) -> float:
        """Null score minus best span's score; SQuAD 2.0 says "no answer" above a threshold of it."""
        return self.null_score - self.spans[0].score if self.spans else math.inf


def decode(
    windows: Sequence[Window],
    logits: Sequence[tuple[FloatArray, FloatArray]],
    context: str,
    *,
    max_answer_length: int,
    n_best_size: int,
    temperature: float = 1.0,
) -> Decoded:
    """Find the `n_best_size` best spans that do not overlap, over all windows of one context.

    logits: one (start_logits, end_logits) a window, each of shape (seq_len,). max_answer_length: in tokens.
    A context without tokens has no span; its null probability is 1.
    """
    null_score = min(float(start[0] + end[0]) for start, end in logits)
    log_partition = null_score / temperature
    candidates: list[tuple[float, int, int]] = []
    for window, (start_logits, end_logits), (first, last) in zip(
        windows, logits, owned_starts(windows, max_answer_length), strict=True
    ):
        inside = np.flatnonzero(window.offset_mapping[:, 0] != OUTSIDE)
        scores = _band(start_logits[inside], end_logits[inside], max_answer_length)[first:last]
        if not scores.size:
            continue
        log_partition = float(np.logaddexp(log_partition, _log_sum_exp(scores / temperature)))
        offsets = window.offset_mapping[inside]
        for score, i, j in _best_apart(scores, first, n_best_size):
            candidates.append((score, *whole_characters(context, int(offsets[i, 0]), int(offsets[j, 1]))))
    spans = tuple(
        Span(start, end, score, math.exp(score / temperature - log_partition))
        for score, start, end in _without_overlap(candidates)[:n_best_size]
    )
    return Decoded(spans, null_score, math.exp(null_score / temperature - log_partition))


def owned_starts(windows: Sequence[Window], max_answer_length: int) -> list[tuple[int, int]]:
    """Say for each window which of its context tokens may start a span: a half-open range.

    A token in the overlap of two windows belongs to one of them, so that no span counts twice: to the later one once
    it has half of the overlap before it, or earlier where an answer of `max_answer_length` tokens could be cut.
    """
    counts = [int(np.count_nonzero(window.offset_mapping[:, 0] != OUTSIDE)) for window in windows]
    firsts = [0]
    for i in range(1, len(windows)):
        overlap = windows[i - 1].first_token + counts[i - 1] - windows[i].first_token
        firsts.append(max(0, min(overlap // 2, overlap - max_answer_length)))
    ranges = []
    for i, (window, first) in enumerate(zip(windows, firsts, strict=True)):
        following = i + 1 < len(windows)
        last = windows[i + 1].first_token + firsts[i + 1] - window.first_token if following else counts[i]
        ranges.append((first, last))
    return ranges


def _band(start_logits: FloatArray, end_logits: FloatArray, max_answer_length: int) -> FloatArray:
    """Return scores of shape (tokens, max_answer_length): [i, d] is the span from token i to token i + d."""
    padded = np.pad(end_logits.astype(np.float32), (0, max_answer_length - 1), constant_values=-np.inf)
    if not len(end_logits):
        return np.empty((0, max_answer_length), dtype=np.float32)
    band: FloatArray = start_logits[:, None] + sliding_window_view(padded, max_answer_length)
    return band


def _log_sum_exp(scores: FloatArray) -> float:
    top = scores.max()
    return float(top + np.log(np.exp(scores - top, dtype=np.float64).sum()))


def _best_apart(scores: FloatArray, first: int, count: int) -> list[tuple[float, int, int]]:
    """Take the best span, strike out all that overlap it, and so on: up to `count` (score, start, end) of tokens.

    Ties go to the earlier start, then to the shorter span. `end` is inclusive; `first` is the token of row 0.
    """
    scores = scores.copy()
    width = scores.shape[1]
    found = []
    for _ in range(count):
        row, length = divmod(int(scores.argmax()), width)
        score = float(scores[row, length])
        if score == -math.inf:
            break
        found.append((score, first + row, first + row + length))
        scores[row : row + length + 1] = -math.inf
        for before in range(max(0, row - width + 1), row):
            scores[before, row - before :] = -math.inf
    return found


def whole_characters(context: str, start: int, end: int) -> tuple[int, int]:
    """Move a span's edges so that it cuts no visible character: off spaces, behind marks and joined emoji."""
    while start < end and context[start].isspace():
        start += 1
    while end > start and context[end - 1].isspace():
        end -= 1
    while end < len(context) and (_continues(context[end]) or context[end - 1] == ZERO_WIDTH_JOINER):
        end += 1
    return start, end


def _continues(character: str) -> bool:
    return character == ZERO_WIDTH_JOINER or unicodedata.category(character).startswith("M")


def _without_overlap(candidates: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """Keep the best of any spans that overlap; ties go to the earlier, then the shorter span."""
    kept: list[tuple[float, int, int]] = []
    for score, start, end in sorted(candidates, key=lambda c: (-c[0], c[1], c[2])):
        if end > start and all(end <= s or start >= e for _, s, e in kept):
            kept.append((score, start, end))
    return kept
