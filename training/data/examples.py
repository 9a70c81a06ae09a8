"""Examples: questions with contexts and answers. They can be drawn and held out."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass

from training.errors import DataError


@dataclass(frozen=True)
class GoldAnswer:
    """An annotator's answer; `start` counts code points: context[start:start + len(text)] == text."""

    text: str
    start: int


@dataclass(frozen=True)
class Example:
    """One question with its context. Without answers, it is unanswerable.

    language: whose rules compare answers (`metrics.LANGUAGES`); None: derived from the context's script.
    """

    id: str
    question: str
    context: str
    answers: tuple[GoldAnswer, ...]
    title: str
    source: str
    language: str | None = None


def draw(
    examples: list[Example], count: int | None, seed: int, unanswerable_share: float | None = None
) -> list[Example]:
    """Return `count` examples, drawn at random with the seed, in their order; all if there are fewer, or for None.

    unanswerable_share: share of the drawn examples that is unanswerable, if there are enough; None: a random one.
    """
    if count is None or count >= len(examples):
        return examples
    randomly = random.Random(seed)  # noqa: S311  # no secret
    if unanswerable_share is None:
        chosen = randomly.sample(range(len(examples)), count)
    else:
        answerable = [i for i, example in enumerate(examples) if example.answers]
        unanswerable = [i for i, example in enumerate(examples) if not example.answers]
        without = min(round(unanswerable_share * count), len(unanswerable))
        chosen = randomly.sample(unanswerable, without)
        chosen += randomly.sample(answerable, min(count - without, len(answerable)))
    return [examples[i] for i in sorted(chosen)]


def hold_out(examples: list[Example], fraction: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Split into (train, dev) by article, so that no article and no context is on both sides; neither side is empty.

    An article is chosen by a hash of its name, so that earlier choices stay when data is added. A source with a single
    article is split by paragraph.
    Raises DataError when there is nothing to split.
    """
    titles: dict[str, set[str]] = {}
    for example in examples:
        titles.setdefault(example.source, set()).add(example.title)
    groups = _groups(examples, titles)
    draws = {group: _draw(group, seed) for group in groups}
    if len(draws) < 2:
        raise DataError("nothing can be held out of a single paragraph; name dev_data, or add paragraphs")
    least, most = min(draws.values()), max(draws.values())
    held_out = {group for group, draw in draws.items() if draw == least or (draw < fraction and draw != most)}
    dev = [example for example, group in zip(examples, groups, strict=True) if group in held_out]
    return [example for example, group in zip(examples, groups, strict=True) if group not in held_out], dev


def _groups(examples: list[Example], titles: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the group of every example: its article, or the group of an earlier example with the same context."""
    of_context: dict[str, tuple[str, str]] = {}
    return [
        of_context.setdefault(e.context, (e.source, e.title if len(titles[e.source]) > 1 else e.context))
        for e in examples
    ]


def _draw(group: tuple[str, str], seed: int) -> float:
    """Return a number from 0 to 1 that depends on the group's name and the seed only."""
    digest = hashlib.sha256("\0".join((str(seed), *group)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def fingerprint(examples: list[Example]) -> str:
    """Return the sha256 of the examples' content, independent of file names and formats."""
    digest = hashlib.sha256()
    for e in examples:
        row = [e.id, e.question, e.context, [[a.text, a.start] for a in e.answers]]
        digest.update(json.dumps(row, ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()
