"""Checks data sources, for the report of `python -m training check` and the warnings of `train`."""

from __future__ import annotations

import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from bento_service.reading.tokenization import TextTokenizer
from bento_service.reading.windows import Tokens, longest_question
from training.data.examples import Example
from training.data.sources import Source, plain_id, read
from training.errors import DataError

if TYPE_CHECKING:
    from bento_service.reading.reader import ReaderSettings

BATCH = 256
"""Texts that are tokenised at once."""
NAMED = 10
"""Maximum number of ids of a finding."""


@dataclass(frozen=True)
class DataFinding:
    """A problem that some questions have. what: the problem. count: of questions. ids: of the first questions."""

    what: str
    count: int
    ids: tuple[str, ...]

    def __str__(self) -> str:
        named = f" ({', '.join(self.ids)}{', ...' if self.count > len(self.ids) else ''})" if self.ids else ""
        return f"{self.count} {self.what}{named}"


def findings(
    train: Sequence[Example], dev: Sequence[Example], tokenizer: Path, settings: ReaderSettings
) -> list[DataFinding]:
    """Return problems of valid examples: duplicates, leakage between the parts, and limits of the tokenizer."""
    examples = [*train, *dev]
    learnt = {example.context for example in train}
    held = [
        ("questions are asked twice of the same context", _again(examples)),
        ("questions have another answer elsewhere, on the same context", _contradicted(examples)),
        ("questions share their id with another one", _same_id(examples)),
        ("dev questions are on a paragraph of the training part (leakage)", [e for e in dev if e.context in learnt]),
    ]
    return [
        DataFinding(what, len(concerned), tuple(filter(plain_id, dict.fromkeys(e.id for e in concerned)))[:NAMED])
        for what, concerned in [*held, *_Read(tokenizer, settings).unreadable(examples)]
        if concerned
    ]


def _again(examples: Iterable[Example]) -> list[Example]:
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    again = []
    for example in examples:
        key = example.question, example.context, _texts(example)
        again += [example] if key in seen else []
        seen.add(key)
    return again


def _contradicted(examples: Iterable[Example]) -> list[Example]:
    groups: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.question, example.context].append(example)
    return [e for group in groups.values() if len(set(map(_texts, group))) > 1 for e in group]


def _texts(example: Example) -> tuple[str, ...]:
    return tuple(sorted({answer.text for answer in example.answers}))


def _same_id(examples: Sequence[Example]) -> list[Example]:
    counts = Counter(example.id for example in examples)
    return [example for example in examples if counts[example.id] > 1]


class _Read:
    """Finds problems of examples in tokens, as the network reads them."""

    def __init__(self, tokenizer: Path, settings: ReaderSettings) -> None:
        vocabulary = Tokenizer.from_file(str(tokenizer))
        names = (getattr(vocabulary.model, "unk_token", None), "[UNK]", "<unk>")
        ids = (vocabulary.token_to_id(name) for name in names if name)
        self._unknown = next((number for number in ids if number is not None), -1)
        self._tokenizer, self._settings = TextTokenizer(vocabulary), settings

    def unreadable(self, examples: Sequence[Example]) -> list[tuple[str, list[Example]]]:
        """Return the problems that keep examples from being learnt or read, with these examples."""
        longest = self._settings.max_answer_length
        room = longest_question(
            self._tokenizer.special, max_length=self._settings.max_length, doc_stride=self._settings.doc_stride
        )
        long_questions = [e for e, tokens in self._encoded(examples, "question") if len(tokens) > room]
        blind, long_answers = [], []
        for example, tokens in self._encoded(examples, "context"):
            if not len(tokens) or np.mean(tokens.ids == self._unknown) >= 0.5:
                blind.append(example)
            if example.answers and all(_length(tokens, a.start, len(a.text)) > longest for a in example.answers):
                long_answers.append(example)
        return [
            (f"questions are longer than the {room} tokens that a window has room for", long_questions),
            (f"answers are longer than {longest} tokens and can't be learnt (--max-answer-length)", long_answers),
            ("contexts hold little that the tokenizer of this base model knows", blind),
        ]

    def _encoded(self, examples: Sequence[Example], field: str) -> Iterator[tuple[Example, Tokens]]:
        for first in range(0, len(examples), BATCH):
            batch = examples[first : first + BATCH]
            texts = list(dict.fromkeys(getattr(example, field) for example in batch))
            encoded = dict(zip(texts, self._tokenizer.encode(texts), strict=True))
            yield from ((example, encoded[getattr(example, field)]) for example in batch)


def _length(tokens: Tokens, start: int, length: int) -> int:
    """Return the number of tokens of an answer."""
    starts, ends = tokens.offsets.T
    return int(((starts < start + length) & (ends > start)).sum())


def report(train: Sequence[str], dev: Sequence[str], tokenizer: Path, settings: ReaderSettings) -> dict[str, Any]:
    """Check data sources and return a report for JSON. It has no text of a context."""
    described: list[dict[str, Any]] = []
    parts: list[list[Example]] = []
    for names in (train, dev):
        read_whole = [_read(name) for name in names]
        described += [_describe(source) for source in read_whole]
        rows = [row for source in read_whole if isinstance(source, Source) for row in source.rows]
        parts.append([row.example for row in rows if row.example is not None])
    return {
        "sources": described,
        "bad_rows": sum(source.get("bad", 0) for source in described),
        "unreadable": sum("error" in source for source in described),
        "findings": [asdict(finding) for finding in findings(parts[0], parts[1], tokenizer, settings)],
    }


def _read(name: str) -> Source | tuple[str, str]:
    try:
        return read(name)
    except DataError as error:
        return name, str(error)


def _describe(source: Source | tuple[str, str]) -> dict[str, Any]:
    if not isinstance(source, Source):
        return {"source": source[0], "error": source[1]}
    good = [row.example for row in source.rows if not row.faults and row.example is not None]
    contexts = list(dict.fromkeys(example.context for example in good))
    return {
        "source": source.name,
        "format": source.format,
        "rows": len(source.rows),
        "questions": len(good),
        "answerable": sum(bool(example.answers) for example in good),
        "paragraphs": len(contexts),
        "scripts": dict(Counter(script(context) for context in contexts).most_common()),
        "characters": {
            "context": _lengths(contexts),
            "question": _lengths([example.question for example in good]),
            "answer": _lengths([example.answers[0].text for example in good if example.answers]),
        },
        "notes": dict(Counter(note for row in source.rows for note in row.notes)),
        "bad_rows": [
            {"place": row.place, "id": None if row.id is None else plain_id(row.id), **asdict(fault)}
            | {"repaired": row.example is not None}
            for row in source.bad
            for fault in row.faults
        ],
    } | {"bad": len(source.bad), "repairable": sum(row.example is not None for row in source.bad)}


def _lengths(texts: Sequence[str]) -> dict[str, int]:
    counts = list(map(len, texts))
    return {"median": round(statistics.median(counts)), "most": max(counts)} if counts else {}


def script(text: str) -> str:
    """Return the script of most of a text's letters, such as Latin: the first word of their names in Unicode."""
    counts: Counter[str] = Counter()
    for character, count in Counter(text[:2000]).items():
        if character.isalpha():
            counts[_script(character)] += count
    return counts.most_common(1)[0][0] if counts else "none"


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    return unicodedata.name(character, "unknown").split()[0].capitalize()


def verdict(report: dict[str, Any]) -> str:
    """Return why the sources of a report cannot be used for training, with the remedy; empty if they can."""
    wrong = []
    if report["bad_rows"]:
        wrong += [
            f"{report['bad_rows']} bad rows: `train --bad-rows skip` passes them over, `--bad-rows repair` mends those "
            "that it can"
        ]
    if report["unreadable"]:
        wrong += [f"{report['unreadable']} sources that can't be read, as said above"]
    return "; ".join(wrong)


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield a report as lines of text."""
    for source in report["sources"]:
        yield from _source_lines(source)
    for finding in report["findings"]:
        yield str(DataFinding(finding["what"], finding["count"], tuple(finding["ids"])))


def _source_lines(source: dict[str, Any]) -> Iterator[str]:
    if "error" in source:
        yield f"{source['source']}: {source['error']}"
        return
    yield (
        f"{source['source']} ({source['format']}): {source['questions']} good questions of {source['rows']}, "
        f"{source['answerable']} answerable, on {source['paragraphs']} paragraphs"
    )
    if source["questions"]:
        lengths = (
            f"{name} {part['median']}, at most {part['most']}" for name, part in source["characters"].items() if part
        )
        yield f"  characters, in the median: {'; '.join(lengths)}"
        yield f"  scripts: {', '.join(f'{name} {count}' for name, count in source['scripts'].items())}"
    yield from (f"  {count} rows: {note}" for note, count in source["notes"].items())
    if source["bad"]:
        yield f"  {source['bad']} bad rows, of which {source['repairable']} can be repaired:"
    for row in source["bad_rows"]:
        named = f" (id {row['id']})" if row["id"] else ""
        repaired = f"; repair: {row['repair']}" if row["repair"] else ""
        yield f"    {row['place']}{named}: {row['field']} {row['reason']}{repaired}"
