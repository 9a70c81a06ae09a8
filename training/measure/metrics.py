"""Exact match and F1 with the official SQuAD normalisation, and MLQA's for other languages. Pure functions.

Source of the definitions: the SQuAD 2.0 evaluation script, https://rajpurkar.github.io/SQuAD-explorer/
(Rajpurkar et al. 2018, https://arxiv.org/abs/1806.03822), and MLQA's, https://github.com/facebookresearch/MLQA (Lewis
et al. 2020, https://arxiv.org/abs/1910.07475): all Unicode punctuation is removed, articles are those of the language,
and in scripts without spaces between words every character is a word.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bento_service.reading.words import is_spaceless

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)

ENGLISH, ARABIC, OTHER = "en", "ar", "other"
"""Languages by script: Latin, Arabic, and all others, which have no articles."""
LANGUAGES = (ENGLISH, "ar", "de", "es", "hi", "vi", "zh")
"""Those of MLQA. The script does not tell German, Spanish and Vietnamese from English."""
_ARTICLES_OF = {
    ARABIC: re.compile(r"\sال^|ال"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
}
"""As MLQA publishes them."""


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


@lru_cache(maxsize=4096)
def language_of(text: str) -> str:
    """Return the language by whose rules answers from a text are compared, by the script of most of its letters."""
    if text.isascii():
        return ENGLISH
    letters = [character for character in text if character.isalpha()]
    if 2 * sum(map(_is_latin, letters)) >= len(letters):
        return ENGLISH
    return ARABIC if 2 * sum("\u0600" <= letter <= "\u077f" for letter in letters) > len(letters) else OTHER


def _is_latin(letter: str) -> bool:
    """Return whether a letter is Latin, of full width too."""
    return letter < "\u0250" or "\u1e00" <= letter < "\u1f00" or "\uff21" <= letter <= "\uff5a"


def words(text: str, language: str = ENGLISH) -> list[str]:
    """Return a text's words after the language's normalisation."""
    if language == ENGLISH:
        return normalise(text).split()
    kept = "".join(
        c for c in text.lower() if c not in string.punctuation and not unicodedata.category(c).startswith("P")
    )
    articles = _ARTICLES_OF.get(language)
    kept = kept if articles is None else articles.sub(" ", kept)
    return "".join(f" {c} " if is_spaceless(c) else c for c in kept).split()


def exact(prediction: str, gold: str, language: str = ENGLISH) -> float:
    """Return 1 when both are the same after normalisation, else 0."""
    return float(words(prediction, language) == words(gold, language))


def f1(prediction: str, gold: str, language: str = ENGLISH) -> float:
    """Return the harmonic mean of precision and recall over the bags of words; 1 when both bags are empty."""
    predicted, expected = words(prediction, language), words(gold, language)
    if not predicted or not expected:
        return float(predicted == expected)
    common = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * common / (len(predicted) + len(expected))


def score(prediction: str, golds: Sequence[str], language: str = ENGLISH) -> tuple[float, float]:
    """Return (exact, f1) for the best matching gold answer; without golds, "" is right.

    Golds that normalise to nothing are skipped, as in the official script.
    """
    usable = [gold for gold in golds if words(gold, language)] or [""]
    return (
        max(exact(prediction, gold, language) for gold in usable),
        max(f1(prediction, gold, language) for gold in usable),
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
