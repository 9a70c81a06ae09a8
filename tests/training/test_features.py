import pytest

from bento_service.tokenization import TextTokenizer
from training import data, features
from training.data import Answer, Example
from training.train import collate


@pytest.fixture(scope="module")
def tokenizer(tokenizer_file):
    return TextTokenizer.from_file(tokenizer_file)


def rows_of(tokenizer, context, *answers, max_length=384, doc_stride=128):
    found = tuple(Answer(text, context.index(text)) for text in answers)
    example = Example("1", "Who?", context, found, "T", "s")
    return features.build([example], tokenizer, max_length=max_length, doc_stride=doc_stride)


def test_positions_are_the_answers_first_and_last_token(tokenizer):
    # [CLS] who ? [SEP] ada love ##lace wrote it [SEP]
    (row,) = rows_of(tokenizer, "Ada Lovelace wrote it", "Ada Lovelace", "Lovelace")
    assert (row["start_positions"], row["end_positions"], row["length"]) == ([4, 5], [6, 6], 10)


def test_a_window_that_cuts_the_answer_says_no_answer_here(tokenizer):
    context = "straw " * 60 + "needle eye " + "straw " * 60
    rows = rows_of(tokenizer, context, "needle eye", max_length=64, doc_stride=16)
    spans = [(row["start_positions"][0], row["end_positions"][0]) for row in rows]
    assert (0, 0) in spans
    for row, (start, end) in zip(rows, spans, strict=True):
        if (start, end) != (0, 0):
            assert tokenizer._tokenizer.decode(row["input_ids"][start : end + 1]) == "needle eye"
    assert any(span != (0, 0) for span in spans)


def test_an_unanswerable_question_points_at_position_0(tokenizer):
    (row,) = rows_of(tokenizer, "Ada wrote it")
    assert (row["start_positions"], row["end_positions"]) == ([0], [0])


def test_a_question_too_long_for_a_window_is_left_out_and_counted(tokenizer, caplog):
    example = Example("1", "why " * 100, "because", (), "T", "s")
    assert features.build([example], tokenizer, max_length=64, doc_stride=16) == []
    assert "1 questions left out" in caplog.text


def test_every_answer_of_the_sample_is_covered_by_its_tokens(tokenizer):
    examples = [example for example in data.load([data.SAMPLE]) if example.answers]
    rows = features.build(examples, tokenizer, max_length=384, doc_stride=128)
    unlabelled = sum(row["start_positions"].count(0) for row in rows)
    windows_without_answer = sum(len(row["start_positions"]) for row in rows if row["length"] == 384)
    assert unlabelled <= windows_without_answer


def test_targets_share_one_unit_between_the_annotators():
    row = {"input_ids": [1, 2, 3], "token_type_ids": [0, 1, 1], "length": 3}
    short = {"input_ids": [1, 2], "token_type_ids": [0, 1], "length": 2, "start_positions": [0], "end_positions": [0]}
    batch = collate([{**row, "start_positions": [1, 1, 2], "end_positions": [2, 2, 2]}, short])
    # Two of three annotators start at token 1, one at token 2.
    assert batch["start_targets"].tolist() == [[0, pytest.approx(2 / 3), pytest.approx(1 / 3)], [1, 0, 0]]
    assert batch["end_targets"].tolist() == [[0, 0, pytest.approx(1)], [1, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
