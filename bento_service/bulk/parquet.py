"""Reads and writes Parquet files, some rows at a time. Needs pyarrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bento_service.errors import UnusableRows

READ, WRITTEN = 256, 1000
"""Number of rows in memory at once."""

Rows = Callable[[], Iterable[dict[str, Any]]]
"""Iterates over all rows from the first; can be called several times."""


def _pyarrow() -> Any:
    """Import pyarrow with its Parquet module. Raises UnusableRows if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UnusableRows("Parquet needs pyarrow: `pip install pyarrow`, or use JSON lines or CSV") from error
    return pyarrow


def rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every row with its place, in order. Raises UnusableRows."""
    parquet = _pyarrow().parquet
    try:
        with path.open("rb") as stream:
            number = 0
            for batch in parquet.ParquetFile(stream).iter_batches(batch_size=READ):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except ValueError as error:  # pyarrow's errors are ValueErrors too
        raise UnusableRows(f"{path} cannot be read as Parquet: {type(error).__name__}") from error


def write(path: Path, names: Sequence[str], rows: Rows) -> None:
    """Write rows. The first pass finds the type of each column; a column with several types is written as text.

    names: all fields of the rows, in order. Raises UnusableRows for rows that Parquet can't hold.
    """
    pyarrow = _pyarrow()
    schema = _schema(names, rows)
    try:
        with pyarrow.parquet.ParquetWriter(path, schema) as writer:
            for batch in _batches(rows):
                columns = {
                    f.name: [_cell(row.get(f.name), pyarrow.types.is_string(f.type)) for row in batch] for f in schema
                }
                writer.write_table(pyarrow.table(columns, schema=schema))
    except pyarrow.ArrowException as error:
        raise UnusableRows(
            f"{path}: Parquet can't hold these rows ({type(error).__name__}); name a .jsonl file as --output"
        ) from error


def _batches(rows: Rows) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(rows())
    return iter(lambda: list(islice(iterator, WRITTEN)), [])


def _schema(names: Sequence[str], rows: Rows) -> Any:
    """Return the type of each column; text for a column whose values have no common type."""
    pyarrow = _pyarrow()
    types = dict.fromkeys(names, pyarrow.null())
    for batch in _batches(rows):
        types = {name: _common(types[name], [row.get(name) for row in batch]) for name in names}
    return pyarrow.schema(types)


def _common(before: Any, values: list[Any]) -> Any:
    """Return the common type of some values and of a column's earlier values, whose type is `before`."""
    pyarrow = _pyarrow()
    try:
        parts = [pyarrow.schema([("column", part)]) for part in (before, pyarrow.array(values).type)]
        return pyarrow.unify_schemas(parts, promote_options="permissive").field("column").type
    except (pyarrow.ArrowException, OverflowError, ValueError):  # a large number, and half of a surrogate pair
        return pyarrow.string()


def _cell(value: Any, is_text: bool) -> Any:
    """Return a value unchanged, or for a text column as text that UTF-8 can encode; lists become JSON."""
    if value is None or not is_text:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode()
