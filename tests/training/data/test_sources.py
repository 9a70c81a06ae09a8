"""What is wrong with a row is refused by name, or passed over, or repaired, and counted."""

import json

import pytest

from tests.training.data import files
from training import data
from training.data import sources
from training.errors import DataError


def answered(**changes):
    """Return SQuAD's first question with another first answer."""
    qa = files.qas()[0]
    answer = qa["answers"][0] | changes
    return [qa | {"answers": [{k: v for k, v in answer.items() if v != "left out"}]}, *files.qas()[1:]]


def changed(**changes):
    """Return SQuAD's questions with the first one changed."""
    qa = files.qas()[0] | changes
    return [{k: v for k, v in qa.items() if v != "left out"}, *files.qas()[1:]]


BAD = {
    "start negative": (
        answered(answer_start=-81),
        r"answers\[0\]\.answer_start: input should be greater than or",
    ),
    "start null": (answered(answer_start=None), r"answers\[0\]\.answer_start: is missing"),
    "start left out": (answered(answer_start="left out"), r"answers\[0\]\.answer_start: is missing"),
    "start NaN": (answered(answer_start=float("nan")), r"answers\[0\]\.answer_start: is missing"),
    "start no number": (answered(answer_start="zero"), r"answers\[0\]\.answer_start: input should be a valid integer"),
    "start with a fraction": (answered(answer_start=0.5), r"answers\[0\]\.answer_start: input should be a valid int"),
    "start a flag": (answered(answer_start=True), r"answers\[0\]\.answer_start: must be a whole number"),
    "start off": (answered(answer_start=1), r"answers\[0\]\.answer_start: 1 does not point at the text"),
    "start huge": (answered(answer_start=10**4000), r"answers\[0\]\.answer_start: input should be less"),
    "text empty": (answered(text=""), r"answers\[0\]\.text: is empty"),
    "text null": (answered(text=None), r"answers\[0\]\.text: is null"),
    "text NaN": (answered(text=float("nan")), r"answers\[0\]\.text: is null"),
    "text a number": (answered(text=1971), r"answers\[0\]\.text: is not a text"),
    "answers left out": (changed(answers="left out"), "answers: is missing"),
    "answers null": (changed(answers=None), "answers: is missing"),
    "answers a number": (changed(answers=5), "answers: input should be"),
    "answers without text": (changed(answers=[{}]), r"answers\[0\]\.text: field required"),
    "answers of two lengths": (
        changed(answers={"text": ["Zoë"], "answer_start": [0, 1]}),
        "answers: text and answer_start are not",
    ),
    "possible without answers": (changed(answers=[], is_impossible=False), "answers: is empty, but is_impossible is"),
    '"false" without answers': (changed(answers=[], is_impossible="false"), "answers: is empty, but is_impossible is"),
    "flag no flag": (changed(is_impossible="perhaps"), "is_impossible: input should be a valid boolean"),
    "question empty": (changed(question=" "), "question: is empty"),
    "question null": (changed(question=None), "question: is null"),
    "question NaN": (changed(question=float("nan")), "question: is null"),
    "question left out": (changed(question="left out"), "question: field required"),
    "question half": (changed(question="Who \ud83d?"), "question: holds half of a surrogate pair at 4"),
    "id a list": (changed(id=["q0"]), "id: input should be a valid string"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_refused_by_file_row_and_field(name, tmp_path):
    questions, message = BAD[name]
    path = files.squad(tmp_path / "bad.json", questions)
    with pytest.raises(DataError, match=rf"bad\.json: data\[0\]\.paragraphs\[0\]\.qas\[0\].*: {message}") as refusal:
        data.load([path])
    assert "1 of 3 rows are bad" in str(refusal.value)
    assert len(str(refusal.value)) < 1000
    assert "depot" not in str(refusal.value)
    kept = sources.load_all([path], "skip")
    assert [e.id for e in kept.examples] == ["q1", "q2"]
    assert (kept.skipped, kept.repaired) == (1, 0)


@pytest.mark.parametrize(
    ("context", "reason"), [(None, "is null"), ("", "is empty"), (float("nan"), "is null"), (5, "is not")]
)
def test_a_context_that_is_none_makes_every_question_of_it_bad(context, reason, tmp_path):
    source = sources.read(files.squad(tmp_path / "bad.json", context=context))
    assert [fault.reason.startswith(reason) for row in source.bad for fault in row.faults] == [True] * 3


GOOD = {
    "start as text": answered(answer_start="0"),
    "start as float": answered(answer_start=0.0),
    "possible": changed(is_impossible="False"),
    "NaN for a flag": changed(is_impossible=float("nan")),
    "answers by column": changed(answers={"text": ["Zoë Aas"], "answer_start": [0]}),
    "one answer alone": changed(answers={"text": "Zoë Aas", "answer_start": 0}),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_meant_in_one_way_only_is_taken(name, tmp_path):
    assert data.load([files.squad(tmp_path / "a.json", GOOD[name])]) == data.load([files.squad(tmp_path / "a.json")])


@pytest.mark.parametrize("title", [None, float("nan"), 5])
def test_titles_and_ids_may_be_anything(title, tmp_path):
    text = json.dumps([files.articles(changed(id=17))[0] | {"title": title}])
    (tmp_path / "a.json").write_text(text)
    example = data.load([str(tmp_path / "a.json")])[0]
    assert (example.id, example.title) == ("17", "5" if title == 5 else "")


def test_every_annotators_answer_and_questions_without_one_are_kept(tmp_path):
    several = changed(answers=[{"text": "Zoë Aas", "answer_start": 0}, {"text": "Zoë", "answer_start": 0}])
    none = [
        {"id": 2, "question": "Why?", "answers": [], "is_impossible": True},
        {"id": 3, "question": "So?", "answers": []},
    ]
    loaded = data.load([files.squad(tmp_path / "set.json", [*several[:1], *none])])
    assert loaded[0].answers == (data.GoldAnswer("Zoë Aas", 0), data.GoldAnswer("Zoë", 0))
    assert [example.answers for example in loaded[1:]] == [(), ()]
    assert {example.source for example in loaded} == {"set"}


def test_what_is_no_fault_but_should_be_known_is_logged(tmp_path, caplog):
    odd = [
        files.qas()[0] | {"is_impossible": True},
        {"id": "q1", "question": "Why?", "answers": []},
        {k: v for k, v in files.qas()[2].items() if k != "id"},
        files.qas()[1] | {"answers": [{"text": " 1971", "answer_start": files.CONTEXT.index(" 1971")}]},
    ]
    first, second, third, _ = data.load([files.squad(tmp_path / "odd.json", odd)])
    assert first.answers == second.answers == ()
    assert len(third.id) == 16
    for note in (sources.IMPOSSIBLE_WITH_ANSWERS, sources.NEITHER, sources.WITHOUT_ID, sources.PADDED):
        assert f"odd.json: 1 of 4 rows: {note}" in caplog.text


def test_bad_rows_are_repaired_where_there_is_one_way_and_counted(tmp_path, caplog):
    questions = [*answered(answer_start=None)[:1], *answered(text="nowhere")[:1], *files.qas()[1:]]
    loaded = sources.load_all([files.squad(tmp_path / "bad.json", questions)], "repair")
    assert loaded.examples == data.load([files.squad(tmp_path / "bad.json")])
    assert (loaded.skipped, loaded.repaired) == (1, 1)
    assert "1 bad rows repaired, 1 passed over, of 4" in caplog.text


def test_nothing_but_bad_rows_is_refused_even_if_they_are_passed_over(tmp_path):
    path = files.squad(tmp_path / "bad.json", changed(question=None)[:1])
    with pytest.raises(DataError, match="holds no question but 1 bad rows"):
        sources.load_all([path], "skip")


def test_starts_that_are_off_alike_are_repaired_where_the_text_stands_twice(tmp_path):
    # "depot" is in the text twice, so that its own start would not tell which is meant; "1971" and "40" are off by 9.
    shifted = [
        {"id": str(i), "question": "?", "answers": [{"text": text, "answer_start": files.CONTEXT.index(text) + 9}]}
        for i, text in enumerate(("1971", "40", "depot"))
    ]
    repaired = sources.load_all([files.squad(tmp_path / "a.json", shifted)], "repair").examples
    assert [e.answers[0].start for e in repaired] == [files.CONTEXT.index(text) for text in ("1971", "40", "depot")]


def test_a_text_in_the_wrong_column_is_not_shown(tmp_path):
    (tmp_path / "rows.csv").write_text("id,context,question,answer\nThe whole depot of Halden,,Who?,Ada\n")
    with pytest.raises(DataError, match="line 2: context: is empty") as refusal:
        data.load([str(tmp_path / "rows.csv")])
    assert "Halden" not in str(refusal.value)


def test_a_row_of_a_table_without_answer_is_unanswerable_and_without_start_bad(tmp_path):
    (tmp_path / "rows.csv").write_text(
        "context,question,answer,start\nAda wrote it.,Who?,Ada,\nAda wrote it.,When?,,\n"
    )
    source = sources.read(str(tmp_path / "rows.csv"))
    assert [str(row.faults[0]) for row in source.bad] == [
        "answers[0].answer_start: is missing (can be repaired: found in the text)"
    ]
    assert [example.answers for example in source.examples("repair")] == [(data.GoldAnswer("Ada", 0),), ()]


def test_the_fingerprint_follows_the_content_not_the_file(tmp_path):
    one, two = (data.load([files.squad(tmp_path / name)]) for name in ("a.json", "b.json"))
    assert data.fingerprint(one) == data.fingerprint(two)
    assert data.fingerprint(one) != data.fingerprint(data.load([files.squad(tmp_path / "c.json", changed(id="other"))]))
