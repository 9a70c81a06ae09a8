"""Every format gives the same examples, whatever the file is called."""

import csv
import gzip
import io
import json

import pytest
from datasets import Dataset, DatasetDict

from tests.training.data import files
from training import data
from training.errors import DataError

MRQA = [
    {"header": {"dataset": "X"}},
    {
        "context": files.CONTEXT,
        "qas": [
            {
                "qid": qa["id"],
                "question": qa["question"],
                "answers": [a["text"] for a in qa["answers"]],
                "detected_answers": [
                    {"text": a["text"], "char_spans": [[a["answer_start"], a["answer_start"] + len(a["text"]) - 1]]}
                    for a in qa["answers"]
                ],
            }
            for qa in files.qas()
        ],
    },
]
PARAGRAPH = files.articles()[0]["paragraphs"][0]
COLUMNS = {name: [row[name] for row in files.rows()] for name in files.rows()[0]}


def table(delimiter=",", names=("id", "context", "question", "answer_text", "answer_start")):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(names)
    for qa in files.qas():
        (answer,) = qa["answers"]
        writer.writerow([qa["id"], files.CONTEXT, qa["question"], answer["text"], answer["answer_start"]])
    return text.getvalue()


TEXTS = {
    "SQuAD": json.dumps({"version": "1.1", "data": files.articles()}),
    "SQuAD without data": json.dumps(files.articles(), indent=1),
    "articles as lines": files.lines(files.articles()),
    "simpletransformers": json.dumps([PARAGRAPH]),
    "MRQA": files.lines(MRQA),
    "rows": json.dumps(files.rows()),
    "rows under data": json.dumps({"data": files.rows()}),
    "rows as lines": files.lines(files.rows()),
    "one row": files.lines(files.rows()[:1]),
    "columns": json.dumps(COLUMNS),
    "columns of pandas": json.dumps({name: dict(enumerate(values)) for name, values in COLUMNS.items()}),
    "CSV": table(),
    "CSV with semicolons": table(";"),
    "CSV of Excel for Mac": table().replace("\r\n", "\r"),
    "TSV with other names": table("\t", ("QID", "Passage", "Question", "Answer", "start")),
    "CSV of datasets": Dataset.from_list(files.rows()).to_pandas().to_csv(index=False),
}


def content(example):
    return example.id, example.question, example.context, example.answers


EXPECTED = [
    (qa["id"], qa["question"], files.CONTEXT, (data.GoldAnswer(a["text"], a["answer_start"]),))
    for qa in files.qas()
    for a in qa["answers"]
]


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_recognised_by_its_content(name, tmp_path):
    path = tmp_path / "questions.dat"
    path.write_text(TEXTS[name], encoding="utf-8", newline="")
    assert list(map(content, data.load([str(path)]))) == EXPECTED[: 1 if name == "one row" else 3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("name", ["SQuAD", "rows as lines", "CSV"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_gzip_are_recognised_too(name, encoding, packed, tmp_path):
    path = tmp_path / "questions.json"
    text = TEXTS[name].replace('"Zoë', '"Zoë').encode(encoding)
    path.write_bytes(gzip.compress(text) if packed else text)
    assert list(map(content, data.load([str(path)]))) == EXPECTED


def test_parquet_and_folders_of_save_to_disk_are_read(tmp_path):
    dataset = Dataset.from_list(files.rows())
    dataset.to_parquet(tmp_path / "squad")
    dataset.save_to_disk(tmp_path / "one")
    DatasetDict({"train": dataset, "test": dataset.select([0])}).save_to_disk(tmp_path / "parts")
    for name, expected in (("squad", EXPECTED), ("one", EXPECTED), ("parts", EXPECTED), ("parts/test", EXPECTED[:1])):
        assert list(map(content, data.load([str(tmp_path / name)]))) == expected, name
    DatasetDict({"dev": dataset, "test": dataset}).save_to_disk(tmp_path / "two")
    with pytest.raises(DataError, match=r"no split train; name one of .*two/dev, .*two/test"):
        data.load([str(tmp_path / "two")])


@pytest.mark.parametrize("text", ["1971)])", "array(['1971'])", 'a "1971" it\'s'])
@pytest.mark.parametrize("start", ["np.int64(0)", "array(0)", "0"])
def test_answers_are_read_as_numpy_prints_them_whatever_they_hold(text, start, tmp_path):
    answers = f"{{'text': array([{text!r}],\n      dtype=object), 'answer_start': [{start}]}}"
    path = tmp_path / "pandas.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["question", "context", "answers"], ["When?", f"{text} is when", answers]])
    (example,) = data.load([str(path)])
    assert example.answers == (data.GoldAnswer(text, 0),)


def test_a_configuration_and_a_split_of_a_hub_data_set_are_chosen(tmp_path):
    for name, rows in (("de-train", files.rows()), ("de-test", files.rows()[:1]), ("fr-validation", files.rows()[:2])):
        Dataset.from_list(rows).to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: de\n  data_files:\n  - {split: train, path: de-train.parquet}\n"
        "  - {split: test, path: de-test.parquet}\n- config_name: fr\n  data_files:\n"
        "  - {split: validation, path: fr-validation.parquet}\n---\n"
    )
    for source, count in ((":de", 3), (":de:test", 1), (":fr", 2), (":fr:validation", 2)):
        assert len(data.load([f"hub:{tmp_path}{source}"])) == count, source
    with pytest.raises(DataError, match=r"has no split dev; name one of hub:.*:de:train"):
        data.load([f"hub:{tmp_path}:de:dev"])
    with pytest.raises(DataError, match=r"write hub:NAME\[:CONFIG\]\[:SPLIT\]"):
        data.load(["hub:a:b:c:d"])


def test_a_hub_that_cannot_be_reached_is_said_so(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="'no-such-user/no-such-set' could not be loaded"):
        data.load(["hub:no-such-user/no-such-set"])


def test_the_sample_loads_whole_and_by_part():
    train, dev = data.load(["sample:train"]), data.load(["sample:dev"])
    assert data.load(["sample"]) == train + dev
    with pytest.raises(DataError, match="sample:train and sample:dev"):
        data.load(["sample:test"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"{", "is not JSON: Expecting property name"),
        (TEXTS["SQuAD"][:300].encode(), "is not JSON: .* was it cut"),
        (b"[]", "holds no question"),
        (b'{"data": []}', "holds no question"),
        (b'{"articles": []}', "neither a list under `data` nor rows"),
        (b'{"data": [{}]}', r"data\[0\]: row: has neither paragraphs, nor qas"),
        (b'{"data": [[]]}', r"data\[0\]: row: is neither an article"),
        (b'[{"paragraphs": 5}]', r"\[0\]\.paragraphs: row: is not a list"),
        (
            b'{"question": "Who?", "context": "Ada.", "answers": []}\n{"question": "Wh\n',
            "line 2: row: is not JSON: Unterminated",
        ),
        (b"[" * 100_000, "cannot be read|that can be read: RecursionError|is not JSON"),
        (b"\x00", "neither JSON nor a table"),
        (b"Ada wrote it, in 1843\n", "whose first line names the columns question and context"),
        (b"question,context,answer\nWho?,Ada, wrote it,Ada\n", "line 2: row: has more values than the header"),
        (b'question,context,answer\nWho?,Ada,Ada\nWho?,"Ada,Ada\n', "cannot be read as CSV"),
        (b"question,context,context\nWho?,Ada,Eva\n", "has more than one column context; keep the one that is meant"),
        (b"Ada " * 99999 + b"\rand more", "whose first line names the columns question and context"),
        ("Zoë".encode("cp1252"), "is not UTF-8: byte 2; convert it"),
        (TEXTS["CSV"].encode("utf-16")[:-1], "is not UTF-16: byte .*; was it cut"),
        (b"PK\x03\x04\x14\x00\x06\x00", "is an Excel workbook or a ZIP archive; save the table as CSV"),
        (gzip.compress(b"{}" * 1000)[:20], "cannot be unpacked as gzip"),
        (b"PAR1 and no more", "cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read_is_named_shortly(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"(?s)bad\.json.*({message})") as refusal:
        data.load([str(path)])
    assert len(str(refusal.value)) < 1000


def test_what_is_not_there_or_no_data_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: No such file"):
        data.load([str(tmp_path / "none.json")])
    with pytest.raises(DataError, match="is not one of `save_to_disk`"):
        data.load([str(tmp_path)])


def test_a_great_file_in_a_wrong_encoding_is_refused_in_a_line(tmp_path):
    path = tmp_path / "great.json"
    path.write_bytes(TEXTS["SQuAD"].encode("utf-16")[2:-1] * 1000)
    with pytest.raises(DataError) as refusal:
        data.load([str(path)])
    assert len(str(refusal.value)) < 1000
    assert "depot" not in str(refusal.value)
