"""Splits tokenised texts into overlapping windows. Pure and numpy-only; training uses the same code."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bento_service.errors import QuestionTooLong


@dataclass(frozen=True)
class Tokens:
    """One tokenised text without special tokens.

    ids: shape (n,), vocabulary ids. offsets: shape (n, 2), half-open ranges of code points into the text. words: ranges
    of the tokenizer's words, shape (m, 2), in order; empty unless requested.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    words: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class SpecialTokens:
    """What a tokenizer puts around a pair: prefix, question, middle, context, suffix (BERT: [CLS] q [SEP] c [SEP])."""

    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]
    context_type_id: int
    """Token type of the context and the suffix: 1 for BERT, 0 for models without token types."""

    @property
    def count(self) -> int:
        """Special tokens in one window."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)


@dataclass(frozen=True)
class Window:
    """One input of the model: the whole question, followed by a slice of the context.

    input_ids, token_type_ids: shape (seq_len,). offsets: of the slice's tokens, shape (n, 2), code points of the
    context. first_token: index of the slice's first token among the context's tokens. first_position: index of that
    token in input_ids. Position 0 means "no answer here". passage: index of the context among those of the question.
    """

    input_ids: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    first_token: int
    first_position: int
    passage: int = 0

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def inside(self) -> slice:
        """The positions of the n context tokens in input_ids."""
        return slice(self.first_position, self.first_position + len(self.offsets))


def longest_question(special: SpecialTokens, *, max_length: int, doc_stride: int) -> int:
    """Return the maximum number of question tokens. With it, each window advances by a quarter of its length at least.

    A question is never cut, since a cut question is another question. The bound keeps the number of windows linear in
    the context's length.
    """
    return max_length - special.count - doc_stride - max_length // 4


def overlap(
    question: Tokens, special: SpecialTokens, *, max_length: int, doc_stride: int, max_answer_length: int
) -> int:
    """Return the overlap (tokens) with which one window contains the whole of an answer of that length.

    In that window, half of `doc_stride`, the usual overlap, precedes the answer. Windows still advance by a quarter of
    their length at least.
    """
    room = max_length - special.count - len(question)
    return max(doc_stride, min(max_answer_length + doc_stride // 2, room - max_length // 4))


def slide(
    question: Tokens, context: Tokens, special: SpecialTokens, *, max_length: int, doc_stride: int, passage: int = 0
) -> list[Window]:
    """Split the context into windows of at most `max_length` tokens, which overlap by `doc_stride` tokens.

    A context without tokens gives one window without context positions. passage: index of the context among those of
    the question.
    Raises QuestionTooLong when the question leaves too little room for the context.
    """
    allowed = longest_question(special, max_length=max_length, doc_stride=doc_stride)
    if len(question) > allowed:
        raise QuestionTooLong(f"the question has {len(question)} tokens, at most {allowed} fit; shorten the question")
    room = max_length - special.count - len(question)
    windows = []
    first = 0
    while True:
        last = min(first + room, len(context))
        windows.append(_window(question, context, special, first, last, passage))
        if last == len(context):
            return windows
        first = last - doc_stride


def _window(question: Tokens, context: Tokens, special: SpecialTokens, first: int, last: int, passage: int) -> Window:
    head = len(special.prefix) + len(question) + len(special.middle)
    parts = (special.prefix, question.ids, special.middle, context.ids[first:last], special.suffix)
    input_ids = np.concatenate(parts, dtype=np.int64, casting="unsafe")  # an empty tuple is an array of floats
    token_type_ids = np.full(len(input_ids), special.context_type_id, dtype=np.int64)
    token_type_ids[:head] = 0
    return Window(input_ids, token_type_ids, context.offsets[first:last], first, head, passage)
