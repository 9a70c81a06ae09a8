"""Finds the position of an answer whose row has a wrong position, or another spelling than the context."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which no tokenizer can read."""


_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u3099\u309a"
"""Marks that combine with the letter before them: of Latin, Greek and Cyrillic, Hebrew, Arabic and Kana."""


@dataclass(frozen=True)
class Repair:
    """The position of an answer: context[start:end]. kind: what was wrong."""

    kind: str
    start: int
    end: int


def find(context: str, text: str, start: int | None, shift: int | None = None) -> Repair | None:
    """Find an answer that is not at `start`; None if it is not there, or its place is ambiguous.

    start: None if unknown. shift: common offset of the starts of the same source, if there is one.
    """
    places = list(_places(context, text))
    if places:
        return _misplaced(context, text, start, shift, places)
    for kind in VIEWS:
        span = _view(context, kind).find(kind, _View(text, *VIEWS[kind]).text, start)
        if span is not None:
            return span
    return None


def _misplaced(context: str, text: str, start: int | None, shift: int | None, places: list[int]) -> Repair | None:
    """Choose among the places of the text: first by another way to count the start, then by a small offset."""
    candidates: list[tuple[str, int | None]] = []
    if start is not None:
        candidates = [
            ("counted in UTF-16 units", _code_points(context, start, "utf-16-le", 2)),
            ("counted in bytes", _code_points(context, start, "utf-8", 1)),
            ("counted with LF for CRLF", _view(context, "LF for CRLF").original(start)),
            (f"off by {shift}, as others", None if shift is None else start - shift),
            ("off by one", start + 1),
            ("off by one", start - 1),
        ]
    if len(places) == 1:
        candidates.append(("elsewhere in the text" if start is not None else "found in the text", places[0]))
    for kind, place in candidates:
        if place is not None and place != start and place in places:
            return Repair(kind, place, place + len(text))
    return None


def common_shift(answers: Iterable[tuple[str, str, int]]) -> int | None:
    """Return the common offset of wrong starts, given as (context, text, start); None without one."""
    counted: list[set[int]] = [{start - place for place in _places(context, text)} for context, text, start in answers]
    shifts = Counter(shift for shifts in counted for shift in shifts if shift)
    if not shifts:
        return None
    shift, count = min(shifts.items(), key=lambda item: (-item[1], abs(item[0])))
    return shift if count >= 2 and 2 * count >= len(counted) else None


def _places(context: str, text: str) -> Iterator[int]:
    place = context.find(text) if text else -1
    while place >= 0:
        yield place
        place = context.find(text, place + 1)


def _code_points(context: str, units: int, encoding: str, size: int) -> int | None:
    """Convert an offset in code units of an encoding to code points; None inside a character."""
    units_before = context.encode(encoding, "surrogatepass")[: units * size]
    try:
        return len(units_before.decode(encoding, "surrogatepass"))
    except UnicodeDecodeError:
        return None


class _View:
    """A text with changed parts, and the original position of each part."""

    def __init__(self, text: str, pattern: str, change: Callable[[str], str]) -> None:
        self.text = ""
        self._starts: dict[int, int] = {}  # where a part of the view begins -> where it begins in the text
        last = 0
        parts: list[str] = []
        length = 0
        for match in re.finditer(pattern, text):
            for offset in range(match.start() - last):
                self._starts[length + offset] = last + offset
            length += match.start() - last
            self._starts[length] = match.start()
            changed = change(match.group())
            parts += [text[last : match.start()], changed]
            length, last = length + len(changed), match.end()
        for offset in range(len(text) - last + 1):
            self._starts[length + offset] = last + offset
        self.text = "".join([*parts, text[last:]])

    def original(self, place: int) -> int | None:
        """Return the original position of a place in the view; None inside a changed part."""
        return self._starts.get(place)

    def find(self, kind: str, text: str, start: int | None) -> Repair | None:
        """Find a text at `start`, counted in the view or in the original, or its only place."""
        matches = [
            (place, Repair(kind, self._starts[place], self._starts[place + len(text)]))
            for place in _places(self.text, text)
            if place in self._starts and place + len(text) in self._starts
        ]
        for place, repair in matches:
            if start in (place, repair.start):
                return repair
        return matches[0][1] if len(matches) == 1 else None


VIEWS: dict[str, tuple[str, Callable[[str], str]]] = {
    "spaces at the edges": (r"\A\s+|\s+\Z", lambda _: ""),
    "LF for CRLF": (r"\r\n", lambda _: "\n"),
    "another kind of space": (r"\s+", lambda _: " "),
    "HTML entities": (r"&#?\w+;", html.unescape),
    "NFC for NFD": (rf"(?s).[{_MARKS}]+", lambda part: unicodedata.normalize("NFC", part)),
    "case": (r"(?s).", str.lower),
    "letters of another form": (r"(?s).", lambda part: unicodedata.normalize("NFKC", part).casefold()),
}
"""Differences between an answer and its context: a pattern of the parts that differ, and how to make them equal."""


@lru_cache(maxsize=64)  # the questions of a paragraph follow each other
def _view(context: str, kind: str) -> _View:
    return _View(context, *VIEWS[kind])
