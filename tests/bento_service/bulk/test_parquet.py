"""Parquet has one type a column, which may show in the last row only."""

import pytest

from bento_service.bulk.tables import Table, write
from bento_service.errors import UnusableRows

pytest.importorskip("pyarrow")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None, "late"], [None, "late"]),
        ([1, None, 2.5], [1.0, None, 2.5]),
        ([[], ["a"]], [[], ["a"]]),
        ([1, "a", None, {"b": [True]}], ["1", "a", None, '{"b": [true]}']),
        ([1, 10**30], ["1", str(10**30)]),
        (["a", "b\ud83d"], ["a", "b\\ud83d"]),
    ],
)
@pytest.mark.parametrize("at_once", [1, 1000])
def test_a_column_has_the_type_of_all_its_values_or_is_text(values, expected, at_once, tmp_path, monkeypatch):
    monkeypatch.setattr("bento_service.bulk.parquet.WRITTEN", at_once)
    written = [{"question": "a", "context": "b", "value": value} for value in values]
    write(tmp_path / "rows", "Parquet", ["question", "context", "value"], lambda: written)
    read = [row for _, row in Table(tmp_path / "rows").rows() if row is not None]
    assert [row["value"] for row in read] == expected


def test_rows_that_parquet_cannot_hold_are_refused_with_what_can(tmp_path):
    row = {"question": "a", "context": "b", "value": {}}
    with pytest.raises(UnusableRows, match=r"Parquet can't hold these rows .*; name a \.jsonl file"):
        write(tmp_path / "rows", "Parquet", list(row), lambda: [row])


def test_what_is_no_parquet_after_its_first_bytes_is_named(tmp_path):
    (tmp_path / "rows").write_bytes(b"PAR1")
    with pytest.raises(UnusableRows, match="cannot be read as Parquet"):
        list(Table(tmp_path / "rows").rows())
