"""A text without what makes no other text of it: case, the form of its letters, kinds of white space. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.words import separate_words

_MEANT = frozenset({"<super>", "<sub>", "<fraction>", "<circle>", "<square>"})
"""Forms that say something else than the plain one: 10² is not 102."""
_SAME = {"‘": "'", "’": "'", "ʼ": "'", "′": "'", "‐": "-", "−": "-"}
_NOT_PLAIN = re.compile("[^ -~]+")
_ASCII_SPACES = str.maketrans("\t\n\r", "   ")
_MAX_CACHED = 20_000


class _Folding(dict[int, str]):
    """What each character (code point) becomes, for `str.translate`: one character or more, never none."""

    def __missing__(self, code: int) -> str:
        """Fold a character that was not met before."""
        character = chr(code)
        form = character
        if unicodedata.decomposition(character).partition(" ")[0] not in _MEANT:
            form = unicodedata.normalize("NFKD", character)
        # casefold alone capitalises Cherokee
        folded = " " if character.isspace() else _SAME.get(form, form).casefold().lower()
        if len(self) < _MAX_CACHED:
            self[code] = folded
        return folded


_FOLDING = _Folding()


def _fold(text: str) -> str:
    if text.isascii():
        return text.translate(_ASCII_SPACES).lower()
    return _NOT_PLAIN.sub(lambda run: run[0].translate(_FOLDING), text).lower()


class Folded:
    """A folded text, and where its characters come from."""

    def __init__(self, original: str) -> None:
        self._original = separate_words(original)
        self.text = _fold(self._original)

    @cached_property
    def _starts(self) -> NDArray[np.int64] | None:
        """Where each character of the original begins in the folded text, and the end; None: where it was."""
        if len(self.text) == len(self._original):
            return None
        lengths = np.ones(len(self._original), dtype=np.int64)
        for run in _NOT_PLAIN.finditer(self._original):
            lengths[slice(*run.span())] = [len(_FOLDING[ord(character)]) for character in run[0]]
        return np.concatenate([[0], np.cumsum(lengths)])

    def inside(self, start: int, end: int) -> tuple[int, int]:
        """Return where a range of the original stands in the folded text."""
        return (start, end) if self._starts is None else (int(self._starts[start]), int(self._starts[end]))

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original that a range of the folded text comes from; none of both is empty."""
        if self._starts is None:
            return start, end
        first, last = np.searchsorted(self._starts, (start, end - 1), side="right") - 1
        return int(first), int(last) + 1
