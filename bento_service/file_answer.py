"""Formats the answer to a question about a text file for a terminal, with its sentence and its place."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bento_service.errors import EmptyText, UnusableFile
from bento_service.reading.reader import Answer

STANDARD_INPUT = "-"
LONGEST = 200
"""Maximum number of characters that are shown before and after an answer."""
_HIGHLIGHT, _PLAIN = "\x1b[1;7m", "\x1b[0m"
_SENTENCE_END = re.compile(r"[.!?…。！？؟۔।]+[\"'”’»)\]]*(?=\s)|[。！？]|\n\s*\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def read_text(name: str) -> str:
    """Return a file's text, or standard input's for "-". Raises UnusableFile."""
    source = "standard input" if name == STANDARD_INPUT else name
    try:
        content = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UnusableFile(f"{source} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnusableFile(
            f"{source} is no text in UTF-8 (byte {error.start + 1} is not); convert it, as iconv does"
        ) from None
    if not text.strip():
        raise UnusableFile(f"{source} is empty; pass a file with a text")
    return text


def check_question(text: str) -> str:
    """Return the question. Raises EmptyText when it is empty."""
    if not text.strip():
        raise EmptyText("the question is empty; pass a text")
    return text


def has_colour(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with colours, and NO_COLOR (https://no-color.org) is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@dataclass(frozen=True)
class FileAnswer:
    """The answer to a question from a file's text."""

    file: str
    text: str
    answer: Answer

    @property
    def place(self) -> tuple[int, int]:
        """Line and column of the answer's first character, in code points from 1, as editors count."""
        before = self.text[: self.answer.start]
        return before.count("\n") + 1, len(before) - before.rfind("\n")

    @property
    def sentence(self) -> tuple[str, str, str]:
        """The sentence of the answer in three parts: before the answer, the answer, and after it."""
        start, end = self.answer.start, self.answer.end
        ends = [match.end() for match in _SENTENCE_END.finditer(self.text)]
        first = max((place for place in ends if place <= start), default=0)
        last = min((place for place in ends if place >= end), default=len(self.text))
        before, after = self.text[first:start].lstrip(), self.text[end:last].rstrip()
        before = f"…{before[-LONGEST:]}" if len(before) > LONGEST else before
        after = f"{after[:LONGEST]}…" if len(after) > LONGEST else after
        return _single_line(before), _single_line(self.text[start:end]), _single_line(after)

    def json(self) -> str:
        """Return the answer as a line of JSON, with the API's field names and the place."""
        answer = self.answer
        fields = {"answer": answer.text, "confidence": answer.confidence, "start_pos": answer.start}
        place = dict(zip(("line", "column"), self.place, strict=True)) if answer.text else {}
        return json.dumps(fields | {"end_pos": answer.end, "file": self.file} | place, ensure_ascii=False)

    def lines(self, *, colour: bool) -> str:
        """Return the answer for a person: place, answer and confidence, and the sentence with the answer marked."""
        confidence = f"({self.answer.confidence:.0%})"
        if not self.answer.text:
            return f"{self.file}: no answer {confidence}"
        before, answer, after = self.sentence
        line, column = self.place
        marked = f"{_HIGHLIGHT}{answer}{_PLAIN}" if colour else answer
        return f"{self.file}:{line}:{column}: {answer} {confidence}\n{before}{marked}{after}"


def _single_line(text: str) -> str:
    """Return a text with single spaces, and without the control characters that could steer a terminal."""
    return _CONTROL.sub("\ufffd", re.sub(r"\s+", " ", text))
