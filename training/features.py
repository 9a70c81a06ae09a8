"""Examples to features: the reader's own windows, with the answers' token positions."""

from __future__ import annotations

import logging
from typing import Any

from bento_service.errors import QuestionTooLong
from bento_service.tokenization import TextTokenizer
from bento_service.windows import Tokens, Window, slide
from training.data import Answer, Example

logger = logging.getLogger(__name__)


def build(
    examples: list[Example], tokenizer: TextTokenizer, *, max_length: int, doc_stride: int
) -> list[dict[str, Any]]:
    """Turn examples into rows for the Trainer: input_ids, token_type_ids, start_positions, end_positions, length.

    A row has one start and one end position an annotator (tokens, inclusive). Where an annotator's span is not wholly
    inside the window both are 0, the position that means "no answer here". `doc_stride` is the overlap in tokens.
    Questions too long for a window are left out and counted in the log.
    """
    contexts = list(dict.fromkeys(example.context for example in examples))
    context_tokens = dict(zip(contexts, tokenizer.encode_batch(contexts), strict=True))
    questions = tokenizer.encode_batch([example.question for example in examples])
    rows: list[dict[str, Any]] = []
    too_long = 0
    for example, question in zip(examples, questions, strict=True):
        try:
            rows += _rows(example, question, context_tokens[example.context], tokenizer, max_length, doc_stride)
        except QuestionTooLong:
            too_long += 1
    if too_long:
        logger.warning("%d questions left out: too long for a window of %d tokens", too_long, max_length)
    return rows


def _rows(
    example: Example, question: Tokens, context: Tokens, tokenizer: TextTokenizer, max_length: int, doc_stride: int
) -> list[dict[str, Any]]:
    windows = slide(question, context, tokenizer.special, max_length=max_length, doc_stride=doc_stride)
    return [_row(window, example.answers) for window in windows]


def _row(window: Window, answers: tuple[Answer, ...]) -> dict[str, Any]:
    positions = [token_span(window, answer) for answer in answers] or [(0, 0)]
    return {
        "input_ids": window.input_ids.tolist(),
        "token_type_ids": window.token_type_ids.tolist(),
        "start_positions": [start for start, _ in positions],
        "end_positions": [end for _, end in positions],
        "length": len(window),
    }


def token_span(window: Window, answer: Answer) -> tuple[int, int]:
    """Return the first and the last token (inclusive) that cover the answer, (0, 0) when the window cuts it."""
    starts, ends = window.offset_mapping.T
    inside = window.context_positions
    answer_end = answer.start + len(answer.text)
    hit = inside[(starts[inside] < answer_end) & (ends[inside] > answer.start)]
    if not len(hit):
        return 0, 0
    # Text before the first token that is no token itself (a space, a removed mark) cuts nothing, except at the
    # window's edge, where it may have been a token of the neighbour.
    cut_before = hit[0] == inside[0] and starts[hit[0]] > answer.start
    cut_behind = hit[-1] == inside[-1] and ends[hit[-1]] < answer_end
    return (0, 0) if cut_before or cut_behind else (int(hit[0]), int(hit[-1]))
