"""Constructs unanswerable questions from answerable ones, to train and to tune "no answer" on.

Two kinds change the passage: "elsewhere" pairs the question with the most similar passage of the same source that lacks
the answer, "removed" cuts the sentences that contain an answer out of the passage. Three change the question, as SQuAD
2.0's annotators did (https://arxiv.org/abs/1806.03822, table 2): "changed" replaces a name or number, "negated" puts a
"not" in or takes it out, "opposite" replaces a word by one that means the opposite (`opposites`).
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from training.data import Example
from training.measure.metrics import normalise
from training.prepare.opposites import OPPOSITES

Kind = Literal["elsewhere", "removed", "changed", "negated", "opposite"]

_SENTENCE = re.compile(r"\S.*?(?:[.!?]+[\"')\]]*(?=\s|$)|\n+|$)", re.DOTALL)
_NAME = re.compile(r"(?<=[^.?!\s]\s)[A-Z][\w'-]+(?:\s[A-Z][\w'-]+)*")
_NUMBER = re.compile(r"\b\d[\d,.]*\b")
_WORD = re.compile(r"[^\W\d_]+")
_NOT = re.compile(r"n't\b|\s(?:not|never)\b")
_AUXILIARY = re.compile(r"\b(?:is|are|was|were|did|does|do|has|have|had|could|would|should)\b")
_MIN_CHARACTERS = 40
"""Minimum length of a passage (characters)."""


def construct(examples: list[Example], count: int, seed: int, kinds: Sequence[Kind]) -> list[Example]:
    """Return up to `count` unanswerable questions, constructed from answerable examples in random order.

    Each is of the kind with the fewest questions so far that its example allows. There are fewer than `count` if too
    few examples allow a kind: the new passage must not contain an answer of the question.
    """
    draw = random.Random(seed)  # noqa: S311  # no secret
    answerable = [example for example in examples if example.answers]
    passages = _Passages(answerable)
    constructors: dict[Kind, Callable[[Example, random.Random], Example | None]] = {
        "elsewhere": lambda example, _: passages.elsewhere(example),
        "removed": lambda example, _: without_answer(example),
        "changed": passages.changed,
        "negated": lambda example, _: negated(example),
        "opposite": opposite,
    }
    draw.shuffle(answerable)
    constructed: list[Example] = []
    counts = dict.fromkeys(kinds, 0)
    for example in answerable:
        if len(constructed) >= count:
            break
        for kind in sorted(kinds, key=counts.__getitem__):
            negative = constructors[kind](example, draw)
            if negative is not None:
                constructed.append(replace(negative, id=f"{example.id}-{kind}", answers=()))
                counts[kind] += 1
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


def negated(example: Example) -> Example | None:
    """Remove the question's "not", or add one to its first auxiliary verb; None without either."""
    question = example.question
    if _NOT.search(question):
        return replace(example, question=_NOT.sub("", question, count=1))
    auxiliary = _AUXILIARY.search(question)
    if auxiliary is None:
        return None
    return _with(example, auxiliary, f"{auxiliary.group()}n't")


def opposite(example: Example, draw: random.Random) -> Example | None:
    """Replace a word of the question by its opposite; None if there is none, or the passage contains the opposite."""
    passage = set(_WORD.findall(example.context.lower()))
    words = [
        (word, other)
        for word in _WORD.finditer(example.question)
        if (other := OPPOSITES.get(word.group().lower())) and other not in passage
    ]
    if not words:
        return None
    return _with(example, *draw.choice(words))


class _Passages:
    """The passages of some examples, by source, with an index of their words and their names."""

    def __init__(self, examples: list[Example]) -> None:
        self._contexts: dict[str, list[str]] = defaultdict(list)
        self._passages_by_word: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._names: dict[str, list[str]] = defaultdict(list)
        for source, context in dict.fromkeys((e.source, e.context) for e in examples):
            number = len(self._contexts[source])
            self._contexts[source].append(context)
            for word in set(normalise(context).split()):
                self._passages_by_word[source][word].add(number)
            self._names[source] += _NAME.findall(context)

    def elsewhere(self, example: Example) -> Example | None:
        """Pair the question with the passage that shares the most rare words with it, and lacks the answer."""
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
        """Replace a number of the question by a near one, or a name by another name of the passage or the source."""
        numbers = [(n, _near(n.group(), draw)) for n in _NUMBER.finditer(example.question) if n.group().isdigit()]
        names = list(_NAME.finditer(example.question))
        if numbers:
            replaced, other = draw.choice(numbers)
            return _with(example, replaced, other) if other not in example.context else None
        if not names:
            return None
        beside = without_answer(example)
        here = _NAME.findall(beside.context) if beside else []
        elsewhere = self._names[example.source]
        for other in [*draw.sample(here, k=min(4, len(here))), *draw.sample(elsewhere, k=min(8, len(elsewhere)))]:
            if normalise(other) not in normalise(example.question):
                return _with(example, draw.choice(names), other)
        return None


def _near(number: str, draw: random.Random) -> str:
    """Return another whole number of at least 0 that differs by at most 10."""
    value, sign, distance = int(number), draw.choice((-1, 1)), draw.randint(1, 10)
    return str(value - distance if sign < 0 and distance <= value else value + distance)


def _with(example: Example, replaced: re.Match[str], text: str) -> Example:
    """Return the example with a part of its question replaced."""
    question = example.question
    return replace(example, question=f"{question[: replaced.start()]}{text}{question[replaced.end() :]}")


def _contains_answer(context: str, example: Example) -> bool:
    text = f" {normalise(context)} "
    return any(f" {normalise(answer.text)} " in text for answer in example.answers)
