"""The commands of README.md, CONTRIBUTING.md and docs/, in a reader's order, as Sybil finds them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sybil import Document, Region, Sybil
from sybil.parsers.markdown import CodeBlockParser
from sybil.typing import Evaluator, Parser

from tests.commands import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
COMMAND = re.compile(r"(?:[A-Z_]+=(?:\"[^\"]*\"|\S+) )*(?:make|python -m|bentoml|torchrun|kubectl|\.venv/bin/\S+) \S")
"""What a code span begins with when it is a command to type, and no file, route, flag or setting."""


def lines(block: str) -> list[str]:
    """Return the commands of a block of shell: one a line, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", block)
    return [line for line in joined.splitlines() if line.strip()]


class SpanParser:
    """A Sybil parser of code spans that are commands, outside of blocks."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def __call__(self, document: Document) -> Iterable[Region]:
        fences = [match.span() for match in re.finditer(r"^```.*?^```", document.text, re.MULTILINE | re.DOTALL)]
        for match in INLINE.finditer(document.text):
            command = " ".join(match[1].split())
            inside = any(start <= match.start() < end for start, end in fences)
            if COMMAND.match(command) and not inside:
                yield Region(match.start(), match.end(), command, self._evaluator)


def sybil(command: Evaluator, answer: Evaluator) -> Sybil:
    """Return what gives each command, and each JSON that a page shows, to the evaluator of its kind."""
    parsers: list[Parser] = [CodeBlockParser("sh", command), CodeBlockParser("json", answer), SpanParser(command)]
    return Sybil(parsers, patterns=["README.md", "CONTRIBUTING.md", "docs/*.md"], path=str(ROOT), fixtures=["walk"])


def commands() -> list[str]:
    """Return every command of every page, in order."""
    ignored = sybil(lambda example: None, lambda example: None)
    ignored.parsers = [parser for parser in ignored.parsers if getattr(parser, "language", "sh") == "sh"]
    documents = [ignored.parse(page) for page in PAGES]
    return [line for document in documents for example in document.examples() for line in lines(example.parsed)]
