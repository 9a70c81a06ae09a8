"""Finds where contexts repeat an answer, regardless of case, article and punctuation. Pure."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.folding import Folded
from bento_service.reading.words import is_spaceless

Place = tuple[int, int]
"""The first and the last token of a text among all of a question's context tokens."""

_ARTICLE = re.compile(r"(?:a|an|the)\s+(?=\S)")
_PUNCTUATION = " .,;:!?\"'()[]{}<>«»“”‘’„…。、，；：！？「」『』（）*_|/\\"
_NON_SPACE = re.compile(r"\S+")
_CONNECTORS = frozenset("-.,:/@_–")
"""Between letters or digits, these join both sides to one word or number: "3.5", "red-haired"."""

_ASCII_LETTERS = np.array([chr(code).isalnum() for code in range(128)] + [False])


class Places:
    """The context tokens of all passages in one sequence, and the places of texts in it.

    offsets: shape (n, 2), code points. passages: shape (n,), in order.
    """

    def __init__(self, contexts: Sequence[str], offsets: NDArray[np.int64], passages: NDArray[np.int64]) -> None:
        self.contexts, self.offsets, self.passages = contexts, offsets, passages
        self._folded = [Folded(context) for context in contexts]
        self._firsts: list[int] = np.searchsorted(passages, np.arange(len(contexts) + 1)).tolist()
        self._starts: list[int] = offsets[:, 0].tolist()

    def words(self, passage: int, start: int, end: int) -> list[str]:
        """Return the words of a text in a passage, normalised for comparison."""
        return self._key(passage, start, end).split()

    def _key(self, passage: int, start: int, end: int) -> str:
        folded = self._folded[passage]
        return key(folded.text[slice(*folded.inside(start, end))])

    def border(self, passage: int, start: int, end: int) -> list[Place]:
        """Return both places of the words that a text begins and ends with; empty if there are none.

        Start and end are scored independently. If a context has an answer twice, the best span may reach from one to
        the other. Two equal neighbours count as two answers only with punctuation between them: "Ada. Ada", but not
        "Bora Bora".
        """
        folded = self._folded[passage]
        ranges = [match.span() for match in _NON_SPACE.finditer(folded.text, *folded.inside(start, end))]
        words = [folded.text[first:behind].strip(_PUNCTUATION) for first, behind in ranges]
        for count in range(len(words) // 2, 0, -1):
            if 2 * count == len(words) and folded.text[ranges[count - 1][1] - 1].isalnum():
                continue
            if words[:count] == words[-count:] and any(words[:count]):
                sides = ranges[:count], ranges[-count:]
                return [self.tokens(passage, *folded.origin(side[0][0], side[-1][1])) for side in sides]
        return []

    def again(self, passage: int, start: int, end: int) -> list[Place]:
        """Return all places that have the same text, including the given one."""
        text = self._key(passage, start, end)
        return [
            self.tokens(other, *folded.origin(first, behind))
            for other, folded in enumerate(self._folded)
            for first, behind in find(text, folded.text)
        ]

    def tokens(self, passage: int, start: int, end: int) -> Place:
        """Return the first and the last token that a range of characters touches."""
        low, high = self._firsts[passage], self._firsts[passage + 1]
        first = bisect_right(self._starts, start, low, high) - 1
        last = bisect_right(self._starts, end - 1, low, high) - 1
        return max(low, first), max(low, last)

    def wordless(self) -> NDArray[np.int64]:
        """Return for each token how many from it on hold no letter or digit, shape (n,)."""
        worded = np.zeros(len(self.offsets), dtype=bool)
        for passage, context in enumerate(self.contexts):
            rows = slice(self._firsts[passage], self._firsts[passage + 1])
            count = np.zeros(len(context) + 1, dtype=np.int64)
            np.cumsum(_letters(context), out=count[1:])
            worded[rows] = count[self.offsets[rows, 1]] > count[self.offsets[rows, 0]]
        tokens = np.arange(len(worded))
        following = np.where(worded, tokens, len(worded) + 1_000_000)
        return np.minimum.accumulate(following[::-1])[::-1] - tokens


def _letters(text: str) -> NDArray[np.bool_]:
    """Return which characters are letters or digits."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    letters = _ASCII_LETTERS[np.minimum(codes, 128)]
    for i in np.flatnonzero(codes >= 128).tolist():
        letters[i] = text[i].isalnum()
    return letters


def key(text: str) -> str:
    """Return a folded answer without its article and outer punctuation, to search for it."""
    stripped = text.strip(_PUNCTUATION)
    return _ARTICLE.sub("", stripped, count=1) if _ARTICLE.match(stripped) else stripped


def find(key: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield the half-open ranges of code points where a folded text has the key as whole words, without overlaps."""
    position = text.find(key) if key else -1
    while position >= 0:
        end = position + len(key)
        if _is_edge(text, position, -1) and _is_edge(text, end, 1):
            yield position, end
        else:
            end = position + 1
        position = text.find(key, end)


def is_same_answer(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether all words of the shorter are in the longer, with an F1 of at least 1/2: "Reyes", "Ana Reyes".

    An F1 of 1/2 alone is not enough: "in May" and "in June" have that.
    """
    shorter, longer = sorted((first, second), key=len)
    return 3 * len(shorter) >= len(longer) and set(shorter) <= set(longer)


def _is_edge(text: str, position: int, step: int) -> bool:
    """Return whether a word ends at a position. step: -1 where it begins there, 1 where it ends."""
    inside, outside = (position, position - 1) if step < 0 else (position - 1, position)
    if position < len(text) and _is_mark(text[position]):
        return False
    if not 0 <= outside < len(text) or not _in_word(text[inside]) or is_spaceless(text[inside]):
        return True
    if text[outside] in _CONNECTORS:
        outside += step
        return not (0 <= outside < len(text) and text[outside].isalnum())
    return not text[outside].isalnum()


def _in_word(character: str) -> bool:
    return character.isalnum() or _is_mark(character)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
