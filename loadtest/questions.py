"""Loads questions from the embedded sample, or from any source that `training` reads."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training import data
from training.data import Example
from training.errors import DataError

SAMPLE = tuple(sorted((Path(__file__).parent.parent / "training" / "sample").glob("*.json")))


@dataclass(frozen=True)
class Question:
    """A question and its context."""

    question: str
    context: str

    @property
    def body(self) -> bytes:
        """The body of a request to `/answer`."""
        return json.dumps({"question": self.question, "context": self.context}).encode()


def load(paths: Sequence[Path], *, count: int, seed: int = 3) -> list[Question]:
    """Return `count` answerable questions at random, or all if there are fewer. Raises ValueError."""
    questions = [Question(example.question, example.context) for example in _examples(paths) if example.answers]
    if not questions:
        raise ValueError(f"no answerable question in {', '.join(map(str, paths))}")
    random.Random(seed).shuffle(questions)  # noqa: S311  # no secret
    return questions[:count]


def _examples(paths: Sequence[Path]) -> list[Example]:
    try:
        return data.load(map(str, paths))
    except DataError as error:
        raise ValueError(str(error)) from error


def of_length(questions: Sequence[Question], characters: int) -> Question:
    """Return the first question with a context of `characters` characters, joined from all contexts."""
    contexts = " ".join(question.context for question in questions)
    repeated = f"{contexts} " * (characters // len(contexts) + 1)
    return Question(questions[0].question, repeated[:characters])


LONG_CHARACTERS = 6_000
"""Length that a long context has at least (characters): several windows."""


def kinds(paths: Sequence[Path]) -> dict[str, list[dict[str, object]]]:
    """Return the bodies of requests by kind: short, long and unanswerable. Raises ValueError.

    A long context ends with the question's own context, so that the answer is in its last window.
    """
    answerable = load(paths, count=1_000_000)
    padding = of_length(answerable, LONG_CHARACTERS).context
    return {
        "short": [{"question": example.question, "context": example.context} for example in answerable],
        "long": [{"question": example.question, "context": f"{padding} {example.context}"} for example in answerable],
        "unanswerable": [
            {"question": example.question, "context": example.context, "allow_no_answer": True}
            for example in _examples(paths)
            if not example.answers
        ],
    }
