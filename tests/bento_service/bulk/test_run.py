"""Every row gets its answer, in order, and only once, however often the run is interrupted."""

import json

import pytest

from bento_service import artifact
from bento_service.bulk import engines
from bento_service.bulk.run import Task, run
from bento_service.bulk.tables import Table, write
from bento_service.errors import UnusableRows
from bento_service.reading.reader import Query, Reader
from bento_service.schema import BatchQuery

ROWS = [{"n": i, "question": f"Who is {i}?", "context": f"Zoë 🎪 is {i}. Ada is not."} for i in range(40)]


def echo(requests):
    """Answer with the number in the question, where it stands in the context."""
    for request in requests:
        if request is None:
            yield None
            continue
        number = request.question.split()[-1][:-1]
        start = request.context.index(number)
        yield {"answer": number, "confidence": 0.5, "start_pos": start, "end_pos": start + len(number)}


def interrupted(after):
    def answer(requests):
        for number, result in enumerate(echo(requests)):
            if number == after:
                raise KeyboardInterrupt
            yield result

    return answer


def task(folder, rows=ROWS, name="out.jsonl", **more):
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" if isinstance(row, dict) else f"{row}\n" for row in rows))
    return Task(Table(path), folder / name, "m:1", **more)


def rows_of(path):
    return [row for _, row in Table(path).rows() if row is not None]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_come_out_in_order_with_their_answers_beside_them(tmp_path):
    run(task(tmp_path), echo)
    out = lines(tmp_path / "out.jsonl")
    assert [row["n"] for row in out] == list(range(40))
    assert all(row["answer"] == str(row["n"]) for row in out)
    assert all(row["context"][row["start_pos"] : row["end_pos"]] == row["answer"] for row in out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    run(task(tmp_path, name="whole.jsonl"), echo)
    for after in (7, 0, 20):
        with pytest.raises(KeyboardInterrupt):
            run(task(tmp_path), interrupted(after))
        with (tmp_path / "out.jsonl.part").open("a") as part:
            part.write('{"answer": "cut in the mid')
    asked = []

    def counted(requests):
        for result in echo(requests):
            asked.append(result)
            yield result

    run(task(tmp_path), counted)
    assert len(asked) == 40 - 27
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_other_rows_options_or_another_model_do_not_go_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(task(tmp_path), interrupted(3))
    others = [
        task(tmp_path, options={"allow_no_answer": True}),
        Task(Table(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", "m:2"),
        task(tmp_path, ROWS[1:]),
    ]
    for other in others[:2]:
        task(tmp_path)
        with pytest.raises(UnusableRows, match=r"out\.jsonl\.part is of other rows, options or another model"):
            run(other, echo)
    with pytest.raises(UnusableRows, match="remove it to begin anew"):
        run(task(tmp_path, ROWS[1:]), echo)


def test_an_output_is_replaced_only_when_asked_to(tmp_path):
    run(task(tmp_path), echo)
    with pytest.raises(UnusableRows, match="--overwrite"):
        run(task(tmp_path), echo)
    run(task(tmp_path, ROWS[:2]), echo, overwrite=True)
    assert len(lines(tmp_path / "out.jsonl")) == 2


BAD = [ROWS[0], "no row", {"n": 2, "question": " ", "context": "c"}, {"n": 3, "question": "Who?"}, ROWS[4]]


def test_bad_rows_stop_the_run_before_its_first_answer(tmp_path):
    with pytest.raises(UnusableRows, match=r"in\.jsonl: line 2: is no row; 3 of 5 rows can't be answered"):
        run(task(tmp_path, BAD), echo)
    assert not (tmp_path / "out.jsonl.part").exists()


def test_bad_rows_can_be_passed_over_and_keep_their_places(tmp_path, capsys):
    run(task(tmp_path, BAD, skip=True), echo)
    out = lines(tmp_path / "out.jsonl")
    assert [row["answer"] for row in out] == ["0", None, None, None, "4"]
    assert [row["error"] for row in out] == [
        None,
        "is no row",
        "question: is empty; send a text with at least one visible character",
        "context: Input should be a valid string",
        None,
    ]
    assert "passed over: line 3: question: is empty" in capsys.readouterr().err


def test_columns_that_the_rows_have_are_not_overwritten(tmp_path):
    rows = [ROWS[0] | {"answer": "gold"}]
    with pytest.raises(UnusableRows, match=r"the rows have answer already; .* --prefix predicted_"):
        run(task(tmp_path, rows), echo)
    run(task(tmp_path, rows, prefix="predicted_"), echo)
    (row,) = lines(tmp_path / "out.jsonl")
    assert (row["answer"], row["predicted_answer"]) == ("gold", "0")


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_the_output_has_the_format_of_its_name(name, tmp_path):
    if name == "out.parquet":
        pytest.importorskip("pyarrow")
    run(task(tmp_path, name=name), echo)
    out = rows_of(tmp_path / name)
    assert [str(row["n"]) for row in out] == [row["answer"] for row in out] == [str(i) for i in range(40)]


def test_this_machine_answers_as_the_reader_does_and_says_why_not(tiny_model, tmp_path):
    reader = artifact.load(tiny_model).reader()
    long = {"n": 40, "question": "why " * 400, "context": "Ada."}
    run(task(tmp_path, [*ROWS, long], skip=True), lambda requests: engines.local(reader, requests))
    *out, last = lines(tmp_path / "out.jsonl")
    for row in out:
        (answer,) = reader.answer(Query(row["question"], row["context"]))
        assert (row["answer"], row["start_pos"], row["end_pos"]) == (answer.text, answer.start, answer.end)
        assert row["confidence"] == pytest.approx(answer.confidence, abs=1e-6)
    assert last["answer"] is None
    assert last["error"].startswith("too_large: the question has")


def test_a_batch_is_tokenised_at_once_and_bad_rows_keep_their_places(tiny_model):
    reader = artifact.load(tiny_model).reader()
    prepared = []

    class Counting(Reader):
        def __init__(self):
            vars(self).update(vars(reader))

        def prepare(self, queries):
            prepared.append(len(queries))
            return super().prepare(queries)

    requests = [BatchQuery(question="Who?", context=f"Ada is {i}.") for i in range(engines.BATCH + 1)]
    results = list(engines.local(Counting(), [None, *requests, None]))
    assert prepared == [engines.BATCH - 1, 2]
    assert [result is None for result in results] == [True, *[False] * len(requests), True]


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """At most the batches that are ahead are taken from the rows before the first answer is given."""
    taken = []

    def rows():
        for number in range(1000):
            taken.append(number)
            yield number

    results = engines.in_order(rows(), lambda number: number, lambda number: number, 4)
    assert next(results) == 0
    assert len(taken) == 4
    assert list(results) == list(range(1, 1000))


def test_parquet_goes_in_and_out_with_its_columns(tmp_path):
    pytest.importorskip("pyarrow")
    rows = [row | {"tags": ["a", str(row["n"])]} for row in ROWS]
    write(tmp_path / "in.parquet", "Parquet", list(rows[0]), lambda: rows)
    run(Task(Table(tmp_path / "in.parquet"), tmp_path / "out", "m:1"), echo)
    out = rows_of(tmp_path / "out")
    assert [row["tags"] for row in out] == [row["tags"] for row in rows]
    assert out[39]["answer"] == "39"
