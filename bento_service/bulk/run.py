"""Answers a file of questions. It checks every row before it answers, and resumes an interrupted run.

Answers are written to OUTPUT.part, one line for each row, in order. When all rows are answered, the rows are read again
and written to OUTPUT with their answers. So no row is lost or answered twice, and memory does not grow.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tqdm import tqdm

from bento_service.bulk.engines import RowResult
from bento_service.bulk.tables import SUFFIXES, Table, write
from bento_service.errors import UnusableRows
from bento_service.schema import BatchQuery

FIELDS = ("answer", "confidence", "start_pos", "end_pos")
ERROR = "error"
"""The field with the reason why a skipped row has no answer."""
NAMED = 10
"""Maximum number of bad rows that are reported one by one."""

Answerer = Callable[[Iterable[BatchQuery | None]], Iterator[RowResult | None]]


@dataclass(frozen=True)
class Entry:
    """A row of the file. request: None for a row that can't be answered. reason: why it can't be answered."""

    place: str
    row: dict[str, Any]
    request: BatchQuery | None
    reason: str | None = None


@dataclass(frozen=True)
class Task:
    """A file to answer, with the options. answered_by: tag or URL; a run is only resumed with the same one."""

    table: Table
    output: Path
    answered_by: str
    options: dict[str, Any] = field(default_factory=dict)
    skip: bool = False
    prefix: str = ""

    @property
    def part(self) -> Path:
        """The file of the answers so far."""
        return self.output.with_name(f"{self.output.name}.part")

    @property
    def format(self) -> str:
        """The format of the output, by the suffix of its name; without a known suffix, that of the input."""
        return SUFFIXES.get(self.output.suffix, self.table.format)

    def entries(self) -> Iterator[Entry]:
        """Yield every row, read and checked, in order."""
        for place, row in self.table.rows():
            fields = {name: (row or {}).get(name) for name in ("question", "context")}
            try:
                request = BatchQuery.model_validate(fields | self.options)
            except ValidationError as error:
                first = error.errors(include_input=False)[0]
                reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
                yield Entry(place, row or {}, None, "is no row" if row is None else reason)
            else:
                yield Entry(place, row or {}, request)


@dataclass(frozen=True)
class Survey:
    """The result of checking all rows. names: of all fields, in order. bad: number of rows that can't be answered."""

    rows: int
    names: tuple[str, ...]
    bad: int
    fingerprint: str


def run(task: Task, answer: Answerer, *, overwrite: bool = False) -> None:
    """Answer every row of a task, or the rest of them. Raises UnusableRows."""
    if task.output.exists() and not overwrite:
        raise UnusableRows(f"{task.output} is there already; name another --output, or replace it with --overwrite")
    survey = inspect(task)
    done = _resume(task, survey)
    if done:
        print(f"{done} of {survey.rows} rows are answered already; going on", file=sys.stderr)
    rest = (entry.request for entry in islice(task.entries(), done, None))
    with (
        task.part.open("a", encoding="utf-8") as part,
        tqdm(total=survey.rows, initial=done, desc="answer", unit="row", mininterval=1) as bar,
    ):
        for result in answer(rest):
            part.write(json.dumps(result, ensure_ascii=False) + "\n")
            part.flush()
            bar.update()
    _finish(task, survey)


def inspect(task: Task) -> Survey:
    """Check every row. Raises UnusableRows for bad rows, or reports them if the task skips them."""
    names: dict[str, None] = {}
    digest = hashlib.sha256(json.dumps([task.answered_by, task.options, task.prefix, task.skip]).encode())
    rows = count = 0
    bad: list[str] = []
    for entry in task.entries():
        rows += 1
        names |= dict.fromkeys(entry.row)
        if entry.request is None:
            count += 1
            bad += [f"{entry.place}: {entry.reason}"] if len(bad) < NAMED else []
        else:
            text = f"{entry.request.question}\0{entry.request.context}"
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    if count and not task.skip:
        raise UnusableRows(
            f"{task.table.path}: {bad[0]}; {count} of {rows} rows can't be answered: correct them, "
            "or pass them over with --bad-rows skip"
        )
    for line in bad:
        print(f"passed over: {line}", file=sys.stderr)
    if count > len(bad):
        print(f"passed over: {count - len(bad)} more", file=sys.stderr)
    added = _added(task)
    if taken := [name for name in added if name in names]:
        raise UnusableRows(f"the rows have {', '.join(taken)} already; name the answers otherwise: --prefix predicted_")
    return Survey(rows, (*names, *added), count, digest.hexdigest())


def _added(task: Task) -> list[str]:
    return [f"{task.prefix}{name}" for name in (*FIELDS, *((ERROR,) if task.skip else ()))]


def _resume(task: Task, survey: Survey) -> int:
    """Create OUTPUT.part, or remove its incomplete last line. Return the number of answered rows."""
    head = json.dumps({"rows": survey.rows, "fingerprint": survey.fingerprint}) + "\n"
    if not task.part.exists() or not task.part.stat().st_size:
        task.output.parent.mkdir(parents=True, exist_ok=True)
        task.part.write_text(head, encoding="utf-8")
        return 0
    with task.part.open("rb+") as stream:
        if stream.readline() != head.encode():
            raise UnusableRows(f"{task.part} is of other rows, options or another model; remove it to begin anew")
        done, whole = 0, stream.tell()
        for line in stream:
            if line.endswith(b"\n"):
                done, whole = done + 1, whole + len(line)
        stream.truncate(whole)
    return done


def _finish(task: Task, survey: Survey) -> None:
    """Write the rows with their answers, then remove OUTPUT.part."""
    written = task.output.with_name(f"{task.output.name}.new")
    write(written, task.format, survey.names, partial(_joined, task))
    written.replace(task.output)
    task.part.unlink()


def _joined(task: Task) -> Iterator[dict[str, Any]]:
    with task.part.open(encoding="utf-8") as part:
        next(part)
        for entry, line in zip(task.entries(), part, strict=True):
            result = json.loads(line) or {}
            values = {name: result.get(name) for name in FIELDS}
            if task.skip:
                values[ERROR] = result.get(ERROR, entry.reason)
            yield entry.row | {f"{task.prefix}{name}": value for name, value in values.items()}
