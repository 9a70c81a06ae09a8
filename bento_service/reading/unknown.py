"""The share of a text that the model can read: letters and digits for which its vocabulary has tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized

import numpy as np
from numpy.typing import NDArray

IN_QUESTION = "unknown_words_in_question"
IN_CONTEXT = "unknown_words_in_context"
IN_ANSWER = "unknown_words_in_answer"
"""Warnings."""
FEW = 0.1
"""Share of a context's letters and digits that may be unknown without a warning, such as a few names."""


def known_share(text: str, unknown: NDArray[np.int64] | None, start: int = 0, end: int | None = None) -> float:
    """Return the share (0 to 1) of the known letters and digits of text[start:end].

    unknown: shape (n, 2), half-open ranges of code points that stand for unknown tokens; None for none.
    """
    if unknown is None:
        return 1.0
    end = len(text) if end is None else end
    letters = _letters(text, start, end)
    missing = sum(_letters(text, max(start, int(first)), min(end, int(behind))) for first, behind in unknown)
    return 1 - missing / letters if letters else 1.0


def unknown_share(texts: Iterable[str], tokens: Mapping[str, Sized], unknown: Mapping[str, Sized]) -> float:
    """Return the share (0 to 1) of the texts' tokens that the vocabulary lacks. unknown: only texts that have some."""
    counts = [(len(tokens[text]), len(unknown.get(text, ()))) for text in texts]
    total = sum(count for count, _ in counts)
    return sum(missing for _, missing in counts) / total if total else 0.0


def warnings_of(question: float, context: float, answer: float = 1.0) -> tuple[str, ...]:
    """Return the warnings. question, context, answer: share of each that is known."""
    few = (question < 1, IN_QUESTION), (context < 1 - FEW, IN_CONTEXT), (answer < 1, IN_ANSWER)
    return tuple(warning for applies, warning in few if applies)


def _letters(text: str, start: int, end: int) -> int:
    return sum(map(str.isalnum, text[start:end])) if start < end else 0
