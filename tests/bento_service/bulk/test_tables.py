"""Files of rows, in and out."""

import csv
import gzip
import json

import pytest

from bento_service.bulk.tables import Table, write
from bento_service.errors import UnusableRows

ROWS = [
    {"question": "Wer?", "context": 'Zoë sagt: "Ja,\u2028doch."', "n": "1"},
    {"question": "Was?", "context": "Zeile\r\nund\nnoch eine; so.", "n": "2"},
]


def rows(path):
    return [row for _, row in Table(path).rows()]


@pytest.mark.parametrize("form", ["JSON lines", "CSV", "Parquet"])
def test_what_is_written_is_read_again(form, tmp_path):
    if form == "Parquet":
        pytest.importorskip("pyarrow")
    write(tmp_path / "rows", form, list(ROWS[0]), lambda: iter(ROWS))
    assert Table(tmp_path / "rows").format == form
    assert rows(tmp_path / "rows") == ROWS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", ["JSON lines", "CSV"])
def test_byte_order_marks_and_gzip_are_understood(form, encoding, tmp_path):
    write(tmp_path / "rows", form, list(ROWS[0]), lambda: ROWS)
    text = (tmp_path / "rows").read_bytes().decode().encode(encoding)
    (tmp_path / "rows.gz").write_bytes(gzip.compress(text))
    assert rows(tmp_path / "rows.gz") == ROWS


def test_cells_of_other_tables_may_be_parted_by_semicolons_or_tabs(tmp_path):
    for delimiter in ";\t":
        with (tmp_path / "rows.csv").open("w", newline="") as stream:
            csv.writer(stream, delimiter=delimiter).writerows([ROWS[0], *(row.values() for row in ROWS)])
        assert rows(tmp_path / "rows.csv") == ROWS


def test_lines_may_end_as_excel_for_mac_ends_them(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b'question,context\rWer?,"Ada,\rja"\r')
    assert rows(tmp_path / "rows.csv") == [{"question": "Wer?", "context": "Ada,\rja"}]


def test_what_is_no_row_keeps_its_place(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"question": 1}\n\nnone\n[1]\n')
    found = list(Table(tmp_path / "rows.jsonl").rows())
    assert found == [("line 1", {"question": 1}), ("line 3", None), ("line 4", None)]
    (tmp_path / "rows.csv").write_text("question,context\na,b,c\na\na,b\n")
    assert rows(tmp_path / "rows.csv") == [None, None, {"question": "a", "context": "b"}]


def test_cells_of_csv_hold_lists_as_json(tmp_path):
    row = {"question": "a", "context": "b", "tags": ["ä"]}
    write(tmp_path / "rows.csv", "CSV", list(row), lambda: [row])
    assert json.loads(rows(tmp_path / "rows.csv")[0]["tags"]) == ["ä"]


def test_half_of_a_surrogate_pair_comes_out_as_json_has_it(tmp_path):
    row = {"question": "a", "context": "b", "note": "c\ud83d"}
    write(tmp_path / "rows", "JSON lines", list(row), lambda: [row])
    assert rows(tmp_path / "rows") == [row]
    write(tmp_path / "rows", "CSV", list(row), lambda: [row])
    assert rows(tmp_path / "rows") == [row | {"note": "c\\ud83d"}]


def test_excels_empty_columns_without_a_name_are_no_fault(tmp_path):
    (tmp_path / "rows").write_bytes(b"question,context,,\na,b,,\n")
    assert rows(tmp_path / "rows") == [{"question": "a", "context": "b", "": ""}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[{}]", "write one object a line"),
        (b"a,b\n", "whose first line names question and context"),
        (b"", "whose first line names question and context"),
        (b'question,context\na,"b\n', "cannot be read as CSV"),
        ('{"question": "Zoë"}'.encode("cp1252"), "is not UTF-8"),
        (b"question,context,n,n\na,b,1,2\n", "has columns of the same name"),
        (gzip.compress(b"{}" * 99999)[:60], "cannot be"),
        (gzip.compress(ROWS[0]["context"].encode() * 999)[:20] + b"no deflate" * 9, "cannot be unpacked"),
    ],
)
def test_what_cannot_be_read_is_named(content, message, tmp_path):
    (tmp_path / "rows").write_bytes(content)
    with pytest.raises(UnusableRows, match=message) as refusal:
        rows(tmp_path / "rows")
    assert "Zo" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnusableRows, match="No such file"):
        Table(tmp_path / "none")
