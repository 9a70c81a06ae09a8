"""Converts examples to features: the reader's windows with targets for the answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bento_service.errors import QuestionTooLong
from bento_service.reading.spans import FloatArray
from bento_service.reading.tokenization import TextTokenizer
from bento_service.reading.windows import Window, slide
from training.data import Example, GoldAnswer
from training.errors import DataError
from training.prepare.labels import Label, Shares, key

logger = logging.getLogger(__name__)

INPUTS = ("input_ids", "token_type_ids")
"""The parts of a row that are a network's inputs."""
NO_ANSWER = 0
"""The token position that means "no answer here"."""


def build(
    examples: list[Example],
    tokenizer: TextTokenizer,
    *,
    max_length: int,
    doc_stride: int,
    labels: Mapping[str, Label] | None = None,
    label_weight: float = 0.5,
) -> list[dict[str, Any]]:
    """Convert examples to rows for the Trainer: input_ids, token_type_ids, start_targets, end_targets, length.

    Targets are probabilities of the window's tokens, shape (seq_len,). Every annotator has an equal share, at the first
    and at the last token of the span (inclusive). So all answers are used in every epoch, and disagreement is learnt as
    doubt. If a span is not completely inside the window, its share is at NO_ANSWER. A soft label has the weight
    `label_weight` in the targets. `doc_stride` is the overlap in tokens. Questions that are too long for a window are
    left out and counted in the log. Raises DataError when that leaves none.
    """
    contexts = list(dict.fromkeys(example.context for example in examples))
    context_tokens = dict(zip(contexts, tokenizer.encode(contexts), strict=True))
    questions = tokenizer.encode([example.question for example in examples])
    rows: list[dict[str, Any]] = []
    too_long = 0
    for example, question in zip(examples, questions, strict=True):
        try:
            windows = slide(
                question,
                context_tokens[example.context],
                tokenizer.special,
                max_length=max_length,
                doc_stride=doc_stride,
            )
        except QuestionTooLong:
            too_long += 1
            continue
        label = labels.get(key(example)) if labels else None
        rows += [_row(window, example.answers, label, label_weight) for window in windows]
    if too_long and not rows:
        raise DataError(f"no question fits into a window of {max_length} tokens; raise --max-length, or shorten them")
    if too_long:
        logger.warning("%d questions left out: too long for a window of %d tokens", too_long, max_length)
    return rows


def _row(window: Window, answers: tuple[GoldAnswer, ...], label: Label | None, label_weight: float) -> dict[str, Any]:
    spans = [token_span(window, answer) for answer in answers] or [(NO_ANSWER, NO_ANSWER)]
    targets = np.zeros((2, len(window)), dtype=np.float32)
    for start, end in spans:
        targets[0, start] += 1 / len(spans)
        targets[1, end] += 1 / len(spans)
    if label is not None:
        soft = np.stack([_soft_targets(window, label.starts, 0), _soft_targets(window, label.ends, 1)])
        targets = (1 - label_weight) * targets + label_weight * soft
    return {
        "input_ids": window.input_ids.tolist(),
        "token_type_ids": window.token_type_ids.tolist(),
        "start_targets": targets[0],
        "end_targets": targets[1],
        "length": len(window),
    }


def token_span(window: Window, answer: GoldAnswer) -> tuple[int, int]:
    """Return the first and the last token (inclusive) of the answer; (0, 0) if the window cuts it."""
    starts, ends = window.offsets.T
    answer_end = answer.start + len(answer.text)
    covered = np.flatnonzero((starts < answer_end) & (ends > answer.start))
    if not len(covered):
        return 0, 0
    first, last = int(covered[0]), int(covered[-1])
    # Text without a token (a space, a removed mark) before the first token is no cut, except at the window's edge,
    # where it may be a token of the neighbour.
    cut_before = first == 0 and starts[first] > answer.start
    cut_behind = last == len(window.offsets) - 1 and ends[last] < answer_end
    return (0, 0) if cut_before or cut_behind else (window.first_position + first, window.first_position + last)


def _soft_targets(window: Window, shares: Shares, side: int) -> FloatArray:
    """Return one side of a label (0 start, 1 end) as targets of a window: (seq_len,); the rest is at NO_ANSWER."""
    starts, ends = window.offsets.T
    targets = np.zeros(len(window), dtype=np.float32)
    for position, share in shares:
        tokens = np.flatnonzero((starts <= position - side) & (position - side < ends))
        targets[window.first_position + tokens[:1]] += share
    targets[NO_ANSWER] = max(0.0, 1 - targets.sum())  # rounded shares can add up to just above 1
    return targets


def inputs(row: Mapping[str, Any]) -> dict[str, NDArray[np.int64]]:
    """Return a network's inputs from a row of `build`, as a batch of one: (1, seq_len) each."""
    return {name: np.array([row[name]], dtype=np.int64) for name in INPUTS}
