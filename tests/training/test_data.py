import json

import pytest

from training import data
from training.errors import DataError


def squad(tmp_path, qas, *, context="Ada wrote it in 1843.", name="set.json"):
    path = tmp_path / name
    path.write_text(json.dumps({"data": [{"title": "T", "paragraphs": [{"context": context, "qas": qas}]}]}))
    return path


def qa(number=1, **more):
    return {"id": number, "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}], **more}


def test_v1_and_v2_files_load_with_every_annotators_answer(tmp_path):
    answers = [{"text": "1843", "answer_start": 16}, {"text": "in 1843", "answer_start": 13}]
    path = squad(tmp_path, [qa(answers=answers), qa(2, answers=[], is_impossible=True)])
    several, none = data.load([str(path)])
    assert several.answers == (data.GoldAnswer("1843", 16), data.GoldAnswer("in 1843", 13))
    assert (several.title, several.source, several.id) == ("T", "set", "1")
    assert none.answers == ()


def test_an_impossible_questions_plausible_answers_are_not_answers(tmp_path):
    assert data.load([str(squad(tmp_path, [qa(is_impossible=True)]))])[0].answers == ()


def test_the_sample_loads_whole_and_by_part():
    train, dev = data.load(["sample:train"]), data.load(["sample:dev"])
    assert data.load(["sample"]) == train + dev


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not SQuAD JSON"),
        ("[]", "not SQuAD JSON"),
        ('{"data": [{}]}', "not SQuAD JSON"),
        ('{"data": []}', "no question"),
        ("\x00", "not SQuAD JSON"),
    ],
)
def test_a_file_that_is_not_squad_is_named(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"bad\.json.*{message}"):
        data.load([str(path)])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: No such file"):
        data.load([str(tmp_path / "none.json")])


def test_a_wrong_offset_names_the_question(tmp_path):
    path = squad(tmp_path, [qa(7, answers=[{"text": "Ada", "answer_start": 1}])])
    with pytest.raises(DataError, match="question 7: answer_start 1"):
        data.load([str(path)])


def test_an_unknown_part_of_the_sample_is_refused():
    with pytest.raises(DataError, match="sample:train and sample:dev"):
        data.load(["sample:test"])


def test_rows_of_a_hub_dataset_give_the_same_examples(tmp_path):
    from datasets import Dataset

    rows = [
        {
            "id": "1",
            "title": "T",
            "question": "Who?",
            "context": "Ada wrote it in 1843.",
            "answers": {"text": ["Ada"], "answer_start": [0]},
        }
    ]
    assert data.from_rows(Dataset.from_list(rows), "set") == data.load([str(squad(tmp_path, [qa()]))])


def test_a_dataset_with_other_columns_is_refused():
    with pytest.raises(DataError, match="lacks SQuAD's columns"):
        data.from_rows([{"text": "x"}], "other/set")


def test_a_hub_that_cannot_be_reached_is_said_so(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="'no-such-user/no-such-set' could not be loaded"):
        data.load(["hub:no-such-user/no-such-set"])


def examples(source, titles):
    return [data.Example(f"{source}-{i}", "q", f"context {i}", (), title, source) for i, title in enumerate(titles)]


def test_held_out_articles_are_on_one_side_only_and_stay_when_data_grows():
    few = examples("a", [f"title {i % 40}" for i in range(400)])
    train, dev = data.hold_out(few, 0.2, seed=1)
    assert len(train) + len(dev) == 400
    assert 0.05 < len(dev) / 400 < 0.4
    assert not {e.title for e in train} & {e.title for e in dev}
    more = few + examples("b", [f"title {i}" for i in range(50)])
    assert [e for e in data.hold_out(more, 0.2, seed=1)[1] if e.source == "a"] == dev
    assert data.hold_out(few, 0.2, seed=2)[1] != dev


def test_a_source_of_one_article_is_held_out_by_paragraph():
    train, dev = data.hold_out(examples("reddit", ["same"] * 300), 0.2, seed=1)
    assert train
    assert dev


def test_the_fingerprint_follows_the_content_not_the_file(tmp_path):
    one, two = (data.load([str(squad(tmp_path, [qa()], name=name))]) for name in ("a.json", "b.json"))
    assert data.fingerprint(one) == data.fingerprint(two)
    assert data.fingerprint(one) != data.fingerprint(data.load([str(squad(tmp_path, [qa(2)]))]))


def test_drawn_examples_keep_their_order_and_follow_the_seed():
    all_of_them = examples("a", ["t"] * 50)
    drawn = data.draw(all_of_them, 20, seed=1)
    assert len(drawn) == 20
    assert drawn == sorted(drawn, key=all_of_them.index)
    assert drawn == data.draw(all_of_them, 20, seed=1) != data.draw(all_of_them, 20, seed=2)
    assert data.draw(all_of_them, None, seed=1) == data.draw(all_of_them, 99, seed=1) == all_of_them


@pytest.mark.parametrize("titles", [["a", "b"], ["a", "b", "c"], ["only"] * 3])
@pytest.mark.parametrize("fraction", [0.001, 0.2, 0.999])
def test_neither_side_of_a_small_set_is_empty(titles, fraction):
    train, dev = data.hold_out(examples("mine", titles), fraction, seed=1)
    assert train
    assert dev


def test_a_single_paragraph_cannot_be_split():
    with pytest.raises(DataError, match="name dev_data"):
        data.hold_out(examples("mine", ["t"]), 0.5, seed=1)
