"""A question about a context, and its answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """One question about one context. `max_answer_length` in tokens; None means the model's own setting."""

    question: str
    context: str
    top_k: int = 1
    allow_no_answer: bool = False
    max_answer_length: int | None = None


@dataclass(frozen=True)
class Answer:
    """context[start:end] == text, in code points; "" at 0, 0 says that there is no answer.

    confidence: probability that the answer is right, where right is an F1 of at least 1/2 with the asked-for span, or
    that there is none. Unless the query allows "no answer", given that there is one.
    """

    text: str
    confidence: float
    start: int
    end: int
