"""Exact match and F1 with the official SQuAD normalisation, and MLQA's for scripts without spaces. Pure functions.

Source of the definitions: the SQuAD 2.0 evaluation script, https://rajpurkar.github.io/SQuAD-explorer/
(Rajpurkar et al. 2018, https://arxiv.org/abs/1806.03822). For scripts without spaces between words, MLQA's definitions:
every character is a word, and all Unicode punctuation is removed (Lewis et al. 2020, https://arxiv.org/abs/1910.07475).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bento_service.reading.words import is_spaceless

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Scored:
    """One prediction's scores (0 to 1), with what is needed to group them."""

    id: str
    source: str
    answerable: bool
    exact: float
    f1: float


def normalise(text: str) -> str:
    """Lower-case, drop ASCII punctuation and English articles, fold white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def is_text_spaceless(text: str) -> bool:
    """Return whether most of a text's letters are of scripts that set no space between words."""
    spaceless = sum(map(is_spaceless, text)) if not text.isascii() else 0
    return 2 * spaceless > sum(map(str.isalpha, text)) if spaceless else False


def words(text: str, *, spaceless: bool = False) -> list[str]:
    """Return a text's words after normalisation; spaceless: each character of a script without spaces is one."""
    if not spaceless:
        return normalise(text).split()
    kept = (c for c in text.lower() if c not in string.punctuation and not unicodedata.category(c).startswith("P"))
    return "".join(f" {c} " if is_spaceless(c) else c for c in kept).split()


def exact(prediction: str, gold: str, *, spaceless: bool = False) -> float:
    """Return 1 when both are the same after normalisation, else 0."""
    return float(words(prediction, spaceless=spaceless) == words(gold, spaceless=spaceless))


def f1(prediction: str, gold: str, *, spaceless: bool = False) -> float:
    """Return the harmonic mean of precision and recall over the bags of words; 1 when both bags are empty."""
    predicted, expected = words(prediction, spaceless=spaceless), words(gold, spaceless=spaceless)
    if not predicted or not expected:
        return float(predicted == expected)
    common = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * common / (len(predicted) + len(expected))


def score(prediction: str, golds: Sequence[str], *, spaceless: bool = False) -> tuple[float, float]:
    """Return (exact, f1) for the best matching gold answer; without golds, "" is right.

    Golds that normalise to nothing are skipped, as in the official script. spaceless: whether the context's script has
    no spaces between words.
    """
    usable = [gold for gold in golds if words(gold, spaceless=spaceless)] or [""]
    return (
        max(exact(prediction, gold, spaceless=spaceless) for gold in usable),
        max(f1(prediction, gold, spaceless=spaceless) for gold in usable),
    )


def summary(scores: Iterable[Scored]) -> dict[str, float]:
    """Return exact_match and f1 in percent and total; HasAns and NoAns parts when there are unanswerable questions."""
    scores = list(scores)
    result = _mean(scores, "")
    if any(not s.answerable for s in scores):
        result |= _mean([s for s in scores if s.answerable], "HasAns_")
        result |= _mean([s for s in scores if not s.answerable], "NoAns_")
    return result


def _mean(scores: list[Scored], prefix: str) -> dict[str, float]:
    total = len(scores)
    if not total:
        return {}
    return {
        f"{prefix}exact_match": round(100 * sum(s.exact for s in scores) / total, 3),
        f"{prefix}f1": round(100 * sum(s.f1 for s in scores) / total, 3),
        f"{prefix}total": total,
    }
