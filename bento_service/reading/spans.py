"""Logits to spans, their probabilities and the null score. Pure and numpy-only; evaluation uses the same code.

A span's score is its start logit plus its end logit (BERT, https://arxiv.org/abs/1810.04805, section 4.2). The null
score is that of position 0, the least over the windows (section 4.3). A softmax of the scores of every possible span
of every window, divided by the temperature, is the probability that each is the one that was asked for. With the
null score among them, it is the probability that there is none.

An answer is right when its F1 with the asked-for span is at least 1/2. So its probability is not its own share of the
softmax, which "1789" and "in 1789" would halve between them, but the sum over all spans that agree with it that well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.windows import Window
from bento_service.reading.words import whole_characters

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """A half-open range of code points in a context, with its score (logits).

    probability: that it is right (F1 of at least 1/2, in tokens), given that one of the contexts holds an answer.
    passage: index of its context among those of the question.
    """

    start: int
    end: int
    score: float
    probability: float
    passage: int = 0


@dataclass(frozen=True)
class Decoded:
    """The result of one question's windows: spans by score, best first, and how likely there is no answer."""

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
    contexts: Sequence[str],
    *,
    max_answer_length: int,
    n_best_size: int,
    temperature: float = 1.0,
    words: Sequence[NDArray[np.int64]] | None = None,
) -> Decoded:
    """Find the `n_best_size` best spans that do not overlap, over all windows of one question's contexts.

    windows: by context, and in order. logits: one (start_logits, end_logits) a window, each of shape (seq_len,).
    max_answer_length: in tokens. words: of each context, shape (n, 2), ranges of code points in order; a span that cuts
    one takes in all of it. Contexts without tokens have no span; the null probability is 1.
    """
    null_score = min(float(start[0] + end[0]) for start, end in logits)
    scores, offsets, passages = _join(windows, logits, max_answer_length)
    if not scores.size:
        return Decoded((), null_score, 1.0)
    weights, total, log_partition = _softmax(scores, temperature)
    spans: list[Span] = []
    # Bounded: where joiners make one long character of the text, every candidate grows into the same span.
    for score, first, last in islice(_best_apart(scores), 3 * n_best_size):
        passage, start, end = int(passages[first]), int(offsets[first, 0]), int(offsets[last, 1])
        if words is not None:
            start, end = whole_words(words[passage], start, end)
        start, end = whole_characters(contexts[passage], start, end)
        others = (span for span in spans if span.passage == passage)
        if end > start and all(end <= span.start or start >= span.end for span in others):
            # Sums in floating point can add up to just above 1.
            probability = min(1.0, _agreeing(weights, first, last) / total)
            spans.append(Span(start, end, score, probability, passage))
        if len(spans) == n_best_size:
            break
    null_log_odds = null_score / temperature - log_partition
    return Decoded(tuple(spans), null_score, float(np.exp(-np.logaddexp(0, -null_log_odds))))


def owned_starts(windows: Sequence[Window], max_answer_length: int) -> list[tuple[int, int]]:
    """Return for each window which of its context tokens may start a span: a half-open range.

    A token in the overlap of two windows belongs to one of them, so that no span counts twice: to the later one once
    it has half of the overlap before it, or earlier where an answer of `max_answer_length` tokens could be cut.
    """
    counts = [len(window.offsets) for window in windows]
    firsts = [0]
    for i in range(1, len(windows)):
        follows = windows[i].passage == windows[i - 1].passage
        overlap = windows[i - 1].first_token + counts[i - 1] - windows[i].first_token if follows else 0
        firsts.append(max(0, min(overlap // 2, overlap - max_answer_length)))
    ranges = []
    for i, (window, first) in enumerate(zip(windows, firsts, strict=True)):
        following = i + 1 < len(windows) and windows[i + 1].passage == window.passage
        last = windows[i + 1].first_token + firsts[i + 1] - window.first_token if following else counts[i]
        ranges.append((first, last))
    return ranges


def _join(
    windows: Sequence[Window], logits: Sequence[tuple[FloatArray, FloatArray]], max_answer_length: int
) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """Return the scores of all spans, shape (tokens, max_answer_length), the tokens' offsets, and their passages.

    [i, d] is the span from token i to token i + d, scored by the window that owns its start; -inf where there is none.
    """
    scores, offsets, passages = [], [], []
    owned = owned_starts(windows, max_answer_length)
    for window, (start_logits, end_logits), (first, last) in zip(windows, logits, owned, strict=True):
        band = _band(start_logits[window.inside], end_logits[window.inside], max_answer_length)
        scores.append(band[first:last])
        offsets.append(window.offsets[first:last])
        passages.append(np.full(last - first, window.passage))
    return np.concatenate(scores), np.concatenate(offsets), np.concatenate(passages)


def _band(start_logits: FloatArray, end_logits: FloatArray, max_answer_length: int) -> FloatArray:
    padded = np.full(len(end_logits) + max_answer_length, -np.inf, dtype=np.float32)
    padded[: len(end_logits)] = end_logits
    # Row i is padded[i : i + max_answer_length], without a copy.
    ends = np.ndarray((len(end_logits), max_answer_length), np.float32, padded, strides=padded.strides * 2)
    band: FloatArray = start_logits[:, None] + ends
    return band


def _softmax(scores: FloatArray, temperature: float) -> tuple[FloatArray, float, float]:
    """Return what each score weighs in the softmax of all, what they weigh together, and that sum's logarithm.

    The logarithm is that of the sum before the greatest score was taken from all of them.
    """
    top = scores.max()
    weights: FloatArray = np.exp((scores - top) / np.float32(temperature))
    total = float(weights.sum(dtype=np.float64))
    return weights, total, float(top) / temperature + math.log(total)


def _best_apart(scores: FloatArray) -> Iterator[tuple[float, int, int]]:
    """Yield the best span, strike out all that overlap it, and so on: (score, first, last) in tokens, both inclusive.

    Ties go to the earlier start, then to the shorter span.
    """
    scores = scores.copy()
    width = scores.shape[1]
    while True:
        first, length = divmod(int(scores.argmax()), width)
        score = float(scores[first, length])
        if score == -math.inf:
            return
        yield score, first, first + length
        scores[first : first + length + 1] = -math.inf
        for before in range(max(0, first - width + 1), first):
            scores[before, first - before :] = -math.inf


def _agreeing(weights: FloatArray, first: int, last: int) -> float:
    """Add up the weights of the spans whose F1 with tokens first to last (inclusive) is at least 1/2."""
    width = weights.shape[1]
    before = min(first, width - 1)
    agreeing = _agreement(before, last - first + 1, width)
    return float(weights[first - before : last + 1].sum(where=agreeing, dtype=np.float64))


@lru_cache(maxsize=64)
def _agreement(before: int, length: int, width: int) -> NDArray[np.bool_]:
    """Return which spans have an F1 of at least 1/2 with the span of `length` tokens from token `before` on.

    [i, d]: the span from token i to token i + d, shape (before + length, width). F1 of two spans of n and m tokens that
    share k is 2 k / (n + m).
    """
    starts = np.arange(before + length)[:, None]
    lengths = np.arange(1, width + 1)
    shared = np.minimum(starts + lengths, before + length) - np.maximum(starts, before)
    agreeing: NDArray[np.bool_] = 4 * shared >= length + lengths
    return agreeing


def whole_words(words: NDArray[np.int64], start: int, end: int) -> tuple[int, int]:
    """Move a span's edges out of the words that they cut. words: shape (n, 2), half-open ranges in order."""
    starts, ends = words[:, 0], words[:, 1]
    cut = (starts < start) & (start < ends)
    if cut.any():
        start = int(starts[cut].min())
    cut = (starts < end) & (end < ends)
    if cut.any():
        end = int(ends[cut].max())
    return start, end
