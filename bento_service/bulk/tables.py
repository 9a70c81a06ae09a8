"""Reads and writes files row by row: JSON lines, CSV and, with pyarrow, Parquet."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from bento_service.bulk import parquet
from bento_service.errors import UnusableRows

JSONL, CSV, PARQUET = "JSON lines", "CSV", "Parquet"
SUFFIXES = {".jsonl": JSONL, ".ndjson": JSONL, ".csv": CSV, ".parquet": PARQUET}
DELIMITERS = ",;\t"
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_HEAD = 1 << 16
"""Number of bytes, or characters, by which a format is recognised."""

TableRow = dict[str, Any] | None
"""None stands for a line that is no row."""


class Table:
    """A file of rows, whose format is recognised by its content. Raises UnusableRows for an unknown format."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._packed = _starts(path, 2) == b"\x1f\x8b"
        head = self._head()
        self._encoding = next((_MARKS[mark] for mark in _MARKS if head.startswith(mark)), "utf-8")
        self.format = PARQUET if head.startswith(b"PAR1") else self._text_format(head)

    def _head(self) -> bytes:
        try:
            with self._open_bytes() as stream:
                return stream.read(_HEAD)
        except (OSError, EOFError, zlib.error) as error:
            raise UnusableRows(f"{self.path}: {getattr(error, 'strerror', None) or 'cannot be unpacked'}") from error

    def _text_format(self, head: bytes) -> str:
        text = codecs.getincrementaldecoder(self._encoding)("replace").decode(head).lstrip("\ufeff \t\r\n")
        if text.startswith("["):
            raise UnusableRows(f"{self.path} is one JSON list; write one object a line")
        if text.startswith("{"):
            return JSONL
        names, self._delimiter = header(text)
        if not {"question", "context"} <= set(names):
            raise UnusableRows(
                f"{self.path} is neither JSON lines, nor Parquet, nor CSV whose first line names question and context"
            )
        named = [name for name in names if name]  # Excel writes empty columns without a name
        if len(set(named)) < len(named):
            raise UnusableRows(f"{self.path} has columns of the same name; give each a name of its own")
        return CSV

    def _open_bytes(self) -> IO[bytes]:
        return gzip.open(self.path, "rb") if self._packed else self.path.open("rb")  # type: ignore[return-value]  # reads bytes too

    def rows(self) -> Iterator[tuple[str, TableRow]]:
        """Yield every row with its place, in order. Raises UnusableRows."""
        try:
            if self.format == PARQUET:
                yield from parquet.rows(self.path)
                return
            # A line of JSON may hold any other line separator, and a quoted cell of CSV every one.
            newline = "\n" if self.format == JSONL else ""
            with self._open_bytes() as stream, io.TextIOWrapper(stream, self._encoding, newline=newline) as lines:
                yield from _json_rows(lines) if self.format == JSONL else self._csv_rows(lines)
        except UnicodeDecodeError:
            raise UnusableRows(f"{self.path} is not {self._encoding.upper()}; save it as UTF-8") from None
        except (OSError, EOFError, zlib.error) as error:
            raise UnusableRows(
                f"{self.path} cannot be read: {type(error).__name__}; was it cut? Copy it again"
            ) from error
        except csv.Error as error:
            raise UnusableRows(f"{self.path} cannot be read as CSV: {error}; quote texts that hold quotes") from error

    def _csv_rows(self, lines: Iterable[str]) -> Iterator[tuple[str, TableRow]]:
        csv.field_size_limit(sys.maxsize)  # a context may be long
        reader = csv.DictReader(lines, delimiter=self._delimiter, strict=True)
        for number, row in enumerate(reader, start=1):
            whole = None not in row and None not in row.values()
            yield f"row {number}", {name.strip(): value for name, value in row.items()} if whole else None


def header(text: str) -> tuple[list[str], str]:
    """Return the column names in the first line of a table, and the delimiter of its cells."""
    line = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0][:_HEAD]  # \r alone ends lines of Excel for Mac
    delimiter = max(DELIMITERS, key=line.count)
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])], delimiter


def _starts(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise UnusableRows(f"{path}: {error.strerror or error}") from error


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[str, TableRow]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield f"line {number}", row if isinstance(row, dict) else None


def write(path: Path, form: str, names: Sequence[str], rows: Callable[[], Iterable[dict[str, Any]]]) -> None:
    """Write rows in a format. names: all their fields, in order. rows: reads them, for Parquet twice.

    Raises UnusableRows when Parquet can't hold them.
    """
    if form == PARQUET:
        parquet.write(path, names, rows)
        return
    # JSON writes half of a surrogate pair, which UTF-8 does not have, as \udXXX, too.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        if form == JSONL:
            stream.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows())
            return
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows())


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value
