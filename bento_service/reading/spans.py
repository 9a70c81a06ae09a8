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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.agreement import agreeing
from bento_service.reading.passages import passage_scores
from bento_service.reading.places import Place, Places, is_same_answer
from bento_service.reading.windows import Window
from bento_service.reading.words import whole_characters

FloatArray = NDArray[np.float32]


POOL = 2
"""Minimum number of candidates for the best answer, so that it does not depend on how many answers are requested."""
REPEATED = 2.0
"""Logits. A span that begins and ends with the same words is cut down to them unless it exceeds them by more."""

Widen = Callable[[int, int, int], tuple[int, int]]
"""Moves a span's edges outwards: (passage, start, end) -> (start, end)."""
Known = Callable[[int, int, int], float]
"""Returns the share of a span and its context that the model can read, 0 to 1: (passage, start, end) -> share."""


@dataclass(frozen=True)
class Span:
    """A half-open range of code points in a context, with its score (logits).

    probability: that it is right (F1 of at least 1/2), given that one of the contexts holds an answer. passage: index
    of its context among those of the question. occurrences: number of places in the contexts that have this answer.
    """

    start: int
    end: int
    score: float
    probability: float
    passage: int = 0
    occurrences: int = 1


@dataclass(frozen=True)
class Decoded:
    """The spans of one question, best first. null_log_odds: log-odds of "no answer" against all spans."""

    spans: tuple[Span, ...]
    null_log_odds: float = math.inf

    def null_probability(self, scale: float = 1.0, shift: float = 0.0) -> float:
        """Return the probability that there is no answer. scale, shift: fitted to the log-odds (Platt scaling)."""
        return float(np.exp(-np.logaddexp(0, -scale * self.null_log_odds - shift))) if self.spans else 1.0


def decode(
    windows: Sequence[Window],
    logits: Sequence[tuple[FloatArray, FloatArray]],
    contexts: Sequence[str],
    *,
    max_answer_length: int,
    n_best_size: int,
    temperature: float = 1.0,
    widen: Widen | None = None,
    known: Known | None = None,
) -> Decoded:
    """Find the best span and the `n_best_size` - 1 most probable others, without overlaps and without a text twice.

    The best span has the greatest score, reduced if the model can't read all of it. Choosing it by probability would
    lose F1 on some data.

    windows: of all contexts, by context and in order. logits: one (start_logits, end_logits) a window, each of shape
    (seq_len,). max_answer_length: in tokens. widen: by default to whole characters. known: multiplies the probability.
    Contexts without a letter or digit have no span; the null probability is 1.
    """
    null_score = min(float(start[0] + end[0]) for start, end in logits)
    scores, places = _join(windows, logits, contexts, max_answer_length)
    if len(contexts) > 1:
        scores += passage_scores(windows, logits, len(contexts))[places.passages, None]
    if not scores.size or scores.max() == -math.inf:
        return Decoded(())
    weights, total, log_partition = _softmax(scores, temperature)

    def whole(passage: int, start: int, end: int) -> tuple[int, int]:
        return whole_characters(contexts[passage], start, end)

    texts = _best_texts(scores.copy(), places, max(n_best_size, POOL), widen or whole)
    shares = [1.0 if known is None else known(text.passage, text.start, text.end) for text in texts]
    readable = [text.score / temperature + math.log(max(s, 1e-9)) for text, s in zip(texts, shares, strict=True)]
    best = readable.index(max(readable[:POOL]))
    spans = [
        Span(
            text.start,
            text.end,
            text.score,
            share * agreeing(weights, text.places) / total,
            text.passage,
            len(text.places),
        )
        for text, share in zip(texts, shares, strict=True)
    ]
    null_log_odds = null_score / temperature - log_partition
    return Decoded(_ranked(spans, best, n_best_size), null_log_odds)


def owned_starts(windows: Sequence[Window], max_answer_length: int) -> list[tuple[int, int]]:
    """Return for each window the half-open range of its context tokens that may start a span.

    A token in the overlap of two windows belongs to one of them, so that no span counts twice. It belongs to the later
    window from the middle of the overlap on, or earlier if an answer of `max_answer_length` tokens could be cut.
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


def _ranked(spans: Sequence[Span], best: int, count: int) -> tuple[Span, ...]:
    """Return the best span, then the others by probability. No span has a greater probability than the one before."""
    others = sorted([*spans[:best], *spans[best + 1 :]], key=lambda span: -span.probability)
    ranked, most = [], 1.0  # sums can exceed 1 by rounding
    for span in [spans[best], *others][:count]:
        ranked.append(span if span.probability <= most else replace(span, probability=most))
        most = ranked[-1].probability
    return tuple(ranked)


@dataclass(frozen=True)
class _Text:
    """A span that is an answer. places: all places that have it, its own first."""

    passage: int
    start: int
    end: int
    score: float
    places: list[Place]


def _best_texts(scores: FloatArray, places: Places, count: int, widen: Widen) -> list[_Text]:
    """Return the best spans of different texts, at most `count`.

    Overwrites `scores`: the chosen spans and all that overlap them become -inf. Ties go to the earlier start, then to
    the shorter span.
    """
    texts: list[_Text] = []
    words: list[list[str]] = []
    taken = bytearray(len(scores))  # 1 for each token of the texts so far
    width = scores.shape[1]
    while len(texts) < count:
        first, length = divmod(int(scores.argmax()), width)
        score = float(scores[first, length])
        if score == -math.inf:
            break
        passage, last = int(places.passages[first]), first + length
        start, end = widen(passage, int(places.offsets[first, 0]), int(places.offsets[last, 1]))
        for part in places.border(passage, start, end):
            part_score = _score(scores, part)
            if part_score >= score - REPEATED:
                score, (first, last) = part_score, part
                start, end = widen(passage, int(places.offsets[first, 0]), int(places.offsets[last, 1]))
                break
        own = places.tokens(passage, start, end)
        free = taken.find(1, own[0], own[1] + 1) < 0
        _take(scores, taken, (first, last))
        _take(scores, taken, own)
        if not free:  # widened into a text from before
            continue
        again = [place for place in places.again(passage, start, end) if taken.find(1, place[0], place[1] + 1) < 0]
        for place in again:
            _take(scores, taken, place)
        own_words = places.words(passage, start, end)
        same = next((i for i, others in enumerate(words) if is_same_answer(own_words, others)), None)
        if same is None:
            texts.append(_Text(passage, start, end, score, [own, *again]))
            words.append(own_words)
        elif len(texts) < POOL:
            texts[same].places.extend([own, *again])
    return texts


def _score(scores: FloatArray, place: Place) -> float:
    first, last = place
    return float(scores[first, last - first]) if last - first < scores.shape[1] else -math.inf


def _take(scores: FloatArray, taken: bytearray, place: Place) -> None:
    """Mark a place as taken, and set the scores of all spans that overlap it to -inf."""
    first, last = place
    if taken.find(0, first, last + 1) < 0:
        return
    taken[first : last + 1] = b"\x01" * (last + 1 - first)
    scores[first : last + 1] = -math.inf
    width = scores.shape[1]
    before = min(first, width - 1)
    np.putmask(scores[first - before : first], _reaching(before, width), -np.inf)


@lru_cache(maxsize=64)
def _reaching(before: int, width: int) -> NDArray[np.bool_]:
    """Return which spans that start in the `before` tokens in front of a place reach it, shape (before, width)."""
    reaching: NDArray[np.bool_] = np.arange(width) >= np.arange(before, 0, -1)[:, None]
    return reaching


def _join(
    windows: Sequence[Window],
    logits: Sequence[tuple[FloatArray, FloatArray]],
    contexts: Sequence[str],
    max_answer_length: int,
) -> tuple[FloatArray, Places]:
    """Return the scores of all spans, shape (tokens, max_answer_length), and where their tokens stand.

    [i, d] is the span from token i to token i + d, scored by the window that owns its start; -inf where there is none,
    or none with a letter or digit.
    """
    scores, offsets, passages = [], [], []
    owned = owned_starts(windows, max_answer_length)
    for window, (start_logits, end_logits), (first, last) in zip(windows, logits, owned, strict=True):
        band = _band(start_logits[window.inside], end_logits[window.inside], max_answer_length)
        scores.append(band[first:last])
        offsets.append(window.offsets[first:last])
        passages.append(np.full(last - first, window.passage))
    joined, places = np.concatenate(scores), Places(contexts, np.concatenate(offsets), np.concatenate(passages))
    wordless = places.wordless()
    rows = np.flatnonzero(wordless)
    joined[rows] += np.where(np.arange(max_answer_length) < wordless[rows, None], -np.inf, np.float32(0))
    return joined, places


def _band(start_logits: FloatArray, end_logits: FloatArray, max_answer_length: int) -> FloatArray:
    padded = np.full(len(end_logits) + max_answer_length, -np.inf, dtype=np.float32)
    padded[: len(end_logits)] = end_logits
    # Row i is padded[i : i + max_answer_length], without a copy.
    ends = np.ndarray((len(end_logits), max_answer_length), np.float32, padded, strides=padded.strides * 2)
    band: FloatArray = start_logits[:, None] + ends
    return band


def _softmax(scores: FloatArray, temperature: float) -> tuple[FloatArray, float, float]:
    """Return the softmax weights before normalisation, their sum, and the log partition.

    The weights are relative to the greatest score, and the log partition is not.
    """
    top = scores.max()
    weights: FloatArray = np.exp((scores - top) / np.float32(temperature))
    total = float(weights.sum(dtype=np.float64))
    return weights, total, float(top) / temperature + math.log(total)
