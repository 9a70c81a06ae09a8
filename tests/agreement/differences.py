"""Why an answer differs from the removed pipeline's: one of a few documented reasons, or none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bento_service.reading.spans import owned_starts
from bento_service.reading.windows import Window
from bento_service.reading.words import whole_characters

SAME = "same span"
SEPARATED = "control characters"
CHARACTERS = "whole characters"
TEXTS = "equal texts"
WINDOWS = "several windows"
NO_ANSWER = "no answer"
TIE = "equal scores"
KINDS = (SAME, SEPARATED, CHARACTERS, TEXTS, WINDOWS, NO_ANSWER, TIE)
"""docs/from-transformers.md has the reason for each."""
NOISE = 1e-3
"""Ratio and difference of scores up to which they are equal: both sides compute in float32, in another order."""
MAX_ANSWER_LEN = 15
"""Tokens; the pipeline's default."""

Place = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """A span that the pipeline chose from.

    words: its place in the context, of whole words unless told. in_window: log of its score in its window's softmax.
    logits: their sum. owned: counted by us in this window.
    """

    words: Place
    in_window: float
    logits: float
    owned: bool


@dataclass(frozen=True)
class Asked:
    """A query, as far as it decides how spans are chosen. threshold: of the stored model, for "no answer"."""

    context: str
    threshold: float
    top_k: int = 1
    doc_stride: int = 128
    align_to_words: bool = True

    @property
    def added_up(self) -> int:
        """How many of the best spans add up where they are of the same words."""
        return 2 * self.top_k + 10 if self.align_to_words else 1


def explain(asked: Asked, ours: list[dict[str, Any]], theirs: dict[str, Any]) -> str | None:
    """Return which of `KINDS` our answers are, beside the pipeline's; None if they are none of them.

    theirs: as loadtest/baseline/answers.py tells them.
    """
    spans = list(_spans(asked, theirs["windows"]))
    places = [_place(row) for row in ours if row["answer"]]
    if not _in_order(places, spans, asked):
        return None
    expected = [_place(row) for row in theirs["answers"] if row["answer"]]
    nothing, nothing_there = (rows[0]["answer"] == "" for rows in (ours, theirs["answers"]))
    if nothing != nothing_there and expected:
        return NO_ANSWER if _by_threshold(nothing, spans, theirs["windows"], asked) else None
    if not places or not expected:
        return SAME if places == expected else CHARACTERS
    return _kind(places[0], expected[0], spans, asked, several=len(theirs["windows"]) > 1)


def _by_threshold(nothing: bool, spans: list[Span], windows: list[dict[str, Any]], asked: Asked) -> bool:
    """Return whether it is by the model's threshold that we say that there is no answer, or that there is one."""
    best = max(span.logits for span in spans if span.owned)
    over = min(window["null"] for window in windows) - best - asked.threshold
    return nothing == (over > 0) or abs(over) < NOISE


def _kind(place: Place, expected: Place, spans: list[Span], asked: Asked, *, several: bool) -> str | None:
    """Say why our best answer is not the pipeline's. It is known to be the best by our rules."""
    if place == expected:
        return SAME
    if place == whole_characters(asked.context, *expected):
        return CHARACTERS
    if several:
        return WINDOWS
    sums = _sums(spans, asked.added_up, lambda span: span.in_window)
    own = max(score for words, score in sums.items() if whole_characters(asked.context, *words) == place)
    if own == max(sums.values()):
        return TEXTS
    if own > max(sums.values()) * (1 - NOISE):
        return TIE
    return None if _shows(asked.context, max(sums, key=lambda words: sums[words])) else CHARACTERS


def _in_order(places: list[Place], spans: list[Span], asked: Asked) -> bool:
    """Return whether each of our answers has the greatest score of all that overlap none before it."""
    left = [span for span in spans if span.owned]
    for place in places:
        while True:
            sums = _sums(left, asked.added_up, lambda span: span.logits)
            best = max(sums, key=lambda words: sums[words])
            if _shows(asked.context, best):
                break
            left = [span for span in left if span.words != best]  # nothing but white space
        own = [score for words, score in sums.items() if whole_characters(asked.context, *words) == place]
        if not own or max(own) < sums[best] * (1 - NOISE):
            return False
        left = [span for span in left if span.words[1] <= place[0] or span.words[0] >= place[1]]
    return True


def _shows(context: str, words: Place) -> bool:
    start, end = whole_characters(context, *words)
    return end > start


def _sums(spans: list[Span], count: int, score: Callable[[Span], float]) -> dict[Place, float]:
    """Add up the scores of the `count` best spans by their words."""
    best = sorted(spans, key=score, reverse=True)[:count]
    sums: dict[Place, float] = {}
    for span in best:
        sums[span.words] = sums.get(span.words, 0.0) + math.exp(score(span) - score(best[0]))
    return sums


def _spans(asked: Asked, windows: list[dict[str, Any]]) -> Iterator[Span]:
    """Yield the spans of all windows."""
    laid, first = [], 0
    for window in windows:  # as far as `owned_starts` looks at one
        offsets = np.zeros((window["tokens"], 2), dtype=np.int64)
        laid.append(Window(offsets, offsets, offsets, first, 0))
        first += window["tokens"] - asked.doc_stride
    for window, (first, last) in zip(windows, owned_starts(laid, MAX_ANSWER_LEN), strict=True):
        for token, start, end, in_window, logits in window["spans"]:
            yield Span((start, end), in_window, logits, first <= token < last)


def _place(row: dict[str, Any]) -> Place:
    return row["start"], row["end"]
