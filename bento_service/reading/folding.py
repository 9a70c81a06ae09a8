"""Folds texts for comparison: without case, forms of letters and kinds of white space. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.words import separate_words

_MEANT = frozenset({"<super>", "<sub>", "<fraction>", "<circle>", "<square>"})
"""Forms whose meaning differs from the plain letter's: 10² is not 102."""
_SAME = {"‘": "'", "’": "'", "ʼ": "'", "′": "'", "‐": "-", "−": "-"}
_NOT_PLAIN = re.compile("[^ -~]+")
_ASCII_SPACES = str.maketrans("\t\n\r", "   ")
_MAX_CACHED = 20_000


class _Folding(dict[int, str]):
    """The folded form of each character (code point), for `str.translate`; at least one character."""

    def __missing__(self, code: int) -> str:
        """Fold a character, and remember its folded form."""
        character = chr(code)
        form = character
        if unicodedata.decomposition(character).partition(" ")[0] not in _MEANT:
            form = unicodedata.normalize("NFKD", character)
        # casefold turns Cherokee into capitals
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
    """A folded text, with the offsets of its characters in the original."""

    def __init__(self, original: str) -> None:
        self._original = separate_words(original)
        self.text = _fold(self._original)

    @cached_property
    def _starts(self) -> NDArray[np.int64] | None:
        """The folded offset of each original character and of the end; None if all offsets are the same."""
        if len(self.text) == len(self._original):
            return None
        lengths = np.ones(len(self._original), dtype=np.int64)
        for run in _NOT_PLAIN.finditer(self._original):
            lengths[slice(*run.span())] = [len(_FOLDING[ord(character)]) for character in run[0]]
        return np.concatenate([[0], np.cumsum(lengths)])

    def inside(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the folded text that a range of the original becomes."""
        return (start, end) if self._starts is None else (int(self._starts[start]), int(self._starts[end]))

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original from which a range of the folded text comes. The range must not be empty."""
        if self._starts is None:
            return start, end
        first, last = np.searchsorted(self._starts, (start, end - 1), side="right") - 1
        return int(first), int(last) + 1
