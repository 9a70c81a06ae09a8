"""Parameters and results of question answering as in transformers' removed pipeline and the hub's client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bento_service.errors import UnusableArgument
from bento_service.reading.reader import Answer, Query

MAX_SEQ_LEN, DOC_STRIDE, MAX_ANSWER_LEN = 384, 128, 15
"""The removed pipeline's defaults (tokens). A model with shorter windows lowers the first two."""
LEAST_WINDOW = 32
"""Tokens: the shortest window that leaves room for a question."""

PipelineResult = dict[str, Any] | list[dict[str, Any]]
"""{"score", "start", "end", "answer"}, or a list of these, best first, if there are several answers."""


@dataclass(frozen=True)
class Parameters:
    """How to answer a question, with the removed pipeline's names. Lengths in tokens; None: the default.

    doc_stride is the overlap of neighbouring windows of max_seq_len tokens.
    """

    top_k: int = 1
    handle_impossible_answer: bool = False
    max_answer_len: int = MAX_ANSWER_LEN
    doc_stride: int | None = None
    max_seq_len: int | None = None
    align_to_words: bool = True

    def __post_init__(self) -> None:
        """Raise UnusableArgument for a value that is no whole number, or is too small."""
        for name, least in (("top_k", 1), ("max_answer_len", 1), ("doc_stride", 0), ("max_seq_len", LEAST_WINDOW)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise UnusableArgument(f"{name} must be a whole number of at least {least}, not {value!r}")

    def query(self, question: str, context: str, longest: int) -> Query:
        """Return the query for the reader. longest: tokens of the model's longest window."""
        max_seq_len = min(longest, MAX_SEQ_LEN) if self.max_seq_len is None else self.max_seq_len
        doc_stride = min(max_seq_len // 2, DOC_STRIDE) if self.doc_stride is None else self.doc_stride
        return Query(
            question,
            context,
            top_k=self.top_k,
            allow_no_answer=self.handle_impossible_answer,
            max_answer_length=self.max_answer_len,
            max_length=max_seq_len,
            doc_stride=doc_stride,
            align_to="pretokens" if self.align_to_words else "characters",
        )


def pipeline_result(answers: Sequence[Answer]) -> PipelineResult:
    """Return a question's answers, best first, in the removed pipeline's shape."""
    results = [
        {"score": answer.confidence, "start": answer.start, "end": answer.end, "answer": answer.text}
        for answer in answers
    ]
    return results[0] if len(results) == 1 else results
