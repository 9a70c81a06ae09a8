"""What is wrong among examples that are each good, and the report of it."""

import json
from dataclasses import replace

import pytest

from bento_service.reading.reader import ReaderSettings
from tests.training.data import files
from training.data import Example, GoldAnswer, check

SETTINGS = ReaderSettings(max_length=64, doc_stride=8, max_answer_length=3)


def example(number, question="Who?", context="Ada wrote it in 1843.", answer="Ada"):
    answers = (GoldAnswer(answer, context.index(answer)),) if answer else ()
    return Example(f"q{number}", question, context, answers, "t", "s")


@pytest.fixture
def found(tokenizer_file):
    def of(train, dev=()):
        return {f.what.partition(" (")[0]: f for f in check.findings(train, dev, tokenizer_file, SETTINGS)}

    return of


def test_good_examples_have_no_finding(found):
    assert found([example(1), example(2, "When?", answer="1843")], [example(3, context="Bob is Ada.")]) == {}


def test_a_question_that_occurs_again_is_found_with_the_same_answer_and_with_another(found):
    findings = found([example(1), example(2), example(3, answer="1843"), example(4, "When?", answer="1843")])
    assert findings["questions are asked twice of the same context"].ids == ("q2",)
    assert findings["questions have another answer elsewhere, on the same context"].ids == ("q1", "q2", "q3")


def test_ids_that_occur_twice_and_paragraphs_in_both_parts_are_found(found):
    findings = found([example(1)], [example(1, "When?", answer="1843")])
    assert findings["questions share their id with another one"].count == 2
    assert findings["dev questions are on a paragraph of the training part"].ids == ("q1",)


def test_what_is_too_long_for_the_network_is_found(found):
    long = example(1, "Why?", answer="Ada wrote it in")  # four tokens
    both = replace(example(2), answers=(GoldAnswer("Ada wrote it in", 0), GoldAnswer("Ada", 0)))
    findings = found([long, both, example(3, "why " * 50)])
    assert findings["answers are longer than 3 tokens and can't be learnt"].ids == ("q1",)
    # 64 tokens, less 3 special ones, 8 of overlap and a quarter of the window.
    assert findings["questions are longer than the 37 tokens that a window has room for"].ids == ("q3",)


def test_contexts_that_the_tokenizer_does_not_know_are_found(found):
    thai = example(1, context="\u1c5a\u1c5b\u1c5c \u1c6a\u1c6b\u1c6c ab", answer="ab")  # Ol Chiki
    nothing = example(2, context="\u200b\u200b", answer="")
    assert found([thai, nothing])["contexts hold little that the tokenizer of this base model knows"].count == 2


def test_only_ids_that_look_like_ids_are_shown(found):
    finding = found([replace(example(1), id="Ada wrote it in 1843."), replace(example(1), id="ok")] * 2)
    assert all(set(f.ids) == {"ok"} for f in finding.values())


def test_the_report_counts_describes_and_names_bad_rows_without_their_text(tmp_path, tokenizer_file):
    bad = [*files.qas(), files.qas()[0] | {"id": "b", "answers": [{"text": "Zoë Aas", "answer_start": 1}]}]
    sources = [files.squad(tmp_path / "mine.json", bad), str(tmp_path / "none.json")]
    report = check.report(sources, [], tokenizer_file, SETTINGS)
    mine, none = report["sources"]
    assert (mine["rows"], mine["questions"], mine["answerable"], mine["paragraphs"]) == (4, 3, 3, 1)
    assert mine["scripts"] == {"Latin": 1}
    assert mine["characters"]["context"] == {"median": len(files.CONTEXT), "most": len(files.CONTEXT)}
    (row,) = mine["bad_rows"]
    assert row == {
        "place": "data[0].paragraphs[0].qas[3]",
        "id": "b",
        "field": "answers[0].answer_start",
        "reason": "1 does not point at the text (offsets count code points)",
        "repair": "off by one",
        "repaired": True,
    }
    assert "No such file" in none["error"]
    assert (report["bad_rows"], report["unreadable"]) == (1, 1)
    assert check.verdict(report).startswith("1 bad rows: `train --bad-rows skip`")
    assert check.verdict(report).endswith("; 1 sources that can't be read, as said above")
    text = "\n".join(check.lines(report))
    assert "3 good questions of 4, 3 answerable, on 1 paragraphs" in text
    assert "qas[3] (id b): answers[0].answer_start 1 does not point" in text
    assert "repair: off by one" in text
    assert "depot" not in text + json.dumps(report)


def test_bad_rows_are_not_spoken_of_where_a_source_cannot_be_read(tmp_path, tokenizer_file):
    """A row with two faults is one row."""
    report = check.report([str(tmp_path / "none.json")], [], tokenizer_file, SETTINGS)
    assert check.verdict(report) == "1 sources that can't be read, as said above"
    twice = files.qas()[0] | {"question": "", "answers": [{"text": "", "answer_start": 0}]}
    report = check.report([files.squad(tmp_path / "mine.json", [twice])], [], tokenizer_file, SETTINGS)
    assert len(report["sources"][0]["bad_rows"]) == 2
    assert check.verdict(report).startswith("1 bad rows: ")
    good = check.report([files.squad(tmp_path / "good.json")], [], tokenizer_file, SETTINGS)
    assert check.verdict(good) == ""


@pytest.mark.parametrize(
    ("text", "name"), [("Ada", "Latin"), ("東京 a", "Cjk"), ("Привет, Ada", "Cyrillic"), ("12!", "none")]
)
def test_a_script_is_that_of_most_letters(text, name):
    assert check.script(text) == name
