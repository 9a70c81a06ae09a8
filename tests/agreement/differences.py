"""Why an answer differs from the removed pipeline's: one of a few documented reasons, or none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bento_service.reading.reader import ReaderSettings
from bento_service.reading.spans import owned_starts
from bento_service.reading.windows import Window
from bento_service.reading.words import whole_characters

SAME = "same span"
SEPARATED = "control characters"
CHARACTERS = "whole characters"
TEXTS = "equal texts"
WINDOWS = "several windows"
REPEATED = "repetitions"
UNREADABLE = "unreadable"
NO_ANSWER = "no answer"
TIE = "equal scores"
KINDS = (SAME, SEPARATED, CHARACTERS, TEXTS, WINDOWS, REPEATED, UNREADABLE, NO_ANSWER, TIE)
"""docs/from-transformers.md has the reason for each."""
NOISE = 1e-3
"""Ratio and difference of scores up to which they are equal: both sides compute in float32, in another order."""
MAX_ANSWER_LEN = 15
"""Tokens; the pipeline's default."""

Place = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """A span that the pipeline chose from.

    words: its place in the context, of whole words unless told. tokens: the place of its tokens alone. in_window: log
    of its score in its window's softmax. logits: their sum. owned: counted by us in this window.
    """

    words: Place
    tokens: Place
    in_window: float
    logits: float
    owned: bool


@dataclass(frozen=True)
class Asked:
    """A query, as far as it decides how spans are chosen, and the settings of the model that it is asked of."""

    context: str
    settings: ReaderSettings
    doc_stride: int = 128
    handle_impossible_answer: bool = False


def explain(asked: Asked, ours: list[dict[str, Any]], theirs: dict[str, Any]) -> str | None:
    """Return which of `KINDS` our best answer is, beside the pipeline's; None if it is none of them.

    theirs: as loadtest/baseline/answers.py tells them.
    """
    spans = sorted(_spans(asked, theirs["windows"]), key=lambda span: span.logits, reverse=True)
    nothing, nothing_there = (rows[0]["answer"] == "" for rows in (ours, theirs["answers"]))
    if not spans or (nothing and nothing_there):
        return SAME if nothing == nothing_there else CHARACTERS
    if nothing and not any(_shows(asked.context, span.tokens) for span in spans):
        return CHARACTERS  # nothing of the context can be an answer
    if nothing != nothing_there and (asked.handle_impossible_answer or nothing_there):
        if nothing and not ours[0]["score"]:
            return UNREADABLE
        by_rule = _by_confidence(ours[0], spans[0].logits, theirs["windows"], asked)
        return (NO_ANSWER if asked.handle_impossible_answer else CHARACTERS) if by_rule or nothing_there else None
    place, expected = _place(ours[0]), _place(theirs["answers"][0])
    if place == expected:
        return SAME
    if place == whole_characters(asked.context, *expected) or not _shows(asked.context, expected):
        return CHARACTERS
    if spans[0].words == expected and not _shows(asked.context, spans[0].tokens):
        return CHARACTERS  # the letters are those of the word alone
    return _kind(place, spans, asked, several=len(theirs["windows"]) > 1)


def _by_confidence(ours: dict[str, Any], best: float, windows: list[dict[str, Any]], asked: Asked) -> bool:
    """Return whether our first answer is the likelier one, of "no answer" and the span with the `best` logits.

    A span is at least as likely to be right as its own share of all spans says, which the probability of "no answer"
    tells too; "no answer" is least likely if all spans that there may be have the logits of the best.
    """
    settings, score = asked.settings, min(max(ours["score"], 1e-9), 1 - 1e-9)
    null = min(window["null"] for window in windows)
    if ours["answer"] == "":
        log_odds = (math.log(score / (1 - score)) - settings.null_shift) / settings.null_scale
        share = math.exp(log_odds + (best - null) / settings.temperature)
        return score > (1 - score) * share * (1 - NOISE)
    possible = MAX_ANSWER_LEN * sum(window["tokens"] for window in windows)
    log_odds = (null - best) / settings.temperature - math.log(possible)
    least = 1 / (1 + math.exp(-settings.null_scale * log_odds - settings.null_shift))
    return score > least * (1 - NOISE)


def _kind(place: Place, spans: list[Span], asked: Asked, *, several: bool) -> str | None:
    """Say why our best answer is not the pipeline's: it must be the best by our rules."""
    shown = [
        (whole_characters(asked.context, *span.words), span.logits)
        for span in spans
        if span.owned and _shows(asked.context, span.tokens)
    ]
    best, top = shown[0]
    own_logits = max((logits for own, logits in shown if own == place), default=-math.inf)
    if own_logits > top - NOISE:
        return TIE if place != best else WINDOWS if several else TEXTS
    said, all_said = (asked.context[start:end].casefold() for start, end in (place, best))
    if all_said.startswith(said) and all_said.endswith(said):
        return REPEATED
    second = next(((own, logits) for own, logits in shown if own[1] <= best[0] or own[0] >= best[1]), None)
    if second is not None and own_logits > second[1] - NOISE and not asked.context[slice(*best)].isascii():
        return UNREADABLE
    return None


def _shows(context: str, place: Place) -> bool:
    return any(map(str.isalnum, context[slice(*place)]))


def _spans(asked: Asked, windows: list[dict[str, Any]]) -> Iterator[Span]:
    """Yield the spans of all windows."""
    laid, first = [], 0
    for window in windows:  # as far as `owned_starts` looks at one
        offsets = np.zeros((window["tokens"], 2), dtype=np.int64)
        laid.append(Window(offsets, offsets, offsets, first, 0))
        first += window["tokens"] - asked.doc_stride
    for window, (first, last) in zip(windows, owned_starts(laid, MAX_ANSWER_LEN), strict=True):
        for token, start, end, own_start, own_end, in_window, logits in window["spans"]:
            yield Span((start, end), (own_start, own_end), in_window, logits, first <= token < last)


def _place(row: dict[str, Any]) -> Place:
    return row["start"], row["end"]
