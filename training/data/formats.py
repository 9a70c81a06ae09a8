"""Reads data files, whose formats are recognised by content, as rows with their places."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bento_service.bulk.tables import header
from training.data.rows import ALIASES, Row
from training.errors import DataError

GZIP, PARQUET, ZIP = b"\x1f\x8b", b"PAR1", b"PK\x03\x04"
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by their byte order mark. UTF-32 comes first, since its mark begins with that of UTF-16."""
HELP = "docs/data.md lists the formats"


@dataclass(frozen=True)
class Raw:
    """A row as it is in its source. problem: why it can't be read; None if it can."""

    place: str
    fields: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class Rows:
    """The rows of a source, and the name of its format."""

    format: str
    rows: Iterable[Raw]


def read(path: Path) -> Rows:
    """Read a file, or a folder of `save_to_disk`. Raises DataError for an unknown format."""
    if path.is_dir():
        return _read_folder(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"data file {path}: {error.strerror or error}; name a file that can be read") from error
    packed = content.startswith(GZIP)
    if packed:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"data file {path}: cannot be unpacked as gzip, or was cut; copy it again") from error
    if content.startswith(PARQUET):
        return _read_parquet(path, content)
    if content.startswith(ZIP):
        raise DataError(f"data file {path} is an Excel workbook or a ZIP archive; save the table as CSV, or unpack it")
    text = _decode(path, content)
    if not text.strip():
        raise DataError(f"data file {path} is empty, and holds no question")
    table = _read_json(path, text) if text.lstrip()[0] in "{[" else _read_table(path, text)
    return Rows(f"{table.format}, gzip", table.rows) if packed else table


def _decode(path: Path, content: bytes) -> str:
    mark = next((mark for mark in MARKS if content.startswith(mark)), None)
    encoding = json.detect_encoding(content[:4]) if mark is None else MARKS[mark]
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        remedy = "convert it, such as with `iconv -f WINDOWS-1252 -t UTF-8`, or save it as UTF-8"
        if encoding != "utf-8":
            remedy = "was it cut? Copy it again, or save it as UTF-8"
        where = f"data file {path} is not {encoding.upper()}: byte {error.start}"
        raise DataError(f"{where}; {remedy}") from None  # the error holds all of the text


def _read_json(path: Path, text: str) -> Rows:
    try:
        return _of_content(path, json.loads(text))
    except json.JSONDecodeError as error:
        first, _, more = text.lstrip().partition("\n")
        if not more.strip() or not _is_json(first):
            message = f"data file {path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
            raise DataError(f"{message}; was it cut? {HELP}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"data file {path} is not JSON that can be read: {type(error).__name__}") from None
    return Rows("JSON lines", _lines(text))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(text: str) -> Iterator[Raw]:
    for number, line in enumerate(text.split("\n"), start=1):  # a text may contain other line separators
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
            yield Raw(f"line {number}", {}, f"is not JSON: {reason}")
        else:
            yield from _item(f"line {number}", item)


def _of_content(path: Path, content: Any) -> Rows:
    """Return the rows of a JSON file: a list of items, alone or under `data`, one item, or columns."""
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        return Rows(f"{_kind(content['data'])} under `data`", _items("data", content["data"]))
    if isinstance(content, list):
        return Rows(_kind(content), _items("", content))
    if isinstance(content, dict):
        columns = {name: _column(values) for name, values in content.items()}
        if "question" in columns and all(isinstance(values, list) for values in columns.values()):
            return Rows("columns in JSON", _columns(columns))
        if {"paragraphs", "qas", "question"} & content.keys():
            return Rows("JSON lines", _item("line 1", content))
    raise DataError(f"data file {path} holds neither a list under `data` nor rows with question and context; {HELP}")


def _kind(items: list[Any]) -> str:
    first = next((item for item in items if isinstance(item, dict)), {})
    if "paragraphs" in first:
        return "SQuAD JSON"
    return "paragraphs in JSON" if "qas" in first else "rows in JSON"


def _column(values: Any) -> Any:
    """Return a column's values as a list. pandas writes them as a dictionary by row number."""
    rows = isinstance(values, dict) and all(name.isdigit() for name in values)
    return list(values.values()) if rows else values


def _columns(columns: dict[str, list[Any]]) -> Iterator[Raw]:
    for number in range(max(map(len, columns.values()))):
        yield table_row(f"row {number + 1}", {k: v[number] for k, v in columns.items() if number < len(v)})


def _items(place: str, items: list[Any]) -> Iterator[Raw]:
    for number, item in enumerate(items):
        yield from _item(f"{place}[{number}]", item)


def _item(place: str, item: Any) -> Iterator[Raw]:
    """Yield the rows of an article, a paragraph or a row. MRQA's header has none."""
    if not isinstance(item, dict):
        yield Raw(place, {}, "is neither an article, nor a paragraph, nor a question")
    elif "paragraphs" in item:
        yield from _article(place, item)
    elif "qas" in item:
        yield from _paragraph(place, item, None)
    elif "question" in item or "context" in item:
        yield table_row(place, item)
    elif "header" not in item:
        yield Raw(place, {}, "has neither paragraphs, nor qas, nor question and context")


def _article(place: str, article: dict[str, Any]) -> Iterator[Raw]:
    if not isinstance(article["paragraphs"], list):
        yield Raw(f"{place}.paragraphs", {}, "is not a list")
        return
    for number, paragraph in enumerate(article["paragraphs"]):
        where = f"{place}.paragraphs[{number}]"
        if isinstance(paragraph, dict):
            yield from _paragraph(where, paragraph, article.get("title"))
        else:
            yield Raw(where, {}, "is not an object with context and qas")


def _paragraph(place: str, paragraph: dict[str, Any], title: Any) -> Iterator[Raw]:
    if not isinstance(paragraph.get("qas"), list):
        yield Raw(f"{place}.qas", {}, "is not a list of questions")
        return
    for number, qa in enumerate(paragraph["qas"]):
        where = f"{place}.qas[{number}]"
        if not isinstance(qa, dict):
            yield Raw(where, {}, "is not an object with question and answers")
            continue
        shared = {"title": paragraph.get("title", title), "context": paragraph.get("context")}
        yield Raw(where, {**shared, **({"id": qa["qid"]} if "qid" in qa else {}), **qa})


def table_row(place: str, row: dict[str, Any]) -> Raw:
    """Return a row of a table, with its columns renamed as in `rows.Row`."""
    named = {name.strip().lower(): value for name, value in row.items() if isinstance(name, str)}
    fields = {ALIASES.get(name, name): value for name, value in named.items()}
    return Raw(place, fields | {name: value for name, value in named.items() if name not in ALIASES})


def _read_table(path: Path, text: str) -> Rows:
    names, delimiter = header(text)
    named = [name.lower() for name in names]
    if not {"question", "context"} <= {ALIASES.get(name, name) for name in named}:
        raise DataError(
            f"data file {path} is neither JSON nor a table whose first line names the columns question and context; "
            f"{HELP}"
        )
    if twice := [name for name in (*Row.model_fields, *ALIASES, "answer", "answer_start") if named.count(name) > 1]:
        raise DataError(f"data file {path} has more than one column {twice[0]}; keep the one that is meant")
    try:
        rows = list(_table(text, delimiter))
    except csv.Error as error:
        raise DataError(f"data file {path} cannot be read as CSV: {error}; quote texts that hold quotes") from None
    return Rows({",": "CSV", ";": "CSV with semicolons", "\t": "TSV"}[delimiter], rows)


def _table(text: str, delimiter: str) -> Iterator[Raw]:
    csv.field_size_limit(sys.maxsize)  # a context may be longer than csv's default limit
    reader = csv.DictReader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)
    last = 1
    for row in reader:
        place, last = f"line {last + 1}", reader.line_num
        if None in row:
            yield Raw(place, {}, f"has more values than the header; quote texts that hold {delimiter!r}")
        elif any(value is None for value in row.values()):
            yield Raw(place, {}, "has fewer values than the header")
        else:
            yield table_row(place, dict(row))


def _read_parquet(path: Path, content: bytes) -> Rows:
    from pyarrow import ArrowException, BufferReader, parquet

    try:
        batches = parquet.ParquetFile(BufferReader(content)).iter_batches()
        rows = [row for batch in batches for row in batch.to_pylist()]
    except (ArrowException, OSError) as error:
        raise DataError(f"data file {path}: cannot be read as Parquet ({type(error).__name__}), or was cut") from error
    return Rows("Parquet", numbered(rows))


def numbered(rows: Iterable[dict[str, Any]]) -> Iterator[Raw]:
    """Yield the rows of a table with their numbers, from 1 on."""
    for number, row in enumerate(rows, start=1):
        yield table_row(f"row {number}", row)


def _read_folder(path: Path) -> Rows:
    if not any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
        raise DataError(f"data folder {path} is not one of `save_to_disk`; name a file in it, or such a folder; {HELP}")
    from datasets import load_from_disk

    try:
        loaded = load_from_disk(str(path))
    except Exception as error:  # datasets raises many classes
        raise DataError(f"data folder {path} cannot be loaded: {type(error).__name__}") from error
    return Rows("save_to_disk", numbered(choose_split(loaded, None, f"data folder {path}", f"{path}/")))


def choose_split(loaded: Any, split: str | None, where: str, prefix: str) -> Any:
    """Return a split of a DatasetDict: the named one, else `train`, else the only one. Raises DataError.

    where, prefix: of the source, for errors. Anything but a dictionary is returned unchanged.
    """
    if not isinstance(loaded, dict):
        return loaded
    chosen = split or ("train" if "train" in loaded else next(iter(loaded)) if len(loaded) == 1 else None)
    if chosen not in loaded:
        names = ", ".join(f"{prefix}{name}" for name in list(loaded)[:8])
        raise DataError(f"{where} has no split {chosen or 'train'}; name one of {names}")
    return loaded[chosen]
