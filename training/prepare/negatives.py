"""Constructs unanswerable questions from answerable ones, to train and to tune "no answer" on.

There are three kinds, in turn. "elsewhere" pairs the question with the most similar passage of the same source that
lacks the answer. "removed" cuts the sentences that contain an answer out of the passage. "changed" replaces a name or
number of the question by one that the passage lacks (the entity swap of SQuAD 2.0's annotators,
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
_MIN_CHARACTERS = 40
"""A passage shorter than this (characters) gets no question."""


def construct(examples: list[Example], count: int, seed: int) -> list[Example]:
    """Return up to `count` unanswerable questions, constructed from answerable examples that the seed draws.

    There are fewer when too few questions can be used: the new passage must not contain an answer of the question.
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
    constructed: list[Example] = []
    for example in answerable:
        if len(constructed) >= count:
            break
        turn = len(constructed) % len(kinds)
        for name, kind in kinds[turn:] + kinds[:turn]:
            negative = kind(example, draw)
            if negative is not None:
                constructed.append(replace(negative, id=f"{example.id}-{name}", answers=()))
                break
    return constructed


def without_answer(example: Example) -> Example | None:
    """Remove the sentences that overlap an answer; None when an answer also occurs in another sentence."""
    kept = [
        sentence.group()
        for sentence in _SENTENCE.finditer(example.context)
        if all(sentence.end() <= a.start or sentence.start() >= a.start + len(a.text) for a in example.answers)
    ]
    context = " ".join(text.strip() for text in kept)
    if len(context) < _MIN_CHARACTERS or _contains_answer(context, example):
        return None
    return replace(example, context=context)


class _Passages:
    """The passages of some examples, by source, with an index of their words."""

    def __init__(self, examples: list[Example]) -> None:
        self._contexts: dict[str, list[str]] = defaultdict(list)
        self._passages_by_word: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._entities: dict[tuple[str, str], list[str]] = defaultdict(list)
        for source, context in dict.fromkeys((e.source, e.context) for e in examples):
            number = len(self._contexts[source])
            self._contexts[source].append(context)
            for word in set(normalise(context).split()):
                self._passages_by_word[source][word].add(number)
            for kind, pattern in (("name", _NAME), ("number", _NUMBER)):
                self._entities[source, kind] += pattern.findall(context)

    def elsewhere(self, example: Example) -> Example | None:
        """Pair the question with the passage that shares most rare words with it and lacks its answer."""
        contexts, passages_by_word = self._contexts[example.source], self._passages_by_word[example.source]
        weights: Counter[int] = Counter()
        for word in set(normalise(example.question).split()):
            rarity = math.log(len(contexts) / len(passages_by_word[word])) if passages_by_word.get(word) else 0
            if rarity > math.log(2):  # in less than half of the passages
                for number in passages_by_word[word]:
                    weights[number] += rarity  # type: ignore[assignment]  # Counter adds floats as well
        ranked = sorted(weights, key=lambda number: (-weights[number], number))
        for number in ranked[:10]:
            if contexts[number] != example.context and not _contains_answer(contexts[number], example):
                return replace(example, context=contexts[number])
        return None

    def changed(self, example: Example, draw: random.Random) -> Example | None:
        """Replace a name or number of the question by another one of the source."""
        for kind, pattern in (("number", _NUMBER), ("name", _NAME)):
            matches = list(pattern.finditer(example.question))
            if not matches:
                continue
            replaced = draw.choice(matches)
            others = self._entities[example.source, kind]
            for other in draw.sample(others, k=min(8, len(others))):
                if normalise(other) not in normalise(example.context) and other not in example.question:
                    question = example.question[: replaced.start()] + other + example.question[replaced.end() :]
                    return replace(example, question=question)
        return None


def _contains_answer(context: str, example: Example) -> bool:
    text = f" {normalise(context)} "
    return any(f" {normalise(answer.text)} " in text for answer in example.answers)
