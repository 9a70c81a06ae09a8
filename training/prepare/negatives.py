"""Questions without an answer, constructed from questions that have one, to learn and to tune "no answer" on.

Three kinds, in turn. "elsewhere": the question with the passage of the same source that shares most of its words, but
not its answer. "removed": its passage without the sentences that hold an answer. "changed": its passage, but asked
about another name or number, one that the passage does not hold (the entity swap of SQuAD 2.0's annotators,
https://arxiv.org/abs/1806.03822, table 2).
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace

from training.data import Example
from training.measure.metrics import normalise

_SENTENCE = re.compile(r"\S.*?(?:[.!?]+[\"')\]]*(?=\s|$)|\n+|$)", re.DOTALL)
_NAME = re.compile(r"(?<=[^.?!\s]\s)[A-Z][\w'-]+(?:\s[A-Z][\w'-]+)*")
_NUMBER = re.compile(r"\b\d[\d,.]*\b")
_LEAST_CHARACTERS = 40
"""A passage with less than this left is not worth a question."""


def construct(examples: list[Example], count: int, seed: int) -> list[Example]:
    """Return up to `count` unanswerable questions made of the answerable ones among the examples, drawn by the seed.

    Fewer when too few questions can be used: an answer's text must not stand in the passage of its new question.
    """
    draw = random.Random(seed)  # noqa: S311  # no secret
    answerable = [example for example in examples if example.answers]
    passages = _Passages(answerable)
    kinds: list[tuple[str, Callable[[Example, random.Random], Example | None]]] = [
        ("elsewhere", lambda example, _: passages.elsewhere(example)),
        ("removed", lambda example, _: without_answer(example)),
        ("changed", passages.changed),
    ]
    draw.shuffle(answerable)
    made: list[Example] = []
    for example in answerable:
        if len(made) >= count:
            break
        turn = len(made) % len(kinds)
        for name, kind in kinds[turn:] + kinds[:turn]:
            negative = kind(example, draw)
            if negative is not None:
                made.append(replace(negative, id=f"{example.id}-{name}", answers=()))
                break
    return made


def without_answer(example: Example) -> Example | None:
    """Cut the sentences that hold or touch an answer out of the passage; None when an answer stands elsewhere too."""
    kept = [
        found.group()
        for found in _SENTENCE.finditer(example.context)
        if all(found.end() <= a.start or found.start() >= a.start + len(a.text) for a in example.answers)
    ]
    context = " ".join(sentence.strip() for sentence in kept)
    if len(context) < _LEAST_CHARACTERS or _holds(context, example):
        return None
    return replace(example, context=context)


class _Passages:
    """The passages of some examples, by source, with an index of their words."""

    def __init__(self, examples: list[Example]) -> None:
        self._contexts: dict[str, list[str]] = defaultdict(list)
        self._holders: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._entities: dict[tuple[str, str], list[str]] = defaultdict(list)
        for source, context in dict.fromkeys((e.source, e.context) for e in examples):
            number = len(self._contexts[source])
            self._contexts[source].append(context)
            for word in set(normalise(context).split()):
                self._holders[source][word].add(number)
            for kind, pattern in (("name", _NAME), ("number", _NUMBER)):
                self._entities[source, kind] += pattern.findall(context)

    def elsewhere(self, example: Example) -> Example | None:
        """Ask the question of the most similar other passage without its answer: words in common, rare ones most."""
        contexts, holders = self._contexts[example.source], self._holders[example.source]
        weights: Counter[int] = Counter()
        for word in set(normalise(example.question).split()):
            rarity = math.log(len(contexts) / len(holders[word])) if holders.get(word) else 0
            if rarity > math.log(2):  # in less than half of the passages
                for number in holders[word]:
                    weights[number] += rarity  # type: ignore[assignment]  # Counter adds floats as well
        ranked = sorted(weights, key=lambda number: (-weights[number], number))
        for number in ranked[:10]:
            if contexts[number] != example.context and not _holds(contexts[number], example):
                return replace(example, context=contexts[number])
        return None

    def changed(self, example: Example, draw: random.Random) -> Example | None:
        """Put another name or number of the source in the place of one in the question."""
        for kind, pattern in (("number", _NUMBER), ("name", _NAME)):
            found = list(pattern.finditer(example.question))
            if not found:
                continue
            chosen = draw.choice(found)
            others = self._entities[example.source, kind]
            for other in draw.sample(others, k=min(8, len(others))):
                if normalise(other) not in normalise(example.context) and other not in example.question:
                    question = example.question[: chosen.start()] + other + example.question[chosen.end() :]
                    return replace(example, question=question)
        return None


def _holds(context: str, example: Example) -> bool:
    text = f" {normalise(context)} "
    return any(f" {normalise(answer.text)} " in text for answer in example.answers)
