"""Questions to ask: of the embedded sample, or of any file in SQuAD JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE = tuple(sorted((Path(__file__).parent.parent / "training" / "sample").glob("*.json")))


@dataclass(frozen=True)
class Question:
    """One question about one context."""

    question: str
    context: str

    @property
    def body(self) -> bytes:
        """The request's body."""
        return json.dumps({"question": self.question, "context": self.context}).encode()


def load(paths: Sequence[Path], *, count: int, seed: int = 3) -> list[Question]:
    """Draw `count` answerable questions, all of them when there are fewer. Raises OSError or ValueError."""
    found = []
    for path in paths:
        try:
            articles = json.loads(path.read_bytes())["data"]
            found += [
                Question(asked["question"], paragraph["context"])
                for article in articles
                for paragraph in article["paragraphs"]
                for asked in paragraph["qas"]
                if asked["answers"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not SQuAD JSON: {type(error).__name__}: {error}") from error
    if not found:
        raise ValueError(f"no answerable question in {', '.join(map(str, paths))}")
    random.Random(seed).shuffle(found)  # noqa: S311  # no secret
    return found[:count]


def of_length(questions: Sequence[Question], characters: int) -> Question:
    """Return the first question, with a context of exactly so many characters made of all the contexts."""
    contexts = " ".join(question.context for question in questions)
    repeated = f"{contexts} " * (characters // len(contexts) + 1)
    return Question(questions[0].question, repeated[:characters])


LONG_CHARACTERS = 6_000
"""Of a long context: some five windows."""


def kinds(paths: Sequence[Path]) -> dict[str, list[dict[str, object]]]:
    """Return requests by kind: short and long contexts, and unanswerable questions. Raises OSError or ValueError.

    A long context is the question's own with others before it, so that the answer is in its last part.
    """
    answerable = load(paths, count=1_000_000)
    before = of_length(answerable, LONG_CHARACTERS).context
    return {
        "short": [{"question": found.question, "context": found.context} for found in answerable],
        "long": [{"question": found.question, "context": f"{before} {found.context}"} for found in answerable],
        "unanswerable": [
            {"question": asked["question"], "context": paragraph["context"], "allow_no_answer": True}
            for path in paths
            for article in json.loads(path.read_bytes())["data"]
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
            if not asked["answers"]
        ],
    }
