"""Loads examples from data sources. Every row is validated; bad rows are refused, skipped or repaired."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from training.data import formats, repair
from training.data.examples import Example, GoldAnswer
from training.data.formats import Raw, Rows
from training.data.rows import Row, answers, errors
from training.errors import DataError

logger = logging.getLogger(__name__)

SAMPLE = "sample"
"""Source name of the embedded sample; its parts are `sample:train` and `sample:dev`."""
SAMPLE_FOLDER = Path(__file__).parent.parent / "sample"
HUB = "hub"

BadRows = Literal["refuse", "skip", "repair"]
"""How bad rows are treated: an error, skipped, or repaired if possible, else skipped."""

IMPOSSIBLE_WITH_ANSWERS = "marked impossible, but with answers: read as unanswerable"
NEITHER = "without answers and without is_impossible: read as unanswerable"
WITHOUT_ID = "without an id: named by a hash of question and context"
PADDED = "an answer has spaces at its edges"

_PLAIN = re.compile(r"[\w.:/@+-]{1,64}")
"""Ids that an error may show; another may be text of a context in the wrong column."""


@dataclass(frozen=True)
class Fault:
    """Why a row is bad: the field, the reason, and how it was repaired, if it was."""

    field: str
    reason: str
    repair: str | None = None

    def __str__(self) -> str:
        repaired = f" (can be repaired: {self.repair})" if self.repair else ""
        return f"{self.field}: {self.reason}{repaired}"


@dataclass(frozen=True)
class Checked:
    """A row after its check. example: with repairs; None if a fault can't be repaired.

    notes: remarks that are no faults.
    """

    place: str
    id: str | None
    example: Example | None
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = None if self.id is None else plain_id(self.id)
        named = "" if name is None else f" (id {name})"
        return f"{self.place}{named}: {'; '.join(map(str, self.faults[:3]))}"[:400]


@dataclass(frozen=True)
class Source:
    """The checked rows of a data source. name: as the user named it. format: of its file."""

    name: str
    format: str
    rows: list[Checked]

    @property
    def bad(self) -> list[Checked]:
        """The rows with a fault."""
        return [row for row in self.rows if row.faults]

    def examples(self, bad_rows: BadRows = "refuse") -> list[Example]:
        """Return the examples. Raises DataError when bad rows are refused, or when there is no example."""
        bad = self.bad
        if bad and bad_rows == "refuse":
            raise DataError(self.refusal())
        kept = [row.example for row in self.rows if not row.faults or bad_rows == "repair"]
        examples = [example for example in kept if example is not None]
        if not examples:
            raise DataError(f"{clip(self.name)} holds no question" + (f" but {len(bad)} bad rows" if bad else ""))
        return examples

    def refusal(self) -> str:
        """Return a message with the first bad row and their number, without text of a context."""
        return (
            f"{clip(self.name)}: {self.bad[0]}; {len(self.bad)} of {len(self.rows)} rows are bad: "
            "`python -m training check` lists them, `train --bad-rows skip` or `repair` goes on"
        )


@dataclass(frozen=True)
class Loaded:
    """The examples of some sources, and the numbers of skipped and repaired rows."""

    examples: list[Example]
    skipped: int = 0
    repaired: int = 0


def load(sources: Iterable[str]) -> list[Example]:
    """Load every source, in order: a file or folder in a format of `formats`, `sample[:PART]`, or `hub:NAME[:...]`.

    Raises DataError when a source cannot be read, or a row of it is bad.
    """
    return load_all(sources).examples


def load_all(sources: Iterable[str], bad_rows: BadRows = "refuse") -> Loaded:
    """Load every source, in order. Raises DataError for an unreadable source, and for bad rows that are refused."""
    examples: list[Example] = []
    skipped = repaired = 0
    for source in map(read, sources):
        examples += source.examples(bad_rows)
        mended = sum(row.example is not None for row in source.bad) if bad_rows == "repair" else 0
        if source.bad:
            counts = (clip(source.name), mended, len(source.bad) - mended, len(source.rows))
            logger.warning("%s: %d bad rows repaired, %d passed over, of %d", *counts)
        for note, count in Counter(note for row in source.rows for note in row.notes).items():
            logger.warning("%s: %d of %d rows: %s", clip(source.name), count, len(source.rows), note)
        skipped, repaired = skipped + len(source.bad) - mended, repaired + mended
    return Loaded(examples, skipped, repaired)


def read(source: str) -> Source:
    """Read and check a source. Raises DataError when it can't be read; a bad row is part of the result."""
    label, rows = _rows(source)
    raws = list(rows.rows)
    checked = [check(raw, label) for raw in raws]
    shift = repair.common_shift(
        (row.context, answer.text, answer.answer_start)
        for raw, result in zip(raws, checked, strict=True)
        if result.faults and (row := _lenient(raw.fields)) is not None
        for answer in row.answers or ()
        if answer.answer_start is not None and not _stands(row.context, answer.text, answer.answer_start)
    )
    if shift is not None:
        checked = [check(raw, label, shift) if row.faults else row for raw, row in zip(raws, checked, strict=True)]
    if not checked:
        raise DataError(f"{clip(source)} holds no question; {formats.HELP}")
    return Source(source, rows.format, checked)


def _rows(source: str) -> tuple[str, Rows]:
    """Return a source's name for reports, and its rows."""
    name, _, part = source.partition(":")
    if name == SAMPLE:
        if part not in ("", "train", "dev"):
            raise DataError(f"data source {clip(source)!r}: the sample's parts are sample:train and sample:dev")
        parts = [part] if part else ["train", "dev"]
        files = [formats.read(SAMPLE_FOLDER / f"{part}.json") for part in parts]
        return SAMPLE, Rows("SQuAD JSON", [raw for file in files for raw in file.rows])
    if name == HUB:
        from training.data import hub

        return part.partition(":")[0], hub.read(part)
    path = Path(source)
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name, formats.read(path)


def check(raw: Raw, label: str, shift: int | None = None) -> Checked:
    """Check a row. label: source of its example. shift: common offset of the source's starts, if there is one."""
    if raw.problem is not None:
        return Checked(raw.place, None, None, (Fault("row", raw.problem),))
    reasons: dict[str, str] = {}
    try:
        row: Row | None = Row.model_validate(raw.fields)
    except ValidationError as error:
        reasons = dict(errors(error))
        row = _lenient(raw.fields)
    if row is None:
        faults = (Fault(field, reason) for field, reason in reasons.items())
        return Checked(raw.place, _id(raw.fields), None, tuple(faults))
    return _Check(row, raw.place, label, shift, reasons).result()


def _lenient(fields: dict[str, Any]) -> Row | None:
    """Return a row whose only faults are wrong starts, with these starts unknown; None for other faults."""
    try:
        return Row.model_validate(fields)
    except ValidationError as error:
        if any(place["loc"][-1:] != ("answer_start",) for place in error.errors(include_input=False)):
            return None
        wrong = {place["loc"][1] for place in error.errors(include_input=False)}
    known = [a if i not in wrong else {**a, "answer_start": None} for i, a in enumerate(answers(fields))]
    return Row.model_validate({**fields, "answers": known, "detected_answers": None})


def _id(fields: dict[str, Any]) -> str | None:
    value = fields.get("id")
    return str(value)[:100] if isinstance(value, str | int) else None


class _Check:
    """Checks that the fields of one valid row are consistent."""

    def __init__(self, row: Row, place: str, label: str, shift: int | None, reasons: dict[str, str]) -> None:
        """reasons: why a start counts as unknown, by field."""
        self._row, self._place, self._label = row, place, label
        self._shift, self._reasons = shift, reasons
        self._faults: list[Fault] = []
        self._notes: list[str] = []
        self._whole = True

    def result(self) -> Checked:
        """Return the checked row."""
        row = self._row
        context, question = (self._readable(name, getattr(row, name)) for name in ("context", "question"))
        answers = self._answers(context)
        name = row.id
        if not name:
            name = hashlib.sha256(f"{question}\0{context}".encode()).hexdigest()[:16]
            self._notes.append(WITHOUT_ID)
        example = Example(name, question, context, answers, row.title or "", self._label)
        notes = tuple(dict.fromkeys(self._notes))
        return Checked(self._place, row.id, example if self._whole else None, tuple(self._faults), notes)

    def _fault(self, field: str, reason: str, repaired: str | None = None) -> None:
        self._faults.append(Fault(field, reason, repaired))
        self._whole = self._whole and repaired is not None

    def _readable(self, field: str, text: str) -> str:
        half = repair.LONE_SURROGATE.search(text)
        if half is None:
            return text
        self._fault(field, f"holds half of a surrogate pair at {half.start()}", "replaced by U+FFFD")
        return repair.LONE_SURROGATE.sub("\ufffd", text)

    def _answers(self, context: str) -> tuple[GoldAnswer, ...]:
        row = self._row
        if row.is_impossible:
            if row.answers:
                self._notes.append(IMPOSSIBLE_WITH_ANSWERS)
            return ()
        if row.answers is None:
            self._fault("answers", "is missing")
        elif not row.answers and row.is_impossible is not None:
            self._fault("answers", "is empty, but is_impossible is false")
        elif not row.answers:
            self._notes.append(NEITHER)
        return tuple(self._answer(f"answers[{i}]", context, i) for i in range(len(row.answers or ())))

    def _answer(self, field: str, context: str, number: int) -> GoldAnswer:
        answer = (self._row.answers or ())[number]
        text = repair.LONE_SURROGATE.sub("\ufffd", answer.text)
        start = answer.answer_start
        if start is not None and _stands(context, text, start):
            if text != text.strip():
                self._notes.append(PADDED)
            return GoldAnswer(text, start)
        repaired = repair.find(context, text, start, self._shift)
        place = f"{field}.answer_start"
        reason = self._reasons.get(place, "is missing")
        if start is not None:
            reason = f"{start} does not point at the text (offsets count code points)"
        self._fault(place, reason, None if repaired is None else repaired.kind)
        if repaired is None:
            return GoldAnswer(text, 0)
        return GoldAnswer(context[repaired.start : repaired.end], repaired.start)


def _stands(context: str, text: str, start: int) -> bool:
    return context[start : start + len(text)] == text


def plain_id(name: str) -> str | None:
    """Return an id that may be shown; None for one that may be text of a context."""
    return name if _PLAIN.fullmatch(name) else None


def clip(name: str) -> str:
    """Return a source's name for an error; only the end of a long name."""
    return name if len(name) <= 200 else f"...{name[-200:]}"
