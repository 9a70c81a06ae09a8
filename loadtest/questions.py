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
    questions = []
    for path in paths:
        try:
            articles = json.loads(path.read_bytes())["data"]
            questions += [
                Question(row["question"], paragraph["context"])
                for article in articles
                for paragraph in article["paragraphs"]
                for row in paragraph["qas"]
                if row["answers"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not SQuAD JSON: {type(error).__name__}: {error}") from error
    if not questions:
        raise ValueError(f"no answerable question in {', '.join(map(str, paths))}")
    random.Random(seed).shuffle(questions)  # noqa: S311  # no secret
    return questions[:count]


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
        "short": [{"question": example.question, "context": example.context} for example in answerable],
        "long": [{"question": example.question, "context": f"{before} {example.context}"} for example in answerable],
        "unanswerable": [
            {"question": row["question"], "context": paragraph["context"], "allow_no_answer": True}
            for path in paths
            for article in json.loads(path.read_bytes())["data"]
            for paragraph in article["paragraphs"]
            for row in paragraph["qas"]
            if not row["answers"]
        ],
    }
